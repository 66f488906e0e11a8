//! A lane without a group: it reads a bounded source up to its end, and is at its end itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fakes::record::Data;
use crate::fakes::{FakeRecord, FakeScorer, FakeSink, Journal, ManualClock, Payment, Setup};
use scorewire::doors::{Destination, PartitionLag, Progress, Source, SourceEvent, Standalone};
use scorewire::error::Fatal;
use scorewire::lane::commit::AtLeastOnce;
use scorewire::lane::{Lane, LaneDoors};
use scorewire::observe::stats::LaneStats;
use scorewire::values::record::Position;
use scorewire::values::settings::Layout;

/// Records of some partitions, each read once from a first offset to its last.
struct Pages {
    of: BTreeMap<i32, Vec<Arc<Data>>>,
    next: BTreeMap<i32, usize>,
    paused: Vec<i32>,
    ends: Vec<SourceEvent>,
}

impl Pages {
    fn new(partitions: i32, records: i64) -> Pages {
        let data = |partition, offset| Data {
            position: Position { partition, offset },
            timestamp_ms: 1_000 + offset,
            key: Some(format!("key-{offset}").into_bytes()),
            value: Some(Payment::new(format!("{partition}/{offset}"), 0.25).encode()),
            headers: Vec::new(),
        };
        let of = |partition| (partition, (0..records).map(|offset| Arc::new(data(partition, offset))).collect());
        Pages { of: (0..partitions).map(of).collect(), next: BTreeMap::new(), paused: Vec::new(), ends: Vec::new() }
    }
}

impl Source for Pages {
    type Record = FakeRecord;

    fn poll(&mut self, _: Duration, room: usize, out: &mut Vec<FakeRecord>) -> Result<(), Fatal> {
        let limit = out.len() + room;
        for (&partition, records) in self.of.iter().filter(|(partition, _)| !self.paused.contains(partition)) {
            let next = self.next.entry(partition).or_default();
            let was = *next;
            while out.len() < limit && *next < records.len() {
                out.push(FakeRecord::new(&records[*next]));
                *next += 1;
            }
            if *next == records.len() && *next > was {
                self.ends.push(SourceEvent::EndReached { partition, offset: records.len() as i64 });
            }
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.ends.pop()
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.paused.extend(partitions);
        Ok(())
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.paused.retain(|paused| !partitions.contains(paused));
        Ok(())
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        self.next.insert(to.partition, to.offset as usize);
        Ok(())
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        self.next.get(&partition).map(|&next| next as i64)
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let position = self.position(partition).unwrap_or(-1);
        PartitionLag { partition, position, high_watermark: self.of[&partition].len() as i64 }
    }
}

#[test]
fn every_record_up_to_the_end_has_its_outcome_and_the_lane_is_at_its_end() {
    let (clock, sink) = (ManualClock::default(), FakeSink::new(Journal::default(), 2));
    let setup = Setup { layout: Layout::Inline, until: Some(vec![30, 30]), ..Setup::default() };
    let stats = Arc::new(LaneStats::default());
    let from = |partition| Progress { partition, offset: 0 };
    let doors = LaneDoors {
        source: Standalone::new(Pages::new(2, 30), vec![from(0), from(1)]),
        sink: sink.clone(),
        commit: AtLeastOnce::new(&setup.limits),
        clock: clock.clone(),
        stats: Arc::clone(&stats),
    };
    let package = setup.package(FakeScorer::default(), setup.decoder(&setup.schemas()));
    let mut lane = Lane::build(package, setup.settings(), doors);
    sink.state().auto_ack = true;
    for _ in 0..1_000 {
        clock.advance(Duration::from_millis(10));
        lane.duty_cycle().unwrap();
    }
    assert!(lane.is_at_end() && lane.is_drained());
    assert_eq!((stats.received.get(), stats.scored.get()), (60, 60));
    let mut sent = sink.state().positions(Destination::Outputs);
    assert_eq!(sent.len(), 60);
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 60, "each record once");
    assert!(lane.close(Duration::ZERO), "in order");
}
