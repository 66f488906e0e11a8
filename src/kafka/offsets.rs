//! Where a partition begins: the group's committed offset, or the first record. Where the whole group begins is fixed
//! before any lane is there ([`super::starting_offsets`]).
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::consumer::KafkaSource;
use super::native::{Client, PartitionList, describe, is_moving_coordinator, is_moving_leader, timeout_ms, to_result};
use crate::edge::Progress;
use crate::error::{Fatal, exit};

/// How long a question that cannot wait for an answer later may take.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// A coordinator that moves or loads, and a partition that was just made or moves, answer again after this long.
const RETRY: Duration = Duration::from_millis(100);

/// The first and the last offset of a partition, in place of a time. The last one is where a reader at `read_committed`
/// ends, as the client is one: before the first record of a transaction that is open.
pub(super) const FIRST: i64 = rd::RD_KAFKA_OFFSET_BEGINNING as i64;
pub(super) const END: i64 = rd::RD_KAFKA_OFFSET_END as i64;

/// A group and its topic, as failures name them.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub topic: &'a CStr,
    pub group: &'a str,
}

impl Named<'_> {
    pub fn failure(self, what: &str, why: &str) -> Fatal {
        let topic = self.topic.to_string_lossy();
        Fatal::new(
            exit::UNAVAILABLE,
            format!("cannot {what} (topic {topic}, group {}): {why}", self.group),
            "check that the brokers are reachable and that the group and topic are allowed",
        )
    }

    pub fn check(self, err: Err, what: &str) -> Result<(), Fatal> {
        to_result(err).map_err(|code| self.failure(what, &describe(code)))
    }

    /// What a question filled in, partition by partition.
    fn answers(self, list: &PartitionList, what: &str) -> Result<Vec<Progress>, Fatal> {
        let read = list
            .entries()
            .into_iter()
            .map(|(at, result)| result.map(|()| at).map_err(|code| self.failure(what, &describe(code))));
        read.collect()
    }

    /// The group's committed offsets; negative where there is none. A client at `read_committed` waits while a
    /// transaction with offsets of these partitions is ending; another one is told what held before.
    pub fn committed(self, client: &Client, partitions: &[i32], limit: Duration) -> Result<Vec<Progress>, Fatal> {
        let list = PartitionList::of(self.topic, partitions);
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // SAFETY: client and list are alive; the call fills in the list's offsets.
            let err = unsafe { rd::rd_kafka_committed(client.as_ptr(), list.as_ptr(), timeout_ms(left)) };
            if left.is_zero() || !is_moving_coordinator(err) {
                self.check(err, "read the group's committed offsets")?;
                break;
            }
            std::thread::sleep(RETRY);
        }
        self.answers(&list, "read a committed offset")
    }

    /// Where partitions begin or end, as `place` says ([`FIRST`], [`END`]): one request to each broker.
    pub fn bounds(self, client: &Client, partitions: &[i32], place: i64) -> Result<Vec<Progress>, Fatal> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let what = "read a partition's first or last offset";
        let deadline = Instant::now() + QUERY_TIMEOUT;
        loop {
            let asked = partitions.iter().map(|&partition| Progress { partition, offset: place });
            let list = PartitionList::new(self.topic, asked);
            let left = deadline.saturating_duration_since(Instant::now());
            // SAFETY: client and list are alive; the call fills in the list's offsets.
            let err = unsafe { rd::rd_kafka_offsets_for_times(client.as_ptr(), list.as_ptr(), timeout_ms(left)) };
            if left.is_zero() || !is_moving_leader(err) {
                self.check(err, what)?;
                return self.answers(&list, what);
            }
            std::thread::sleep(RETRY);
        }
    }
}

impl KafkaSource {
    pub(super) fn named(&self) -> Named<'_> {
        Named { topic: &self.topic, group: &self.group }
    }

    /// Committed offsets; negative where there is none. While a transaction with offsets of these partitions is ending,
    /// the answer waits for its end ([`crate::pipeline::limits::OFFSETS_HELD_MORE`]).
    pub(super) fn committed_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        self.named().committed(&self.client, partitions, self.offsets_timeout)
    }

    /// Committed offsets. A partition without one was added after the group had begun: it begins at its first record,
    /// whatever `kafka.start_at` says, as a real offset, so that a crash before the first commit cannot move it.
    pub(super) fn first_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        if partitions.is_empty() {
            // A round of a rebalance that only takes from others.
            return Ok(Vec::new());
        }
        let mut first = self.committed_offsets(partitions)?;
        let added: Vec<i32> = first.iter().filter(|at| at.offset < 0).map(|at| at.partition).collect();
        let begin = self.named().bounds(&self.client, &added, FIRST)?;
        for at in first.iter_mut().filter(|at| at.offset < 0) {
            let found = begin.iter().find(|begin| begin.partition == at.partition);
            at.offset = found.ok_or_else(|| self.failure("read a partition's first offset", "no answer"))?.offset;
            tracing::info!(
                partition = at.partition,
                offset = at.offset,
                "the partition is new to the group: it begins at its first record"
            );
        }
        Ok(first)
    }
}
