//! A slow broker. The story: a producer's queue is full in the middle of a batch, and a scorer drops the record, sends
//! it twice, lets another overtake it, dies, or goes on reading until memory is gone; or it stops polling so long that
//! the group takes its partitions away.
//!
//! Promise 4: in-flight memory is bounded by configuration; a slow sink or model pauses the source, never grows a queue.

use std::time::Duration;

use crate::fakes::{self, Entry, Payment, Setup, World};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::values::limits::{HEARD_OF_LOSS, Limits};

/// Every third payment is in the review band, every fifth is poison.
fn put_mixture(world: &World, count: usize) {
    for index in 0..count {
        let risk = if index % 3 == 0 { 0.625 } else { 0.25 };
        let payment = Payment::new(format!("tx-{index}"), risk).encode();
        world.source.put(i32::try_from(index % 2).unwrap(), if index % 5 == 0 { None } else { Some(payment) });
    }
}

fn sends(world: &World) -> Vec<Entry> {
    world.journal.all().into_iter().filter(|entry| matches!(entry, Entry::Sent(..))).collect()
}

#[test]
fn a_full_sink_neither_drops_nor_doubles_nor_reorders_wherever_it_strikes() {
    let setup = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() };
    let mut undisturbed = setup.clone().build();
    put_mixture(&undisturbed, 40);
    undisturbed.cycles(10);
    let expected = sends(&undisturbed);
    assert_eq!(undisturbed.reviews().len(), 11);
    for capacity in 1..20 {
        let mut world = setup.clone().build();
        world.sink.state().capacity = capacity;
        put_mixture(&world, 40);
        while sends(&world).len() < expected.len() {
            world.cycle();
            // One at a time, so that the queue is full after every single outcome.
            let first = world.sink.state().sent.iter().position(fakes::Sent::is_in_flight);
            world.sink.state().answer_in_order(Ok(()), first.as_slice());
        }
        world.settle();
        assert_eq!(sends(&world), expected, "capacity {capacity}");
        assert!(world.sink.state().refused_full > 0);
        assert_eq!((world.source.committed(0), world.source.committed(1)), (Some(20), Some(20)));
        assert_eq!(world.stats.received.get(), 40);
        let reviewed: u64 = world.stats.reviews.iter().map(|count| count.get()).sum();
        assert_eq!(reviewed, 11, "counted once each");
    }
}

#[test]
fn headers_are_whole_when_an_outcome_is_sent_at_the_second_try() {
    let mut world = Setup { review_threshold: 0.0, decline_threshold: 0.75, ..Setup::default() }.build();
    world.sink.state().capacity = 1;
    let headers: Vec<_> = vec![("traceparent".into(), Some(b"00-1".to_vec()))];
    world.source.put_at(0, 0, Some("k"), Some(Payment::new("x", 0.25).encode()), headers.clone());
    world.source.put_at(1, 0, Some("k"), None, headers);
    for _ in 0..6 {
        world.cycle();
        world.sink.state().ack_all();
    }
    let sink = world.sink.state();
    assert_eq!(sink.sent.len(), 3);
    assert!(sink.sent.iter().all(|sent| sent.header("traceparent").as_deref() == Some("00-1")));
}

#[test]
fn promise_4_records_in_flight_keep_their_limit() {
    let limits = Limits { in_flight_records_max: 21, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 100);
    for _ in 0..50 {
        world.cycle();
        assert!(world.stats.in_flight_records.get() <= 21);
    }
    assert_eq!(world.stats.in_flight_records.get(), 21, "the limit is used");
    while world.outputs().len() < 100 {
        world.sink.state().answer(Ok(()), |sent| sent.source.offset % 3 != 1 || sent.source.offset > 90);
        world.cycle();
        assert!(world.stats.in_flight_records.get() <= 21);
        if world.stats.in_flight_records.get() == 21 {
            world.sink.state().ack_all();
        }
    }
}

#[test]
fn promise_4_bytes_in_flight_keep_their_limit_but_for_the_record_that_reaches_it() {
    let limits = Limits { in_flight_bytes_max: 10_000, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    for index in 0..40 {
        world.source.put(index % 2, Payment::new("b", 0.25).note(3_000).encode());
    }
    for round in 0..200 {
        world.cycle();
        let (records, bytes) = (world.stats.in_flight_records.get(), world.stats.in_flight_bytes.get());
        assert!(bytes < 10_000 + 3_200 && records <= 4, "{records} records, {bytes} bytes");
        if round % 3 == 0 {
            world.sink.state().ack_all();
        }
    }
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..20).collect::<Vec<_>>());
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..20).collect::<Vec<_>>());
    assert_eq!(world.source.committed(0), Some(20));
}

