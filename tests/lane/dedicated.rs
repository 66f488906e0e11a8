//! What only a lane with its model on another thread can do wrong. The story: the poll thread waits for the model after
//! all; or it sends the model one record at a time; or a batch comes back for a partition that is gone meanwhile, and a
//! scorer produces for it; or the model's thread dies, and the lane turns on without it.
//!
//! The model answers when the test says so ([`World::serve`]), on the test's own thread.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fakes::sink::REFUSED;
use crate::fakes::{Entry, Mode, Payment, Setup, World};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::exit;
use scorewire::observe::latency::Step;
use scorewire::values::limits::Limits;
use scorewire::values::settings::{Deadline, DeadlineFrom, Layout, WhenLate};

/// A lane that owns its partitions and whose model answers by hand.
fn world(setup: Setup) -> World {
    let mut world = Setup { layout: Layout::Dedicated, ..setup }.build();
    world.by_hand = true;
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    world
}

/// Rows of each model call.
fn calls(world: &World) -> Vec<usize> {
    world.scorer.calls_with_rows().iter().map(Vec::len).collect()
}

/// The model answers whatever is sent until nothing is left.
fn serve_all(world: &mut World) {
    world.cycle();
    while world.serve() {
        world.cycle();
    }
}

#[test]
fn while_the_model_is_busy_the_next_batch_grows_up_to_its_cap() {
    let mut world = world(Setup { batch_rows: 8, ..Setup::default() });
    world.put_payments(0, 1);
    world.cycle();
    for _ in 0..5 {
        world.put_payments(0, 1);
        world.cycle();
    }
    assert!(world.serve() && !world.serve(), "one was sent; what came behind it waits for more");
    world.cycle();
    assert!(world.serve());
    assert_eq!(calls(&world), [1, 5]);
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..6).collect::<Vec<_>>());
}

#[test]
fn a_full_batch_waits_its_turn_at_the_model_and_a_third_one_stays() {
    let mut world = world(Setup { batch_rows: 8, ..Setup::default() });
    world.put_payments(0, 40);
    world.cycles(10);
    assert_eq!(world.stats.received.get(), 24, "two at the model and one that is full");
    assert!(world.serve() && world.serve() && !world.serve());
    assert_eq!(world.stats.backpressure_stalls.get(), 1, "one stall, however long");
    serve_all(&mut world);
    assert_eq!(calls(&world), [8; 5]);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..40).collect::<Vec<_>>());
}

#[test]
fn promise_4_a_slow_model_pauses_the_source_which_is_polled_on() {
    let limits = Limits { pause_after: Duration::from_millis(50), ..Limits::default() };
    let mut world = world(Setup { batch_rows: 8, limits, ..Setup::default() });
    world.put_payments(0, 60);
    world.cycles(60);
    assert!(world.source.is_paused(0) && world.source.is_paused(1));
    let polls = world.source.state().polls;
    world.cycles(100);
    assert!(world.source.state().polls >= polls + 100, "the group must see us");
    assert_eq!(world.stats.received.get(), 24);
    world.serve();
    world.cycles(3);
    assert!(!world.source.is_paused(0), "there is room again");
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..60).collect::<Vec<_>>());
}

