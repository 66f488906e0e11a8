//! How far an assignment is finished: the contiguous prefix of the records *received*.
//!
//! Offsets have holes (compaction, transaction markers), so the sequence of records received is what counts, and only
//! carries their offsets along.
//!
//! Invariants: `committable` never goes back; a record below it has been acknowledged in full; `open` is the number
//! of entries that are not finished.

use std::collections::VecDeque;

use super::fate::Fate;

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    bytes: u32,
    /// Outcomes not yet acknowledged; [`NOT_SENT`] until they are handed over.
    missing: u8,
    fate: Fate,
}

const NOT_SENT: u8 = u8::MAX;

#[derive(Debug)]
pub(super) struct AckTracker {
    entries: VecDeque<Entry>,
    /// Sequence number of the front entry.
    first: u64,
    committable: i64,
    open: usize,
    open_bytes: usize,
}

impl AckTracker {
    /// Starts at the offset of the first record to come.
    pub(super) fn new(first_offset: i64) -> AckTracker {
        AckTracker { entries: VecDeque::new(), first: 0, committable: first_offset, open: 0, open_bytes: 0 }
    }

    /// Notes a record in the order of the source; returns its sequence number.
    pub(super) fn receive(&mut self, offset: i64, bytes: usize) -> u64 {
        debug_assert!(offset >= self.committable, "records come in offset order");
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.entries.push_back(Entry { offset, bytes, missing: NOT_SENT, fate: Fate::Scored });
        self.open += 1;
        self.open_bytes += bytes as usize;
        self.first + self.entries.len() as u64 - 1
    }

    /// Notes what will be sent for a record, before the first of its outcomes is handed over.
    pub(super) fn announce(&mut self, sequence: u64, outcomes: u8, fate: Fate) {
        debug_assert!((1..NOT_SENT).contains(&outcomes));
        if let Some(entry) = self.entry(sequence) {
            entry.missing = outcomes;
            entry.fate = fate;
        }
    }

    /// A record whose outcomes are announced already ends otherwise.
    pub(super) fn change_fate(&mut self, sequence: u64, fate: Fate) {
        if let Some(entry) = self.entry(sequence) {
            entry.fate = fate;
        }
    }

    /// One outcome was acknowledged. Returns what became of the record, where that was the last outcome missing.
    pub(super) fn acknowledge(&mut self, sequence: u64) -> Option<Fate> {
        let entry = self.entry(sequence)?;
        debug_assert!(entry.missing != 0 && entry.missing != NOT_SENT, "an acknowledgement nobody waits for");
        entry.missing -= 1;
        let Entry { fate, bytes, missing, .. } = *entry;
        if missing > 0 {
            return None;
        }
        self.open -= 1;
        self.open_bytes -= bytes as usize;
        while let Some(front) = self.entries.front().filter(|front| front.missing == 0) {
            self.committable = front.offset + 1;
            self.entries.pop_front();
            self.first += 1;
        }
        Some(fate)
    }

    /// Gives up everything from a sequence number on: it was received, and will never be sent from here.
    /// Returns how many records that were.
    pub(super) fn abandon_from(&mut self, sequence: u64) -> usize {
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
    pub(super) fn announced(&self, sequence: u64) -> Option<(i64, Fate)> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get(index).map(|entry| (entry.offset, entry.fate))
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// The source stands at `position` and has handed out everything before it. When all of that is finished, what
    /// lies between is transaction markers and compacted records, and the progress moves past them.
    pub(super) fn pass_markers(&mut self, position: i64) {
        if self.entries.is_empty() {
            self.committable = self.committable.max(position);
        }
    }

    /// The offset to commit: everything below it is finished.
    pub(super) fn committable(&self) -> i64 {
        self.committable
    }

    /// Records received and not finished.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Their bytes.
    pub(super) fn open_bytes(&self) -> usize {
        self.open_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(acks: &mut AckTracker, sequence: u64) -> Option<Fate> {
        acks.announce(sequence, 1, Fate::Scored);
        acks.acknowledge(sequence)
    }

    #[test]
    fn moves_over_the_contiguous_prefix_only() {
        let mut acks = AckTracker::new(10);
        let sequences: Vec<u64> = [10, 11, 12].iter().map(|&offset| acks.receive(offset, 5)).collect();
        assert!(finish(&mut acks, sequences[2]).is_some());
        assert_eq!((acks.committable(), acks.open(), acks.open_bytes()), (10, 2, 10));
        finish(&mut acks, sequences[0]);
        assert_eq!(acks.committable(), 11);
        finish(&mut acks, sequences[1]);
        assert_eq!((acks.committable(), acks.open(), acks.open_bytes()), (13, 0, 0));
    }

    #[test]
    fn holes_in_offsets_do_not_stall_it() {
        let mut acks = AckTracker::new(0);
        let sequences: Vec<u64> = [3, 7, 100].iter().map(|&offset| acks.receive(offset, 1)).collect();
        for sequence in sequences {
            finish(&mut acks, sequence);
        }
        assert_eq!(acks.committable(), 101);
        acks.pass_markers(104);
        assert_eq!(acks.committable(), 104, "trailing markers are passed");
        acks.pass_markers(90);
        assert_eq!(acks.committable(), 104, "and never gone back over");
    }

    #[test]
    fn markers_are_not_passed_while_a_record_is_open() {
        let mut acks = AckTracker::new(0);
        let sequence = acks.receive(0, 1);
        acks.pass_markers(50);
        assert_eq!(acks.committable(), 0);
        finish(&mut acks, sequence);
        assert_eq!(acks.committable(), 1);
    }

    #[test]
    fn a_record_with_a_review_copy_needs_both_acknowledgements() {
        let mut acks = AckTracker::new(0);
        let sequence = acks.receive(0, 1);
        acks.announce(sequence, 2, Fate::Scored);
        assert_eq!(acks.acknowledge(sequence), None);
        assert_eq!(acks.committable(), 0);
        assert_eq!(acks.acknowledge(sequence), Some(Fate::Scored));
        assert_eq!(acks.committable(), 1);
    }
}
