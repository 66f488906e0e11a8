//! The plain way of a record. The story: a scorer that skips, doubles or swaps outcomes under no stress at all, puts
//! the wrong record's score on an outcome, or answers a poison record by dropping its neighbours.
//!
//! Promise 1: every record has an outcome, score XOR dead letter. Promise 3: outcomes leave in source order with the
//! source's key and partition.

use std::time::Duration;

use crate::fakes::record::Headers;
use crate::fakes::{self, Entry, Mode, Outcome, Payment, Setup, payload};
use scorewire::doors::Destination;
use scorewire::error::Reject;
use scorewire::values::limits::Limits;
use scorewire::values::record::Decision;
use scorewire::values::settings::{Deadline, DeadlineFrom, PayloadPolicy, WhenLate};

#[test]
fn promise_1_every_record_leaves_as_a_score_or_as_a_dead_letter_and_never_as_both() {
    let mut world = Setup::default().build();
    let poison: Vec<Option<Vec<u8>>> = vec![
        None,
        Some(Vec::new()),
        Some(b"{\"amount\": 3}".to_vec()),
        Some(payload::truncated()),
        Some([Payment::new("t", 0.5).encode(), vec![0]].concat()),
        Some(Payment::new("u", 0.5).schema_id(payload::UNKNOWN_ID).encode()),
        Some(Payment { must: None, ..Payment::new("m", 0.5) }.encode()),
        Some(Payment::new("f", f64::NAN).encode()),
    ];
    for (index, value) in poison.iter().enumerate() {
        world.source.put(0, value.clone());
        world.source.put(0, Payment::new(format!("good-{index}"), index as f64 / 16.0).encode());
    }
    world.cycles(4);
    world.settle();

    let good: Vec<i64> = (0..8).map(|index| 2 * index + 1).collect();
    let bad: Vec<i64> = (0..8).map(|index| 2 * index).collect();
    assert_eq!(world.offsets(Destination::Outputs, 0), good);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), bad);
    for (index, outcome) in world.outputs().iter().enumerate() {
        assert_eq!(outcome.transaction_id.as_deref(), Some(format!("good-{index}").as_str()));
        assert_eq!(outcome.score, index as f64 / 16.0, "the neighbour's score");
    }
    let reasons: Vec<String> =
        world.dead_letters().iter().map(|sent| sent.header("__scorewire.errors.reason").unwrap()).collect();
    let expected = [
        "tombstone",
        "unknown_wire_form",
        "unknown_wire_form",
        "truncated",
        "trailing_bytes",
        "unknown_schema",
        "missing_feature",
        "non_finite_feature",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(world.stats.scored.get(), 8);
    assert_eq!(world.stats.rejected[Reject::Truncated.index()].get(), 1);
    assert_eq!(world.source.committed(0), Some(16));
}

#[test]
fn promise_3_outcomes_keep_order_key_partition_and_headers() {
    let mut world = Setup { partitions: 3, ..Setup::default() }.build();
    for offset in 0..10 {
        for partition in 0..3 {
            let headers: Headers = vec![
                ("traceparent".into(), Some(format!("00-{partition}-{offset}").into_bytes())),
                ("empty".into(), None),
            ];
            let key = format!("card-{partition}-{offset}");
            let value = Payment::new("x", 0.25).encode();
            world.source.put_at(offset, partition, Some(&key), Some(value), headers);
        }
    }
    world.cycles(8);
    world.settle();
    for partition in 0..3 {
        assert_eq!(world.offsets(Destination::Outputs, partition), (0..10).collect::<Vec<_>>());
    }
    for sent in world.sink.state().to(Destination::Outputs) {
        let (partition, offset) = (sent.source.partition, sent.source.offset);
        assert_eq!(sent.partition, Some(partition));
        assert_eq!(sent.key.as_deref(), Some(format!("card-{partition}-{offset}").as_bytes()));
        assert_eq!(sent.header("traceparent"), Some(format!("00-{partition}-{offset}")));
        assert!(sent.headers.contains(&("empty".into(), None)), "a null header stays null");
        assert_eq!(sent.header("scorewire.outcome"), Some(format!("APPROVE {}", fakes::world::MODEL_VERSION)));
        let outcome = Outcome::of_output(sent);
        assert_eq!((outcome.partition, outcome.offset), (partition, offset));
    }
}

