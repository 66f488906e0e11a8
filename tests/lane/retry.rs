//! The job that scores letters again. The story: a letter is scored before its time, or after it is of any use; its output
//! names the place of the letter instead of the record's; it is written anew for ever; or one that waits holds up others.

use std::time::Duration;

use crate::fakes::record::{Data, Headers};
use crate::fakes::world::TOPIC;
use crate::fakes::{Payment, Setup, World};
use crate::fallback::falls_back;
use scorewire::doors::Destination;
use scorewire::values::record::Position;
use scorewire::values::settings::{FallbackEnd, FallbackStep, HeaderStyle, RetrySettings};

fn world() -> World {
    let retry = RetrySettings { delay: Duration::from_secs(60), attempts_max: 3, ..RetrySettings::default() };
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::RetryLater)]);
    Setup { is_retry: true, retry, fallback, ..Setup::default() }.build()
}

/// A letter about the record at `origin`, due and expiring so many milliseconds from now.
fn letter(world: &World, at: i64, origin: Position, attempt: u32, due_in: i64, expires_in: i64) -> Data {
    let now_ms = world.clock.wall_ms();
    let header = |name: &str, value: String| (format!("__scorewire.{name}"), Some(value.into_bytes()));
    let headers: Headers = vec![
        ("traceparent".into(), Some(b"00-ab".to_vec())),
        header("errors.reason", "model_failed".into()),
        header("errors.topic", TOPIC.into()),
        header("errors.partition", origin.partition.to_string()),
        header("errors.offset", origin.offset.to_string()),
        header("errors.attempt", attempt.to_string()),
        header("retry.not_before", (now_ms + due_in).to_string()),
        header("retry.expires_at", (now_ms + expires_in).to_string()),
    ];
    Data {
        position: Position { partition: 0, offset: at },
        timestamp_ms: now_ms - 60_000,
        key: Some(b"card".to_vec()),
        value: Some(Payment::new(format!("r{at}"), 0.25).encode()),
        headers,
    }
}

fn at(partition: i32, offset: i64) -> Position {
    Position { partition, offset }
}

#[test]
fn a_letter_is_scored_when_it_is_due_and_its_output_amends_the_records_place() {
    let mut world = world();
    world.source.put_data(letter(&world, 0, at(1, 777), 2, 30_000, 600_000));
    world.source.put_data(letter(&world, 1, at(1, 778), 1, -1, 600_000));
    world.cycles(200);
    assert!(world.outputs().is_empty(), "the second stands behind one that is not due");
    assert!(world.source.is_paused(0) && !world.source.is_paused(1));
    world.clock.advance(Duration::from_secs(30));
    world.cycle_until("both", |world| world.outputs().len() == 2);
    let outputs = world.outputs();
    assert_eq!((outputs[0].partition, outputs[0].offset, outputs[1].offset), (1, 777, 778));
    let amended: Vec<_> = outputs.iter().map(|output| output.amendment.clone().unwrap()).collect();
    assert_eq!(amended, [(2, Some("model_failed".into())), (1, Some("model_failed".into()))]);
    let state = world.sink.state();
    let sent = state.to(Destination::Outputs)[0];
    assert_eq!(sent.partition, Some(1), "where the record's output belongs");
    assert_eq!(sent.header("traceparent").as_deref(), Some("00-ab"));
    assert!(sent.headers.iter().all(|(name, _)| !name.starts_with("__scorewire.")), "nothing of the letter itself");
    assert_eq!(sent.header("scorewire.amendment").as_deref(), Some("model_failed"));
}

#[test]
fn a_letter_that_fails_again_is_written_anew_until_its_attempts_are_used_up() {
    let mut world = world();
    world.scorer.set_broken(true);
    world.source.put_data(letter(&world, 0, at(1, 5), 2, -1, 600_000));
    world.source.put_data(letter(&world, 1, at(1, 6), 3, -1, 600_000));
    world.cycles(5);
    let state = world.sink.state();
    let (again, dead) = (state.to(Destination::RetryLater), state.to(Destination::DeadLetters));
    assert_eq!((again.len(), dead.len()), (1, 1));
    assert_eq!(again[0].header("__scorewire.errors.attempt").as_deref(), Some("3"));
    assert_eq!(again[0].header("__scorewire.errors.offset").as_deref(), Some("5"), "of the record, not of the letter");
    assert_eq!(dead[0].header("__scorewire.errors.attempt").as_deref(), Some("4"));
    assert_eq!(dead[0].header("__scorewire.errors.offset").as_deref(), Some("6"));
    for sent in [again[0], dead[0]] {
        let attempts = sent.headers.iter().filter(|(name, _)| name == "__scorewire.errors.attempt").count();
        assert_eq!(attempts, 1, "each header once");
    }
}

#[test]
fn its_attempts_count_on_in_whatever_style_dead_letters_have() {
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::RetryLater)]);
    let retry = RetrySettings { attempts_max: 3, ..RetrySettings::default() };
    let header_style = HeaderStyle::Connect;
    let mut world = Setup { is_retry: true, retry, fallback, header_style, ..Setup::default() }.build();
    world.scorer.set_broken(true);
    world.source.put_data(letter(&world, 0, at(1, 6), 3, -1, 600_000));
    world.cycles(5);
    let dead = world.dead_letters();
    assert_eq!(dead[0].header("__connect.errors.attempt").as_deref(), Some("4"));
    assert_eq!(dead[0].header("__connect.errors.offset").as_deref(), Some("6"));
}

#[test]
fn a_letter_keeps_the_time_at_which_it_expires_and_is_a_dead_letter_from_then_on() {
    let mut world = world();
    world.scorer.set_broken(true);
    let expires_at = (world.clock.wall_ms() + 90_000).to_string();
    world.source.put_data(letter(&world, 0, at(1, 5), 1, -1, 90_000));
    world.cycles(5);
    assert_eq!(
        world.sink.state().to(Destination::RetryLater)[0].header("__scorewire.retry.expires_at").as_deref(),
        Some(expires_at.as_str())
    );
    world.scorer.set_broken(false);
    world.source.put_data(letter(&world, 1, at(1, 6), 1, -10, -1));
    world.cycles(5);
    let letters = world.dead_letters();
    assert_eq!(letters[0].header("__scorewire.errors.reason").as_deref(), Some("retry_expired"));
    assert_eq!(letters[0].header("__scorewire.errors.offset").as_deref(), Some("6"));
}

#[test]
fn what_is_no_letter_is_a_dead_letter() {
    let mut world = world();
    world.source.put(0, Payment::new("stray", 0.25).encode());
    let mut other = letter(&world, 1, at(1, 5), 1, -1, 90_000);
    for (name, value) in &mut other.headers {
        if name.ends_with("errors.topic") {
            *value = Some(b"another-topic".to_vec());
        }
    }
    world.source.put_data(other);
    world.cycles(3);
    let reasons: Vec<_> = world.dead_letters().iter().map(|sent| sent.header("__scorewire.errors.reason")).collect();
    assert_eq!(reasons, [Some("no_letter".into()), Some("no_letter".into())]);
}
