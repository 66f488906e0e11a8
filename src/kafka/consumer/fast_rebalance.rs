//! Keeps the client from idling while its group rebalances.
//!
//! Three habits of librdkafka 2.12 would each hold partitions up for as long as a second (figures: `benches/STALLS.md`):
//! - its main thread sees to the group when something wakes it, and else once a second, whatever the heartbeat's interval:
//!   an idle member hears late of a rebalance, and all others wait for it;
//! - a member joins once a second at most, though a cooperative rebalance takes two rounds; an answer with metadata
//!   lifts that limit;
//! - partitions that stay are paused while the lane answers a rebalance, and nobody tells the thread that fetches from
//!   their broker when they are resumed: it sleeps on. A seek to where they stand anyway wakes it.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ptr;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::source::KafkaSource;
use crate::doors::Progress;
use crate::kafka::client::PartitionList;

/// How often the second round of a rebalance is expected after the first, in calls of [`KafkaSource::hasten`], which come
/// every [`crate::values::limits::KEEP_AWAKE_EVERY`]: the second that the client would wait, and some.
const EXPECTED: u32 = 30;

/// What the consumer remembers to hurry by.
#[derive(Default)]
pub(in crate::kafka) struct FastRebalance {
    /// Partitions that are ours, and where they were set last.
    owned: Vec<Progress>,
    /// Calls that still expect another round.
    expecting: u32,
}

impl FastRebalance {
    /// These are ours from here on.
    pub(in crate::kafka) fn own(&mut self, first: &[Progress]) {
        self.owned.extend(first);
        self.expect();
    }

    pub(in crate::kafka) fn disown(&mut self, partitions: &[i32]) {
        self.owned.retain(|at| !partitions.contains(&at.partition));
        self.expect();
    }

    /// Partitions were set to these offsets.
    pub(in crate::kafka) fn set(&mut self, to: &[Progress]) {
        for at in to {
            self.owned.iter_mut().filter(|owned| owned.partition == at.partition).for_each(|owned| *owned = *at);
        }
    }

    pub(in crate::kafka) fn owns_nothing(&self) -> bool {
        self.owned.is_empty()
    }

    /// Where a partition was set last.
    pub(in crate::kafka) fn set_to(&self, partition: i32) -> Option<i64> {
        self.owned.iter().find(|at| at.partition == partition).map(|at| at.offset)
    }

    /// The group moves: another round may follow.
    pub(in crate::kafka) fn expect(&mut self) {
        self.expecting = EXPECTED;
    }
}

impl KafkaSource {
    /// Wakes the client's main thread, and lets it join at once while a rebalance may be going on.
    pub(in crate::kafka) fn hasten(&mut self) {
        self.ask_main_thread();
        self.lift_limit();
    }

    /// Returns when the client's main thread has answered a question of no importance.
    fn ask_main_thread(&self) {
        let mut assignment = ptr::null_mut();
        // SAFETY: the client is alive; on success the list is ours, and freed once. The answer is the main thread's, and
        // local.
        unsafe {
            if rd::rd_kafka_assignment(self.client.as_ptr(), &mut assignment) == crate::kafka::client::NO_ERROR {
                rd::rd_kafka_topic_partition_list_destroy(assignment);
            }
        }
    }

    /// Whether the session is not over, by the client's own clock. Its main thread sees to that after each question that it
    /// has answered: after the second one it has for sure. With `group.protocol = "consumer"` a heartbeat says, not the clock.
    pub(in crate::kafka) fn session_holds(&self) -> bool {
        self.ask_main_thread();
        self.ask_main_thread();
        // SAFETY: the client is alive; local state only.
        unsafe { rd::rd_kafka_assignment_lost(self.client.as_ptr()) == 0 }
    }

    fn lift_limit(&mut self) {
        if self.fast_rebalance.expecting == 0 {
            return;
        }
        self.fast_rebalance.expecting -= 1;
        let mut metadata = ptr::null();
        // SAFETY: client and topic are alive; on success the answer is ours, and freed once. It is not waited for: the
        // client heeds it whenever it comes. Asked by its handle, the topic is not created.
        unsafe {
            let err = rd::rd_kafka_metadata(self.client.as_ptr(), 0, self.handle, &mut metadata, 0);
            if err == crate::kafka::client::NO_ERROR && !metadata.is_null() {
                rd::rd_kafka_metadata_destroy(metadata);
            }
        }
    }

    /// After a rebalance was answered: whatever stays ours flows on at once.
    pub(in crate::kafka) fn nudge(&mut self) {
        let standing: Vec<Progress> = self.fast_rebalance.owned.iter().map(|at| self.standing(*at)).collect();
        if standing.is_empty() {
            return;
        }
        let list = PartitionList::new(&self.topic, standing.iter().copied());
        self.fast_rebalance.set(&standing);
        if let Err((_, text)) = self.seek_list(&list, Duration::ZERO) {
            tracing::debug!(target: "kafka", "partitions that stay are not nudged: {text}");
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
    fn what_is_ours_is_known_with_where_it_was_set_last() {
        let mut fast_rebalance = FastRebalance::default();
        fast_rebalance.own(&[at(0, 5), at(1, 7)]);
        fast_rebalance.set(&[at(1, 3), at(2, 9)]);
        assert_eq!(
            [0, 1, 2].map(|partition| fast_rebalance.set_to(partition)),
            [Some(5), Some(3), None],
            "2 is another's"
        );
        fast_rebalance.disown(&[0]);
        assert_eq!(fast_rebalance.owned, [at(1, 3)]);
        assert_eq!(fast_rebalance.expecting, EXPECTED);
    }
}
