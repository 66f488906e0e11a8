//! Exactly-once, driven by hand. The story: a scorer commits outcomes whose offsets were refused, or goes on after an
//! abort where it stood instead of where the group stands, or uses a producer again whose last commit may still be on
//! its way, or lets a partition go with its transaction open.
//!
//! Promise 6, and what it stands on: at any moment, readers at `read_committed` see one outcome of each record below
//! the committed offset, and none of any other.

use std::time::Duration;

use crate::fakes::sink::REFUSED;
use crate::fakes::transactions::{Call, ExactlyOnceWorld as Eos, Failure, assert_atomic};
use crate::fakes::{Entry, Payment, Setup, payload};
use scorewire::doors::{Destination, SourceEvent, TransactionError};
use scorewire::error::exit;
use scorewire::values::limits::Limits;

fn world() -> Eos {
    Setup { batch_rows: 16, ..Setup::default() }.build_exactly_once()
}

/// Cycles in which everything in flight is acknowledged, each with its check.
fn run(world: &mut Eos, cycles: usize) {
    for _ in 0..cycles {
        world.sink.state().ack_all();
        world.cycle();
        assert_atomic(world);
    }
}

/// What is there is scored, and then the next commit is tried.
fn until_due(world: &mut Eos) {
    run(world, 2);
    world.clock.advance(world.setup.limits.commit_interval);
    run(world, 4);
}

fn count(world: &Eos, call: Call) -> usize {
    world.sink.state().transactions().count(call)
}

fn fail(world: &Eos, call: Call, error: TransactionError) {
    world.sink.state().transactions().fail(call, error);
}

fn refused() -> TransactionError {
    TransactionError::Abort("refused".into())
}

#[test]
fn outcomes_and_offsets_come_to_light_together_once_per_interval() {
    let mut world = world();
    until_due(&mut world);
    let before = count(&world, Call::Commit);
    world.put_payments(0, 10);
    world.put_payments(1, 5);
    run(&mut world, 10);
    assert_eq!(world.sink.state().visible(Destination::Outputs).len(), 0, "the interval is not over");
    assert_eq!((world.stats.scored.get(), world.stats.in_flight_records.get()), (0, 15), "nothing counts before");
    until_due(&mut world);
    assert_eq!(world.sink.state().visible(Destination::Outputs).len(), 15);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(10), Some(5)));
    assert_eq!((world.stats.scored.get(), world.stats.in_flight_records.get()), (15, 0));
    assert_eq!(count(&world, Call::Commit), before + 1, "one transaction for both partitions");
    let calls = world.sink.state().transactions().calls.len();
    until_due(&mut world);
    assert_eq!(world.sink.state().transactions().calls.len(), calls, "idle lanes have no transactions");
}

#[test]
fn it_drains_before_it_commits_and_hands_nothing_over_meanwhile() {
    let mut world = world();
    until_due(&mut world);
    let commits = count(&world, Call::Commit);
    world.put_payments(0, 8);
    world.cycles(2);
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycle();
    world.put_payments(0, 8);
    world.cycles(20);
    assert_eq!(world.offsets(Destination::Outputs, 0).len(), 8, "held back while the transaction closes");
    assert_eq!(count(&world, Call::Commit), commits, "outcomes are in flight");
    run(&mut world, 2);
    assert_eq!((count(&world, Call::Commit), world.source.committed(0)), (commits + 1, Some(8)));
    run(&mut world, 2);
    assert_eq!(world.offsets(Destination::Outputs, 0).len(), 16, "and then it goes on");
}

/// Their offsets may be held back by a transaction that their last owner left within its commit, for longer than one of ours
/// may be open: it was fenced by its time-out, and the partitions had no owner any more.
#[test]
fn a_transaction_ends_before_the_offsets_of_new_partitions_are_waited_for() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 5);
    world.cycles(2);
    assert!(world.sink.state().transactions().is_open());
    world.source.tell(SourceEvent::Assigned(vec![2]));
    world.cycle();
    assert_eq!(count(&world, Call::Abort), 1);
    until_due(&mut world);
    until_due(&mut world);
    assert_eq!((world.sink.state().visible(Destination::Outputs).len(), world.source.committed(0)), (5, Some(5)));
}

