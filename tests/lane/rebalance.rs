//! Partitions that come and go. The story: a scorer that is asked for a partition lets it go with outcomes on their
//! way and commits them after the next owner has begun, or goes on producing for a partition it has lost, or holds all
//! partitions up while one drains.
//!
//! Promise 2 (ownership is our own epoch map's word), promise 6 (at-least-once: a lane that lost a partition hands
//! nothing further to the producer and purges what is unsent).

use std::time::Duration;

use crate::fakes::source::Answers;
use crate::fakes::transactions::{Call, ExactlyOnceWorld};
use crate::fakes::{Entry, Payment, Setup, World, cannot_be_read_on, payload};
use scorewire::doors::{Destination, SourceEvent, TransactionError, Why};
use scorewire::values::limits::{HEARD_OF_LOSS, KEEP_AWAKE_EVERY, Limits, STOOD_STILL};

fn released(world: &World, partition: i32) -> bool {
    world.journal.contains(&Entry::Released(partition))
}

/// Nothing of the partition is taken, produced or committed after the entry, until it is assigned again.
fn assert_silent_after(world: &World, entry: &Entry, partition: i32) {
    let all = world.journal.all();
    let at = all.iter().position(|known| known == entry).expect("it happened");
    let end = all[at..].iter().position(|known| *known == Entry::Assigned(partition)).map_or(all.len(), |n| at + n);
    for later in &all[at + 1..end] {
        match later {
            Entry::Polled(position) | Entry::Sent(position, _) => {
                assert_ne!(position.partition, partition, "{later:?}")
            }
            Entry::CommitStarted(of, _) | Entry::Resumed(of) | Entry::Sought(of, _) => {
                assert_ne!(*of, partition, "{later:?}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_revoked_partition_drains_commits_and_only_then_goes() {
    let mut world = Setup::default().build();
    world.put_payments(0, 20);
    world.cycles(2);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(5);
    assert!(!released(&world, 0), "outcomes are in flight");
    let taken = world.offsets(Destination::Outputs, 0).len();
    world.source.state().answers = Answers::OnDemand;
    world.sink.state().ack_all();
    world.cycle_until("the commit", |world| world.source.is_commit_outstanding());
    assert!(!released(&world, 0), "the commit is not answered");
    world.source.answer(Ok(()));
    world.cycle_until("the release", |world| released(world, 0));
    world.put_payments(0, 5);
    world.cycles(20);
    assert_silent_after(&world, &Entry::Released(0), 0);
    assert_eq!(world.source.committed(0), i64::try_from(taken).ok());
    assert_eq!(world.stats.handed_back.get(), 0);
    assert_eq!(world.stats.assigned_partitions.get(), 2, "published a few times a second");
}

#[test]
fn kept_partitions_flow_while_another_drains() {
    let mut world = Setup::default().build();
    world.put_payments(0, 8);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(2);
    world.put_payments(1, 40);
    world.cycles(10);
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..40).collect::<Vec<_>>());
    assert!(!released(&world, 0));
    world.settle();
    assert!(released(&world, 0));
    assert!(!world.source.is_paused(1));
    assert_eq!(world.source.committed(1), Some(40));
}

#[test]
fn a_revoke_commits_at_once_and_again_after_a_refusal() {
    let mut world = Setup::default().build();
    world.settle();
    world.put_payments(0, 3);
    world.cycle();
    world.sink.state().ack_all();
    world.source.state().refuse.extend([22, 27]);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycle_until("the release", |world| released(world, 0));
    assert_eq!(world.stats.commit_failures.get(), 2);
    assert_eq!(world.source.committed(0), Some(3));
}

#[test]
fn the_group_does_not_wait_for_ever() {
    let limits = Limits { revoke_timeout: Duration::from_millis(100), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 6);
    world.put_payments(1, 2);
    world.cycle();
    world.sink.state().answer_in_order(Ok(()), &[0, 1]);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycle();
    world.clock.advance(Duration::from_millis(90));
    world.cycle();
    assert!(!released(&world, 0));
    world.clock.advance(Duration::from_millis(10));
    world.cycles(2);
    assert!(released(&world, 0));
    assert!(world.journal.contains(&Entry::Purged), "what is unsent would come after the next owner's outcomes");
    assert_eq!(world.source.committed(0), Some(2), "what was finished is committed all the same");
    world.settle();
    assert_silent_after(&world, &Entry::Released(0), 0);
    assert_eq!(world.source.committed(0), Some(2));
    assert_eq!(world.source.committed(1), Some(2), "the kept partition went back for what was purged");
}

#[test]
fn promise_6_a_lost_partition_is_purged_and_nothing_further_is_produced_for_it() {
    let mut world = Setup { batch_rows: 16, ..Setup::default() }.build();
    world.put_payments(0, 8);
    world.put_payments(1, 8);
    world.sink.state().capacity = 4;
    world.cycle();
    world.sink.state().transmit_all();
    world.sink.state().capacity = 6;
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..6).collect::<Vec<_>>(), "two are queued, two not sent");
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.clock.advance(world.setup.limits.pause_after);
    world.cycle_until("the loss", |world| released(world, 0));
    world.sink.state().capacity = 100;
    world.put_payments(0, 5);
    world.settle();
    assert_silent_after(&world, &Entry::Released(0), 0);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..6).collect::<Vec<_>>());
    assert_eq!(world.sink.state().delivered(Destination::Outputs).len(), 4 + 8, "the queued ones were purged");
    assert_eq!(world.stats.handed_back.get(), 8);
    assert_eq!(world.source.committed(1), Some(8));
    assert!(world.source.committed(0).is_none_or(|offset| offset == 0), "a late acknowledgement commits nothing");
}

