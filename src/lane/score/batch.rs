//! The micro-batch: one aligned buffer of rows, and what is known about each record beside its row. Made once,
//! reused for ever.
//!
//! A batch is open for what arrives, then at the model, then leaving. Only its [`RowBatch`] goes to the model; the records
//! and what the lane knows of them never change threads.

use ndarray::ArrayView2;

use crate::doors::{ScoreError, ScoreErrorKind, SourceRecord};
use crate::error::Reject;
use crate::failpoint::Poison;
use crate::lane::letter::Letter;
use crate::values::failure::FailureClass;
use crate::values::fingerprint::Fingerprint;
use crate::values::record::{Decision, Decoded, Position, Receipt, ReviewReason, Scored};

/// Bytes to which the first row is aligned: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;
const FLOATS_PER_LINE: usize = ALIGNMENT / size_of::<f32>();

/// `cap` rows of `width` features, row-major and contiguous.
#[derive(Debug, Default)]
pub struct Rows {
    storage: Vec<f32>,
    /// Floats to skip so that the first row is aligned.
    skip: usize,
    width: usize,
    cap: usize,
}

impl Rows {
    pub fn new(width: usize, cap: usize) -> Rows {
        assert!(width > 0 && cap > 0, "a batch has rows and features");
        let storage = vec![0.0; width * cap + FLOATS_PER_LINE];
        let past = storage.as_ptr() as usize % ALIGNMENT;
        let skip = (ALIGNMENT - past) % ALIGNMENT / size_of::<f32>();
        Rows { storage, skip, width, cap }
    }

    pub fn cap(&self) -> usize {
        self.cap
    }

    pub fn row(&self, row: usize) -> &[f32] {
        let start = self.skip + row * self.width;
        &self.storage[start..start + self.width]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let start = self.skip + row * self.width;
        &mut self.storage[start..start + self.width]
    }

    /// Replaces row `to` by row `from`.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        if from != to {
            let at = |row: usize| self.skip + row * self.width;
            let (source, target) = (at(from)..at(from + 1), at(to));
            self.storage.copy_within(source, target);
        }
    }

    /// Rows `from..to`.
    pub fn view(&self, from: usize, to: usize) -> ArrayView2<'_, f32> {
        let slice = &self.storage[self.skip + from * self.width..self.skip + to * self.width];
        ArrayView2::from_shape((to - from, self.width), slice).expect("the slice has exactly these rows")
    }
}

/// How far a record is on its way to an outcome.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Decoded into this row; the score follows.
    Row(usize),
    Decided(Decided),
    Rejected(Reject),
    /// A letter on the topic of what is scored again later, and why there is no score yet.
    Deferred(Reject),
}

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// Probability of fraud, 0..=1.
    pub score: f64,
    pub decision: Decision,
    /// Whether people look at it too, and why.
    pub review: Option<ReviewReason>,
    /// Of the row that the model was given, where outputs carry one.
    pub fingerprint: Option<Fingerprint>,
    /// Who decided: 0 is the model, n the nth step of the fallback.
    pub step: u8,
}

/// One record on its way through the batch.
#[derive(Debug)]
pub struct Item<R> {
    pub record: R,
    /// The assignment that it was received in, and which record of it this is.
    pub assignment: u32,
    pub sequence: u64,
    /// When it was polled.
    pub receipt: Receipt,
    pub decoded: Option<Decoded>,
    pub verdict: Verdict,
    /// Its deadline had passed when it went to the model.
    pub late: bool,
    /// The record is a letter about one of the input.
    pub letter: Option<Letter>,
}

impl<R: SourceRecord> Item<R> {
    /// Where its outcomes say that it stands.
    pub fn origin(&self) -> Position {
        self.letter.map_or_else(|| self.record.position(), |letter| letter.origin)
    }

    /// What its outcome tells.
    pub fn scored(&self, decided: &Decided, scored_us: i64) -> Scored<'_> {
        Scored {
            payload: self.record.value().unwrap_or_default(),
            position: self.origin(),
            source_timestamp_ms: self.record.timestamp_ms(),
            decoded: self.decoded.expect("a row comes with what was decoded"),
            score: decided.score,
            decision: decided.decision,
            late: self.late,
            epoch: self.assignment,
            fingerprint: decided.fingerprint,
            amends: self.letter.map(|letter| letter.amends(&self.record)),
            received_us: self.receipt.us,
            scored_us,
        }
    }
}

