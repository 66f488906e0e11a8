//! A verifier that cannot find a loss is worse than none: everybody believes it. Here the generator sends to an embedded
//! broker, a trivial pipeline answers, and outcomes are spoiled on purpose: each must be found, counted and fatal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{Cluster, Echo, Misbehaviour, OUTPUT_SCHEMA};
use scorewire::error::{Fatal, exit};
use scorewire::load::simulate::dataset;
use scorewire::load::simulate::payloads::{Framing, PayloadSource};
use scorewire::load::{PipelineProbe, run};
use scorewire::observe::latency::StepTimes;
use scorewire::values::topics::Destination;

#[test]
fn a_sound_pipeline_is_found_sound() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::DONE);
    assert_eq!((summary.sent, summary.warm_up_sent), (4_000, 1_000));
    assert!(summary.poison_sent > 20);
    assert_eq!(summary.dead_lettered, summary.poison_sent);
    assert_eq!(summary.scored + summary.dead_lettered, summary.sent);
    let decided: u64 = summary.decisions.0.iter().map(|(_, count)| count).sum();
    assert_eq!(decided, summary.scored);
    assert!(*summary.decisions.get("REVIEW").unwrap() > 500);
    assert!(summary.dead_letters.get("truncated").is_some_and(|count| *count > 0));
    assert!((70..=80).contains(&summary.review_samples), "{}", summary.review_samples);
    assert_eq!(summary.offered_per_s, 2_000.0);
    assert!(summary.latency_ms.p50 > 0.0 && summary.latency_ms.p50 <= summary.latency_ms.max);
    assert!(summary.cpu_us_per_record.is_some());
}

#[test]
fn one_suppressed_one_doubled_one_swapped_outcome_are_found() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.poison_per_million = 0;
    plan.inject = ["suppress@700", "double@1234", "swap@2000"].map(|text| text.parse().unwrap()).to_vec();
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert_eq!((summary.lost, summary.duplicated, summary.out_of_order), (1, 1, 1), "{}", summary.verdict());
    assert_eq!(summary.first_lost, [700]);
    assert_eq!(summary.exit_code(), exit::FAILED);
    assert_eq!(summary.scored, summary.sent - 1);
    let verdict = summary.verdict();
    assert!(verdict.contains("1 lost, 1 doubled, 1 out of order") && verdict.contains("First lost: 700"), "{verdict}");
}

#[test]
fn a_pipeline_that_scores_poison_is_found() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::ScoresPoison);
    assert_eq!((summary.lost, summary.duplicated, summary.out_of_order, summary.dead_lettered), (0, 0, 0, 0));
    assert_eq!(summary.unexpected, summary.poison_sent);
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn scores_that_are_no_probability_are_found() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.poison_per_million = 0;
    let summary = cluster.run(&plan, Misbehaviour::NanScores);
    assert_eq!((summary.malformed, summary.lost), (40, 0), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn outcomes_under_another_key_are_found() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::LosesKeys);
    assert_eq!((summary.misplaced, summary.lost), (400, 0), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn a_file_is_sent_once_and_its_scores_are_kept() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.avro");
    dataset::export(&path, 1_500, 5, dataset::Format::Avro).unwrap();
    let mut plan = cluster.plan();
    plan.source = PayloadSource::File { path: path.clone(), key: Some("card.token".to_owned()), repeat: false };
    plan.framing = Framing::Registry(7);
    plan.preload = Some(1_000_000);
    plan.poison_per_million = 20_000;
    plan.scores_to = Some(folder.path().join("scores.csv"));
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert!(summary.poison_sent > 0, "poison comes between the rows, not instead of one");
    assert_eq!((summary.sent - summary.poison_sent, summary.scored, summary.warm_up_sent), (1_500, 1_500, 0));
    let scores = std::fs::read_to_string(folder.path().join("scores.csv")).unwrap();
    let lines: Vec<&str> = scores.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (1_501, "row,score", "0,0.5"));

    plan.source = PayloadSource::File { path: folder.path().join("none.avro"), key: None, repeat: false };
    let error = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap_err();
    assert!(error.what.contains("none.avro"), "{error}");
    plan.source = PayloadSource::File { path, key: Some("card.number".to_owned()), repeat: false };
    let error = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::USAGE);
    assert!(error.what.contains("card.number"), "{error}");
}

