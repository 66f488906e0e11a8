//! Brokers that stop answering, outputs that are refused, input that is gone. The process waits within its limits,
//! stops one partition, or ends with the right word; it never jumps, drops or grows.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{
    Job, Node, Outcome, OwnKafka, RealKafka, STEP, TestRecord, Transactions, free_port, http_get, wait_for, wait_until,
};
use rustix::process::{Pid, Signal, kill_process};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

/// Long enough that a limit which is not kept would be passed by far.
const STALL_SECONDS: f64 = 2.0;

fn stalled_seconds(node: &mut Node) -> f64 {
    node.status()["lanes"][0]["sink_stalled_seconds"].as_f64().expect("a number")
}

/// A lane can only run into its limit with records that it had read ahead when the broker stopped: a moment without any
/// is passed over.
fn freeze_while_it_has_work(own: &OwnKafka, node: &mut Node) {
    loop {
        own.freeze(1);
        wait_until("it is stuck", STEP, || {
            let without_work = node.sum("records.in_flight") == 0;
            without_work || node.sum("partitions.paused") == 3 || stalled_seconds(node) > 1.5
        });
        if node.sum("records.in_flight") == 200 {
            return wait_until("the partitions are paused", STEP, || node.sum("partitions.paused") == 3);
        }
        let scored = node.sum("records.scored");
        own.thaw(1);
        wait_until("it goes on", STEP, || node.sum("records.scored") > scored + 500);
    }
}

#[test]
fn a_broker_that_stands_still_is_waited_for_within_the_limits() {
    let Some(own) = OwnKafka::up("frozen", 1) else { return };
    let kafka = own.kafka();
    let job = Job::new(kafka, "frozen", 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &transactions.spread(12_000, 3));
    let limits = ["limits.batch_rows_max=32", "limits.in_flight_records_max=200", "limits.pause_after_ms=200"];
    let mut node = job.start(&limits);
    wait_until("it is in the middle", STEP, || node.sum("records.scored") > 1_000);
    let rebalances = node.sum("rebalances");
    freeze_while_it_has_work(&own, &mut node);
    wait_until("nothing is acknowledged", STEP, || stalled_seconds(&mut node) > STALL_SECONDS);
    assert_eq!(node.sum("partitions.paused"), 3);
    assert_eq!(node.sum("records.in_flight"), 200, "the limit is reached and kept");
    assert!(node.sum("backpressure_stalls") > 0);
    assert_eq!(http_get(node.admin_port, "/livez").map(|(status, _)| status), Some(200));
    own.thaw(1);
    wait_until("everything is scored", STEP, || node.sum("records.scored") == 12_000);
    assert_eq!(node.sum("rebalances"), rebalances, "it kept its membership");
    assert_eq!((node.sum("records.received"), node.sum("partitions.paused")), (12_000, 0));
    node.stop();
    job.assert_all_committed();
    let outputs = kafka.read(&job.outputs);
    let sources: BTreeSet<(i32, i64)> = outputs.iter().cloned().map(|r| Outcome::of_output(r).source()).collect();
    assert_eq!((outputs.len(), sources.len()), (12_000, 12_000), "nothing lost, nothing doubled");
}

#[test]
fn a_drain_that_cannot_end_has_a_deadline_and_a_second_signal_does_not_wait_for_it() {
    let Some(own) = OwnKafka::up("stopped", 1) else { return };
    let kafka = own.kafka();
    let job = Job::new(kafka, "stopped", 1);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &transactions.spread(6_000, 1));
    // The group misses a member that could not leave it soon.
    let session = "kafka.consumer.properties.session.timeout.ms=6000";
    let limits = ["limits.batch_rows_max=32", "limits.in_flight_records_max=100", session];
    let frozen = |settings: &[&str]| {
        let mut node = job.start(&[&limits[..], settings].concat());
        wait_until("it is in the middle", STEP, || node.sum("records.scored") > 500);
        own.freeze(1);
        wait_until("nothing is acknowledged", STEP, || stalled_seconds(&mut node) > 0.0);
        node.process.terminate();
        wait_until("it drains", STEP, || {
            http_get(node.admin_port, "/readyz").is_some_and(|(_, body)| body.contains("stopping"))
        });
        node
    };
    let mut patient = frozen(&["limits.drain_timeout_ms=2000"]);
    let finished = patient.process.wait(STEP);
    assert_eq!(finished.code(), Some(exit::DRAIN.into()), "{}", finished.stderr);
    assert!(finished.stderr.contains("limits.drain_timeout_ms"), "{}", finished.stderr);
    own.thaw(1);

    let mut urgent = frozen(&["limits.drain_timeout_ms=50000"]);
    assert!(urgent.process.is_running());
    let asked = Instant::now();
    urgent.process.terminate();
    assert_eq!(urgent.process.wait(STEP).code(), Some(exit::DRAIN.into()));
    assert!(asked.elapsed() < Duration::from_secs(20), "a second signal does not wait for the drain");
    own.thaw(1);

    // Whoever comes next finds everything that was not finished.
    let finished = job.run_until_end(&[session]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    let sources: BTreeSet<(i32, i64)> =
        kafka.read(&job.outputs).into_iter().map(|record| Outcome::of_output(record).source()).collect();
    assert_eq!(sources.len(), 6_000, "nothing lost");
}

