//! librdkafka's C interface, wrapped thinly: configuration, client handle, partition lists.
//!
//! The safe `rdkafka` API costs a poll, an event and several boxes per record; at a hundred thousand records a
//! second that is more than the model. So the lane's two clients use the C calls, and only files beside this
//! one contain `unsafe`. What makes it sound, throughout:
//! every pointer comes from librdkafka and is owned by exactly one wrapper, which frees it once; callbacks run
//! only inside a poll on the owning thread (log lines apart, which touch nothing of ours); the opaque pointer
//! given to a client points to a heap box that outlives the client.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaConfRes, RDKafkaRespErr, RDKafkaType};

use super::settings::trust;
use super::{causes, log_listener};
use crate::doors::Progress;
use crate::error::{Fatal, exit};

pub const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// librdkafka's own words for an error code, with its name.
pub fn describe(code: i32) -> String {
    name_and_words(code).map_or_else(|| format!("error {code}"), |(name, words)| format!("{words} ({name})"))
}

/// The client's name for an error code, as Kafka's documentation has it (`REBALANCE_IN_PROGRESS`; the client's own begin
/// with an underscore), and its words.
pub fn name_and_words(code: i32) -> Option<(&'static str, &'static str)> {
    let mut table = ptr::null();
    let mut count = 0;
    // SAFETY: fills in a pointer to a static table and its length.
    let entries: &'static [rd::rd_kafka_err_desc] = unsafe {
        rd::rd_kafka_get_err_descs(&mut table, &mut count);
        std::slice::from_raw_parts(table, count)
    };
    let text = |p: *const c_char| {
        // SAFETY: the table's strings are static and NUL-terminated; holes in it are null.
        (!p.is_null()).then(|| unsafe { CStr::from_ptr::<'static>(p) }).and_then(|text| text.to_str().ok())
    };
    let known = entries.iter().filter(|entry| entry.code as i32 == code);
    known.filter_map(|entry| Some((text(entry.name)?, text(entry.desc)?))).next()
}

/// The client's words for an error code.
pub fn words(err: RDKafkaRespErr) -> &'static str {
    // SAFETY: the client returns a static, NUL-terminated string for every code.
    let text = unsafe { CStr::from_ptr(rd::rd_kafka_err2str(err)) };
    text.to_str().unwrap_or("an error without words")
}

pub fn to_result(err: RDKafkaRespErr) -> Result<(), i32> {
    if err == NO_ERROR { Ok(()) } else { Err(err as i32) }
}

/// Takes an error object, which may be null, and frees it.
///
/// # Safety
/// `error` is null, or came from the client just now and is handed over.
pub unsafe fn take_error(error: *mut rd::rd_kafka_error_t) -> Result<(), (i32, String)> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: by the contract above; freed once, after its text is copied.
    unsafe {
        let code = rd::rd_kafka_error_code(error) as i32;
        let text = CStr::from_ptr(rd::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        rd::rd_kafka_error_destroy(error);
        Err((code, text))
    }
}

pub fn c_string(text: &str) -> Result<CString, Fatal> {
    CString::new(text)
        .map_err(|_| Fatal::new(exit::CONFIG, "a Kafka name or setting contains a NUL byte", "remove the byte"))
}

