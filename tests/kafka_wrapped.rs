//! Functions of the Kafka client that have ours before them. The story: another linker, or link-time optimisation, leaves the
//! client as it is; the program runs, quiet partitions hold up busy ones, and a transaction's end that was sent twice is
//! believed. Its own process: what was called is noted once for all clients.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use scorewire::kafka::wrapped::{self, Wrapped};

const STEP: Duration = Duration::from_secs(30);

#[test]
fn the_linker_put_ours_before_each_of_the_clients_functions() {
    assert!(Wrapped::ALL.iter().all(|wrapped| !wrapped.was_entered()), "nobody has called anything yet");
    let fatal = wrapped::check().expect_err("no client has heard of its brokers");
    assert!(fatal.what.contains("rd_kafka_parse_Metadata"), "{fatal}");

    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("transactional.id", "a")
        .create()
        .unwrap();
    producer.init_transactions(STEP).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<(), str>::to("t").payload("x")).unwrap();
    producer.flush(STEP).unwrap();
    let busy = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS];
    cluster.request_errors(RDKafkaApiKey::EndTxn, &busy);
    producer.commit_transaction(STEP).unwrap();

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "g")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let deadline = Instant::now() + STEP;
    while consumer.poll(Duration::from_millis(100)).is_none() {
        assert!(Instant::now() < deadline, "no record came");
    }
    let missing: Vec<&str> =
        Wrapped::ALL.iter().filter(|wrapped| !wrapped.was_entered()).map(|wrapped| wrapped.name()).collect();
    assert_eq!(missing, [""; 0], "the client calls its own");
    wrapped::check().unwrap();
}

/// The linker is told in one place, and what it did is noted in another.
#[test]
fn every_function_that_the_linker_is_told_of_is_noted() {
    let told = include_str!("../scripts/build.rs");
    let names = told.split('"').filter(|text| text.starts_with("rd_kafka_"));
    let mut told: Vec<&str> = names.collect();
    let mut noted = Wrapped::ALL.map(Wrapped::name);
    told.sort_unstable();
    noted.sort_unstable();
    assert_eq!(told, noted);
}
