//! A client that only asks: who the brokers are, and what they know of a topic. It says why nobody answers.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaType;

use super::causes::Cause;
use super::identity::Identity;
use super::log_listener::LogListener;
use super::native::{Client, Conf, c_string, describe, timeout_ms, to_result};
use crate::error::{Fatal, exit};

/// The first wait for an answer. Between two of them it is asked whether there is hope.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A broker as the cluster names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broker {
    pub id: i32,
    /// `host:port`: its advertised listener.
    pub address: String,
}

/// Copies of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copies {
    pub leader: i32,
    pub replicas: usize,
    pub in_sync: usize,
}

/// What one broker answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub brokers: Vec<Broker>,
    /// Of the topic that was asked for: its partitions, or the code of its error. `None` where it is not spoken of.
    pub topic: Option<Result<Vec<Copies>, i32>>,
}

pub(super) struct Inquiry {
    pub(super) client: Client,
    listener: &'static LogListener,
}

impl Inquiry {
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings, with the reason.
    pub fn begin(settings: &[(String, String)]) -> Result<Inquiry, Fatal> {
        Inquiry::with(settings, &[])
    }

    /// The same with settings over the others.
    ///
    /// # Errors
    /// Those of [`Inquiry::begin`].
    pub fn with(settings: &[(String, String)], more: &[(&str, &str)]) -> Result<Inquiry, Fatal> {
        // A port that speaks another protocol closes the connection, and only then the client says so.
        let own = [("log.connection.close", "true")];
        let named = |name: &str| own.iter().chain(more).any(|(key, _)| *key == name);
        let mut list: Vec<_> = settings.iter().filter(|(name, _)| !named(name)).cloned().collect();
        list.extend(own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (conf, listener) = (Conf::new(&list)?, LogListener::of(&list, None));
        listener.join(&conf);
        // A producer's question would create a topic that is not there, where the brokers let it; transactions are a producer's.
        let kind = match list.iter().any(|(name, _)| name == "transactional.id") {
            true => RDKafkaType::RD_KAFKA_PRODUCER,
            false => RDKafkaType::RD_KAFKA_CONSUMER,
        };
        let client = conf.create(kind)?;
        Ok(Inquiry { client, listener })
    }

    pub fn identity(&self) -> &Identity {
        self.listener.identity()
    }

    pub fn causes(&self) -> Vec<Cause> {
        self.listener.causes()
    }

    /// Whether all brokers of the bootstrap list refuse for good.
    pub fn is_hopeless(&self) -> bool {
        self.listener
            .is_hopeless(self.listener.bootstrap().split(',').filter(|address| !address.trim().is_empty()).count())
    }

    /// Asks any broker, and for no longer than there is hope.
    ///
    /// # Errors
    /// The client's code: nobody answered.
    pub fn ask(&self, topic: Option<&str>, limit: Duration) -> Result<Answer, i32> {
        let (mut left, mut wait) = (limit, FIRST_WAIT);
        loop {
            let now = wait.min(left);
            let answer = self.ask_once(topic, now);
            left -= now;
            if answer.is_ok() || left.is_zero() || self.is_hopeless() {
                return answer;
            }
            // Soon where the brokers refuse, and else with time for one far away.
            wait = if self.causes().is_empty() { wait * 2 } else { FIRST_WAIT };
        }
    }

    /// # Errors
    /// The client's code: nobody answered in time.
    pub fn ask_once(&self, topic: Option<&str>, wait: Duration) -> Result<Answer, i32> {
        let name = topic
            .map(c_string)
            .transpose()
            .map_err(|_| rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG as i32)?;
        let mut metadata = ptr::null();
        // SAFETY: the client is alive. The handle of the topic is ours, freed after the question; asked by its handle, the topic
        // is not created. On success the answer is ours, read while it lives, and freed once.
        unsafe {
            let handle = name.as_ref().map_or(ptr::null_mut(), |name| {
                rd::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), ptr::null_mut())
            });
            let err = rd::rd_kafka_metadata(self.client.as_ptr(), 0, handle, &mut metadata, timeout_ms(wait));
            if !handle.is_null() {
                rd::rd_kafka_topic_destroy(handle);
            }
            to_result(err)?;
            let Some(found) = NonNull::new(metadata.cast_mut()) else { return Ok(Answer::default()) };
            let answer = read(found.as_ref(), topic);
            rd::rd_kafka_metadata_destroy(metadata);
            Ok(answer)
        }
    }

    /// What ends a start to which nobody answered.
    pub fn no_answer(&self, code: i32) -> Fatal {
        no_answer(self.listener.bootstrap(), self.identity(), &self.causes(), code)
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        self.client.destroy();
    }
}

