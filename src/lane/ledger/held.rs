//! An assignment in the hands of whoever takes records in or hears of them: the ledger's own counts follow what is done to it.

use std::ops::{Deref, DerefMut};

use super::assignment::Assignment;
use super::fate::Fate;
use crate::values::record::Position;

/// Records received and not finished, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Open {
    /// A part of them has changed.
    pub(super) fn change(&mut self, before: Open, after: Open) {
        self.records = self.records + after.records - before.records;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }
}

/// One of the ledger's assignments. What opens and finishes records is here alone, so that nobody has to add up over all
/// partitions what is open.
pub struct Held<'l> {
    assignment: &'l mut Assignment,
    all: &'l mut Open,
}

impl<'l> Held<'l> {
    pub(super) fn new(assignment: &'l mut Assignment, all: &'l mut Open) -> Held<'l> {
        Held { assignment, all }
    }

    /// A record is taken in. Returns its sequence number.
    pub fn receive(&mut self, at: Position, bytes: usize) -> u64 {
        self.counted(|assignment| assignment.receive(at, bytes))
    }

    /// One outcome was acknowledged. Returns what became of its record, where it was the last one missing.
    pub fn acknowledge(&mut self, sequence: u64) -> Option<Fate> {
        self.counted(|assignment| assignment.acknowledge(sequence))
    }

    /// Gives up what was received from `sequence` on: none of it was sent. Returns how many records that were.
    pub fn forget_from(&mut self, sequence: u64) -> usize {
        self.counted(|assignment| assignment.forget_from(sequence))
    }

    fn counted<T>(&mut self, change: impl FnOnce(&mut Assignment) -> T) -> T {
        let before = self.assignment.load();
        let answer = change(self.assignment);
        self.all.change(before, self.assignment.load());
        answer
    }
}

impl Deref for Held<'_> {
    type Target = Assignment;

    fn deref(&self) -> &Assignment {
        self.assignment
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Assignment {
        self.assignment
    }
}
