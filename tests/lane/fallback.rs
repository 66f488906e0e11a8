//! A model that fails while payments go on. The story: a score is made up and nobody can see it; or records of a failing
//! model are lost, or decided twice when it heals; or the lane asks a dead model for each of a thousand records; or it stands
//! still for good; or a poisonous row takes its neighbours along.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fakes::world::SMALLER_VERSION;
use crate::fakes::{Mode, Payment, Setup, World};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::error::exit;
use scorewire::values::failure::FailureClass;
use scorewire::values::limits::{Limits, MODEL_REST_MAX};
use scorewire::values::settings::{
    Deadline, DeadlineFrom, FallbackEnd, FallbackSettings, FallbackStep, Layout, RetrySettings, WhenLate,
};

pub fn smaller() -> FallbackStep {
    FallbackStep::Package { dir: "models/small".into(), said: "models/small".into() }
}

/// A fallback for everything but late records.
pub fn falls_back(then: Vec<FallbackStep>) -> FallbackSettings {
    let on = FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Late).collect();
    FallbackSettings { on, then }
}

fn world(then: Vec<FallbackStep>) -> World {
    Setup { fallback: falls_back(then), ..Setup::default() }.build()
}

fn reasons(world: &World, destination: Destination) -> Vec<String> {
    let state = world.sink.state();
    state.to(destination).iter().map(|sent| sent.header("__scorewire.errors.reason").unwrap()).collect()
}

#[test]
fn each_class_has_its_reason_and_costs_its_neighbours_nothing() {
    let mut world = Setup::default().build();
    for (index, mode) in
        [Mode::Refuse, Mode::Score, Mode::BadAnswer, Mode::Fail, Mode::NotANumber].into_iter().enumerate()
    {
        world.source.put(0, Payment::new(format!("r{index}"), 0.5).mode(mode).encode());
    }
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [1]);
    let expected = ["model_refused", "bad_answer", "model_failed", "non_finite_score"];
    assert_eq!(reasons(&world, Destination::DeadLetters), expected);
    assert!(reasons(&world, Destination::Timeouts).is_empty(), "nothing was late");
}

#[test]
fn a_score_of_the_fallback_is_flagged_with_its_step_and_ends_when_the_model_heals() {
    let mut world = world(vec![FallbackStep::End(FallbackEnd::Score(0.95))]);
    world.scorer.set_broken(true);
    world.put_payments(0, 6);
    world.cycle();
    let outputs = world.outputs();
    assert_eq!(outputs.len(), 6);
    for output in &outputs {
        assert_eq!((output.score, output.decision.as_str(), output.fallback), (0.95, "DECLINE", true));
        assert_eq!(output.fallback_step.as_deref(), Some("score:0.95"));
    }
    {
        let state = world.sink.state();
        let first = state.to(Destination::Outputs)[0];
        assert_eq!(first.header("scorewire.fallback").as_deref(), Some("score:0.95"));
    }
    assert_eq!(world.stats.fallbacks[0].get(), 6);
    assert!(world.stats.fallback_since_ms.get() > 0, "it is shown since when");
    world.scorer.set_broken(false);
    world.clock.advance(MODEL_REST_MAX);
    world.put_payments(0, 2);
    world.cycle();
    let healed = &world.outputs()[6..];
    assert!(healed.len() == 2 && healed.iter().all(|output| !output.fallback && output.fallback_step.is_none()));
    assert!(world.sink.state().to(Destination::Outputs)[7].header("scorewire.fallback").is_none());
    assert_eq!(world.stats.fallback_since_ms.get(), 0);
    world.settle();
    assert_eq!((world.stats.scored.get(), world.source.committed(0)), (8, Some(8)));
}

#[test]
fn a_model_that_fails_on_and_on_is_asked_seldom_and_ends_nothing() {
    let limits = Limits { model_failures_max: 5, ..Limits::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::Score(0.5))]);
    let mut world = Setup { limits, fallback, ..Setup::default() }.build();
    world.scorer.set_broken(true);
    let calls = world.scorer.call_count();
    for _ in 0..1_000 {
        world.put_payments(0, 4);
        world.cycle();
    }
    assert_eq!(world.outputs().len(), 4_000, "a decision for each");
    // A second of cycles: rests of 10, 20, 40 ... 640 ms, and two calls after each.
    let asked = world.scorer.call_count() - calls;
    assert!((10..=30).contains(&asked), "{asked}");
}