#[test]
fn promise_4_batches_under_way_count_against_the_limits() {
    let limits = Limits { in_flight_records_max: 11, ..Limits::default() };
    let mut world = world(Setup { batch_rows: 8, limits, ..Setup::default() });
    world.put_payments(0, 40);
    world.cycles(5);
    assert_eq!(world.stats.in_flight_records.get(), 11);
    world.serve();
    world.cycles(5);
    assert_eq!(world.stats.in_flight_records.get(), 11, "scored is not acknowledged");
    world.serve();
    world.cycles(5);
    assert_eq!(calls(&world), [8, 3], "what is open goes though nothing more is taken in");
    world.sink.state().auto_ack = true;
    world.cycle();
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_revoked_partition_waits_for_its_batch_at_the_model() {
    let mut world = world(Setup::default());
    world.put_payments(0, 3);
    world.cycle();
    world.put_payments(0, 2);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.sink.state().auto_ack = true;
    world.cycles(20);
    let released = |world: &World| world.journal.contains(&Entry::Released(0));
    assert!(!released(&world), "three at the model, two behind them");
    assert!(world.serve());
    world.cycles(5);
    assert!(!released(&world));
    assert!(world.serve());
    world.cycle_until("the release", released);
    assert_eq!(world.source.committed(0), Some(5));
    assert_eq!(world.stats.handed_back.get(), 0);
}

#[test]
fn promise_6_nothing_of_a_lost_partition_is_produced_when_its_batch_comes_back() {
    let mut world = world(Setup { batch_rows: 16, ..Setup::default() });
    world.put_payments(0, 4);
    world.put_payments(1, 4);
    world.cycle();
    world.put_payments(0, 2);
    world.put_payments(1, 2);
    world.cycle();
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycles(3);
    assert!(world.journal.contains(&Entry::Released(0)), "a loss waits for nobody");
    assert_eq!(world.stats.handed_back.get(), 6);
    // It comes back while its old batch is still being scored.
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(3);
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..6).collect::<Vec<_>>(), "each once, by its new assignment");
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..6).collect::<Vec<_>>());
    world.by_hand = false;
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(6), Some(6)));
    assert_eq!(world.stats.scored.get(), 12);
}

#[test]
fn promise_6_the_group_does_not_wait_for_ever_for_a_model() {
    let limits = Limits { revoke_timeout: Duration::from_millis(50), ..Limits::default() };
    let mut world = world(Setup { limits, ..Setup::default() });
    world.put_payments(0, 5);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(60);
    assert!(world.journal.contains(&Entry::Released(0)));
    serve_all(&mut world);
    assert!(world.outputs().is_empty(), "its next owner scores them");
    assert_eq!(world.stats.handed_back.get(), 5);
}

#[test]
fn a_failed_delivery_reads_again_in_order_whatever_is_at_the_model() {
    let mut world = world(Setup { batch_rows: 4, ..Setup::default() });
    world.put_payments(0, 12);
    world.put_payments(1, 2);
    world.cycle();
    world.serve();
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3]);
    world.sink.state().answer_in_order(Ok(()), &[0]);
    world.sink.state().answer_in_order(Err(REFUSED), &[2]);
    world.cycle();
    assert!(world.journal.contains(&Entry::Sought(0, 1)));
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1]);
    world.by_hand = false;
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(12), Some(2)));
    assert_eq!(world.stats.scored.get(), 14);
}

#[test]
fn promise_8_a_stop_finishes_what_is_at_the_model_and_what_is_open() {
    let mut world = world(Setup { batch_rows: 8, ..Setup::default() });
    world.put_payments(0, 3);
    world.cycle();
    world.put_payments(0, 3);
    world.cycle();
    world.lane.start_drain().unwrap();
    world.put_payments(0, 3);
    world.sink.state().auto_ack = true;
    world.cycles(10);
    assert!(!world.lane.is_drained());
    serve_all(&mut world);
    world.cycle_until("drained", |world| world.lane.is_drained());
    assert!(world.lane.close(Duration::from_secs(1)));
    assert_eq!(calls(&world), [3, 3]);
    assert_eq!(world.source.committed(0), Some(6));
    assert_eq!(world.stats.handed_back.get(), 0);
}

#[test]
fn a_stop_that_the_model_does_not_answer_hands_back_what_is_there() {
    let mut world = world(Setup { batch_rows: 8, ..Setup::default() });
    world.put_payments(0, 20);
    world.cycles(5);
    world.lane.start_drain().unwrap();
    world.cycles(5);
    assert!(!world.lane.close(Duration::from_secs(1)));
    world.check_counters();
    assert_eq!(world.stats.handed_back.get(), 20);
    assert_eq!(world.source.committed(0), Some(0));
}

#[test]
fn a_full_sink_holds_back_batches_that_are_scored() {
    let mut world = world(Setup { batch_rows: 4, ..Setup::default() });
    world.sink.state().capacity = 2;
    world.put_payments(0, 12);
    world.cycles(3);
    assert!(world.serve() && world.serve());
    world.cycles(5);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1], "two of the first batch, none of the second");
    while world.outputs().len() < 12 {
        world.sink.state().ack_all();
        world.cycle();
        world.serve();
    }
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..12).collect::<Vec<_>>());
    assert_eq!(world.sink.state().in_flight_max(), 2);
}

