//! Schemas read and compiled at a desk of their own. The story: an unknown id arrives, the lane reads a folder on a slow
//! disk and compiles a schema that was made to be slow, and every partition stands still meanwhile, the group's
//! heartbeats and SIGTERM with them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fakes::scorer::WIDTH;
use crate::fakes::{FakeLane, FakeSchemas, FakeSink, Payment, Setup, World, payload};
use scorewire::avro::decoder::{Decoder, Stop};
use scorewire::avro::planner::Planner;
use scorewire::avro::schemas::{Lookup, SchemaSource};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::{Fatal, Reject, exit};
use scorewire::lane::schema_desk::SchemaDesk;
use scorewire::lane::threads::Lanes;
use scorewire::values::limits::{Limits, SCHEMA_MOMENT};
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::WireForms;
use scorewire::values::settings::Cores;

const LATE_ID: u32 = 50;

fn by_hand() -> World {
    let limits = Limits { in_flight_records_max: 10_000, ..Limits::default() };
    let world = Setup { schemas_by_hand: true, batch_rows: 64, limits, ..Setup::default() }.build();
    world.schemas.found(LATE_ID, &payload::reader());
    world
}

fn put(world: &World, partition: i32, ids: impl IntoIterator<Item = u32>) {
    for (index, id) in ids.into_iter().enumerate() {
        world.source.put(partition, Payment::new(format!("{partition}/{index}"), 0.25).schema_id(id).encode());
    }
}

#[test]
fn only_the_partition_whose_schema_is_compiled_waits_and_nothing_changes_its_order() {
    let mut world = by_hand();
    put(&world, 1, [payload::KNOWN_ID]);
    world.cycles(2);
    assert_eq!(world.answer(9), 1, "not even the known schema is looked up on the lane's thread");
    put(&world, 0, [LATE_ID, payload::KNOWN_ID, LATE_ID]);
    put(&world, 1, [payload::KNOWN_ID; 50]);
    world.cycles(3);
    assert!(!world.source.is_paused(0), "for a moment a pause costs more than it saves");
    world.cycles(100);
    assert!(world.source.is_paused(0) && !world.source.is_paused(1));
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..51).collect::<Vec<_>>());
    assert!(world.offsets(Destination::Outputs, 0).is_empty());
    assert_eq!(world.stats.in_flight_records.get(), 54, "what waits counts as in flight");
    assert_eq!(world.answer(9), 1);
    put(&world, 0, [payload::KNOWN_ID]);
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3]);
    assert!(!world.source.is_paused(0) && world.dead_letters().is_empty());
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(4), Some(51)));
}

#[test]
fn an_answer_within_a_moment_pauses_nobody() {
    let mut world = by_hand();
    put(&world, 0, [LATE_ID; 10]);
    for _ in 0..SCHEMA_MOMENT.as_millis() - 5 {
        world.cycle();
        assert!(!world.source.is_paused(0));
    }
    world.answer(1);
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..10).collect::<Vec<_>>());
    world.cycles(100);
    assert!(!world.source.is_paused(0));
}

/// One round trip for each record would make a flood of ids slower than the stream it came with.
#[test]
fn a_flood_of_unknown_ids_is_asked_for_at_once_and_pauses_nobody() {
    let mut world = by_hand();
    put(&world, 0, 1_000..3_000);
    put(&world, 1, [payload::KNOWN_ID; 500]);
    let mut asked = 0;
    for _ in 0..80 {
        world.cycle();
        asked += world.answer(usize::MAX);
        assert!(!world.source.is_paused(0) && !world.source.is_paused(1));
    }
    assert_eq!(world.offsets(Destination::DeadLetters, 0), (0..2_000).collect::<Vec<_>>());
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..500).collect::<Vec<_>>());
    assert_eq!(asked, 2_001, "each once");
}

/// Answers that take their time: whatever was polled meanwhile is asked for in bulk too, and not one by one.
#[test]
fn a_flood_that_was_polled_while_answers_were_on_their_way_is_asked_for_in_bulk() {
    let mut world = by_hand();
    put(&world, 0, 1_000..3_000);
    world.cycles(100);
    assert!(world.source.is_paused(0), "no answer within a moment");
    let mut rounds = 0;
    while world.offsets(Destination::DeadLetters, 0).len() < 2_000 {
        rounds += 1;
        assert!(rounds < 40, "{} of 2,000", world.offsets(Destination::DeadLetters, 0).len());
        world.answer(usize::MAX);
        world.cycles(10);
    }
    assert_eq!(world.offsets(Destination::DeadLetters, 0), (0..2_000).collect::<Vec<_>>());
}

/// What nobody knew a moment ago is asked for again while its records go on as dead letters.
#[test]
fn a_schema_that_comes_later_is_found_without_a_wait() {
    let mut world = by_hand();
    put(&world, 0, [60]);
    world.cycle();
    world.answer(9);
    world.cycles(2);
    world.schemas.found(60, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    put(&world, 0, [60, 60]);
    world.cycles(2);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0, 1, 2]);
    assert_eq!(world.answer(9), 1);
    put(&world, 0, [60]);
    world.cycles(2);
    assert_eq!(world.offsets(Destination::Outputs, 0), [3]);
}

#[test]
fn a_schema_that_is_absent_is_asked_for_once_in_a_while() {
    let mut world = by_hand();
    put(&world, 0, [payload::PENDING_ID, payload::PENDING_ID]);
    world.cycle();
    assert_eq!(world.answer(9), 1);
    world.cycles(2);
    assert!(world.source.is_paused(0), "it may take long: at once");
    world.cycles(500);
    assert_eq!(world.answer(9), 0);
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    world.cycles(2);
    assert_eq!(world.answer(9), 1);
    world.cycles(2);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1]);
    assert!(!world.source.is_paused(0));
}

