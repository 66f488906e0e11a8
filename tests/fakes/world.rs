//! A lane on fakes, and the checks that hold in every state.

use std::sync::Arc;
use std::time::Duration;

use scorewire::avro::decoder::Decoder;
use scorewire::avro::planner::Planner;
use scorewire::avro::schemas::SchemaSource;
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::Fatal;
use scorewire::lane::commit::{AtLeastOnce, Commit, ExactlyOnce};
use scorewire::lane::schema_desk::SchemaDesk;
use scorewire::lane::score::Desk;
use scorewire::lane::{
    InputSettings, Lane, LaneDoors, LanePackage, LanePackages, LaneSettings, OnFailure, OutcomeSettings, Types,
};
use scorewire::observe::stats::LaneStats;
use scorewire::values::limits::Limits;
use scorewire::values::settings::{
    DeadLetterSettings, Deadline, FallbackSettings, FallbackStep, HeaderStyle, Layout, OutOfRange, OutputSettings,
    PayloadPolicy, RetrySettings, ReviewSettings, Thresholds,
};

use super::clock::ManualClock;
use super::journal::Journal;
use super::outcome::Outcome;
use super::payload::{self, Payment};
use super::schemas::FakeSchemas;
use super::scorer::{FakeScorer, ScorerState};
use super::sink::{FakeSink, Sent};
use super::source::FakeSource;
use super::transactions::Transactions;
use scorewire::values::model::Provider;
use scorewire::values::schemas::WireForms;

pub type FakeLane<D = AtLeastOnce> = Lane<Types<FakeSource, FakeScorer, FakeSink, D, ManualClock>>;

pub const TOPIC: &str = "enriched-context";
pub const MODEL_VERSION: &str = "3.1.4";
/// Of the packages of the fallback.
pub const SMALLER_VERSION: &str = "0.1.0";
pub const MODEL_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";
pub const THRESHOLDS_VERSION: &str = "t1";
/// The suite of `tests/lane/` runs in layout `inline`; `lanes_dedicated.rs` runs most of its files in the other one.
pub const LAYOUT: Layout = if is_dedicated(env!("CARGO_CRATE_NAME")) { Layout::Dedicated } else { Layout::Inline };

const fn is_dedicated(binary: &str) -> bool {
    matches!(binary.as_bytes(), b"lanes_dedicated")
}

/// What a duty cycle takes, unless the test says otherwise.
pub const CYCLE: Duration = Duration::from_millis(1);

/// What a lane is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub partitions: i32,
    pub batch_rows: usize,
    pub limits: Limits,
    pub review_threshold: f64,
    pub decline_threshold: f64,
    pub fingerprint: bool,
    pub sample_per_million: u32,
    pub review_payload: PayloadPolicy,
    pub dead_letter_payload: PayloadPolicy,
    pub header_style: HeaderStyle,
    pub deadline: Option<Deadline>,
    pub fallback: FallbackSettings,
    pub retry: RetrySettings,
    pub is_retry: bool,
    pub model_timeout: Option<Duration>,
    pub out_of_range: OutOfRange,
    pub until: Option<Vec<i64>>,
    pub layout: Layout,
    /// Schemas are read and compiled when the test says so ([`World::answer`]), not within the cycle.
    pub schemas_by_hand: bool,
    /// Lanes of one process share their time.
    pub clock: ManualClock,
}

impl Default for Setup {
    /// Nothing is reviewed, nothing is late, commits go out every 100 ms.
    fn default() -> Setup {
        Setup {
            partitions: 2,
            batch_rows: 8,
            limits: Limits::default(),
            review_threshold: 0.9,
            decline_threshold: 0.9,
            fingerprint: false,
            sample_per_million: 0,
            review_payload: PayloadPolicy::Raw,
            dead_letter_payload: PayloadPolicy::Raw,
            header_style: HeaderStyle::Scorewire,
            deadline: None,
            fallback: FallbackSettings::default(),
            retry: RetrySettings::default(),
            is_retry: false,
            model_timeout: None,
            out_of_range: OutOfRange::Stop,
            until: None,
            layout: LAYOUT,
            schemas_by_hand: false,
            clock: ManualClock::default(),
        }
    }
}

impl Setup {
    /// A package that holds this scorer.
    pub fn package<M>(&self, scorer: M, decoder: Decoder) -> LanePackage<M> {
        LanePackage {
            name: "fake".into(),
            version: MODEL_VERSION.into(),
            sha256: MODEL_SHA256.into(),
            provider: Provider::Cpu,
            thresholds: Thresholds {
                review: self.review_threshold,
                decline: self.decline_threshold,
                version: THRESHOLDS_VERSION.into(),
            },
            features: payload::wanted().features.into_iter().map(|feature| feature.name).collect(),
            decoder,
            scorer,
            batch_rows: self.batch_rows,
        }
    }

