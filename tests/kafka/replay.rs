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
use crate::common::{Job, Outcome, ReadRecord, RealKafka, Running, STEP, TestRecord, Transactions};

/// `scorewire replay` of a job.
fn replay(job: &Job, args: &[&str]) -> Finished {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("replay").arg("--config").arg(job.config()).args(args);
    Running::spawn(&mut command).wait(STEP)
}

/// The report of a replay that ended with this code.
#[track_caller]
fn report(job: &Job, code: u8, args: &[&str]) -> Value {
    let finished = replay(job, &[args, &["--json"]].concat());
    assert_eq!(finished.code(), Some(i32::from(code)), "{}{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).expect("stdout is one JSON object")
}

/// The number of one of the report's counts; 0 where it is not told.
#[track_caller]
fn count(report: &Value, name: &str) -> u64 {
    let counts = report["counts"].as_array().expect("counts");
    counts.iter().find(|count| count["name"] == name).map_or(0, |count| count["number"].as_u64().expect("a number"))
}

/// The sentences of the verdict, failures first.
fn sentences(report: &Value) -> String {
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

fn other_package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-mlp")
}

/// A job that has scored so many records, one in fifty of them spoilt.
fn scored(kafka: &RealKafka, purpose: &str, (partitions, records): (i32, usize), settings: &[&str]) -> Job {
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

fn outputs(job: &Job) -> Vec<Outcome> {
    job.kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect()
}

/// As it stands on the topic of outputs, for another topic.
fn again(record: &ReadRecord) -> TestRecord {
    TestRecord {
        partition: record.partition,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
        timestamp_ms: record.timestamp_ms,
    }
}

/// The same output with the last bit of its score flipped, and that score's bits before and after.
fn altered(output: &Outcome) -> (TestRecord, [u64; 2]) {
    let mut record = again(&output.record);
    let bits = output.double("score").to_bits();
    let value = record.value.as_mut().expect("a value");
    let at = value.windows(8).position(|bytes| bytes == bits.to_le_bytes()).expect("the score is in the output");
    value[at] ^= 1;
    (record, [bits, bits ^ 1])
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

#[test]
fn what_was_altered_lost_or_doubled_is_found_by_its_position() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-planted", (2, 1_000), &[]);
    let outputs = outputs(&job);
    let planted = |name: &str, records: &[TestRecord]| {
        let topic = kafka.topic(name, 2);
        kafka.produce(&topic, records);
        topic
    };
    let whole: Vec<TestRecord> = outputs.iter().map(|output| again(&output.record)).collect();
    let place = |number: usize| {
        let (partition, offset) = outputs[number].source();
        format!("partition {partition}, offset {offset}")
    };

    // Bytes of others beside it change nothing.
    let mut noise = whole.clone();
    noise.push(TestRecord::new(0).value(b"{\"score\": 1}".to_vec()));
    noise.push(TestRecord::new(1).key("tombstone"));
    noise.push(TestRecord { value: whole[5].value.as_ref().map(|value| value[..50].to_vec()), ..whole[5].clone() });
    let audit = report(&job, exit::DONE, &["--bit-equal", "--against", &planted("replay-noise", &noise)]);
    assert_eq!((count(&audit, "foreign"), count(&audit, "compared")), (3, outputs.len() as u64));

    let (record, [was, is]) = altered(&outputs[700]);
    let mut spoilt = whole.clone();
    spoilt[700] = record;
    let topic = planted("replay-altered", &spoilt);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &topic]);
    let said = sentences(&audit);
    assert!(
        said.contains(&place(700)) && said.contains(&format!("{is:016x}")) && said.contains(&format!("{was:016x}")),
        "{said}"
    );
    assert_eq!((&audit["scores"]["differing"], count(&audit, "missing")), (&1.into(), 0));
    // A bound on decisions has said what may differ.
    report(&job, exit::DONE, &["--max-flips", "0", "--against", &topic]);

    let mut gaps = whole.clone();
    gaps.remove(400);
    gaps.remove(100);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &planted("replay-gaps", &gaps)]);
    assert_eq!((count(&audit, "missing"), count(&audit, "compared")), (2, outputs.len() as u64 - 2));
    assert!(sentences(&audit).contains(&format!("2 records are without an output, the first at {}", place(100))));

    let mut doubles = whole.clone();
    doubles.extend([whole[3].clone(), whole[9].clone(), whole[9].clone()]);
    let audit = report(&job, exit::DONE, &["--bit-equal", "--against", &planted("replay-doubles", &doubles)]);
    assert_eq!((count(&audit, "doubled"), count(&audit, "doubled otherwise")), (3, 0));
    doubles.push(altered(&outputs[11]).0);
    let topic = planted("replay-doubles-other", &doubles);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &topic]);
    assert_eq!(
        (count(&audit, "doubled"), count(&audit, "doubled otherwise"), count(&audit, "compared")),
        (4, 1, outputs.len() as u64)
    );
    assert!(sentences(&audit).contains(&place(11)), "{}", sentences(&audit));
    report(&job, exit::DONE, &["--max-flips", "0", "--against", &topic]);
}

