//! Producers of the tests: plain, and with transactions that end as the test says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message};

use super::kafka::{ANSWER, unique_name};
use super::records::TestRecord;

/// Delivery reports by the record's place in the list: its offset, or the error.
#[derive(Default)]
struct Reports(Mutex<BTreeMap<usize, Result<i64, KafkaError>>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        let report = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().expect("no test panics with the lock").insert(*index, report);
    }
}

type ReportingProducer = BaseProducer<Reports>;

/// Writes the records in order and returns their offsets once all are acknowledged.
pub(super) fn produce(mut config: ClientConfig, topic: &str, records: &[TestRecord]) -> Vec<i64> {
    config.set("enable.idempotence", "true").set("linger.ms", "1");
    let producer: ReportingProducer = config.create_with_context(Reports::default()).expect("a producer");
    send_all(&producer, topic, records);
    producer.flush(ANSWER).expect("the broker acknowledges");
    let reports = std::mem::take(&mut *producer.context().0.lock().expect("no test panics with the lock"));
    assert_eq!(reports.len(), records.len(), "{topic}: every record is reported");
    let acknowledged = |(index, report): (usize, Result<i64, KafkaError>)| {
        report.unwrap_or_else(|error| panic!("{topic}: record {index} was not delivered: {error}"))
    };
    reports.into_iter().map(acknowledged).collect()
}

fn send_all(producer: &ReportingProducer, topic: &str, records: &[TestRecord]) {
    let start = Instant::now();
    for (index, record) in records.iter().enumerate() {
        let mut unsent: BaseRecord<'_, [u8], [u8], Box<usize>> = record.to_client(topic, Box::new(index));
        while let Err((error, back)) = producer.send(unsent) {
            // A full queue is the client's way to say: later. Anything else is the test's mistake.
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{topic}: {error}");
            assert!(start.elapsed() < ANSWER, "{topic}: the producer's queue stays full");
            producer.poll(Duration::from_millis(10));
            unsent = back;
        }
        producer.poll(Duration::ZERO);
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Abort,
}

pub(super) struct TransactionalProducer(ReportingProducer);

impl TransactionalProducer {
    pub(super) fn new(mut config: ClientConfig) -> TransactionalProducer {
        config.set("transactional.id", unique_name("test-transactions")).set("linger.ms", "1");
        let producer: ReportingProducer = config.create_with_context(Reports::default()).expect("a producer");
        producer.init_transactions(ANSWER).expect("the transaction coordinator answers");
        TransactionalProducer(producer)
    }

    fn open(&self, topic: &str, records: &[TestRecord]) {
        self.0.begin_transaction().expect("no transaction is open");
        send_all(&self.0, topic, records);
        self.0.flush(ANSWER).expect("the broker acknowledges");
    }

    /// One whole transaction. Its records are on the broker before it ends either way, so an aborted one leaves a hole
    /// instead of nothing.
    pub(super) fn transact(&self, topic: &str, records: &[TestRecord], end: End) {
        self.open(topic, records);
        match end {
            End::Commit => self.0.commit_transaction(ANSWER),
            End::Abort => self.0.abort_transaction(ANSWER),
        }
        .unwrap_or_else(|error| panic!("{topic}: {end:?}: {error}"));
    }
}

/// A transaction whose records are on the broker and that has not ended.
pub struct OpenTransaction(TransactionalProducer);

impl OpenTransaction {
    pub(super) fn begin(config: ClientConfig, topic: &str, records: &[TestRecord]) -> OpenTransaction {
        let producer = TransactionalProducer::new(config);
        producer.open(topic, records);
        OpenTransaction(producer)
    }

    pub fn commit(self) {
        self.0.0.commit_transaction(ANSWER).expect("the transaction is committed");
    }
}
