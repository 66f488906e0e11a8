//! The batch through the model. A batch that fails is tried again row by row, so that one bad row never costs its
//! neighbours.

use crate::edge::Scorer;
use crate::error::Reject;
use crate::pipeline::batch::{Batch, Verdict};

pub struct Scoring<M> {
    scorer: M,
    /// Calls that failed since the last one that did not. The lane stops the process before this drains the stream
    /// into a side topic.
    failures_in_a_row: u32,
    failures_max: u32,
    /// The runtime's words on the last failure, for the log.
    last_error: Option<String>,
}

impl<M: Scorer> Scoring<M> {
    pub fn new(scorer: M, failures_max: u32) -> Scoring<M> {
        Scoring { scorer, failures_in_a_row: 0, failures_max, last_error: None }
    }

    /// Scores the rows of the batch. Returns the number of model calls that failed.
    pub fn run<R>(&mut self, batch: &mut Batch<R>) -> u32 {
        if batch.filled == 0 || self.call(batch, 0, batch.filled) {
            return 0;
        }
        let mut failed = 1;
        for index in 0..batch.items.len() {
            let Verdict::Row(row) = batch.items[index].verdict else { continue };
            if self.is_broken() {
                break;
            }
            if !self.call(batch, row, row + 1) {
                failed += 1;
                batch.items[index].verdict = Verdict::Rejected(Reject::ModelFailed);
            }
        }
        failed
    }

    fn call<R>(&mut self, batch: &mut Batch<R>, from: usize, to: usize) -> bool {
        // A row the model leaves out must not keep the score of an earlier record.
        batch.scores[from..to].fill(f64::NAN);
        match self.scorer.score(batch.rows.view(from, to), &mut batch.scores[from..to]) {
            Ok(()) => {
                self.failures_in_a_row = 0;
                true
            }
            Err(error) => {
                self.failures_in_a_row += 1;
                self.last_error = Some(error.0);
                false
            }
        }
    }

    /// The model failed too often in a row: nothing of this batch may go out.
    pub fn is_broken(&self) -> bool {
        self.failures_in_a_row >= self.failures_max
    }

    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}
