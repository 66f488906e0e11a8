//! When a record counts as received. The story: a lane holds records back, for a limit or for a schema, and books their
//! wait on Kafka: the step `intake` shows nothing, the deadline counts from too late, and `received_at` and the journey
//! leave out what the lane itself took.

use std::sync::Arc;
use std::time::Duration;

use crate::fakes::clock::WALL_START_US;
use crate::fakes::{Payment, Setup, World, payload};
use scorewire::doors::Clock;
use scorewire::observe::latency::{Step, StepTimes};
use scorewire::values::limits::Limits;
use scorewire::values::settings::{Deadline, DeadlineFrom, WhenLate};

/// One record fits at a time: the next one is taken in when the last one's outcome is acknowledged.
fn one_at_a_time() -> Setup {
    let limits = Limits { in_flight_bytes_max: 1, pause_after: Duration::from_secs(60), ..Limits::default() };
    let deadline = Some(Deadline { limit_ms: 30, from: DeadlineFrom::Receipt, then: WhenLate::Flag });
    Setup { limits, deadline, ..Setup::default() }
}

/// Stamped by its producer `age` before now.
fn put(world: &World, partition: i32, age: Duration, payment: &Payment) {
    world.source.put(partition, payment.encode());
    let mut state = world.source.state();
    let data = state.logs.get_mut(&partition).unwrap().records.last_mut().unwrap();
    let age_us = i64::try_from(age.as_micros()).unwrap();
    Arc::get_mut(data).unwrap().timestamp_ms = (world.clock.wall_us() - age_us) / 1_000;
}

/// Lets `count` records through, one each `every`.
fn let_through(world: &mut World, count: usize, every: Duration) {
    for taken in 1..=count {
        assert_eq!(world.outputs().len(), taken);
        world.clock.advance(every);
        world.sink.state().ack_all();
        world.cycles(2);
    }
}

fn times(world: &mut World) -> StepTimes {
    world.stats.times.ask();
    world.cycle();
    world.stats.times.total()
}

/// How many took so long, to the histogram's resolution.
fn count_of(times: &StepTimes, step: Step, ms: u64) -> u64 {
    times.get(step).count_between(ms * 999, ms * 1_001)
}

#[test]
fn the_wait_in_the_inbox_is_the_lanes_and_not_kafkas() {
    let mut world = one_at_a_time().build();
    let poll_us = world.clock.wall_us() + 1_000;
    for id in 0..3 {
        put(&world, 0, Duration::from_millis(4), &Payment::new(format!("{id}"), 0.25));
    }
    world.cycle();
    assert_eq!(world.stats.received.get(), 1, "the others wait");
    // Each waits for its turn: 20 ms and two cycles of a millisecond, the second of which takes it in.
    let_through(&mut world, 3, Duration::from_millis(20));

    let outputs = world.outputs();
    let received: Vec<i64> = outputs.iter().map(|outcome| outcome.received_us).collect();
    assert_eq!(received, [poll_us; 3], "one poll brought them");
    let scored: Vec<i64> = outputs.iter().map(|outcome| outcome.scored_us - poll_us).collect();
    assert_eq!(scored, [0, 22_000, 44_000]);
    let late: Vec<bool> = outputs.iter().map(|outcome| outcome.late).collect();
    assert_eq!(late, [false, false, true], "30 ms from receipt");

    let times = times(&mut world);
    assert_eq!(times.get(Step::Intake).len(), 3);
    assert_eq!([22, 44].map(|ms| count_of(&times, Step::Intake, ms)), [1, 1]);
    assert_eq!(times.get(Step::Intake).min(), 1);
    assert_eq!(count_of(&times, Step::Topic, 5), 3, "in the topic until the poll, 4 ms and a cycle");
    // Acknowledged with the cycle that follows 20 ms later.
    assert_eq!([21, 43, 65].map(|ms| count_of(&times, Step::Journey, ms)), [1, 1, 1]);
}

#[test]
fn a_record_polled_behind_one_that_waits_has_the_receipt_of_its_own_poll() {
    // While records wait, the lane polls again after this time, for the group's sake.
    let setup = one_at_a_time();
    let limits = Limits { pause_after: Duration::from_millis(50), ..setup.limits.clone() };
    let mut world = Setup { limits, ..setup }.build();
    world.source.state().per_poll = 2;
    let first_us = world.clock.wall_us() + 1_000;
    for id in ["a", "b", "c"] {
        put(&world, 0, Duration::ZERO, &Payment::new(id, 0.25));
    }
    world.cycle();
    world.clock.advance(Duration::from_millis(48));
    world.sink.state().ack_all();
    world.cycle();
    assert_eq!(world.outputs().len(), 1, "b and c wait, c in the topic");
    world.cycle();
    let second_us = world.clock.wall_us();
    assert_eq!(world.outputs().len(), 2, "b was taken in, after c was polled");
    world.clock.advance(Duration::from_millis(40));
    world.sink.state().ack_all();
    world.cycles(2);
    let received: Vec<i64> = world.outputs().iter().map(|outcome| outcome.received_us).collect();
    assert_eq!(received, [first_us, first_us, second_us]);
    assert!(world.outputs()[2].late, "42 ms after its poll");
}

#[test]
fn a_parked_record_keeps_its_first_receipt() {
    let deadline = Some(Deadline { limit_ms: 100, from: DeadlineFrom::Receipt, then: WhenLate::Flag });
    let mut world = Setup { deadline, ..Setup::default() }.build();
    let poll_us = world.clock.wall_us() + 1_000;
    put(&world, 0, Duration::ZERO, &Payment::new("parked", 0.5).schema_id(payload::PENDING_ID));
    world.cycle();
    assert_eq!(world.outputs(), []);
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    world.cycle();
    let outcome = &world.outputs()[0];
    assert_eq!((outcome.received_us, outcome.late), (poll_us, true));
    let waited_us = u64::try_from(outcome.scored_us - poll_us).unwrap();
    let times = times(&mut world);
    assert_eq!(count_of(&times, Step::Intake, waited_us / 1_000), 1);
    assert_eq!((times.get(Step::Intake).len(), poll_us > WALL_START_US), (1, true));
}
