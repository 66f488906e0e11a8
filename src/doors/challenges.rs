//! The door to the topic of challenges.

use std::time::Duration;

use super::SendError;
use crate::error::Fatal;

/// Where the rows of one challenger go. All calls are made by the thread that owns it.
pub trait Challenges {
    /// Hands one row over; its bytes are copied. `partition`: `None` where the partitioner decides by the key.
    fn send(
        &mut self,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: &[u8],
        timestamp_ms: i64,
    ) -> Result<(), SendError>;

    /// Serves delivery reports without waiting longer than `wait`. Returns how many rows were acknowledged, and how many given up.
    ///
    /// # Errors
    /// When it cannot go on.
    fn poll(&mut self, wait: Duration) -> Result<Delivered, Fatal>;

    /// Rows handed over and neither acknowledged nor given up.
    fn in_flight(&self) -> usize;

    /// Partitions of the topic.
    fn partitions(&self) -> i32;
}

/// What became of rows since they were asked for last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub acknowledged: u64,
    pub failed: u64,
}