#[test]
fn a_flood_of_rows_that_the_model_refuses_does_not_put_it_to_rest() {
    let limits = Limits { model_failures_max: 3, ..Limits::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::Score(0.5))]);
    let mut world = Setup { limits, fallback, batch_rows: 8, ..Setup::default() }.build();
    for index in 0..64 {
        let mode = if index % 8 == 7 { Mode::Score } else { Mode::Refuse };
        world.source.put(0, Payment::new(format!("r{index}"), 0.25).mode(mode).encode());
    }
    world.cycle_until("all decided", |world| world.outputs().len() == 64);
    let own = world.outputs().iter().filter(|output| !output.fallback).count();
    assert_eq!(own, 8, "each row that the model takes is scored by it");
}

#[test]
fn a_smaller_package_decides_what_it_can_and_the_next_step_the_rest() {
    let mut world = world(vec![smaller(), FallbackStep::End(FallbackEnd::Score(0.5))]);
    world.scorer.set_broken(true);
    world.source.put(0, Payment::new("a", 0.125).encode());
    world.source.put(0, Payment::new("b", 0.25).mode(Mode::Fail).encode());
    world.source.put(0, None);
    world.source.put(0, Payment::new("c", 0.375).encode());
    world.cycle();
    let told: Vec<_> =
        world.outputs().into_iter().map(|of| (of.score, of.fallback_step.unwrap(), of.model_version)).collect();
    let small = || "package:models/small".to_owned();
    assert_eq!(
        told,
        [
            (0.125, small(), SMALLER_VERSION.to_owned()),
            (0.5, "score:0.5".to_owned(), crate::fakes::world::MODEL_VERSION.to_owned()),
            (0.375, small(), SMALLER_VERSION.to_owned()),
        ]
    );
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 3], "in source order");
    assert_eq!(reasons(&world, Destination::DeadLetters), ["tombstone"], "no model helps it");
    assert_eq!((world.stats.fallbacks[0].get(), world.stats.fallbacks[1].get()), (2, 1));
}

#[test]
fn what_the_fallback_is_not_for_goes_on_as_without_it() {
    let on = [FailureClass::Refused].into_iter().collect();
    let fallback = FallbackSettings { on, then: vec![FallbackStep::End(FallbackEnd::Score(0.5))] };
    let limits = Limits { model_failures_max: 4, ..Limits::default() };
    let mut world = Setup { fallback, limits, ..Setup::default() }.build();
    world.source.put(0, Payment::new("a", 0.5).mode(Mode::Refuse).encode());
    world.source.put(0, Payment::new("b", 0.5).mode(Mode::Fail).encode());
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0]);
    assert_eq!(reasons(&world, Destination::DeadLetters), ["model_failed"]);
    world.scorer.set_broken(true);
    world.put_payments(0, 8);
    assert_eq!(world.cycle_until_fatal().code, exit::MODEL);
}

#[test]
fn a_letter_to_be_scored_later_is_the_records_one_outcome() {
    // The fake's records are of 1970.
    let expires_after = Duration::from_secs(100 * 366 * 86_400);
    let retry = RetrySettings { delay: Duration::from_secs(60), expires_after, ..RetrySettings::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::RetryLater)]);
    let mut world = Setup { fallback, retry, ..Setup::default() }.build();
    world.scorer.set_broken(true);
    world.put_payments(0, 3);
    world.cycle();
    assert_eq!(world.offsets(Destination::RetryLater, 0), [0, 1, 2]);
    assert!(world.outputs().is_empty() && world.dead_letters().is_empty());
    {
        let state = world.sink.state();
        let letter = state.to(Destination::RetryLater)[1];
        let number = |name: &str| letter.header(name).unwrap().parse::<i64>().unwrap();
        assert_eq!(letter.header("__scorewire.errors.reason").as_deref(), Some("model_failed"));
        assert_eq!((number("__scorewire.errors.offset"), number("__scorewire.errors.attempt")), (1, 1));
        let written_ms = number("__scorewire.errors.timestamp");
        assert_eq!(number("__scorewire.retry.not_before"), written_ms + 60_000);
        assert_eq!(letter.partition, Some(0), "where the record was");
        assert!(letter.value.is_some(), "the whole record");
    }
    world.settle();
    assert_eq!((world.stats.deferred.get(), world.source.committed(0)), (3, Some(3)));
}

#[test]
fn a_record_whose_time_is_over_gets_no_letter_but_a_dead_one() {
    let retry = RetrySettings { expires_after: Duration::from_secs(30), ..RetrySettings::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::RetryLater)]);
    let mut world = Setup { fallback, retry, ..Setup::default() }.build();
    world.scorer.set_broken(true);
    world.put_payments(0, 1);
    world.cycle();
    assert!(world.offsets(Destination::RetryLater, 0).is_empty(), "due after it expires");
    assert_eq!(reasons(&world, Destination::DeadLetters), ["model_failed"]);
}

