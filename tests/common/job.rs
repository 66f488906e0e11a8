//! A scoring job of a test's own: five topics, a group, a folder; the product's processes that work on it and the load
//! that is sent through it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scorewire::load::simulate::payloads::{Framing, Pool};
use scorewire::load::simulate::population::World;
use tempfile::TempDir;

use super::kafka::{RealKafka, unique_name};
use super::process::{Finished, Running, http_get, scorewire};
use super::records::TestRecord;
use super::wait::{free_port, wait_for, wait_until};

/// For a step of the product that may start processes, join a group or drain. Far above what it takes.
pub const STEP: Duration = Duration::from_secs(60);

/// The example package, which every job scores with unless a test says otherwise.
pub fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt")
}

pub struct Job {
    pub kafka: RealKafka,
    pub group: String,
    pub input: String,
    pub outputs: String,
    pub review: String,
    pub dead_letters: String,
    pub timeouts: String,
    folder: TempDir,
}

impl Job {
    /// Fresh topics with so many partitions each, and a configuration that names them. `SCOREWIRE_TEST_LAYOUT` chooses
    /// the layout of its lanes where a test does not.
    pub fn new(kafka: &RealKafka, purpose: &str, partitions: i32) -> Job {
        Job::with_input(kafka, purpose, partitions, &[])
    }

    /// The same with an input topic of its own kind.
    pub fn with_input(kafka: &RealKafka, purpose: &str, partitions: i32, input: &[(&str, &str)]) -> Job {
        let job = Job::without_topics(kafka, purpose);
        kafka.create_topic(&job.input, partitions, input);
        for topic in [&job.outputs, &job.review, &job.dead_letters, &job.timeouts] {
            kafka.create_topic(topic, partitions, &[]);
        }
        job
    }

    /// The same before anybody created the topics.
    pub fn without_topics(kafka: &RealKafka, purpose: &str) -> Job {
        let base = unique_name(purpose);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = |what: &str| format!("{base}.{what}");
        let job = Job {
            kafka: kafka.clone(),
            group: name("group"),
            input: name("in"),
            outputs: name("out"),
            review: name("review"),
            dead_letters: name("dead"),
            timeouts: name("timeouts"),
            folder,
        };
        let text = format!(
            "[kafka]\nbootstrap = \"{}\"\ngroup = \"{}\"\nnode = \"test\"\nstart_at = \"earliest\"\n\n\
             [topics]\ninput = \"{}\"\noutputs = \"{}\"\nreview = \"{}\"\ndead_letters = \"{}\"\ntimeouts = \"{}\"\n\n\
             [model]\npackage = \"{}\"\n\n[admin]\nlisten = \"off\"\n",
            kafka.bootstrap(),
            job.group,
            job.input,
            job.outputs,
            job.review,
            job.dead_letters,
            job.timeouts,
            package().display()
        );
        let text = match std::env::var("SCOREWIRE_TEST_LAYOUT") {
            Ok(layout) => format!("{text}\n[lanes]\nlayout = \"{layout}\"\n"),
            Err(_) => text,
        };
        std::fs::write(job.config(), text).expect("the folder is writable");
        job
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.folder().join("scorewire.toml")
    }

    /// `scorewire run` on this job, with keys set over the file's.
    pub fn command(&self, settings: &[&str]) -> Command {
        let mut command = scorewire();
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg("--config").arg(self.config());
        for setting in settings {
            command.args(["--set", setting]);
        }
        command
    }

    /// A node that scores until it is told to stop.
    pub fn start(&self, settings: &[&str]) -> Node {
        self.start_with(settings, &[])
    }

    /// The same with variables of its environment.
    pub fn start_with(&self, settings: &[&str], environment: &[(&str, &str)]) -> Node {
        let admin_port = free_port();
        let mut command = self.command(settings);
        command.envs(environment.iter().copied());
        command.args(["--listen", &format!("127.0.0.1:{admin_port}")]);
        Node { process: Running::spawn(&mut command), admin_port }
    }

    /// `scorewire run --until-end`: returns when it has ended.
    pub fn run_until_end(&self, settings: &[&str]) -> Finished {
        let mut command = self.command(settings);
        Running::spawn(command.arg("--until-end")).wait(STEP)
    }

