//! At-least-once delivery: outcomes are acknowledged first, then offsets are committed.

use crate::edge::{Committing, Delivery, Progress, Sink, Source};
use crate::error::Fatal;

/// Commits progress to the group as it comes; there is nothing to begin, and nothing to undo: after a failed
/// delivery the records from the last commit on are read again, and their outcomes may repeat.
#[derive(Debug, Default)]
pub struct AtLeastOnce;

impl<S: Source, K: Sink<S::Record>> Delivery<S, K> for AtLeastOnce {
    const ATOMIC: bool = false;

    fn begin(&mut self, _: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    fn is_open(&self) -> bool {
        false
    }

    fn commit(&mut self, source: &mut S, _: &mut K, progress: &[Progress]) -> Result<Committing, Fatal> {
        source.commit(progress)?;
        Ok(Committing::Started)
    }

    fn abort(&mut self, _: &mut S, _: &mut K, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        Ok(partitions.to_vec())
    }
}
