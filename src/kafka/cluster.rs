//! Questions to the cluster before the first record: is it there, are the topics there, how many partitions.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

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

/// Asks the brokers for all five topics. A broker that does not answer in time and a topic that is not there are
/// told apart, and every missing topic is named at once.
pub fn inspect(settings: &KafkaSettings, topics: &Topics, timeout: Duration) -> Result<PartitionCounts, Fatal> {
    let client = client(settings)?;
    let mut missing = Vec::new();
    let mut count = |name: &str| -> Result<i32, Fatal> {
        let metadata = client.fetch_metadata(Some(name), timeout).map_err(|error| unreachable(settings, &error))?;
        let partitions =
            metadata.topics().iter().find(|topic| topic.name() == name).map_or(0, |t| t.partitions().len());
        if partitions == 0 {
            missing.push(name.to_owned());
        }
        Ok(i32::try_from(partitions).unwrap_or(i32::MAX))
    };
    let counts = PartitionCounts {
        input: count(&topics.input)?,
        outputs: count(&topics.outputs)?,
        review: count(&topics.review)?,
        dead_letters: count(&topics.dead_letters)?,
        timeouts: count(&topics.timeouts)?,
    };
    wrapped::check()?;
    if missing.is_empty() {
        return Ok(counts);
    }
    Err(Fatal::new(
        exit::UNAVAILABLE,
        format!("missing on {}: topic {}", settings.bootstrap, missing.join(", topic ")),
        "create it (kafka-topics.sh --create --topic NAME --partitions N), or name an existing one in [topics]",
    ))
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

fn unreachable(settings: &KafkaSettings, error: &rdkafka::error::KafkaError) -> Fatal {
    let code = error.rdkafka_error_code().map_or_else(|| "no answer".to_owned(), |code| code.to_string());
    Fatal::new(
        exit::UNAVAILABLE,
        format!("no answer from Kafka at {}: {code}", settings.bootstrap),
        "check kafka.bootstrap, that the brokers run, and that their advertised listeners can be reached from here",
    )
}
