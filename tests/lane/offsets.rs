//! Offsets move only after the outcomes. The story: a scorer that commits what it has read instead of what it has
//! delivered, or computes `offset + 1` over holes, or commits twice at a time, loses records with the next restart and
//! nobody sees it.
//!
//! Promise 2: offsets move only after every outcome of a record is acknowledged, per partition contiguous in the
//! sequence of records received, and the position moves past trailing markers.

use std::time::Duration;

use crate::fakes::source::Answers;
use crate::fakes::{Entry, Payment, Setup};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::exit;
use scorewire::values::limits::Limits;

const REFUSED: i32 = 27;

#[test]
fn promise_2_nothing_is_committed_before_it_is_acknowledged() {
    let mut world = Setup::default().build();
    world.put_payments(0, 5);
    for _ in 0..10 {
        world.cycle();
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.outputs().len(), 5);
    assert_eq!(world.source.committed(0), Some(0), "the start of the partition, and nothing else");
    world.settle();
    assert_eq!(world.source.committed(0), Some(5));
}

#[test]
fn promise_2_commits_cover_the_contiguous_prefix_only() {
    let mut world = Setup::default().build();
    world.put_payments(0, 6);
    world.cycle();
    for (places, committed) in [(vec![5, 3, 1], 0), (vec![0], 2), (vec![4], 2), (vec![2], 6)] {
        world.sink.state().answer_in_order(Ok(()), &places);
        world.clock.advance(Duration::from_secs(1));
        world.cycles(3);
        assert_eq!(world.source.committed(0), Some(committed), "after {places:?}");
    }
    assert_eq!(world.stats.scored.get(), 6);
}

#[test]
fn promise_2_partitions_are_acknowledged_independently() {
    let mut world = Setup::default().build();
    world.put_payments(0, 3);
    world.put_payments(1, 3);
    world.cycle();
    world.sink.state().answer(Ok(()), |sent| sent.source.partition == 1);
    world.clock.advance(Duration::from_secs(1));
    world.cycles(3);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(0), Some(3)));
}

#[test]
fn promise_2_a_record_with_a_review_copy_waits_for_both_acknowledgements() {
    let setup = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() };
    for first in [Destination::Review, Destination::Outputs] {
        let mut world = setup.clone().build();
        world.source.put(0, Payment::new("band", 0.5).encode());
        world.cycle();
        world.sink.state().answer(Ok(()), |sent| sent.destination == first);
        world.clock.advance(Duration::from_secs(1));
        world.cycles(3);
        assert_eq!(world.source.committed(0), Some(0), "{first:?} alone is not enough");
        assert_eq!(world.stats.scored.get(), 0);
        world.settle();
        assert_eq!(world.source.committed(0), Some(1));
        assert_eq!(world.stats.scored.get(), 1);
    }
}

#[test]
fn promise_2_a_dead_letter_moves_the_offset_like_any_outcome() {
    let mut world = Setup::default().build();
    world.source.put(0, None);
    world.put_payments(0, 1);
    world.cycle();
    world.sink.state().answer(Ok(()), |sent| sent.destination == Destination::Outputs);
    world.clock.advance(Duration::from_secs(1));
    world.cycles(3);
    assert_eq!(world.source.committed(0), Some(0));
    world.settle();
    assert_eq!(world.source.committed(0), Some(2));
}

#[test]
fn promise_2_holes_in_offsets_do_not_stall_it_and_trailing_markers_are_passed() {
    let mut world = Setup::default().build();
    for offset in [3, 4, 9, 100] {
        world.source.put_at(offset, 0, None, Some(Payment::new("h", 0.25).encode()), Vec::new());
    }
    world.source.put_markers(0, 7);
    world.source.put_markers(1, 2);
    world.cycles(2);
    world.clock.advance(Duration::from_secs(1));
    world.cycles(3);
    assert_eq!(world.source.committed(0), Some(0), "markers are not passed while a record is open");
    assert_eq!(world.source.committed(1), Some(2), "a partition of markers alone moves");
    world.settle();
    assert_eq!(world.source.committed(0), Some(108));
}

#[test]
fn a_record_that_the_source_hands_out_twice_is_taken_in_once() {
    let mut world = Setup::default().build();
    world.put_payments(0, 4);
    world.cycle();
    world.source.repeat_for_test(0, 1);
    world.put_payments(0, 2);
    world.cycles(3);
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..6).collect::<Vec<_>>());
    assert_eq!(world.stats.received.get(), 6);
    assert_eq!(world.source.committed(0), Some(6));
}

#[test]
fn a_start_is_committed_before_the_first_record_so_that_it_cannot_move() {
    let mut world = Setup::default().build();
    world.clock.advance(Duration::from_millis(100));
    world.cycles(2);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(0), Some(0)));
    let commits = world.stats.commits.get();
    world.clock.advance(Duration::from_secs(10));
    world.cycles(5);
    assert_eq!(world.stats.commits.get(), commits, "nothing new, no commit");
}

