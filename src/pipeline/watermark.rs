//! How far a partition is finished: the contiguous prefix of the records *received*.
//!
//! Offsets have holes (compaction, transaction markers), so the watermark counts the sequence of records received
//! and only carries their offsets along.
//!
//! Invariants: `committable` never goes back; a record below it has been acknowledged in full; `open` is the number
//! of entries that are not finished.

use std::collections::VecDeque;

use crate::error::Reject;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Scored,
    Rejected(Reject),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    bytes: u32,
    /// From receipt to the hand-over of its outcomes, microseconds, and when that was on the lane's clock.
    inside_us: u32,
    sent_us: u64,
    /// Outcomes not yet acknowledged; [`NOT_SENT`] until they are handed over.
    missing: u8,
    fate: Fate,
}

const NOT_SENT: u8 = u8::MAX;

/// A record of which an outcome was acknowledged just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub inside_us: u32,
    pub sent_us: u64,
    /// What became of it, where that was the last outcome missing.
    pub finished: Option<Fate>,
}

#[derive(Debug)]
pub struct Watermark {
    entries: VecDeque<Entry>,
    /// Sequence number of the front entry.
    first: u64,
    committable: i64,
    open: usize,
    open_bytes: usize,
}

impl Watermark {
    /// Starts at the offset of the first record to come.
    pub fn new(first_offset: i64) -> Watermark {
        Watermark { entries: VecDeque::new(), first: 0, committable: first_offset, open: 0, open_bytes: 0 }
    }

    /// Notes a record in the order of the source; returns its sequence number.
    pub fn receive(&mut self, offset: i64, bytes: usize) -> u64 {
        debug_assert!(offset >= self.committable, "records come in offset order");
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (missing, fate) = (NOT_SENT, Fate::Scored);
        self.entries.push_back(Entry { offset, bytes, inside_us: 0, sent_us: 0, missing, fate });
        self.open += 1;
        self.open_bytes += bytes as usize;
        self.first + self.entries.len() as u64 - 1
    }

    /// Notes what will be sent for a record that was received `inside_us` before `now_us`, before the first of its
    /// outcomes is handed over.
    pub fn sending(&mut self, sequence: u64, outcomes: u8, fate: Fate, (inside_us, now_us): (u32, u64)) {
        debug_assert!((1..NOT_SENT).contains(&outcomes));
        if let Some(entry) = self.entry(sequence) {
            entry.missing = outcomes;
            entry.fate = fate;
            (entry.inside_us, entry.sent_us) = (inside_us, now_us);
        }
    }

    /// All outcomes of a record were handed over at `now_us`.
    pub fn sent(&mut self, sequence: u64, now_us: u64) {
        if let Some(entry) = self.entry(sequence) {
            let since_us = u32::try_from(now_us.saturating_sub(entry.sent_us)).unwrap_or(u32::MAX);
            entry.inside_us = entry.inside_us.saturating_add(since_us);
            entry.sent_us = now_us;
        }
    }

    /// A record whose outcomes are announced already ends otherwise.
    pub fn change_fate(&mut self, sequence: u64, fate: Fate) {
        if let Some(entry) = self.entry(sequence) {
            entry.fate = fate;
        }
    }

    /// One outcome was acknowledged. `None` where the record is gone.
    pub fn acknowledge(&mut self, sequence: u64) -> Option<Acknowledged> {
        let entry = self.entry(sequence)?;
        debug_assert!(entry.missing != 0 && entry.missing != NOT_SENT, "an acknowledgement nobody waits for");
        entry.missing -= 1;
        let Entry { fate, bytes, inside_us, sent_us, missing, .. } = *entry;
        if missing > 0 {
            return Some(Acknowledged { inside_us, sent_us, finished: None });
        }
        self.open -= 1;
        self.open_bytes -= bytes as usize;
        while let Some(front) = self.entries.front().filter(|front| front.missing == 0) {
            self.committable = front.offset + 1;
            self.entries.pop_front();
            self.first += 1;
        }
        Some(Acknowledged { inside_us, sent_us, finished: Some(fate) })
    }

