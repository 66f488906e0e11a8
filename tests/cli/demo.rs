//! `scorewire demo` as a newcomer runs it: an embedded broker, no Kafka needed. What it promises is judged by its own
//! verifier, so the verifier is shown to find what is spoiled behind the pipeline's back.

use std::time::Duration;

use crate::common::job::assert_sound;
use crate::common::process::Finished;
use crate::common::{Running, scorewire, summary};
use rustix::process::Signal;
use scorewire::error::exit;
use scorewire::observe::latency_log;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(120);

fn demo(args: &[&str]) -> Finished {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("demo").args(args);
    Running::spawn(&mut command).wait(DEADLINE)
}

fn is_number(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.is_finite() && number >= 0.0)
}

#[test]
fn the_demo_says_everything_in_one_json_object() {
    let finished = demo(&["--seconds", "2", "--rate", "500", "--warmup", "1", "--poison", "0.02", "--json"]);
    let summary = assert_sound(&finished);
    let count = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("{name} is no count: {summary:#}"));
    assert_eq!((count("sent"), count("warm_up_sent")), (1_500, 500));
    assert_eq!(count("scored") + count("dead_lettered"), 1_500);
    assert!(count("poison_sent") > 5);
    for name in ["offered_per_s", "achieved_per_s", "cpu_us_per_record"] {
        assert!(is_number(&summary[name]), "{name}: {summary:#}");
    }
    let quantiles = ["p50", "p95", "p99", "p99_9", "max"];
    let ordered = |of: &Value, what: &str| {
        let values: Vec<f64> = quantiles.iter().map(|name| of[name].as_f64().unwrap_or(f64::NAN)).collect();
        assert!(values.is_sorted() && is_number(&of["max"]), "{what}: {of}");
    };
    ordered(&summary["latency_ms"], "latency_ms");
    for stage in ["intake", "decode", "batch_wait", "inference", "emit", "ack", "journey"] {
        ordered(&summary["stages_us"][stage], stage);
    }
    let sum = |of: &Value| of.as_object().expect("an object").values().filter_map(Value::as_u64).sum::<u64>();
    let decisions = &summary["decisions"];
    assert_eq!(decisions.as_object().unwrap().keys().collect::<Vec<_>>(), ["APPROVE", "REVIEW", "DECLINE"]);
    assert_eq!(sum(decisions), count("scored"));
    assert_eq!(sum(&summary["dead_letters"]), count("dead_lettered"));
    assert!(count("review_samples") >= decisions["REVIEW"].as_u64().unwrap(), "the band is reviewed");
}

/// Without a warm-up and without poison the lane's steps are those of exactly the records that came back, so what stamps
/// and steps say of the same way must agree.
#[test]
fn the_stages_of_a_real_run_add_up_and_its_reports_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (html, hlog, hgrm) = (path("run.html"), path("run.hlog"), path("run.hgrm"));
    let args = ["--seconds", "2", "--rate", "500", "--warmup", "0", "--poison", "0", "--json"];
    let finished = demo(&[&args[..], &["--html", &html, "--hlog", &hlog, "--hgrm", &hgrm]].concat());
    let summary = assert_sound(&finished);
    let breakdown = &summary["breakdown"];
    let us = |of: &Value| of.as_f64().unwrap_or_else(|| panic!("no number in {breakdown:#}"));
    let stages = breakdown["stages_us"].as_object().expect("an object");
    let names = ["generator", "topic", "intake", "decode", "batch_wait", "inference", "emit", "ack", "back"];
    assert_eq!(stages.keys().collect::<Vec<_>>(), names);
    assert_eq!((&breakdown["records"], &breakdown["lane_records"]), (&summary["scored"], &summary["scored"]));
    let sum: f64 = stages.values().map(us).sum();
    let whole = us(&breakdown["end_to_end_us"]);
    assert!((sum + us(&breakdown["unexplained_us"]) - whole).abs() < 0.1, "{breakdown:#}");
    // Rounding to microseconds at five boundaries, and the histograms' three digits.
    let inside: f64 = ["intake", "decode", "batch_wait", "inference"].iter().map(|name| us(&stages[*name])).sum();
    assert!(us(&breakdown["unexplained_us"]).abs() < 5.0 + 0.01 * inside, "{breakdown:#}");
    let outcomes: u64 = summary["series"].as_array().unwrap().iter().filter_map(|at| at["outcomes"].as_u64()).sum();
    assert_eq!(outcomes, 1_000);
    assert!(summary["setup"]["pipeline"]["model"].as_str().unwrap().starts_with("card-fraud-gbdt"), "{summary:#}");

    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.ends_with("</html>\n") && page.contains("each of 1,000 records came back exactly once"));
    let log = latency_log::read(&std::fs::read_to_string(hlog).unwrap()).unwrap();
    let logged = |tag: Option<&str>| -> u64 {
        log.iter().filter(|interval| interval.tag.as_deref() == tag).map(|interval| interval.values_us.len()).sum()
    };
    assert_eq!((logged(None), logged(Some("inside"))), (1_000, 1_000));
    assert!(std::fs::read_to_string(hgrm).unwrap().contains("Total count    =         1000]"));
}