#[test]
fn a_pause_decides_nothing_until_the_model_answers_and_then_each_record_once() {
    let limits = Limits { pause_after: Duration::from_millis(50), ..Limits::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::Pause)]);
    let mut world = Setup { fallback, limits, ..Setup::default() }.build();
    world.put_payments(0, 4);
    world.cycle();
    world.scorer.set_broken(true);
    world.put_payments(0, 40);
    world.cycles(2_000);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 3], "nothing is made up");
    assert!(world.source.is_paused(0) && world.source.is_paused(1));
    assert!(world.stats.model_paused_since_ms.get() > 0);
    let polls = world.source.state().polls;
    world.cycles(100);
    assert!(world.source.state().polls >= polls + 100, "the group must see us");
    world.scorer.set_broken(false);
    world.cycle_until("all decided", |world| world.outputs().len() == 44);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..44).collect::<Vec<_>>());
    assert!(world.outputs().iter().all(|output| !output.fallback));
    assert_eq!(world.stats.model_paused_since_ms.get(), 0);
    world.settle();
    assert_eq!(world.source.committed(0), Some(44));
}

#[test]
fn what_was_acknowledged_before_a_pause_is_committed_in_it() {
    let mut world = world(vec![FallbackStep::End(FallbackEnd::Pause)]);
    world.put_payments(0, 4);
    world.cycle();
    world.scorer.set_broken(true);
    world.put_payments(0, 4);
    world.cycles(3);
    world.sink.state().ack_all();
    // The group's answer comes with a poll, and the source is polled again when its partitions are paused.
    world.cycles(1_500);
    assert_eq!(world.source.committed(0), Some(4));
}

#[test]
fn a_partition_that_is_taken_away_in_a_pause_takes_its_records_along_and_the_others_go_on() {
    let mut world = world(vec![FallbackStep::End(FallbackEnd::Pause)]);
    world.source.put(0, Payment::new("poison", 0.5).mode(Mode::Fail).encode());
    world.put_payments(0, 3);
    world.cycles(20);
    assert!(world.outputs().is_empty());
    world.source.tell(SourceEvent::Lost(vec![0]));
    world.put_payments(1, 5);
    world.cycle_until("the others", |world| world.offsets(Destination::Outputs, 1).len() == 5);
    assert!(world.offsets(Destination::Outputs, 0).is_empty());
    assert_eq!((world.stats.handed_back.get(), world.stats.model_paused_since_ms.get()), (4, 0));
}

#[test]
fn at_the_end_stop_the_process_ends_after_so_many_in_a_row() {
    let limits = Limits { model_failures_max: 5, ..Limits::default() };
    let fallback = falls_back(vec![smaller(), FallbackStep::End(FallbackEnd::Stop)]);
    let mut world = Setup { fallback, limits, ..Setup::default() }.build();
    world.scorer.set_broken(true);
    world.put_payments(0, 20);
    world.cycle_until("the smaller one decides", |world| world.outputs().len() == 20);
    for index in 0..4 {
        world.source.put(0, Payment::new(format!("{index}"), 0.5).mode(Mode::Fail).encode());
    }
    world.cycles(3);
    assert_eq!(reasons(&world, Destination::DeadLetters).len(), 4);
    world.source.put(0, Payment::new("fifth", 0.5).mode(Mode::Fail).encode());
    let fatal = world.cycle_until_fatal();
    assert_eq!(fatal.code, exit::MODEL);
    assert_eq!(reasons(&world, Destination::DeadLetters).len(), 4, "nothing of the last batch went out");
}

/// A deadline of 50 ms from the record's timestamp, which is 1,000 ms and its offset.
fn sheds() -> Option<Deadline> {
    Some(Deadline { limit_ms: 50, from: DeadlineFrom::SourceTimestamp, then: WhenLate::Shed })
}