#[test]
fn a_stop_does_not_wait_for_the_desk() {
    let mut world = by_hand();
    put(&world, 1, [payload::KNOWN_ID]);
    world.cycle();
    world.answer(1);
    put(&world, 0, [LATE_ID; 3]);
    world.cycles(3);
    world.sink.state().auto_ack = true;
    world.lane.start_drain().unwrap();
    world.cycle_until("the drain", |world| world.lane.is_drained());
    assert!(world.lane.close(Duration::from_secs(1)), "in order");
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(0), Some(1)));
    assert_eq!(world.stats.handed_back.get(), 3);
}

fn ask(decoder: &mut Decoder, id: u32) -> Result<(), Stop> {
    let value = Payment::new("x", 0.5).schema_id(id).encode();
    let mut row = [0.0; WIDTH];
    decoder.decode(None, &value, &mut row).map(drop)
}

fn decoders(desk: &mut SchemaDesk) -> [Decoder; 2] {
    [(); 2].map(|()| Decoder::with(Default::default(), Box::new(desk.counter()), WireForms::default()))
}

#[test]
fn two_lanes_that_ask_for_one_schema_share_its_plan() {
    let schemas = FakeSchemas::default();
    schemas.found(5, &payload::reader());
    let planner = Planner::new(payload::reader(), payload::wanted(), Box::new(schemas.clone())).unwrap();
    let mut desk = SchemaDesk::new(planner);
    let mut lanes = decoders(&mut desk);
    for lane in &mut lanes {
        assert_eq!(ask(lane, 5), Err(Stop::Wait(SchemaKey::Id(5))));
    }
    assert!(desk.serve_one() && desk.serve_one() && !desk.serve_one());
    for lane in &mut lanes {
        assert!(lane.take_news());
        assert_eq!(ask(lane, 5), Ok(()));
    }
    assert_eq!(schemas.asked(), 1);
}

/// A source that finds out, with its second look-up, that two schemas claim the first one's key.
struct Contested(u32);

impl SchemaSource for Contested {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        self.0 += 1;
        match (key, self.0) {
            (SchemaKey::Id(1), 1) => Lookup::Found(payload::reader()),
            (SchemaKey::Id(1), _) => Lookup::Refused("two files claim it".into()),
            _ => Lookup::Unknown,
        }
    }

    fn take_refused(&mut self) -> Vec<SchemaKey> {
        if self.0 == 2 { vec![SchemaKey::Id(1)] } else { Vec::new() }
    }
}

#[test]
fn what_two_files_claim_is_forgotten_by_every_lane() {
    let planner = Planner::new(payload::reader(), payload::wanted(), Box::new(Contested(0))).unwrap();
    let mut desk = SchemaDesk::new(planner);
    let mut lanes = decoders(&mut desk);
    lanes.iter_mut().for_each(|lane| assert!(ask(lane, 1).is_err()));
    assert!(desk.serve_one() && desk.serve_one());
    lanes.iter_mut().for_each(|lane| assert!(lane.take_news() && ask(lane, 1).is_ok()));
    assert!(ask(&mut lanes[0], 2).is_err());
    assert!(desk.serve_one());
    for lane in &mut lanes {
        lane.take_news();
        assert_eq!(ask(lane, 1), Err(Stop::Wait(SchemaKey::Id(1))));
    }
    assert!(desk.serve_one() && desk.serve_one());
    for lane in &mut lanes {
        lane.take_news();
        assert_eq!(ask(lane, 1), Err(Stop::Reject(Reject::IncompatibleSchema)));
    }
}

/// A lane on its thread beside a desk on its own, and records of a schema that has to be looked up. The conductor looks
/// around until `holds`, or a thread has failed.
fn run(
    schemas: impl FnOnce(&FakeSchemas),
    mut holds: impl FnMut(&FakeSchemas, &FakeSink) -> bool,
) -> Result<bool, Fatal> {
    let world = Setup { schemas_by_hand: true, ..Setup::default() }.build_unassigned();
    world.schemas.found(LATE_ID, &payload::reader());
    schemas(&world.schemas);
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.sink.state().auto_ack = true;
    put(&world, 0, [LATE_ID; 3]);
    let World { lane, schema_desk, clock, stats, sink, schemas, .. } = world;
    let mut lanes = Lanes::new(clock.clone(), Limits::default());
    lanes.start_schemas(schema_desk.unwrap()).unwrap();
    let build: Box<dyn FnOnce() -> Result<FakeLane, Fatal> + Send> = Box::new(move || Ok(lane));
    lanes.start("lane-0".into(), Cores::default(), stats, build).unwrap();
    let mut looks = 0;
    lanes.wait(|| {
        clock.advance(Duration::from_millis(100));
        looks += 1;
        assert!(looks < 1_000, "never came");
        holds(&schemas, &sink)
    })
}

#[test]
fn a_stop_ends_in_order_while_a_schema_takes_for_ever() {
    let ended = run(|schemas| schemas.never_answers.store(true, Ordering::SeqCst), |schemas, _| schemas.asked() > 0);
    assert_eq!(ended, Ok(true));
}

#[test]
fn what_the_desk_answers_on_its_thread_ends_the_wait() {
    let ended = run(|_| {}, |_, sink| sink.state().delivered(Destination::Outputs).len() == 3);
    assert_eq!(ended, Ok(true));
}

#[test]
fn a_panic_at_the_desk_ends_the_process_as_a_bug() {
    let fatal = run(|schemas| schemas.panics.store(true, Ordering::SeqCst), |_, _| false).unwrap_err();
    assert!(fatal.code == exit::INTERNAL && fatal.what.contains("thread schemas panicked"), "{fatal}");
}
