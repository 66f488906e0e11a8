//! Where partitions stand at events.
//!
//! librdkafka's batch call counts an event (the end of a partition, an error) as a record at its offset, so its own
//! position is one too far until a record follows.

use crate::edge::Progress;
use crate::record::Position;

/// The last event of each partition that no record has followed yet.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<Progress>);

impl Events {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn note(&mut self, at: Position) {
        if at.offset >= 0 {
            self.forget(&[at.partition]);
            self.0.push(Progress { partition: at.partition, offset: at.offset });
        }
    }

    pub(super) fn forget(&mut self, partitions: &[i32]) {
        self.0.retain(|event| !partitions.contains(&event.partition));
    }

    /// A record after an event: from here on the client's position is right again.
    pub(super) fn pass(&mut self, at: Position) {
        self.0.retain(|event| event.partition != at.partition || at.offset < event.offset);
    }

    /// The event that the client's position of a partition stands behind, if it does.
    pub(super) fn behind(&self, partition: i32, position: i64) -> Option<Progress> {
        let event = self.0.iter().find(|event| event.partition == partition)?;
        (position == event.offset + 1).then_some(*event)
    }

    pub(super) fn list(&self) -> Vec<Progress> {
        self.0.clone()
    }
}
