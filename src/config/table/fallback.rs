//! `[fallback]` and `[retry_later]`: what happens to records that the model gives no score.

use std::time::Duration;

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{Integer, OwnKind, Place};
use crate::config::plan::Config;
use crate::config::read::Reader;
use crate::observe::stats::FALLBACK_STEPS_MAX;
use crate::values::failure::{FailureClass, FailureClasses};
use crate::values::settings::{FallbackEnd, FallbackStep, WhenLate};

const ON: &str = "fallback.on";
const THEN: &str = "fallback.then";

pub const FALLBACK: Section = Section {
    head: r#"

# What happens to records that the model gives no score. Without it: what failed is a dead letter, what was not answered in
# time goes to topics.timeouts, and limits.model_failures_max failures in a row end the process. docs/failures.md tells more.
[fallback]"#,
    keys: &[
        Key {
            name: ON,
            kind: &OwnKind {
                read: read_on,
                show: |draft| draft.config.fallback.on.iter().map(FailureClass::name).collect::<Vec<_>>().into(),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# For which of them: "failed" (the model failed, or is not to be had), "bad_answer" (NaN, outside 0 to 1), "refused" (the model
# takes no such row), "timed_out" (no answer within model.timeout_ms), "late" (deadline.then = "shed"). Others are as without."#,
        },
        Key {
            name: THEN,
            kind: &OwnKind {
                read: read_then,
                show: |draft| draft.config.fallback.then.iter().map(shown).collect::<Vec<_>>().into(),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# The steps, tried in order; the last one is an end.
#   "package:DIR"   another package decides, a smaller one: verified, warmed and called on the lane's own thread. What it gives
#                   no score goes on to the next step.
#   "score:0.5"     an end: this score, and the decision that the thresholds make of it.
#   "retry_later"   an end: a letter on topics.retry_later, which `scorewire retry` scores again ([retry_later]).
#   "timeouts"      an end: a dead letter on topics.timeouts; for "timed_out" and "late" alone.
#   "pause"         an end: the lane stands still and asks its model again, until it answers. Not for "refused" and "late".
#   "stop"          an end: a dead letter, and limits.model_failures_max of them in a row end the process. Not for "late".
# Outputs of the first two say fallback and fallback_step. Example: ["package:models/card-fraud-mlp", "score:0.5"]"#,
        },
    ],
    finish: apart,
};

pub const RETRY_LATER: Section = Section {
    head: r#"

# Letters that are scored again later (fallback.then = "retry_later").
[retry_later]"#,
    keys: &[
        Key {
            name: "retry_later.delay_ms",
            kind: &millis(|draft| &mut draft.config.retry.delay),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How long after its failure a letter is scored again.",
        },
        Key {
            name: "retry_later.attempts_max",
            kind: &Integer { range: 1..=1_000, place: Place::Always(|draft| &mut draft.config.retry.attempts_max) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How often at most. A record that has failed once more is a dead letter.",
        },
        Key {
            name: "retry_later.expires_after_ms",
            kind: &millis(|draft| &mut draft.config.retry.expires_after),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# How long after the record's own timestamp a score is of use. A letter that is due later is a dead letter.",
        },
    ],
    finish: apart,
};

/// Up to a week.
const fn millis(place: fn(&mut Draft) -> &mut Duration) -> Integer<Duration> {
    Integer { range: 1..=604_800_000, place: Place::Always(place) }
}

fn read_on(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let Some(words) = reader.list(key) else { return };
    let class = |word: &String| FailureClass::ALL.into_iter().find(|class| class.name() == word);
    if let Some(word) = words.iter().find(|word| class(word).is_none()) {
        let all = FailureClass::ALL.map(|class| format!("{:?}", class.name())).join(", ");
        reader.problem(key, format!("{word:?} is no failure that it knows"), format!("give some of {all}"));
    }
    draft.config.fallback.on = words.iter().filter_map(class).collect();
}

fn read_then(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let Some(words) = reader.list(key) else { return };
    let steps: Vec<Option<FallbackStep>> = words.iter().map(|word| step(reader, word)).collect();
    if let Some((word, _)) = words.iter().zip(&steps).find(|(_, step)| step.is_none()) {
        let what = format!("{word:?} is no step");
        let fix = "give package:DIR, score:0.5 (from 0 to 1), retry_later, timeouts, pause or stop";
        reader.problem(key, what, fix);
    }
    draft.config.fallback.then = steps.into_iter().flatten().collect();
}

fn step(reader: &Reader<'_>, word: &str) -> Option<FallbackStep> {
    match word.split_once(':') {
        Some(("package", dir)) if !dir.trim().is_empty() => {
            let said = dir.trim().to_owned();
            Some(FallbackStep::Package { dir: reader.resolved(THEN, &said), said })
        }
        Some(("score", score)) => {
            let score: f64 = score.trim().parse().ok()?;
            (0.0..=1.0).contains(&score).then_some(FallbackStep::End(FallbackEnd::Score(score)))
        }
        Some(_) => None,
        None => [FallbackEnd::RetryLater, FallbackEnd::Timeouts, FallbackEnd::Pause, FallbackEnd::Stop]
            .into_iter()
            .find(|end| end.to_string() == word)
            .map(FallbackStep::End),
    }
}

/// Read back from anywhere it means the same.
fn shown(step: &FallbackStep) -> String {
    match step {
        FallbackStep::Package { dir, .. } => format!("package:{}", dir.display()),
        FallbackStep::End(end) => end.to_string(),
    }
}

/// Notes what does not fit together.
pub(in crate::config) fn check(reader: &mut Reader<'_>, config: &Config) {
    let (on, then) = (config.fallback.on, &config.fallback.then);
    let is_given = |key: &str| reader.raw.get(key).is_some();
    match (is_given(ON), is_given(THEN)) {
        (true, false) => {
            reader.problem(ON, "given without fallback.then", "say what happens to them: then = [\"score:0.5\"]")
        }
        (false, true) => reader.problem(THEN, "given without fallback.on", "say for which failures: on = [\"failed\"]"),
        _ => {}
    }
    if let Some((last, before)) = then.split_last() {
        match last {
            FallbackStep::Package { .. } => {
                let fix = "end with score:0.5, retry_later, timeouts, pause or stop: what becomes of records it gives no score";
                reader.problem(THEN, format!("{last} is no end"), fix);
            }
            FallbackStep::End(end) => check_end(reader, on, *end),
        }
        if let Some(end) = before.iter().find(|step| matches!(step, FallbackStep::End(_))) {
            reader.problem(
                THEN,
                format!("{end} is an end, and steps follow it"),
                "remove what follows, or move it in front",
            );
        }
        if then.len() > FALLBACK_STEPS_MAX {
            let what = format!("{} steps, and {FALLBACK_STEPS_MAX} are the most", then.len());
            reader.problem(THEN, what, "leave some out: each costs the records that reach it time");
        }
    }
    if on.has(FailureClass::Late) && config.deadline.is_none_or(|deadline| deadline.then != WhenLate::Shed) {
        let what = "\"late\" without deadline.then = \"shed\": late records go to the model all the same";
        reader.problem(ON, what, "give deadline.limit_ms and deadline.then = \"shed\", or leave \"late\" out");
    }
}

/// An end that some failures cannot have.
fn check_end(reader: &mut Reader<'_>, on: FailureClasses, end: FallbackEnd) {
    let (fits, why): (fn(FailureClass) -> bool, &str) = match end {
        FallbackEnd::Timeouts => (
            |class| matches!(class, FailureClass::TimedOut | FailureClass::Late),
            "topics.timeouts is for what came too late: what failed would be looked for among the dead letters",
        ),
        FallbackEnd::RetryLater => (|class| class != FailureClass::Refused, "what the model refuses it refuses again"),
        FallbackEnd::Pause => (FailureClass::may_heal, "it does not pass: the lane would stand still for good"),
        FallbackEnd::Stop => (|class| class != FailureClass::Late, "late records are no failure of the model"),
        FallbackEnd::Score(_) => return,
    };
    let unfit: Vec<String> =
        on.iter().filter(|class| !fits(*class)).map(|class| format!("{:?}", class.name())).collect();
    if !unfit.is_empty() {
        let what = format!("\"{end}\" is no end for {}: {why}", unfit.join(", "));
        reader.problem(THEN, what, format!("leave {} out of fallback.on, or give another end", unfit.join(" and ")));
    }
}
