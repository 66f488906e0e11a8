//! Deliveries that fail. The story: a broker refuses one outcome, and a scorer commits past it, or goes back so far
//! that everything is doubled, or counts the late acknowledgements of its first try for the second one, or turns for
//! ever over the same record.
//!
//! Promise 2: offsets move only after every outcome is acknowledged. What was in flight when a delivery failed may
//! repeat; what is below the committed offset never does.

use std::time::Duration;

use crate::fakes::sink::REFUSED;
use crate::fakes::{Entry, Payment, Sent, Setup, World};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::{Fatal, exit};
use scorewire::observe::latency::Step;
use scorewire::values::limits::Limits;

fn fail_offset(world: &World, offset: i64) -> usize {
    world.sink.state().answer(Err(REFUSED), |sent| sent.source.partition == 0 && sent.source.offset == offset)
}

#[test]
fn a_failed_delivery_sends_its_partition_back_to_its_progress_and_no_other() {
    let mut world = Setup { batch_rows: 12, ..Setup::default() }.build();
    world.put_payments(0, 6);
    world.put_payments(1, 6);
    world.cycle();
    world.sink.state().answer(Ok(()), |sent| sent.source.partition == 0 && sent.source.offset < 2);
    fail_offset(&world, 3);
    world.cycles(3);
    assert!(world.journal.contains(&Entry::Sought(0, 2)));
    assert_eq!(world.journal.count(|entry| matches!(entry, Entry::Sought(..))), 1);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]);
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..6).collect::<Vec<_>>());
    assert_eq!(world.stats.handed_back.get(), 4);
    assert_eq!(world.stats.delivery_failures.get(), 1);
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(6), Some(6)));
}

#[test]
fn acknowledgements_of_the_first_try_count_for_nothing() {
    let mut world = Setup::default().build();
    world.put_payments(0, 4);
    world.cycle();
    fail_offset(&world, 0);
    world.cycles(2);
    assert_eq!(world.sink.state().sent.len(), 8);
    // The three others of the first try arrive late; those of the second are still under way.
    world.sink.state().answer_in_order(Ok(()), &[1, 2, 3]);
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(3);
    assert_eq!(world.source.committed(0), Some(0));
    assert_eq!(world.stats.scored.get(), 0);
    // And late failures of the first try send nobody back again.
    world.settle();
    assert_eq!(world.source.committed(0), Some(4));
    assert_eq!(world.stats.delivery_failures.get(), 1);
}

#[test]
fn late_failures_of_the_first_try_send_nobody_back_again() {
    let mut world = Setup::default().build();
    world.put_payments(0, 4);
    world.cycle();
    fail_offset(&world, 0);
    world.cycles(2);
    world.sink.state().answer_in_order(Err(REFUSED), &[1, 2, 3]);
    world.cycles(3);
    assert_eq!(world.stats.delivery_failures.get(), 1);
    assert_eq!(world.sink.state().sent.len(), 8);
}

#[test]
fn several_failures_of_one_poll_are_one_step_back() {
    let mut world = Setup::default().build();
    world.put_payments(0, 5);
    world.cycle();
    world.sink.state().answer(Err(REFUSED), |_| true);
    world.cycles(2);
    assert_eq!(world.stats.delivery_failures.get(), 1);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

/// A broker that refuses one record for good takes its neighbours: their success is no progress.
#[test]
fn the_same_failure_again_and_again_ends_the_process() {
    let limits = Limits { delivery_failures_max: 3, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 6);
    let mut refuse_offset_2 = || -> Fatal {
        for _ in 0..200 {
            world.sink.state().answer(Ok(()), |sent| sent.source.offset != 2);
            fail_offset(&world, 2);
            if let Err(fatal) = world.try_cycle() {
                return fatal;
            }
        }
        panic!("turns for ever over offset 2");
    };
    let fatal = refuse_offset_2();
    assert_eq!(fatal.code, exit::DELIVERY);
    assert!(fatal.what.contains("partition 0") && fatal.what.contains("29"), "{fatal}");
    let tries = world.offsets(Destination::Outputs, 0).into_iter().filter(|&offset| offset == 2).count();
    assert_eq!(tries, 4, "three failures may be, the fourth ends it");
}

#[test]
fn progress_between_failures_starts_the_count_anew() {
    let limits = Limits { delivery_failures_max: 2, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 40);
    for offset in 0..40 {
        world.cycle_until("the record is sent", |world| world.sink.state().sent.iter().any(Sent::is_in_flight));
        world.cycle();
        fail_offset(&world, offset);
        world.cycles(2);
        world.sink.state().answer(Ok(()), |sent| sent.source.offset == offset);
        world.cycle();
    }
    assert_eq!(world.stats.delivery_failures.get(), 40);
    world.settle();
    assert_eq!(world.source.committed(0), Some(40));
}

#[test]
fn a_failed_review_copy_sends_the_record_back_though_its_output_arrived() {
    let mut world = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() }.build();
    world.source.put(0, Payment::new("band", 0.5).encode());
    world.cycle();
    world.sink.state().answer(Ok(()), |sent| sent.destination == Destination::Outputs);
    world.sink.state().answer(Err(REFUSED), |sent| sent.destination == Destination::Review);
    world.cycles(2);
    assert_eq!(world.reviews().len(), 2);
    assert_eq!(world.stats.scored.get(), 0);
    world.settle();
    assert_eq!(world.stats.scored.get(), 1);
    assert_eq!(world.source.committed(0), Some(1));
}