/// A record's review copy is out, and its output is not: the transaction waits for both.
#[test]
fn a_batch_that_is_half_handed_over_is_finished_before_the_commit() {
    let setup = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() };
    let mut world = setup.build_exactly_once();
    until_due(&mut world);
    world.source.put(0, Payment::new("band", 0.5).encode());
    world.sink.state().capacity = 1;
    world.cycle();
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(3);
    assert_eq!(world.sink.state().sent.len(), 1, "the copy alone");
    // Its acknowledgement makes no room: the queue is full of somebody else's.
    world.sink.state().capacity = 0;
    run(&mut world, 4);
    assert_eq!(world.sink.state().visible(Destination::Review).len(), 0, "a copy without its output");
    world.sink.state().capacity = 1;
    run(&mut world, 4);
    let visible = [Destination::Review, Destination::Outputs].map(|to| world.sink.state().visible(to).len());
    assert_eq!(visible, [1, 1]);
    assert_eq!(world.source.committed(0), Some(1));
}

#[test]
fn a_refused_commit_is_aborted_and_every_partition_goes_back_to_what_is_committed() {
    let mut world = world();
    world.put_payments(0, 4);
    until_due(&mut world);
    assert_eq!(world.source.committed(0), Some(4));
    world.put_payments(0, 3);
    world.put_payments(1, 2);
    run(&mut world, 2);
    fail(&world, Call::Offsets, refused());
    until_due(&mut world);
    assert!(world.journal.contains(&Entry::Sought(0, 4)) && world.journal.contains(&Entry::Sought(1, 0)));
    assert_eq!(world.stats.handed_back.get(), 5, "acknowledged and aborted: handed back, not scored");
    assert_eq!(world.sink.state().transactions().aborts, 1);
    until_due(&mut world);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(7), Some(2)));
    assert_eq!(world.stats.scored.get(), 9);
    assert_eq!(count(&world, Call::Renew), 0, "a clean abort costs no producer");
}

#[test]
fn a_failed_delivery_costs_the_transaction_and_not_the_order() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 6);
    world.cycle();
    world.sink.state().answer(Err(REFUSED), |sent| sent.source.offset == 2);
    run(&mut world, 3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    assert_eq!(world.stats.delivery_failures.get(), 1);
    until_due(&mut world);
    assert_eq!(world.source.committed(0), Some(6));
}