#[test]
fn the_client_chooses_the_partition_where_counts_differ_or_the_partition_is_new() {
    let mut world = Setup::default().build();
    world.sink.state().partitions.insert(Destination::Outputs.into(), 5);
    world.put_payments(1, 1);
    world.cycles(2);
    assert_eq!(world.sink.state().sent[0].partition, None);
}

#[test]
fn a_duty_cycle_takes_one_batch_and_no_more_than_the_cap() {
    let mut world = Setup { batch_rows: 8, ..Setup::default() }.build();
    world.scorer.keep_rows.store(true, std::sync::atomic::Ordering::Relaxed);
    world.put_payments(0, 100);
    world.put_payments(1, 100);
    for cycle in 1..=25 {
        world.cycle();
        assert_eq!(world.scorer.call_count(), cycle, "one model call a cycle");
        assert_eq!(world.stats.received.get(), 8 * cycle as u64);
    }
    assert!(world.scorer.calls_with_rows().iter().all(|rows| rows.len() == 8), "full batches, exact size");
    world.cycle();
    assert_eq!(world.scorer.call_count(), 25, "no call without rows");
}

#[test]
fn a_batch_of_rejects_alone_asks_no_model() {
    let mut world = Setup::default().build();
    for _ in 0..5 {
        world.source.put(0, payload::truncated());
    }
    world.cycles(2);
    assert_eq!(world.scorer.call_count(), 0);
    assert_eq!(world.dead_letters().len(), 5);
}

/// A row is reused from batch to batch, and a record may fail when half of its row is written.
#[test]
fn nothing_of_a_bad_row_or_of_an_earlier_batch_is_left_in_a_neighbours_features() {
    let mut world = Setup { batch_rows: 3, ..Setup::default() }.build();
    world.scorer.keep_rows.store(true, std::sync::atomic::Ordering::Relaxed);
    let half_written = Payment { bonus: Some(77.0), must: None, ..Payment::new("bad", 0.875) };
    for round in 0..6 {
        world.source.put(0, half_written.encode());
        world.source.put(0, Payment { bonus: None, ..Payment::new("none", 0.125) }.encode());
        world.source.put(0, Payment { bonus: Some(f64::from(round)), ..Payment::new("some", 0.25) }.encode());
        world.cycle();
    }
    let calls = world.scorer.calls_with_rows();
    assert_eq!(calls.len(), 6);
    for (round, rows) in calls.iter().enumerate() {
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0][0], rows[0][3]), (0.125, 1.0));
        assert!(rows[0][2].is_nan(), "a missing value is NaN: {:?}", rows[0]);
        assert_eq!(rows[1], [0.25, 0.0, round as f32, 1.0]);
    }
}

#[test]
fn decisions_follow_the_thresholds_and_are_counted() {
    let mut world = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() }.build();
    for risk in [0.0, 0.25, 0.5, 0.625, 0.75, 1.0] {
        world.source.put(0, Payment::new("d", risk).encode());
    }
    world.cycles(2);
    let decisions: Vec<String> = world.outputs().into_iter().map(|outcome| outcome.decision).collect();
    assert_eq!(decisions, ["APPROVE", "APPROVE", "REVIEW", "REVIEW", "DECLINE", "DECLINE"]);
    assert!(Decision::ALL.iter().all(|decision| world.stats.decisions[decision.index()].get() == 2));
}