#[test]
fn without_json_the_verdict_is_a_table_and_several_lanes_change_nothing() {
    let finished = demo(&["--seconds", "1", "--rate", "500", "--warmup", "0", "--lanes", "2", "--partitions", "6"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let verdict = "Nothing lost, nothing doubled, nothing out of order: each of 500 records came back exactly once.";
    for part in [verdict, "throughput", "end to end", "inference", "APPROVE", "dead letters", "human review"] {
        let words = finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "no {part:?} in:\n{}", finished.stdout);
    }
}

#[test]
fn any_package_on_the_same_transactions_can_be_shown() {
    let network = ["--package", "models/card-fraud-mlp"];
    let load = ["--seconds", "1", "--rate", "500", "--warmup", "0", "--poison", "0.02", "--json"];
    let summary = assert_sound(&demo(&[&network[..], &load[..]].concat()));
    assert_eq!(summary["sent"], 500);
    assert_eq!(summary["scored"].as_u64().unwrap() + summary["poison_sent"].as_u64().unwrap(), 500);
    assert!(summary["decisions"]["APPROVE"].as_u64().unwrap() > 400, "{summary:#}");
}

#[test]
fn an_interrupt_ends_the_sending_and_what_was_sent_is_accounted_for() {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["demo", "--seconds", "600", "--rate", "500", "--warmup", "0", "--json", "--log-level", "info"]);
    let mut running = Running::spawn(&mut command);
    running.wait_until_says("partitions assigned", DEADLINE);
    running.signal(Signal::INT);
    let summary = assert_sound(&running.wait(DEADLINE));
    assert_eq!(summary["interrupted"], true);
}

/// One outcome spoiled after the warm-up: exit code 1, and exactly that one count.
#[track_caller]
fn assert_found(spoil: &str, broken: &str) -> Finished {
    let args = ["--seconds", "2", "--rate", "500", "--warmup", "0.5", "--poison", "0", "--json", "--spoil", spoil];
    let finished = demo(&args);
    let summary = summary(&finished);
    assert_eq!(finished.code(), Some(exit::FAILED.into()), "{spoil}: {summary:#}");
    for count in ["lost", "duplicated", "out_of_order", "misplaced", "malformed", "unexpected"] {
        assert_eq!(summary[count], u64::from(count == broken), "{spoil}: {count}: {summary:#}");
    }
    assert_eq!((&summary["sent"], &summary["warm_up_sent"]), (&Value::from(1_250), &Value::from(250)));
    let scored = 1_250 - u64::from(broken == "lost");
    assert_eq!(summary["scored"], scored, "{spoil}");
    finished
}

#[test]
fn a_suppressed_outcome_is_one_lost() {
    let finished = assert_found("suppress@700", "lost");
    assert_eq!(summary(&finished)["first_lost"], serde_json::json!([700]));
}

#[test]
fn a_doubled_outcome_is_one_duplicate() {
    assert_found("double@700", "duplicated");
}

#[test]
fn a_swapped_outcome_is_one_out_of_order() {
    assert_found("swap@700", "out_of_order");
}
