//! The verifier's consumer: reads the output topics from where they end now, without a group.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientContext, Message, Offset, Timestamp, TopicPartitionList};

use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::kafka::failures::retriable::{code_of, is_retriable};
use crate::kafka::failures::rights;
use crate::kafka::load_producer::client_problem;
use crate::kafka::settings::connection;
use crate::kafka::settings::identity::Identity;

/// How long the cluster may take to answer at the start.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Settings that `properties` may replace, with the reason for each.
const DEFAULTS: [(&str, &str); 8] = [
    ("client.id", "scorewire-verify"),
    // An outcome is handed out as soon as the broker has it.
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "500"),
    // Room for what a stall lets pile up, and no long sleep when it is full.
    ("queued.min.messages", "200000"),
    ("fetch.queue.backoff.ms", "2"),
    ("socket.nagle.disable", "true"),
    ("enable.metrics.push", "false"),
    ("log_level", "4"),
];

/// Settings that the measurement rests on.
const OWNED: [(&str, &str); 8] = [
    // Needed by the client, never joined and never committed to.
    ("group.id", "scorewire-verify"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
    // What was aborted never happened.
    ("isolation.level", "read_committed"),
    // A jump to another offset would look like losses of the pipeline.
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.partition.eof", "false"),
];

/// One record of an output topic, borrowed from the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputRecord<'a> {
    /// Index of its topic in the list given to [`LoadConsumer::start`].
    pub topic: usize,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The header that travels from the input, if it is there.
    pub marker: Option<&'a [u8]>,
    /// It takes the place of a letter that was scored again.
    pub amends: bool,
    /// A step of the fallback decided, and not the model.
    pub by_fallback: bool,
    /// What the headers of a dead letter say.
    pub letter: LetterHeaders<'a>,
    /// When the broker appended it, by the broker's clock, where the topic keeps that (`LogAppendTime`); milliseconds
    /// since the epoch.
    pub appended_ms: Option<i64>,
}

/// Headers of a dead letter, in any of their styles. A letter that is scored again hands its own on: the last of each name is
/// that of whoever wrote the record.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetterHeaders<'a> {
    pub reason: Option<&'a [u8]>,
    pub node: Option<&'a [u8]>,
    /// Where the record stands in the input, and the last offset where the letter is about several.
    pub topic: Option<&'a [u8]>,
    pub partition: Option<&'a [u8]>,
    pub offset: Option<&'a [u8]>,
    pub last_offset: Option<&'a [u8]>,
    /// What it holds of its record.
    pub payload: Option<&'a [u8]>,
}

impl<'a> LetterHeaders<'a> {
    /// `name` without the style's prefix.
    fn take(&mut self, name: &str, value: Option<&'a [u8]>) {
        match name {
            "reason" | CONNECT_REASON | STREAMS_REASON => self.reason = value,
            "node" => self.node = value,
            "topic" => self.topic = value,
            "partition" => self.partition = value,
            "offset" => self.offset = value,
            "last_offset" => self.last_offset = value,
            "payload" => self.payload = value,
            _ => {}
        }
    }
}

/// The client's complaints go to the log; errors that matter come back from the calls.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", reason);
    }
}

impl ConsumerContext for Quiet {}

pub struct LoadConsumer {
    consumer: BaseConsumer<Quiet>,
    bootstrap: String,
    topics: Vec<String>,
    /// Where each partition ended at the start.
    ends: TopicPartitionList,
    marker: &'static str,
    user: Option<String>,
}

/// What a dead letter's headers have in common, whatever their style: the end of its prefix.
const ERRORS: &str = ".errors.";
/// How two of the styles call the reason.
const CONNECT_REASON: &str = "exception.class.name";
const STREAMS_REASON: &str = "exception";
/// The header of outputs that take the place of a letter.
const AMENDMENT: &str = "scorewire.amendment";
/// The header of outputs that the fallback decided.
const FALLBACK: &str = "scorewire.fallback";

