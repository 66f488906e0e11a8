//! The lane between a source and a sink in memory: records are handed out by reference, outcomes copied and
//! acknowledged with the next poll; nobody keeps the progress.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use scorewire::doors::{
    Destination, Outgoing, PartitionLag, Progress, SendError, Sink, Source, SourceEvent, SourceRecord, Standalone,
};
use scorewire::error::Fatal;
use scorewire::lane::clock::SystemClock;
use scorewire::lane::commit::AtLeastOnce;
use scorewire::lane::{Lane, LaneDoors, LanePackage, LaneSettings, Types};
use scorewire::model::{Model, Session};
use scorewire::node;
use scorewire::observe::stats::LaneStats;
use scorewire::values::limits::Limits;
use scorewire::values::record::{Ack, Position, Tag};
use scorewire::values::settings::{DeadLetterSettings, HeaderStyle, Layout, OutOfRange, PayloadPolicy};

use super::ways::{BATCH_MAX, TIMESTAMP_MS, TOPIC, Way, decoder, review};
use super::{Cursor, Outcomes, Records};

const PARTITIONS: i32 = 4;

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

/// Each poll hands out the next records of the pool as those of one partition, the partitions in turn.
struct MemorySource {
    records: &'static Records,
    cursor: Cursor,
    per_poll: Rc<Cell<usize>>,
    paused: bool,
    next: [i64; PARTITIONS as usize],
    turn: usize,
}

impl Source for MemorySource {
    type Record = MemoryRecord;

    fn poll(&mut self, _: Duration, room: usize, out: &mut Vec<MemoryRecord>) -> Result<(), Fatal> {
        if self.paused {
            return Ok(());
        }
        self.turn = (self.turn + 1) % self.next.len();
        let next = &mut self.next[self.turn];
        for index in self.cursor.take(room.min(self.per_poll.get())) {
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

struct MemorySink {
    outcomes: Rc<RefCell<Outcomes>>,
    tags: Vec<Tag>,
}

impl Sink<MemoryRecord> for MemorySink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: &MemoryRecord) -> Result<(), SendError> {
        let mut outcomes = self.outcomes.borrow_mut();
        if self.tags.is_empty() {
            // The last batch is acknowledged: its memory is free again.
            outcomes.clear();
        }
        let key = outcome.key.resolve(source.key()).unwrap_or_default();
        let value = outcome.value.resolve(source.value()).unwrap_or_default();
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
        PARTITIONS
    }

    fn purge(&mut self) {
        self.tags.clear();
    }
}

/// One duty cycle per batch: received, decoded, scored, decided, encoded, handed over, acknowledged.
pub struct LaneWay {
    lane: Lane<Types<Standalone<MemorySource>, Session, MemorySink, AtLeastOnce, SystemClock>>,
    per_poll: Rc<Cell<usize>>,
    outcomes: Rc<RefCell<Outcomes>>,
    stats: Arc<LaneStats>,
}

impl LaneWay {
    pub fn new(model: &Model, records: &'static Records) -> LaneWay {
        let per_poll = Rc::new(Cell::new(1));
        let outcomes = Rc::new(RefCell::new(Outcomes::default()));
        let stats = Arc::new(LaneStats::default());
        let source = MemorySource {
            records,
            cursor: Cursor::new(records.len()),
            per_poll: Rc::clone(&per_poll),
            paused: false,
            next: [0; PARTITIONS as usize],
            turn: 0,
        };
        let from = (0..PARTITIONS).map(|partition| Progress { partition, offset: 0 });
        let package = node::package(model, decoder(model), &model.package.thresholds);
        let package = package.unwrap_or_else(|fatal| panic!("{fatal}"));
        let settings = LaneSettings {
            node: "bench".into(),
            lane: 0,
            topic: TOPIC.into(),
            input_partitions: PARTITIONS,
            review: review(),
            dead_letters: DeadLetterSettings {
                payload: PayloadPolicy::Raw,
                header_style: HeaderStyle::Scorewire,
                alarm_share_per_million: 1_000_000,
            },
            deadline: None,
            limits: Limits::default(),
            layout: Layout::Inline,
            out_of_range: OutOfRange::default(),
            until: None,
        };
        let doors = LaneDoors {
            source: Standalone::new(source, from.collect()),
            sink: MemorySink { outcomes: Rc::clone(&outcomes), tags: Vec::new() },
            commit: AtLeastOnce::new(&settings.limits),
            // The real one: reading it is part of what the lane costs.
            clock: SystemClock::new(),
            stats: Arc::clone(&stats),
        };
        let lane = Lane::build(LanePackage { batch_rows: BATCH_MAX, ..package }, settings, doors);
        let lane = lane.unwrap_or_else(|fatal| panic!("{fatal}"));
        LaneWay { lane, per_poll, outcomes, stats }
    }

    /// Everything received is scored, acknowledged and committed, as far as the last round got.
    pub fn assert_finished(&self) {
        let (received, scored) = (self.stats.received.get(), self.stats.scored.get());
        assert!(received > 0 && received == scored, "{received} received, {scored} scored and acknowledged");
        assert_eq!((self.stats.in_flight_records.get(), self.stats.rejected_total()), (0, 0));
        assert!(self.stats.commits.get() > 0 && self.stats.commit_failures.get() == 0);
    }

    /// Share of records with a review copy, for which the lane encodes and hands over a second outcome.
    pub fn review_share(&self) -> f64 {
        let reviews: u64 = self.stats.reviews.iter().map(|count| count.get()).sum();
        reviews as f64 / self.stats.scored.get() as f64
    }
}

impl Way for LaneWay {
    fn batch(&mut self, rows: usize) {
        self.per_poll.set(rows);
        self.lane.duty_cycle().unwrap_or_else(|fatal| panic!("{fatal}"));
    }

    /// A lane that stood still while others were measured makes sure of its partitions first, for half a second.
    fn ready(&mut self) {
        let before = self.stats.scored.get();
        while self.stats.scored.get() == before {
            self.lane.duty_cycle().unwrap_or_else(|fatal| panic!("{fatal}"));
        }
    }

    fn scores(&self) -> Vec<f64> {
        self.answers().into_iter().map(|(_, score)| score).collect()
    }

    fn answers(&self) -> Vec<(String, f64)> {
        self.outcomes.borrow().answers()
    }
}
