//! A producer's client, and the topics that it writes.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr as Err, RDKafkaType};

use super::headers::Headers;
use crate::error::{Fatal, exit};
use crate::kafka::client::callbacks::CallbackState;
use crate::kafka::client::conf::Conf;
use crate::kafka::client::errors::{log_error, timeout_ms};
use crate::kafka::client::handle::Client;

/// Lets the client's partitioner choose (`RD_KAFKA_PARTITION_UA`, a macro the bindings lack).
const UNASSIGNED: i32 = -1;

/// Who hears of deliveries, inside a poll.
pub trait DeliveryReports: Default {
    /// Of the message that was sent with this tag.
    fn delivered(&mut self, tag: u64, err: Err);

    /// An error that the client reports about itself.
    fn failed(&mut self, code: i32);
}

/// One message, ready to be sent. Key and value are copied.
pub struct Message<'a> {
    /// Its place among the topics of the client.
    pub topic: usize,
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub tag: u64,
    pub timestamp_ms: Option<i64>,
    pub headers: Headers,
}

/// Why the client did not take a message.
pub struct Untaken {
    pub code: Err,
    pub is_fatal: bool,
}

/// What it hears from its callbacks goes to `R`.
pub struct ProducerClient<R: DeliveryReports> {
    // Field order: the client is destroyed in `drop` before the box its callbacks write to is freed.
    client: Client,
    reports: CallbackState<R>,
    topics: Vec<NonNull<rd::rd_kafka_topic_t>>,
}

// SAFETY: one owner at a time; librdkafka's handles are not bound to a thread.
unsafe impl<R: DeliveryReports + Send> Send for ProducerClient<R> {}

