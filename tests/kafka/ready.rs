//! Ready means able. `/readyz` said yes with the broker dead for a minute and no partition left, and with the input topic
//! deleted, and the series of the lag vanished just then.

use crate::common::{Job, Node, OwnKafka, RealKafka, STEP, Transactions, http_get, wait_until};
use scorewire::load::simulate::payloads::Framing;

/// `/readyz`, once it has this status and says this.
#[track_caller]
fn wait_until_readyz(node: &Node, status: u16, says: &str) {
    let mut last = None;
    wait_until(&format!("/readyz answers {status} and says {says:?}"), STEP, || {
        last = http_get(node.admin_port, "/readyz");
        last.as_ref().is_some_and(|(code, body)| *code == status && body.contains(says))
    });
}

fn metrics(node: &Node) -> String {
    http_get(node.admin_port, "/metrics").expect("the admin page answers").1
}

#[test]
fn a_dead_broker_is_noticed_within_a_session_by_an_idle_node_and_the_lag_stays() {
    let Some(own) = OwnKafka::up("dead", 1) else { return };
    let job = Job::new(own.kafka(), "dead", 2);
    own.kafka().produce(&job.input, &Transactions::new(Framing::SingleObject).spread(10, 2));
    let mut node = job.start(&["kafka.consumer.properties.session.timeout.ms=6000"]);
    node.process.wait_until_ready(node.admin_port, STEP);
    // A lane shows its lag from time to time: it may still be that of a moment ago.
    wait_until("all is scored and committed, and shown", STEP, || {
        let shown = metrics(&node);
        let nothing_waits = "scorewire_partition_lag_records{lane=\"0\",partition=\"1\"} 0.0";
        shown.contains("scorewire_since_commit_seconds{lane=\"0\"}")
            && node.sum("records.scored") == 10
            && shown.contains(nothing_waits)
    });
    own.crash(1);
    wait_until_readyz(&node, 503, "lane 0: nothing was heard from the group for ");
    wait_until_readyz(&node, 503, "Connection refused");
    assert_eq!(http_get(node.admin_port, "/livez").map(|(status, _)| status), Some(200));
    wait_until("the partitions are lost", STEP, || node.sum("partitions.assigned") == 0);
    let shown = metrics(&node);
    for line in [
        "scorewire_partition_lag_records{lane=\"0\",partition=\"1\"} 0.0",
        "scorewire_partition_state{lane=\"0\",partition=\"1\",state=\"lost\"} 1.0",
        "scorewire_ready 0.0",
    ] {
        assert!(shown.contains(line), "no {line} in:\n{shown}");
    }
}

#[test]
fn an_input_that_is_deleted_is_told_until_it_is_there_again() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "deleted", 2);
    let mut node = job.start(&["kafka.properties.topic.metadata.refresh.interval.ms=500"]);
    node.process.wait_until_ready(node.admin_port, STEP);
    node.wait_until_assigned(2);
    kafka.delete_topic(&job.input);
    wait_until_readyz(&node, 503, &format!("lane 0: the input topic {} is not there", job.input));
    kafka.create_topic(&job.input, 2, &[]);
    wait_until_readyz(&node, 200, "ok");
    node.wait_until_assigned(2);
    kafka.produce(&job.input, &Transactions::new(Framing::SingleObject).spread(10, 2));
    wait_until("the new one is scored", STEP, || node.sum("records.scored") == 10);
    node.stop();
}
