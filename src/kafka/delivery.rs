//! At-least-once delivery: outcomes are acknowledged first, then offsets are committed.

use crate::edge::{Delivery, Progress, Sink, Source};
use crate::error::Fatal;

/// Commits progress to the group as it comes; there is nothing to begin, and nothing to undo: after a failed
/// delivery the records from the last commit on are read again, and their outcomes may repeat.
#[derive(Debug, Default)]
pub struct AtLeastOnce;

impl<S: Source, K: Sink<S::Record>> Delivery<S, K> for AtLeastOnce {
    fn begin(&mut self, _: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    fn commit(&mut self, source: &mut S, _: &mut K, progress: &[Progress]) -> Result<(), Fatal> {
        source.commit(progress)
    }

    fn abort(&mut self, source: &mut S, _: &mut K, resume: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        for &to in resume {
            source.seek(to)?;
        }
        Ok(resume.to_vec())
    }
}