/// How the model's calls with a batch went.
#[derive(Debug, Default)]
pub struct Calls {
    /// So many failed, and what the last of them said.
    pub failed: u32,
    pub error: Option<ScoreError>,
    /// The model failed too often in a row: nothing of this batch may go out.
    pub broken: bool,
}

/// What the model sees of a batch: rows go in, scores come out.
#[derive(Debug, Default)]
pub struct RowBatch {
    pub features: Rows,
    /// Rows in use.
    pub filled: usize,
    pub scores: Vec<f64>,
    /// Rows that the model gave no score for, in order, and why.
    pub failed: Vec<(usize, FailureClass)>,
    /// Nobody waits for the model's scores: none of the rows has one.
    pub given_up: Option<FailureClass>,
    pub calls: Calls,
    /// Test builds: a record that ends the process.
    pub poison: Poison,
    /// Monotonic and wall clock before and after scoring.
    pub started_ns: u64,
    pub started_us: i64,
    pub scored_ns: u64,
    pub scored_us: i64,
}

impl RowBatch {
    /// Why this row has no score of the model, where it has none.
    pub fn failure_of(&self, row: usize) -> Option<FailureClass> {
        if self.given_up.is_some() || self.failed.is_empty() {
            return self.given_up;
        }
        let at = self.failed.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(self.failed[at].1)
    }

    /// None of the rows from `first` on has a score, for this reason.
    pub(super) fn fail_from(&mut self, first: usize, class: FailureClass) {
        self.failed.extend((first..self.filled).map(|row| (row, class)));
    }

    /// What is left of a batch whose rows the model still has.
    pub(super) fn without_rows(class: FailureClass, sent: (u64, i64), now: (u64, i64)) -> RowBatch {
        let error = ScoreError::new(ScoreErrorKind::TimedOut, "no answer in time");
        let (started_ns, started_us) = sent;
        let (scored_ns, scored_us) = now;
        RowBatch {
            given_up: Some(class),
            calls: Calls { failed: 1, error: Some(error), broken: false },
            started_ns,
            started_us,
            scored_ns,
            scored_us,
            ..RowBatch::default()
        }
    }

    /// For the next records.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.failed.clear();
        (self.given_up, self.calls) = (None, Calls::default());
        self.poison = Poison::default();
    }

    /// Its rows leave unscored: the model is late with others.
    pub(super) fn time_out(&mut self, now_ns: u64, now_us: i64) {
        self.given_up = Some(FailureClass::TimedOut);
        (self.started_ns, self.started_us) = (now_ns, now_us);
        (self.scored_ns, self.scored_us) = (now_ns, now_us);
    }

    /// Its rows are with the model.
    pub(super) fn is_bare(&self) -> bool {
        self.features.cap() == 0
    }
}

/// Records that were decoded together: between two looks at the source.
#[derive(Clone, Copy, Debug)]
pub struct DecodeSpan {
    /// Monotonic clock before and after.
    pub start_ns: u64,
    pub decoded_ns: u64,
    /// Those that became rows.
    pub rows: u64,
}

/// Records in the order received, with their rows and scores.
#[derive(Debug)]
pub struct Batch<R> {
    pub items: Vec<Item<R>>,
    /// Empty while it is at the model.
    pub rows: RowBatch,
    pub decodes: Vec<DecodeSpan>,
}

impl<R> Batch<R> {
    pub fn new(width: usize, cap: usize) -> Batch<R> {
        let rows = RowBatch {
            features: Rows::new(width, cap),
            scores: vec![0.0; cap],
            failed: Vec::with_capacity(cap),
            ..RowBatch::default()
        };
        Batch { items: Vec::with_capacity(cap), rows, decodes: Vec::with_capacity(cap) }
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.decodes.clear();
        self.rows.clear();
    }

    /// Records that still fit.
    pub fn room(&self) -> usize {
        self.rows.features.cap() - self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_keep_apart() {
        for width in [1, 15, 16, 33] {
            let mut rows = Rows::new(width, 8);
            assert_eq!(rows.row_mut(0).as_ptr() as usize % ALIGNMENT, 0);
            for row in 0..8 {
                rows.row_mut(row).fill(row as f32);
            }
            assert_eq!(rows.row(6), vec![6.0; width]);
            let view = rows.view(2, 5);
            assert_eq!(view.shape(), [3, width]);
            assert!(view.rows().into_iter().zip(2..).all(|(row, n)| row.iter().all(|&value| value == n as f32)));
            assert!(view.is_standard_layout());
        }
    }
}
