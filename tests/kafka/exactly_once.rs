//! Exactly-once against a real broker. The story: a scorer dies between its outcomes and their offsets, and every record
//! of its last moment is scored twice; or it leaves a transaction open, and whoever reads its outcomes stands still; or
//! its successor reads the offsets before the old transaction is over.
//!
//! Promise 6: readers at `read_committed` see one outcome of each record, whatever happens to the process.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{
    Job, Node, Outcome, OwnKafka, RealKafka, STEP, TestRecord, Transactions, assert_sound, wait_until,
};
use rustix::process::Signal;
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

const EXACTLY_ONCE: &str = "delivery=exactly_once";
/// The group misses a dead member soon.
const SESSION: &str = "kafka.consumer.properties.session.timeout.ms=6000";
/// Longer than an end of a transaction may take, shorter than a session.
const FROZEN: Duration = Duration::from_secs(2);

/// Every record of the input has one outcome among the outputs that were committed.
#[track_caller]
fn assert_each_once(job: &Job, records: usize) {
    let outputs = job.kafka.read(&job.outputs);
    let sources: BTreeSet<(i32, i64)> = outputs.iter().cloned().map(|r| Outcome::of_output(r).source()).collect();
    assert_eq!((outputs.len(), sources.len()), (records, records), "outputs, and records among them");
}

/// Offsets that outputs, committed or not, and the markers between them have taken.
fn taken(job: &Job) -> i64 {
    let partitions = job.kafka.partition_count(&job.outputs);
    (0..partitions).map(|partition| job.kafka.watermarks(&job.outputs, partition).1).sum()
}

#[track_caller]
fn preloaded(purpose: &str, partitions: i32, records: usize) -> Option<Job> {
    let kafka = RealKafka::connect()?;
    let job = Job::new(&kafka, purpose, partitions);
    let loaded = job.load(&["--preload", &records.to_string()]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);
    Some(job)
}

#[test]
fn an_undisturbed_run_has_each_outcome_once_with_its_offset() {
    let Some(job) = preloaded("eos-plain", 3, 6_000) else { return };
    let finished = job.run_until_end(&[EXACTLY_ONCE]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    assert_each_once(&job, 6_000);
    assert!(taken(&job) > 6_000, "the ends of transactions take offsets too");
    // A second run under the same names finds nothing to do and nothing in its way.
    let again = job.run_until_end(&[EXACTLY_ONCE]);
    assert_eq!(again.code(), Some(0), "{}", again.stderr);
    assert_each_once(&job, 6_000);
}

#[test]
fn a_run_under_load_with_poison_and_several_lanes_is_sound_for_who_reads_committed() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "eos-load", 6);
    // Outputs with fingerprints: the verifier reads every version and every branch.
    let settings = [EXACTLY_ONCE, "lanes.count=2", "limits.commit_interval_ms=20", "outputs.fingerprint=true"];
    let mut node = job.start(&settings);
    node.wait_until_assigned(6);
    let load = job.load(&["--rate", "1000", "--seconds", "3", "--warmup", "0", "--poison", "0.02"]).wait(STEP);
    assert_sound(&load);
    assert_eq!(node.sum("records.scored") + node.sum("records.rejected"), node.sum("records.received"));
    node.stop();
    job.assert_all_committed();
}

#[test]
fn a_clean_stop_and_a_restart_under_load_lose_and_double_nothing() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "eos-restart", 3);
    let mut node = job.start(&[EXACTLY_ONCE]);
    node.wait_until_assigned(3);
    let mut load = job.load(&["--rate", "1000", "--seconds", "600", "--warmup", "0", "--poison", "0.01"]);
    for _ in 0..2 {
        wait_until("it scores", STEP, || node.sum("records.scored") > 500);
        node.stop();
        node = job.start(&[EXACTLY_ONCE]);
    }
    wait_until("it scores again", STEP, || node.sum("records.scored") > 500);
    load.terminate();
    assert_sound(&load.wait(STEP));
    node.stop();
    job.assert_all_committed();
}

/// Crashes a node that is in the middle of a transaction: of one that lasts, so that there is always one open.
#[track_caller]
fn crash_in_a_transaction(job: &Job) {
    let few = ["limits.batch_rows_max=16", "limits.in_flight_records_max=64", "limits.commit_interval_ms=400"];
    let mut node: Node = job.start(&[&[EXACTLY_ONCE, SESSION][..], &few].concat());
    wait_until("it is in the middle", STEP, || {
        node.sum("records.scored") > 1_000 && node.sum("records.in_flight") > 64
    });
    node.process.crash();
    assert_eq!(node.process.wait(STEP).code(), None, "killed");
}

#[test]
fn after_a_crash_nothing_is_doubled_and_nothing_aborted_is_seen() {
    let Some(job) = preloaded("eos-crash", 3, 30_000) else { return };
    crash_in_a_transaction(&job);
    let committed: i64 = job.committed().iter().map(|(_, offset)| offset).sum();
    let at_crash = taken(&job);
    assert!(committed < 30_000, "the crash came too late to show anything: {committed}");
    assert!(at_crash > committed, "nothing was open: {at_crash} offsets taken, {committed} records committed");

    let finished = job.run_until_end(&[EXACTLY_ONCE, SESSION]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    assert_each_once(&job, 30_000);
}

#[test]
fn members_that_come_and_go_leave_no_transaction_open() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "eos-members", 6);
    let mut a = job.start(&[EXACTLY_ONCE, "kafka.node=a"]);
    a.wait_until_assigned(6);
    let mut load = job.load(&["--rate", "1000", "--seconds", "600", "--warmup", "0", "--poison", "0.01"]);
    wait_until("a scores", STEP, || a.sum("records.scored") > 500);
    let mut b = job.start(&[EXACTLY_ONCE, "kafka.node=b", "lanes.count=2"]);
    wait_until("b scores beside a", STEP, || b.sum("records.scored") > 500);
    wait_until("everything is owned", STEP, || a.sum("partitions.assigned") + b.sum("partitions.assigned") == 6);
    a.stop();
    b.wait_until_assigned(6);
    let before = b.sum("records.scored");
    wait_until("b scores alone", STEP, || b.sum("records.scored") > before + 500);
    load.terminate();
    // The verifier reads to the end at read_committed: an open transaction would stop it.
    assert_sound(&load.wait(STEP));
    b.stop();
    job.assert_all_committed();
}

