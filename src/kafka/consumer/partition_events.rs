//! Messages of the client that are no records: the end of a partition, one that cannot be read on, an input that is gone.

use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use super::input_topic::says_no_topic;
use super::out_of_range::{OutOfRange, judge};
use super::source::KafkaSource;
use crate::doors::{Progress, SourceEvent, SourceRecord};
use crate::error::Fatal;
use crate::kafka::client::{KafkaRecord, describe, words};
use crate::kafka::cluster::offsets::{END, FIRST};
use crate::kafka::failures::rights;

/// How long one question may hold the lane up.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Questions without an answer, after which the partition stops without numbers.
const TRIES_MAX: u32 = 10;

impl KafkaSource {
    /// A message that is no record: something about its partition.
    pub(super) fn partition_event(&mut self, record: &KafkaRecord) -> Result<(), Fatal> {
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
            err if says_no_topic(err) => self.input.is_missing(self.member.topic(), err),
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
        let last = || self.member.position(partition).or_else(|| self.fast_rebalance.set_to(partition)).unwrap_or(-1);
        Progress { partition, offset: if told >= 0 { told } else { last() } }
    }

    /// Asks the brokers what they keep of partitions that are out of range, and says so. Called all the time.
    pub(super) fn ask_what_is_kept(&mut self) {
        // While a rebalance waits for its answer no partition can be restarted.
        if self.events.out_of_range.is_empty() || self.owes_answer {
            return;
        }
        for mut found in std::mem::take(&mut self.events.out_of_range) {
            if !found.is_due() {
                self.events.out_of_range.push(found);
                continue;
            }
            match self.kept(found.at.partition) {
                Ok(kept) => self.answer_out_of_range(&found, kept),
                Result::Err(why) if found.tries + 1 < TRIES_MAX => {
                    let partition = found.at.partition;
                    tracing::warn!(target: "kafka", partition, "offset out of range, and the brokers do not say yet what they keep: {why}");
                    found.tries += 1;
                    self.events.out_of_range.push(found);
                }
                Result::Err(why) => {
                    let stop = match &found.diverged {
                        Some(said) => self.offset_reset.truncated(found.at, None, Some(said)),
                        None => self.offset_reset.unknown(found.at, &why),
                    };
                    self.push(SourceEvent::PartitionFailed { partition: found.at.partition, stop: Box::new(stop) });
                }
            }
        }
    }

    fn answer_out_of_range(&mut self, found: &OutOfRange, kept: (i64, i64)) {
        let at = found.at;
        if let Some(stop) = judge(&self.offset_reset, found, kept) {
            self.push(SourceEvent::PartitionFailed { partition: at.partition, stop: Box::new(stop) });
            return;
        }
        tracing::warn!(
            target: "kafka",
            partition = at.partition,
            offset = at.offset,
            first_kept = kept.0,
            end = kept.1,
            "the offset was out of range for a moment, and is not any more: it is read again"
        );
        if let Result::Err((_, text)) = self.seek_or_restart(at) {
            tracing::debug!(target: "kafka", "a position is left as it is: {text}");
        }
    }

    /// Sets a partition's position, one that the client has stopped fetching as well: that takes no seek, and begins again
    /// when it is assigned. Whether it is paused stays as it is. The client would take that for the lane's answer to a
    /// rebalance that is open, so it comes after that one.
    pub(super) fn seek_or_restart(&mut self, to: Progress) -> Result<(), (i32, String)> {
        match self.seek_all(&[to]) {
            Result::Err((code, _)) if code == Err::RD_KAFKA_RESP_ERR__STATE as i32 && self.owes_answer => {
                self.events.out_of_range.push(OutOfRange::new(to, None));
                Ok(())
            }
            Result::Err((code, _)) if code == Err::RD_KAFKA_RESP_ERR__STATE as i32 => {
                self.member.unassign(&[to.partition])?;
                self.member.assign(&[to])
            }
            other => other,
        }
    }

    /// The first offset kept of a partition, and where it ends.
    fn kept(&self, partition: i32) -> Result<(i64, i64), String> {
        let ask = |place| {
            let bounds = self.named().bounds_within(self.member.client(), &[partition], place, ANSWER_MAX);
            bounds.map_err(|fatal| fatal.what)?.first().map(|at| at.offset).ok_or_else(|| "no answer".to_owned())
        };
        Ok((ask(FIRST)?, ask(END)?))
    }
}
