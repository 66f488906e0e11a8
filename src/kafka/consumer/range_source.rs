//! A consumer without a group: it reads the pieces of a topic that it assigns itself, as a reader at `read_committed` sees
//! them, and commits nothing. Records come in batches, as a lane takes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use super::input_topic::says_no_topic;
use crate::doors::{Complaint, PartitionLag, Progress, Source, SourceEvent, SourceRecord, Waker};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{
    Conf, ConsumerClient, ConsumerEvents, KafkaRecord, NO_ERROR, Rebalance, c_string, describe,
};
use crate::kafka::cluster::offsets::QUERY_TIMEOUT;
use crate::kafka::failures::retriable::is_retriable;
use crate::kafka::failures::rights::{self, GroupAndTopic};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::settings::connection::reader_settings;

/// A client that was never a member of a group has nothing to leave: far above what that takes.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Records that are there, asked for at once at most.
const TAKE_MAX: usize = 1_024;

/// A client that is a member of nothing hears of nothing but its own end.
#[derive(Default)]
struct Heard {
    is_over: bool,
}

impl ConsumerEvents for Heard {
    fn rebalanced(&mut self, _: Rebalance, _: Vec<i32>) {}

    fn committed(&mut self, _: Vec<Progress>, _: Result<(), i32>) {}

    fn failed(&mut self, code: i32) {
        self.is_over |= code == Err::RD_KAFKA_RESP_ERR__FATAL as i32;
    }

    fn statistics(&mut self, _: &[u8]) {}
}

/// Reads what is assigned to it. [`SourceEvent::EndReached`] tells where a partition ends, after its last record.
pub struct RangeSource {
    client: ConsumerClient<Heard>,
    group: String,
    user: Option<String>,
    events: VecDeque<SourceEvent>,
    complaint: Arc<Complaint>,
}

impl RangeSource {
    /// Connects, and reads nothing yet.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings.
    pub fn open(settings: &KafkaSettings, topic: &str) -> Result<RangeSource, Fatal> {
        RangeSource::open_with(settings, topic, &[])
    }

    /// The same for whoever reads a record here and there: little is fetched in vain.
    ///
    /// # Errors
    /// Those of [`RangeSource::open`].
    pub fn open_for_few(settings: &KafkaSettings, topic: &str) -> Result<RangeSource, Fatal> {
        RangeSource::open_with(settings, topic, &FOR_FEW)
    }

    fn open_with(settings: &KafkaSettings, topic: &str, more: &[(&str, &str)]) -> Result<RangeSource, Fatal> {
        let mut list = reader_settings(settings);
        list.extend(OWN.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // Needed by the client to read partitions of its own choice; never joined, never committed to.
        list.push(("group.id".to_owned(), settings.group.clone()));
        let (topic, conf) = (c_string(topic)?, Conf::new(&list)?);
        if let Some(login) = Login::of(&list, settings.password_files.consumer.as_deref()) {
            login.join(&conf)?;
        }
        let complaint = Arc::default();
        conf.with_threads(LogListener::of(&list, Some(&complaint)));
        Ok(RangeSource {
            client: ConsumerClient::new(conf, topic)?,
            group: settings.group.clone(),
            user: settings.user_of(&settings.consumer_properties).map(str::to_owned),
            events: VecDeque::new(),
            complaint,
        })
    }

    /// Reads a partition from this offset on, beside those it reads already.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the client refuses.
    pub fn begin(&mut self, at: Progress) -> Result<(), Fatal> {
        self.client.assign(&[at]).map_err(|(_, text)| self.named().failure("read a partition", &text))
    }

    /// Reads a partition no further: what was fetched ahead of it is dropped.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the client refuses.
    pub fn end(&mut self, partition: i32) -> Result<(), Fatal> {
        self.client.unassign(&[partition]).map_err(|(_, text)| self.named().failure("end a partition", &text))
    }

    fn named(&self) -> GroupAndTopic<'_> {
        GroupAndTopic { topic: self.client.topic(), group: &self.group, user: self.user.as_deref() }
    }

