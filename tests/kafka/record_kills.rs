//! A record that ends the process (ONNX Runtime aborts at it, or never comes back). The story: each node that gets its partition
//! dies at it, and each that is started again, for ever. With a state directory a node is through it within
//! `limits.crashes_max` crashes, and the record is one dead letter.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::common::{Job, Node, Outcome, RealKafka, STEP, Transactions, http_get, wait_until};
use rustix::process::Signal;
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

const RECORDS: usize = 900;
/// Where the poisonous one is among them: in the middle of a batch of its partition.
const AT: usize = 301;
/// Partitions, so its own is `AT % 3`.
const PARTITIONS: i32 = 3;
/// Some crashes, each followed by a start and, where others take over, a session's end.
const THROUGH: Duration = Duration::from_secs(180);

/// A job with one record of this key among its input, and where that stands.
fn poisoned(kafka: &RealKafka, purpose: &str, key: &str) -> (Job, (i32, i64)) {
    let job = Job::new(kafka, purpose, PARTITIONS);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut records = transactions.spread(RECORDS, PARTITIONS);
    records[AT].key = Some(key.into());
    let offsets = kafka.produce(&job.input, &records);
    (job, (records[AT].partition, offsets[AT]))
}

/// Nodes that a supervisor starts again whenever they end, and how often each did.
struct Supervised<'a> {
    job: &'a Job,
    settings: Vec<Vec<String>>,
    nodes: Vec<Node>,
    ends: Vec<usize>,
    /// What those that ended said.
    logs: Vec<String>,
    /// How they end.
    is_crash: fn(&std::process::ExitStatus) -> bool,
}

impl<'a> Supervised<'a> {
    fn start(
        job: &'a Job,
        names: &[&str],
        common: &[&str],
        is_crash: fn(&std::process::ExitStatus) -> bool,
    ) -> Supervised<'a> {
        let state = format!("node.state_directory={}", job.folder().join("state").display());
        let settings = |name: &&str| {
            let own = [format!("kafka.node={name}"), state.clone()];
            common.iter().map(|setting| (*setting).to_owned()).chain(own).collect::<Vec<_>>()
        };
        let settings: Vec<Vec<String>> = names.iter().map(settings).collect();
        let nodes = settings.iter().map(|settings| start(job, settings)).collect();
        Supervised { job, settings, nodes, ends: vec![0; names.len()], logs: Vec::new(), is_crash }
    }

    /// Starts again whoever has ended, until everything in the input is committed.
    fn until_through(&mut self) {
        let ends = self.job.input_ends();
        wait_until("they are through", THROUGH, || {
            for (place, node) in self.nodes.iter_mut().enumerate() {
                if node.process.is_running() {
                    continue;
                }
                let finished = node.process.wait(STEP);
                assert!((self.is_crash)(&finished.status), "{:?}: {}", finished.status, finished.stderr);
                self.ends[place] += 1;
                self.logs.push(finished.stderr);
                *node = start(self.job, &self.settings[place]);
            }
            self.job.committed() == ends
        });
    }
}