#[test]
fn a_file_that_ends_the_sending_was_offered_at_the_rate_of_the_schedule() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.avro");
    dataset::export(&path, 500, 5, dataset::Format::Avro).unwrap();
    let mut plan = cluster.plan();
    plan.source = PayloadSource::File { path, key: None, repeat: false };
    (plan.warm_up, plan.duration, plan.poison_per_million) = (Duration::ZERO, Duration::from_secs(600), 0);
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!((summary.sent, summary.offered_per_s, summary.seconds), (500, 2_000.0, 0.25));
}

#[test]
fn without_reading_back_a_topic_is_only_filled() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.preload = Some(3_000);
    plan.verify = false;
    let summary = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap();
    assert_eq!((summary.sent, summary.verified, summary.scored), (3_000, false, 0));
    assert!(summary.offered_per_s > 0.0);
    assert_eq!(summary.exit_code(), exit::DONE);
}

/// A pipeline that ends while it is being loaded.
struct Failing(AtomicBool);

impl PipelineProbe for Failing {
    fn step_times(&self) -> Option<StepTimes> {
        None
    }

    fn cpu_us(&self) -> Option<u64> {
        None
    }

    fn failure(&self) -> Option<Fatal> {
        self.0.store(true, Ordering::Relaxed);
        Some(Fatal::new(exit::DELIVERY, "the sink is gone", ""))
    }
}

#[test]
fn a_failing_pipeline_ends_the_run_with_its_own_reason() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.duration = Duration::from_secs(600);
    let probe = Failing(AtomicBool::new(false));
    let error = run(&plan, &[OUTPUT_SCHEMA], Some(&probe), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.what, "the sink is gone");
    assert!(probe.0.load(Ordering::Relaxed));
}

#[test]
fn a_stop_ends_the_sending_and_what_was_sent_is_accounted_for() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.duration = Duration::from_secs(600);
    let echo = Echo::start(&cluster, Misbehaviour::None);
    // Set before the start: the sending ends at the first look.
    let summary = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(true)).unwrap();
    echo.stop();
    assert!(summary.interrupted && summary.kept_its_promises(), "{}", summary.verdict());
    assert!(summary.sent < 10_000);
}

#[test]
fn several_threads_send_the_same_run_and_keep_its_order() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.threads = 3;
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!((summary.sent, summary.warm_up_sent, summary.offered_per_s), (4_000, 1_000, 2_000.0));
    let corpus = cluster.corpus(&plan);
    let poison = (0..4_000).filter(|sequence| corpus.at(*sequence).is_some()).count() as u64;
    assert_eq!(summary.poison_sent, poison, "which records are poison depends on seed and number alone");
}

/// Stops the run at the third look.
struct Stopping<'a> {
    stop: &'a AtomicBool,
    looks: AtomicU32,
}

impl PipelineProbe for Stopping<'_> {
    fn step_times(&self) -> Option<StepTimes> {
        None
    }

    fn cpu_us(&self) -> Option<u64> {
        None
    }

    fn failure(&self) -> Option<Fatal> {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 3 {
            self.stop.store(true, Ordering::Relaxed);
        }
        None
    }
}

#[test]
fn threads_that_are_stopped_leave_no_hole_between_what_they_sent() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    (plan.threads, plan.duration) = (3, Duration::from_secs(600));
    let stop = AtomicBool::new(false);
    let echo = Echo::start(&cluster, Misbehaviour::None);
    let probe = Stopping { stop: &stop, looks: AtomicU32::new(0) };
    let summary = run(&plan, &[OUTPUT_SCHEMA], Some(&probe), &stop).unwrap();
    echo.stop();
    assert!(summary.interrupted && summary.kept_its_promises(), "{}", summary.verdict());
    assert!((1..100_000).contains(&summary.sent), "{}", summary.sent);
}

#[test]
fn a_missing_topic_is_named_before_anything_is_sent() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.topics[Destination::Timeouts] = "nobody-made-this".to_owned();
    let error = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::UNAVAILABLE);
    assert!(error.what.contains("nobody-made-this"), "{error}");
}

#[test]
fn a_refused_property_is_named_without_its_value() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.properties = BTreeMap::from([("sasl.passwrod".to_owned(), "hunter2".to_owned())]);
    let error = run(&plan, &[OUTPUT_SCHEMA], None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::CONFIG);
    assert!(error.what.contains("sasl.passwrod") && !error.to_string().contains("hunter2"), "{error}");
}
