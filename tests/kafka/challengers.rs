//! Challengers on a real Kafka: one row for each scored record and challenger, equal bits where the package is the same, and
//! a champion that loses nothing where a challenger hangs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apache_avro::types::Value;

use crate::common::job::package;
use crate::common::{Job, Outcome, RealKafka, Running, STEP, TestRecord, Transactions, scorewire, wait_until};
use scorewire::load::simulate::payloads::Framing;
use serde_json::Value as Json;

fn other_package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-mlp")
}

struct Challenged {
    kafka: RealKafka,
    job: Job,
    topic: String,
    settings: Vec<String>,
}

impl Challenged {
    /// A job with the champion's own package and another one as challengers.
    fn new(kafka: &RealKafka, purpose: &str, partitions: i32) -> Challenged {
        let job = Job::new(kafka, purpose, partitions);
        let topic = format!("{}.challenges", job.group);
        kafka.create_topic(&topic, partitions, &[]);
        let settings = vec![
            format!("topics.challenges={topic}"),
            "challengers.0.name=same".to_owned(),
            format!("challengers.0.package={}", package().display()),
            "challengers.1.name=other".to_owned(),
            format!("challengers.1.package={}", other_package().display()),
        ];
        Challenged { kafka: kafka.clone(), job, topic, settings }
    }

    fn settings<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.settings.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    fn outputs(&self) -> BTreeMap<(i32, i64), Outcome> {
        let outputs = self.kafka.read(&self.job.outputs).into_iter().map(Outcome::of_output);
        outputs.map(|output| (output.source(), output)).collect()
    }

    /// Rows by challenger and source position.
    fn rows(&self) -> BTreeMap<(String, (i32, i64)), Vec<Outcome>> {
        let mut rows: BTreeMap<_, Vec<Outcome>> = BTreeMap::new();
        for row in self.kafka.read(&self.topic).into_iter().map(Outcome::of_challenge) {
            rows.entry((row.text("challenger"), row.source())).or_default().push(row);
        }
        rows
    }
}

#[test]
fn each_scored_record_has_one_row_of_each_challenger_beside_its_output() {
    rows_beside_outputs("challenged", &["lanes.count=2"]);
}

/// Rows are in no transaction: they are seen whatever becomes of it.
#[test]
fn rows_are_there_in_exactly_once_mode_and_with_models_on_threads_of_their_own() {
    rows_beside_outputs("challenged-eos", &["delivery=exactly_once", "lanes.layout=dedicated"]);
}

fn rows_beside_outputs(purpose: &str, more: &[&str]) {
    let Some(kafka) = RealKafka::connect() else { return };
    let challenged = Challenged::new(&kafka, purpose, 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&challenged.job.input, &transactions.spread(900, 3));
    let finished = challenged.job.run_until_end(&challenged.settings(more));
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let (outputs, rows) = (challenged.outputs(), challenged.rows());
    assert_eq!((outputs.len(), rows.len()), (900, 1_800));
    let mut differing = 0;
    for ((challenger, source), rows) in &rows {
        let ([row], output) = (&rows[..], &outputs[source]) else { panic!("{challenger} {source:?}: {}", rows.len()) };
        assert_eq!(row.record.partition, source.0, "where the source is");
        assert_eq!((&row.record.key, row.text("transaction_id")), (&output.record.key, output.text("transaction_id")));
        assert_eq!(row.record.header_text("scorewire-challenger"), Some(challenger.as_str()));
        for (of_row, of_output) in [
            ("champion.score", "score"),
            ("champion.decision", "decision"),
            ("champion.model", "model"),
            ("node", "node"),
        ] {
            assert_eq!(row.at(of_row), output.at(of_output), "{of_row} at {source:?}");
        }
        assert_eq!(row.at("failure"), Value::Null);
        let is_same = row.double("score").to_bits() == output.double("score").to_bits();
        match challenger.as_str() {
            "same" => assert!(is_same && row.at("model") == output.at("model"), "{source:?}"),
            _ => differing += u32::from(!is_same),
        }
    }
    assert!(differing > 800, "another model answers otherwise: {differing}");
    challenged.job.assert_all_committed();
    reported(&challenged, differing);
}

