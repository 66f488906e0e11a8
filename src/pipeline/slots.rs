//! The lane's partitions. A slot is one assignment of one partition: when the partition comes back after a
//! rebalance or goes back after a failed delivery, it gets a new slot, so that late acknowledgements of the old one
//! can never count for the new.

use std::sync::Arc;

use crate::edge::{Progress, Stop};
use crate::failpoint::{Bug, planted};
use crate::pipeline::watermark::Watermark;
use crate::record::Tag;

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Flowing,
    /// The group wants it back: nothing more is taken in, and it leaves when it is drained and committed.
    Revoking,
    /// It stopped with an alarm; it stays assigned, so that nobody else runs into the same wall.
    Failed,
}

/// Whether a partition's records stand behind one whose schema's plan is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    No,
    /// The answer is on its way, since then (ns): the partition flows, and what comes is parked.
    Moment(u64),
    /// The partition is paused.
    Paused,
}

#[derive(Debug)]
pub struct Slot {
    pub id: u32,
    pub partition: i32,
    pub phase: Phase,
    pub watermark: Watermark,
    /// Highest offset a commit was started for, and highest one the broker confirmed.
    pub requested: i64,
    pub confirmed: i64,
    /// Records below this were received before; the source never hands one out twice within a slot.
    pub next_offset: i64,
    /// For a schema.
    pub waiting: Waiting,
    /// Wall clock, microseconds, since when it has been paused for that.
    pub waits_since_us: i64,
    /// Why it stopped, and when by the wall clock (microseconds).
    pub stop: Option<(Arc<Stop>, i64)>,
    /// The offset it began at.
    pub first_offset: i64,
    /// Where the source was sent over records that were removed unread; negative: nowhere.
    pub goes_on_at: i64,
    /// Failed deliveries since the last progress, when it began.
    pub failures: u32,
    /// Bounded runs: the source has shown the end up to this offset.
    pub end_reached: Option<i64>,
    /// Records were taken from the source and forgotten: its position says nothing about progress any more.
    pub forgot: bool,
}

impl Slot {
    /// The offset to commit.
    pub fn committable(&self) -> i64 {
        if planted(Bug::CommitBeforeAck) {
            return self.next_offset;
        }
        self.watermark.committable() + i64::from(planted(Bug::OffsetOffByOne))
    }

    /// Nothing of it is under way, and the broker knows.
    pub fn is_settled(&self) -> bool {
        self.watermark.open() == 0 && self.confirmed >= self.watermark.committable()
    }

    /// Where the group has this partition, as far as this slot knows; where the slot began if it committed nothing.
    pub fn last_commit(&self) -> Progress {
        let offset = if self.confirmed >= 0 { self.confirmed } else { self.first_offset };
        Progress { partition: self.partition, offset }
    }

    /// Failed deliveries in a row, counting the one that ends this slot. Neighbours that arrived are no progress:
    /// only what moved the watermark is.
    pub fn failures_with_this_one(&self) -> u32 {
        if self.watermark.committable() > self.first_offset { 1 } else { self.failures.saturating_add(1) }
    }

    /// The source stands at `position`. Moves past what is no record, when all the source handed out was received
    /// and is finished.
    pub fn pass_markers(&mut self, position: i64) {
        if self.phase != Phase::Flowing || self.forgot {
            return;
        }
        // librdkafka counts the event that tells a partition's end like a record, and stands one too far then.
        let end = self.end_reached.filter(|&end| self.next_offset <= end);
        self.watermark.pass_markers(end.map_or(position, |end| position.min(end)));
    }
}

#[derive(Debug, Default)]
pub struct Slots {
    slots: Vec<Slot>,
    next_id: u32,
    /// Index of the slot found last: acknowledgements come partition by partition.
    last: usize,
}

impl Slots {
    pub fn open(&mut self, at: Progress) -> &mut Slot {
        debug_assert!(self.slots.iter().all(|slot| slot.partition != at.partition));
        let id = self.next_id;
        // Ids come round after a million assignments; none of those is still in flight by then.
        self.next_id = if id == Tag::SLOT_MAX { 0 } else { id + 1 };
        self.slots.push(Slot {
            id,
            partition: at.partition,
            phase: Phase::Flowing,
            watermark: Watermark::new(at.offset),
            // Committed once even before the first record, so that a new group's start cannot move.
            requested: -1,
            confirmed: -1,
            next_offset: at.offset,
            waiting: Waiting::No,
            waits_since_us: 0,
            stop: None,
            first_offset: at.offset,
            goes_on_at: -1,
            failures: 0,
            end_reached: None,
            forgot: false,
        });
        self.slots.last_mut().expect("pushed just now")
    }

    pub fn close(&mut self, partition: i32) -> Option<Slot> {
        let index = self.slots.iter().position(|slot| slot.partition == partition)?;
        Some(self.slots.swap_remove(index))
    }

    pub fn by_id(&mut self, id: u32) -> Option<&mut Slot> {
        if self.slots.get(self.last).is_none_or(|slot| slot.id != id) {
            self.last = self.slots.iter().position(|slot| slot.id == id)?;
        }
        Some(&mut self.slots[self.last])
    }

    pub fn by_partition(&mut self, partition: i32) -> Option<&mut Slot> {
        if self.slots.get(self.last).is_none_or(|slot| slot.partition != partition) {
            self.last = self.slots.iter().position(|slot| slot.partition == partition)?;
        }
        Some(&mut self.slots[self.last])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Partitions in a phase.
    pub fn partitions(&self, phase: Phase) -> Vec<i32> {
        self.slots.iter().filter(|slot| slot.phase == phase).map(|slot| slot.partition).collect()
    }

    pub fn open_records(&self) -> usize {
        self.slots.iter().map(|slot| slot.watermark.open()).sum()
    }

    pub fn open_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.watermark.open_bytes()).sum()
    }
}
