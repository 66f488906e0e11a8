//! The test support against a real Kafka: what the other tests stand on must itself hold. Each helper that makes an
//! input with holes is shown to make one.

use std::process::Command;
use std::time::Duration;

use crate::common::kafka::{ANSWER, COMPACTED};
use crate::common::{OwnKafka, RealKafka, Running, TestRecord, free_port, http_get, unique_name, wait_until};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

#[test]
fn records_come_back_as_they_were_written() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("round-trip", 3);
    let written = [
        TestRecord::new(2).key("card-1").value([0, 1, 255]).header("a", "first").header("a", "second").null_header("b"),
        TestRecord::new(0).value("").timestamp_ms(1_700_000_000_123),
        TestRecord::new(2).key(""),
    ];
    assert_eq!(kafka.produce(&topic, &written), [0, 0, 1]);

    let read = kafka.read(&topic);
    assert_eq!(read.iter().map(|r| (r.partition, r.offset)).collect::<Vec<_>>(), [(0, 0), (2, 0), (2, 1)]);
    for (read, written) in read.iter().zip([&written[1], &written[0], &written[2]]) {
        assert_eq!((&read.key, &read.value, &read.headers), (&written.key, &written.value, &written.headers));
    }
    assert_eq!(read[0].timestamp_ms, Some(1_700_000_000_123));
    assert_eq!(read[1].header_text("a"), Some("second"), "the last of a name counts");
    assert_eq!(read[1].header("b"), None);
    assert_eq!(read[2].value, None, "a tombstone stays one");
    assert_eq!(kafka.watermarks(&topic, 2), (0, 2));
}

#[test]
fn reading_goes_on_until_enough_is_there() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("read-until", 2);
    kafka.produce(&topic, &[TestRecord::new(0).value("before")]);
    let mut sent_more = false;
    let records = kafka.read_until(&topic, ANSWER, |records| {
        if records.len() == 1 && !sent_more {
            sent_more = true;
            kafka.produce(&topic, &[TestRecord::new(1).value("while reading")]);
        }
        records.len() == 2
    });
    assert_eq!(records[1].value.as_deref(), Some(b"while reading".as_slice()));
}

#[test]
fn an_aborted_transaction_leaves_a_hole() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic("aborted", 1);
    let record = |value: &str| TestRecord::new(0).key("k").value(value);
    kafka.produce(&topic, &[record("0"), record("1")]);
    kafka.produce_aborted(&topic, &[record("never seen"), record("never seen either")]); // 2, 3, marker 4
    kafka.produce_committed(&topic, &[record("5")]); // 5, marker 6
    kafka.produce_aborted(&topic, &[record("nor this, at the very end")]); // 7, marker 8

    assert_eq!(kafka.read(&topic).iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 1, 5]);
    assert_eq!(kafka.watermarks(&topic, 0), (0, 9), "the broker counts what readers never see");
}

#[test]
fn compaction_leaves_a_hole() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topic = kafka.topic_with("compacted", 2, COMPACTED);
    let record = |partition, key: &str| TestRecord::new(partition).key(key).value("v");
    kafka.produce(&topic, &["a", "b", "a", "c", "a"].map(|key| record(0, key)));
    kafka.produce(&topic, &["a", "a"].map(|key| record(1, key)));
    assert_eq!(kafka.read(&topic).len(), 7, "nothing is gone yet");

    kafka.compact(&topic, 2);
    let left: Vec<_> = kafka.read(&topic).into_iter().map(|r| (r.partition, r.offset, r.key.unwrap())).collect();
    let expected = [(0, 1, b"b".to_vec()), (0, 3, b"c".to_vec()), (0, 4, b"a".to_vec()), (1, 1, b"a".to_vec())];
    assert_eq!(left, expected);
}

#[test]
fn committed_offsets_are_read_per_partition() {
    let Some(kafka) = RealKafka::connect() else { return };
    let (topic, group) = (kafka.topic("committed", 3), unique_name("group"));
    assert!(kafka.committed(&group, &topic).is_empty(), "a group that never committed");

    let consumer: BaseConsumer = kafka.client_config().set("group.id", &group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 1, Offset::Offset(7)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    assert_eq!(kafka.committed(&group, &topic), [(1, 7)].into());
}

#[test]
fn a_cluster_of_its_own_survives_the_loss_of_a_broker() {
    let Some(own) = OwnKafka::up("smoke-cluster", 3) else { return };
    let kafka = own.kafka();
    let topic = kafka.topic("replicated", 3);
    let one_each: Vec<_> = (0..3).map(|partition| TestRecord::new(partition).value("v")).collect();
    kafka.produce(&topic, &one_each);
    own.crash(3);
    assert_eq!(kafka.produce(&topic, &one_each), [1, 1, 1], "two of three brokers are enough");
    assert_eq!(kafka.read(&topic).len(), 6);
}

#[test]
fn a_guarded_process_ends_with_its_guard_and_on_request() {
    let mut echoing = Running::spawn(Command::new("sh").args(["-c", "echo ready; echo note >&2; exec sleep 600"]));
    wait_until("its output arrives", ANSWER, || echoing.stdout() == "ready\n" && echoing.stderr() == "note\n");
    assert!(echoing.is_running());
    echoing.terminate();
    let finished = echoing.wait(ANSWER);
    assert_eq!((finished.code(), finished.stdout.as_str()), (None, "ready\n"), "ended by the signal");

    let abandoned = Running::spawn(Command::new("sleep").arg("600"));
    let process = format!("/proc/{}", abandoned.id());
    assert!(std::path::Path::new(&process).exists());
    drop(abandoned);
    assert!(!std::path::Path::new(&process).exists(), "killed and reaped");
}

#[test]
fn a_process_is_ready_when_it_answers_so() {
    let port = free_port();
    let serve = "import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Answer.asked += 1
        self.send_response(200 if Answer.asked > 2 and self.path == '/readyz' else 503)
        self.end_headers()
        self.wfile.write(b'body')
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Answer)
print('serving', flush=True)
server.serve_forever()";
    let mut server = Running::spawn(Command::new("python3").args(["-c", serve, &port.to_string()]));
    server.wait_until_says("serving", ANSWER);
    assert_eq!(http_get(port, "/livez"), Some((503, "body".to_owned())));
    server.wait_until_ready(port, ANSWER);
    assert_eq!(http_get(port, "/readyz"), Some((200, "body".to_owned())));
    server.crash();
    assert_eq!(server.wait(ANSWER).code(), None);
    assert_eq!(http_get(port, "/readyz"), None);
}

#[test]
#[should_panic(expected = "it ended without it")]
fn waiting_for_words_ends_with_the_process() {
    Running::spawn(Command::new("sh").args(["-c", "echo something else"])).wait_until_says("ready", ANSWER);
}

#[test]
#[should_panic(expected = "what never happens: not within")]
fn waiting_ends_at_the_deadline() {
    wait_until("what never happens", Duration::from_millis(20), || false);
}
