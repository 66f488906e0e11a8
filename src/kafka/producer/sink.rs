//! The lane's producer: outcomes go in by copy, acknowledgements come out as tags.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr as Err, RDKafkaType};

use crate::doors::{Complaint, Destination, Outgoing, SendError, Sink, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::client::KafkaRecord;
use crate::kafka::client::headers::{copy_where, keep_where};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{CallbackState, Client, Conf, NO_ERROR, c_string, describe, timeout_ms};
use crate::kafka::failures::delivery_errors::undelivered;
use crate::kafka::settings::{KafkaSettings, PasswordFiles, producer_settings, transaction_settings};
use crate::kafka::wrapped::batch_hand_over::Handover;
use crate::kafka::wrapped::review_linger::clock_us;
use crate::values::record::{Ack, Tag};
use crate::values::settings::ForwardHeaders;
use crate::values::topics::{PartitionCounts, Topics};

/// Lets the client's partitioner choose (`RD_KAFKA_PARTITION_UA`, a macro the bindings lack).
const UNASSIGNED: i32 = -1;

/// What the delivery callback leaves behind for the owner.
#[derive(Default)]
pub(in crate::kafka) struct Reports {
    pub(in crate::kafka) acks: Vec<Ack>,
    fatal: bool,
    /// A connection was lost, or an answer did not come in time.
    pub(in crate::kafka) trouble: bool,
}

struct Topic {
    handle: NonNull<rd::rd_kafka_topic_t>,
    partitions: i32,
}

pub struct KafkaSink {
    // Field order: the client is destroyed in `drop` before the box its callbacks write to is freed.
    pub(in crate::kafka) client: Client,
    pub(in crate::kafka) reports: CallbackState<Reports>,
    topics: [Topic; 4],
    forward: ForwardHeaders,
    /// Room for the name of a header that is taken out of a list.
    header_name: Vec<u8>,
    pub(in crate::kafka) in_flight: usize,
    blueprint: Blueprint,
    /// Sends in transactions only.
    pub(in crate::kafka) transaction: Option<Transaction>,
    handover: &'static Handover,
    /// What the clients of this process had repeated when that was asked last.
    pub(in crate::kafka) retries: u64,
}

/// What a producer is made from.
struct Blueprint {
    settings: Vec<(String, String)>,
    login: Option<&'static Login>,
    topics: Vec<(CString, i32)>,
    complaint: Arc<Complaint>,
    listener: &'static LogListener,
}

/// Where a transactional producer stands.
#[derive(Default)]
pub(in crate::kafka) struct Transaction {
    pub(in crate::kafka) open: bool,
    /// The name is this producer's.
    pub(in crate::kafka) initialised: bool,
}

// SAFETY: one owner at a time; librdkafka's handles are not bound to a thread.
unsafe impl Send for KafkaSink {}

impl Blueprint {
    fn new(
        settings: Vec<(String, String)>,
        files: &PasswordFiles,
        topics: &Topics,
        counts: &PartitionCounts,
    ) -> Result<Blueprint, Fatal> {
        let named = Destination::ALL.into_iter().map(|to| Ok((c_string(&topics[to])?, counts[to])));
        let login = Login::of(&settings, files.producer.as_deref());
        let topics = named.collect::<Result<_, Fatal>>()?;
        let complaint = Arc::default();
        let listener = LogListener::of(&settings, Some(&complaint));
        Ok(Blueprint { settings, login, topics, complaint, listener })
    }

    /// A client that reports to `reports`, which must outlive it.
    fn build(
        &self,
        reports: &CallbackState<Reports>,
        handover: &'static Handover,
    ) -> Result<(Client, [Topic; 4]), Fatal> {
        let conf = Conf::new(&self.settings)?;
        self.login.map_or(Ok(()), |login| login.join(&conf))?;
        conf.with_threads(self.listener);
        // SAFETY: the callbacks match their C types; the opaque box outlives the client.
        unsafe {
            handover.join(conf.as_ptr());
            rd::rd_kafka_conf_set_opaque(conf.as_ptr(), reports.opaque());
            rd::rd_kafka_conf_set_dr_msg_cb(conf.as_ptr(), Some(on_delivery));
            rd::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error));
        }
        let mut client = conf.create(RDKafkaType::RD_KAFKA_PRODUCER)?;
        let mut handles = Vec::with_capacity(Destination::ALL.len());
        for (name, partitions) in &self.topics {
            // SAFETY: client and name are alive; a null configuration means the client's defaults.
            let handle = unsafe { rd::rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
            let Some(handle) = NonNull::new(handle) else {
                destroy(&mut client, &handles);
                let what = format!("topic name {name:?} is refused by the client");
                return Result::Err(Fatal::new(exit::CONFIG, what, "correct [topics]"));
            };
            handles.push(Topic { handle, partitions: *partitions });
        }
        let topics = <[Topic; 4]>::try_from(handles).unwrap_or_else(|_| unreachable!("one handle per destination"));
        handover.review.know(topics[Destination::Review as usize].handle.as_ptr());
        Ok((client, topics))
    }
}

