//! Partitions that cannot be read on. The story: retention removes records that nobody has scored, and the scorer jumps over
//! them without a word; or the whole fleet stops for one partition; or it stops, and nobody can tell which one, why, what is
//! lost and what to do. And partitions that wait for a schema for hours, which nobody sees.

use crate::fakes::world::TOPIC;
use crate::fakes::{FakeSink, FakeSource, Payment, Setup, World, cannot_be_read_on, payload};
use scorewire::doors::{Destination, SourceEvent, Why};
use scorewire::error::Reject;
use scorewire::lane::commit::Commit;
use scorewire::observe::stats::PartitionState;
use scorewire::values::limits::PUBLISH_EVERY;
use scorewire::values::record::{Hope, Undelivered};
use scorewire::values::settings::OutOfRange;

fn goes_on() -> Setup {
    Setup { out_of_range: OutOfRange::Earliest, ..Setup::default() }
}

fn publish<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) {
    world.clock.advance(PUBLISH_EVERY);
    world.cycles(2);
}

fn take_three<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) {
    let taken = world.stats.received.get() + 3;
    world.put_payments(0, 3);
    world.cycle_until("three are taken", |world| world.stats.received.get() == taken);
}

/// Three records are taken in, three more are removed before anybody has read them, and two follow.
fn lose_three<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) {
    take_three(world);
    world.put_payments(0, 5);
    world.source.remove_before(0, 6);
    world.cycles(2);
}

#[test]
fn a_partition_whose_records_were_removed_stops_with_its_numbers_and_the_others_go_on() {
    let mut world = Setup::default().build();
    lose_three(&mut world);
    world.put_payments(1, 4);
    world.settle();
    publish(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2], "what was taken in before is finished");
    assert_eq!(world.offsets(Destination::Outputs, 1), [0, 1, 2, 3]);
    assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(3), Some(4)), "nothing jumped");
    let held_up = world.stats.held_up.lock().unwrap();
    let [stopped] = held_up.stopped.as_slice() else { panic!("one: {held_up:?}") };
    let stop = &stopped.stop;
    assert_eq!((stopped.partition, stop.why, stop.next, stop.kept), (0, Why::OffsetOutOfRange, 3, Some((6, 8))));
    assert_eq!((stop.lost(), world.stats.records_lost.get()), (3, 3));
    drop(held_up);
    // The client says it again when the group moves.
    world.source.tell(cannot_be_read_on(0, 3, Why::OffsetOutOfRange, Some((7, 8))));
    world.cycles(2);
    assert_eq!((world.stats.records_lost.get(), world.stats.failed_partitions.get()), (3, 1));
}

#[test]
fn a_partition_that_is_given_away_is_nobodys_alarm_here() {
    let mut world = Setup::default().build();
    lose_three(&mut world);
    publish(&mut world);
    assert_eq!(world.stats.held_up.lock().unwrap().stopped.len(), 1);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.settle();
    publish(&mut world);
    assert!(world.stats.held_up.lock().unwrap().stopped.is_empty());
}

#[test]
fn told_so_a_partition_goes_on_at_the_first_record_kept_and_what_is_lost_is_counted() {
    let mut world = goes_on().build();
    lose_three(&mut world);
    world.settle();
    publish(&mut world);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 6, 7]);
    assert_eq!(world.source.committed(0), Some(8));
    assert_eq!((world.stats.records_lost.get(), world.stats.failed_partitions.get()), (3, 0));
    assert!(world.stats.held_up.lock().unwrap().stopped.is_empty());
}

/// Records that the poll of the jump brought along are before the jump, and are scored.
#[test]
fn what_came_just_before_the_jump_is_scored() {
    let mut world = Setup { batch_rows: 2, ..goes_on() }.build();
    world.put_payments(0, 6);
    world.source.state().per_poll = 5;
    world.cycle();
    world.source.remove_before(0, 9);
    world.cycles(10);
    world.put_payments(0, 1);
    world.settle();
    let outputs = world.offsets(Destination::Outputs, 0);
    assert_eq!(outputs.last(), Some(&9));
    let before = outputs.len() - 1;
    assert_eq!(outputs[..before], (0..before as i64).collect::<Vec<_>>());
    assert_eq!(world.stats.records_lost.get(), 9 - before as u64);
}

#[test]
fn where_all_is_gone_progress_moves_to_the_end_of_the_log() {
    let mut world = goes_on().build();
    world.put_payments(0, 3);
    world.settle();
    world.put_payments(0, 2);
    world.source.remove_before(0, 5);
    world.settle();
    assert_eq!(world.source.committed(0), Some(5), "or it would be out of range at every start");
    assert_eq!((world.stats.scored.get(), world.stats.records_lost.get()), (3, 2));
}