#[test]
fn the_same_failed_delivery_again_and_again_ends_the_process() {
    let limits = Limits { delivery_failures_max: 3, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build_exactly_once();
    world.put_payments(0, 6);
    for _ in 0..200 {
        world.sink.state().answer(Err(REFUSED), |sent| sent.source.offset == 2);
        world.sink.state().ack_all();
        if let Err(fatal) = world.try_cycle() {
            assert_eq!(fatal.code, exit::DELIVERY);
            assert!(fatal.what.contains("(topics.outputs) was not taken 4 times in a row: "), "{fatal}");
            return;
        }
    }
    panic!("turns for ever over offset 2");
}

#[test]
fn refusals_without_end_are_given_up_after_the_commit_timeout() {
    let mut world = world();
    world.put_payments(0, 1);
    for _ in 0..1_000 {
        fail(&world, Call::Offsets, refused());
        world.sink.state().ack_all();
        world.clock.advance(world.setup.limits.commit_interval);
        if let Err(fatal) = world.try_cycle() {
            assert_eq!(fatal.code, exit::UNAVAILABLE);
            assert!(fatal.what.contains("refused"), "{fatal}");
            return;
        }
    }
    panic!("turns for ever");
}

/// The client may have sent the end of the transaction twice; the second one must meet a fence.
#[test]
fn a_producer_whose_commit_was_slow_or_in_trouble_is_not_used_again_though_it_succeeded() {
    for slow in [true, false] {
        let mut world = world();
        until_due(&mut world);
        world.put_payments(0, 3);
        run(&mut world, 2);
        if slow {
            world.sink.state().transactions().slow = Some((Call::Commit, Duration::from_millis(400)));
        } else {
            world.sink.state().transactions().trouble = true;
        }
        until_due(&mut world);
        assert_eq!(world.source.committed(0), Some(3), "it is committed all the same");
        world.put_payments(0, 3);
        until_due(&mut world);
        let calls = world.sink.state().transactions().calls.clone();
        let tail = [Call::Commit, Call::Renew, Call::Begin, Call::Offsets, Call::Commit];
        assert_eq!(calls[calls.len() - 5..], tail, "slow {slow}");
        assert_eq!(world.source.committed(0), Some(6));
        assert_eq!(world.stats.handed_back.get(), 0);
    }
}

#[test]
fn a_commit_in_doubt_is_settled_by_a_new_producer_and_the_groups_offsets() {
    for in_truth_done in [true, false] {
        let mut world = world();
        until_due(&mut world);
        world.put_payments(0, 5);
        run(&mut world, 2);
        let error = TransactionError::Renew("no answer".into());
        world.sink.state().transactions().failures.push_back(Failure { call: Call::Commit, error, in_truth_done });
        until_due(&mut world);
        assert_eq!(count(&world, Call::Renew), 1);
        let from = if in_truth_done { 5 } else { 0 };
        assert!(world.journal.contains(&Entry::Sought(0, from)), "in truth done: {in_truth_done}");
        world.put_payments(0, 1);
        until_due(&mut world);
        assert_eq!(world.source.committed(0), Some(6));
        assert_eq!(world.sink.state().visible(Destination::Outputs).len(), 6);
    }
}

#[test]
fn a_step_that_wants_to_be_asked_again_is_and_the_producer_is_replaced_afterwards() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 2);
    run(&mut world, 2);
    fail(&world, Call::Commit, TransactionError::Retry("coordinator loads".into()));
    let commits = count(&world, Call::Commit);
    until_due(&mut world);
    assert_eq!((count(&world, Call::Commit), world.source.committed(0)), (commits + 2, Some(2)));
    world.put_payments(0, 1);
    run(&mut world, 2);
    assert_eq!(count(&world, Call::Renew), 1);
}

#[test]
fn an_abort_that_fails_and_a_producer_that_cannot_begin_are_replaced() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 2);
    run(&mut world, 2);
    fail(&world, Call::Commit, refused());
    fail(&world, Call::Abort, TransactionError::Renew("fatal".into()));
    until_due(&mut world);
    assert_eq!(count(&world, Call::Renew), 1);
    until_due(&mut world);
    assert_eq!(world.source.committed(0), Some(2));
    fail(&world, Call::Begin, TransactionError::Renew("fatal".into()));
    world.put_payments(0, 2);
    until_due(&mut world);
    assert_eq!((count(&world, Call::Renew), world.source.committed(0)), (2, Some(4)));
    assert_eq!(world.stats.producers_replaced.get(), 2);
}

#[test]
fn whoever_is_fenced_ends_at_once() {
    for call in [Call::Begin, Call::Offsets, Call::Commit] {
        let mut world = world();
        until_due(&mut world);
        fail(&world, call, TransactionError::Fenced("epoch 7 is over".into()));
        world.put_payments(0, 2);
        world.sink.state().auto_ack = true;
        let fatal = world.cycle_until_fatal();
        assert_eq!(fatal.code, exit::DELIVERY);
        assert!(fatal.what.contains("epoch 7 is over") && fatal.fix.contains("kafka.node"), "{call:?}: {fatal}");
        assert_eq!(world.sink.state().visible(Destination::Outputs).len(), 0);
    }
}

