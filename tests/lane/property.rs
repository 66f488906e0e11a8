//! Whatever happens in whatever order. The story: each failure alone is handled, and two of them together lose a
//! record: a queue that is full while a partition is lost, a delivery that fails behind a record that waits.
//!
//! Random scripts of records, poison, waits for schemas, model failures, full queues, acknowledgements in any order,
//! failed deliveries, refused commits and rebalances. In every state: the counters add up, commits never go back and
//! never pass a record without its delivered outcomes, nothing is produced for a partition that is not ours, and
//! outcomes of one assignment leave in source order. At the end nothing is lost, and on undisturbed runs nothing
//! doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::fakes::{self, Entry, Mode, Payment, Sent, Setup, World, payload};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use scorewire::doors::{Destination, SourceEvent};
use scorewire::values::limits::Limits;
use scorewire::values::record::Position;

const PARTITIONS: i32 = 3;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Good,
    Band,
    Waiting,
    Poison,
    Tombstone,
    NotANumber,
    ModelFails,
}

#[derive(Clone, Debug)]
enum Step {
    Put(i32, Vec<Kind>),
    /// Holes in the offsets: markers, compacted records.
    Gap(i32, i64),
    Cycle(usize),
    Time(u64),
    /// Acknowledge those in flight whose turn in this pattern is set, last ones first when `backwards`.
    Acknowledge {
        pattern: u16,
        backwards: bool,
    },
    FailOne(usize),
    Transmit,
    Capacity(usize),
    RefuseCommit,
    SchemaArrives,
    /// The desk answers one question for a schema.
    Answer,
    /// The model of a dedicated lane answers.
    Serve,
    Assign(i32),
    Revoke(i32),
    Lose(i32),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => Just(Kind::Good),
        3 => Just(Kind::Band),
        1 => Just(Kind::Waiting),
        2 => Just(Kind::Poison),
        1 => Just(Kind::Tombstone),
        1 => Just(Kind::NotANumber),
        1 => Just(Kind::ModelFails),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        6 => (partition.clone(), prop::collection::vec(kind(), 1..12)).prop_map(|(p, kinds)| Step::Put(p, kinds)),
        1 => (partition.clone(), 1..4_i64).prop_map(|(p, offsets)| Step::Gap(p, offsets)),
        8 => (1..4_usize).prop_map(Step::Cycle),
        2 => (1..400_u64).prop_map(Step::Time),
        8 => (any::<u16>(), any::<bool>()).prop_map(|(pattern, backwards)| Step::Acknowledge { pattern, backwards }),
        1 => Just(Step::Transmit),
        2 => (1..20_usize).prop_map(Step::Capacity),
        1 => Just(Step::RefuseCommit),
        1 => Just(Step::SchemaArrives),
        6 => Just(Step::Answer),
        4 => Just(Step::Serve),
        3 => partition.clone().prop_map(Step::Assign),
        1 => partition.clone().prop_map(Step::Revoke),
        2 => (0..20_usize).prop_map(Step::FailOne),
        1 => partition.prop_map(Step::Lose),
    ]
}

struct Run {
    world: World,
    kinds: BTreeMap<Position, Kind>,
    revoking: Option<i32>,
    failed_deliveries: bool,
}

impl Run {
    fn new(calm: bool) -> Run {
        let limits = Limits {
            in_flight_records_max: 30,
            in_flight_bytes_max: 4_000,
            pause_after: Duration::from_millis(20),
            revoke_timeout: if calm { Duration::from_secs(3_600) } else { Duration::from_millis(200) },
            model_failures_max: u32::MAX,
            delivery_failures_max: u32::MAX,
            // Nothing happens while a dedicated lane waits for its model here.
            idle_wait: Duration::ZERO,
            ..Limits::default()
        };
        let setup = Setup {
            partitions: PARTITIONS,
            batch_rows: 7,
            limits,
            review_threshold: 0.5,
            decline_threshold: 0.75,
            schemas_by_hand: true,
            ..Setup::default()
        };
        let mut world = setup.build();
        world.by_hand = true;
        Run { world, kinds: BTreeMap::new(), revoking: None, failed_deliveries: false }
    }

