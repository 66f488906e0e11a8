//! A stop drains. The story: a scorer that is told to stop drops what is half done, or commits what it had taken from
//! the client and not scored, and the next owner never sees those records.
//!
//! Promise 8: after SIGTERM nothing is scored twice and nothing is lost.

use std::time::Duration;

use crate::fakes::source::Answers;
use crate::fakes::{self, Entry, Payment, Setup, World, payload};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::values::limits::Limits;

/// The records whose outcome was delivered are those below the committed offset, and no other.
fn assert_handed_over_exactly(world: &World, partition: i32) {
    let committed = world.source.committed(partition).unwrap_or(0);
    let sink = world.sink.state();
    let mut finished: Vec<i64> =
        [Destination::Outputs, Destination::DeadLetters, Destination::Timeouts, Destination::RetryLater]
            .into_iter()
            .flat_map(|to| sink.delivered(to))
            .filter(|sent| sent.source.partition == partition)
            .map(|sent| sent.source.offset)
            .collect();
    finished.sort_unstable();
    let state = world.source.state();
    let below = state.logs[&partition].records.iter().map(|record| record.position.offset);
    assert_eq!(finished, below.filter(|&offset| offset < committed).collect::<Vec<_>>(), "partition {partition}");
}

fn drain(world: &mut World) {
    world.lane.start_drain().unwrap();
    world.sink.state().auto_ack = true;
    world.cycle_until("drained", |world| world.lane.is_drained());
    assert!(world.lane.close(Duration::from_secs(1)), "left in order");
    world.check_counters();
    assert_eq!(world.stats.in_flight_records.get(), 0);
}

#[test]
fn promise_8_what_was_taken_in_is_finished_and_nothing_more_is_taken() {
    let mut world = Setup::default().build();
    world.put_payments(0, 30);
    world.put_payments(1, 30);
    world.cycles(2);
    let received = world.stats.received.get();
    drain(&mut world);
    assert_eq!(world.stats.received.get(), received);
    assert_eq!(world.stats.scored.get(), received);
    assert_eq!(world.stats.handed_back.get(), 0);
    (0..2).for_each(|partition| assert_handed_over_exactly(&world, partition));
    assert!(world.source.state().closed);
}

#[test]
fn promise_8_a_batch_that_is_half_handed_over_is_finished() {
    let mut world = Setup::default().build();
    world.sink.state().capacity = 3;
    world.put_payments(0, 8);
    world.cycle();
    assert_eq!(world.outputs().len(), 3);
    drain(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..8).collect::<Vec<_>>());
    assert_eq!(world.source.committed(0), Some(8));
}

/// The client's position is past records that wait for their schema; they were never scored.
#[test]
fn promise_8_records_that_wait_for_a_schema_are_handed_back_and_not_committed() {
    let mut world = Setup::default().build();
    world.put_payments(0, 2);
    for _ in 0..3 {
        world.source.put(0, Payment::new("w", 0.5).schema_id(payload::PENDING_ID).encode());
    }
    world.cycles(3);
    world.sink.state().ack_all();
    world.cycles(2);
    drain(&mut world);
    assert_eq!(world.source.committed(0), Some(2));
    assert_eq!(world.stats.handed_back.get(), 3);
    assert_handed_over_exactly(&world, 0);
}

#[test]
fn promise_8_records_polled_and_not_looked_at_are_not_committed() {
    // One record in flight at a time: of four that were polled together, three wait in the lane's hands.
    let limits = Limits { in_flight_bytes_max: 1, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 4);
    world.cycle();
    world.sink.state().ack_all();
    world.cycle();
    assert_eq!(world.stats.received.get(), 1);
    drain(&mut world);
    assert_handed_over_exactly(&world, 0);
}

#[test]
fn promise_8_a_partition_that_comes_while_draining_is_not_read() {
    let mut world = Setup::default().build_unassigned();
    world.put_payments(0, 4);
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(2);
    world.lane.start_drain().unwrap();
    world.put_payments(1, 4);
    world.source.tell(SourceEvent::Assigned(vec![1]));
    drain(&mut world);
    assert!(world.source.is_paused(1) && world.source.is_paused(0));
    assert!(world.offsets(Destination::Outputs, 1).is_empty());
    assert_handed_over_exactly(&world, 0);
    assert_handed_over_exactly(&world, 1);
}

#[test]
fn promise_8_a_failed_delivery_while_draining_is_handed_back() {
    let mut world = Setup::default().build();
    world.put_payments(0, 5);
    world.cycle();
    world.lane.start_drain().unwrap();
    world.sink.state().answer_in_order(Ok(()), &[0, 1]);
    world.sink.state().answer_in_order(Err(fakes::sink::REFUSED), &[2]);
    world.cycles(2);
    drain(&mut world);
    assert_eq!(world.source.committed(0), Some(2));
    assert!(world.source.is_paused(0), "nothing is read again during a stop");
    assert_eq!(world.stats.handed_back.get(), 3);
}

#[test]
fn a_drain_is_not_over_before_the_commit_is_answered() {
    let mut world = Setup::default().build();
    world.settle();
    world.source.state().answers = Answers::OnDemand;
    world.put_payments(0, 2);
    world.cycle();
    world.lane.start_drain().unwrap();
    world.sink.state().ack_all();
    world.cycles(3);
    assert!(!world.lane.is_drained());
    world.source.answer(Ok(()));
    world.cycles(2);
    assert!(world.lane.is_drained());
}

#[test]
fn a_drain_commits_without_waiting_for_the_interval() {
    let mut world = Setup::default().build();
    world.settle();
    world.put_payments(0, 2);
    world.cycle();
    world.lane.start_drain().unwrap();
    world.sink.state().ack_all();
    let before = world.journal.len();
    world.cycles(2);
    assert!(world.journal.since(before).contains(&Entry::CommitStarted(0, 2)));
}

#[test]
fn a_lane_that_cannot_finish_says_so() {
    let mut world = Setup::default().build();
    world.put_payments(0, 4);
    world.cycle();
    world.lane.start_drain().unwrap();
    world.cycles(3);
    assert!(!world.lane.is_drained());
    assert!(!world.lane.close(Duration::from_secs(1)), "four outcomes are still in flight");
    world.check_counters();
    assert_eq!(world.stats.handed_back.get(), 4);
    assert_eq!(world.source.committed(0), Some(0));
}

/// Brokers that stand still take the partitions away before the drain's time is over: nothing is left to wait for, and
/// yet nothing was finished.
#[test]
fn a_drain_that_loses_its_partitions_was_not_finished() {
    let ends_well = |finished: bool| {
        let mut world = Setup::default().build();
        world.settle();
        world.put_payments(0, 3);
        world.cycles(2);
        if finished {
            world.settle();
        }
        world.lane.start_drain().unwrap();
        assert_eq!(world.lane.is_drained(), finished);
        world.source.tell(SourceEvent::Lost(vec![0, 1]));
        world.cycles(2);
        assert!(world.journal.contains(&Entry::Released(0)));
        assert!(world.lane.is_drained(), "nothing is left to wait for");
        world.lane.close(Duration::ZERO)
    };
    assert!(ends_well(true));
    assert!(!ends_well(false));
}