impl<R: DeliveryReports> ProducerClient<R> {
    /// # Errors
    /// Those of [`Conf::create`]; [`exit::CONFIG`] for a topic's name that the client refuses.
    pub fn new<'a>(conf: Conf, topics: impl Iterator<Item = &'a CString>) -> Result<ProducerClient<R>, Fatal> {
        let reports = CallbackState::new(R::default());
        // SAFETY: the callbacks match their C types; the opaque box outlives the client.
        unsafe {
            rd::rd_kafka_conf_set_opaque(conf.as_ptr(), reports.opaque());
            rd::rd_kafka_conf_set_dr_msg_cb(conf.as_ptr(), Some(on_delivery::<R>));
            rd::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error::<R>));
        }
        let client = conf.create(RDKafkaType::RD_KAFKA_PRODUCER)?;
        let mut producer = ProducerClient { client, reports, topics: Vec::new() };
        for name in topics {
            // SAFETY: client and name are alive; a null configuration means the client's defaults.
            let handle = unsafe { rd::rd_kafka_topic_new(producer.client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
            let Some(handle) = NonNull::new(handle) else {
                let what = format!("topic name {name:?} is refused by the client");
                return Result::Err(Fatal::new(exit::CONFIG, what, "correct [topics]"));
            };
            producer.topics.push(handle);
        }
        Ok(producer)
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn reports(&mut self) -> &mut R {
        self.reports.get()
    }

    /// The handle of a topic, which lives as long as this value.
    pub fn topic(&self, at: usize) -> *mut rd::rd_kafka_topic_t {
        self.topics[at].as_ptr()
    }

    pub fn send(&mut self, message: Message<'_>) -> Result<(), Untaken> {
        use rd::rd_kafka_vtype_t as V;
        let headers = message.headers.as_ptr();
        // In this order: the first seven are always there, the last one only when set.
        let arguments = [
            argument(V::RD_KAFKA_VTYPE_RKT, |u| u.rkt = self.topic(message.topic)),
            argument(V::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = message.partition.unwrap_or(UNASSIGNED)),
            argument(V::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = rd::RD_KAFKA_MSG_F_COPY as c_int),
            argument(V::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(message.key)),
            argument(V::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(message.value)),
            argument(V::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = message.tag as usize as *mut c_void),
            argument(V::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = message.timestamp_ms.unwrap_or(0)),
            argument(V::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
        ];
        let count = if headers.is_null() { arguments.len() - 1 } else { arguments.len() };
        // SAFETY: every argument matches its type; key and value are copied during the call; the headers become
        // the client's on success only.
        let error = unsafe { rd::rd_kafka_produceva(self.client.as_ptr(), arguments.as_ptr(), count) };
        if error.is_null() {
            message.headers.hand_over();
            return Ok(());
        }
        // SAFETY: not null, and ours.
        let untaken = unsafe {
            let (code, is_fatal) = (rd::rd_kafka_error_code(error), rd::rd_kafka_error_is_fatal(error) == 1);
            rd::rd_kafka_error_destroy(error);
            Untaken { code, is_fatal }
        };
        Result::Err(untaken)
    }

    /// Serves callbacks.
    pub fn poll(&mut self, wait: Duration) {
        // SAFETY: the client is alive; callbacks run inside this call only.
        unsafe { rd::rd_kafka_poll(self.client.as_ptr(), timeout_ms(wait)) };
    }

    /// Wakes the client's threads and waits for nobody.
    pub fn flush_at_once(&mut self) {
        // SAFETY: the client is alive; callbacks run inside this call only, and what they leave is taken by a poll.
        unsafe { rd::rd_kafka_flush(self.client.as_ptr(), 0) };
    }

    /// Gives up what is queued. It comes back as a report.
    pub fn purge_queued(&self) {
        self.purge(rd::RD_KAFKA_PURGE_F_QUEUE as c_int);
    }

    /// Gives up what is queued or under way. It comes back as a report.
    pub fn purge_all(&self) {
        self.purge((rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT) as c_int);
    }

    fn purge(&self, what: c_int) {
        // SAFETY: the client is alive. Purged messages come back through the delivery callback.
        unsafe { rd::rd_kafka_purge(self.client.as_ptr(), what) };
    }
}

impl<R: DeliveryReports> Drop for ProducerClient<R> {
    /// What is still queued is given up: its records are not committed. Without the purge the client would wait for
    /// messages that have no time-out.
    fn drop(&mut self) {
        self.purge_all();
        self.poll(Duration::ZERO);
        // SAFETY: ours, freed once, before the client.
        self.topics.drain(..).for_each(|topic| unsafe { rd::rd_kafka_topic_destroy(topic.as_ptr()) });
        self.client.destroy();
    }
}

fn argument(vtype: rd::rd_kafka_vtype_t, set: impl FnOnce(&mut rd::rd_kafka_vu_s__bindgen_ty_1)) -> rd::rd_kafka_vu_t {
    let mut u = rd::rd_kafka_vu_s__bindgen_ty_1 { ptr: ptr::null_mut() };
    set(&mut u);
    rd::rd_kafka_vu_t { vtype, u }
}

fn memory(bytes: Option<&[u8]>) -> rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let ptr = bytes.map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut().cast());
    rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size: bytes.map_or(0, <[u8]>::len) }
}

/// # Safety
/// Called by librdkafka inside a poll, with the opaque pointer given at creation.
unsafe fn reports<'a, R>(opaque: *mut c_void) -> &'a mut R {
    // SAFETY: the box outlives the client, and nothing else refers to it during a poll.
    unsafe { &mut *opaque.cast::<R>() }
}

unsafe extern "C" fn on_delivery<R: DeliveryReports>(
    _: *mut rd::rd_kafka_t,
    message: *const rd::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka's own message, valid during the call; `_private` is the tag given with it.
    unsafe { reports::<R>(opaque).delivered((*message)._private as usize as u64, (*message).err) };
}

unsafe extern "C" fn on_error<R: DeliveryReports>(
    _: *mut rd::rd_kafka_t,
    err: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_delivery`; librdkafka's own string.
    unsafe {
        reports::<R>(opaque).failed(err);
        log_error("producer", err, reason);
    }
}
