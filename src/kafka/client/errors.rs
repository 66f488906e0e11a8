//! Error codes of the client: their names and words, and what calls return; and what else each call passes along.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named() {
        assert!(describe(3).contains("UNKNOWN_TOPIC_OR_PART"), "{}", describe(3));
        assert!(describe(-184).contains("QUEUE_FULL"), "{}", describe(-184));
        assert_eq!(describe(-12_345), "error -12345");
    }
}