    /// `scorewire load --json`, running, whatever the input holds already. Its summary comes from [`summary`].
    pub fn load(&self, args: &[&str]) -> Running {
        let mut command = scorewire();
        command.arg("load").arg("--config").arg(self.config()).args(["--simulate", "--json"]).args(args);
        Running::spawn(&mut command)
    }

    /// The end offset of every partition of the input, markers and holes included.
    pub fn input_ends(&self) -> Vec<(i32, i64)> {
        let partitions = self.kafka.partition_count(&self.input);
        (0..partitions).map(|partition| (partition, self.kafka.watermarks(&self.input, partition).1)).collect()
    }

    /// The group's committed offsets of the input.
    pub fn committed(&self) -> Vec<(i32, i64)> {
        self.kafka.committed(&self.group, &self.input).into_iter().collect()
    }

    /// Everything in the input is finished, and the group knows it.
    #[track_caller]
    pub fn assert_all_committed(&self) {
        assert_eq!(self.committed(), self.input_ends(), "committed offsets against the ends of the input");
    }
}

/// A running `scorewire run`.
pub struct Node {
    pub process: Running,
    pub admin_port: u16,
}

impl Node {
    /// `/status`, once it answers.
    #[track_caller]
    pub fn status(&mut self) -> serde_json::Value {
        let (process, port) = (&mut self.process, self.admin_port);
        let body = wait_for("the node shows its status", STEP, || {
            let answer = http_get(port, "/status").filter(|(status, _)| *status == 200);
            assert!(answer.is_some() || process.is_running(), "it ended:\n{}", process.stderr());
            answer.map(|(_, body)| body)
        });
        serde_json::from_str(&body).expect("the status is JSON")
    }

    /// Sum over the lanes of a number in `/status`, by its path inside a lane: `partitions.assigned`.
    #[track_caller]
    pub fn sum(&mut self, path: &str) -> u64 {
        let status = self.status();
        let lanes = status["lanes"].as_array().expect("lanes");
        let pointer = format!("/{}", path.replace('.', "/"));
        let number = |lane: &serde_json::Value| lane.pointer(&pointer).and_then(serde_json::Value::as_u64);
        lanes.iter().map(|lane| number(lane).unwrap_or_else(|| panic!("no {path} in {lane}"))).sum()
    }

    /// Waits until the node's lanes own so many partitions together.
    #[track_caller]
    pub fn wait_until_assigned(&mut self, partitions: u64) {
        wait_until("the group hands over partitions", STEP, || self.sum("partitions.assigned") == partitions);
    }

    /// SIGTERM, and the end it must come to.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process.terminate();
        let finished = self.process.wait(STEP);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    }
}

/// The one JSON object of `load` or `demo`, whatever its verdict.
#[track_caller]
pub fn summary(finished: &Finished) -> serde_json::Value {
    assert_eq!(finished.stdout.lines().count(), 1, "one line on stdout:\n{}{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).expect("stdout is one JSON object")
}

/// Asserts that a load run lost, doubled and disordered nothing, and returns its summary.
#[track_caller]
pub fn assert_sound(finished: &Finished) -> serde_json::Value {
    let summary = summary(finished);
    for count in ["lost", "duplicated", "out_of_order", "misplaced", "malformed", "unexpected", "wrong_scores"] {
        assert_eq!(summary[count], 0, "{count}: {summary:#}");
    }
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(summary["dead_lettered"], summary["poison_sent"], "{summary:#}");
    summary
}

/// Transactions as the product's own simulator makes them, each with an id of its own.
pub struct Transactions {
    pool: Pool,
    next: u64,
}

impl Transactions {
    pub fn new(framing: Framing) -> Transactions {
        let world = World { customers: 60, terminals: 60, warm_up_days: 8 };
        Transactions { pool: Pool::simulated(1_000, framing, 7, &world), next: 0 }
    }

    /// The next one, for this partition.
    pub fn next(&mut self, partition: i32) -> TestRecord {
        let payload = self.pool.record(self.next);
        self.next += 1;
        TestRecord::new(partition).key(payload.key.expect("a card")).value(payload.value)
    }

    /// The next `count`, round the partitions.
    pub fn spread(&mut self, count: usize, partitions: i32) -> Vec<TestRecord> {
        (0..count).map(|index| self.next(index as i32 % partitions)).collect()
    }
}
