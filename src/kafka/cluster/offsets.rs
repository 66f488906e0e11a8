//! What the brokers say of a group's committed offsets, and of where partitions begin and end.

use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use crate::doors::Progress;
use crate::error::{Fatal, exit};
use crate::kafka::client::{Client, NotedOffset, PartitionList, describe, to_result};
use crate::kafka::failures::retriable;
use crate::kafka::failures::rights::{self, GroupAndTopic};

/// How long a question that cannot wait for an answer later may take.
pub(in crate::kafka) const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The first and the last offset of a partition, in place of a time. The last one is where a reader at `read_committed`
/// ends, as the client is one: before the first record of a transaction that is open.
pub(in crate::kafka) const FIRST: i64 = rd::RD_KAFKA_OFFSET_BEGINNING as i64;
pub(in crate::kafka) const END: i64 = rd::RD_KAFKA_OFFSET_END as i64;

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
        let told = self.committed_with_notes(client, partitions, limit)?;
        Ok(told.into_iter().map(|offset| offset.at).collect())
    }

    /// As [`GroupAndTopic::committed`], with the texts that stand beside the offsets.
    pub fn committed_with_notes(
        self,
        client: &Client,
        partitions: &[i32],
        limit: Duration,
    ) -> Result<Vec<NotedOffset>, Fatal> {
        self.ask(limit, "read the group's committed offsets", |left| {
            let list = PartitionList::of(self.topic, partitions);
            client.committed(&list, left)?;
            let told = answers(&list)?.into_iter().zip(list.notes());
            Ok(told.map(|(at, note)| NotedOffset { at, note }).collect())
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
            client.offsets_for_times(&list, left)?;
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
