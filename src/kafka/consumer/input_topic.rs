//! Whether there is an input.

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use super::inbox::Member;
use crate::kafka::client::{NO_ERROR, describe};

/// Between two looks of a lane without partitions for its input: 2 s in calls of [`Input::look`], which come every
/// [`crate::values::limits::KEEP_AWAKE_EVERY`].
const LOOK_EVERY: u32 = 40;

/// How long one look waits for its answer. Such a lane has nothing to do meanwhile.
const LOOK_MAX: Duration = Duration::from_millis(100);

/// The input, as the client last saw it.
#[derive(Default)]
pub struct Input {
    pub missing: Option<String>,
    /// Of [`Input::look`], since there were partitions.
    calls: u32,
}

impl Input {
    /// A partition of it says that the input is there. A lane that has none asks: no event tells that a topic came back, and
    /// with `group.protocol = "consumer"` none that it went.
    pub fn look(&mut self, member: &Member, owns_nothing: bool) {
        if !owns_nothing {
            self.calls = 0;
            return;
        }
        self.calls += 1;
        if self.calls.is_multiple_of(LOOK_EVERY) {
            match member.ask_for_topic(LOOK_MAX) {
                Some(NO_ERROR) => self.missing = None,
                Some(err) if says_no_topic(err) => self.is_missing(member.topic(), err),
                _ => {}
            }
        }
    }

    pub fn is_missing(&mut self, topic: &CStr, err: Err) {
        let why = format!("the input topic {} is not there: {}", topic.to_string_lossy(), describe(err as i32));
        if self.missing.is_none() {
            tracing::error!(target: "kafka", "{why}");
        }
        self.missing = Some(why);
    }
}

/// Whether an event says that a topic is not there.
pub fn says_no_topic(err: Err) -> bool {
    matches!(
        err,
        Err::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | Err::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
            | Err::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
    )
}