impl KafkaSink {
    pub fn new(
        settings: &KafkaSettings,
        topics: &Topics,
        counts: &PartitionCounts,
        forward: &ForwardHeaders,
    ) -> Result<KafkaSink, Fatal> {
        KafkaSink::build(
            Blueprint::new(producer_settings(settings), &settings.password_files, topics, counts)?,
            forward,
        )
    }

    /// One that sends in transactions, under the name `id`. It has taken the name over when this returns: the open
    /// transaction of whoever had it before is aborted, and that one is refused from here on. Read offsets afterwards.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not give the name away within `timeout`.
    pub fn transactional(
        settings: &KafkaSettings,
        (id, timeout): (&str, Duration),
        topics: &Topics,
        counts: &PartitionCounts,
        forward: &ForwardHeaders,
    ) -> Result<KafkaSink, Fatal> {
        let list = transaction_settings(settings, id, timeout);
        let blueprint = Blueprint::new(list, &settings.password_files, topics, counts)?;
        let mut sink = KafkaSink::build(blueprint, forward)?;
        sink.transaction = Some(Transaction::default());
        sink.take_name_over(id, timeout)?;
        Ok(sink)
    }

    /// Who the brokers know the client as, where it says a name.
    pub(in crate::kafka) fn user(&self) -> Option<&str> {
        self.blueprint.listener.identity().user.as_deref()
    }

    fn build(blueprint: Blueprint, forward: &ForwardHeaders) -> Result<KafkaSink, Fatal> {
        let reports = CallbackState::new(Reports::default());
        let handover = Handover::new();
        let (client, topics) = blueprint.build(&reports, handover)?;
        Ok(KafkaSink {
            client,
            reports,
            topics,
            forward: forward.clone(),
            header_name: Vec::with_capacity(64),
            in_flight: 0,
            blueprint,
            transaction: None,
            handover,
            retries: 0,
        })
    }

    /// Goes on with a new client; whatever the old one still had is given up, and its reports with it.
    pub(in crate::kafka) fn replace_client(&mut self) -> Result<(), Fatal> {
        let (client, topics) = self.blueprint.build(&self.reports, self.handover)?;
        self.destroy_client();
        *self.reports.get() = Reports::default();
        self.in_flight = 0;
        (self.client, self.topics) = (client, topics);
        self.transaction = self.transaction.take().map(|_| Transaction::default());
        Ok(())
    }

    /// What is still queued is given up: its records are not committed. Without the purge the client would wait for
    /// messages that have no time-out.
    fn destroy_client(&mut self) {
        self.purge_all();
        // SAFETY: the client is alive; callbacks run inside this call only.
        unsafe { rd::rd_kafka_poll(self.client.as_ptr(), 0) };
        destroy(&mut self.client, &self.topics);
    }

