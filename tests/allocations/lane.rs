//! No heap allocation per record in steady state. The story: one `format!` in the wrong place, and at 100,000 records a
//! second the allocator decides the latency.
//!
//! The real decoder, encoder and lane between doors that do not allocate. What may allocate is outside the record's
//! way and bounded by time: a commit (its list of offsets), and a change of assignment.

use std::sync::Arc;
use std::time::Duration;

use crate::counting;
use crate::fakes::record::{Data, FakeRecord};
use crate::fakes::{self, ManualClock, Payment, Setup, payload};
use scorewire::doors::{
    Destination, Group, Outgoing, PartitionLag, Progress, SendError, Sink, Source, SourceEvent, SourceRecord,
};
use scorewire::error::Fatal;
use scorewire::lane::commit::AtLeastOnce;
use scorewire::lane::score::Desk;
use scorewire::lane::{Lane, LaneDoors, Marking, Turn, Types};
use scorewire::observe::stats::LaneStats;
use scorewire::state::{CrashBook, Job, StateDirectory};
use scorewire::values::crash::Suspect;
use scorewire::values::record::{Ack, Position};
use scorewire::values::settings::Layout;

const BATCH: usize = 64;

/// The same kinds of records for ever, in turn, at growing offsets of two partitions.
struct EndlessSource {
    kinds: Vec<Arc<Data>>,
    handed_out: i64,
    assigned: bool,
    commit: Option<Vec<Progress>>,
    commits: usize,
}

/// A kind of record at its own position.
struct EndlessRecord {
    of: FakeRecord,
    position: Position,
}

impl SourceRecord for EndlessRecord {
    fn position(&self) -> Position {
        self.position
    }

    fn timestamp_ms(&self) -> i64 {
        self.of.timestamp_ms()
    }

    fn key(&self) -> Option<&[u8]> {
        self.of.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.of.value()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.of.header(name)
    }

    fn each_header(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.of.each_header(visit);
    }
}

impl Source for EndlessSource {
    type Record = EndlessRecord;

    fn poll(&mut self, _: Duration, room: usize, out: &mut Vec<EndlessRecord>) -> Result<(), Fatal> {
        for _ in 0..room {
            let of = FakeRecord::new(&self.kinds[self.handed_out as usize % self.kinds.len()]);
            let position = Position { partition: (self.handed_out % 2) as i32, offset: self.handed_out / 2 };
            out.push(EndlessRecord { of, position });
            self.handed_out += 1;
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        if !self.assigned {
            self.assigned = true;
            return Some(SourceEvent::Assigned(vec![0, 1]));
        }
        Some(SourceEvent::Committed { progress: self.commit.take()?, result: Ok(()) })
    }

    fn pause(&mut self, _: &[i32]) -> Result<(), Fatal> {
        Ok(())
    }

    fn resume(&mut self, _: &[i32]) -> Result<(), Fatal> {
        Ok(())
    }

    fn seek(&mut self, _: Progress) -> Result<(), Fatal> {
        Ok(())
    }

    fn position(&mut self, _: i32) -> Option<i64> {
        None
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        PartitionLag { partition, position: -1, high_watermark: -1 }
    }
}

impl Group for EndlessSource {
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        Ok(partitions.iter().map(|&partition| Progress { partition, offset: 0 }).collect())
    }

    fn release(&mut self, _: &[i32]) -> Result<(), Fatal> {
        Ok(())
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        self.commit = Some(progress.to_vec());
        self.commits += 1;
        Ok(())
    }

    fn close(&mut self, _: Duration) -> bool {
        true
    }
}

/// Acknowledges everything with the next poll, and is full now and then.
struct CountingSink {
    waiting: Vec<Ack>,
    to: [u64; Destination::ALL.len()],
    bytes: usize,
    sends: u64,
}