/// Milliseconds for a C call: rounded up, so that a short wait does not become a spin.
pub fn timeout_ms(wait: std::time::Duration) -> c_int {
    c_int::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// A client's configuration under construction.
pub struct Conf {
    conf: NonNull<rd::rd_kafka_conf_t>,
    /// Names files and never a secret's value, where the client does not start.
    settings: Vec<(String, String)>,
}

impl Conf {
    /// The client's own texts never name a value, so a secret cannot leak through an error.
    pub fn new(settings: &[(String, String)]) -> Result<Conf, Fatal> {
        // SAFETY: a fresh object, freed in `drop` unless a client takes it.
        let conf = NonNull::new(unsafe { rd::rd_kafka_conf_new() }).expect("librdkafka allocates");
        let conf = Conf { conf, settings: settings.to_vec() };
        for (key, value) in settings {
            conf.set(key, value)?;
        }
        if let Some(bundle) = trust::missing(settings) {
            conf.set(trust::LOCATION, &bundle)?;
        }
        // SAFETY: both functions are valid for the life of the program, and touch state of the calling thread and of listeners alone.
        unsafe {
            rd::rd_kafka_conf_set_log_cb(conf.as_ptr(), Some(log_line));
            rd::rd_kafka_conf_set_ssl_cert_verify_cb(conf.as_ptr(), Some(log_listener::on_certificate));
        }
        Ok(conf)
    }

    pub fn set(&self, key: &str, value: &str) -> Result<(), Fatal> {
        let (key_c, value_c) = (c_string(key)?, c_string(value)?);
        let mut text = [0 as c_char; 512];
        // SAFETY: both strings are NUL-terminated, and the error buffer's length is passed along.
        let answer = unsafe {
            rd::rd_kafka_conf_set(self.as_ptr(), key_c.as_ptr(), value_c.as_ptr(), text.as_mut_ptr(), text.len())
        };
        match answer {
            RDKafkaConfRes::RD_KAFKA_CONF_OK => Ok(()),
            RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => Err(Fatal::new(
                exit::CONFIG,
                format!("the Kafka client knows no property `{key}`"),
                "check the spelling in [kafka.properties]; names are librdkafka's",
            )),
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID => Err(Fatal::new(
                exit::CONFIG,
                format!("the Kafka client refuses the value of property `{key}`"),
                "see librdkafka's CONFIGURATION.md for its type and range",
            )),
        }
    }

    pub fn as_ptr(&self) -> *mut rd::rd_kafka_conf_t {
        self.conf.as_ptr()
    }

    /// Creates the client, which takes the configuration.
    ///
    /// # Errors
    /// [`exit::CONFIG`] with the reason: files that cannot be read, a key that does not match, and the like.
    pub fn create(mut self, kind: RDKafkaType) -> Result<Client, Fatal> {
        let mut text = [0 as c_char; 512];
        // SAFETY: on success the client owns the configuration; on failure it stays ours and is dropped.
        let rk = unsafe { rd::rd_kafka_new(kind, self.as_ptr(), text.as_mut_ptr(), text.len()) };
        match NonNull::new(rk) {
            Some(rk) => {
                drop(std::mem::take(&mut self.settings));
                std::mem::forget(self);
                Ok(Client(Some(rk)))
            }
            None => {
                // SAFETY: the buffer was zeroed, so it is NUL-terminated even if nothing was written.
                let text = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
                let (what, fix) = causes::of_settings(&text, &self.settings);
                Err(Fatal::new(exit::CONFIG, what, fix))
            }
        }
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: still ours; `create` forgets the wrapper when a client took it.
        unsafe { rd::rd_kafka_conf_destroy(self.as_ptr()) };
    }
}

/// The client's log lines, at the level they were written with. Called from the client's own threads.
unsafe extern "C" fn log_line(_: *const rd::rd_kafka_t, level: c_int, facility: *const c_char, text: *const c_char) {
    // SAFETY: librdkafka passes NUL-terminated strings that live during the call.
    let (facility, text) =
        unsafe { (CStr::from_ptr(facility).to_string_lossy(), CStr::from_ptr(text).to_string_lossy()) };
    if log_listener::line(level, &facility, &text) {
        return;
    }
    match level {
        0..=3 => tracing::error!(target: "kafka", %facility, "{text}"),
        4 => tracing::warn!(target: "kafka", %facility, "{text}"),
        5 | 6 => tracing::info!(target: "kafka", %facility, "{text}"),
        _ => tracing::debug!(target: "kafka", %facility, "{text}"),
    }
}

/// An error the client reports about itself: a broker that is away, mostly. It goes on by itself.
///
/// # Safety
/// `reason` is null or a NUL-terminated string that lives during the call.
pub unsafe fn log_error(client: &'static str, code: c_int, reason: *const c_char) {
    // SAFETY: by the contract above.
    let reason = (!reason.is_null()).then(|| unsafe { CStr::from_ptr(reason) }.to_string_lossy());
    let (error, reason) = (describe(code), reason.unwrap_or_default());
    // The client logs each connection that is lost or refused itself, with the same words, and with every try that all are.
    let of_connections = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTHENTICATION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    ];
    if of_connections.iter().any(|known| *known as c_int == code) {
        tracing::debug!(target: "kafka", client, %error, "{reason}");
    } else {
        tracing::warn!(target: "kafka", client, %error, "{reason}");
    }
}

/// A client. It is not destroyed by `drop`: destroying one that still has work blocks without a deadline, so its
/// owner says when (`destroy`), and a process that leaves does not wait.
pub struct Client(Option<NonNull<rd::rd_kafka_t>>);