/// Silent for longer than the session: its partitions go to another member while its transaction is open.
#[test]
fn a_zombie_that_wakes_up_doubles_nothing() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "eos-zombie", 4);
    let slow = "limits.commit_interval_ms=400";
    let mut a = job.start(&[EXACTLY_ONCE, SESSION, slow, "kafka.node=a"]);
    a.wait_until_assigned(4);
    let mut b = job.start(&[EXACTLY_ONCE, SESSION, slow, "kafka.node=b"]);
    wait_until("both own partitions", STEP, || a.sum("partitions.assigned") == 2 && b.sum("partitions.assigned") == 2);
    let mut load = job.load(&["--rate", "1000", "--seconds", "600", "--warmup", "0", "--poison", "0.01"]);
    wait_until("a is in a transaction", STEP, || a.sum("records.scored") > 500 && a.sum("records.in_flight") > 50);
    a.process.signal(Signal::STOP);
    b.wait_until_assigned(4);
    let before = b.sum("records.scored");
    wait_until("b scores for both", STEP, || b.sum("records.scored") > before + 1_000);
    a.process.signal(Signal::CONT);
    wait_until("a is back", STEP, || a.sum("partitions.assigned") == 2);
    let before = a.sum("records.scored");
    wait_until("a scores again", STEP, || a.sum("records.scored") > before + 1_000);
    load.terminate();
    assert_sound(&load.wait(STEP));
    b.stop();
    a.stop();
    job.assert_all_committed();
}

/// Answers that come late are the client's reason to send twice.
#[test]
fn a_broker_that_stands_still_for_a_moment_costs_time_and_nothing_else() {
    let Some(own) = OwnKafka::up("eos-frozen", 1) else { return };
    let job = Job::new(own.kafka(), "eos-frozen", 3);
    let mut node = job.start(&[EXACTLY_ONCE, "limits.commit_interval_ms=20"]);
    node.wait_until_assigned(3);
    let mut load = job.load(&["--rate", "1000", "--seconds", "600", "--warmup", "0", "--poison", "0.01"]);
    for _ in 0..4 {
        let before = node.sum("records.scored");
        wait_until("it scores", STEP, || node.sum("records.scored") > before + 300);
        own.freeze(1);
        std::thread::sleep(FROZEN);
        own.thaw(1);
    }
    let before = node.sum("records.scored");
    wait_until("it scores again", STEP, || node.sum("records.scored") > before + 500);
    load.terminate();
    assert_sound(&load.wait(STEP));
    node.stop();
    job.assert_all_committed();
}

/// A topic of dead letters that takes not even stubs: the partition stops, and what is before the record is seen and committed.
#[test]
fn dead_letters_that_the_broker_never_takes_stop_their_partition_and_leave_nothing_open() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::without_topics(&kafka, "eos-refused");
    for topic in [&job.input, &job.outputs, &job.review, &job.timeouts] {
        kafka.create_topic(topic, 1, &[]);
    }
    kafka.create_topic(&job.dead_letters, 1, &[("max.message.bytes", "100")]);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let poison = TestRecord::new(0).value("poison");
    kafka.produce(&job.input, &[transactions.next(0), transactions.next(0), poison, transactions.next(0)]);
    let mut node = job.start(&[EXACTLY_ONCE]);
    wait_until("the partition is stopped", STEP, || node.sum("partitions.failed") == 1);
    wait_until("what is before is committed", STEP, || job.committed() == [(0, 2)]);
    node.stop();
    assert_eq!(kafka.read(&job.outputs).len(), 2);
    // Written after the last abort: a transaction left open would hide it for half a minute.
    kafka.produce(&job.dead_letters, &[TestRecord::new(0).value("after")]);
    let seen = kafka.read(&job.dead_letters);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(job.committed(), [(0, 2)]);
}

#[test]
fn a_second_process_of_the_same_name_takes_over_and_the_first_ends() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "eos-fenced", 2);
    let mut first = job.start(&[EXACTLY_ONCE, SESSION]);
    first.wait_until_assigned(2);
    let mut load = job.load(&["--rate", "500", "--seconds", "600", "--warmup", "0"]);
    wait_until("the first scores", STEP, || first.sum("records.scored") > 200);
    let mut second = job.start(&[EXACTLY_ONCE, SESSION]);
    let ended = first.process.wait(STEP);
    assert_eq!(ended.code(), Some(exit::DELIVERY.into()), "{}", ended.stderr);
    assert!(ended.stderr.contains("another producer has taken"), "{}", ended.stderr);
    second.wait_until_assigned(2);
    wait_until("the second scores", STEP, || second.sum("records.scored") > 500);
    load.terminate();
    assert_sound(&load.wait(STEP));
    second.stop();
    job.assert_all_committed();
}