#[test]
fn a_log_that_was_cut_always_stops_its_partition() {
    for (why, kept) in [
        (Why::LogTruncated, Some((0, 1))),
        (Why::LogTruncated, None),
        (Why::Unreadable, None),
        (Why::OffsetOutOfRange, None),
    ] {
        let mut world = goes_on().build();
        world.put_payments(0, 2);
        world.settle();
        world.source.tell(cannot_be_read_on(0, 2, why, kept));
        world.cycles(2);
        publish(&mut world);
        assert_eq!(world.stats.partitions.lock().unwrap()[0].state, PartitionState::Failed, "{why:?}");
        assert_eq!(world.stats.records_lost.get(), 0);
        assert_eq!(world.stats.held_up.lock().unwrap().stopped[0].stop.why, why);
    }
}

#[test]
fn a_bounded_run_reaches_its_end_behind_what_is_gone() {
    let mut world = Setup { until: Some(vec![8, 0]), ..goes_on() }.build();
    world.source.state().tell_end = true;
    lose_three(&mut world);
    world.settle();
    publish(&mut world);
    assert!(world.stats.at_end.get().1);
    assert_eq!(world.source.committed(0), Some(8));
}

/// Records taken in whose transaction is given up can be lost as well: they are not kept any more.
#[test]
fn exactly_once_a_jump_moves_positions_and_nothing_else() {
    let mut world = goes_on().build_exactly_once();
    world.put_payments(0, 2);
    world.cycle();
    world.settle();
    lose_three(&mut world);
    world.settle();
    assert_eq!(world.stats.records_lost.get(), 1, "5 was removed before it was read");
    assert_eq!(world.source.committed(0), Some(10));
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3, 4, 6, 7, 8, 9]);

    take_three(&mut world);
    world.put_payments(0, 3);
    world.source.remove_before(0, 15);
    world.cycles(2);
    let later =
        Undelivered { hope: Hope::Later, code: 7, name: "REQUEST_TIMED_OUT", text: "Broker: Request timed out" };
    world.sink.state().answer(Err(later), |sent| sent.source.offset == 10);
    world.cycles(3);
    world.settle();
    assert_eq!(world.stats.records_lost.get(), 1 + 5, "10 to 12 went with the transaction, and 13 and 14 count once");
    assert_eq!(world.source.committed(0), Some(16));
    let state = world.sink.state();
    let of_partition: Vec<i64> = state
        .visible(Destination::Outputs)
        .iter()
        .filter(|sent| sent.source.partition == 0)
        .map(|sent| sent.source.offset)
        .collect();
    assert_eq!(of_partition, [0, 1, 2, 3, 4, 6, 7, 8, 9, 15], "each once, and nothing of what was given up");
}

#[test]
fn a_partition_that_waits_for_a_schema_is_shown_with_the_schema_and_since_when() {
    use scorewire::doors::Clock;
    let mut world = Setup::default().build();
    world.source.put(0, Payment::new("w", 0.5).schema_id(payload::PENDING_ID).encode());
    world.cycle();
    let since_ms = world.clock.wall_us() / 1_000;
    publish(&mut world);
    publish(&mut world);
    {
        let held_up = world.stats.held_up.lock().unwrap();
        let [waiting] = held_up.waiting.as_slice() else { panic!("one: {held_up:?}") };
        assert_eq!((waiting.partition, waiting.since_ms), (0, since_ms));
        assert_eq!(waiting.schema, payload::PENDING_ID.to_string());
        assert!(waiting.why.contains(&waiting.schema), "{}", waiting.why);
    }
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    publish(&mut world);
    assert!(world.stats.held_up.lock().unwrap().waiting.is_empty());
}

#[test]
fn the_first_record_of_each_reason_is_kept_until_it_is_reported() {
    let mut world = Setup::default().build();
    world.put_payments(0, 1);
    let unknown = || Payment::new("secret-id", 0.5).schema_id(payload::UNKNOWN_ID).encode();
    let first = world.source.put(0, unknown());
    world.source.put(0, unknown());
    world.source.put(0, Payment { must: None, ..Payment::new("missing", 0.5) }.encode());
    world.settle();
    let examples = &world.stats.reject_examples;
    assert!(!examples.wants(Reject::UnknownSchema) && examples.wants(Reject::Truncated));
    let example = examples.take(Reject::UnknownSchema.index()).unwrap();
    assert_eq!(example.at, format!("{TOPIC}-0-{}", first.offset));
    assert_eq!(example.schema, payload::UNKNOWN_ID.to_string());
    assert!(!format!("{example:?}").contains("secret"), "nothing of the payload");
    let missing = examples.take(Reject::MissingFeature(0).index()).unwrap();
    assert!(missing.message.contains("in feature"), "{missing:?}");
    assert!(examples.wants(Reject::UnknownSchema), "the next one is another one");
    let next = world.source.put(0, unknown());
    world.settle();
    let example = world.stats.reject_examples.take(Reject::UnknownSchema.index()).unwrap();
    assert_eq!(example.at, format!("{TOPIC}-0-{}", next.offset));
}