impl Client {
    /// # Panics
    /// When it was destroyed: the pointer would lead nowhere.
    pub fn as_ptr(&self) -> *mut rd::rd_kafka_t {
        self.0.expect("a client that is destroyed is used no more").as_ptr()
    }

    /// The first fatal error the client met: it can do nothing more.
    pub fn fatal_error(&self) -> Option<(i32, String)> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the buffer's length is passed along; the answer is NUL-terminated.
        let code = unsafe { rd::rd_kafka_fatal_error(self.as_ptr(), text.as_mut_ptr(), text.len()) };
        (code != NO_ERROR).then(|| {
            let text = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
            (code as i32, text)
        })
    }

    /// Frees the client without closing a consumer: that has been done, or is given up. Does nothing the second time.
    pub fn destroy(&mut self) {
        let Some(client) = self.0.take() else { return };
        // SAFETY: alive until here, and taken out: nobody can use or free it again through this value.
        unsafe { rd::rd_kafka_destroy_flags(client.as_ptr(), rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int) };
    }
}

/// A list of partitions of one topic, as librdkafka passes them.
pub struct PartitionList(NonNull<rd::rd_kafka_topic_partition_list_t>);

impl PartitionList {
    pub fn new(topic: &CStr, partitions: impl IntoIterator<Item = Progress>) -> PartitionList {
        // SAFETY: a fresh list, freed in `drop`; `add` copies the topic's name and returns an element of it.
        unsafe {
            let list = NonNull::new(rd::rd_kafka_topic_partition_list_new(16)).expect("librdkafka allocates");
            for to in partitions {
                let element = rd::rd_kafka_topic_partition_list_add(list.as_ptr(), topic.as_ptr(), to.partition);
                (*element).offset = to.offset;
            }
            PartitionList(list)
        }
    }

    /// Partitions without an offset.
    pub fn of(topic: &CStr, partitions: &[i32]) -> PartitionList {
        let offset = i64::from(rd::RD_KAFKA_OFFSET_INVALID);
        PartitionList::new(topic, partitions.iter().map(|&partition| Progress { partition, offset }))
    }

    pub fn as_ptr(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// Partition, offset and error of each element.
    pub fn entries(&self) -> Vec<(Progress, Result<(), i32>)> {
        // SAFETY: the list is ours and alive.
        unsafe { entries(self.as_ptr()) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.as_ptr()) };
    }
}

/// Copies what a list says.
///
/// # Safety
/// `list` is null or a valid list that lives during the call.
pub unsafe fn entries(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<(Progress, Result<(), i32>)> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: by the contract above; `elems` holds `cnt` elements, and may be null when there are none.
    unsafe {
        let (elements, count) = ((*list).elems, (*list).cnt);
        (0..usize::try_from(count).unwrap_or(0))
            .map(|at| {
                let element = &*elements.add(at);
                (Progress { partition: element.partition, offset: element.offset }, to_result(element.err))
            })
            .collect()
    }
}

/// A box that callbacks write to. The owner reads it only between polls, on the thread that polls.
pub struct CallbackState<T>(NonNull<T>);

impl<T> CallbackState<T> {
    pub fn new(value: T) -> CallbackState<T> {
        CallbackState(NonNull::from(Box::leak(Box::new(value))))
    }

    pub fn opaque(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    pub fn get(&mut self) -> &mut T {
        // SAFETY: callbacks run only inside a poll, which needs `&mut` of the owner; so no other reference exists.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for CallbackState<T> {
    fn drop(&mut self) {
        // SAFETY: made from a box in `new`; owners destroy their client, the only other user, before this field.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named() {
        assert!(describe(3).contains("UNKNOWN_TOPIC_OR_PART"), "{}", describe(3));
        assert!(describe(-184).contains("QUEUE_FULL"), "{}", describe(-184));
        assert_eq!(describe(-12_345), "error -12345");
    }

    #[test]
    fn a_client_is_destroyed_once_however_often_it_is_asked_for() {
        let mut client = Conf::new(&[]).unwrap().create(RDKafkaType::RD_KAFKA_PRODUCER).unwrap();
        assert_eq!(client.fatal_error(), None);
        client.destroy();
        client.destroy();
        assert!(std::panic::catch_unwind(|| client.as_ptr()).is_err());
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let settings = [("session.timeout.ms".to_string(), "hunter2".to_string())];
        let fatal = Conf::new(&settings).err().expect("not a number");
        assert!(fatal.what.contains("session.timeout.ms") && !fatal.to_string().contains("hunter2"));
    }
}
