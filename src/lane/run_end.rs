//! What the conductor looks for: the end of a bounded run, and a stop that takes longer than it may.

use std::time::Duration;

use crate::values::limits::nanoseconds;

/// Looks that lanes have for leaving in order after their time to drain is over (4 s): closing a consumer and giving a
/// transaction up take one second each, if the brokers do not answer. What hangs in the client then has no deadline.
const LEAVING_LOOKS: u32 = 200;

/// How long a bounded run waits for partitions that left its lanes to come back to one of them: longer than a
/// rebalance takes. After that another process of the group has them.
const END_SETTLES_NS: u64 = 15_000_000_000;

/// Notices that a stop takes longer than it may.
#[derive(Debug, Default)]
pub struct LeavingWatch {
    since_ns: Option<u64>,
    looks: u32,
}

impl LeavingWatch {
    /// Asked at each look since the lanes were told to stop.
    pub fn is_over(&mut self, drain_timeout: Duration, now_ns: u64) -> bool {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since_ns) >= nanoseconds(drain_timeout) {
            self.looks += 1;
        }
        self.looks > LEAVING_LOOKS
    }
}

/// Notices that a bounded run is over.
#[derive(Debug, Default)]
pub struct EndWatch {
    /// Most partitions that were assigned at a time.
    assigned_max: u64,
    /// Since when the lanes are at the end of fewer than that.
    fewer_since_ns: Option<u64>,
}

impl EndWatch {
    /// A run is over when every lane is at the end of what it was assigned, and something was. A partition on its way
    /// from one lane to another is nobody's for a moment, and its records are nobody's either.
    pub fn is_over(&mut self, assigned: u64, at_end: bool, now_ns: u64) -> bool {
        self.assigned_max = self.assigned_max.max(assigned);
        if assigned == 0 || !at_end {
            self.fewer_since_ns = None;
            return false;
        }
        let since_ns = *self.fewer_since_ns.get_or_insert(now_ns);
        assigned == self.assigned_max || now_ns.saturating_sub(since_ns) >= END_SETTLES_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_not_over_while_a_partition_moves_between_lanes() {
        let mut end = EndWatch::default();
        assert!(!end.is_over(0, true, 0), "nothing assigned yet");
        assert!(!end.is_over(12, false, 1));
        assert!(!end.is_over(6, true, 2), "six are on their way to another lane");
        assert!(!end.is_over(12, false, 3), "and have arrived there");
        assert!(end.is_over(12, true, 4));
    }

    #[test]
    fn a_run_ends_without_the_partitions_another_process_took() {
        let mut end = EndWatch::default();
        assert!(!end.is_over(12, false, 0));
        assert!(!end.is_over(8, true, 1));
        assert!(!end.is_over(8, true, END_SETTLES_NS));
        assert!(end.is_over(8, true, END_SETTLES_NS + 1));
    }

    #[test]
    fn a_stop_has_its_time_to_drain_and_then_some_looks_to_leave_in() {
        let (mut leaving, limit) = (LeavingWatch::default(), Duration::from_secs(1));
        let mut at = |ns: u64| leaving.is_over(limit, ns);
        assert!((0..10 * LEAVING_LOOKS).all(|_| !at(5)), "it may drain, however often somebody looks");
        assert!((0..LEAVING_LOOKS).all(|_| !at(1_000_000_005)), "and leave");
        assert!(at(1_000_000_005));
    }
}
