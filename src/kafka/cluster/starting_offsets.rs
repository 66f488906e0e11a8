//! Where a group begins: fixed once, for all partitions of the input, before a lane joins.
//!
//! A broker takes offsets of no member while the group is empty, and checks nothing else: two processes that start at
//! once may both write theirs. So nobody believes what it sent: what the broker holds afterwards is the start, and lanes
//! read it again when they get their partitions. Who joins has read offsets back, and once anybody has joined the broker
//! refuses those of no member: nothing is moved under a lane that scores.
#![expect(clippy::disallowed_methods, reason = "the deadline of a start, before a lane runs")]

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use rdkafka::types::{RDKafkaRespErr as Err, RDKafkaType};

use super::inquiry;
use super::offsets::{END, FIRST};
use crate::doors::Progress;
use crate::error::{Fatal, exit};
use crate::kafka::client::admin;
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::{Client, Conf, PartitionList, c_string, describe};
use crate::kafka::failures::retriable::is_retriable;
use crate::kafka::failures::rights;
use crate::kafka::failures::rights::GroupAndTopic;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::settings::connection::reader_settings;

/// How long the answer to a commit is waited for before the broker is asked what it holds.
const COMMIT_ANSWER: Duration = Duration::from_secs(5);

/// How long the brokers may take to say what this client may do with the group.
const RIGHTS_ANSWER: Duration = Duration::from_secs(5);

/// Another process that was faster has its offsets there by then, and one that joined before this version commits some.
const FIX_TIMEOUT: Duration = Duration::from_secs(30);
const FIX_RETRY: Duration = Duration::from_millis(200);

/// What is kept of a partition: its first offset, and where a reader at `read_committed` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub first: i64,
    pub end: i64,
}

/// What is kept of each partition of any topic: one request for the first offsets and one for the ends to each broker.
///
/// # Errors
/// [`exit::UNAVAILABLE`] when the cluster does not answer, or refuses.
pub fn kept(settings: &KafkaSettings, topic: &str, partitions: i32) -> Result<Vec<Kept>, Fatal> {
    let (topic, partitions) = (c_string(topic)?, Vec::from_iter(0..partitions));
    let client = GroupClient::begin(settings, "read_committed")?;
    kept_of(&client, named(settings, &topic), &partitions)
}

/// Where the partitions of any topic end, transactions that are open included: what stands behind the beginning of one is there,
/// and is read when that one has ended.
///
/// # Errors
/// Those of [`kept`].
pub fn ends(settings: &KafkaSettings, topic: &str, partitions: i32) -> Result<Vec<i64>, Fatal> {
    let (topic, partitions) = (c_string(topic)?, Vec::from_iter(0..partitions));
    let client = GroupClient::begin(settings, "read_uncommitted")?;
    let found = named(settings, &topic).bounds(&client.client, &partitions, END);
    Ok(found.map_err(|fatal| client.explain(fatal))?.into_iter().map(|end| end.offset).collect())
}

/// The offset of the first record at or after a time, in milliseconds since the epoch, of each partition of any topic; `None`
/// where there is none.
///
/// # Errors
/// Those of [`kept`].
pub fn at_time(
    settings: &KafkaSettings,
    topic: &str,
    partitions: i32,
    time_ms: i64,
) -> Result<Vec<Option<i64>>, Fatal> {
    let (topic, partitions) = (c_string(topic)?, Vec::from_iter(0..partitions));
    let client = GroupClient::begin(settings, "read_committed")?;
    // A negative number is a place, and no time.
    let found = named(settings, &topic).bounds(&client.client, &partitions, time_ms.max(0));
    let found = found.map_err(|fatal| client.explain(fatal))?;
    Ok(found.into_iter().map(|at| (at.offset >= 0).then_some(at.offset)).collect())
}

pub(super) fn named<'a>(settings: &'a KafkaSettings, topic: &'a CStr) -> GroupAndTopic<'a> {
    GroupAndTopic { topic, group: &settings.group, user: settings.user_of(&settings.consumer_properties) }
}

fn kept_of(client: &GroupClient, named: GroupAndTopic<'_>, partitions: &[i32]) -> Result<Vec<Kept>, Fatal> {
    let ask = |place| named.bounds(&client.client, partitions, place).map_err(|fatal| client.explain(fatal));
    let (first, end) = (ask(FIRST)?, ask(END)?);
    Ok(first.iter().zip(&end).map(|(first, end)| Kept { first: first.offset, end: end.offset }).collect())
}

/// The offsets that a group holds of its topic, by partition; `None` where there is none.
pub type Held = Vec<Option<i64>>;

/// A group as one who never joins it sees it.
pub struct GroupOffsets<'a> {
    settings: &'a KafkaSettings,
    topic: CString,
    partitions: Vec<i32>,
    /// How long a transaction that is ending may hold the group's offsets back.
    held_back: Duration,
}