/// A child whose standard error nobody reads, killed and reaped when the guard is dropped.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        // Both fail only when it has ended and been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A supervisor that stops reading its pipe must not stop the decisions, nor be unable to end the process.
#[test]
fn a_log_that_nobody_reads_stops_neither_scoring_nor_a_stop() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "full-pipe", 2);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &transactions.spread(2_000, 2));
    let port = free_port();
    let mut command = job.command(&["log.level=trace", "kafka.properties.debug=all"]);
    command.args(["--listen", &format!("127.0.0.1:{port}")]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut node = Unread(command.spawn().unwrap());
    let dropped = || {
        let (_, metrics) = http_get(port, "/metrics").unwrap_or_default();
        let line = metrics.lines().find_map(|line| line.strip_prefix("scorewire_log_lines_dropped_total "));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0)
    };
    wait_until("the pipe is full and lines are dropped", STEP, || dropped() > 0.0);
    kafka.produce(&job.input, &transactions.spread(2_000, 2));
    wait_until("all of it is scored and committed", STEP, || job.committed() == job.input_ends());
    kill_process(Pid::from_child(&node.0), Signal::TERM).unwrap();
    let status = wait_for("it ends", STEP, || node.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert_eq!(kafka.read(&job.outputs).len(), 4_000);
}

#[test]
fn signals_that_mean_nothing_are_said_and_a_quit_drains() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "signals", 1);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut node = job.start(&[]);
    node.wait_until_assigned(1);
    for (signal, says) in [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
        node.process.signal(signal);
        node.process.wait_until_says(says, STEP);
    }
    kafka.produce(&job.input, &transactions.spread(50, 1));
    wait_until("it scores on", STEP, || node.sum("records.scored") == 50);
    node.process.signal(Signal::QUIT);
    let finished = node.process.wait(STEP);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
}

