//! Records that were polled and wait for the lane, in order. Each poll is stamped once, for all records it brought.

use std::collections::VecDeque;
use std::vec::Drain;

use crate::doors::{Clock, SourceRecord};
use crate::values::record::{Position, Receipt};

/// Neighbours that came with one poll.
#[derive(Clone, Copy, Debug)]
struct PollRun {
    records: usize,
    receipt: Receipt,
}

#[derive(Debug)]
pub struct Inbox<R> {
    records: Vec<R>,
    /// All of `records` in order; none is empty.
    runs: VecDeque<PollRun>,
}

impl<R: SourceRecord> Inbox<R> {
    pub fn with_capacity(records: usize) -> Inbox<R> {
        Inbox { records: Vec::with_capacity(records), runs: VecDeque::with_capacity(records) }
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Lets `poll` append records, and stamps those that it did. Returns when that was on the monotonic clock.
    pub fn fill<E>(&mut self, clock: &impl Clock, poll: impl FnOnce(&mut Vec<R>) -> Result<(), E>) -> Result<u64, E> {
        let before = self.records.len();
        poll(&mut self.records)?;
        let ns = clock.now_ns();
        let records = self.records.len() - before;
        if records > 0 {
            self.runs.push_back(PollRun { records, receipt: Receipt { ns, us: clock.wall_us() } });
        }
        Ok(ns)
    }

    /// Takes the first records out: those that came with one poll, at most `count`, which is no more than there are and
    /// at least 1.
    pub fn take(&mut self, count: usize) -> (Receipt, Drain<'_, R>) {
        debug_assert!((1..=self.records.len()).contains(&count));
        let first = self.runs.front_mut().expect("every record belongs to a run");
        let (taken, receipt) = (first.records.min(count), first.receipt);
        first.records -= taken;
        if first.records == 0 {
            self.runs.pop_front();
        }
        (receipt, self.records.drain(..taken))
    }

    /// How many of the first `room` records may be taken while `bytes` are open: the one that reaches `bytes_max` is the
    /// last.
    pub fn fitting(&self, room: usize, mut bytes: usize, bytes_max: usize) -> usize {
        let fits = |record: &&R| {
            let fits = bytes < bytes_max;
            bytes += record.size();
            fits
        };
        self.records.iter().take(room).take_while(fits).count()
    }

    /// Where the records stand in their topic, in order.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.records.iter().map(SourceRecord::position)
    }

    /// Forgets a partition's records. Returns whether there were any.
    pub fn forget(&mut self, partition: i32) -> bool {
        let before = self.records.len();
        let stays = |record: &R| record.position().partition != partition;
        let mut start = 0;
        for run in &mut self.runs {
            let end = start + run.records;
            run.records = self.records[start..end].iter().filter(|record| stays(record)).count();
            start = end;
        }
        self.runs.retain(|run| run.records > 0);
        self.records.retain(stays);
        self.records.len() < before
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug)]
    struct Fake(Position);

    impl SourceRecord for Fake {
        fn position(&self) -> Position {
            self.0
        }

        fn timestamp_ms(&self) -> i64 {
            -1
        }

        fn key(&self) -> Option<&[u8]> {
            None
        }

        fn value(&self) -> Option<&[u8]> {
            None
        }

        fn header(&self, _: &str) -> Option<&[u8]> {
            None
        }

        fn each_header(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
    }

    struct Ticks(Cell<u64>);

    impl Clock for Ticks {
        fn now_ns(&self) -> u64 {
            self.0.get()
        }

        fn wall_us(&self) -> i64 {
            self.0.get().cast_signed() + 1_000_000
        }
    }

    /// Polls `partitions.len()` records, whose offset is the time of the poll: what a record's stamp must say.
    fn poll(inbox: &mut Inbox<Fake>, clock: &Ticks, partitions: &[i32]) {
        clock.0.set(clock.0.get() + 1);
        let offset = clock.0.get().cast_signed();
        let polled = inbox.fill(clock, |records| -> Result<(), ()> {
            records.extend(partitions.iter().map(|&partition| Fake(Position { partition, offset })));
            Ok(())
        });
        assert_eq!(polled, Ok(clock.0.get()));
    }

    /// Takes `count` records, and holds each against its stamp.
    fn take(inbox: &mut Inbox<Fake>, mut count: usize) -> Vec<Position> {
        let mut taken = Vec::new();
        while count > 0 {
            let (receipt, records) = inbox.take(count);
            count -= records.len();
            for Fake(at) in records {
                let ns = at.offset.cast_unsigned();
                assert_eq!(receipt, Receipt { ns, us: at.offset + 1_000_000 });
                taken.push(at);
            }
        }
        taken
    }

    #[test]
    fn every_record_keeps_the_stamp_of_its_poll_whatever_is_taken_and_forgotten() {
        let (mut inbox, clock) = (Inbox::with_capacity(8), Ticks(Cell::new(0)));
        poll(&mut inbox, &clock, &[0, 1, 0]);
        poll(&mut inbox, &clock, &[]);
        poll(&mut inbox, &clock, &[1]);
        poll(&mut inbox, &clock, &[1, 0, 2, 1]);
        let at = |partition, offset| Position { partition, offset };
        assert_eq!(take(&mut inbox, 2), [at(0, 1), at(1, 1)]);
        assert!(inbox.forget(1), "a whole run and parts of another");
        assert!(!inbox.forget(1) && !inbox.forget(7));
        poll(&mut inbox, &clock, &[5]);
        assert_eq!(take(&mut inbox, 4), [at(0, 1), at(0, 4), at(2, 4), at(5, 5)]);
        assert!(inbox.is_empty() && inbox.runs.is_empty());
    }

    #[test]
    fn the_record_that_reaches_the_limit_of_bytes_is_the_last() {
        let (mut inbox, clock) = (Inbox::with_capacity(8), Ticks(Cell::new(0)));
        poll(&mut inbox, &clock, &[0; 5]);
        let size = Fake(Position { partition: 0, offset: 0 }).size();
        assert_eq!(inbox.fitting(3, 0, usize::MAX), 3);
        assert_eq!(inbox.fitting(9, 0, usize::MAX), 5);
        assert_eq!(inbox.fitting(9, 0, 2 * size), 2);
        assert_eq!(inbox.fitting(9, 0, 2 * size + 1), 3);
        assert_eq!(inbox.fitting(9, size, size), 0);
    }
}