    pub(in crate::kafka) fn purge_all(&mut self) {
        let all = (rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT) as c_int;
        // SAFETY: the client is alive. Purged messages come back through the delivery callback.
        unsafe { rd::rd_kafka_purge(self.client.as_ptr(), all) };
    }

    /// The source's headers that travel, followed by our own. Null when there are none.
    fn headers(&mut self, outcome: &Outgoing<'_>, source: &mut KafkaRecord) -> *mut rd::rd_kafka_headers_t {
        // SAFETY: lists are valid or null; each list made here is owned by us until the client takes it.
        unsafe {
            let mut headers = match &self.forward {
                _ if !outcome.forward => ptr::null_mut(),
                ForwardHeaders::All if outcome.last => {
                    let theirs = source.detach_headers();
                    keep_where(theirs, &mut self.header_name, |name| outcome.takes(name, |_| true));
                    theirs
                }
                ForwardHeaders::All => copy_where(source.headers(), |name| outcome.takes(name, |_| true)),
                ForwardHeaders::Only(chosen) => {
                    let is_chosen = |name: &[u8]| chosen.iter().any(|other| other.as_bytes() == name);
                    copy_where(source.headers(), |name| outcome.takes(name, is_chosen))
                }
            };
            if headers.is_null() && !outcome.headers.is_empty() {
                headers = rd::rd_kafka_headers_new(outcome.headers.len());
            }
            for (name, value) in outcome.headers {
                let (name_len, value_len) = (name.count_bytes() as isize, value.len() as isize);
                rd::rd_kafka_header_add(headers, name.as_ptr(), name_len, value.as_ptr().cast(), value_len);
            }
            headers
        }
    }

    fn fatal(&self) -> Fatal {
        let (code, text) = self.client.fatal_error().unwrap_or((0, "unknown".into()));
        Fatal::new(
            exit::DELIVERY,
            format!("the producer cannot go on: {} ({text})", describe(code)),
            "restart the process: it goes on from the committed offsets; look at the brokers' logs for the cause",
        )
    }
}

/// Neither is used any more after this.
fn destroy(client: &mut Client, topics: &[Topic]) {
    // SAFETY: ours, freed once, before the client.
    topics.iter().for_each(|topic| unsafe { rd::rd_kafka_topic_destroy(topic.handle.as_ptr()) });
    client.destroy();
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

impl Sink<KafkaRecord> for KafkaSink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: &mut KafkaRecord) -> Result<(), SendError> {
        use rd::rd_kafka_vtype_t as V;
        let topic = self.topics[outcome.destination as usize].handle;
        // Plain pointers from here on: taking the headers away moves neither key nor value.
        let (key, value) = (memory(outcome.key.resolve(source.key())), memory(outcome.value.resolve(source.value())));
        let headers = self.headers(outcome, source);
        // In this order: the first seven are always there, the last two only when set.
        let arguments = [
            argument(V::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.as_ptr()),
            argument(V::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = outcome.partition.unwrap_or(UNASSIGNED)),
            argument(V::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = rd::RD_KAFKA_MSG_F_COPY as c_int),
            argument(V::RD_KAFKA_VTYPE_KEY, |u| u.mem = key),
            argument(V::RD_KAFKA_VTYPE_VALUE, |u| u.mem = value),
            argument(V::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = outcome.tag.to_bits() as usize as *mut c_void),
            argument(V::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = outcome.timestamp_ms.unwrap_or(0)),
            argument(V::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
        ];
        let count = if headers.is_null() { arguments.len() - 1 } else { arguments.len() };
        // SAFETY: every argument matches its type; key and value are copied during the call; the headers become
        // the client's on success only.
        let error = unsafe { rd::rd_kafka_produceva(self.client.as_ptr(), arguments.as_ptr(), count) };
        if error.is_null() {
            self.in_flight += 1;
            return Ok(());
        }
        // SAFETY: the client takes headers only on success, so the list is still ours; the error is not null, and ours too.
        let (code, is_fatal) = unsafe {
            if !headers.is_null() {
                rd::rd_kafka_headers_destroy(headers);
            }
            let (code, is_fatal) = (rd::rd_kafka_error_code(error), rd::rd_kafka_error_is_fatal(error) == 1);
            rd::rd_kafka_error_destroy(error);
            (code, is_fatal)
        };
        match code {
            // Why, and whether another transaction or another producer helps, its end will say.
            code if self.transaction.is_some() && (is_fatal || code == Err::RD_KAFKA_RESP_ERR__STATE) => {
                Result::Err(SendError::Aborted)
            }
            Err::RD_KAFKA_RESP_ERR__QUEUE_FULL => Result::Err(SendError::Full),
            Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => Result::Err(SendError::TooLarge),
            Err::RD_KAFKA_RESP_ERR__FATAL => Result::Err(SendError::Fatal(self.fatal())),
            // A topic that is gone, or that this user may not write any more, is known to the client before the broker says
            // so of the first outcome, or after it: the same either way.
            other => {
                self.in_flight += 1;
                self.reports.get().acks.push(Ack { tag: outcome.tag, result: Result::Err(undelivered(other)) });
                Ok(())
            }
        }
    }

