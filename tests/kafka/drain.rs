//! A drain must not leave the scorer stopped, count an earlier run's outcomes, or disturb the group; and it may be
//! repeated on the same topics.

use crate::common::{Job, RealKafka, STEP, assert_sound, summary};

#[test]
fn a_running_scorer_is_drained_twice_and_then_goes_on() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::without_topics(&kafka, "drain");
    kafka.create_topic(&job.input, 4, &[]);
    for topic in [&job.outputs, &job.review, &job.dead_letters, &job.timeouts] {
        kafka.create_topic(topic, 4, &[("message.timestamp.type", "LogAppendTime")]);
    }
    let mut node = job.start(&[]);
    node.process.wait_until_ready(node.admin_port, STEP);
    node.wait_until_assigned(4);
    let pid = node.process.id().to_string();
    for seed in ["1", "2"] {
        let args = ["--preload", "20000", "--drain", "--pid", &pid, "--poison", "0.01", "--seed", seed];
        let summary = assert_sound(&job.load(&args).wait(STEP));
        assert_eq!((&summary["sent"], &summary["foreign"]), (&20_000.into(), &0.into()), "{summary:#}");
        assert!(summary["scores_checked"].as_u64().is_some_and(|n| n > 300), "{summary:#}");
        for figure in ["/drain_records_per_s", "/cpu_us_per_record", "/drain/seconds", "/drain/frozen_seconds"] {
            assert!(summary.pointer(figure).and_then(|value| value.as_f64()).is_some_and(|n| n > 0.0), "{summary:#}");
        }
        assert!(summary.get("latency_ms").is_none(), "all are due at once, so latency means nothing: {summary:#}");
    }
    assert_eq!(node.sum("records.received"), 40_000);
    node.stop();
    job.assert_all_committed();
}

#[test]
fn a_scorer_that_is_not_there_ends_the_drain_before_anything_is_sent() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "drain-nobody", 1);
    let finished = job.load(&["--preload", "100", "--drain", "--pid", "1"]).wait(STEP);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    assert!(finished.stderr.contains("cannot stop process 1"), "{}", finished.stderr);
    assert_eq!(job.input_ends(), [(0, 0)]);
    let sent = summary(&job.load(&["--preload", "100"]).wait(STEP));
    assert_eq!((&sent["sent"], sent.get("drain")), (&100.into(), None));
}
