//! The door for a scorer that answers later.

use std::time::Duration;

use super::batch::RowBatch;

/// Nobody serves the model any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScorerGone;

/// A scorer that answers later, in the order asked.
pub trait AnswersLater: Send {
    /// Whether it takes a batch now: when it has nothing to do, and one that is full where it may wait its turn.
    fn wants(&self, full: bool) -> bool;

    /// # Errors
    /// When nobody is there to answer.
    fn send(&mut self, rows: RowBatch) -> Result<(), ScorerGone>;

    /// The first batch that is scored, if one is.
    ///
    /// # Errors
    /// When nobody is there to answer.
    fn take_back(&mut self) -> Result<Option<RowBatch>, ScorerGone>;

    /// Batches are away, and the end of one can be waited for.
    fn is_busy(&self) -> bool;

    /// Waits until a batch is back, at most so long.
    fn wait(&mut self, longest: Duration);
}
