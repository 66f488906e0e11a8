//! A model that fails on a real stream. The story: decisions stop, or go on and nobody can tell which are the model's; what was
//! put off never comes back, or comes back twice.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::common::job::package;
use crate::common::job::summary;
use crate::common::{Job, Node, Outcome, RealKafka, Running, STEP, Transactions, free_port, scorewire, wait_until};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

const PARTITIONS: i32 = 2;
const RECORDS: usize = 300;

/// A model that misbehaves while a file is there.
struct Trouble(PathBuf);

impl Trouble {
    fn new(job: &Job, what: &str) -> Trouble {
        let trouble = Trouble(job.folder().join("trouble"));
        std::fs::write(&trouble.0, what).unwrap();
        trouble
    }

    fn variable(&self) -> (&'static str, &str) {
        ("SCOREWIRE_TEST_MODEL", self.0.to_str().unwrap())
    }

    fn is_over(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn put(job: &Job, transactions: &mut Transactions, count: usize) {
    job.kafka.produce(&job.input, &transactions.spread(count, PARTITIONS));
}

fn wait_for_commits(job: &Job) {
    wait_until("all is committed", STEP, || job.committed() == job.input_ends());
}

fn step_of(outcome: &Outcome) -> Option<String> {
    let step = outcome.at("fallback_step");
    assert_eq!(outcome.at("fallback"), apache_avro::types::Value::Boolean(step != apache_avro::types::Value::Null));
    match step {
        apache_avro::types::Value::String(step) => Some(step),
        _ => None,
    }
}

/// Its scores are not the package's, and not wrong.
#[track_caller]
fn loads_while_the_fallback_decides(job: &Job) {
    let finished = job.load(&["--rate", "300", "--seconds", "1", "--warmup", "0"]).wait(STEP);
    let found = summary(&finished);
    assert_eq!(finished.code(), Some(i32::from(exit::DONE)), "{found:#}{}", finished.stderr);
    let figures = ["sent", "scored", "fallback", "scores_checked"].map(|name| &found[name]);
    assert_eq!(figures, [300, 300, 300, 0], "{found:#}");
}

fn falls_back_and_heals(purpose: &str, delivery: &str) {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, purpose, PARTITIONS);
    let (trouble, mut transactions) = (Trouble::new(&job, "fails"), Transactions::new(Framing::SingleObject));
    let small = package().parent().unwrap().join("card-fraud-mlp");
    let then = format!("fallback.then=package:{},score:0.5", small.display());
    let settings = ["fallback.on=failed", &then, &format!("delivery={delivery}")];
    put(&job, &mut transactions, RECORDS);
    let mut node = job.start_with(&settings, &[trouble.variable()]);
    wait_for_commits(&job);
    let status = node.status();
    let alarms = status["alarms"].to_string();
    assert!(alarms.contains("the fallback decides") && alarms.contains("card-fraud-mlp"), "{alarms}");
    assert!(node.sum("model_failures") > 0);
    loads_while_the_fallback_decides(&job);
    trouble.is_over();
    // The model rests for a second at most.
    wait_until("the model decides again", STEP, || {
        put(&job, &mut transactions, 2);
        wait_for_commits(&job);
        node.status()["lanes"][0]["fallback_seconds"].as_f64() == Some(0.0)
    });
    put(&job, &mut transactions, RECORDS);
    wait_for_commits(&job);
    node.stop();
    assert!(node.process.stderr().contains("the model answers again"), "{}", node.process.stderr());
    let outputs: Vec<Outcome> = kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect();
    let sources: BTreeSet<_> = outputs.iter().map(Outcome::source).collect();
    let end: i64 = job.input_ends().iter().map(|(_, end)| end).sum();
    assert_eq!((outputs.len(), sources.len() as i64), (sources.len(), end), "each once, none lost");
    let (mut own, mut fallback) = (0, 0);
    for outcome in &outputs {
        let by_name = outcome.text("model.name");
        match step_of(outcome) {
            Some(step) => {
                assert!(step.ends_with("card-fraud-mlp") && by_name == "card-fraud-mlp", "{step} {by_name}");
                fallback += 1;
            }
            None => {
                assert_eq!(by_name, "card-fraud-gbdt");
                own += 1;
            }
        }
    }
    assert!(own >= RECORDS && fallback >= RECORDS, "{own} {fallback}");
    job.assert_all_committed();
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn a_smaller_package_decides_and_the_model_again_when_it_heals_at_least_once() {
    falls_back_and_heals("fallback", "at_least_once");
}

#[test]
fn a_smaller_package_decides_and_the_model_again_when_it_heals_exactly_once() {
    falls_back_and_heals("fallback-eos", "exactly_once");
}

fn put_off_and_scored_again(purpose: &str, delivery: &str) {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, purpose, PARTITIONS);
    let letters = format!("{}.retry", job.input);
    kafka.create_topic(&letters, PARTITIONS, &[]);
    let (trouble, mut transactions) = (Trouble::new(&job, "fails"), Transactions::new(Framing::SingleObject));
    put(&job, &mut transactions, RECORDS);
    let settings = [
        "fallback.on=failed",
        "fallback.then=retry_later",
        "retry_later.delay_ms=2000",
        // The simulated transactions are of another time.
        "retry_later.expires_after_ms=604800000",
        &format!("topics.retry_later={letters}"),
        &format!("delivery={delivery}"),
    ];
    let mut node = job.start_with(&settings, &[trouble.variable()]);
    wait_for_commits(&job);
    node.stop();
    assert_eq!(kafka.read(&letters).len(), RECORDS);
    assert!(kafka.read(&job.outputs).is_empty());
    let mut retry = scorewire();
    retry.arg("retry").arg("--until-end").arg("--config").arg(job.config());
    for setting in settings {
        retry.args(["--set", setting]);
    }
    retry.args(["--listen", &format!("127.0.0.1:{}", free_port())]);
    let finished = Running::spawn(&mut retry).wait(STEP + Duration::from_secs(10));
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let outputs: Vec<Outcome> = kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect();
    let sources: BTreeSet<_> = outputs.iter().map(Outcome::source).collect();
    assert_eq!((outputs.len(), sources.len()), (RECORDS, RECORDS), "each letter once");
    for outcome in &outputs {
        assert_eq!(
            (outcome.long("amendment.attempt"), outcome.text("amendment.cause")),
            (1, "model_failed".to_owned())
        );
        assert_eq!(outcome.text("source.topic"), job.input);
        assert_eq!(step_of(outcome), None, "the model's own score");
        assert_eq!(outcome.text("node"), "test.retry");
    }
    assert!(kafka.read(&job.dead_letters).is_empty());
    // Its group has all letters: a second job finds nothing to do.
    let finished = Running::spawn(&mut retry).wait(STEP);
    assert_eq!((finished.code(), kafka.read(&job.outputs).len()), (Some(0), RECORDS), "{}", finished.stderr);
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn a_letter_is_scored_again_once_at_least_once() {
    put_off_and_scored_again("retry", "at_least_once");
}

#[test]
fn a_letter_is_scored_again_once_exactly_once() {
    put_off_and_scored_again("retry-eos", "exactly_once");
}

/// `load` reads back what a failing node and the job for letters write meanwhile: each letter is the record's one outcome, what
/// the job makes of it is none, and a stream of which nothing is decided is no success.
#[test]
fn load_accounts_for_records_that_are_put_off_and_scored_again_meanwhile() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "put-off", PARTITIONS);
    let letters = format!("{}.retry", job.input);
    kafka.create_topic(&letters, PARTITIONS, &[]);
    let trouble = Trouble::new(&job, "fails");
    let topic = format!("topics.retry_later={letters}");
    let settings = ["fallback.on=failed", "fallback.then=retry_later", "retry_later.delay_ms=1", &topic];
    let mut node = job.start_with(&settings, &[trouble.variable()]);
    let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let mut retry = scorewire();
    let admin_port = free_port();
    retry.arg("retry").arg("--config").arg(job.config()).args(&set);
    retry.args(["--listen", &format!("127.0.0.1:{admin_port}")]);
    let mut retry = Node { process: Running::spawn(&mut retry), admin_port };
    node.wait_until_assigned(PARTITIONS as u64);
    retry.wait_until_assigned(PARTITIONS as u64);
    let args = ["--rate", "300", "--seconds", "2", "--warmup", "0", "--poison", "0.02"];
    let finished = job.load(&[&args[..], &set].concat()).wait(STEP);
    node.stop();
    retry.stop();
    let found = summary(&finished);
    for count in ["lost", "duplicated", "out_of_order", "misplaced", "malformed", "unexpected", "foreign", "scored"] {
        assert_eq!(found[count], 0, "{count}: {found:#}");
    }
    let count = |name: &str| found[name].as_u64().unwrap();
    assert!(count("poison_sent") > 0, "{found:#}");
    assert_eq!((count("sent"), count("dead_lettered")), (600, count("poison_sent")));
    assert_eq!(count("put_off"), count("sent") - count("poison_sent"));
    assert!((1..=count("put_off")).contains(&count("amended")), "{found:#}");
    assert_eq!((count("amended_duplicated"), count("put_off_again")), (0, 0));
    assert!(found["verdict"].as_str().unwrap().starts_with("EVERY RECORD WAS PUT OFF"), "{found:#}");
    assert_eq!(finished.code(), Some(i32::from(exit::FAILED)), "{}", finished.stderr);
    assert_eq!(kafka.read(&letters).len() as u64, count("put_off"));
}

#[test]
fn a_slow_model_is_not_waited_for_and_what_it_missed_is_among_the_time_outs() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "timed-out", PARTITIONS);
    let (trouble, mut transactions) = (Trouble::new(&job, "takes 700"), Transactions::new(Framing::SingleObject));
    put(&job, &mut transactions, RECORDS);
    let settings = ["lanes.layout=dedicated", "model.timeout_ms=60"];
    let mut node = job.start_with(&settings, &[trouble.variable()]);
    wait_for_commits(&job);
    trouble.is_over();
    wait_until("the model decides again", STEP, || {
        put(&job, &mut transactions, 2);
        wait_for_commits(&job);
        !kafka.read(&job.outputs).is_empty()
    });
    node.stop();
    let late = kafka.read(&job.timeouts);
    assert!(late.len() >= RECORDS);
    for letter in &late {
        assert_eq!(letter.header_text("__scorewire.errors.reason"), Some("model_timed_out"));
    }
    let end: i64 = job.input_ends().iter().map(|(_, end)| end).sum();
    assert_eq!((late.len() + kafka.read(&job.outputs).len()) as i64, end, "one outcome each");
    assert!(kafka.read(&job.dead_letters).is_empty());
}