#[test]
fn promise_4_partitions_pause_after_a_while_are_polled_meanwhile_and_flow_again_at_half() {
    let limits = Limits { in_flight_records_max: 16, pause_after: Duration::from_millis(50), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 60);
    world.cycle_until("the limit", |world| world.stats.in_flight_records.get() == 16);
    world.cycles(49);
    assert!(!world.source.is_paused(0), "a short stall does not pause: what was fetched ahead would be thrown away");
    world.cycles(3);
    assert!(world.source.is_paused(0) && world.source.is_paused(1));
    let polls = world.source.state().polls;
    world.cycles(100);
    assert!(world.source.state().polls >= polls + 100, "the group must see us");
    assert_eq!(world.stats.received.get(), 16);
    assert_eq!(world.stats.backpressure_stalls.get(), 1, "one stall, however long");
    world.sink.state().answer_in_order(Ok(()), &(0..8).collect::<Vec<_>>());
    world.cycles(3);
    assert!(world.source.is_paused(0), "eight of sixteen is not less than half");
    world.sink.state().answer_in_order(Ok(()), &[8]);
    world.cycles(3);
    assert!(!world.source.is_paused(0) && !world.source.is_paused(1));
    world.settle();
    assert_eq!(
        world.offsets(Destination::Outputs, 0),
        (0..60).collect::<Vec<_>>(),
        "a pause loses and doubles nothing"
    );
}

#[test]
fn promise_4_a_limit_of_one_record_still_flows() {
    let limits = Limits {
        in_flight_records_max: 1,
        in_flight_bytes_max: 1,
        pause_after: Duration::from_millis(5),
        ..Limits::default()
    };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 3);
    for _ in 0..3 {
        world.cycles(20);
        world.sink.state().ack_all();
    }
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2]);
}

#[test]
fn a_sink_that_is_full_for_long_pauses_and_recovers() {
    let limits = Limits { pause_after: Duration::from_millis(50), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.sink.state().capacity = 5;
    world.put_payments(0, 30);
    world.put_payments(1, 30);
    world.cycles(60);
    assert!(world.source.is_paused(0) && world.source.is_paused(1));
    assert_eq!(world.stats.received.get(), 8, "one batch is taken in, half of it handed over");
    world.cycles(100);
    while world.outputs().len() < 60 {
        world.sink.state().ack_all();
        world.cycle();
    }
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..30).collect::<Vec<_>>());
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..30).collect::<Vec<_>>());
    assert_eq!(world.sink.state().in_flight_max(), 5);
}

#[test]
fn partitions_that_come_during_a_pause_wait_for_its_end() {
    let limits = Limits { in_flight_records_max: 4, pause_after: Duration::from_millis(5), ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build_unassigned();
    world.put_payments(0, 10);
    world.put_payments(1, 10);
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycle_until("the pause", |world| world.source.is_paused(0));
    world.source.tell(SourceEvent::Assigned(vec![1]));
    world.cycle_until("the second partition", |world| world.source.is_assigned(1));
    world.cycles(5);
    assert!(world.source.is_paused(1));
    assert!(world.offsets(Destination::Outputs, 1).is_empty());
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 1), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_stalled_sink_is_reported_and_an_idle_one_is_not() {
    let mut world = Setup::default().build();
    world.clock.advance(Duration::from_secs(60));
    world.cycles(2);
    // A lane that stood still for a minute first makes sure of its partitions.
    world.clock.advance(HEARD_OF_LOSS);
    world.cycle();
    world.put_payments(0, 1);
    world.cycle();
    world.clock.advance(Duration::from_millis(300));
    world.cycle();
    assert_eq!(world.stats.sink_stalled_since_ms.get(), 0, "in flight for 300 ms after a minute of silence");
    world.clock.advance(Duration::from_secs(2));
    world.cycles(2);
    let since_ms = i64::try_from(world.stats.sink_stalled_since_ms.get()).unwrap();
    let sent_ms = fakes::clock::WALL_START_US / 1_000 + 60_500;
    assert!((sent_ms..sent_ms + 20).contains(&since_ms), "since the outcome was sent: {}", since_ms - sent_ms);
    world.sink.state().ack_all();
    world.clock.advance(Duration::from_millis(300));
    world.cycles(2);
    assert_eq!(world.stats.sink_stalled_since_ms.get(), 0);
}