#[test]
fn a_broken_model_is_not_called_for_the_batch_behind_the_broken_one() {
    let limits = Limits { model_failures_max: 5, ..Limits::default() };
    let mut world = world(Setup { batch_rows: 4, limits, ..Setup::default() });
    world.put_payments(0, 12);
    world.cycles(3);
    world.scorer.set_broken(true);
    assert!(world.serve() && world.serve());
    assert_eq!(world.scorer.call_count(), 5);
    let fatal = world.try_cycle().unwrap_err();
    assert_eq!(fatal.code, exit::MODEL);
    assert!(fatal.what.contains("5 times") && fatal.what.contains("told to fail"), "{fatal}");
    assert!(world.sink.state().sent.is_empty());
}

#[test]
fn a_row_that_fails_costs_its_neighbours_nothing_and_is_known_when_the_batch_is_back() {
    let mut world = world(Setup::default());
    for index in 0..6 {
        let mode = if index % 4 == 1 { Mode::Fail } else { Mode::Score };
        let payment = Payment::new(format!("r{index}"), f64::from(index) / 8.0).mode(mode);
        world.source.put(0, if index == 3 { None } else { Some(payment.encode()) });
    }
    serve_all(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 2, 4]);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [1, 3, 5]);
    assert!(world.outputs().iter().all(|outcome| outcome.score == outcome.offset as f64 / 8.0));
    assert_eq!(world.stats.model_failures.get(), 3);
}

#[test]
fn rejects_alone_keep_their_place_behind_what_is_at_the_model() {
    let mut world = world(Setup::default());
    world.put_payments(0, 2);
    world.cycle();
    world.source.put(0, None);
    world.source.put(0, None);
    world.cycles(3);
    assert!(world.dead_letters().is_empty());
    let before = world.journal.len();
    serve_all(&mut world);
    let offsets = world.journal.since(before).into_iter().filter_map(|entry| match entry {
        Entry::Sent(position, _) => Some(position.offset),
        _ => None,
    });
    assert_eq!(offsets.collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((calls(&world), world.stats.batches.get()), (vec![2], 1), "rejects ask nothing of the model");
}

#[test]
fn a_lane_without_its_models_thread_stops() {
    let mut world = world(Setup::default());
    world.put_payments(0, 2);
    world.drop_desk();
    let fatal = world.try_cycle().unwrap_err();
    assert_eq!(fatal.code, exit::INTERNAL);
}

#[test]
fn a_batch_that_is_back_wakes_the_lane() {
    let mut world = world(Setup { batch_rows: 4, ..Setup::default() });
    world.put_payments(0, 8);
    world.cycles(2);
    assert_eq!(world.source.state().wakes, 0);
    assert!(world.serve());
    assert_eq!(world.source.state().wakes, 1);
    assert!(world.serve());
    assert_eq!(world.source.state().wakes, 2);
}

#[test]
fn the_wait_for_the_model_is_counted_and_makes_a_record_late() {
    let deadline = Deadline { limit_ms: 30, from: DeadlineFrom::Receipt, then: WhenLate::Flag };
    let mut world = world(Setup { deadline: Some(deadline), ..Setup::default() });
    world.put_payments(0, 1);
    world.cycle();
    world.clock.advance(Duration::from_millis(10));
    world.serve();
    world.put_payments(0, 1);
    world.cycle();
    world.put_payments(0, 1);
    world.clock.advance(Duration::from_millis(19));
    world.cycle();
    world.clock.advance(Duration::from_millis(11));
    serve_all(&mut world);
    let late: Vec<bool> = world.outputs().iter().map(|outcome| outcome.late).collect();
    assert_eq!(late, [false, true, false], "10, 32 and 13 ms after receipt");
    world.sink.state().ack_all();
    world.clock.advance(Duration::from_secs(1));
    world.stats.times.ask();
    world.cycles(2);
    let times = world.stats.times.total();
    let waits = times.get(Step::BatchWait);
    assert_eq!((waits.len(), waits.count_between(9_990, 10_010), waits.count_between(12_990, 13_010)), (3, 1, 1));
    assert!((31_980..32_100).contains(&waits.max()), "{}", waits.max());
    assert_eq!((times.get(Step::Decode).len(), times.get(Step::Inference).len()), (3, 3));
}
