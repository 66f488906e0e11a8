//! Where a partition really stands after an event.
//!
//! librdkafka's batch call counts an event (the end of a partition, an error) as a record at its offset, so the
//! client's own position is one too far there. Committing it, or going on from it, as the client does by itself after
//! every pause and every rebalance, would skip a record. Until the next record the event's own offset is the truth.

use super::out_of_range::OutOfRange;
use crate::doors::Progress;

/// The last event of each partition that no record has followed yet.
#[derive(Default)]
pub struct Events {
    last: Vec<Event>,
    /// Partitions that are out of range, until somebody has said what is kept.
    pub out_of_range: Vec<OutOfRange>,
}

struct Event {
    at: Progress,
    /// The client still goes by its own position.
    misleads: bool,
}

impl Events {
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Notes an event. A partition that `goes_on` after it needs its position set right in the client.
    pub fn note(&mut self, at: Progress, goes_on: bool) {
        self.last.retain(|event| event.at.partition != at.partition);
        self.last.push(Event { at, misleads: goes_on });
    }

    /// Partitions that start anew.
    pub fn forget(&mut self, partitions: &[i32]) {
        self.last.retain(|event| !partitions.contains(&event.at.partition));
        self.out_of_range.retain(|found| !partitions.contains(&found.at.partition));
    }

    /// A record was handed out: from here on the client's position is right again.
    pub fn pass(&mut self, partition: i32, offset: i64) {
        self.last.retain(|event| event.at.partition != partition || offset < event.at.offset);
    }

    /// Positions to set right in the client, each told once.
    pub fn take_misled(&mut self) -> Vec<Progress> {
        self.last.iter_mut().filter_map(|event| std::mem::take(&mut event.misleads).then_some(event.at)).collect()
    }

    /// The position of a partition, given the client's idea of it.
    pub fn position(&self, partition: i32, client: Option<i64>) -> Option<i64> {
        let event = self.last.iter().find(|event| event.at.partition == partition).map(|event| event.at.offset);
        match (client, event) {
            // Markers came after the event, and moved the client past it.
            (Some(position), Some(offset)) if position > offset + 1 => Some(position),
            (_, Some(offset)) => Some(offset),
            (position, None) => position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Progress {
        Progress { partition, offset }
    }

    #[test]
    fn an_event_is_no_record() {
        let mut events = Events::default();
        events.note(at(0, 5), true);
        assert_eq!(events.position(0, Some(6)), Some(5), "the client counts one too many");
        assert_eq!(events.position(0, None), Some(5), "the client was set right and has read nothing since");
        assert_eq!(events.position(0, Some(8)), Some(8), "markers followed");
        assert_eq!(events.position(1, Some(6)), Some(6), "another partition");
        events.pass(0, 5);
        assert_eq!(events.position(0, Some(6)), Some(6), "a record followed");
        assert!(events.is_empty());
    }

    #[test]
    fn the_client_is_set_right_once_and_not_where_it_goes_on_no_more() {
        let mut events = Events::default();
        events.note(at(0, 5), true);
        events.note(at(1, 7), false);
        assert_eq!(events.take_misled(), [at(0, 5)]);
        assert!(events.take_misled().is_empty());
        events.note(at(0, 6), true);
        assert_eq!(events.take_misled(), [at(0, 6)], "the last event counts");
        events.note(at(0, 6), true);
        events.forget(&[0, 1]);
        assert!(events.take_misled().is_empty() && events.is_empty());
    }
}