    /// Gives up everything from a sequence number on: it was received, and will never be sent from here.
    /// Returns how many records that were.
    pub fn abandon_from(&mut self, sequence: u64) -> usize {
        let keep = usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut abandoned = 0;
        while self.entries.len() > keep {
            let Some(entry) = self.entries.pop_back() else { break };
            if entry.missing > 0 {
                abandoned += 1;
                self.open -= 1;
                self.open_bytes -= entry.bytes as usize;
            }
        }
        abandoned
    }

    /// Offset of a record whose outcomes were handed over, and what it ends as.
    pub fn sent_for(&self, sequence: u64) -> Option<(i64, Fate)> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get(index).map(|entry| (entry.offset, entry.fate))
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// The source stands at `position` and has handed out everything before it. When all of that is finished, what
    /// lies between is transaction markers and compacted records, and the watermark moves past them.
    pub fn pass_markers(&mut self, position: i64) {
        if self.entries.is_empty() {
            self.committable = self.committable.max(position);
        }
    }

    /// The offset to commit: everything below it is finished.
    pub fn committable(&self) -> i64 {
        self.committable
    }

    /// Records received and not finished.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Their bytes.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(watermark: &mut Watermark, sequence: u64) -> Option<Acknowledged> {
        watermark.sending(sequence, 1, Fate::Scored, (0, 0));
        watermark.acknowledge(sequence)
    }

    #[test]
    fn moves_over_the_contiguous_prefix_only() {
        let mut watermark = Watermark::new(10);
        let sequences: Vec<u64> = [10, 11, 12].iter().map(|&offset| watermark.receive(offset, 5)).collect();
        assert!(finish(&mut watermark, sequences[2]).is_some());
        assert_eq!((watermark.committable(), watermark.open(), watermark.open_bytes()), (10, 2, 10));
        finish(&mut watermark, sequences[0]);
        assert_eq!(watermark.committable(), 11);
        finish(&mut watermark, sequences[1]);
        assert_eq!((watermark.committable(), watermark.open(), watermark.open_bytes()), (13, 0, 0));
    }

    #[test]
    fn holes_in_offsets_do_not_stall_it() {
        let mut watermark = Watermark::new(0);
        let sequences: Vec<u64> = [3, 7, 100].iter().map(|&offset| watermark.receive(offset, 1)).collect();
        for sequence in sequences {
            finish(&mut watermark, sequence);
        }
        assert_eq!(watermark.committable(), 101);
        watermark.pass_markers(104);
        assert_eq!(watermark.committable(), 104, "trailing markers are passed");
        watermark.pass_markers(90);
        assert_eq!(watermark.committable(), 104, "and never gone back over");
    }

    #[test]
    fn markers_are_not_passed_while_a_record_is_open() {
        let mut watermark = Watermark::new(0);
        let sequence = watermark.receive(0, 1);
        watermark.pass_markers(50);
        assert_eq!(watermark.committable(), 0);
        finish(&mut watermark, sequence);
        assert_eq!(watermark.committable(), 1);
    }

    #[test]
    fn a_record_with_a_review_copy_needs_both_acknowledgements() {
        let mut watermark = Watermark::new(0);
        let sequence = watermark.receive(0, 1);
        watermark.sending(sequence, 2, Fate::Scored, (7, 100));
        watermark.sent(sequence, 120);
        let first = Acknowledged { inside_us: 27, sent_us: 120, finished: None };
        assert_eq!(watermark.acknowledge(sequence), Some(first));
        assert_eq!(watermark.committable(), 0);
        assert_eq!(watermark.acknowledge(sequence), Some(Acknowledged { finished: Some(Fate::Scored), ..first }));
        assert_eq!(watermark.committable(), 1);
    }
}
