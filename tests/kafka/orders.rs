//! A way out for a stopped partition, on real brokers. The story: at three at night one record holds its partition; the only way
//! on is to stop every node of the group and to move offsets by hand.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::common::job::summary;
use crate::common::process::Finished;
use crate::common::{Job, Node, Outcome, ReadRecord, RealKafka, Running, STEP, TestRecord, Transactions};
use crate::common::{scorewire, wait_until};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;
use scorewire::values::order::{Ask, Order, Request, VERSION};

/// Smaller than the smallest dead letter; a transaction's marker is smaller still.
const NARROW: &str = "150";
const WIDE: &str = "1000000";

/// A job, the folder of its node's state, and records before and behind one that is no transaction.
struct Scene {
    kafka: RealKafka,
    job: Job,
    delivery: String,
    transactions: Transactions,
}

impl Scene {
    fn new(kafka: &RealKafka, purpose: &str, delivery: &str) -> Scene {
        let job = Job::without_topics(kafka, purpose);
        for topic in [&job.input, &job.outputs, &job.review, &job.timeouts] {
            kafka.create_topic(topic, 1, &[]);
        }
        kafka.create_topic(&job.dead_letters, 1, &[("max.message.bytes", NARROW)]);
        let (delivery, transactions) = (format!("delivery={delivery}"), Transactions::new(Framing::SingleObject));
        Scene { kafka: kafka.clone(), job, delivery, transactions }
    }

    fn put(&mut self, good: usize, poison: usize) {
        let good: Vec<TestRecord> = (0..good).map(|_| self.transactions.next(0)).collect();
        let poison = (0..poison).map(|_| TestRecord::new(0).value("no transaction"));
        self.kafka.produce(&self.job.input, &good.into_iter().chain(poison).collect::<Vec<_>>());
    }

    fn state(&self) -> PathBuf {
        self.job.folder().join("state")
    }

    fn socket(&self) -> PathBuf {
        self.state().join("test.sock")
    }

    fn setting(&self) -> String {
        format!("node.state_directory={}", self.state().display())
    }

    fn start(&self) -> Node {
        self.job.start(&[&self.setting(), &self.delivery, "review.sample_per_million=0"])
    }

    /// The node's partition has stopped with an alarm, with everything before committed.
    fn wait_until_stopped(&self, node: &mut Node, offset: i64) {
        wait_until("the partition stops", STEP, || {
            node.sum("partitions.failed") == 1 && self.job.committed() == [(0, offset)]
        });
    }

    /// `scorewire COMMAND INPUT:0:OFFSET MORE`.
    fn ask(&self, command: &str, offset: i64, more: &[&str]) -> Finished {
        let at = format!("{}:0:{offset}", self.job.input);
        let mut typed = scorewire();
        typed.args([command, &at, "--set", &self.setting(), "--config"]).arg(self.job.config()).args(more);
        Running::spawn(&mut typed).wait(STEP)
    }

    #[track_caller]
    fn done(&self, command: &str, offset: i64, more: &[&str]) -> String {
        let finished = self.ask(command, offset, more);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
        finished.stdout
    }

    #[track_caller]
    fn refused(&self, command: &str, offset: i64, more: &[&str], code: u8) -> String {
        let finished = self.ask(command, offset, more);
        assert_eq!(finished.code(), Some(i32::from(code)), "{}{}", finished.stdout, finished.stderr);
        finished.stderr
    }

    fn wait_until_committed(&self) {
        wait_until("all is committed", STEP, || self.job.committed() == self.job.input_ends());
    }

    fn outputs(&self) -> Vec<i64> {
        let outputs = self.kafka.read(&self.job.outputs);
        outputs.into_iter().map(|output| Outcome::of_output(output).source().1).collect()
    }

    fn letters(&self) -> Vec<ReadRecord> {
        self.kafka.read(&self.job.dead_letters)
    }

    fn mend(&self) {
        self.kafka.set_of_topic(&self.job.dead_letters, "max.message.bytes", WIDE);
    }
}

fn header<'a>(letter: &'a ReadRecord, name: &str) -> &'a str {
    letter.header_text(&format!("__scorewire.errors.{name}")).unwrap_or_default()
}