#[test]
fn a_revoked_partition_goes_after_its_transaction_is_committed() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 4);
    world.put_payments(1, 4);
    world.cycles(2);
    let commits = count(&world, Call::Commit);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(5);
    assert!(!world.journal.contains(&Entry::Released(0)), "outcomes are in flight");
    run(&mut world, 4);
    assert!(world.journal.contains(&Entry::Released(0)));
    assert_eq!(count(&world, Call::Commit), commits + 1, "at once, not with the interval");
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(4), Some(4)));
    assert!(!world.sink.state().transactions().is_open());
}

#[test]
fn a_revoke_that_takes_too_long_aborts_before_it_lets_go() {
    let limits = Limits { revoke_timeout: Duration::from_millis(100), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build_exactly_once();
    until_due(&mut world);
    world.put_payments(0, 4);
    world.put_payments(1, 2);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycle();
    world.clock.advance(Duration::from_millis(100));
    world.cycles(2);
    assert!(world.journal.contains(&Entry::Released(0)));
    assert!(!world.journal.contains(&Entry::Sought(0, 0)), "it leaves, it does not go back");
    assert!(world.journal.contains(&Entry::Sought(1, 0)), "the kept partition does");
    assert_eq!(world.sink.state().transactions().aborts, 1);
    until_due(&mut world);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(0), Some(2)));
}

#[test]
fn promise_6_a_lost_partition_takes_the_transaction_with_it() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 4);
    world.put_payments(1, 4);
    run(&mut world, 2);
    world.source.tell(SourceEvent::Lost(vec![0]));
    run(&mut world, 3);
    assert_eq!(world.sink.state().transactions().aborts, 1);
    assert!(!world.journal.contains(&Entry::Sought(0, 0)));
    until_due(&mut world);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(0), Some(4)));
    assert_eq!(world.stats.handed_back.get(), 8);
    assert_eq!(world.stats.scored.get(), 4);
}

#[test]
fn promise_8_a_stop_commits_what_was_taken_in_and_leaves_nothing_open() {
    let mut world = world();
    world.put_payments(0, 30);
    world.cycles(2);
    world.lane.start_drain().unwrap();
    for _ in 0..50 {
        run(&mut world, 1);
    }
    assert!(world.lane.is_drained());
    assert!(world.lane.close(Duration::from_secs(1)), "left in order");
    let received = world.stats.received.get();
    assert_eq!(world.stats.scored.get(), received);
    assert_eq!(world.source.committed(0), i64::try_from(received).ok());
    assert!(!world.sink.state().transactions().is_open());
}

#[test]
fn a_stop_that_cannot_drain_aborts_what_is_open() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 5);
    world.cycles(2);
    world.lane.start_drain().unwrap();
    world.cycles(20);
    assert!(!world.lane.is_drained());
    assert!(!world.lane.close(Duration::from_secs(1)), "not in order");
    assert_eq!(world.sink.state().transactions().aborts, 1);
    assert_eq!(world.stats.handed_back.get(), 5);
    assert_atomic(&world);
}

/// What waits for a schema is in no transaction, and an abort receives it again.
#[test]
fn records_behind_a_schema_are_not_committed_and_not_lost_by_an_abort() {
    let mut world = world();
    until_due(&mut world);
    world.put_payments(0, 2);
    for _ in 0..3 {
        world.source.put(0, Payment::new("w", 0.5).schema_id(payload::PENDING_ID).encode());
    }
    run(&mut world, 2);
    fail(&world, Call::Commit, refused());
    until_due(&mut world);
    until_due(&mut world);
    assert_eq!(world.source.committed(0), Some(2));
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    run(&mut world, 3);
    until_due(&mut world);
    assert_eq!(world.source.committed(0), Some(5));
    assert_eq!(world.stats.scored.get(), 5);
}