/// A process that is told to stop while the brokers stand still: it cannot finish, and it must not wait for what has
/// longer deadlines of its own (a commit, a transaction, a client that closes).
fn a_stop_at_a_frozen_broker_ends_in_time(delivery: &str) {
    let Some(own) = OwnKafka::up("frozen-stop", 1) else { return };
    let kafka = own.kafka();
    let job = Job::new(kafka, "frozen-stop", 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &transactions.spread(6_000, 3));
    let delivery = format!("delivery={delivery}");
    let slow = ["limits.batch_rows_max=16", "limits.in_flight_records_max=100"];
    let end = |limits: &[&str], fix: &str| {
        let mut node =
            job.start(&[&slow[..], &[&delivery, "kafka.consumer.properties.session.timeout.ms=6000"], limits].concat());
        let before = node.sum("records.scored");
        wait_until("it is in the middle", STEP, || node.sum("records.scored") > before + 200);
        own.freeze(1);
        node.process.terminate();
        // Far less than any of the limits that it would wait for otherwise.
        let finished = node.process.wait(Duration::from_secs(20));
        own.thaw(1);
        assert_eq!(finished.code(), Some(exit::DRAIN.into()), "{}", finished.stderr);
        assert!(finished.stderr.contains(fix), "{}", finished.stderr);
    };
    let long = "limits.watchdog_timeout_ms=300000";
    end(&["limits.drain_timeout_ms=1500", "limits.commit_timeout_ms=120000", long], "limits.drain_timeout_ms");
    // One that gives its brokers up sooner than its drain has the same word for it.
    end(&["limits.drain_timeout_ms=6000", "limits.commit_timeout_ms=3000", long], "limits.drain_timeout_ms");
    let finished = job.run_until_end(&[&delivery]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
}

#[test]
fn a_stop_at_a_frozen_broker_ends_in_time_at_least_once() {
    a_stop_at_a_frozen_broker_ends_in_time("at_least_once");
}

#[test]
fn a_stop_at_a_frozen_broker_ends_in_time_exactly_once() {
    a_stop_at_a_frozen_broker_ends_in_time("exactly_once");
}

/// One line of the log begins this way, and says all of that.
#[track_caller]
fn says(log: &str, begins: &str, parts: &[&str]) {
    let line = log.lines().find(|line| line.contains(begins)).unwrap_or_else(|| panic!("no {begins:?} in {log}"));
    parts.iter().for_each(|part| assert!(line.contains(part), "no {part:?} in {line}"));
}

#[test]
fn input_that_is_gone_stops_its_partition_and_no_other() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "gone", 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &transactions.spread(30, 3));
    assert_eq!(job.run_until_end(&[]).code(), Some(0));
    kafka.produce(&job.input, &transactions.spread(30, 3));
    // Somebody, or retention, removes records that nobody has scored.
    kafka.delete_before(&job.input, 1, 15);

    let mut node = job.start(&[]);
    wait_until("the partition is stopped", STEP, || node.sum("partitions.failed") == 1);
    wait_until("the others go on", STEP, || node.sum("records.scored") == 20);
    kafka.produce(&job.input, &transactions.spread(30, 3));
    wait_until("the others still go on", STEP, || node.sum("records.scored") == 40);
    let status = node.status();
    let alarm = status["alarms"][0].as_str().unwrap_or_default();
    let named = format!("{}-1 has been stopped for", job.input);
    assert!(alarm.starts_with(&named) && alarm.contains("next offset is 10, the first one kept is 15"), "{status:#}");
    assert!(alarm.contains("--reset-offsets --to-earliest --execute"), "the way out: {alarm}");
    let (code, ready) = http_get(node.admin_port, "/readyz").unwrap();
    assert!(code == 200 && ready.contains(&named), "{code} {ready}");
    let (_, metrics) = http_get(node.admin_port, "/metrics").unwrap();
    assert!(metrics.contains("scorewire_partitions_failed{lane=\"0\"} 1.0\n"), "{metrics}");
    let stopped = "scorewire_partition_stopped{lane=\"0\",partition=\"1\",why=\"offset_out_of_range\"} 1.0\n";
    assert!(metrics.contains(stopped), "{metrics}");
    let log = node.process.stderr();
    let told = log.lines().find(|line| line.contains("the partition is stopped")).expect("it is in the log");
    assert!(told.contains("ERROR") && told.contains("partition=1") && told.contains("out of range"), "{told}");
    node.process.terminate();
    let ended = node.process.wait(STEP);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    says(
        &ended.stderr,
        "scorewire starts",
        &["node=test", "partitions=3", "model=card-fraud-gbdt", "admin=http://127"],
    );
    says(&ended.stderr, "partitions assigned", &["lane=0", "held=[0, 1, 2]"]);
    let committed = "committed=\"0: 30, 1: 10, 2: 30\"";
    says(&ended.stderr, " stopped: everything", &["why=\"SIGTERM\"", "drained_ms=", "scored=40", committed]);
    assert_eq!(job.committed(), [(0, 30), (1, 10), (2, 30)], "nothing jumped");

    // A bounded run cannot reach its end, and says so.
    let bounded = job.run_until_end(&[]);
    assert_eq!(bounded.code(), Some(exit::DELIVERY.into()), "{}", bounded.stderr);
    assert_eq!(job.committed(), [(0, 30), (1, 10), (2, 30)]);

    // Told to, it goes on at the first record kept, and says what is lost.
    let told = job.run_until_end(&["kafka.on_offset_out_of_range=earliest", "delivery=exactly_once"]);
    assert_eq!(told.code(), Some(0), "{}", told.stderr);
    job.assert_all_committed();
    let jump = ["ERROR", "partition=1", "from=10", "to=15", "lost=5"];
    says(&told.stderr, "goes on at the first one kept", &jump);
    says(&told.stderr, "stopped: the end offsets seen at start are reached", &["scored=15", "records_lost=5"]);
}

#[test]
fn two_nodes_cannot_share_a_port_and_the_first_goes_on() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "port", 1);
    let port = free_port();
    let listen = format!("admin.listen=127.0.0.1:{port}");
    let mut first = job.start(&[]);
    first.process.wait_until_ready(first.admin_port, STEP);
    let taken = format!("admin.listen=127.0.0.1:{}", first.admin_port);
    let second = job.run_until_end(&[&taken]);
    assert_eq!(second.code(), Some(exit::SYSTEM.into()), "{}", second.stderr);
    assert!(second.stderr.contains(&first.admin_port.to_string()) && second.stderr.contains("admin.listen"));
    kafka.produce(&job.input, &[TestRecord::new(0).value("poison")]);
    wait_until("the first goes on", STEP, || first.sum("records.rejected") == 1);
    first.stop();
    let third = job.run_until_end(&[&listen]);
    assert_eq!(third.code(), Some(0), "{}", third.stderr);
}