#[test]
fn late_records_are_shed_before_the_model_and_the_rows_of_the_others_keep_their_scores() {
    let mut world = Setup { deadline: sheds(), ..Setup::default() }.build();
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    let now_ms = world.clock.wall_ms();
    for index in 0..8_i64 {
        let is_late = index % 3 == 1;
        let data = crate::fakes::record::Data {
            position: scorewire::values::record::Position { partition: 0, offset: index },
            timestamp_ms: if is_late { now_ms - 1_000 } else { now_ms },
            key: None,
            value: Some(Payment::new(format!("r{index}"), index as f64 / 8.0).encode()),
            headers: Vec::new(),
        };
        world.source.put_data(data);
    }
    world.cycle();
    assert_eq!(world.offsets(Destination::Timeouts, 0), [1, 4, 7]);
    assert_eq!(reasons(&world, Destination::Timeouts), ["late"; 3]);
    for output in world.outputs() {
        assert_eq!((output.score, output.late), (output.offset as f64 / 8.0, false));
    }
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 2, 3, 5, 6]);
    assert_eq!(world.scorer.calls_with_rows()[0].len(), 5, "the model was not asked about the others");
}

#[test]
fn the_fallback_decides_late_records_where_it_is_for_them() {
    let on = [FailureClass::Late].into_iter().collect();
    let fallback = FallbackSettings { on, then: vec![smaller(), FallbackStep::End(FallbackEnd::Timeouts)] };
    let mut world = Setup { deadline: sheds(), fallback, ..Setup::default() }.build();
    world.put_payments(0, 3);
    world.cycle();
    let outputs = world.outputs();
    assert!(outputs.len() == 3 && outputs.iter().all(|output| output.late && output.fallback));
}

#[test]
fn promise_6_in_exactly_once_a_paused_batch_is_committed_whole_or_not_at_all() {
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::Pause)]);
    let mut world = Setup { fallback, ..Setup::default() }.build_exactly_once();
    world.sink.state().auto_ack = true;
    world.put_payments(0, 5);
    world.cycles(200);
    world.scorer.set_broken(true);
    world.put_payments(0, 5);
    world.cycles(500);
    assert_eq!(world.source.committed(0), Some(5), "what came before is");
    world.scorer.set_broken(false);
    world.cycle_until("the rest", |world| world.source.committed(0) == Some(10));
    assert_eq!(world.stats.scored.get(), 10);
}

/// A lane whose model answers by hand, and must within 50 ms.
fn timed(then: Vec<FallbackStep>) -> World {
    let fallback = if then.is_empty() { FallbackSettings::default() } else { falls_back(then) };
    let model_timeout = Some(Duration::from_millis(50));
    let mut world = Setup { layout: Layout::Dedicated, fallback, model_timeout, ..Setup::default() }.build();
    world.by_hand = true;
    world
}

#[test]
fn a_model_that_does_not_answer_in_time_is_not_waited_for_and_is_asked_again_when_it_has() {
    let mut world = timed(Vec::new());
    world.put_payments(0, 3);
    world.cycles(40);
    assert!(reasons(&world, Destination::Timeouts).is_empty(), "it has its time");
    world.cycles(15);
    assert_eq!(reasons(&world, Destination::Timeouts), ["model_timed_out"; 3]);
    world.put_payments(0, 30);
    world.cycles(8);
    assert_eq!(
        world.offsets(Destination::Timeouts, 0),
        (0..33).collect::<Vec<_>>(),
        "what comes meanwhile does not wait"
    );
    assert!(world.serve() && !world.serve(), "the model is left alone while it is late");
    world.put_payments(0, 2);
    world.cycle();
    assert!(world.serve());
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [33, 34]);
    world.by_hand = false;
    world.settle();
    assert_eq!((world.stats.rejected_total(), world.source.committed(0)), (33, Some(35)));
}

#[test]
fn while_the_model_hangs_the_fallback_decides_at_once() {
    let mut world = timed(vec![smaller(), FallbackStep::End(FallbackEnd::Score(0.5))]);
    world.put_payments(0, 3);
    world.cycles(60);
    for _ in 0..100 {
        world.put_payments(0, 8);
        world.cycle();
    }
    world.cycles(3);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..803).collect::<Vec<_>>());
    assert!(world.outputs().iter().all(|output| output.model_version == SMALLER_VERSION && output.score == 0.25));
}

#[test]
fn a_paused_batch_that_timed_out_takes_the_late_answer_and_a_failed_one_is_sent_again() {
    let mut world = timed(vec![FallbackStep::End(FallbackEnd::Pause)]);
    world.put_payments(0, 3);
    world.cycle();
    world.put_payments(0, 8);
    world.cycles(100);
    assert!(world.outputs().is_empty());
    assert!(world.serve(), "it answers late");
    world.cycles(20);
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2]);
    world.scorer.set_broken(true);
    while world.serve() {}
    world.cycles(40);
    assert_eq!(world.outputs().len(), 3);
    world.scorer.set_broken(false);
    for _ in 0..200 {
        world.serve();
        world.cycle();
    }
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..11).collect::<Vec<_>>());
}