#[test]
fn a_failure_in_the_middle_of_a_half_handed_over_batch_drops_the_rest_of_its_partition_only() {
    let mut world = Setup { batch_rows: 8, ..Setup::default() }.build();
    world.put_payments(0, 4);
    world.put_payments(1, 4);
    world.sink.state().capacity = 2;
    world.cycle();
    fail_offset(&world, 0);
    world.cycle();
    world.sink.state().capacity = 100;
    world.cycles(4);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 0, 1, 2, 3], "the old try ends where it failed");
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1, 2, 3]);
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(4), Some(4)));
}

#[test]
fn markers_are_not_passed_over_what_is_read_again() {
    let mut world = Setup::default().build();
    world.put_payments(0, 3);
    world.source.put_markers(0, 5);
    world.cycle();
    fail_offset(&world, 0);
    world.cycle();
    // Nothing of the second try has come yet when the next commit is due.
    world.source.state().per_poll = 1;
    world.source.pause_for_test(0, true);
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(3);
    assert_eq!(world.source.committed(0), Some(0));
    world.source.pause_for_test(0, false);
    world.settle();
    world.settle();
    assert_eq!(world.source.committed(0), Some(8));
}

#[test]
fn a_producer_that_cannot_go_on_ends_the_process_with_its_own_words() {
    let mut world = Setup::default().build();
    world.put_payments(0, 1);
    world.sink.state().refuse_with = Some(Fatal::new(exit::DELIVERY, "fenced", ""));
    assert_eq!(world.try_cycle().unwrap_err().what, "fenced");
}

/// The story: a request for each copy delays outcomes that somebody waits for; copies held back for long delay commits,
/// stops and rebalances.
#[test]
fn copies_for_review_wait_for_the_next_commit_unless_somebody_waits_for_them() {
    let wait = |world: &World| world.sink.state().copies_wait;
    let limits = Limits { in_flight_records_max: 2, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.settle();
    assert_eq!(wait(&world), Duration::from_millis(90), "until shortly before the commit");
    world.put_payments(0, 4);
    world.cycles(3);
    assert_eq!(wait(&world), Duration::ZERO, "the lane takes nothing in until outcomes are acknowledged");
    world.settle();
    assert_eq!(wait(&world), Duration::from_millis(90));
    world.put_payments(0, 1);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(2);
    assert_eq!(wait(&world), Duration::ZERO, "the group waits for a partition");
    world.settle();
    assert_eq!(wait(&world), Duration::from_millis(90));
    world.lane.start_drain().unwrap();
    assert_eq!(wait(&world), Duration::ZERO);
    world.clock.advance(Duration::from_secs(1));
    world.cycles(3);
    assert_eq!(wait(&world), Duration::ZERO, "a stop waits for all of them");

    let rare = Limits { commit_interval: Duration::from_secs(2), ..Limits::default() };
    let mut world = Setup { limits: rare, ..Setup::default() }.build();
    world.settle();
    assert_eq!(wait(&world), Duration::from_millis(90), "people do not wait for a rare commit");
    let mut world = Setup::default().build_exactly_once();
    world.settle();
    assert_eq!(world.sink.state().copies_wait, Duration::ZERO, "the end of a transaction waits for each");
}

/// Until an outcome is acknowledged counts as its time, and until its copy is as nothing.
#[test]
fn a_copy_that_comes_late_does_not_make_its_outcome_late() {
    let mut world = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() }.build();
    world.settle();
    world.source.put(0, Payment::new("band", 0.5).encode());
    world.cycle();
    world.clock.advance(Duration::from_millis(3));
    assert_eq!(world.sink.state().answer(Ok(()), |sent| sent.destination == Destination::Outputs), 1);
    world.cycle();
    assert_eq!(world.stats.scored.get(), 0, "its copy is missing");
    world.clock.advance(Duration::from_millis(80));
    world.settle();
    assert_eq!(world.stats.scored.get(), 1);
    world.stats.times.ask();
    world.cycles(2);
    let times = world.stats.times.total();
    for step in [Step::Ack, Step::Journey] {
        let told = (times.get(step).len(), times.get(step).max());
        assert!(told.0 == 1 && (3_000..10_000).contains(&told.1), "{step:?}: {told:?}");
    }
}