fn no_answer(bootstrap: &str, identity: &Identity, causes: &[Cause], code: i32) -> Fatal {
    let whom = format!("no answer from Kafka at {bootstrap} ({})", identity.words());
    if causes.is_empty() {
        let fix =
            "check kafka.bootstrap, that the brokers run, and that their advertised listeners can be reached from here";
        return Fatal::new(exit::UNAVAILABLE, format!("{whom}: {}", describe(code)), fix);
    }
    let told = causes.iter().map(|cause| cause_at(bootstrap, cause)).collect::<Vec<_>>();
    let what: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
    Fatal::new(exit::UNAVAILABLE, format!("{whom}: {}", what.join("; ")), fixes(told.iter().map(|(_, fix)| fix)))
}

/// A broker outside the list of the configuration was named by another one.
fn cause_at(bootstrap: &str, cause: &Cause) -> (String, String) {
    let Cause { broker, what, fix, .. } = cause;
    if broker.is_empty() || bootstrap.split(',').any(|address| address.trim() == broker) {
        return (format!("broker {broker}: {what}"), fix.clone());
    }
    (
        format!(
            "the brokers answer, and name {broker} as their address (advertised.listeners), where no connection comes about: {what}"
        ),
        format!("let advertised.listeners of the brokers name an address that this machine reaches; {fix}"),
    )
}

/// Each fix once.
fn fixes<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let mut fixes: Vec<&str> = Vec::new();
    for fix in all {
        if !fixes.contains(&fix.as_str()) {
            fixes.push(fix);
        }
    }
    fixes.join("; ")
}

/// Adds to a failure why brokers cannot be reached, where the client has said so. What is denied is no matter of reach.
pub(super) fn explain(fatal: Fatal, listener: &LogListener) -> Fatal {
    let causes = listener.causes();
    if causes.is_empty() || fatal.what.contains(" is denied to ") {
        return fatal;
    }
    let told = causes.iter().map(|cause| cause_at(listener.bootstrap(), cause)).collect::<Vec<_>>();
    let why: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
    let fix = fixes(told.iter().map(|(_, fix)| fix));
    Fatal { code: fatal.code, what: format!("{}; {}", fatal.what, why.join("; ")), fix }
}

/// # Safety
/// An answer of the client that lives during the call.
unsafe fn read(found: &rd::rd_kafka_metadata, topic: Option<&str>) -> Answer {
    // SAFETY: by the contract above; each list has as many elements as its count says, and may be null where there are none.
    unsafe {
        let brokers = list(found.brokers, found.broker_cnt).iter().map(|broker| {
            let host = CStr::from_ptr(broker.host).to_string_lossy();
            Broker { id: broker.id, address: format!("{host}:{}", broker.port) }
        });
        let topics = list(found.topics, found.topic_cnt);
        let asked = topic
            .and_then(|name| topics.iter().find(|topic| CStr::from_ptr(topic.topic).to_bytes() == name.as_bytes()));
        let topic = asked.map(|topic| {
            to_result(topic.err).map(|()| {
                let partitions = list(topic.partitions, topic.partition_cnt).iter();
                partitions.map(copies).collect()
            })
        });
        Answer { brokers: brokers.collect(), topic }
    }
}

fn copies(partition: &rd::rd_kafka_metadata_partition) -> Copies {
    let count = |count: i32| usize::try_from(count).unwrap_or(0);
    Copies { leader: partition.leader, replicas: count(partition.replica_cnt), in_sync: count(partition.isr_cnt) }
}

/// # Safety
/// `first` is null, or the first of `count` elements that live as long as the answer.
unsafe fn list<'a, T>(first: *mut T, count: i32) -> &'a [T] {
    match (first.is_null(), usize::try_from(count)) {
        // SAFETY: by the contract above.
        (false, Ok(count)) => unsafe { std::slice::from_raw_parts(first, count) },
        _ => &[],
    }
}
