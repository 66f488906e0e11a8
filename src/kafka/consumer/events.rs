//! Where a partition really stands after an event.
//!
//! librdkafka's batch call counts an event (the end of a partition, an error) as a record at its offset, so the
//! client's own position is one too far there. Committing it, or going on from it, as the client does by itself after
//! every pause and every rebalance, would skip a record. Until the next record the event's own offset is the truth.
#![allow(unsafe_code, reason = "librdkafka's events exist in C only; each block says why it holds")]

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::contact::says_no_topic;
use super::out_of_range::OutOfRange;
use super::source::KafkaSource;
use crate::doors::{Progress, SourceEvent, SourceRecord};
use crate::error::Fatal;
use crate::kafka::client::KafkaRecord;
use crate::kafka::client::{NO_ERROR, PartitionList, describe, words};
use crate::kafka::failures::rights;

/// The last event of each partition that no record has followed yet.
#[derive(Default)]
pub(in crate::kafka) struct Events {
    last: Vec<Event>,
    /// Partitions that are out of range, until somebody has said what is kept.
    pub(in crate::kafka) out_of_range: Vec<OutOfRange>,
}

struct Event {
    at: Progress,
    /// The client still goes by its own position.
    misleads: bool,
}

impl Events {
    pub(in crate::kafka) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Notes an event. A partition that `goes_on` after it needs its position set right in the client.
    pub(in crate::kafka) fn note(&mut self, at: Progress, goes_on: bool) {
        self.last.retain(|event| event.at.partition != at.partition);
        self.last.push(Event { at, misleads: goes_on });
    }

    /// Partitions that start anew.
    pub(in crate::kafka) fn forget(&mut self, partitions: &[i32]) {
        self.last.retain(|event| !partitions.contains(&event.at.partition));
        self.out_of_range.retain(|found| !partitions.contains(&found.at.partition));
    }

    /// A record was handed out: from here on the client's position is right again.
    pub(in crate::kafka) fn pass(&mut self, partition: i32, offset: i64) {
        self.last.retain(|event| event.at.partition != partition || offset < event.at.offset);
    }

    /// Positions to set right in the client, each told once.
    pub(in crate::kafka) fn take_misled(&mut self) -> Vec<Progress> {
        self.last.iter_mut().filter_map(|event| std::mem::take(&mut event.misleads).then_some(event.at)).collect()
    }

    /// The position of a partition, given the client's idea of it.
    pub(in crate::kafka) fn position(&self, partition: i32, client: Option<i64>) -> Option<i64> {
        let event = self.last.iter().find(|event| event.at.partition == partition).map(|event| event.at.offset);
        match (client, event) {
            // Markers came after the event, and moved the client past it.
            (Some(position), Some(offset)) if position > offset + 1 => Some(position),
            (_, Some(offset)) => Some(offset),
            (position, None) => position,
        }
    }
}

impl KafkaSource {
    /// A message that is no record: something about its partition.
    pub(in crate::kafka) fn partition_event(&mut self, record: &KafkaRecord) -> Result<(), Fatal> {
        let at = record.position();
        let mut goes_on = true;
        match record.event() {
            Err::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                self.push(SourceEvent::EndReached { partition: at.partition, offset: at.offset });
            }
            Err::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
            | Err::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
            | Err::RD_KAFKA_RESP_ERR__LOG_TRUNCATION => {
                self.out_of_range(record);
                goes_on = false;
            }
            Err::RD_KAFKA_RESP_ERR__BAD_MSG
            | Err::RD_KAFKA_RESP_ERR__BAD_COMPRESSION
            | Err::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
            | Err::RD_KAFKA_RESP_ERR_INVALID_MSG
            | Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => {
                let is_too_large = record.event() == Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
                let (at, code) = (self.next_of(at.partition, at.offset), record.event() as i32);
                let stop = Box::new(self.offset_reset.unreadable(at, code, &record.event_text(), is_too_large));
                self.push(SourceEvent::PartitionFailed { partition: at.partition, stop });
                goes_on = false;
            }
            err if rights::is_denied(err as i32) => {
                return Result::Err(self.named().refused("read the input", err as i32));
            }
            Err::RD_KAFKA_RESP_ERR__FATAL => return Result::Err(self.member_failure()),
            err if says_no_topic(err) => self.input_is_missing(err),
            err => tracing::warn!(target: "kafka", partition = at.partition, "consumer: {}", describe(err as i32)),
        }
        if at.offset >= 0 {
            // A failed partition would only fail again.
            self.events.note(Progress { partition: at.partition, offset: at.offset }, goes_on);
        }
        Ok(())
    }

    /// What the brokers keep of it is asked soon.
    fn out_of_range(&mut self, record: &KafkaRecord) {
        let (at, text) = (record.position(), record.event_text());
        let truncation = Err::RD_KAFKA_RESP_ERR__LOG_TRUNCATION;
        let diverged = record.event() == truncation || text.contains(words(truncation));
        let at = self.next_of(at.partition, at.offset);
        self.events.out_of_range.retain(|found| found.at.partition != at.partition);
        self.events.out_of_range.push(OutOfRange::new(at, diverged.then_some(text)));
    }

    /// Where a partition would go on. The client does not always know any more when it tells that it cannot.
    fn next_of(&self, partition: i32, told: i64) -> Progress {
        let last = || self.client_position(partition).or_else(|| self.fast_rebalance.set_to(partition)).unwrap_or(-1);
        Progress { partition, offset: if told >= 0 { told } else { last() } }
    }

    /// Where a partition of ours goes on, which was set to `at` last.
    pub(in crate::kafka) fn standing(&self, at: Progress) -> Progress {
        let position = self.events.position(at.partition, self.client_position(at.partition));
        Progress { offset: position.unwrap_or(at.offset), ..at }
    }

    /// The client's own idea of where a partition stands.
    pub(in crate::kafka) fn client_position(&self, partition: i32) -> Option<i64> {
        let list = PartitionList::of(&self.topic, &[partition]);
        // SAFETY: client and list are alive; local state only.
        let err = unsafe { rd::rd_kafka_position(self.client.as_ptr(), list.as_ptr()) };
        let (at, result) = list.entries().pop()?;
        (err == NO_ERROR && result.is_ok() && at.offset >= 0).then_some(at.offset)
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
