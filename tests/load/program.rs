//! `scorewire load` writes to the topic it is given. Pointed at real payments it once mixed made-up ones into them, unasked;
//! here is what it asks for first, and what it says where nobody answers.

use std::path::Path;
use std::time::Duration;

use crate::common::process::Finished;
use crate::common::{Running, scorewire};
use crate::model_support::Draft;
use crate::support::{self, Cluster};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use scorewire::error::exit;

const DEADLINE: Duration = Duration::from_secs(60);
const EXAMPLE: &str = "models/card-fraud-gbdt";

fn load(cluster: &Cluster, args: &[&str]) -> Finished {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["load", "--listen", "off", "--bootstrap"]);
    command.arg(cluster.mock.bootstrap_servers()).args(args);
    Running::spawn(&mut command).wait(DEADLINE)
}

fn write(cluster: &Cluster, records: usize) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.mock.bootstrap_servers()).create().unwrap();
    for _ in 0..records {
        producer.send(BaseRecord::<[u8], [u8]>::to(cluster.topics.input()).payload(b"a payment")).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

fn records(cluster: &Cluster) -> i64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", cluster.mock.bootstrap_servers()).create().unwrap();
    let held = |partition| {
        let (low, high) =
            consumer.fetch_watermarks(cluster.topics.input(), partition, Duration::from_secs(10)).unwrap();
        high - low
    };
    (0..support::PARTITIONS).map(held).sum()
}

#[track_caller]
fn assert_refused(finished: &Finished, code: u8, words: &[&str]) {
    assert_eq!((finished.code(), finished.stdout.as_str()), (Some(code.into()), ""), "{}", finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} in:\n{}", finished.stderr);
    }
}

#[test]
fn a_topic_that_holds_records_is_left_alone_unless_that_is_confirmed() {
    let cluster = Cluster::new();
    write(&cluster, 7);
    let simulated = ["--package", EXAMPLE, "--preload", "50"];
    let words = ["topic enriched-context at ", "already holds 7 records", "fix: ", "--simulate", "--from FILE.avro"];
    assert_refused(&load(&cluster, &simulated), exit::USAGE, &words);
    assert_eq!(records(&cluster), 7);

    let finished = load(&cluster, &[&simulated[..], &["--simulate"]].concat());
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(records(&cluster), 57);

    // Whoever names a file has said what is to be written, and whoever names an empty topic harms nobody.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("few.avro").display().to_string();
    assert_eq!(load(&cluster, &["--export", &file, "--count", "3"]).code(), Some(0));
    assert_eq!(load(&cluster, &["--from", &file, "--preload", "3"]).code(), Some(0));
    assert_eq!(records(&cluster), 60);
    let empty = Cluster::new();
    assert_eq!(load(&empty, &simulated).code(), Some(0));
    assert_eq!(records(&empty), 50);
}

#[test]
fn transactions_that_the_package_cannot_read_are_not_written() {
    let cluster = Cluster::new();
    let other = Draft::new("mlp", "p", None).write();
    let other = other.path().display().to_string();
    for confirmed in [&[][..], &["--simulate"]] {
        let finished = load(&cluster, &[&["--package", &other, "--preload", "50"][..], confirmed].concat());
        let words = ["simulated card transactions do not fit what the package test-mlp", "fix: ", "--from FILE.avro"];
        assert_refused(&finished, exit::USAGE, &words);
    }
    let finished = load(&cluster, &["--package", "nowhere/at-all", "--preload", "50"]);
    assert_refused(
        &finished,
        exit::USAGE,
        &["cannot be told", "nowhere/at-all: there is no such folder", "--simulate"],
    );
    assert_eq!(records(&cluster), 0);
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE).is_dir());
}

#[test]
fn where_nobody_scores_the_question_is_whether_anybody_runs() {
    let cluster = Cluster::new();
    let set = ["--set", "admin.listen=127.0.0.1:1"];
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["load", "--bootstrap"]);
    command.arg(cluster.mock.bootstrap_servers()).args(set).args(["--package", EXAMPLE]);
    command.args(["--rate", "20", "--seconds", "1", "--warmup", "0"]);
    let finished = Running::spawn(&mut command).wait(DEADLINE);
    assert_eq!(finished.code(), Some(exit::FAILED.into()), "{}", finished.stderr);
    let table = finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "FAILED NO OUTCOME CAME BACK: of 20 records written to enriched-context, none was answered.",
        "Is `scorewire run` running with this configuration?",
        "nothing answers at 127.0.0.1:1 (admin.listen)",
    ] {
        assert!(table.contains(words), "{words}\n{}", finished.stdout);
    }
    let asked = finished.stderr.matches("is `scorewire run` running with this configuration?").count();
    assert_eq!(asked, 1, "{}", finished.stderr);
}