fn a_record_is_skipped(delivery: &str) {
    let Some(kafka) = RealKafka::connect() else { return };
    let mut scene = Scene::new(&kafka, "skipped", delivery);
    scene.put(20, 1);
    let mut node = scene.start();
    scene.wait_until_stopped(&mut node, 20);
    scene.put(20, 0);
    let told = scene.refused("skip", 19, &[], exit::FAILED);
    assert!(told.contains("stands before offset 20") && told.contains("scorewire skip"), "{told}");
    let told = scene.refused("skip", 20, &[], exit::FAILED);
    assert!(told.contains("take no dead letter") && told.contains("--without-letter"), "{told}");
    assert_eq!(scene.job.committed(), [(0, 20)], "nothing is moved");
    scene.mend();
    let told = wait_until_done(&scene, "skip", 20);
    assert!(told.contains("offset 20") && told.contains("goes on at 21"), "{told}");
    assert!(scene.job.committed()[0].1 >= 21, "the group has it when the command ends");
    scene.wait_until_committed();
    node.stop();
    let letters = scene.letters();
    let [letter] = &letters[..] else { panic!("{} dead letters", letters.len()) };
    assert_eq!([header(letter, "reason"), header(letter, "stage")], ["skipped", "intake"]);
    assert_eq!([header(letter, "offset"), header(letter, "last_offset")], ["20", "20"]);
    assert_eq!(letter.value.as_deref(), Some(&b""[..]));
    let mut outputs = scene.outputs();
    if delivery == "at_least_once" {
        // What was not acknowledged when the dead letter was refused is scored again.
        let mut seen = BTreeSet::new();
        outputs.retain(|offset| seen.insert(*offset));
    }
    assert_eq!(outputs, (0..20).chain(21..41).collect::<Vec<i64>>(), "the rest is scored");
    let log = node.process.stderr();
    assert!(log.contains("an operator asks") && log.contains(&format!("uid={}", rustix::process::geteuid())), "{log}");
}

/// The broker may know the topic's new setting a moment later.
fn wait_until_done(scene: &Scene, command: &str, offset: i64) -> String {
    let mut told = String::new();
    wait_until("the topic takes it", STEP, || {
        let finished = scene.ask(command, offset, &[]);
        told = finished.stdout;
        finished.status.code() == Some(0)
    });
    told
}

#[test]
fn a_record_is_skipped_at_least_once() {
    a_record_is_skipped("at_least_once");
}

#[test]
fn a_record_is_skipped_exactly_once() {
    a_record_is_skipped("exactly_once");
}

/// Records that were removed before they were read, and then back to where they are.
fn a_partition_is_moved(delivery: &str) {
    let Some(kafka) = RealKafka::connect() else { return };
    let mut scene = Scene::new(&kafka, "sought", delivery);
    scene.mend();
    scene.put(10, 0);
    let mut node = scene.start();
    scene.wait_until_committed();
    node.stop();
    scene.put(30, 0);
    kafka.delete_before(&scene.job.input, 0, 15);
    let mut node = scene.start();
    scene.wait_until_stopped(&mut node, 10);
    let told = scene.refused("skip", 10, &[], exit::FAILED);
    assert!(told.contains("offset_out_of_range") && told.contains("scorewire seek"), "{told}");
    let told = scene.refused("seek", 14, &[], exit::FAILED);
    assert!(told.contains("from 15 to 40"), "{told}");
    scene.refused("seek", 41, &[], exit::FAILED);
    let told = scene.done("seek", 20, &[]);
    assert!(told.contains("offsets 10 to 19"), "{told}");
    scene.wait_until_committed();
    let letters = scene.letters();
    let [letter] = &letters[..] else { panic!("{} dead letters", letters.len()) };
    assert_eq!([header(letter, "offset"), header(letter, "last_offset")], ["10", "19"]);
    assert_eq!(scene.outputs(), (0..10).chain(20..40).collect::<Vec<i64>>());

    let told = scene.refused("seek", 35, &[], exit::FAILED);
    assert!(told.contains("--force"), "{told}");
    let told = scene.refused("seek", 35, &["--force"], exit::FAILED);
    assert!(told.contains("--repeat"), "{told}");
    let told = scene.done("seek", 35, &["--force", "--repeat"]);
    assert!(told.contains("back from 40 to 35") && told.contains("second time"), "{told}");
    wait_until("they are scored again", STEP, || scene.outputs().len() == 35);
    scene.wait_until_committed();
    assert_eq!(scene.outputs()[30..], [35, 36, 37, 38, 39]);
    nobody_waits_for_it_any_more(&scene, &mut node);
    node.stop();
}

/// He gave up while somebody else was being heard, and will ask again: both times it would repeat.
fn nobody_waits_for_it_any_more(scene: &Scene, node: &mut Node) {
    let ask = Ask::Seek { forced: true, repeats: true };
    let order = Order { partition: 0, offset: 30, ask, without_letter: false };
    let request = Request { version: VERSION, topic: scene.job.input.clone(), order, wait_s: 30 };
    let idle = UnixStream::connect(scene.socket()).unwrap();
    let mut gone = UnixStream::connect(scene.socket()).unwrap();
    writeln!(gone, "{}", serde_json::to_string(&request).unwrap()).unwrap();
    drop(gone);
    drop(idle);
    wait_until("it is noticed", STEP, || node.process.stderr().contains("an operator has gone before the answer"));
    scene.refused("skip", 40, &[], exit::FAILED);
    assert_eq!(scene.outputs().len(), 35, "nothing is done again");
}

