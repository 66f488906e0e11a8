//! The load generator's producer: one topic, explicit partitions, deliveries counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Message};

use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::kafka::cluster::inquiry::Inquiry;
use crate::kafka::settings::connection;

/// How long one record may take to be acknowledged before the run is given up. Longer than a broker's failover.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the cluster may take to answer at the start.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Settings that `properties` may replace, with the reason for each.
const DEFAULTS: [(&str, &str); 10] = [
    ("client.id", "scorewire-load"),
    // A record leaves when it is due, unless the plan says to wait...
    ("linger.ms", "0"),
    // ...but for the request under way, while which others gather. With more of them, 10,000 records/s over four
    // partitions are nearly as many requests, and on one machine the broker takes the core that they cost from the
    // scorer. Waiting counts as latency, like everything after the due time.
    ("max.in.flight.requests.per.connection", "1"),
    ("socket.nagle.disable", "true"),
    // Small records on a short way: compressing would only cost the generator time.
    ("compression.type", "none"),
    // Room for a stall of several seconds at full rate; beyond it the generator waits, and the wait is charged to the
    // records it delays.
    ("queue.buffering.max.messages", "500000"),
    ("queue.buffering.max.kbytes", "524288"),
    ("batch.size", "1000000"),
    // Client metrics are nobody's business but ours.
    ("enable.metrics.push", "false"),
    ("log_level", "4"),
];

/// Settings that the measurement rests on.
const OWNED: [(&str, &str); 3] = [
    // Only what the broker really has counts as sent, once and in order.
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("message.timeout.ms", "60000"),
];

/// One record to send. Partition is explicit, so that the verifier can know it without asking anybody.
#[derive(Clone, Copy, Debug)]
pub struct LoadRecord<'a> {
    pub partition: i32,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    pub timestamp_ms: i64,
    pub header: (&'a str, &'a [u8]),
}

/// What the broker did not take.
#[derive(Debug, Default)]
struct Deliveries {
    failure: Mutex<Option<String>>,
    /// What the client last complained about: the reason behind a time-out.
    complaint: Mutex<Option<String>>,
}

fn keep_first(slot: &Mutex<Option<String>>, text: String) {
    slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
}

impl ClientContext for Deliveries {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", reason);
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, message)) = result {
            keep_first(&self.failure, format!("partition {}: {error}", message.partition()));
        }
    }
}

pub struct LoadProducer {
    producer: BaseProducer<Deliveries>,
    topic: String,
    /// Where it goes and how it is let in.
    way: Vec<(String, String)>,
}

/// Says what is wrong with a setting without repeating its value: it may be a password.
pub(crate) fn client_problem(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => format!("the Kafka client refuses the setting `{key}`"),
        other => other.to_string(),
    }
}

impl LoadProducer {
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses a property.
    pub fn new(bootstrap: &str, properties: &BTreeMap<String, String>, topic: &str) -> Result<LoadProducer, Fatal> {
        let way = connection::of_properties(bootstrap, properties);
        // The client of this wrapper says of files and keys only that it does not start.
        Inquiry::begin(&way)?;
        let mut config = ClientConfig::new();
        let given = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in DEFAULTS.into_iter().chain(given).chain(OWNED) {
            config.set(key, value);
        }
        config.extend(way.iter().cloned());
        let producer = BaseProducer::from_config_and_context(&config, Deliveries::default()).map_err(|error| {
            Fatal::new(exit::CONFIG, client_problem(&error), "correct or remove it under [kafka.properties]")
        })?;
        Ok(LoadProducer { producer, topic: topic.to_owned(), way })
    }

    /// Waits until the cluster answers, so that the first record does not wait for it.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when it does not answer, with the reason, or does not know or show the topic.
    pub fn connect(&self) -> Result<(), Fatal> {
        cluster::reach(&self.way, &[(&self.topic, "Write")], ANSWER_TIMEOUT)?;
        self.producer.client().fetch_metadata(Some(&self.topic), ANSWER_TIMEOUT).map(|_| ()).map_err(|error| {
            Fatal::new(
                exit::UNAVAILABLE,
                format!("the Kafka cluster does not answer: {}", client_problem(&error)),
                "check the bootstrap address, the security settings and that the brokers are up",
            )
        })
    }

    /// Hands a record to the client. `false`: its queue is full, try again after [`LoadProducer::poll`].
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when the client cannot take it at all.
    pub fn send(&self, record: &LoadRecord<'_>) -> Result<bool, Fatal> {
        let (name, value) = record.header;
        let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: name, value: Some(value) });
        let mut message = BaseRecord::<[u8], [u8], ()>::to(&self.topic)
            .partition(record.partition)
            .timestamp(record.timestamp_ms)
            .headers(headers);
        message.key = record.key;
        message.payload = record.value;
        match self.producer.send(message) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => Err(self.delivery_failed(&client_problem(&error))),
        }
    }

    /// Serves deliveries for at most `wait`; zero serves one batch of them.
    pub fn poll(&self, wait: Duration) {
        self.producer.poll(wait);
    }

    /// The first record that could not be delivered, if there is one: what follows would not be what was meant.
    pub fn failure(&self) -> Option<Fatal> {
        let context = self.context();
        let failure = context.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(self.delivery_failed(&failure))
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when a record failed or the time is up.
    pub fn drain(&self) -> Result<(), Fatal> {
        let flushed = self.producer.flush(DELIVERY_TIMEOUT);
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        flushed.map_err(|error| self.delivery_failed(&client_problem(&error)))
    }

    fn context(&self) -> &Arc<Deliveries> {
        self.producer.context()
    }

    fn delivery_failed(&self, why: &str) -> Fatal {
        let complaint = self.context().complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let detail = complaint.map(|text| format!(" ({text})")).unwrap_or_default();
        let what = format!("cannot send to topic {}: {why}{detail}", self.topic);
        Fatal::new(exit::DELIVERY, what, "check that the brokers are up and that this user may write there")
    }
}