/// Three records are finished; four more are there when the lane finds that time is gone, in a poll or between two.
fn world_that_stood_still(in_poll: bool) -> World {
    let mut world = Setup::default().build();
    world.put_payments(0, 3);
    world.cycles(2);
    world.settle();
    world.put_payments(0, 4);
    if in_poll {
        world.source.state().stands_still = Some((world.clock.clone(), STOOD_STILL));
    } else {
        world.clock.advance(STOOD_STILL);
    }
    world.cycles(3);
    world
}

/// The story: a process is stopped for longer than its session lasts, another member scores its partitions, and when it
/// wakes up its client hands out what it had fetched before it knows of anything.
#[test]
fn promise_6_a_lane_that_stood_still_scores_nothing_new_before_it_knows_that_its_partitions_are_gone() {
    let mut world = world_that_stood_still(true);
    world.source.state().session_is_over = true;
    world.clock.advance(HEARD_OF_LOSS);
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2], "they were polled and wait");
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycle_until("the loss", |world| released(world, 0));
    world.source.state().session_is_over = false;
    world.put_payments(1, 2);
    world.cycles(2);
    world.settle();
    assert_silent_after(&world, &Entry::Released(0), 0);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2]);
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1], "what is still its own goes on");
    assert_eq!((world.stats.received.get(), world.stats.handed_back.get()), (5, 0), "never taken in");
}

#[test]
fn a_lane_that_stood_still_and_kept_its_partitions_goes_on_and_polled_no_backlog_meanwhile() {
    for in_poll in [false, true] {
        let mut world = world_that_stood_still(in_poll);
        world.put_payments(0, 100);
        world.cycles(50);
        assert_eq!(world.stats.received.get(), 3, "it may have lost them");
        let polled = world.journal.all().iter().filter(|entry| matches!(entry, Entry::Polled(_))).count();
        assert_eq!(polled, if in_poll { 7 } else { 3 }, "what is not looked at stays in the broker");
        world.clock.advance(HEARD_OF_LOSS);
        world.cycles(2);
        world.settle();
        assert_eq!(world.offsets(Destination::Outputs, 0), (0..107).collect::<Vec<_>>());
        assert_eq!(world.source.committed(0), Some(107));
    }
}

#[test]
fn promise_6_records_that_come_with_the_loss_are_not_looked_at() {
    let mut world = Setup::default().build();
    world.put_payments(0, 3);
    world.put_payments(1, 3);
    // The same poll brings the records of both partitions and the loss of one.
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycle();
    assert!(world.offsets(Destination::Outputs, 0).is_empty());
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1, 2]);
}

#[test]
fn kept_partitions_go_back_for_what_a_loss_purged_and_keep_their_order() {
    let mut world = Setup { batch_rows: 16, ..Setup::default() }.build();
    world.put_payments(0, 4);
    world.put_payments(1, 4);
    world.cycle();
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.put_payments(1, 4);
    world.cycles(3);
    world.settle();
    let sink = world.sink.state();
    let delivered = sink.delivered(Destination::Outputs);
    let kept: Vec<i64> =
        delivered.iter().filter(|sent| sent.source.partition == 1).map(|sent| sent.source.offset).collect();
    assert_eq!(kept, (0..8).collect::<Vec<_>>(), "nothing passed what was purged");
}

#[test]
fn a_partition_that_comes_back_goes_on_where_it_was_committed() {
    let mut world = Setup::default().build();
    world.put_payments(0, 6);
    world.cycle();
    world.sink.state().answer_in_order(Ok(()), &[0, 1, 2]);
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(3);
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycle_until("the loss", |world| released(world, 0));
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 5, 3, 4, 5]);
    // Acknowledgements of the first assignment count for nothing in the second.
    world.sink.state().answer(Ok(()), |_| false);
    world.settle();
    assert_eq!(world.source.committed(0), Some(6));
    assert_eq!(world.stats.scored.get(), 6);
    assert_eq!(world.stats.handed_back.get(), 3);
}

#[test]
fn a_revoked_partition_that_waits_for_a_schema_hands_back_what_waits() {
    let mut world = Setup::default().build();
    world.put_payments(0, 2);
    for _ in 0..3 {
        world.source.put(0, Payment::new("w", 0.5).schema_id(payload::PENDING_ID).encode());
    }
    world.cycles(2);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.settle();
    assert!(released(&world, 0));
    assert_eq!(world.source.committed(0), Some(2));
    assert_eq!(world.stats.handed_back.get(), 3);
}