#[test]
fn a_partition_is_moved_at_least_once() {
    a_partition_is_moved("at_least_once");
}

#[test]
fn a_partition_is_moved_exactly_once() {
    a_partition_is_moved("exactly_once");
}

/// `load` finds the records that one dead letter is about, which has none of their headers.
#[test]
fn load_accounts_for_records_that_are_passed_over() {
    let Some(kafka) = RealKafka::connect() else { return };
    let scene = Scene::new(&kafka, "passed-over", "exactly_once");
    let mut node = scene.start();
    node.wait_until_assigned(1);
    let args = ["--rate", "1000", "--seconds", "0.5", "--warmup", "0", "--poison", "0.02", "--seed", "3"];
    let mut load = scene.job.load(&args);
    wait_until("a record stops the partition", STEP, || node.sum("partitions.failed") == 1);
    // Markers of no transaction are in the input: a record, an offset.
    wait_until("all is sent, and what came before it is committed", STEP, || {
        scene.job.input_ends() == [(0, 500)] && scene.job.committed().iter().any(|(_, offset)| *offset > 0)
    });
    let stopped = scene.job.committed()[0].1;
    scene.mend();
    let told = wait_until_done(&scene, "seek", stopped + 10);
    assert!(told.contains(&format!("offsets {stopped} to {}", stopped + 9)), "{told}");
    let finished = load.wait(STEP);
    node.stop();
    let found = summary(&finished);
    for count in ["lost", "duplicated", "out_of_order", "misplaced", "malformed", "unexpected", "foreign", "put_off"] {
        assert_eq!(found[count], 0, "{count}: {found:#}");
    }
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let count = |name: &str| found[name].as_u64().unwrap();
    assert_eq!((count("skipped"), count("scored") + count("dead_lettered")), (10, 490), "{found:#}");
    assert!((1..count("poison_sent")).contains(&count("dead_lettered")), "the others came back: {found:#}");
}

#[test]
fn who_may_ask_and_who_may_not_and_where_no_node_hears_it() {
    let Some(kafka) = RealKafka::connect() else { return };
    let mut scene = Scene::new(&kafka, "asked", "at_least_once");
    let told = scene.refused("skip", 3, &[], exit::UNAVAILABLE);
    assert!(told.contains("no process of node test listens") && told.contains("scorewire run"), "{told}");
    let told = scene.refused("skip", 3, &["--set", "node.state_directory="], exit::CONFIG);
    assert!(told.contains("node.state_directory"), "{told}");
    scene.put(3, 1);
    let mut node = scene.start();
    scene.wait_until_stopped(&mut node, 3);

    // One that connects and says nothing holds up nobody for long.
    let idle = UnixStream::connect(scene.socket()).unwrap();
    let told = scene.refused("skip", 2, &[], exit::FAILED);
    assert!(told.contains("stands before offset 3"), "{told}");
    drop(idle);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(scene.state()), mode(scene.socket())), (0o700, 0o600));
    refuse_another_user(&scene);

    // What a process leaves that is killed is in nobody's way.
    node.process.crash();
    node.process.wait(STEP);
    assert!(scene.socket().exists());
    let told = scene.refused("skip", 3, &[], exit::UNAVAILABLE);
    assert!(told.contains("no process of node test listens"), "{told}");
    let mut node = scene.start();
    scene.wait_until_stopped(&mut node, 3);
    let told = scene.done("skip", 3, &["--without-letter"]);
    assert!(told.contains("without a dead letter"), "{told}");
    scene.wait_until_committed();
    node.stop();
    let offsets: BTreeSet<i64> = scene.outputs().into_iter().collect();
    assert_eq!((offsets.len(), scene.letters().len()), (3, 0));
}

/// The kernel says who it is, however open the socket is.
fn refuse_another_user(scene: &Scene) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let open = |path: PathBuf| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let script =
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(4096).decode())";
    let ask =
        || Command::new("python3").args(["-c", script]).arg(scene.socket()).uid(65_534).gid(65_534).output().unwrap();
    assert!(!ask().status.success(), "the folder is closed to others");
    [scene.job.folder().to_owned(), scene.state(), scene.socket()].into_iter().for_each(open);
    let output = ask();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("user 65534 may not move partitions"), "{told}");
    let closed = |path: PathBuf, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    closed(scene.state(), 0o700);
    closed(scene.socket(), 0o600);
}