impl LoadConsumer {
    /// Connects, and notes where all partitions of `topics` end now: there [`LoadConsumer::begin`] starts to read.
    /// `marker` names the header that travels from the input to its outcomes.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses a property, [`exit::UNAVAILABLE`] when the cluster does not answer or
    /// a topic does not exist.
    pub fn start(
        bootstrap: &str,
        properties: &BTreeMap<String, String>,
        topics: &[&str],
        marker: &'static str,
    ) -> Result<LoadConsumer, Fatal> {
        let way = connection::of_properties(bootstrap, properties);
        let read: Vec<_> = topics.iter().map(|topic| (*topic, "Read")).collect();
        cluster::reach(&way, &read, ANSWER_TIMEOUT)?;
        let mut config = ClientConfig::new();
        let given = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in DEFAULTS.into_iter().chain(given).chain(OWNED) {
            config.set(key, value);
        }
        let user = Identity::of(&way).user;
        config.extend(way);
        let consumer: BaseConsumer<Quiet> = BaseConsumer::from_config_and_context(&config, Quiet).map_err(|error| {
            Fatal::new(exit::CONFIG, client_problem(&error), "correct or remove it under [kafka.properties]")
        })?;
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let bootstrap = bootstrap.to_owned();
        let mut started = LoadConsumer { consumer, bootstrap, topics, ends: TopicPartitionList::new(), marker, user };
        started.ends = started.present_ends(started.topics.len())?;
        Ok(started)
    }

    /// Reads some partitions of one topic again, each from an offset.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::start`] and [`LoadConsumer::begin`].
    pub fn read_from(
        bootstrap: &str,
        properties: &BTreeMap<String, String>,
        topic: &str,
        places: &[(i32, i64)],
        marker: &'static str,
    ) -> Result<LoadConsumer, Fatal> {
        let mut reader = LoadConsumer::start(bootstrap, properties, &[topic], marker)?;
        reader.ends = TopicPartitionList::new();
        for &(partition, offset) in places {
            let added = reader.ends.add_partition_offset(topic, partition, Offset::Offset(offset));
            added.map_err(|error| unavailable(&format!("cannot read {topic}/{partition}"), &error))?;
        }
        reader.begin()?;
        Ok(reader)
    }

    /// Where each partition of any topic ends now.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::start`].
    pub fn ends_of(&self, topic: &str) -> Result<Vec<i64>, Fatal> {
        self.edge_of(topic, Offset::End)
    }

    /// The first offset that each partition of any topic keeps.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::start`].
    pub fn starts_of(&self, topic: &str) -> Result<Vec<i64>, Fatal> {
        self.edge_of(topic, Offset::Beginning)
    }

    fn edge_of(&self, topic: &str, edge: Offset) -> Result<Vec<i64>, Fatal> {
        let found = self.offsets_now(&[(topic.to_owned(), self.partitions(topic)?)], edge)?;
        Ok(found.elements().iter().filter_map(|place| place.offset().to_raw()).collect())
    }

    /// Records that any topic holds, as its offsets say: markers of transactions and what compaction took away count too.
    ///
    /// # Errors
    /// Those of [`LoadConsumer::start`].
    pub fn records_in(&self, topic: &str) -> Result<u64, Fatal> {
        let all = [(topic.to_owned(), self.partitions(topic)?)];
        let (starts, ends) = (self.offsets_now(&all, Offset::Beginning)?, self.ends_now(&all)?);
        let held = ends.elements().into_iter().filter_map(|end| {
            let start = starts.find_partition(end.topic(), end.partition())?.offset().to_raw()?;
            u64::try_from(end.offset().to_raw()? - start).ok()
        });
        Ok(held.sum())
    }

    /// Fetches from now on, in the client's own threads. The offsets themselves, not the word "end": what arrived
    /// since the start must be seen.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the client refuses.
    pub fn begin(&mut self) -> Result<(), Fatal> {
        self.consumer.assign(&self.ends).map_err(|error| unavailable("cannot read the output topics", &error))
    }

    /// By how many records the first `topics` topics have grown since the start, transaction markers included: one
    /// small request to each broker, and nothing is fetched.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not answer.
    pub fn grown(&self, topics: usize) -> Result<u64, Fatal> {
        let now = self.present_ends(topics)?;
        let grown = now.elements().into_iter().filter_map(|end| {
            let start = self.ends.find_partition(end.topic(), end.partition())?.offset().to_raw()?;
            u64::try_from(end.offset().to_raw()? - start).ok()
        });
        Ok(grown.sum())
    }

