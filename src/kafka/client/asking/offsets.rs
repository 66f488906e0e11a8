//! Offsets that a group holds, and those that the brokers keep: asked for, and written for a group without members.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use crate::kafka::client::errors::{timeout_ms, to_result};
use crate::kafka::client::handle::Client;
use crate::kafka::client::partitions::PartitionList;

impl Client {
    /// Fills in the offsets that the client's group has committed.
    pub fn committed(&self, list: &PartitionList, wait: Duration) -> Result<(), i32> {
        // SAFETY: client and list are alive; the call fills in the list's offsets.
        to_result(unsafe { rd::rd_kafka_committed(self.as_ptr(), list.as_ptr(), timeout_ms(wait)) })
    }

    /// Fills in where each partition is at the time, or at the place, that stands in the list.
    pub fn offsets_for_times(&self, list: &PartitionList, wait: Duration) -> Result<(), i32> {
        // SAFETY: client and list are alive; the call fills in the list's offsets.
        to_result(unsafe { rd::rd_kafka_offsets_for_times(self.as_ptr(), list.as_ptr(), timeout_ms(wait)) })
    }

    /// Commits for the client's group. Returns what the broker said, or that it said nothing in time.
    pub fn commit_and_wait(&self, list: &PartitionList, wait: Duration) -> Result<(), i32> {
        // SAFETY: the client is alive; the queue is ours and freed once, below, and the client copies the list.
        unsafe {
            let queue = NonNull::new(rd::rd_kafka_queue_new(self.as_ptr())).expect("librdkafka allocates");
            let none = ptr::null_mut();
            let sent = to_result(rd::rd_kafka_commit_queue(self.as_ptr(), list.as_ptr(), queue.as_ptr(), None, none));
            let said =
                sent.and_then(|()| match NonNull::new(rd::rd_kafka_queue_poll(queue.as_ptr(), timeout_ms(wait))) {
                    None => Result::Err(Err::RD_KAFKA_RESP_ERR__TIMED_OUT as i32),
                    Some(event) => {
                        let said = to_result(rd::rd_kafka_event_error(event.as_ptr()));
                        rd::rd_kafka_event_destroy(event.as_ptr());
                        said
                    }
                });
            rd::rd_kafka_queue_destroy(queue.as_ptr());
            said
        }
    }
}
