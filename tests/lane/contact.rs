//! What a lane shows of its group. The story: the broker dies, the partitions' lag series vanish with them, and the alarm that
//! was to ring on a growing lag falls silent just then.

use std::time::Duration;

use crate::fakes::{Setup, World, cannot_be_read_on};
use scorewire::doors::{Contact, SourceEvent, Why};
use scorewire::observe::stats::{PartitionState, ShownPartition};
use scorewire::values::limits::PUBLISH_EVERY;

/// Partition, position and state, as readers see them after the next publication.
fn shown(world: &mut World) -> Vec<(i32, i64, PartitionState)> {
    world.clock.advance(PUBLISH_EVERY);
    world.cycle();
    let of = |shown: &ShownPartition| (shown.lag.partition, shown.lag.position, shown.state);
    world.stats.partitions.lock().unwrap().iter().map(of).collect()
}

fn now_ms(world: &World) -> u64 {
    use scorewire::doors::Clock;
    world.clock.now_ns() / 1_000_000
}

#[test]
fn lost_partitions_are_shown_as_they_were_until_the_lane_is_a_member_again() {
    use PartitionState::{Flowing, Lost};
    let mut world = Setup::default().build();
    world.put_payments(0, 20);
    world.put_payments(1, 5);
    world.settle();
    assert_eq!(shown(&mut world), [(0, 20, Flowing), (1, 5, Flowing)]);
    world.source.tell(SourceEvent::Lost(vec![0, 1]));
    assert_eq!(shown(&mut world), [(0, 20, Lost), (1, 5, Lost)]);
    assert_eq!(world.stats.assigned_partitions.get(), 0, "they are not ours");
    world.source.tell(SourceEvent::Assigned(vec![1]));
    let shown: Vec<_> = shown(&mut world).into_iter().map(|(partition, _, state)| (partition, state)).collect();
    assert_eq!(shown, [(1, Flowing)], "the other one is another member's");
}

#[test]
fn a_partition_that_is_given_back_in_order_is_shown_no_more() {
    let mut world = Setup::default().build();
    world.put_payments(0, 20);
    world.cycles(2);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    assert_eq!(shown(&mut world)[0].2, PartitionState::Leaving);
    world.settle();
    assert_eq!(shown(&mut world).iter().map(|shown| shown.0).collect::<Vec<_>>(), [1]);
    world.source.tell(cannot_be_read_on(1, 0, Why::LogTruncated, Some((0, 0))));
    assert_eq!(shown(&mut world)[0].2, PartitionState::Failed);
}

#[test]
fn the_last_contact_is_as_old_as_the_source_says_and_never_goes_back() {
    let mut world = Setup::default().build();
    let said = |world: &mut World, contact: Contact| {
        world.source.state().contact = Some(contact);
        shown(world);
    };
    let heard = |ms| Contact { heard_ago: Some(Duration::from_millis(ms)), ..Contact::default() };
    said(&mut world, heard(100));
    let first = world.stats.group_contact_ms.get();
    assert_eq!(first, now_ms(&world) - 100);
    said(&mut world, heard(60_000));
    assert_eq!(world.stats.group_contact_ms.get(), first, "older news");
    said(&mut world, Contact { no_input: Some("no topic".into()), heard_ago: None });
    assert_eq!(world.stats.no_input.lock().unwrap().as_deref(), Some("no topic"));
    said(&mut world, heard(0));
    assert_eq!(*world.stats.no_input.lock().unwrap(), None);
    assert_eq!(world.stats.group_contact_ms.get(), now_ms(&world));
}

/// The connection may break just after the client has said that all is well.
#[test]
fn a_complaint_is_over_when_the_group_was_heard_of_twice_since() {
    let mut world = Setup::default().build();
    let complaint = world.stats.complaint.get().expect("the source has one").clone();
    world.source.state().contact = Some(Contact::default());
    complaint.say("refused".into());
    let text = |world: &mut World| {
        shown(world);
        complaint.text()
    };
    assert_eq!(text(&mut world).as_deref(), Some("refused"));
    world.source.state().contact = None;
    assert_eq!(text(&mut world).as_deref(), Some("refused"));
    assert_eq!(text(&mut world), None);
    complaint.say("refused again".into());
    assert_eq!(text(&mut world).as_deref(), Some("refused again"));
}

#[test]
fn records_and_commits_leave_their_times() {
    let mut world = Setup::default().build();
    world.settle();
    assert_eq!(world.stats.received_ms.get(), 0, "nothing was received yet");
    world.put_payments(0, 3);
    world.cycle();
    let received_ms = now_ms(&world);
    assert_eq!(world.stats.received_ms.get(), received_ms);
    world.settle();
    assert_eq!(world.source.committed(0), Some(3));
    let committed_ms = world.stats.committed_ms.get();
    assert!(committed_ms >= received_ms);
    world.cycles(500);
    assert_eq!((world.stats.received_ms.get(), world.stats.committed_ms.get()), (received_ms, committed_ms), "idle");
}