    /// Where the first `topics` topics end, as a `read_committed` reader sees it.
    fn present_ends(&self, topics: usize) -> Result<TopicPartitionList, Fatal> {
        let mut counts = Vec::with_capacity(topics);
        for topic in &self.topics[..topics] {
            let known = self.ends.elements_for_topic(topic).len() as i32;
            counts.push((topic.clone(), if known > 0 { known } else { self.partitions(topic)? }));
        }
        self.ends_now(&counts)
    }

    /// Where topics with so many partitions end.
    fn ends_now(&self, topics: &[(String, i32)]) -> Result<TopicPartitionList, Fatal> {
        self.offsets_now(topics, Offset::End)
    }

    /// Where they begin or end.
    fn offsets_now(&self, topics: &[(String, i32)], edge: Offset) -> Result<TopicPartitionList, Fatal> {
        let mut asked = TopicPartitionList::new();
        for (topic, partitions) in topics {
            for partition in 0..*partitions {
                // In place of a time, "the latest" or "the earliest": all partitions of a broker in one request.
                asked
                    .add_partition_offset(topic, partition, edge)
                    .map_err(|error| unavailable(&format!("cannot read {topic}/{partition}"), &error))?;
            }
        }
        if asked.count() == 0 {
            return Ok(asked);
        }
        let ends = self.consumer.offsets_for_times(asked, ANSWER_TIMEOUT);
        let ends = ends.map_err(|error| unavailable("cannot read where the topics end", &error))?;
        for end in ends.elements() {
            let place = || format!("cannot read where {}/{} ends", end.topic(), end.partition());
            end.error().map_err(|error| unavailable(&place(), &error))?;
        }
        Ok(ends)
    }

    /// Number of partitions of any topic.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not answer or the topic does not exist.
    pub fn partitions(&self, topic: &str) -> Result<i32, Fatal> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
            .map_err(|error| unavailable("the Kafka cluster does not answer", &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        if found.and_then(|found| found.error()).is_some_and(|code| rights::is_denied(code as i32)) {
            return Err(rights::hidden_topic(topic, self.user.as_deref(), "Read"));
        }
        match found.map(|found| found.partitions().len()) {
            Some(count) if count > 0 => Ok(count as i32),
            _ => Err(Fatal::new(
                exit::UNAVAILABLE,
                format!("topic {topic} does not exist"),
                cluster::how_to_create(&self.bootstrap, topic),
            )),
        }
    }

    /// Waits at most `wait` for the next record and shows it. Answers whether there was one.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when a topic cannot be read on.
    pub fn poll(&mut self, wait: Duration, visit: &mut dyn FnMut(&OutputRecord<'_>)) -> Result<bool, Fatal> {
        match self.consumer.poll(wait) {
            None => Ok(false),
            Some(Ok(message)) => {
                self.show(&message, visit);
                Ok(true)
            }
            Some(Err(error)) if is_retriable(code_of(&error)) => Ok(false),
            Some(Err(error)) => Err(unavailable("cannot read the output topics on", &error)),
        }
    }

    fn show(&self, message: &BorrowedMessage<'_>, visit: &mut dyn FnMut(&OutputRecord<'_>)) {
        let Some(topic) = self.topics.iter().position(|topic| topic == message.topic()) else { return };
        let (mut marker, mut letter) = (None, LetterHeaders::default());
        let (mut amends, mut by_fallback) = (false, false);
        if let Some(headers) = message.headers() {
            for header in headers.iter() {
                if header.key == self.marker {
                    marker = header.value;
                } else if header.key == AMENDMENT {
                    amends = true;
                } else if header.key == FALLBACK {
                    by_fallback = true;
                } else if let Some((_, name)) = header.key.split_once(ERRORS) {
                    letter.take(name, header.value);
                }
            }
        }
        visit(&OutputRecord {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            key: message.key(),
            value: message.payload(),
            marker,
            amends,
            by_fallback,
            letter,
            appended_ms: match message.timestamp() {
                Timestamp::LogAppendTime(ms) => Some(ms),
                Timestamp::NotAvailable | Timestamp::CreateTime(_) => None,
            },
        });
    }
}

fn unavailable(what: &str, error: &KafkaError) -> Fatal {
    Fatal::new(
        exit::UNAVAILABLE,
        format!("{what}: {}", client_problem(error)),
        "check the bootstrap address, the security settings and that the brokers are up",
    )
}
