//! The door to a consumer group: who hands out partitions, and keeps how far they are finished.

use std::time::Duration;

use super::Progress;
use crate::error::Fatal;

/// What a source has learnt of its group and its input since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// How long ago something was heard from the group, as one of its members.
    pub heard_ago: Option<Duration>,
    /// Why there is nothing to read, as long as that holds.
    pub no_input: Option<String>,
}

/// A member of a group, or what stands for one ([`super::Standalone`]). All calls are made by the one thread that owns the
/// lane; what the group says comes as a [`super::SourceEvent`].
pub trait Group {
    /// Accepts partitions and starts them at the committed offset or, for a new group, where the configuration
    /// says; they flow, whatever was paused when they were ours before. Returns each partition's first offset.
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal>;

    /// Lets partitions go; they must be drained and committed, or lost.
    fn release(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    /// Whether the partitions are still this source's, by its own clock and without a question to the brokers. Where they
    /// are not, a [`super::SourceEvent::Lost`] is on its way.
    fn still_owns(&mut self) -> bool {
        true
    }

    /// Asked a few times a second. By default the source is a member that hears of its group all the time.
    fn contact(&mut self) -> Contact {
        Contact { heard_ago: Some(Duration::ZERO), ..Contact::default() }
    }

    /// Called all the time, twenty times a second, with records or without: whatever a client does too seldom by itself.
    fn keep_awake(&mut self) {}

    /// Starts a commit; its end comes as [`super::SourceEvent::Committed`].
    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal>;

    /// Leaves the group within the deadline, without rebalances of its own. Returns whether it got there.
    fn close(&mut self, deadline: Duration) -> bool;
}
