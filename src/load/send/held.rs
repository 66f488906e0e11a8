//! What a generator holds back, so that a partition gets fewer and fuller requests.

use std::collections::VecDeque;

/// Records of a partition that are due and have not left yet, in order.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub records: VecDeque<T>,
    /// When the next ones may leave, nanoseconds of the schedule.
    pub from_ns: u64,
}

impl<T> Held<T> {
    pub fn nothing() -> Held<T> {
        Held { records: VecDeque::new(), from_ns: 0 }
    }

    /// What may leave at `now_ns`: all or nothing. The first record after a pause does not wait.
    pub fn leave(&mut self, now_ns: u64, gather_ns: u64) -> impl Iterator<Item = T> {
        let count = if now_ns >= self.from_ns { self.records.len() } else { 0 };
        if count > 0 {
            self.from_ns = now_ns + gather_ns;
        }
        self.records.drain(..count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_leaves_at_once_and_those_soon_after_it_together() {
        let mut held = Held::nothing();
        // One record every 400 us, looked at as they come: the first alone, then each 2 ms with five or so.
        let mut left = Vec::new();
        for number in 0..20_u64 {
            held.records.push_back(number);
            left.push(held.leave(number * 400, 2_000).count());
        }
        assert_eq!(left[..12], [1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0]);
        // After a pause nobody waits, and order is kept.
        held.records.push_back(20);
        assert_eq!(held.leave(60_000, 2_000).collect::<Vec<u64>>(), [16, 17, 18, 19, 20]);
        held.records.push_back(21);
        assert_eq!(held.leave(61_999, 2_000).count(), 0);
        // Without gathering everything leaves at once.
        let mut free = Held { records: VecDeque::from([1, 2]), from_ns: 0 };
        assert_eq!((free.leave(5, 0).count(), free.records.len()), (2, 0));
    }
}