    fn put(&mut self, partition: i32, kind: Kind) {
        let payment = |risk| Payment::new("p", risk);
        let value = match kind {
            Kind::Good => Some(payment(0.25).encode()),
            Kind::Band => Some(payment(0.625).encode()),
            Kind::Waiting => Some(payment(0.25).schema_id(payload::PENDING_ID).encode()),
            Kind::Poison => Some(payload::truncated()),
            Kind::Tombstone => None,
            Kind::NotANumber => Some(payment(0.25).mode(Mode::NotANumber).encode()),
            Kind::ModelFails => Some(payment(0.25).mode(Mode::Fail).encode()),
        };
        let position = self.world.source.put(partition, value);
        self.kinds.insert(position, kind);
    }

    fn is_ours(&self, partition: i32) -> bool {
        self.world.source.is_assigned(partition) && self.revoking != Some(partition)
    }

    fn apply(&mut self, step: &Step) {
        let world = &mut self.world;
        if self.revoking.is_some_and(|partition| !world.source.is_assigned(partition)) {
            self.revoking = None;
        }
        match step {
            Step::Put(partition, kinds) => kinds.iter().for_each(|&kind| self.put(*partition, kind)),
            Step::Gap(partition, offsets) => world.source.put_markers(*partition, *offsets),
            Step::Cycle(count) => (0..*count).for_each(|_| self.cycle()),
            Step::Time(ms) => world.clock.advance(Duration::from_millis(*ms)),
            Step::Acknowledge { pattern, backwards } => {
                let mut places = in_flight(world);
                places.retain(|place| pattern >> (place % 16) & 1 == 1);
                if *backwards {
                    places.reverse();
                }
                world.sink.state().answer_in_order(Ok(()), &places);
            }
            Step::FailOne(nth) => {
                let places = in_flight(world);
                if let Some(&place) = places.get(nth % places.len().max(1)) {
                    world.sink.state().answer_in_order(Err(fakes::sink::REFUSED), &[place]);
                    self.failed_deliveries = true;
                }
            }
            Step::Transmit => world.sink.state().transmit_all(),
            Step::Capacity(capacity) => world.sink.state().capacity = *capacity,
            Step::RefuseCommit => world.source.state().refuse.push_back(27),
            Step::Serve => drop(world.serve()),
            Step::Answer => drop(world.answer(1)),
            Step::SchemaArrives => world.schemas.found(payload::PENDING_ID, &payload::reader()),
            Step::Assign(partition) if !world.source.is_assigned(*partition) => {
                world.source.tell(SourceEvent::Assigned(vec![*partition]));
                self.until_answered(|run| run.world.source.is_assigned(*partition));
            }
            Step::Revoke(partition) if self.revoking.is_none() && self.is_ours(*partition) => {
                self.world.source.tell(SourceEvent::Revoked(vec![*partition]));
                self.revoking = Some(*partition);
                self.world.clock.advance(self.world.setup.limits.pause_after);
                (0..3).for_each(|_| self.cycle());
            }
            Step::Lose(partition) if self.is_ours(*partition) => {
                self.world.source.tell(SourceEvent::Lost(vec![*partition]));
                self.until_answered(|run| !run.world.source.is_assigned(*partition));
            }
            Step::Assign(_) | Step::Revoke(_) | Step::Lose(_) => {}
        }
    }

    /// The group does one thing at a time.
    fn until_answered(&mut self, answered: impl Fn(&Run) -> bool) {
        for _ in 0..1_000 {
            if answered(self) {
                return;
            }
            self.cycle();
        }
        panic!("the group waits for ever");
    }

    fn cycle(&mut self) {
        self.world.cycle();
        let sink = self.world.sink.state();
        let delivered: BTreeSet<(Position, bool)> = sink
            .sent
            .iter()
            .filter(|sent| sent.stand == fakes::sink::Stand::Delivered)
            .map(|sent| (sent.source, sent.destination == Destination::Review))
            .collect();
        for (&position, &kind) in &self.kinds {
            if self.world.source.committed(position.partition).is_some_and(|offset| position.offset < offset) {
                assert!(delivered.contains(&(position, false)), "committed without outcome: {position:?} {kind:?}");
                let copy = delivered.contains(&(position, true));
                assert_eq!(copy, matches!(kind, Kind::Band), "review copy of {position:?}");
            }
        }
        let open = self.world.stats.in_flight_records.get();
        assert!(open <= 30, "{open} records in flight");
    }