fn start(job: &Job, settings: &[String]) -> Node {
    job.start(&settings.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is_abort(status: &std::process::ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(status) == Some(Signal::ABORT.as_raw())
}

/// One dead letter, of that record and for that reason; a score for each other one.
#[track_caller]
fn assert_one_dead_letter(job: &Job, poison: (i32, i64), once: bool) {
    let letters = job.kafka.read(&job.dead_letters);
    let [letter] = &letters[..] else { panic!("{} dead letters", letters.len()) };
    let header = |name: &str| letter.header_text(&format!("__scorewire.errors.{name}")).unwrap_or_default().to_owned();
    assert_eq!(header("reason"), "crashed_process");
    assert_eq!((header("partition"), header("offset")), (poison.0.to_string(), poison.1.to_string()));
    assert!(letter.value.is_some(), "the record itself, for whoever looks into it");
    let outputs = job.kafka.read(&job.outputs);
    let sources: BTreeSet<(i32, i64)> = outputs.iter().cloned().map(|r| Outcome::of_output(r).source()).collect();
    assert_eq!((sources.len(), sources.contains(&poison)), (RECORDS - 1, false), "nothing is lost");
    if once {
        assert_eq!(outputs.len(), RECORDS - 1, "nothing is doubled");
    }
}

/// A node that finds its partitions again at once, as after a fast restart.
const STATIC: &str = "kafka.membership=static";

fn one_node(purpose: &str, more: &[&str], once: bool) {
    let Some(kafka) = RealKafka::connect() else { return };
    let (job, poison) = poisoned(&kafka, purpose, "scorewire-test-abort");
    let mut supervised = Supervised::start(&job, &["one"], &[&[STATIC], more].concat(), is_abort);
    supervised.until_through();
    assert_eq!(supervised.ends, [3], "limits.crashes_max");
    let says = |log: usize, text: &str| {
        let log = &supervised.logs[log];
        assert!(log.contains(text), "no {text:?} in {log}");
    };
    says(1, "has died 1 times at these records: watching them");
    says(2, "has died 2 times at these records: scoring them one by one");
    let node = &mut supervised.nodes[0];
    wait_until("what is finished is forgotten", STEP, || {
        node.status()["crashes"] == serde_json::json!({ "counted": 3, "suspects": [] })
    });
    let (_, metrics) = http_get(node.admin_port, "/metrics").unwrap();
    assert!(metrics.contains("\nscorewire_crashes_total 3") && metrics.contains("\nscorewire_suspects 0"), "{metrics}");
    node.stop();
    assert!(node.process.stderr().contains("has died 3 times at these records: the record becomes a dead letter"));
    job.assert_all_committed();
    assert_one_dead_letter(&job, poison, once);
    clean_ends_leave_nothing(&job, &supervised.settings[0]);
}

/// Started once more after a clean end, it knows of nothing new.
fn clean_ends_leave_nothing(job: &Job, settings: &[String]) {
    let mut node = start(job, settings);
    assert_eq!(node.status()["crashes"]["counted"], 3);
    // A second process of the name is refused while this one has the folder, before it asks Kafka for anything.
    let second = start(job, settings).process.wait(STEP);
    assert_eq!(second.code(), Some(exit::CONFIG.into()), "{}", second.stderr);
    assert!(
        second.stderr.contains("another process of node one") && second.stderr.contains("kafka.node"),
        "{}",
        second.stderr
    );
    node.stop();
    let marks = std::fs::read(job.folder().join("state/one.marks")).unwrap();
    assert!(marks[64..].chunks_exact(32).all(|place| place[..8] == [0; 8]), "no mark stands");
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn a_node_is_through_within_so_many_crashes_at_least_once() {
    one_node("kills", &[], false);
}

#[test]
fn a_node_is_through_within_so_many_crashes_exactly_once() {
    one_node("kills-eos", &["delivery=exactly_once"], true);
}

/// Two lanes, and models on threads of their own: what another lane was at is not to blame.
#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn lanes_and_their_models_threads_are_told_apart() {
    one_node("kills-lanes", &["lanes.count=2", "lanes.layout=dedicated"], false);
}

/// The record goes from node to node as each dies; each counts for itself.
fn two_nodes(purpose: &str, delivery: &str, once: bool) {
    let Some(kafka) = RealKafka::connect() else { return };
    let (job, poison) = poisoned(&kafka, purpose, "scorewire-test-abort");
    let session = "kafka.consumer.properties.session.timeout.ms=6000";
    let mut supervised = Supervised::start(&job, &["one", "other"], &[session, delivery], is_abort);
    supervised.until_through();
    let crashes: usize = supervised.ends.iter().sum();
    assert!((3..=5).contains(&crashes), "{:?}", supervised.ends);
    supervised.nodes.iter_mut().for_each(Node::stop);
    job.assert_all_committed();
    assert_one_dead_letter(&job, poison, once);
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn two_nodes_are_through_at_least_once() {
    two_nodes("kills-two", "delivery=at_least_once", false);
}

#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn two_nodes_are_through_exactly_once() {
    two_nodes("kills-two-eos", "delivery=exactly_once", true);
}

/// A call that never comes back is ended by the watchdog, which leaves the mark as a crash does.
#[test]
#[ignore = "takes a while, and a neighbour shows the same: scripts/test --long"]
fn a_record_at_which_the_model_hangs_is_found_as_well() {
    let Some(kafka) = RealKafka::connect() else { return };
    let (job, poison) = poisoned(&kafka, "hangs", "scorewire-test-hang");
    let limits = [
        STATIC,
        "limits.crashes_max=2",
        "limits.watchdog_timeout_ms=3000",
        "limits.commit_timeout_ms=3000",
        "limits.revoke_timeout_ms=3000",
    ];
    let mut supervised =
        Supervised::start(&job, &["one"], &limits, |status| status.code() == Some(exit::DELIVERY.into()));
    supervised.until_through();
    assert_eq!(supervised.ends, [2]);
    supervised.nodes[0].stop();
    assert_one_dead_letter(&job, poison, false);
}

#[test]
fn without_a_state_directory_that_is_said_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "stateless", 1);
    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr.matches("node.state_directory").count(), 1, "{}", finished.stderr);
    assert!(!Path::new(&job.folder().join("state")).exists());
}
