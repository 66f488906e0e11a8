//! The lane between these doors.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use scorewire::doors::{Clock, Progress, Standalone};
use scorewire::lane::commit::AtLeastOnce;
use scorewire::lane::{
    InputSettings, Lane, LaneDoors, LanePackage, LaneSettings, Marking, OnFailure, OutcomeSettings, Types,
};
use scorewire::model::Session;
use scorewire::observe::stats::LaneStats;
use scorewire::values::limits::Limits;
use scorewire::values::settings::{DeadLetterSettings, HeaderStyle, Layout, OutOfRange, OutputSettings, PayloadPolicy};

use super::doors::{MemorySink, MemorySource, Spread};
use super::records::{Outcomes, Records};
use super::{TOPIC, review};

/// One duty cycle per batch: received, decoded, scored, decided, encoded, handed over, acknowledged.
pub struct MemoryLane<C: Clock + Clone> {
    lane: Lane<Types<Standalone<MemorySource>, Session, MemorySink, AtLeastOnce, C>>,
    per_poll: Rc<Cell<usize>>,
    outcomes: Rc<RefCell<Outcomes>>,
    stats: Arc<LaneStats>,
}

impl<C: Clock + Clone> MemoryLane<C> {
    pub fn new(
        package: LanePackage<Session>,
        records: &'static Records,
        (partitions, spread): (i32, Spread),
        clock: C,
    ) -> MemoryLane<C> {
        MemoryLane::with_outputs(package, records, (partitions, spread), clock, OutputSettings::default())
    }

    pub fn with_outputs(
        package: LanePackage<Session>,
        records: &'static Records,
        (partitions, spread): (i32, Spread),
        clock: C,
        outputs: OutputSettings,
    ) -> MemoryLane<C> {
        let per_poll = Rc::new(Cell::new(1));
        let outcomes = Rc::new(RefCell::new(Outcomes::default()));
        let stats = Arc::new(LaneStats::default());
        let source = MemorySource::new(records, (partitions as usize, spread), Rc::clone(&per_poll));
        let from = (0..partitions).map(|partition| Progress { partition, offset: 0 });
        let settings = LaneSettings {
            outcomes: OutcomeSettings { outputs, ..OutcomeSettings::default() },
            ..settings(partitions)
        };
        let doors = LaneDoors {
            source: Standalone::new(source, from.collect()),
            sink: MemorySink::new(Rc::clone(&outcomes), partitions),
            commit: AtLeastOnce::new(&settings.limits),
            clock,
            stats: Arc::clone(&stats),
        };
        let lane = Lane::build(package, settings, doors);
        MemoryLane { lane, per_poll, outcomes, stats }
    }

    /// Marks what is in work from now on.
    pub fn mark(&mut self, marking: Marking) {
        self.lane.mark(marking);
    }

    /// Takes the next `rows` records.
    pub fn cycle(&mut self, rows: usize) {
        self.per_poll.set(rows);
        self.lane.duty_cycle().unwrap_or_else(|fatal| panic!("{fatal}"));
    }

    /// A lane that stood still for a while makes sure of its partitions first, for half a second.
    pub fn wake(&mut self) {
        let before = self.stats.scored.get();
        while self.stats.scored.get() == before {
            self.lane.duty_cycle().unwrap_or_else(|fatal| panic!("{fatal}"));
        }
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

    /// Ids and scores of the last batch, read out of its encoded outcomes.
    pub fn answers(&self) -> Vec<(String, f64)> {
        self.outcomes.borrow().answers()
    }
}

fn settings(partitions: i32) -> LaneSettings {
    LaneSettings {
        node: "bench".into(),
        lane: 0,
        input: InputSettings { topic: TOPIC.into(), partitions, letters: false },
        outcomes: OutcomeSettings::default(),
        review: review(),
        dead_letters: DeadLetterSettings {
            payload: PayloadPolicy::Raw,
            header_style: HeaderStyle::Scorewire,
            alarm_share_per_million: 1_000_000,
        },
        on_failure: OnFailure::default(),
        limits: Limits::default(),
        layout: Layout::Inline,
        out_of_range: OutOfRange::default(),
        until: None,
    }
}
