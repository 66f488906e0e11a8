//! Questions to the cluster before the first record: is it there, are the topics there, how many partitions.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr as Code;

use super::native::describe;
use super::passing::{self, SinceStart, code_of};
use super::rights;
use super::settings::{KafkaSettings, Topics, connection_settings};
use super::wrapped;
use crate::edge::Destination;
use crate::error::{Fatal, exit};

/// Partitions of each topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionCounts {
    pub input: i32,
    pub outputs: i32,
    pub review: i32,
    pub dead_letters: i32,
    pub timeouts: i32,
}

impl PartitionCounts {
    pub fn of(&self, destination: Destination) -> i32 {
        match destination {
            Destination::Outputs => self.outputs,
            Destination::Review => self.review,
            Destination::DeadLetters => self.dead_letters,
            Destination::Timeouts => self.timeouts,
        }
    }
}

/// What is there of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub partitions: PartitionCounts,
    pub brokers: usize,
}

/// Asks the brokers for all five topics, for so long each. A broker that does not answer in time and a topic that is not
/// there are told apart, and every missing topic is named at once.
pub fn inspect(settings: &KafkaSettings, topics: &Topics, timeout: Duration) -> Result<Inspected, Fatal> {
    let client = client(settings)?;
    let mut missing = Vec::new();
    let mut brokers = 0;
    let mut count = |name: &str| -> Result<i32, Fatal> {
        let passing = |trouble: &Trouble| passing::words(trouble.code());
        let what = format!("find topic {name}");
        let asked = passing::ask_until(&SinceStart::now(), timeout, passing, &what, |left| {
            let metadata =
                client.fetch_metadata(Some(name), left).map_err(|error| Trouble::Cluster(code_of(&error)))?;
            brokers = metadata.brokers().len();
            partitions_of(&metadata, name)
        });
        let partitions = asked.map_err(|trouble| trouble.told(settings, topics, name))?;
        if partitions == 0 {
            missing.push(name.to_owned());
        }
        Ok(partitions)
    };
    let partitions = PartitionCounts {
        input: count(&topics.input)?,
        outputs: count(&topics.outputs)?,
        review: count(&topics.review)?,
        dead_letters: count(&topics.dead_letters)?,
        timeouts: count(&topics.timeouts)?,
    };
    wrapped::check()?;
    if missing.is_empty() {
        return Ok(Inspected { partitions, brokers });
    }
    Result::Err(Fatal::new(
        exit::UNAVAILABLE,
        format!("missing on {}: topic {}", settings.bootstrap, missing.join(", topic ")),
        "create it (kafka-topics.sh --create --topic NAME --partitions N), or name an existing one in [topics]",
    ))
}

/// Why a topic's partitions cannot be told.
#[derive(Clone, Copy)]
enum Trouble {
    /// Nobody answered, or for another reason than the topic.
    Cluster(i32),
    /// What the brokers say of the topic.
    Topic(i32),
}

impl Trouble {
    fn code(self) -> i32 {
        let (Trouble::Cluster(code) | Trouble::Topic(code)) = self;
        code
    }

    fn told(self, settings: &KafkaSettings, topics: &Topics, topic: &str) -> Fatal {
        let bootstrap = &settings.bootstrap;
        match self {
            Trouble::Cluster(code) => Fatal::new(
                exit::UNAVAILABLE,
                format!("no answer from Kafka at {bootstrap}: {}", describe(code)),
                "check kafka.bootstrap, that the brokers run, and that their advertised listeners can be reached from \
                 here",
            ),
            Trouble::Topic(code) if rights::is_denied(code) => {
                let operation = if topic == topics.input { "Read" } else { "Write" };
                rights::denied_topic(topic, settings.user_of(&settings.properties), operation, "look at it")
            }
            Trouble::Topic(code) => Fatal::new(
                exit::UNAVAILABLE,
                format!("topic {topic} at {bootstrap}: {}", describe(code)),
                "check that this user may describe, read and write the topics, and that their brokers run",
            ),
        }
    }
}

/// None where there is no such topic.
fn partitions_of(metadata: &Metadata, name: &str) -> Result<i32, Trouble> {
    // A broker that its controller has fenced, as at its start, knows of none.
    if metadata.brokers().is_empty() {
        return Err(Trouble::Cluster(Code::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE as i32));
    }
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(0) };
    match topic.error() {
        None => Ok(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)),
        Some(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Ok(0),
        Some(code) => Err(Trouble::Topic(code as i32)),
    }
}

fn client(settings: &KafkaSettings) -> Result<BaseConsumer, Fatal> {
    let mut config = ClientConfig::new();
    for (key, value) in connection_settings(settings) {
        config.set(key, value);
    }
    // The error's own text can hold property values (#19 in librdkafka's wrapper), so it is not passed on.
    config.create().map_err(|_| {
        Fatal::new(exit::CONFIG, "the Kafka client refuses its settings", "check [kafka] and [kafka.properties]")
    })
}