#[test]
fn a_loss_during_a_revoke_lets_both_go() {
    let mut world = Setup { partitions: 3, ..Setup::default() }.build();
    (0..3).for_each(|partition| world.put_payments(partition, 2));
    world.cycle();
    world.sink.state().transmit_all();
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(2);
    world.source.tell(SourceEvent::Lost(vec![1]));
    world.cycles(2);
    assert!(released(&world, 1) && !released(&world, 0));
    world.settle();
    assert!(released(&world, 0), "the group still waits for it");
    world.put_payments(2, 1);
    world.cycle();
    world.source.tell(SourceEvent::Revoked(vec![2]));
    world.cycle();
    assert!(!released(&world, 2), "an outcome is in flight");
    world.source.tell(SourceEvent::Lost(vec![2]));
    world.cycles(3);
    assert!(released(&world, 2));
    assert_silent_after(&world, &Entry::Released(2), 2);
    assert!(world.lane.is_drained());
}

#[test]
fn a_commit_under_way_when_the_partition_goes_is_nobody_elses_answer() {
    let limits = Limits { revoke_timeout: Duration::from_millis(50), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.settle();
    world.source.state().answers = Answers::OnDemand;
    world.put_payments(0, 4);
    world.cycle();
    world.sink.state().ack_all();
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycle_until("the commit", |world| world.source.is_commit_outstanding());
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.cycles(2);
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(2);
    world.source.answer(Ok(()));
    world.cycles(2);
    world.source.state().answers = Answers::AtOnce;
    world.settle();
    assert_eq!(world.source.committed(0), Some(4));
    assert!(world.lane.is_drained());
}

#[test]
fn a_partition_that_cannot_be_read_on_stops_alone_and_stays_assigned() {
    let mut world = Setup::default().build();
    world.put_payments(0, 3);
    world.cycle();
    world.source.tell(cannot_be_read_on(0, 3, Why::Unreadable, None));
    world.cycles(2);
    world.put_payments(0, 3);
    world.put_payments(1, 3);
    world.clock.advance(Duration::from_secs(1));
    world.cycles(3);
    assert!(world.source.is_paused(0), "nothing is fetched for nothing");
    assert!(world.source.is_assigned(0), "nobody else runs into the same wall");
    assert_eq!(world.stats.failed_partitions.get(), 1);
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2]);
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1, 2]);
    assert_eq!(world.source.committed(0), Some(3), "what was taken in before is finished");
    assert!(world.source.is_paused(0));
}

#[test]
fn an_empty_assignment_counts_as_joined() {
    let mut world = Setup::default().build_unassigned();
    assert!(!world.stats.joined.load(std::sync::atomic::Ordering::Relaxed));
    world.source.tell(SourceEvent::Assigned(Vec::new()));
    world.cycles(2);
    assert!(world.stats.joined.load(std::sync::atomic::Ordering::Relaxed));
    world.source.tell(SourceEvent::Revoked(Vec::new()));
    world.cycles(2);
    assert!(world.lane.is_drained());
}

/// Twenty times a second, whatever else there is to do: a rebalance waits for whoever hears of it last.
#[test]
fn a_source_is_kept_awake_with_records_and_without() {
    let mut world = Setup::default().build();
    let times = |world: &World| world.source.state().awakened;
    let before = times(&world);
    world.clock.advance(KEEP_AWAKE_EVERY);
    world.cycles(5);
    assert_eq!(times(&world), before + 1, "not with every cycle");
    world.put_payments(0, 3);
    world.clock.advance(KEEP_AWAKE_EVERY);
    world.cycles(5);
    assert_eq!(times(&world), before + 2);
    world.lane.start_drain().unwrap();
    world.clock.advance(KEEP_AWAKE_EVERY);
    world.cycles(5);
    assert_eq!(times(&world), before + 3, "nor does it sleep while it drains");
}

/// Its open transaction would hold back the offsets that the lane reads then, until it times out.
#[test]
fn a_producer_that_could_not_abort_is_replaced_before_new_partitions_are_read() {
    let mut world = Setup { batch_rows: 16, ..Setup::default() }.build_exactly_once();
    let cannot_abort = |world: &ExactlyOnceWorld| {
        world.sink.state().transactions().fail(Call::Abort, TransactionError::Renew("no coordinator".into()));
    };
    let renewed = |world: &ExactlyOnceWorld| world.sink.state().transactions().count(Call::Renew);
    world.put_payments(0, 4);
    world.cycles(3);
    cannot_abort(&world);
    world.source.tell(SourceEvent::Lost(vec![0, 1]));
    world.cycles(2);
    assert_eq!(renewed(&world), 0, "nothing to go on with");
    // A quiet partition: nothing is handed over that would need a producer.
    world.source.tell(SourceEvent::Assigned(vec![1]));
    world.cycles(1);
    assert_eq!(renewed(&world), 1);
    // Both at once: the transaction of what is lost ends before offsets are read.
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(2);
    cannot_abort(&world);
    world.source.tell(SourceEvent::Lost(vec![0, 1]));
    world.source.tell(SourceEvent::Assigned(vec![1]));
    world.cycles(1);
    assert_eq!(renewed(&world), 2);
}
