//! The model, called on one thread. A batch that fails is tried again row by row, so that one bad row never costs its
//! neighbours; one whose model is not to be had fails as a whole, since every row would.

use super::batch::RowBatch;
use crate::doors::{Clock, ScoreErrorKind, Scorer};

/// A model, and how it has behaved.
pub struct Model<M> {
    scorer: M,
    /// Calls that failed since the last one that did not. The lane stops the process before this drains the stream
    /// into a side topic.
    failures_in_a_row: u32,
    failures_max: u32,
}

impl<M: Scorer> Model<M> {
    pub fn new(scorer: M, failures_max: u32) -> Model<M> {
        Model { scorer, failures_in_a_row: 0, failures_max }
    }

    /// Features per row.
    pub fn width(&self) -> usize {
        self.scorer.width()
    }

    /// Scores a batch's rows and says with them how that went.
    pub fn run(&mut self, rows: &mut RowBatch, clock: &impl Clock) {
        rows.failed.clear();
        rows.calls_failed = 0;
        rows.error = None;
        (rows.started_ns, rows.started_us) = (clock.now_ns(), clock.wall_us());
        rows.poison.strike();
        if rows.filled > 0 && !self.is_broken() {
            match self.call(rows, 0, rows.filled) {
                Ok(()) => {}
                Err(ScoreErrorKind::Rows) => self.run_row_by_row(rows),
                Err(ScoreErrorKind::Unavailable) => rows.failed.extend(0..rows.filled),
            }
        }
        rows.broken = self.is_broken();
        (rows.scored_ns, rows.scored_us) = (clock.now_ns(), clock.wall_us());
    }

    fn run_row_by_row(&mut self, rows: &mut RowBatch) {
        for row in 0..rows.filled {
            if self.is_broken() {
                return;
            }
            if self.call(rows, row, row + 1).is_err() {
                rows.failed.push(row);
            }
        }
    }

    fn call(&mut self, rows: &mut RowBatch, from: usize, to: usize) -> Result<(), ScoreErrorKind> {
        // A row the model leaves out must not keep the score of an earlier record.
        rows.scores[from..to].fill(f64::NAN);
        match self.scorer.score(rows.features.view(from, to), &mut rows.scores[from..to]) {
            Ok(()) => {
                self.failures_in_a_row = 0;
                Ok(())
            }
            Err(error) => {
                self.failures_in_a_row += 1;
                rows.calls_failed += 1;
                let kind = error.kind;
                rows.error = Some(error);
                Err(kind)
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.failures_in_a_row >= self.failures_max
    }
}