impl Sink<EndlessRecord> for CountingSink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: Option<&EndlessRecord>) -> Result<(), SendError> {
        self.sends += 1;
        if self.sends.is_multiple_of(100) {
            return Err(SendError::Full);
        }
        self.to[outcome.destination as usize] += 1;
        self.bytes += outcome.value.resolve(source.and_then(SourceRecord::value)).map_or(0, <[u8]>::len);
        self.waiting.push(Ack { tag: outcome.tag, result: Ok(()) });
        Ok(())
    }

    fn poll(&mut self, _: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal> {
        acks.append(&mut self.waiting);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn partitions(&self, _: Destination) -> i32 {
        2
    }

    fn purge(&mut self) {}
}

fn kinds() -> Vec<Arc<Data>> {
    let approve = Payment::new("approved", 0.125).encode();
    let band = Payment::new("band", 0.5).schema_id(payload::KNOWN_ID).encode();
    let decline = Payment { bonus: None, ..Payment::new("declined", 0.875) }.encode();
    let missing = Payment { must: None, ..Payment::new("missing", 0.5) }.encode();
    let oversized = Payment::new("large", 0.5).note(2_000).encode();
    let unknown = Payment::new("unknown", 0.5).schema_id(payload::UNKNOWN_ID).encode();
    let not_a_number = Payment::new("nan", 0.5).mode(fakes::Mode::NotANumber).encode();
    let values = [
        Some(approve),
        Some(band),
        Some(decline),
        Some(missing),
        None,
        Some(payload::truncated()),
        Some(b"{}".to_vec()),
        Some(oversized),
        Some(unknown),
        Some(not_a_number),
    ];
    let data = |value| Data {
        position: Position { partition: 0, offset: 0 },
        timestamp_ms: 1_000,
        key: Some(b"card-1".to_vec()),
        value,
        headers: vec![("traceparent".into(), Some(b"00-ab".to_vec()))],
    };
    values.into_iter().map(|value| Arc::new(data(value))).collect()
}

type TestLane = Lane<Types<EndlessSource, fakes::FakeScorer, CountingSink, AtLeastOnce, ManualClock>>;

fn lane(layout: Layout, clock: &ManualClock, stats: &Arc<LaneStats>) -> TestLane {
    let mut setup = Setup {
        review_threshold: 0.4,
        decline_threshold: 0.8,
        sample_per_million: 100_000,
        fingerprint: true,
        ..Setup::default()
    };
    setup.limits.payload_bytes_max = 1_000;
    let doors = LaneDoors {
        source: EndlessSource { kinds: kinds(), handed_out: 0, assigned: false, commit: None, commits: 0 },
        sink: CountingSink {
            waiting: Vec::with_capacity(16 * BATCH),
            to: [0; Destination::ALL.len()],
            bytes: 0,
            sends: 0,
        },
        commit: AtLeastOnce::new(&setup.limits),
        clock: clock.clone(),
        stats: Arc::clone(stats),
    };
    (setup.batch_rows, setup.layout) = (BATCH, layout);
    let package = setup.package(fakes::FakeScorer::default(), setup.decoder(&setup.schemas()));
    Lane::build(package, setup.settings(), doors)
}

/// Both sides of a dedicated lane run on this thread, which is the one that counts.
fn assert_moves_records_without_allocating(layout: Layout, marking: Option<Marking>) {
    let (clock, stats) = (ManualClock::default(), Arc::new(LaneStats::default()));
    let mut lane = lane(layout, &clock, &stats);
    marking.into_iter().for_each(|marking| lane.mark(marking));
    let mut desk = lane.take_desk();
    assert_eq!(desk.is_some(), layout == Layout::Dedicated);
    let mut cycles = |count: usize, step: Duration| {
        for cycle in 0..count {
            clock.advance(step);
            lane.duty_cycle().unwrap();
            // Sometimes at once, sometimes when two batches wait.
            for _ in 0..cycle % 3 {
                desk.as_mut().map(Desk::serve_one);
            }
        }
    };
    // Past several commits and publications, so that every buffer has grown to its usual size.
    cycles(2_000, Duration::from_millis(1));
    let (received, batches) = (stats.received.get(), stats.batches.get());
    let before = counting::allocations();
    // Time stands still, so that no commit is due: what is left is the records' own way.
    cycles(1_000, Duration::ZERO);
    let allocations = counting::allocations() - before;
    let records = stats.received.get() - received;
    assert!(records >= 30_000 && stats.batches.get() > batches, "{records} records");
    assert!(stats.rejected_total() > 0 && stats.scored.get() > 0 && stats.reviews[1].get() > 0);
    assert_eq!(allocations, 0, "in {records} records");
}

#[test]
fn a_warm_lane_moves_records_of_every_kind_without_allocating() {
    assert_moves_records_without_allocating(Layout::Inline, None);
}

/// With the file of marks, and suspects that are not met.
#[test]
fn a_warm_lane_marks_its_records_without_allocating() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path(), "n").unwrap();
    let book = CrashBook::open(directory, Job { group: "g", topic: "t", lanes: 1, crashes_max: 3 }).unwrap();
    for layout in [Layout::Inline, Layout::Dedicated] {
        let suspect = Suspect { partition: 0, first: i64::MAX - 1, end: i64::MAX, crashes: 2, alone: false };
        let marking = Marking {
            door: Box::new(book.lane(0)),
            suspects: vec![suspect],
            crashes_max: 3,
            turn: Some(Arc::new(Turn::new(1)).of_lane(0)),
        };
        assert_moves_records_without_allocating(layout, Some(marking));
    }
}

#[test]
fn a_warm_dedicated_lane_and_its_model_hand_batches_over_without_allocating() {
    assert_moves_records_without_allocating(Layout::Dedicated, None);
}

/// Commits and publications allocate by the clock, not by the record.
#[test]
fn what_allocates_is_bounded_by_time() {
    let (clock, stats) = (ManualClock::default(), Arc::new(LaneStats::default()));
    let mut lane = lane(Layout::Inline, &clock, &stats);
    for _ in 0..2_000 {
        clock.advance(Duration::from_millis(1));
        lane.duty_cycle().unwrap();
    }
    let before = (counting::allocations(), stats.commits.get());
    for _ in 0..1_000 {
        clock.advance(Duration::from_millis(1));
        lane.duty_cycle().unwrap();
    }
    let (allocations, commits) = (counting::allocations() - before.0, stats.commits.get() - before.1);
    assert_eq!(commits, 10);
    assert!(allocations >= commits, "the counter counts: each commit has its list of offsets");
    assert!(allocations <= 6 * commits, "{allocations} allocations in a second with {commits} commits");
}
