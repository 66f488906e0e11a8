//! A received message, held until its outcome has been handed over; its headers, read or handed on.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::raw_headers::RawHeaders;
use crate::doors::SourceRecord;
use crate::kafka::client::inside::header_bytes;
use crate::values::record::Position;

/// One message of the consumer. Key and value live in the fetch buffer that it keeps alive.
pub struct KafkaRecord {
    message: NonNull<rd::rd_kafka_message_t>,
    /// Tells the consumer that a message of its client is alive; let go after the message is freed.
    _handed_out: HandedOut,
}

/// A share in each message that a consumer handed out: whoever holds the first one sees whether others are left.
pub type HandedOut = Arc<()>;

// SAFETY: the message is owned by this value alone, and librdkafka frees messages from any thread.
unsafe impl Send for KafkaRecord {}

impl KafkaRecord {
    /// # Safety
    /// `message` was returned by a consume call and is handed over to this value.
    pub unsafe fn new(message: *mut rd::rd_kafka_message_t, handed_out: &HandedOut) -> Option<KafkaRecord> {
        let message = NonNull::new(message)?;
        Some(KafkaRecord { message, _handed_out: Arc::clone(handed_out) })
    }

    fn message(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: valid until `drop`.
        unsafe { self.message.as_ref() }
    }

    /// The client's error code, when this is not a record but an event of a partition.
    pub fn event(&self) -> RDKafkaRespErr {
        self.message().err
    }

    /// The text of an event.
    pub fn event_text(&self) -> String {
        // SAFETY: returns null or a string that lives as long as the message.
        let text = unsafe { rd::rd_kafka_message_errstr(self.message.as_ptr()) };
        // SAFETY: not null, NUL-terminated.
        if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
    }

    /// Its headers, which lie in the fetch buffer as well.
    pub fn raw_headers(&self) -> RawHeaders<'_> {
        // SAFETY: a record that the consumer returned, which lives as long as this value.
        RawHeaders::of(unsafe { header_bytes(self.message.as_ptr()) })
    }
}

impl Drop for KafkaRecord {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

/// # Safety
/// `data..data + len` is readable while `'a` lasts, or `data` is null.
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: by the contract above.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

impl SourceRecord for KafkaRecord {
    fn position(&self) -> Position {
        Position { partition: self.message().partition, offset: self.message().offset }
    }

    fn timestamp_ms(&self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: valid message.
        unsafe { rd::rd_kafka_message_timestamp(self.message.as_ptr(), &mut kind) }
    }

    fn key(&self) -> Option<&[u8]> {
        // SAFETY: the key lives as long as the message.
        unsafe { bytes(self.message().key, self.message().key_len) }
    }

    fn value(&self) -> Option<&[u8]> {
        // SAFETY: the payload lives as long as the message.
        unsafe { bytes(self.message().payload, self.message().len) }
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.raw_headers().filter(|header| header.name == name.as_bytes()).last()?.value
    }

    fn each_header(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.raw_headers().for_each(|header| visit(&String::from_utf8_lossy(header.name), header.value));
    }
}
