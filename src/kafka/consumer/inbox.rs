//! What the lane's consumer hears from its client's callbacks: kept until the lane asks.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use super::coordinator_contact::heard_ago;
use crate::doors::{Progress, SourceEvent};
use crate::kafka::client::{ConsumerClient, ConsumerEvents, Rebalance};
use crate::kafka::failures::commit_refusal::commit_refusal;
use crate::kafka::failures::rights;

/// The client of a lane's consumer.
pub type Member = ConsumerClient<Inbox>;

/// What the callbacks leave behind for the owner.
#[derive(Default)]
pub struct Inbox {
    pub events: VecDeque<SourceEvent>,
    /// The client met an error that it cannot go on after.
    pub fatal: bool,
    /// A commit was refused for want of a right, with this code.
    pub denied: Option<i32>,
    /// How long ago the group was heard of, as the client said since somebody asked.
    pub heard_ago: Option<Duration>,
}

impl ConsumerEvents for Inbox {
    /// Only noted: the lane drains, commits and then answers it.
    fn rebalanced(&mut self, what: Rebalance, partitions: Vec<i32>) {
        self.events.push_back(match what {
            Rebalance::Assigned => SourceEvent::Assigned(partitions),
            Rebalance::Revoked => SourceEvent::Revoked(partitions),
            Rebalance::Lost => SourceEvent::Lost(partitions),
        });
    }

    fn committed(&mut self, progress: Vec<Progress>, result: Result<(), i32>) {
        self.denied = self.denied.or(result.err().filter(|code| rights::is_denied(*code)));
        self.events.push_back(SourceEvent::Committed { progress, result: result.map_err(commit_refusal) });
    }

    fn failed(&mut self, code: i32) {
        self.fatal |= code == Err::RD_KAFKA_RESP_ERR__FATAL as i32;
    }

    fn statistics(&mut self, json: &[u8]) {
        if let Some(ago) = std::str::from_utf8(json).ok().and_then(heard_ago) {
            self.heard_ago = Some(ago);
        }
    }
}