/// The fake panics on a second commit beside the first.
#[test]
fn one_commit_at_a_time_however_long_the_answer_takes() {
    let mut world = Setup::default().build();
    world.source.state().answers = Answers::OnDemand;
    world.sink.state().auto_ack = true;
    world.put_payments(0, 1);
    world.cycle_until("a commit", |world| world.source.is_commit_outstanding());
    let started = world.stats.commits.get();
    for _ in 0..20 {
        world.put_payments(0, 3);
        world.clock.advance(Duration::from_secs(1));
        world.cycle();
    }
    assert_eq!(world.stats.commits.get(), started);
    world.source.answer(Ok(()));
    world.cycle_until("the next commit", |world| world.source.is_commit_outstanding());
    world.source.answer(Ok(()));
    world.cycles(2);
    assert_eq!(world.source.committed(0), Some(61));
}

#[test]
fn a_refused_commit_is_tried_again_with_what_is_finished_by_then() {
    let mut world = Setup::default().build();
    world.settle();
    world.source.state().refuse.extend([REFUSED, REFUSED]);
    world.sink.state().auto_ack = true;
    world.put_payments(0, 2);
    world.cycle_until("the refusal", |world| world.stats.commit_failures.get() == 1);
    assert_eq!(world.source.committed(0), Some(0));
    world.put_payments(0, 2);
    world.cycle_until("the second refusal", |world| world.stats.commit_failures.get() == 2);
    world.cycle_until("the commit", |world| world.source.committed(0) == Some(4));
    assert_eq!(world.stats.received.get(), 4, "nothing is read again for it");
}

#[test]
fn a_commit_without_an_answer_ends_the_process() {
    let limits = Limits { commit_timeout: Duration::from_secs(5), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build_unassigned();
    world.source.state().answers = Answers::OnDemand;
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycle_until("a commit", |world| world.source.is_commit_outstanding());
    world.clock.advance(Duration::from_millis(4_990));
    world.cycle();
    world.clock.advance(Duration::from_millis(10));
    let fatal = world.try_cycle().unwrap_err();
    assert_eq!(fatal.code, exit::UNAVAILABLE);
    assert!(fatal.what.contains("5s"), "{fatal}");
}

/// An outage of the brokers: the group gives up before the answer does, and a node has nothing to end for.
#[test]
fn a_commit_of_lost_partitions_may_be_answered_late() {
    let limits = Limits { commit_timeout: Duration::from_secs(5), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build_unassigned();
    world.source.state().answers = Answers::OnDemand;
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycle_until("a commit", |world| world.source.is_commit_outstanding());
    world.source.tell(SourceEvent::Lost(vec![0, 1]));
    world.cycles(2);
    world.clock.advance(Duration::from_secs(600));
    world.cycles(2);
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycles(2);
    world.clock.advance(Duration::from_millis(4_900));
    world.cycles(2);
    world.source.answer(Err(REFUSED));
    world.cycle_until("the next commit", |world| world.source.is_commit_outstanding());
    world.source.answer(Ok(()));
    world.cycles(2);
    assert_eq!(world.source.committed(0), Some(0));
}

#[test]
fn commits_keep_their_interval() {
    let mut world = Setup::default().build();
    world.sink.state().auto_ack = true;
    world.settle();
    let before = world.stats.commits.get();
    for _ in 0..1_000 {
        world.put_payments(0, 1);
        world.cycle();
        world.sink.state().ack_all();
    }
    let commits = world.stats.commits.get() - before;
    assert!((9..=11).contains(&commits), "one in 100 ms: {commits} in a second");
}

/// librdkafka sets the position behind the *event* that tells the end, when events are taken in a batch.
#[test]
fn promise_2_the_end_of_a_partition_is_no_record_and_not_committed_past() {
    let mut world = Setup { until: Some(vec![3, 0]), ..Setup::default() }.build_unassigned();
    {
        let mut state = world.source.state();
        state.tell_end = true;
        state.end_moves_position = true;
    }
    world.put_payments(0, 3);
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycles(3);
    world.settle();
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(3), Some(0)));
    world.put_payments(0, 1);
    world.source.put_markers(0, 4);
    world.cycles(3);
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3]);
    assert_eq!(world.source.committed(0), Some(8), "markers behind a record are passed as ever");
}

#[test]
fn a_bounded_run_is_at_its_end_when_everything_up_to_it_is_committed() {
    let mut world = Setup { until: Some(vec![3, 0]), ..Setup::default() }.build_unassigned();
    world.source.state().tell_end = true;
    world.put_payments(0, 3);
    world.source.tell(SourceEvent::Assigned(vec![0, 1]));
    world.cycles(5);
    assert!(!world.lane.is_at_end(), "three outcomes are not acknowledged");
    world.sink.state().ack_all();
    world.cycles(2);
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.lane.is_at_end(), "and now not committed");
    world.cycles(3);
    assert!(world.lane.is_at_end());
    world.clock.advance(Duration::from_secs(1));
    world.cycle();
    assert!(world.stats.at_end.get().1, "readers are told");
    assert_eq!(world.journal.count(|entry| matches!(entry, Entry::Sent(..))), 3);
}