    /// Everything is allowed to finish.
    fn finish(&mut self) {
        self.world.by_hand = false;
        self.world.schemas.found(payload::PENDING_ID, &payload::reader());
        {
            let mut sink = self.world.sink.state();
            sink.capacity = usize::MAX;
            sink.auto_ack = true;
        }
        let is_done = |world: &World| {
            let ends: Vec<(i32, i64)> = world.source.state().logs.iter().map(|(&p, log)| (p, log.end)).collect();
            ends.into_iter().all(|(partition, end)| world.source.committed(partition) == Some(end))
        };
        for _ in 0..5_000 {
            if is_done(&self.world) {
                return;
            }
            for partition in 0..PARTITIONS {
                self.apply(&Step::Assign(partition));
            }
            self.world.clock.advance(Duration::from_millis(20));
            self.world.cycle();
            self.world.answer(1);
        }
        panic!("never finished: {:?}", self.world.source.state().committed);
    }

    fn check(&self) {
        let sink = self.world.sink.state();
        let journal = self.world.journal.all();
        let undisturbed = !self.failed_deliveries && !journal.contains(&Entry::Purged);
        for (&position, &kind) in &self.kinds {
            let of = |to: Destination| sink.sent.iter().filter(|s| s.source == position && s.destination == to).count();
            let [scored, dead, failed] =
                [Destination::Outputs, Destination::DeadLetters, Destination::Timeouts].map(of);
            let (expected, others) = match kind {
                Kind::Good | Kind::Band | Kind::Waiting => (scored, dead + failed),
                Kind::Poison | Kind::Tombstone | Kind::NotANumber | Kind::ModelFails => (dead, scored + failed),
            };
            assert!(
                expected >= 1 && others == 0,
                "{position:?} {kind:?}: {scored} scores, {dead} dead, {failed} failed"
            );
            assert!(!undisturbed || expected == 1, "{position:?} {kind:?} doubled on an undisturbed run");
        }
        assert_order(&sink.sent, undisturbed);
        assert_ownership(&journal);
    }
}

fn in_flight(world: &World) -> Vec<usize> {
    let sink = world.sink.state();
    (0..sink.sent.len()).filter(|&place| sink.sent[place].is_in_flight()).collect()
}

/// Promise 3, per topic, partition and assignment; across assignments too where nothing was disturbed.
fn assert_order(sent: &[Sent], undisturbed: bool) {
    let mut last: BTreeMap<(u8, i32, u32), i64> = BTreeMap::new();
    for outcome in sent {
        let slot = if undisturbed { 0 } else { outcome.tag.assignment() };
        let key = (outcome.destination as u8, outcome.source.partition, slot);
        let before = last.insert(key, outcome.source.offset);
        assert!(before.is_none_or(|before| before < outcome.source.offset), "out of order: {before:?} {outcome:?}");
    }
}

/// Promise 6.
fn assert_ownership(journal: &[Entry]) {
    let mut ours = BTreeSet::new();
    for entry in journal {
        match entry {
            Entry::Assigned(partition) => drop(ours.insert(*partition)),
            Entry::Released(partition) => drop(ours.remove(partition)),
            Entry::Polled(position) | Entry::Sent(position, _) => assert!(ours.contains(&position.partition)),
            Entry::CommitStarted(of, _) | Entry::Sought(of, _) => assert!(ours.contains(of), "{entry:?}"),
            _ => {}
        }
    }
}

/// `calm`: without what makes an outcome repeat.
fn run(steps: &[Step], calm: bool) {
    let mut run = Run::new(calm);
    let disturbs = |step: &Step| matches!(step, Step::FailOne(_) | Step::Lose(_));
    steps.iter().filter(|step| !calm || !disturbs(step)).for_each(|step| run.apply(step));
    run.finish();
    run.check();
    if calm {
        assert!(!run.world.journal.contains(&Entry::Purged) && !run.failed_deliveries, "the run was calm");
    }
}

/// The same scripts every time; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` choose others.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(4_711);
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn promises_1_to_4_nothing_is_lost_doubled_or_reordered_on_undisturbed_runs(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        run(&steps, true);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn promises_1_to_6_nothing_is_lost_whatever_fails(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps, false);
    }
}