    fn failure(&self, code: i32) -> Fatal {
        let topic = self.client.topic().to_string_lossy();
        if code == Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as i32 {
            return rights::denied_topic(&topic, self.user.as_deref(), "Read", "read it");
        }
        let what = format!("cannot read topic {topic} on: {}", describe(code));
        Fatal::new(exit::UNAVAILABLE, what, "check that the brokers are reachable, and that the topic can be read")
    }

    /// A message that is no record: something about its partition.
    fn event(&mut self, record: &KafkaRecord) -> Result<(), Fatal> {
        let at = record.position();
        match record.event() {
            Err::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                self.events.push_back(SourceEvent::EndReached { partition: at.partition, offset: at.offset });
                Ok(())
            }
            // The group is not ours: whether it may be looked for is nothing to us.
            Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => Ok(()),
            err if is_retriable(err as i32) && !says_no_topic(err) => {
                tracing::debug!(target: "kafka", partition = at.partition, "reader: {}", describe(err as i32));
                Ok(())
            }
            err => Result::Err(self.failure(err as i32)),
        }
    }
}

/// Settings that the reads rest on.
const OWN: [(&str, &str); 9] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
    // What retention takes between the question and the read is gone; what is left is read.
    ("auto.offset.reset", "earliest"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("enable.partition.eof", "true"),
    // Bounds what is held at once, and what is fetched in vain where a piece ends.
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.queue.backoff.ms", "1"),
];

/// A fetch brings one batch in any case, and this much of those behind it. An error of one fetch is retried soon.
const FOR_FEW: [(&str, &str); 3] =
    [("max.partition.fetch.bytes", "131072"), ("fetch.wait.max.ms", "50"), ("fetch.error.backoff.ms", "50")];

impl Source for RangeSource {
    type Record = KafkaRecord;

    fn poll(&mut self, wait: Duration, room: usize, out: &mut Vec<KafkaRecord>) -> Result<(), Fatal> {
        let room = room.clamp(1, TAKE_MAX);
        let mut taken = self.client.take(Duration::ZERO, 0, room);
        if taken == 0 && !wait.is_zero() && !self.client.was_woken() {
            // Asking for one returns as soon as it is there; asking for more would wait for all of them.
            taken = self.client.take(wait, 0, 1);
            if taken == 1 && room > 1 {
                taken += self.client.take(Duration::ZERO, 1, room - 1);
            }
        }
        let mut went = Ok(());
        // All of them, whatever one says: the client would wait for the rest for ever when it is let go.
        for at in 0..taken {
            let Some(record) = self.client.hand_out(at) else { continue };
            if record.event() == NO_ERROR {
                out.push(record);
            } else {
                went = went.and(self.event(&record));
            }
        }
        went?;
        if self.client.events().is_over {
            let code =
                self.client.client().fatal_error().map_or(Err::RD_KAFKA_RESP_ERR__FATAL as i32, |(code, _)| code);
            return Result::Err(self.failure(code));
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.client.waker()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop_front()
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.named().check(self.client.pause(partitions), "pause partitions")
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.named().check(self.client.resume(partitions), "resume partitions")
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        let sought = self.client.seek(&[to], QUERY_TIMEOUT);
        sought.map(drop).map_err(|(_, text)| self.named().failure("set a partition's position", &text))
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        self.client.position(partition)
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let high_watermark = self.client.high_watermark(partition).unwrap_or(-1);
        PartitionLag { partition, position: self.position(partition).unwrap_or(-1), high_watermark }
    }

    fn complaint(&self) -> Arc<Complaint> {
        Arc::clone(&self.complaint)
    }
}

impl Drop for RangeSource {
    fn drop(&mut self) {
        const SLICE: Duration = Duration::from_millis(10);
        self.client.detach_wakers();
        if self.client.begin_close().is_err() {
            return;
        }
        for _ in 0..CLOSE_MAX.as_millis() / SLICE.as_millis() {
            if self.client.is_closed() {
                return;
            }
            // Nobody reads what is left, and there may be much.
            let taken = self.client.take(SLICE, 0, TAKE_MAX);
            (0..taken).for_each(|at| drop(self.client.hand_out(at)));
        }
    }
}