    fn poll(&mut self, wait: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal> {
        // SAFETY: the client is alive; callbacks run inside this call only.
        unsafe { rd::rd_kafka_poll(self.client.as_ptr(), timeout_ms(wait)) };
        let reports = self.reports.get();
        self.in_flight -= reports.acks.len();
        acks.append(&mut reports.acks);
        let ends_here = reports.fatal && self.transaction.is_none();
        if ends_here { Result::Err(self.fatal()) } else { Ok(()) }
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn complaint(&self) -> Option<String> {
        self.blueprint.complaint.text()
    }

    fn begin_batch(&mut self) {
        self.handover.begin();
    }

    fn end_batch(&mut self) {
        self.handover.end();
    }

    fn hold_copies(&mut self, wait: Duration) {
        if self.handover.review.hold(wait, clock_us()) && wait.is_zero() {
            // Wakes the client's threads, which find that nothing is held, and waits for nobody.
            // SAFETY: the client is alive; callbacks run inside this call only, and what they leave is taken by a poll.
            unsafe { rd::rd_kafka_flush(self.client.as_ptr(), 0) };
        }
    }

    fn partitions(&self, destination: Destination) -> i32 {
        self.topics[destination as usize].partitions
    }

    fn purge(&mut self) {
        // SAFETY: the client is alive. Purged messages come back through the delivery callback.
        unsafe { rd::rd_kafka_purge(self.client.as_ptr(), rd::RD_KAFKA_PURGE_F_QUEUE as c_int) };
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.leave_no_transaction();
        self.destroy_client();
    }
}

/// # Safety
/// Called by librdkafka inside a poll, with the opaque pointer given at creation.
unsafe fn reports<'a>(opaque: *mut c_void) -> &'a mut Reports {
    // SAFETY: the box outlives the client, and nothing else refers to it during a poll.
    unsafe { &mut *opaque.cast::<Reports>() }
}

unsafe extern "C" fn on_delivery(_: *mut rd::rd_kafka_t, message: *const rd::rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: librdkafka's own message, valid during the call; `_private` is the tag given with it.
    unsafe {
        let tag = Tag::from_bits((*message)._private as usize as u64);
        let result = if (*message).err == NO_ERROR { Ok(()) } else { Err(undelivered((*message).err)) };
        reports(opaque).acks.push(Ack { tag, result });
    }
}

unsafe extern "C" fn on_error(_: *mut rd::rd_kafka_t, err: c_int, reason: *const c_char, opaque: *mut c_void) {
    // SAFETY: as in `on_delivery`.
    let reports = unsafe { reports(opaque) };
    reports.fatal |= err == Err::RD_KAFKA_RESP_ERR__FATAL as c_int;
    reports.trouble |= super::transactions::is_trouble(err);
    // SAFETY: librdkafka's own string.
    unsafe { crate::kafka::client::log_error("producer", err, reason) };
}