impl<'a> GroupOffsets<'a> {
    /// # Errors
    /// A topic's name with a NUL byte.
    pub fn of(
        settings: &'a KafkaSettings,
        topic: &str,
        partitions: i32,
        held_back: Duration,
    ) -> Result<GroupOffsets<'a>, Fatal> {
        let partitions = (0..partitions).collect();
        Ok(GroupOffsets { settings, topic: c_string(topic)?, partitions, held_back })
    }

    fn named(&self) -> GroupAndTopic<'_> {
        named(self.settings, &self.topic)
    }

    /// What the group holds. A transaction that somebody left open holds nothing up: what held before it is told, since
    /// the lane that takes its name over ends it.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not answer, or refuses.
    pub fn held(&self) -> Result<Held, Fatal> {
        let client = GroupClient::begin(self.settings, "read_uncommitted")?;
        self.may_be_used(&client)?;
        self.read(&client)
    }

    /// A client that may not look for the group's coordinator looks for it until its time is over, and says nothing. So the
    /// right is asked for first; what else keeps the brokers from an answer is no reason to end.
    fn may_be_used(&self, client: &GroupClient) -> Result<(), Fatal> {
        client.may_use(self.named(), "join it and commit offsets")
    }

    fn read(&self, client: &GroupClient) -> Result<Held, Fatal> {
        let committed = self.named().committed(&client.client, &self.partitions, self.held_back);
        let committed = committed.map_err(|fatal| client.explain(fatal))?;
        Ok(committed.into_iter().map(|at| (at.offset >= 0).then_some(at.offset)).collect())
    }

    /// Makes the group begin where `start` says for what is kept of each partition, unless it holds offsets by then.
    /// Answers what it holds.
    ///
    /// # Errors
    /// That of `start`; [`exit::UNAVAILABLE`] when the cluster does not answer, or refuses the offsets and has none.
    pub fn fix(&self, start: impl Fn(&[Kept]) -> Result<Vec<i64>, Fatal>) -> Result<Held, Fatal> {
        let client = GroupClient::begin(self.settings, "read_committed")?;
        let deadline = Instant::now() + FIX_TIMEOUT;
        loop {
            // In this order, so that what is there when nobody holds offsets is at or before what is sent next.
            let start = start(&kept_of(&client, self.named(), &self.partitions)?)?;
            let held = self.read(&client)?;
            if held.iter().any(Option::is_some) {
                return Ok(held);
            }
            let refused = client.client.commit_and_wait(&self.list(&start), COMMIT_ANSWER);
            let held = self.read(&client)?;
            if held.iter().any(Option::is_some) {
                return Ok(held);
            }
            let code = refused.err();
            if let Some(denied) = code.and_then(|code| rights::denied(self.named(), code, "fix where the group begins"))
            {
                return Result::Err(denied);
            }
            let is_final = code.is_some_and(|code| !is_retriable(code) && !is_of_members(code));
            let why = code.map_or_else(|| "it answered, and holds none".to_owned(), describe);
            if is_final || Instant::now() >= deadline {
                return Result::Err(self.refused(&why));
            }
            tracing::debug!(target: "kafka", "the starting offsets are not taken: {why}");
            std::thread::sleep(FIX_RETRY);
        }
    }

    fn list(&self, start: &[i64]) -> PartitionList {
        let partitions = self.partitions.iter().zip(start);
        PartitionList::new(&self.topic, partitions.map(|(&partition, &offset)| Progress { partition, offset }))
    }

    fn refused(&self, why: &str) -> Fatal {
        let group = &self.settings.group;
        Fatal {
            code: exit::UNAVAILABLE,
            fix: "check that this user may commit for the group. The brokers take the first offsets of a group while it has no members: stop what else uses this \
                  group's name, or say another kafka.group"
                .into(),
            ..self.named().failure(&format!("fix where group {group} begins"), why)
        }
    }
}

/// The group has members: they commit soon, or leave.
fn is_of_members(code: i32) -> bool {
    let of_members = [
        Err::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        Err::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        Err::RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH,
        Err::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
    ];
    of_members.iter().any(|err| *err as i32 == code)
}

/// A client that asks about a group and never joins it.
pub(super) struct GroupClient {
    pub(super) client: Client,
    listener: &'static LogListener,
}

impl GroupClient {
    pub(super) fn begin(settings: &KafkaSettings, isolation: &str) -> Result<GroupClient, Fatal> {
        let mut list = reader_settings(settings);
        let own = [
            ("group.id", settings.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // Of ends: before a transaction that is open. Of committed offsets: whether one that is ending is waited for.
            ("isolation.level", isolation),
        ];
        list.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let (conf, listener) = (Conf::new(&list)?, LogListener::of(&list, None));
        conf.with_threads(listener);
        Ok(GroupClient { client: conf.create(RDKafkaType::RD_KAFKA_CONSUMER)?, listener })
    }

    /// Whether the group may be used, which a client that may not is never told otherwise.
    pub(super) fn may_use(&self, named: GroupAndTopic<'_>, what: &str) -> Result<(), Fatal> {
        let denied = match admin::group(&self.client, named.group, RIGHTS_ANSWER) {
            Ok(group) => group.allowed.lacks("Read"),
            Result::Err(code) => rights::is_denied(code),
        };
        if denied { Result::Err(rights::denied_group(named.group, named.user, what)) } else { Ok(()) }
    }

    /// A question that nobody answered: with what the client says of the brokers that it cannot reach.
    pub(super) fn explain(&self, fatal: Fatal) -> Fatal {
        inquiry::explain(fatal, self.listener)
    }
}

impl Drop for GroupClient {
    fn drop(&mut self) {
        self.client.destroy();
    }
}
