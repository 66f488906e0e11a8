//! Schemas that are not there yet. The story: a registry is down, and a scorer calls every record of the new schema
//! poison; or all partitions stand still for one; or what waited comes out of order when the schema arrives.
//!
//! "Cannot decode" is a dead letter; "cannot fetch the schema" makes the partition wait and is never a dead letter.

use crate::fakes::{self, Entry, Payment, Setup, World, payload};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::values::limits::Limits;

fn put_waiting(world: &World, partition: i32, count: usize) {
    for index in 0..count {
        let payment = Payment::new(format!("w{partition}/{index}"), 0.5).schema_id(payload::PENDING_ID);
        world.source.put(partition, payment.encode());
    }
}

/// The schema is registered, and the time to ask again has come.
fn arrive(world: &World) {
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
}

#[test]
fn only_the_partition_that_needs_the_schema_waits() {
    let mut world = Setup::default().build();
    put_waiting(&world, 0, 1);
    world.cycle();
    assert!(world.source.is_paused(0) && !world.source.is_paused(1));
    world.put_payments(0, 3);
    world.put_payments(1, 30);
    world.cycles(10);
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..30).collect::<Vec<_>>());
    assert!(world.offsets(Destination::Outputs, 0).is_empty());
    assert!(world.dead_letters().is_empty());
    assert_eq!(world.stats.in_flight_records.get(), 31, "what waits counts as in flight");
}

#[test]
fn order_is_kept_when_the_schema_arrives_and_the_partition_flows_again() {
    let mut world = Setup::default().build();
    world.put_payments(0, 2);
    put_waiting(&world, 0, 2);
    world.put_payments(0, 3);
    world.source.put(0, None);
    world.cycles(5);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1]);
    arrive(&world);
    world.put_payments(0, 4);
    world.cycles(5);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [7]);
    assert!(!world.source.is_paused(0));
    world.settle();
    assert_eq!(world.source.committed(0), Some(12));
    assert_eq!(world.stats.received.get(), 12, "nothing was read twice");
}

#[test]
fn a_waiting_partition_asks_again_once_in_a_while_and_not_for_every_record() {
    let mut world = Setup::default().build();
    put_waiting(&world, 0, 8);
    world.cycles(500);
    let asked = world.schemas.asked();
    assert!((1..=2).contains(&asked), "asked {asked} times in half a second");
    world.clock.advance(world.setup.limits.schema_retry);
    world.cycles(10);
    assert_eq!(world.schemas.asked(), asked + 1);
}

/// More wait than one batch holds: the rest follows with the next cycles, not with the next retry.
#[test]
fn what_waits_in_many_partitions_flows_batch_by_batch_without_another_wait() {
    let limits = Limits { in_flight_records_max: 1_000, ..Limits::default() };
    let mut world = Setup { partitions: 4, batch_rows: 4, limits, ..Setup::default() }.build();
    world.source.state().per_poll = 4;
    for partition in 0..4 {
        put_waiting(&world, partition, 4);
        world.cycles(3);
    }
    assert_eq!(world.stats.received.get(), 16);
    arrive(&world);
    world.cycles(8);
    for partition in 0..4 {
        assert_eq!(world.offsets(Destination::Outputs, partition), [0, 1, 2, 3]);
        assert!(!world.source.is_paused(partition));
    }
    assert!(world.scorer.call_count() >= 4, "no batch above the cap");
}

/// Nothing else may be taken in, and the lane must not forget to ask.
#[test]
fn what_waits_may_be_all_that_the_limits_allow() {
    let limits = Limits { in_flight_records_max: 6, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    put_waiting(&world, 0, 6);
    world.cycles(2);
    assert_eq!(world.stats.in_flight_records.get(), 6);
    arrive(&world);
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 5]);
    world.settle();
    assert_eq!(world.source.committed(0), Some(6));
}

#[test]
fn a_schema_that_nobody_will_ever_know_turns_what_waits_into_dead_letters() {
    let mut world = Setup::default().build();
    let payment = Payment::new("x", 0.5).schema_id(50);
    world.schemas.pending(50);
    world.source.put(0, payment.encode());
    world.put_payments(0, 1);
    world.cycles(3);
    world.schemas.forget(50);
    world.clock.advance(world.setup.limits.schema_retry);
    world.cycles(3);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0]);
    assert_eq!(world.dead_letters()[0].header("__scorewire.errors.schema_id").as_deref(), Some("50"));
    assert_eq!(world.offsets(Destination::Outputs, 0), [1]);
}

#[test]
fn a_failed_delivery_while_waiting_reads_everything_again_in_order() {
    let mut world = Setup::default().build();
    world.put_payments(0, 2);
    put_waiting(&world, 0, 2);
    world.cycles(2);
    world.sink.state().answer(Err(fakes::sink::PURGED), |sent| sent.source.offset == 1);
    world.cycles(4);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 0, 1]);
    assert!(world.source.is_paused(0), "it waits again");
    arrive(&world);
    world.cycles(4);
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 0, 1, 2, 3]);
    assert_eq!(world.source.committed(0), Some(4));
}

#[test]
fn what_waits_is_committed_by_nobody() {
    let mut world = Setup::default().build();
    world.put_payments(0, 1);
    put_waiting(&world, 0, 2);
    world.source.put_markers(0, 3);
    world.cycles(2);
    world.sink.state().ack_all();
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(5);
    assert_eq!(world.source.committed(0), Some(1));
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycle_until("the loss", |world| world.journal.contains(&Entry::Released(0)));
    arrive(&world);
    world.cycles(5);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0], "handed back, not scored here");
    assert_eq!(world.stats.handed_back.get(), 2);
}

#[test]
fn a_schema_that_arrives_during_backpressure_does_not_lift_the_pause() {
    let limits =
        Limits { in_flight_records_max: 6, pause_after: std::time::Duration::from_millis(5), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    put_waiting(&world, 0, 2);
    world.cycle();
    world.put_payments(1, 20);
    world.cycle_until("the pause", |world| world.source.is_paused(1));
    arrive(&world);
    world.cycles(20);
    assert!(world.source.is_paused(0) && world.source.is_paused(1));
    world.sink.state().auto_ack = true;
    world.cycle_until("all is through", |world| world.outputs().len() == 22);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1]);
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..20).collect::<Vec<_>>());
}
