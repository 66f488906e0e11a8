//! The doors: a source that hands out records of a pool, and a sink that copies what it is given.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use scorewire::doors::{
    Destination, Outgoing, PartitionLag, Progress, SendError, Sink, Source, SourceEvent, SourceRecord,
};
use scorewire::error::Fatal;
use scorewire::values::record::{Ack, Position, Tag};

use super::TIMESTAMP_MS;
use super::records::{Cursor, Outcomes, Records};

#[derive(Clone, Copy)]
pub struct MemoryRecord {
    position: Position,
    key: &'static [u8],
    value: &'static [u8],
}

impl SourceRecord for MemoryRecord {
    fn position(&self) -> Position {
        self.position
    }

    fn timestamp_ms(&self) -> i64 {
        TIMESTAMP_MS
    }

    fn key(&self) -> Option<&[u8]> {
        Some(self.key)
    }

    fn value(&self) -> Option<&[u8]> {
        Some(self.value)
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn each_header(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// Which partitions the records of a poll are of. The partitions come in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All of one: a topic that is read as fast as it can be.
    Runs,
    /// Each of another one: a topic whose partitions get a record now and then.
    Singles,
}

/// Each poll hands out the next records of the pool.
pub struct MemorySource {
    records: &'static Records,
    cursor: Cursor,
    per_poll: Rc<Cell<usize>>,
    paused: bool,
    /// By partition.
    next: Vec<i64>,
    turn: usize,
    spread: Spread,
}

impl MemorySource {
    pub fn new(
        records: &'static Records,
        (partitions, spread): (usize, Spread),
        per_poll: Rc<Cell<usize>>,
    ) -> MemorySource {
        let cursor = Cursor::new(records.len());
        MemorySource { records, cursor, per_poll, paused: false, next: vec![0; partitions], turn: 0, spread }
    }

    fn turn(&mut self) {
        self.turn = if self.turn + 1 == self.next.len() { 0 } else { self.turn + 1 };
    }
}

impl Source for MemorySource {
    type Record = MemoryRecord;

    fn poll(&mut self, _: Duration, room: usize, out: &mut Vec<MemoryRecord>) -> Result<(), Fatal> {
        if self.paused {
            return Ok(());
        }
        self.turn();
        for index in self.cursor.take(room.min(self.per_poll.get())) {
            if self.spread == Spread::Singles {
                self.turn();
            }
            let next = &mut self.next[self.turn];
            let position = Position { partition: self.turn as i32, offset: *next };
            out.push(MemoryRecord { position, key: self.records.key(index), value: self.records.value(index) });
            *next += 1;
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        None
    }

    /// The lane pauses and resumes all or none.
    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.paused |= !partitions.is_empty();
        Ok(())
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.paused &= partitions.is_empty();
        Ok(())
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        unreachable!("every outcome is acknowledged, yet the lane goes back to {to:?}")
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        self.next.get(partition as usize).copied()
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let position = self.next[partition as usize];
        PartitionLag { partition, position, high_watermark: position }
    }
}

pub struct MemorySink {
    outcomes: Rc<RefCell<Outcomes>>,
    tags: Vec<Tag>,
    partitions: i32,
}

impl MemorySink {
    pub fn new(outcomes: Rc<RefCell<Outcomes>>, partitions: i32) -> MemorySink {
        MemorySink { outcomes, tags: Vec::new(), partitions }
    }
}

impl Sink<MemoryRecord> for MemorySink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: Option<&MemoryRecord>) -> Result<(), SendError> {
        let mut outcomes = self.outcomes.borrow_mut();
        if self.tags.is_empty() {
            // The last batch is acknowledged: its memory is free again.
            outcomes.clear();
        }
        let key = outcome.key.resolve(source.and_then(SourceRecord::key)).unwrap_or_default();
        let value = outcome.value.resolve(source.and_then(SourceRecord::value)).unwrap_or_default();
        outcomes.push(outcome.destination, key, value);
        self.tags.push(outcome.tag);
        Ok(())
    }

    fn poll(&mut self, _: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal> {
        acks.extend(self.tags.drain(..).map(|tag| Ack { tag, result: Ok(()) }));
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.tags.len()
    }

    fn partitions(&self, _: Destination) -> i32 {
        self.partitions
    }

    fn purge(&mut self) {
        self.tags.clear();
    }
}
