//! The consumer beside a cluster inside the process, or beside none: what wakes it, and what it may not read.

use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Err};

use super::KafkaSource;
use crate::doors::{Group, Source, SourceEvent};
use crate::kafka::settings::{GroupProtocol, KafkaSettings};

const FOR_EVER: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(10);

fn source(bootstrap: String, group_protocol: GroupProtocol, offsets_timeout: Duration) -> KafkaSource {
    let settings = KafkaSettings {
        bootstrap,
        group: "g".into(),
        node: "n".into(),
        start_at: None,
        without_offsets: Default::default(),
        group_protocol,
        membership: Default::default(),
        properties: Default::default(),
        consumer_properties: Default::default(),
        producer_properties: Default::default(),
        password_files: Default::default(),
    };
    KafkaSource::subscribe(&settings, 0, "t", false, offsets_timeout).unwrap()
}

/// Nobody listens there.
fn lonely_source() -> KafkaSource {
    source("127.0.0.1:1".into(), GroupProtocol::default(), FOR_EVER)
}

/// Two partitions are refused at a time. The second message stayed behind in the batch, and the client waited for it when
/// it was let go: this test would not end.
#[test]
fn a_right_that_is_denied_for_several_partitions_leaves_nothing_that_holds_the_client() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 2, 1).unwrap();
    let mut source = source(cluster.bootstrap_servers(), GroupProtocol::Consumer, Duration::from_secs(30));
    let mut records = Vec::new();
    let partitions = loop {
        source.poll(SHORT, 100, &mut records).unwrap();
        if let Some(SourceEvent::Assigned(partitions)) = source.next_event()
            && !partitions.is_empty()
        {
            break partitions;
        }
    };
    cluster.request_errors(RDKafkaApiKey::Fetch, &[Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 20]);
    source.assign(&partitions).unwrap();
    let fatal = loop {
        while source.member().queue_length() < 2 {
            std::thread::sleep(SHORT);
        }
        // What comes before the refusals is about the new positions.
        if let Result::Err(fatal) = source.poll(Duration::ZERO, 100, &mut records) {
            break fatal;
        }
    };
    assert!(fatal.what.starts_with("READ on topic t is denied"), "{fatal}");
    assert!(records.is_empty());
    drop(source);
}

/// Without the wake this test would not end.
#[test]
fn a_wake_before_the_wait_is_not_missed() {
    let (mut source, mut out) = (lonely_source(), Vec::new());
    source.waker().wake();
    // Uses up the client's signal.
    source.poll(Duration::ZERO, 1, &mut out).unwrap();
    source.poll(FOR_EVER, 1, &mut out).unwrap();
    source.waker().wake();
    source.poll(FOR_EVER, 1, &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let (mut source, mut out) = (lonely_source(), Vec::new());
    for _ in 0..200 {
        let waker = source.waker();
        let other = std::thread::spawn(move || waker.wake());
        source.poll(FOR_EVER, 1, &mut out).unwrap();
        other.join().unwrap();
        // What the thread woke too early would end the next wait.
        source.poll(Duration::ZERO, 1, &mut out).unwrap();
        source.member().was_woken();
    }
    assert!(out.is_empty());
}

#[test]
fn a_waker_may_outlive_its_consumer() {
    let source = lonely_source();
    let waker = source.waker();
    drop(source);
    waker.wake();
}
