//! A model that misbehaves. The story: one row makes the whole batch fail, and a scorer drops its neighbours; or the
//! model breaks, and a scorer drains the whole stream into a side topic before anybody looks; or NaN passes as
//! "not fraud".

use std::sync::atomic::Ordering;

use crate::fakes::{Mode, Payment, Setup, World};
use scorewire::doors::Destination;
use scorewire::error::{Reject, exit};
use scorewire::values::limits::Limits;

fn reason(world: &World, destination: Destination, at: usize) -> String {
    world.sink.state().to(destination)[at].header("__scorewire.errors.reason").unwrap()
}

#[test]
fn a_row_the_model_cannot_take_costs_its_neighbours_nothing() {
    let mut world = Setup::default().build();
    for index in 0..6 {
        let mode = if index == 2 { Mode::Fail } else { Mode::Score };
        world.source.put(0, Payment::new(format!("r{index}"), f64::from(index) / 8.0).mode(mode).encode());
    }
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 3, 4, 5]);
    let scores: Vec<f64> = world.outputs().iter().map(|outcome| outcome.score).collect();
    assert_eq!(scores, [0.0, 0.125, 0.375, 0.5, 0.625]);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [2]);
    assert_eq!(reason(&world, Destination::DeadLetters, 0), "model_failed");
    assert_eq!(world.stats.model_failures.get(), 2, "the batch, and the row alone");
    world.settle();
    assert_eq!(world.stats.rejected[Reject::ModelFailed.index()].get(), 1);
    assert_eq!(world.source.committed(0), Some(6));
}

#[test]
fn a_model_that_is_not_to_be_had_is_asked_once_for_a_batch_and_the_lane_goes_on() {
    let mut world = Setup::default().build();
    world.scorer.unavailable.store(true, Ordering::SeqCst);
    world.put_payments(0, 6);
    let calls = world.scorer.call_count();
    world.cycle();
    assert_eq!(world.scorer.call_count() - calls, 1, "other rows would fare no better");
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0, 1, 2, 3, 4, 5]);
    assert_eq!(world.stats.model_failures.get(), 1);
    world.scorer.unavailable.store(false, Ordering::SeqCst);
    world.put_payments(0, 2);
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [6, 7]);
}

#[test]
fn a_model_that_fails_on_everything_ends_the_process_and_nothing_of_the_batch_goes_out() {
    let limits = Limits { model_failures_max: 5, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.put_payments(0, 8);
    world.cycle();
    world.put_payments(0, 8);
    world.source.put(0, None);
    world.scorer.set_broken(true);
    let calls = world.scorer.call_count();
    let fatal = world.try_cycle().unwrap_err();
    assert_eq!(fatal.code, exit::MODEL);
    assert!(fatal.what.contains("5 times") && fatal.what.contains("told to fail"), "{fatal}");
    assert_eq!(world.scorer.call_count() - calls, 5, "no call after the last that may fail");
    assert_eq!(world.sink.state().sent.len(), 8, "only the first batch");
}

#[test]
fn failures_in_a_row_are_counted_across_batches() {
    let limits = Limits { model_failures_max: 5, ..Limits::default() };
    let mut world = Setup { limits, batch_rows: 1, ..Setup::default() }.build();
    for _ in 0..4 {
        world.source.put(0, Payment::new("f", 0.5).mode(Mode::Fail).encode());
    }
    world.cycles(2);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0, 1]);
    assert_eq!(world.try_cycle().unwrap_err().code, exit::MODEL);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0, 1], "the third was the fifth failure");
}

#[test]
fn a_success_between_starts_the_count_anew() {
    let limits = Limits { model_failures_max: 4, ..Limits::default() };
    let mut world = Setup { limits, batch_rows: 1, ..Setup::default() }.build();
    for _ in 0..10 {
        world.source.put(0, Payment::new("f", 0.5).mode(Mode::Fail).encode());
        world.source.put(0, Payment::new("g", 0.5).encode());
    }
    world.cycles(20);
    assert_eq!(world.offsets(Destination::DeadLetters, 0).len(), 10);
    assert_eq!(world.offsets(Destination::Outputs, 0).len(), 10);
}

#[test]
fn what_is_no_probability_is_a_dead_letter() {
    let mut world = Setup::default().build();
    for mode in [Mode::NotANumber, Mode::Infinite, Mode::OutOfRange] {
        world.source.put(0, Payment::new("p", 0.5).mode(mode).encode());
        world.source.put(0, Payment::new("q", 0.5).encode());
    }
    world.source.put(0, Payment::new("negative", -0.25).encode());
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [1, 3, 5]);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [0, 2, 4, 6]);
    let reasons: Vec<String> = (0..4).map(|at| reason(&world, Destination::DeadLetters, at)).collect();
    assert_eq!(reasons, ["non_finite_score", "non_finite_score", "score_out_of_range", "score_out_of_range"]);
    let stages: Vec<_> = world.dead_letters().iter().map(|sent| sent.header("__scorewire.errors.stage")).collect();
    assert!(stages.iter().all(|stage| stage.as_deref() == Some("score")));
}

/// A model that answers fewer rows than it was asked leaves what an earlier batch wrote: another record's score.
#[test]
fn a_row_the_model_left_out_never_gets_an_earlier_records_score() {
    let mut world = Setup::default().build();
    world.source.put(0, Payment::new("first", 0.125).encode());
    world.cycle();
    world.source.put(0, Payment::new("left-out", 0.5).mode(Mode::Silent).encode());
    world.cycle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0]);
    assert_eq!(reason(&world, Destination::DeadLetters, 0), "non_finite_score");
}

#[test]
fn rejects_among_the_rows_do_not_shift_the_scores() {
    let mut world = Setup::default().build();
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    for index in 0..8 {
        let payment = Payment::new(format!("r{index}"), f64::from(index) / 8.0);
        let payment = if index == 5 { payment.mode(Mode::Fail) } else { payment };
        world.source.put(0, if index % 3 == 0 { None } else { Some(payment.encode()) });
    }
    world.cycle();
    for outcome in world.outputs() {
        assert_eq!(outcome.score, outcome.offset as f64 / 8.0);
    }
    assert_eq!(world.offsets(Destination::Outputs, 0), [1, 2, 4, 7]);
    assert_eq!(world.scorer.calls_with_rows()[0].len(), 5, "rejects take no rows");
}

/// A forest whose trees all vote for fraud sums to 1.0000001: its surest frauds were dead letters.
#[test]
fn an_answer_a_hair_outside_is_scored_as_the_end_it_lies_at() {
    let mut world = Setup::default().build();
    for answer in [f64::from(1.000_000_1_f32), 1.000_009, -1e-6, 1.000_02, -0.000_02] {
        world.source.put(0, Payment::new("p", answer).encode());
    }
    world.cycle();
    let scored: Vec<_> = world.outputs().into_iter().map(|outcome| (outcome.score, outcome.decision)).collect();
    assert_eq!(scored, [(1.0, "DECLINE".into()), (1.0, "DECLINE".into()), (0.0, "APPROVE".into())]);
    assert_eq!(world.offsets(Destination::DeadLetters, 0), [3, 4]);
    assert_eq!(reason(&world, Destination::DeadLetters, 0), "score_out_of_range");
}