    pub fn settings(&self) -> LaneSettings {
        LaneSettings {
            node: "node".into(),
            lane: 0,
            input: InputSettings { topic: TOPIC.into(), partitions: self.partitions, letters: self.is_retry },
            outcomes: OutcomeSettings {
                outputs: OutputSettings { fingerprint: self.fingerprint },
                ..OutcomeSettings::default()
            },
            review: ReviewSettings { sample_per_million: self.sample_per_million, payload: self.review_payload },
            dead_letters: DeadLetterSettings {
                payload: self.dead_letter_payload,
                header_style: self.header_style,
                alarm_share_per_million: 1_000_000,
            },
            on_failure: OnFailure {
                deadline: self.deadline,
                model_timeout: self.model_timeout,
                fallback: self.fallback.clone(),
                retry: self.retry,
            },
            limits: self.limits.clone(),
            layout: self.layout,
            out_of_range: self.out_of_range,
            until: self.until.clone(),
        }
    }

    pub fn decoder(&self, schemas: &FakeSchemas) -> Decoder {
        let source = Box::new(schemas.clone());
        Decoder::new(payload::reader(), payload::wanted(), source, WireForms::default()).unwrap()
    }

    /// A desk that makes plans when it is told to, and a decoder that asks there.
    pub fn decoder_at_desk(&self, source: Box<dyn SchemaSource + Send>) -> (Decoder, SchemaDesk) {
        let planner = Planner::new(payload::reader(), payload::wanted(), source).unwrap();
        let known = planner.known();
        let mut desk = SchemaDesk::new(planner);
        (Decoder::with(known, Box::new(desk.counter()), WireForms::default()), desk)
    }

    /// One schema is known, one is pending, and all others are unknown.
    pub fn schemas(&self) -> FakeSchemas {
        let schemas = FakeSchemas::default();
        schemas.found(payload::KNOWN_ID, &payload::reader());
        schemas.pending(payload::PENDING_ID);
        schemas
    }

    /// A lane that has joined and owns partitions `0..partitions`.
    pub fn build(self) -> World {
        self.build_unassigned().joined()
    }

    pub fn build_unassigned(self) -> World {
        let limits = self.limits.clone();
        self.with_commit(|_| AtLeastOnce::new(&limits))
    }

    /// The same with exactly-once delivery; transactions that take time move the clock.
    pub fn build_exactly_once(self) -> World<ExactlyOnce<ManualClock>> {
        let (limits, clock) = (self.limits.clone(), self.clock.clone());
        let world = self.with_commit(|stats| ExactlyOnce::new(&limits, clock, stats));
        world.sink.state().transactions = Some(Transactions::new(world.clock.clone()));
        world.joined()
    }

    /// A lane that has not joined.
    pub fn with_commit<D>(self, commit: impl FnOnce(Arc<LaneStats>) -> D) -> World<D>
    where
        D: Commit<FakeSource, FakeSink>,
    {
        let journal = Journal::default();
        let (clock, schemas) = (self.clock.clone(), self.schemas());
        let (source, sink) = (FakeSource::new(journal.clone()), FakeSink::new(journal.clone(), self.partitions));
        let (scorer, stats) = (ScorerState::default(), Arc::new(LaneStats::default()));
        for partition in 0..self.partitions {
            source.state().logs.entry(partition).or_default();
        }
        let (decoder, schema_desk) = if self.schemas_by_hand {
            let (decoder, desk) = self.decoder_at_desk(Box::new(schemas.clone()));
            (decoder, Some(desk))
        } else {
            (self.decoder(&schemas), None)
        };
        let doors = LaneDoors {
            source: source.clone(),
            sink: sink.clone(),
            commit: commit(Arc::clone(&stats)),
            clock: clock.clone(),
            stats: Arc::clone(&stats),
        };
        let model = self.package(FakeScorer(scorer.clone()), decoder);
        let steps = self.fallback.then.iter().filter(|step| matches!(step, FallbackStep::Package { .. }));
        let smaller = ScorerState::default();
        let fallback = steps.map(|_| LanePackage {
            name: "smaller".into(),
            version: SMALLER_VERSION.into(),
            ..self.package(FakeScorer(smaller.clone()), self.decoder(&schemas))
        });
        let packages = LanePackages { model, fallback: fallback.collect() };
        let lane = Lane::build(packages, self.settings(), doors);
        World {
            setup: self,
            clock,
            source,
            sink,
            scorer,
            smaller,
            schemas,
            stats,
            journal,
            lane,
            schema_desk,
            desk: None,
            by_hand: false,
        }
    }
}

