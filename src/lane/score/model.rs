//! The model, called on one thread. A batch that fails is tried again row by row, so that one bad row never costs its
//! neighbours; one whose model is not to be had, or was too slow, fails as a whole, since every row would.

use super::batch::{Calls, RowBatch};
use crate::doors::{Clock, ScoreError, ScoreErrorKind, Scorer};
use crate::failpoint::trouble::{self, Trouble};
use crate::values::failure::{FailureClass, FailureClasses};
use crate::values::limits::{MODEL_REST_MAX, MODEL_REST_MIN, nanoseconds};

/// Calls that a model at rest gets when it is tried again: the batch, and its first row where the batch fails.
const TRIES: u32 = 2;

/// What failures in a row lead to, by their class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After so many calls that fail in a row.
    pub failures_max: u32,
    /// Of these the model counts as broken: whoever has it ends before the stream drains into a side topic.
    pub ends: FailureClasses,
    /// After failures of class [`FailureClass::Failed`] it rests instead, and is tried once in a while: somebody else
    /// decides meanwhile.
    pub rests: bool,
}

impl Patience {
    /// Nobody else decides.
    pub fn ends_after(failures_max: u32) -> Patience {
        Patience { failures_max, ends: FailureClass::ALL.into_iter().collect(), rests: false }
    }
}

/// A model, and how it has behaved.
pub struct Model<M> {
    scorer: M,
    patience: Patience,
    /// Calls that failed since the last one that did not, of those that end whoever has it.
    ending: u32,
    rest: Rest,
    /// Test builds: it misbehaves when it is told to.
    is_in_trouble: bool,
}

/// How a model that fails comes to rest.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    /// Calls that failed since the last one that did not.
    failures: u32,
    until_ns: u64,
    /// How long the next one is.
    next_ns: u64,
}

impl<M: Scorer> Model<M> {
    pub fn new(scorer: M, patience: Patience) -> Model<M> {
        Model { scorer, patience, ending: 0, rest: Rest::default(), is_in_trouble: false }
    }

    /// Test builds: it misbehaves when it is told to ([`trouble`]).
    pub fn with_trouble(self) -> Model<M> {
        Model { is_in_trouble: true, ..self }
    }

    /// Features per row.
    pub fn width(&self) -> usize {
        self.scorer.width()
    }

    /// Scores a batch's rows and says with them how that went.
    pub fn run(&mut self, rows: &mut RowBatch, clock: &impl Clock) {
        rows.failed.clear();
        (rows.given_up, rows.calls) = (None, Calls::default());
        (rows.started_ns, rows.started_us) = (clock.now_ns(), clock.wall_us());
        rows.poison.strike();
        let was_called = rows.filled > 0 && !self.is_broken() && self.score(rows);
        rows.calls.broken = self.is_broken();
        (rows.scored_ns, rows.scored_us) = (clock.now_ns(), clock.wall_us());
        if was_called && self.is_at_rest() {
            self.rest.begin(rows.scored_ns);
        }
    }

    /// Returns whether the model was called at all.
    fn score(&mut self, rows: &mut RowBatch) -> bool {
        let was_at_rest = self.is_at_rest();
        if was_at_rest {
            if rows.started_ns < self.rest.until_ns {
                rows.fail_from(0, FailureClass::Failed);
                return false;
            }
            self.rest.failures = self.patience.failures_max.saturating_sub(TRIES);
        }
        match self.call(rows, 0, rows.filled) {
            Ok(()) => {}
            Err(kind) if kind.is_of_rows() => self.run_row_by_row(rows),
            Err(kind) => rows.fail_from(0, kind.class()),
        }
        if was_at_rest && self.rest.failures > 0 {
            self.rest.failures = self.patience.failures_max;
        }
        true
    }

    fn run_row_by_row(&mut self, rows: &mut RowBatch) {
        for row in 0..rows.filled {
            if self.is_broken() || self.is_at_rest() {
                rows.fail_from(row, FailureClass::Failed);
                return;
            }
            if let Err(kind) = self.call(rows, row, row + 1) {
                rows.failed.push((row, kind.class()));
            }
        }
    }

    fn call(&mut self, rows: &mut RowBatch, from: usize, to: usize) -> Result<(), ScoreErrorKind> {
        // A row the model leaves out must not keep the score of an earlier record.
        rows.scores[from..to].fill(f64::NAN);
        let trouble = if self.is_in_trouble { trouble::of_model() } else { None };
        let scored = match trouble {
            Some(Trouble::Fails) => Err(ScoreError::failed("the test build is told to fail")),
            Some(Trouble::SaysNan) => Ok(()),
            Some(Trouble::TakesMs(ms)) => {
                trouble::take(ms);
                self.scorer.score(rows.features.view(from, to), &mut rows.scores[from..to])
            }
            None => self.scorer.score(rows.features.view(from, to), &mut rows.scores[from..to]),
        };
        match scored {
            Ok(()) => {
                (self.ending, self.rest) = (0, Rest::default());
                Ok(())
            }
            Err(error) => {
                let (kind, class) = (error.kind, error.kind.class());
                if self.patience.ends.has(class) {
                    self.ending = self.ending.saturating_add(1);
                } else if class == FailureClass::Failed {
                    self.rest.failures = self.rest.failures.saturating_add(1);
                }
                rows.calls.failed += 1;
                rows.calls.error = Some(error);
                Err(kind)
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.ending >= self.patience.failures_max
    }

    fn is_at_rest(&self) -> bool {
        self.patience.rests && self.rest.failures >= self.patience.failures_max
    }
}

impl Rest {
    /// Each is twice as long as the one before.
    fn begin(&mut self, now_ns: u64) {
        let rest_ns = self.next_ns.max(nanoseconds(MODEL_REST_MIN));
        self.until_ns = now_ns.saturating_add(rest_ns);
        self.next_ns = rest_ns.saturating_mul(2).min(nanoseconds(MODEL_REST_MAX));
    }
}
