//! Where a partition begins: the group's committed offset, or the first record. Where the whole group begins is fixed
//! before any lane is there ([`super::starting_offsets`]).
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::consumer::KafkaSource;
use super::native::{Client, PartitionList, describe, timeout_ms, to_result};
use super::{retriable, rights};
use crate::doors::Progress;
use crate::error::{Fatal, exit};

/// How long a question that cannot wait for an answer later may take.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The first and the last offset of a partition, in place of a time. The last one is where a reader at `read_committed`
/// ends, as the client is one: before the first record of a transaction that is open.
pub(super) const FIRST: i64 = rd::RD_KAFKA_OFFSET_BEGINNING as i64;
pub(super) const END: i64 = rd::RD_KAFKA_OFFSET_END as i64;

/// A group and its topic, as failures name them.
#[derive(Clone, Copy)]
pub(super) struct GroupAndTopic<'a> {
    pub topic: &'a CStr,
    pub group: &'a str,
    /// Who the brokers know the client as, where it says a name.
    pub user: Option<&'a str>,
}

impl GroupAndTopic<'_> {
    pub fn failure(self, what: &str, why: &str) -> Fatal {
        let topic = self.topic.to_string_lossy();
        Fatal::new(
            exit::UNAVAILABLE,
            format!("cannot {what} (topic {topic}, group {}): {why}", self.group),
            "check that the brokers are reachable and that the group and topic are allowed",
        )
    }

    /// A question or an order that the client answers with an error.
    pub fn refused(self, what: &str, code: i32) -> Fatal {
        rights::denied(self, code, what).unwrap_or_else(|| self.failure(what, &describe(code)))
    }

    pub fn check(self, err: Err, what: &str) -> Result<(), Fatal> {
        to_result(err).map_err(|code| self.refused(what, code))
    }

    /// The group's committed offsets; negative where there is none. A client at `read_committed` waits while a
    /// transaction with offsets of these partitions is ending; another one is told what held before.
    pub fn committed(self, client: &Client, partitions: &[i32], limit: Duration) -> Result<Vec<Progress>, Fatal> {
        self.ask(limit, "read the group's committed offsets", |left| {
            let list = PartitionList::of(self.topic, partitions);
            // SAFETY: client and list are alive; the call fills in the list's offsets.
            to_result(unsafe { rd::rd_kafka_committed(client.as_ptr(), list.as_ptr(), timeout_ms(left)) })?;
            answers(&list)
        })
    }

    /// Where partitions begin or end, as `place` says ([`FIRST`], [`END`]): one request to each broker.
    pub fn bounds(self, client: &Client, partitions: &[i32], place: i64) -> Result<Vec<Progress>, Fatal> {
        self.bounds_within(client, partitions, place, QUERY_TIMEOUT)
    }

    pub fn bounds_within(
        self,
        client: &Client,
        partitions: &[i32],
        place: i64,
        limit: Duration,
    ) -> Result<Vec<Progress>, Fatal> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(limit, "read a partition's first or last offset", |left| {
            let asked = partitions.iter().map(|&partition| Progress { partition, offset: place });
            let list = PartitionList::new(self.topic, asked);
            // SAFETY: client and list are alive; the call fills in the list's offsets.
            to_result(unsafe { rd::rd_kafka_offsets_for_times(client.as_ptr(), list.as_ptr(), timeout_ms(left)) })?;
            answers(&list)
        })
    }

    /// Errors that pass, of the whole question or of one partition, are waited out.
    fn ask<T>(self, limit: Duration, what: &str, ask: impl FnMut(Duration) -> Result<T, i32>) -> Result<T, Fatal> {
        retriable::ask(limit, what, ask).map_err(|code| self.refused(what, code))
    }
}

/// What a question filled in, or the first partition's error.
fn answers(list: &PartitionList) -> Result<Vec<Progress>, i32> {
    list.entries().into_iter().map(|(at, result)| result.map(|()| at)).collect()
}

impl KafkaSource {
    pub(super) fn named(&self) -> GroupAndTopic<'_> {
        GroupAndTopic { topic: &self.topic, group: &self.group, user: self.user.as_deref() }
    }

    /// Committed offsets; negative where there is none. While a transaction with offsets of these partitions is ending,
    /// the answer waits for its end ([`crate::values::limits::OFFSETS_HELD_MORE`]).
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