#[test]
fn the_review_band_is_whole_and_the_sample_depends_on_the_id_alone() {
    let setup =
        Setup { review_threshold: 0.5, decline_threshold: 0.75, sample_per_million: 200_000, ..Setup::default() };
    let run = |order: &mut dyn Iterator<Item = usize>| {
        let mut world = setup.clone().build();
        for index in order {
            let risk = if index % 10 == 0 { 0.625 } else { 0.25 };
            world.source.put(0, Payment::new(format!("tx-{index}"), risk).encode());
        }
        world.cycles(60);
        world.settle();
        let mut reviews = world.reviews();
        reviews.sort_by(|a, b| a.transaction_id.cmp(&b.transaction_id));
        for sent in world.sink.state().to(Destination::Review) {
            let outcome = Outcome::of_review(sent);
            assert_eq!(sent.key.as_deref(), outcome.transaction_id.as_deref().map(str::as_bytes));
            assert_eq!(sent.partition, None, "the review topic has its own count of partitions");
            assert!(outcome.payload.is_some(), "the policy is raw");
        }
        assert_eq!(world.outputs().len(), 400, "a review copy is extra");
        reviews
            .into_iter()
            .map(|outcome| (outcome.transaction_id.unwrap(), outcome.reason.unwrap()))
            .collect::<Vec<_>>()
    };
    let forward = run(&mut (0..400));
    assert_eq!(forward, run(&mut (0..400).rev()), "a replay samples the same");
    assert_eq!(forward.iter().filter(|(_, reason)| reason == "BAND").count(), 40);
    let sampled = forward.iter().filter(|(_, reason)| reason == "SAMPLE").count();
    assert!((40..110).contains(&sampled), "about a fifth of 360: {sampled}");
}

#[test]
fn the_review_copy_goes_before_the_output_and_leaves_the_payload_out_by_policy() {
    let setup = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() };
    let mut world = Setup { review_payload: PayloadPolicy::Omit, ..setup }.build();
    let at = world.source.put(0, Payment::new("band", 0.5).encode());
    let before = world.journal.len();
    world.cycles(2);
    let sent = world.journal.since(before);
    let sent: Vec<&Entry> = sent.iter().filter(|entry| matches!(entry, Entry::Sent(..))).collect();
    assert_eq!(sent, [&Entry::Sent(at, Destination::Review), &Entry::Sent(at, Destination::Outputs)]);
    assert_eq!(world.reviews()[0].payload, None);
}

#[test]
fn a_late_record_is_scored_and_flagged() {
    let deadline = Deadline { limit_ms: 50, from: DeadlineFrom::SourceTimestamp, then: WhenLate::Flag };
    let mut world = Setup { deadline: Some(deadline), ..Setup::default() }.build();
    let now_ms = fakes::clock::WALL_START_US / 1_000 + 2;
    let put = |offset: i64, timestamp_ms: i64| {
        world.source.put_at(offset, 0, None, Some(Payment::new("l", 0.25).encode()), Vec::new());
        let mut state = world.source.state();
        let data = state.logs.get_mut(&0).unwrap().records.last_mut().unwrap();
        std::sync::Arc::get_mut(data).unwrap().timestamp_ms = timestamp_ms;
    };
    put(0, now_ms - 1_000);
    put(1, now_ms);
    put(2, -1);
    world.cycle();
    let late: Vec<bool> = world.outputs().iter().map(|outcome| outcome.late).collect();
    assert_eq!(late, [true, false, false], "a record without timestamp has no deadline");
    assert_eq!(world.stats.late.get(), 1);
}

#[test]
fn an_outcome_tells_when_its_record_came_and_when_it_was_scored() {
    let mut world = Setup::default().build();
    world.clock.advance(Duration::from_millis(40));
    world.put_payments(0, 1);
    world.cycle();
    let outcome = &world.outputs()[0];
    assert_eq!(outcome.received_us, fakes::clock::WALL_START_US + 43_000, "two cycles of the start, 40 ms, this one");
    assert_eq!(outcome.scored_us, outcome.received_us, "the clock stood still meanwhile");
    assert_eq!(outcome.model_version, fakes::world::MODEL_VERSION);
}

#[test]
fn a_record_without_key_keeps_none() {
    let mut world = Setup::default().build();
    world.source.put_at(0, 0, None, Some(Payment::new("n", 0.25).encode()), Vec::new());
    world.cycle();
    assert_eq!(world.sink.state().sent[0].key, None);
}

#[test]
fn an_oversized_value_is_refused_before_it_is_decoded() {
    let limits = Limits { payload_bytes_max: 300, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.source.put(0, Payment::new("big", 0.5).note(400).encode());
    world.source.put(0, Payment::new("small", 0.5).mode(Mode::Score).encode());
    world.cycle();
    assert_eq!(world.dead_letters()[0].header("__scorewire.errors.reason").as_deref(), Some("oversized"));
    assert_eq!(world.outputs()[0].transaction_id.as_deref(), Some("small"));
}
