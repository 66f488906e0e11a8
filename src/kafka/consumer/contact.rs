//! Whether the group is heard of, and whether there is an input.
//!
//! No event says that a coordinator has fallen silent: a broker that is frozen keeps its connections. So it is read from the
//! client's own statistics: when the connection to the coordinator brought something last (a member sends heartbeats, so it
//! always does soon), and whether the client is a member then, and not on its way to become one. They come every two
//! seconds, and say how long ago it was: what is derived from them is exact, however seldom they come.
#![allow(unsafe_code, reason = "librdkafka's statistics and threads are had in C only; each block says why it holds")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::inbox::inbox;
use super::source::KafkaSource;
use crate::doors::Contact;
use crate::kafka::client::{NO_ERROR, describe};

/// Between two looks of a lane without partitions for its input: 2 s in calls of [`KafkaSource::look_for_input`], which come
/// every [`crate::values::limits::KEEP_AWAKE_EVERY`].
const LOOK_EVERY: u32 = 40;

/// How long one look waits for its answer. Such a lane has nothing to do meanwhile.
const LOOK_MAX_MS: c_int = 100;

/// States of a client that has no place in its group, and is on its way to one.
const NO_MEMBER: [&str; 4] = ["init", "wait-join", "wait-metadata", "wait-sync"];

/// The input, as the client last saw it.
#[derive(Default)]
pub(in crate::kafka) struct Input {
    pub(in crate::kafka) missing: Option<String>,
    /// Of [`KafkaSource::look_for_input`], since there were partitions.
    calls: u32,
}

impl KafkaSource {
    pub(in crate::kafka) fn contact_since_last_look(&mut self) -> Contact {
        let inbox = self.inbox.get();
        Contact { heard_ago: inbox.heard_ago.take(), no_input: self.input.missing.clone() }
    }

    /// A partition of it says that the input is there. A lane that has none asks: no event tells that a topic came back, and
    /// with `group.protocol = "consumer"` none that it went.
    pub(in crate::kafka) fn look_for_input(&mut self) {
        if !self.fast_rebalance.owns_nothing() {
            self.input.calls = 0;
            return;
        }
        self.input.calls += 1;
        if self.input.calls.is_multiple_of(LOOK_EVERY) {
            match self.ask_for_topic() {
                Some(NO_ERROR) => self.input.missing = None,
                Some(err) if says_no_topic(err) => self.input_is_missing(err),
                _ => {}
            }
        }
    }

    pub(in crate::kafka) fn input_is_missing(&mut self, err: Err) {
        let why = format!("the input topic {} is not there: {}", self.topic.to_string_lossy(), describe(err as i32));
        if self.input.missing.is_none() {
            tracing::error!(target: "kafka", "{why}");
        }
        self.input.missing = Some(why);
    }

    /// What the brokers say of the input topic; `None` where they do not answer.
    fn ask_for_topic(&self) -> Option<Err> {
        let mut metadata = ptr::null();
        // SAFETY: client and topic are alive; on success the answer is ours, read while it lives, and freed once. Asked by its
        // handle, the topic is not created.
        unsafe {
            let err = rd::rd_kafka_metadata(self.client.as_ptr(), 0, self.handle, &mut metadata, LOOK_MAX_MS);
            let answer = NonNull::new(metadata.cast_mut()).filter(|_| err == NO_ERROR)?;
            let said = (answer.as_ref().topic_cnt > 0).then(|| (*answer.as_ref().topics).err);
            rd::rd_kafka_metadata_destroy(metadata);
            said
        }
    }
}

/// Whether an event says that a topic is not there.
pub(in crate::kafka) fn says_no_topic(err: Err) -> bool {
    matches!(
        err,
        Err::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | Err::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
            | Err::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
    )
}

/// The client's statistics.
///
/// # Safety
/// Called by librdkafka inside a poll, with the opaque pointer given at creation.
pub(in crate::kafka) unsafe extern "C" fn on_statistics(
    _: *mut rd::rd_kafka_t,
    json: *mut c_char,
    len: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: librdkafka's own text, valid during the call.
    let json = unsafe { std::slice::from_raw_parts(json.cast::<u8>(), len) };
    if let Some(ago) = std::str::from_utf8(json).ok().and_then(heard_ago) {
        // SAFETY: the opaque pointer is the inbox.
        unsafe { inbox(opaque) }.heard_ago = Some(ago);
    }
    // The text stays the client's.
    0
}

/// How long ago a member heard of its group; `None` where it is no member, or has no connection to the coordinator. The
/// document grows with the topic's partitions: it is searched from both ends, and not parsed.
fn heard_ago(statistics: &str) -> Option<Duration> {
    let (_, group) = statistics.rsplit_once("\"cgrp\": {")?;
    let (_, state) = group.split_once("\"join_state\": \"")?;
    if NO_MEMBER.contains(&state.split('"').next()?) {
        return None;
    }
    let (_, coordinator) = statistics.split_once("\"GroupCoordinator\": {")?;
    let (_, idle) = coordinator.split_once("\"rxidle\":")?;
    let idle_us: u64 = idle.split(',').next()?.trim().parse().ok()?;
    Some(Duration::from_micros(idle_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the client writes it, shortened.
    fn statistics(coordinator: &str, state: &str) -> String {
        format!(
            "{{ \"name\": \"rdkafka#consumer-1\", \"brokers\":{{ \"b:9092/1\": {{ \"name\":\"b:9092/1\", \"rxidle\":7, \
             \"toppars\":{{ }} }} , \"GroupCoordinator\": {{ \"name\":\"GroupCoordinator\", {coordinator} }} }}, \
             \"topics\":{{ \"t\": {{ \"topic\":\"t\" }} }} , \"cgrp\": {{ \"state\": \"up\", \"stateage\": 5, \
             \"join_state\": \"{state}\", \"rebalance_age\": 3 }} }}"
        )
    }

    #[test]
    fn a_member_hears_of_its_group_by_the_coordinators_connection() {
        let of = |coordinator: &str, state: &str| heard_ago(&statistics(coordinator, state));
        assert_eq!(of("\"rxidle\":152000, \"x\":1", "steady"), Some(Duration::from_millis(152)));
        assert_eq!(of("\"rxidle\":0, \"x\":1", "wait-unassign-call"), Some(Duration::ZERO), "it drains a partition");
        assert_eq!(of("\"rxidle\":-1, \"x\":1", "steady"), None, "no connection");
        for state in NO_MEMBER {
            assert_eq!(of("\"rxidle\":5, \"x\":1", state), None, "{state}");
        }
        assert_eq!(heard_ago("{ \"brokers\":{ }, \"topics\":{ } }"), None);
    }
}
