//! A replay against a real broker. The story: a model validator asks what the next model would have decided, and an auditor
//! whether the recorded scores are those of the model that they name. Whatever was altered, lost or doubled on the topic of
//! outputs is found by its position, and the live job does not notice that somebody read beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rdkafka::consumer::{BaseConsumer, Consumer};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;
use serde_json::Value;

use crate::common::kafka::{ANSWER, unique_name};
use crate::common::process::{Finished, scorewire};
use crate::common::{Job, Outcome, RealKafka, Running, STEP, Transactions};

/// `scorewire replay` of a job.
pub fn replay(job: &Job, args: &[&str]) -> Finished {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("replay").arg("--config").arg(job.config()).args(args);
    Running::spawn(&mut command).wait(STEP)
}

/// The report of a replay that ended with this code.
#[track_caller]
pub fn report(job: &Job, code: u8, args: &[&str]) -> Value {
    let finished = replay(job, &[args, &["--json"]].concat());
    assert_eq!(finished.code(), Some(i32::from(code)), "{}{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).expect("stdout is one JSON object")
}

/// The number of one of the report's counts; 0 where it is not told.
#[track_caller]
pub fn count(report: &Value, name: &str) -> u64 {
    let counts = report["counts"].as_array().expect("counts");
    counts.iter().find(|count| count["name"] == name).map_or(0, |count| count["number"].as_u64().expect("a number"))
}

/// The sentences of the verdict, failures first.
pub fn sentences(report: &Value) -> String {
    let of = |name: &str| report["verdict"][name].as_array().cloned().unwrap_or_default();
    let all: Vec<String> =
        of("failures").into_iter().chain(of("findings")).map(|s| s.as_str().unwrap_or_default().to_owned()).collect();
    all.join("\n")
}

fn groups(kafka: &RealKafka) -> BTreeSet<String> {
    let client: BaseConsumer = kafka.client_config().create().expect("a client");
    let list = client.fetch_group_list(None, ANSWER).expect("the broker answers");
    list.groups().iter().map(|group| group.name().to_owned()).collect()
}

pub fn other_package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-mlp")
}

/// A job that has scored so many records, one in fifty of them spoilt.
pub fn scored(kafka: &RealKafka, purpose: &str, (partitions, records): (i32, usize), settings: &[&str]) -> Job {
    let job = Job::new(kafka, purpose, partitions);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut sent = transactions.spread(records, partitions);
    for record in sent.iter_mut().step_by(50) {
        record.value.as_mut().expect("a value").truncate(40);
    }
    kafka.produce(&job.input, &sent);
    let finished = job.run_until_end(settings);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job
}

pub fn outputs(job: &Job) -> Vec<Outcome> {
    job.kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect()
}

fn decide(score: f64, (review, decline): (f64, f64)) -> usize {
    usize::from(score >= review) + usize::from(score >= decline)
}

#[test]
fn the_same_package_gives_the_same_bits_and_nobody_notices() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-same", (3, 3_000), &[]);
    let committed = job.committed();
    let group = unique_name("replay-no-group");

    let audit = report(&job, exit::DONE, &["--bit-equal", "--group", &group]);
    assert_eq!(audit["verdict"]["passed"], true);
    assert_eq!(
        (audit["decisions"]["compared"].as_u64(), audit["scores"]["differing"].as_u64()),
        (Some(2_940), Some(0))
    );
    assert_eq!((count(&audit, "read"), count(&audit, "compared"), count(&audit, "dead letters")), (3_000, 2_940, 60));
    assert_eq!((count(&audit, "missing"), count(&audit, "dead letters now")), (0, 0));
    assert_eq!(audit["feature_rows"], 2_940);
    assert!(audit["provenance"]["dead letters, by reason"].as_str().unwrap().contains("truncated 60"), "{audit:#}");
    assert_eq!(audit["before"]["sha256"], audit["after"]["sha256"]);

    // Printed, for people.
    let printed = replay(&job, &["--max-flips", "0"]);
    assert_eq!(printed.code(), Some(0), "{}", printed.stderr);
    assert!(printed.stdout.starts_with("PASSED  Replay beside recorded outputs\n"), "{}", printed.stdout);

    let groups = groups(&kafka);
    assert!(groups.contains(&job.group) && !groups.contains(&group), "a replay makes no group: {groups:?}");
    assert_eq!(job.committed(), committed, "and moves no offset");
    job.assert_all_committed();
}

