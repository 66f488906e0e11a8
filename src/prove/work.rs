//! The input in pieces, so that few partitions keep many threads busy. A thread goes on where it is as long as nobody else has
//! been there: that costs nothing, while the beginning of a piece elsewhere costs a question to a broker, and what was fetched
//! ahead.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

use crate::piece::ranges::Range;

/// Offsets of a piece: what a thread takes at a time.
pub const PIECE_OFFSETS: i64 = 10_000;

/// What nobody has taken yet.
#[derive(Debug)]
pub struct Work(Mutex<Vec<Rest>>);

#[derive(Clone, Copy, Debug)]
struct Rest {
    range: Range,
    /// Somebody is working right before it, and will go on with it.
    is_begun: bool,
}

impl Work {
    pub fn new(ranges: &[Range]) -> Work {
        Work(Mutex::new(ranges.iter().map(|&range| Rest { range, is_begun: false }).collect()))
    }

    /// The next piece for somebody who has read up to the end of `last`: what follows there if nobody has it, else the
    /// beginning of the longest rest that is left; its middle where somebody is working right before it. `None` at the end.
    pub fn take(&self, last: Option<Range>) -> Option<Range> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let follows = |rest: &Rest| {
            last.is_some_and(|last| (last.partition, last.until) == (rest.range.partition, rest.range.from))
        };
        let place = match left.iter().position(follows) {
            Some(place) => place,
            None => Work::elsewhere(&mut left)?,
        };
        let Rest { range, is_begun } = &mut left[place];
        let piece = Range { until: range.until.min(range.from + PIECE_OFFSETS), ..*range };
        (range.from, *is_begun) = (piece.until, true);
        if range.from == range.until {
            left.swap_remove(place);
        }
        Some(piece)
    }

    /// Where a thread begins that has nothing to go on with.
    fn elsewhere(left: &mut Vec<Rest>) -> Option<usize> {
        // Of equal ones the first partition, and its first offset.
        let place = (0..left.len()).max_by_key(|&place| {
            let range = left[place].range;
            (range.offsets(), Reverse((range.partition, range.from)))
        })?;
        let Rest { range, is_begun } = left[place];
        // Whole pieces for whoever works before it, and at least one of them.
        let pieces = range.offsets() as i64 / PIECE_OFFSETS;
        if !is_begun || pieces < 2 {
            return Some(place);
        }
        let middle = range.from + pieces / 2 * PIECE_OFFSETS;
        left[place].range.until = middle;
        left.push(Rest { range: Range { from: middle, ..range }, is_begun: false });
        Some(left.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(partition: i32, from: i64, until: i64) -> Range {
        Range { partition, from, until }
    }

    #[test]
    fn one_thread_goes_on_where_it_is() {
        let work = Work::new(&[range(0, 5, 15_005), range(1, 0, 9)]);
        let first = work.take(None).unwrap();
        assert_eq!(first, range(0, 5, 10_005));
        assert_eq!(work.take(Some(first)), Some(range(0, 10_005, 15_005)));
        assert_eq!(work.take(Some(range(0, 10_005, 15_005))), Some(range(1, 0, 9)));
        assert_eq!(work.take(None), None);
    }

    #[test]
    fn threads_share_one_partition() {
        let work = Work::new(&[range(0, 0, 80_000)]);
        let starts: Vec<i64> = (0..4).map(|_| work.take(None).unwrap().from).collect();
        assert_eq!(starts, [0, 40_000, 20_000, 60_000]);
        assert_eq!(work.take(Some(range(0, 20_000, 30_000))), Some(range(0, 30_000, 40_000)));
        assert_eq!(work.take(Some(range(0, 30_000, 40_000))).unwrap().from, 10_000, "what follows is somebody else's");
    }

    proptest! {
        /// Each offset is in one piece, whoever takes it.
        #[test]
        fn every_offset_is_taken_once(
            lengths in prop::collection::vec(1_i64..90_000, 1..5),
            order in prop::collection::vec(0_usize..6, 1..40),
        ) {
            let ranges: Vec<Range> =
                (0..).zip(&lengths).map(|(partition, length)| range(partition, 7, 7 + length)).collect();
            let (work, mut last, mut taken) = (Work::new(&ranges), [None; 6], Vec::new());
            for thread in order.iter().cycle() {
                let Some(piece) = work.take(last[*thread]) else { break };
                last[*thread] = Some(piece);
                taken.push(piece);
            }
            prop_assert!(taken.iter().all(|piece| (1..=PIECE_OFFSETS as u64).contains(&piece.offsets())));
            taken.sort_unstable();
            let mut joined: Vec<Range> = Vec::new();
            for piece in taken {
                match joined.last_mut() {
                    Some(last) if (last.partition, last.until) == (piece.partition, piece.from) => last.until = piece.until,
                    _ => joined.push(piece),
                }
            }
            prop_assert_eq!(joined, ranges);
        }
    }
}
