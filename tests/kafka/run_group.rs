//! Members that come and go under load. A rebalance is where other systems lose and double records: commits after a
//! revoke, outcomes of a partition that is gone, work that is dropped half done.

use std::collections::BTreeSet;

use crate::common::{Job, Outcome, RealKafka, STEP, assert_sound, wait_until};

#[test]
fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "rolling", 6);
    let mut a = job.start(&["kafka.node=a"]);
    a.wait_until_assigned(6);
    // Until it is told to stop: what happens meanwhile takes as long as it takes.
    let mut load = job.load(&["--rate", "2000", "--seconds", "600", "--warmup", "0", "--poison", "0.01"]);
    wait_until("a scores", STEP, || a.sum("records.scored") > 1_000);

    let mut b = job.start(&["kafka.node=b", "lanes.count=2"]);
    wait_until("b scores beside a", STEP, || b.sum("records.scored") > 500);
    wait_until("everything is owned", STEP, || a.sum("partitions.assigned") + b.sum("partitions.assigned") == 6);
    a.stop();
    b.wait_until_assigned(6);
    let before = b.sum("records.scored");
    let mut c = job.start(&["kafka.node=c"]);
    wait_until("c scores beside b", STEP, || c.sum("records.scored") > 500);
    assert!(b.sum("records.scored") > before);
    b.stop();
    c.wait_until_assigned(6);
    let before = c.sum("records.scored");
    wait_until("c scores alone", STEP, || c.sum("records.scored") > before + 500);

    assert!(load.is_running(), "the load went on all the time");
    load.terminate();
    let summary = assert_sound(&load.wait(STEP));
    assert_eq!(summary["interrupted"], true);
    assert!(summary["sent"].as_u64().is_some_and(|sent| sent > 5_000), "{summary:#}");
    c.stop();
    job.assert_all_committed();
}

/// A partition that is asked back is paused first. The client remembers a pause over every rebalance; a lane that does
/// not know would wait for ever for records of a partition that it owns.
#[test]
fn a_partition_that_comes_back_flows_again() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "comes-back", 2);
    let mut a = job.start(&["kafka.node=a"]);
    a.wait_until_assigned(2);
    let mut b = job.start(&["kafka.node=b"]);
    b.wait_until_assigned(1);
    wait_until("a has given one away", STEP, || a.sum("partitions.assigned") == 1);
    b.stop();
    a.wait_until_assigned(2);
    let load = job.load(&["--rate", "500", "--seconds", "1", "--warmup", "0"]).wait(STEP);
    assert_sound(&load);
    a.stop();
    job.assert_all_committed();
}

#[test]
fn a_stop_before_it_has_joined_is_a_stop() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "early-stop", 2);
    let mut node = job.start(&["lanes.count=2"]);
    node.process.wait_until_says("starting lanes", STEP);
    node.stop();
}

#[test]
fn lanes_without_partitions_do_no_harm() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "idle-lanes", 2);
    let mut node = job.start(&["lanes.count=4"]);
    node.process.wait_until_ready(node.admin_port, STEP);
    node.wait_until_assigned(2);
    assert!(node.process.stderr().contains("more lanes than partitions"), "{}", node.process.stderr());
    let load = job.load(&["--rate", "500", "--seconds", "1", "--warmup", "0", "--poison", "0.01"]).wait(STEP);
    assert_sound(&load);
    assert_eq!(node.sum("records.received"), 500);
    node.stop();
    job.assert_all_committed();
}

#[test]
fn a_bounded_run_with_several_lanes_scores_everything_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "bounded-lanes", 6);
    let loaded = job.load(&["--preload", "6000"]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);
    let finished = job.run_until_end(&["lanes.count=3"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    let outputs = kafka.read(&job.outputs);
    assert_eq!(outputs.len(), 6_000);
    let sources: BTreeSet<(i32, i64)> = outputs.into_iter().map(|record| Outcome::of_output(record).source()).collect();
    assert_eq!(sources.len(), 6_000, "each once");
}

#[test]
fn after_a_crash_everything_is_scored_at_least_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "crash", 3);
    let loaded = job.load(&["--preload", "30000"]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);
    // Few in flight, so that the crash comes in the middle; the group misses the dead member soon.
    let session = "kafka.consumer.properties.session.timeout.ms=6000";
    let few = ["limits.batch_rows_max=16", "limits.in_flight_records_max=16", session];
    let mut node = job.start(&few);
    wait_until("it is in the middle", STEP, || node.sum("records.scored") > 1_000);
    node.process.crash();
    assert_eq!(node.process.wait(STEP).code(), None, "killed");
    let committed: i64 = job.committed().iter().map(|(_, offset)| offset).sum();
    assert!(committed < 30_000, "the crash came too late to show anything: {committed}");

    let finished = job.run_until_end(&[session]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    let outputs: Vec<(i32, i64)> =
        kafka.read(&job.outputs).into_iter().map(|record| Outcome::of_output(record).source()).collect();
    let distinct: BTreeSet<&(i32, i64)> = outputs.iter().collect();
    assert_eq!(distinct.len(), 30_000, "nothing lost");
    // Only what was in flight, or acknowledged and not committed yet, may have come twice.
    assert!(outputs.len() - distinct.len() < 30_000 - usize::try_from(committed).unwrap());
}

/// Static members and those of KIP-848 share partitions, and one that comes back under its name goes on.
#[test]
fn every_kind_of_member_shares_goes_and_comes_back() {
    let Some(kafka) = RealKafka::connect() else { return };
    let kinds: [&[&str]; 3] = [
        &["kafka.membership=static"],
        &["kafka.group_protocol=consumer"],
        &["kafka.membership=static", "kafka.group_protocol=consumer"],
    ];
    for kind in kinds {
        let job = Job::new(&kafka, "kinds", 4);
        let start = |node: &str| job.start(&[kind, &[node, "lanes.count=2"]].concat());
        let mut a = start("kafka.node=a");
        a.wait_until_assigned(4);
        let mut b = start("kafka.node=b");
        wait_until("they share", STEP, || a.sum("partitions.assigned") == 2 && b.sum("partitions.assigned") == 2);
        b.stop();
        let mut b = start("kafka.node=b");
        wait_until("they share again", STEP, || a.sum("partitions.assigned") == 2 && b.sum("partitions.assigned") == 2);
        assert_sound(&job.load(&["--rate", "500", "--seconds", "1", "--warmup", "0"]).wait(STEP));
        assert!(a.sum("records.scored") > 0 && b.sum("records.scored") > 0, "{kind:?}");
        b.stop();
        a.stop();
        job.assert_all_committed();
    }
}