/// A lane and everything around it.
pub struct World<D: Commit<FakeSource, FakeSink> = AtLeastOnce> {
    pub setup: Setup,
    pub clock: ManualClock,
    pub source: FakeSource,
    pub sink: FakeSink,
    pub scorer: ScorerState,
    /// Of the packages of the fallback.
    pub smaller: ScorerState,
    pub schemas: FakeSchemas,
    pub stats: Arc<LaneStats>,
    pub journal: Journal,
    pub lane: FakeLane<D>,
    pub schema_desk: Option<SchemaDesk>,
    /// The model's side of a dedicated lane, once it has turned.
    desk: Option<Desk<FakeScorer, ManualClock>>,
    /// Layout `dedicated`: the model answers when the test says so ([`World::serve`]), not within the cycle.
    pub by_hand: bool,
}

impl<D: Commit<FakeSource, FakeSink>> World<D> {
    /// It owns all partitions.
    fn joined(mut self) -> World<D> {
        let all: Vec<i32> = (0..self.setup.partitions).collect();
        self.source.tell(SourceEvent::Assigned(all));
        self.cycles(2);
        self
    }

    /// One duty cycle, after which time has moved and every counter adds up.
    pub fn try_cycle(&mut self) -> Result<(), Fatal> {
        self.clock.advance(CYCLE);
        self.lane.duty_cycle()?;
        if !self.by_hand {
            while self.serve() {
                self.lane.advance()?;
            }
        }
        self.check_counters();
        Ok(())
    }

    /// The model scores one batch that was sent to it, if one was.
    pub fn serve(&mut self) -> bool {
        if self.desk.is_none() {
            self.desk = self.lane.take_desk();
        }
        self.desk.as_mut().is_some_and(Desk::serve_one)
    }

    /// Schemas that were asked for are found and compiled, at most so many. Returns how many were.
    pub fn answer(&mut self, at_most: usize) -> usize {
        let desk = self.schema_desk.as_mut().expect("schemas_by_hand");
        (0..at_most).take_while(|_| desk.serve_one()).count()
    }

    /// The model's thread is gone.
    pub fn drop_desk(&mut self) {
        drop(self.lane.take_desk());
        self.desk = None;
    }

    pub fn cycle(&mut self) {
        self.try_cycle().expect("the lane goes on");
    }

    pub fn cycles(&mut self, count: usize) {
        (0..count).for_each(|_| self.cycle());
    }

    /// Cycles until a condition holds; panics when it does not for long.
    pub fn cycle_until(&mut self, what: &str, mut holds: impl FnMut(&World<D>) -> bool) {
        for _ in 0..10_000 {
            if holds(self) {
                return;
            }
            self.cycle();
        }
        panic!("never came: {what}");
    }

    /// Cycles until the lane says why it stops.
    pub fn cycle_until_fatal(&mut self) -> Fatal {
        (0..100_000).find_map(|_| self.try_cycle().err()).expect("the lane stops")
    }

    /// Lets everything in flight be acknowledged and committed.
    pub fn settle(&mut self) {
        self.sink.state().auto_ack = true;
        self.clock.advance(self.setup.limits.commit_interval);
        self.cycle_until("everything settled", |world| world.lane.is_drained());
        self.sink.state().auto_ack = false;
        self.clock.advance(self.setup.limits.commit_interval);
        self.cycles(4);
    }

    /// `received = scored + rejected + deferred + handed_back + in_flight`.
    pub fn check_counters(&self) {
        let stats = &self.stats;
        let [received, scored, rejected] = [stats.received.get(), stats.scored.get(), stats.rejected_total()];
        let [deferred, back, open] = [stats.deferred.get(), stats.handed_back.get(), stats.in_flight_records.get()];
        assert_eq!(
            received,
            scored + rejected + deferred + back + open,
            "scored {scored} + rejected {rejected} + deferred {deferred} + handed back {back} + in flight {open}"
        );
    }

    /// Outcomes of one destination as read back, in the order sent.
    pub fn outputs(&self) -> Vec<Outcome> {
        self.sink.state().to(Destination::Outputs).into_iter().map(Outcome::of_output).collect()
    }

    pub fn reviews(&self) -> Vec<Outcome> {
        self.sink.state().to(Destination::Review).into_iter().map(Outcome::of_review).collect()
    }

    pub fn dead_letters(&self) -> Vec<Sent> {
        self.sink.state().to(Destination::DeadLetters).into_iter().cloned().collect()
    }

    /// Puts `count` harmless payments.
    pub fn put_payments(&self, partition: i32, count: usize) {
        for index in 0..count {
            self.source.put(partition, Payment::new(format!("{partition}/{index}"), 0.25).encode());
        }
    }

    /// Offsets of the source records behind the outcomes of a partition.
    pub fn offsets(&self, destination: Destination, partition: i32) -> Vec<i64> {
        let all = self.sink.state().positions(destination);
        all.into_iter().filter(|(of, _)| *of == partition).map(|(_, offset)| offset).collect()
    }
}