#[test]
fn other_thresholds_flip_the_decisions_between_them() {
    let Some(kafka) = RealKafka::connect() else { return };
    let then = (0.002, 0.3);
    let settings = ["thresholds.review=0.002", "thresholds.decline=0.3", "thresholds.version=then"];
    let job = scored(&kafka, "replay-thresholds", (2, 3_000), &settings);
    let now = (0.001, 0.6);
    let set =
        ["--set", "thresholds.review=0.001", "--set", "thresholds.decline=0.6", "--set", "thresholds.version=now"];

    let mut matrix = [[0_u64; 3]; 3];
    for output in outputs(&job) {
        let score = output.double("score");
        matrix[decide(score, then)][decide(score, now)] += 1;
    }
    let compared: u64 = matrix.as_flattened().iter().sum();
    let flips = compared - (0..3).map(|decision| matrix[decision][decision]).sum::<u64>();
    assert!(flips > 20, "the thresholds were chosen so that some flip: {matrix:?}");

    let found = report(&job, exit::DONE, &set);
    assert_eq!(found["decisions"]["matrix"], serde_json::json!(matrix));
    assert_eq!(found["decisions"]["flips"], flips);
    assert_eq!(
        (&found["before"]["thresholds_version"], &found["after"]["thresholds_version"]),
        (&"then".into(), &"now".into())
    );
    assert_eq!(found["scores"]["differing"], 0);

    let bound = |flips: u64| format!("{}", flips as f64 / compared as f64);
    report(&job, exit::DONE, &[&set[..], &["--max-flips", &bound(flips)]].concat());
    let failed = report(&job, exit::FAILED, &[&set[..], &["--max-flips", &bound(flips - 1)]].concat());
    assert!(sentences(&failed).contains(&format!("more than the bound of {}", flips - 1)), "{}", sentences(&failed));
}

/// The other package's scores as `scorewire score` prints them, beside the recorded ones.
#[test]
fn another_package_is_compared_score_by_score() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-other", (2, 2_000), &[]);
    let package = other_package();
    let package = package.to_str().expect("a path");
    let page = job.folder().join("replay.html");
    let labels = job.folder().join("labels.csv");

    let (mut text, mut lines) = (String::from("transaction_id,fraud\n"), String::new());
    let inputs = kafka.read(&job.input);
    for (number, record) in inputs.iter().enumerate() {
        let value = record.value.as_deref().expect("a value");
        lines.extend(value.iter().map(|byte| format!("{byte:02x}")));
        lines.push('\n');
        if value.len() > 40 && number % 3 > 0 {
            text.push_str(&format!("{},{}\n", String::from_utf8_lossy(&value[11..27]), u8::from(number % 7 == 0)));
        }
    }
    let hex = job.folder().join("values.hex");
    std::fs::write(&hex, lines).expect("the folder is writable");
    std::fs::write(&labels, &text).expect("the folder is writable");
    let mut command = scorewire();
    let told = Running::spawn(command.arg("score").args(["--package", package]).arg(&hex)).wait(STEP);
    let scores: Vec<Option<f64>> = told
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["score"].as_f64())
        .collect();
    assert_eq!(scores.len(), inputs.len(), "{}", told.stderr);

    let recorded: std::collections::BTreeMap<_, _> =
        outputs(&job).iter().map(|output| (output.source(), output.double("score"))).collect();
    let (mut largest, mut differing, mut pairs) = (0.0_f64, 0_u64, Vec::new());
    for ((number, record), score) in inputs.iter().enumerate().zip(&scores) {
        let (Some(before), Some(after)) = (recorded.get(&(record.partition, record.offset)), score) else { continue };
        largest = largest.max((after - before).abs());
        differing += u64::from(before.to_bits() != after.to_bits());
        if number % 3 > 0 {
            pairs.push((*before, *after, number % 7 == 0));
        }
    }
    let (labels, html) = (labels.to_str().expect("a path"), page.to_str().expect("a path"));
    let found = report(&job, exit::DONE, &["--package", package, "--labels", labels, "--html", html]);
    assert_eq!(found["decisions"]["compared"], recorded.len());
    assert_eq!(
        (found["scores"]["differing"].as_u64(), found["scores"]["difference"]["max"].as_f64()),
        (Some(differing), Some(largest))
    );
    assert_eq!(
        (&found["before"]["package"], &found["after"]["package"]),
        (&"card-fraud-gbdt".into(), &"card-fraud-mlp".into())
    );
    let fraud = pairs.iter().filter(|(.., is_fraud)| *is_fraud).count();
    assert_eq!((&found["labels"]["records"], &found["labels"]["fraud"]), (&pairs.len().into(), &fraud.into()));
    for (side, place) in [("before", 0), ("after", 1)] {
        let of: Vec<(f64, bool)> =
            pairs.iter().map(|(before, after, is_fraud)| ([*before, *after][place], *is_fraud)).collect();
        let told = found["labels"][side]["auc"].as_f64().expect("both classes are there");
        assert!((told - auc(&of)).abs() < 1e-12, "{side}: {told} and {}", auc(&of));
    }
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("card-fraud-mlp"), "{}", &page[..200]);
    assert!(!found.to_string().contains("NaN"));
    // Not one of its outputs is recorded.
    let audit = report(&job, exit::FAILED, &["--package", package, "--bit-equal"]);
    assert!(sentences(&audit).contains("Nothing was compared"), "{}", sentences(&audit));
    assert_eq!(count(&audit, "other model"), recorded.len() as u64);
}

/// How often a fraud scores higher than another record, pair by pair.
fn auc(scores: &[(f64, bool)]) -> f64 {
    let of = |wanted: bool| scores.iter().filter(move |(_, is_fraud)| *is_fraud == wanted).map(|(score, _)| *score);
    let (mut won, mut all) = (0.0, 0.0);
    for fraud in of(true) {
        for other in of(false) {
            all += 1.0;
            won += if fraud > other {
                1.0
            } else if fraud == other {
                0.5
            } else {
                0.0
            };
        }
    }
    won / all
}
