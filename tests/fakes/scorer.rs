//! A model whose answer is written in the row: the score is the first feature, the second says how it misbehaves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ndarray::ArrayView2;
use scorewire::doors::{ScoreError, ScoreErrorKind, Scorer};

/// What a row asks the model to do; travels as a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answer the first feature.
    Score,
    NotANumber,
    Infinite,
    /// Answer 1.5.
    OutOfRange,
    /// Every call that holds this row fails.
    Fail,
    /// Every call that holds this row is refused.
    Refuse,
    /// Every call that holds this row is answered with something else.
    BadAnswer,
    /// The call succeeds and leaves this row's score as it was.
    Silent,
}

pub const WIDTH: usize = 4;

/// What the model was asked, and what it is told. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ScorerState {
    /// Every call fails while this is set.
    pub broken: Arc<AtomicBool>,
    /// Every call says that the model is not to be had.
    pub unavailable: Arc<AtomicBool>,
    pub calls: Arc<AtomicUsize>,
    /// Rows of each call, while `keep_rows`.
    pub rows: Arc<Mutex<Vec<Vec<Vec<f32>>>>>,
    pub keep_rows: Arc<AtomicBool>,
    /// While the test holds this, calls do not return: a model that is slow, or hangs.
    pub slow: Arc<Mutex<()>>,
    pub panics: Arc<AtomicBool>,
}

impl ScorerState {
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub fn call_count(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Rows of each call since `keep_rows` was set.
    pub fn calls_with_rows(&self) -> Vec<Vec<Vec<f32>>> {
        self.rows.lock().unwrap().clone()
    }
}

#[derive(Debug, Default)]
pub struct FakeScorer(pub ScorerState);

impl Scorer for FakeScorer {
    fn width(&self) -> usize {
        WIDTH
    }

    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError> {
        assert_eq!(rows.nrows(), scores.len(), "a score for each row");
        assert!(rows.is_standard_layout() && rows.ncols() == WIDTH, "contiguous rows");
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        drop(self.0.slow.lock().unwrap());
        assert!(!self.0.panics.load(Ordering::SeqCst), "the fake is told to panic");
        if self.0.keep_rows.load(Ordering::Relaxed) {
            let copy = rows.rows().into_iter().map(|row| row.to_vec()).collect();
            self.0.rows.lock().unwrap().push(copy);
        }
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(ScoreError::failed("the fake is told to fail"));
        }
        if self.0.unavailable.load(Ordering::SeqCst) {
            return Err(ScoreError::unavailable("the fake is told to be away", Some(Duration::from_secs(1))));
        }
        for (row, score) in rows.rows().into_iter().zip(scores) {
            *score = match row[1] as i32 {
                mode if mode == Mode::NotANumber as i32 => f64::NAN,
                mode if mode == Mode::Infinite as i32 => f64::INFINITY,
                mode if mode == Mode::OutOfRange as i32 => 1.5,
                mode if mode == Mode::Fail as i32 => return Err(ScoreError::failed("a row it fails on")),
                mode if mode == Mode::Refuse as i32 => {
                    return Err(ScoreError::new(ScoreErrorKind::Refused, "a row it cannot take"));
                }
                mode if mode == Mode::BadAnswer as i32 => {
                    return Err(ScoreError::new(ScoreErrorKind::BadAnswer, "an answer of another shape"));
                }
                mode if mode == Mode::Silent as i32 => *score,
                _ => f64::from(row[0]),
            };
        }
        Ok(())
    }
}