/// What `scorewire challenges` says of these rows: a doubled one counts once, what is no row is counted apart.
fn reported(challenged: &Challenged, differing: u32) {
    let report = |args: &[&str]| {
        let mut command = scorewire();
        command.arg("challenges").arg("-c").arg(challenged.job.config()).arg("--json").args(args);
        challenged.settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        let finished = Running::spawn(&mut command).wait(STEP);
        let report = serde_json::from_str::<Json>(&finished.stdout).unwrap_or_default();
        (finished.code(), report, finished.stderr)
    };
    let (code, _, said) = report(&[]);
    assert!(code == Some(64) && said.contains("other, same") && said.contains("--challenger"), "{said}");
    let rows = challenged.kafka.read(&challenged.topic);
    let again = rows.iter().take(40).map(|row| TestRecord {
        partition: row.partition,
        value: row.value.clone(),
        ..TestRecord::default()
    });
    let foreign = TestRecord::new(0).value(*b"no row");
    challenged.kafka.produce(&challenged.topic, &again.chain([foreign]).collect::<Vec<_>>());
    let count = |report: &Json, name: &str| {
        let counts = report["counts"].as_array().unwrap();
        counts.iter().find(|count| count["name"] == name).map_or(0, |count| count["number"].as_u64().unwrap())
    };
    let mut doubled = 0;
    for (name, bits) in [("same", 0), ("other", differing)] {
        let (code, report, said) = report(&["--challenger", name]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!((count(&report, "compared"), count(&report, "foreign")), (900, 1), "{report:#}");
        assert_eq!(report["scores"]["differing"], bits, "{report:#}");
        assert_eq!(report["before"]["package"], "card-fraud-gbdt");
        doubled += count(&report, "doubled");
    }
    assert_eq!(doubled, 40);
    let (code, report, said) = report(&["--challenger", "other", "--max-flips", "0"]);
    let flips = report["decisions"]["flips"].as_u64().unwrap();
    assert_eq!(code, Some(i32::from(flips > 0)), "{flips} {said}");
}

/// The story: a model that never comes back must not hold up what is decided, nor the end of the process.
#[test]
fn one_that_hangs_is_shown_and_holds_up_neither_the_champion_nor_the_stop() {
    let Some(kafka) = RealKafka::connect() else { return };
    let challenged = Challenged::new(&kafka, "challenger-hangs", 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&challenged.job.input, &transactions.spread(20_000, 3));
    let mut node = challenged.job.start_with(&challenged.settings(&[]), &[("SCOREWIRE_TEST_HANG", "challenger")]);
    node.process.wait_until_ready(node.admin_port, STEP);
    wait_until("all are scored", STEP, || node.sum("records.scored") == 20_000);
    wait_until("it is told that challengers hang", STEP, || {
        let status = node.status();
        status["alarms"]
            .as_array()
            .is_some_and(|alarms| alarms.iter().any(|of| of.to_string().contains("challenger same")))
    });
    let of_same = node.status()["challengers"][0].clone();
    assert_eq!(
        (&of_same["name"], &of_same["sampled"], &of_same["compared"]),
        (&"same".into(), &20_000.into(), &0.into())
    );
    assert!(of_same["shed"].as_u64().is_some_and(|shed| shed > 5_000), "{of_same:#}");
    node.stop();
    challenged.job.assert_all_committed();
    assert_eq!(challenged.outputs().len(), 20_000);
    assert!(node.process.stderr().contains("is left"), "{}", node.process.stderr());
}

#[test]
fn a_challenger_that_does_not_hold_and_a_topic_that_is_not_there_end_the_start() {
    let Some(kafka) = RealKafka::connect() else { return };
    let challenged = Challenged::new(&kafka, "challenger-bad", 1);
    let finished = challenged.job.run_until_end(&challenged.settings(&["challengers.1.package=no/such/package"]));
    assert_eq!(finished.code(), Some(65), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("challenger other: ") && finished.stderr.contains("no/such/package"),
        "{}",
        finished.stderr
    );
    let nowhere = format!("{}.nowhere", challenged.topic);
    let setting = format!("topics.challenges={nowhere}");
    let finished = challenged.job.run_until_end(&challenged.settings(&[&setting]));
    assert_eq!(finished.code(), Some(69), "{}", finished.stderr);
    assert!(finished.stderr.contains(&nowhere), "{}", finished.stderr);
    // Without challengers nobody needs it.
    let finished = challenged.job.run_until_end(&[&setting]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let mut check = scorewire();
    check.args(["config", "check", "-c"]).arg(challenged.job.config());
    for setting in challenged.settings(&[]) {
        check.args(["--set", setting]);
    }
    let checked = Running::spawn(&mut check).wait(STEP);
    assert_eq!(checked.code(), Some(0), "{}", checked.stderr);
    assert!(
        checked.stdout.contains("challenger") && checked.stdout.contains("other: card-fraud-mlp"),
        "{}",
        checked.stdout
    );
}
