//! What a broker answers of brokers and topics.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use crate::kafka::client::errors::{c_string, timeout_ms, to_result};
use crate::kafka::client::handle::Client;

/// A broker as the cluster names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub id: i32,
    /// `host:port`: its advertised listener.
    pub address: String,
}

/// Copies of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    pub leader: i32,
    pub replicas: usize,
    pub in_sync: usize,
}

/// What one broker answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub brokers: Vec<Broker>,
    /// Of the topic that was asked for: its partitions, or the code of its error. `None` where it is not spoken of.
    pub topic: Option<Result<Vec<Copies>, i32>>,
}

impl Client {
    /// Asks any broker, once.
    ///
    /// # Errors
    /// The client's code: nobody answered in time.
    pub fn metadata(&self, topic: Option<&str>, wait: Duration) -> Result<Answer, i32> {
        let name = topic.map(c_string).transpose().map_err(|_| Err::RD_KAFKA_RESP_ERR__INVALID_ARG as i32)?;
        let mut metadata = ptr::null();
        // SAFETY: the client is alive. The handle of the topic is ours, freed after the question; asked by its handle, the topic
        // is not created. On success the answer is ours, read while it lives, and freed once.
        unsafe {
            let handle = name
                .as_ref()
                .map_or(ptr::null_mut(), |name| rd::rd_kafka_topic_new(self.as_ptr(), name.as_ptr(), ptr::null_mut()));
            let err = rd::rd_kafka_metadata(self.as_ptr(), 0, handle, &mut metadata, timeout_ms(wait));
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