#[test]
fn a_record_that_is_no_transaction_now_and_has_an_output_fails_the_audit() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-smaller", (1, 500), &[]);
    // As a package with a tighter contract would: no value is small enough.
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--set", "limits.payload_bytes_max=41"]);
    assert_eq!(
        (count(&audit, "dead letters now"), count(&audit, "dead letters"), count(&audit, "compared")),
        (490, 10, 0)
    );
    assert!(sentences(&audit).contains("490 records are with an output and no score now"), "{}", sentences(&audit));
    assert!(audit["provenance"]["dead letters now, by reason"].as_str().unwrap().contains("oversized 490"));
}

/// Aborted transactions and markers take offsets, and stand at the ends of ranges too.
#[test]
fn many_threads_share_one_partition_with_holes() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "replay-threads", 1);
    let loaded = job.load(&["--preload", "45000", "--poison", "0.01"]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);
    let mut transactions = Transactions::new(Framing::SingleObject);
    for _ in 0..3 {
        kafka.produce_aborted(&job.input, &transactions.spread(40, 1));
        kafka.produce_committed(&job.input, &transactions.spread(500, 1));
    }
    kafka.produce_aborted(&job.input, &transactions.spread(5, 1));
    let finished = job.run_until_end(&["delivery=exactly_once"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let of = |threads: &str, args: &[&str]| {
        let mut found = report(&job, exit::DONE, &[args, &["--bit-equal", "--threads", threads]].concat());
        for fact in ["command", "started", "took"] {
            found["provenance"].as_object_mut().expect("an object").remove(fact).expect("it is told");
        }
        found
    };
    let (alone, together) = (of("1", &[]), of("4", &[]));
    assert_eq!(count(&alone, "read"), 46_500);
    assert_eq!(alone, together, "who scored what decides nothing");
    // From one marker or hole to another one.
    let end = kafka.watermarks(&job.input, 0).1;
    for (from, to) in [(end - 6, end), (end - 3, end - 1), (44_990, 45_041), (45_000, 45_039)] {
        let records = kafka.read(&job.input).iter().filter(|record| (from..to).contains(&record.offset)).count();
        let (from, to) = (format!("0:{from}"), format!("0:{to}"));
        let code = if records > 0 { exit::DONE } else { exit::FAILED };
        let found = report(&job, code, &["--bit-equal", "--from", &from, "--to", &to]);
        assert_eq!(count(&found, "read"), records as u64, "{from} {to}");
    }
}

#[test]
fn what_retention_took_is_told_and_not_called_a_loss() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-gone", (1, 1_000), &[]);
    let outputs = outputs(&job);
    kafka.delete_before(&job.outputs, 0, 300);
    let (_, first) = outputs[300].source();
    let audit = report(&job, exit::DONE, &["--bit-equal"]);
    assert_eq!((count(&audit, "gone"), count(&audit, "missing"), count(&audit, "compared")), (300, 0, 680));
    assert!(audit["provenance"]["outputs before"].as_str().is_some_and(|fact| fact.contains("retention")));

    // The input is gone where outputs are kept: they are before what can be asked for.
    kafka.delete_before(&job.input, 0, first + 100);
    let fatal = replay(&job, &["--from", "0:5"]);
    assert_eq!(fatal.code(), Some(i32::from(exit::USAGE)), "{}", fatal.stderr);
    assert!(
        fatal.stderr.contains("gone by retention") && fatal.stderr.contains(&format!("0:{}", first + 100)),
        "{}",
        fatal.stderr
    );
    let audit = report(&job, exit::DONE, &["--bit-equal"]);
    assert_eq!((count(&audit, "gone"), count(&audit, "read")), (0, 1_000 - first as u64 - 100));
}

#[test]
fn times_choose_the_records_and_outputs_are_found_by_them() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "replay-times", 2);
    let mut transactions = Transactions::new(Framing::SingleObject);
    // One a second, from 12:00:00 on.
    let start_ms = 1_750_000_000_000_i64 / 3_600_000 * 3_600_000;
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).expect("a time").to_string();
    let sent: Vec<TestRecord> = (transactions.spread(200, 2).into_iter().zip(0..))
        .map(|(record, second)| record.timestamp_ms(start_ms + second * 1_000))
        .collect();
    kafka.produce(&job.input, &sent);
    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let (from, to) = (at(start_ms + 50_000), at(start_ms + 80_000));
    let found = report(&job, exit::DONE, &["--bit-equal", "--from", &from, "--to", &to]);
    assert_eq!((count(&found, "read"), count(&found, "compared")), (30, 30));
    // Outputs since tomorrow: none.
    let tomorrow = at(jiff::Timestamp::now().as_millisecond() + 86_400_000);
    let found = report(&job, exit::FAILED, &["--bit-equal", "--outputs-from", &tomorrow]);
    assert_eq!((count(&found, "missing"), &found["provenance"]["outputs offsets"]), (200, &"none".into()));
    let nothing = replay(&job, &["--from", "1h"]);
    assert_eq!(nothing.code(), Some(i32::from(exit::FAILED)), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("no record between --from and --to"), "{}", nothing.stderr);
}
