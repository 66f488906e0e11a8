//! When the lane takes records in, and when it lets them wait in Kafka.

use crate::values::limits::{Limits, nanoseconds};

/// What the lane may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Take at most so many records.
    Take(usize),
    /// A limit is reached: serve the sink only.
    Hold,
    /// Held for so long that the group would think us gone, or nothing may be looked at: pause the partitions, so that
    /// polling can go on.
    Pause,
    /// Room again: let the paused partitions flow.
    Resume,
}

/// What forbids to take anything in, whatever the limits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Not,
    /// A batch is half handed over because the sink is full, there is no room in it, or outcomes wait for a transaction to end.
    Stuck,
    /// The partitions may be another member's by now.
    InDoubt,
}

/// Keeps the limits on what is in flight.
#[derive(Debug)]
pub struct Gate {
    records_max: usize,
    bytes_max: usize,
    pause_after_ns: u64,
    held_since_ns: Option<u64>,
    paused: bool,
}

impl Gate {
    pub fn new(limits: &Limits) -> Gate {
        Gate {
            records_max: limits.in_flight_records_max,
            bytes_max: limits.in_flight_bytes_max,
            pause_after_ns: nanoseconds(limits.pause_after),
            held_since_ns: None,
            paused: false,
        }
    }

    /// What may be done at `now_ns` with so many `records` and `bytes` in flight, and `batch_room` rows free.
    pub fn ask(
        &mut self,
        now_ns: u64,
        (records, bytes): (usize, usize),
        closed: Closed,
        batch_room: usize,
    ) -> Permission {
        // Half the limit before flow starts again, so that pausing does not flutter: each pause throws away what the
        // client had fetched ahead.
        let share = |limit: usize| if self.paused { (limit / 2).max(1) } else { limit };
        let full = closed != Closed::Not || records >= share(self.records_max) || bytes >= share(self.bytes_max);
        if !full {
            self.held_since_ns = None;
            if self.paused {
                self.paused = false;
                return Permission::Resume;
            }
            return Permission::Take(batch_room.min(self.records_max - records));
        }
        let since = *self.held_since_ns.get_or_insert(now_ns);
        let held_long = now_ns.saturating_sub(since) >= self.pause_after_ns;
        if !self.paused && (held_long || closed == Closed::InDoubt) {
            self.paused = true;
            return Permission::Pause;
        }
        Permission::Hold
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    pub fn is_holding(&self) -> bool {
        self.held_since_ns.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let limits = Limits { in_flight_records_max: 100, in_flight_bytes_max: 1_000, ..Limits::default() };
        Gate::new(&limits)
    }

    #[test]
    fn takes_no_more_than_fits() {
        let mut gate = gate();
        assert_eq!(gate.ask(0, (0, 0), Closed::Not, 64), Permission::Take(64));
        assert_eq!(gate.ask(0, (90, 0), Closed::Not, 64), Permission::Take(10));
        assert_eq!(gate.ask(0, (100, 0), Closed::Not, 64), Permission::Hold);
        assert_eq!(gate.ask(0, (0, 1_000), Closed::Not, 64), Permission::Hold);
        assert_eq!(gate.ask(0, (0, 0), Closed::Stuck, 64), Permission::Hold);
    }

    #[test]
    fn pauses_after_a_while_and_resumes_at_half() {
        let mut gate = gate();
        let second = 1_000_000_000;
        assert_eq!(gate.ask(0, (100, 0), Closed::Not, 64), Permission::Hold);
        assert_eq!(gate.ask(second - 1, (100, 0), Closed::Not, 64), Permission::Hold);
        assert_eq!(gate.ask(second, (100, 0), Closed::Not, 64), Permission::Pause);
        assert!(gate.is_paused());
        assert_eq!(gate.ask(second, (60, 0), Closed::Not, 64), Permission::Hold);
        assert_eq!(gate.ask(second, (49, 0), Closed::Not, 64), Permission::Resume);
        assert_eq!(gate.ask(second, (49, 0), Closed::Not, 64), Permission::Take(51));
    }

    #[test]
    fn pauses_at_once_where_the_partitions_may_be_lost() {
        let mut gate = gate();
        assert_eq!(gate.ask(7, (0, 0), Closed::InDoubt, 64), Permission::Pause);
        assert_eq!(gate.ask(8, (0, 0), Closed::InDoubt, 64), Permission::Hold);
        assert_eq!(gate.ask(9, (60, 0), Closed::Not, 64), Permission::Hold, "it was full before");
        assert_eq!(gate.ask(9, (0, 0), Closed::Not, 64), Permission::Resume);
        assert_eq!(gate.ask(9, (0, 0), Closed::Not, 64), Permission::Take(64));
    }

    #[test]
    fn a_short_hold_never_pauses() {
        let mut gate = gate();
        for start in (0..10).map(|n| n * 900_000_000) {
            assert_eq!(gate.ask(start, (100, 0), Closed::Not, 64), Permission::Hold);
            assert_eq!(gate.ask(start + 500_000_000, (99, 0), Closed::Not, 64), Permission::Take(1));
        }
    }
}
