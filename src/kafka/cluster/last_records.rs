//! Records of a topic, read once from one offset to another, outside any group.
#![expect(clippy::disallowed_methods, reason = "the deadline of a start's reading, before a lane runs")]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::error::{Fatal, exit};
use crate::kafka::failures::retriable::{code_of, is_retriable};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::settings::connection::reader_settings;
use crate::values::record::Position;

/// How long the cluster may take for one answer, and to send the next record.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// What is read of a partition: offsets from `from` on, those below `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: i64,
    pub until: i64,
    /// Whether the partition had records before, kept or not.
    pub is_cut: bool,
}

/// A record, borrowed from the client.
pub struct ReadRecord<'a>(&'a BorrowedMessage<'a>);

impl ReadRecord<'_> {
    pub fn position(&self) -> Position {
        Position { partition: self.0.partition(), offset: self.0.offset() }
    }

    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// The value of the last header of this name: our own stand behind those that travel.
    pub fn header(&self, name: &CStr) -> Option<&[u8]> {
        self.last_header(|key| key.as_bytes() == name.to_bytes())
    }

    /// The value of the last header whose name ends like this: our own stand behind those that travel.
    pub fn header_ending(&self, suffix: &str) -> Option<&[u8]> {
        self.last_header(|key| key.ends_with(suffix))
    }

    fn last_header(&self, is_meant: impl Fn(&str) -> bool) -> Option<&[u8]> {
        self.0.headers()?.iter().filter(|header| is_meant(header.key)).last()?.value
    }
}

/// Reads a topic, as a reader at `read_committed` sees it. It joins no group and commits nothing.
pub struct TopicReader<'a> {
    settings: &'a KafkaSettings,
    topic: &'a str,
    consumer: BaseConsumer,
}

impl<'a> TopicReader<'a> {
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings.
    pub fn of(settings: &'a KafkaSettings, topic: &'a str) -> Result<TopicReader<'a>, Fatal> {
        Ok(TopicReader { settings, topic, consumer: consumer(settings)? })
    }

    /// Shows each record of these stretches, in order within its partition.
    ///
    /// # Errors
    /// [`exit::CONFIG`] where the topic may not be read; [`exit::UNAVAILABLE`] when the cluster does not answer, or
    /// sends nothing for 30 s.
    pub fn read(
        &self,
        stretches: &BTreeMap<i32, Stretch>,
        visit: &mut dyn FnMut(&ReadRecord<'_>),
    ) -> Result<(), Fatal> {
        let failed = |error: KafkaError| self.failure(&error);
        let mut assignment = TopicPartitionList::new();
        for (&partition, stretch) in stretches {
            assignment.add_partition_offset(self.topic, partition, Offset::Offset(stretch.from)).map_err(failed)?;
        }
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut open = stretches.clone();
        let mut heard = Instant::now();
        // The last error that passed, or might have.
        let mut trouble = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
        while !open.is_empty() {
            let ended = match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let record = ReadRecord(&message);
                    let Position { partition, offset } = record.position();
                    let Some(stretch) = open.get(&partition) else { continue };
                    if offset < stretch.until {
                        visit(&record);
                    }
                    (offset >= stretch.until - 1).then_some(partition)
                }
                // Markers may end it, or compaction has taken its last records.
                Some(Err(KafkaError::PartitionEOF(partition))) => Some(partition),
                Some(Err(error)) if !is_retriable(code_of(&error)) => return Err(failed(error)),
                quiet => {
                    if let Some(Err(error)) = quiet {
                        trouble = error;
                    }
                    if heard.elapsed() >= ANSWER_TIMEOUT {
                        return Err(failed(trouble));
                    }
                    continue;
                }
            };
            heard = Instant::now();
            if let Some(partition) = ended.filter(|partition| open.remove(partition).is_some()) {
                let mut done = TopicPartitionList::new();
                done.add_partition(self.topic, partition);
                self.consumer.incremental_unassign(&done).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn failure(&self, error: &KafkaError) -> Fatal {
        let code = error.rdkafka_error_code();
        let why = code.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
        let what = format!("cannot read topic {} at {}: {why}", self.topic, self.settings.bootstrap);
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            let fix = "where a group has no offsets, its last outcomes say how far it was: allow this user to read the \
                       topic, or say kafka.without_offsets = \"begin\" if nothing was scored before";
            return Fatal::new(exit::CONFIG, what, fix);
        }
        Fatal::new(exit::UNAVAILABLE, what, "check that the brokers are reachable and that the topic may be read")
    }
}

fn consumer(settings: &KafkaSettings) -> Result<BaseConsumer, Fatal> {
    let mut config = ClientConfig::new();
    for (key, value) in reader_settings(settings) {
        config.set(key, value);
    }
    let own = [
        // Needed by the client to read partitions of its own choice; never joined, never committed to.
        ("group.id", settings.group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // What retention takes between the question and the read is gone; what is left is read.
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
        ("check.crcs", "true"),
        ("enable.partition.eof", "true"),
        // Bounds what is held here at once.
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.wait.max.ms", "100"),
        ("fetch.queue.backoff.ms", "2"),
    ];
    for (key, value) in own {
        config.set(key, value);
    }
    // As in `cluster`: the error's own text can hold property values.
    config.create().map_err(|_| {
        Fatal::new(exit::CONFIG, "the Kafka client refuses its settings", "check [kafka] and [kafka.properties]")
    })
}
