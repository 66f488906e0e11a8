//! Keeps the client from idling while its group rebalances.
//!
//! Three habits of librdkafka 2.12 would each hold partitions up for as long as a second (figures: `benches/STALLS.md`):
//! - its main thread sees to the group when something wakes it, and else once a second, whatever the heartbeat's interval:
//!   an idle member hears late of a rebalance, and all others wait for it;
//! - a member joins once a second at most, though a cooperative rebalance takes two rounds; an answer with metadata
//!   lifts that limit;
//! - partitions that stay are paused while the lane answers a rebalance, and nobody tells the thread that fetches from
//!   their broker when they are resumed: it sleeps on. A seek to where they stand anyway wakes it.

use std::time::Duration;

use super::events::Events;
use super::inbox::Member;
use crate::doors::Progress;

/// How often the second round of a rebalance is expected after the first, in calls of [`FastRebalance::hasten`], which come
/// every [`crate::values::limits::KEEP_AWAKE_EVERY`]: the second that the client would wait, and some.
const EXPECTED: u32 = 30;

/// What the consumer remembers to hurry by.
#[derive(Default)]
pub struct FastRebalance {
    /// Partitions that are ours, and where they were set last.
    owned: Vec<Progress>,
    /// Calls that still expect another round.
    expecting: u32,
}

impl FastRebalance {
    /// These are ours from here on.
    pub fn own(&mut self, first: &[Progress]) {
        self.owned.extend(first);
        self.expect();
    }

    pub fn disown(&mut self, partitions: &[i32]) {
        self.owned.retain(|at| !partitions.contains(&at.partition));
        self.expect();
    }

    /// Partitions were set to these offsets.
    pub fn set(&mut self, to: &[Progress]) {
        for at in to {
            self.owned.iter_mut().filter(|owned| owned.partition == at.partition).for_each(|owned| *owned = *at);
        }
    }

    pub fn owns_nothing(&self) -> bool {
        self.owned.is_empty()
    }

    /// Where a partition was set last.
    pub fn set_to(&self, partition: i32) -> Option<i64> {
        self.owned.iter().find(|at| at.partition == partition).map(|at| at.offset)
    }

    /// The group moves: another round may follow.
    pub fn expect(&mut self) {
        self.expecting = EXPECTED;
    }

    /// Wakes the client's main thread, and lets it join at once while a rebalance may be going on.
    pub fn hasten(&mut self, member: &Member) {
        member.ask_main_thread();
        if self.expecting > 0 {
            self.expecting -= 1;
            member.ask_for_topic(Duration::ZERO);
        }
    }

    /// After a rebalance was answered: whatever stays ours flows on at once.
    pub fn nudge(&mut self, member: &Member, events: &Events) {
        let standing = |at: &Progress| {
            let position = events.position(at.partition, member.position(at.partition));
            Progress { offset: position.unwrap_or(at.offset), ..*at }
        };
        let standing: Vec<Progress> = self.owned.iter().map(standing).collect();
        if standing.is_empty() {
            return;
        }
        self.set(&standing);
        if let Err((_, text)) = member.seek(&standing, Duration::ZERO) {
            tracing::debug!(target: "kafka", "partitions that stay are not nudged: {text}");
        }
    }
}

/// Whether the session is not over, by the client's own clock. Its main thread sees to that after each question that it
/// has answered: after the second one it has for sure. With `group.protocol = "consumer"` a heartbeat says, not the clock.
pub fn session_holds(member: &Member) -> bool {
    member.ask_main_thread();
    member.ask_main_thread();
    !member.lost_assignment()
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
