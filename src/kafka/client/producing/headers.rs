//! Header lists as the client has them: which of the source's travel.
#![allow(unsafe_code, reason = "librdkafka's headers are built in C; each block says why it holds")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rdkafka::bindings as rd;

use crate::kafka::client::consuming::message::KafkaRecord;
use crate::kafka::client::errors::NO_ERROR;

/// A list of headers that is to be sent, or none. It is ours until the client takes it.
pub struct Headers(*mut rd::rd_kafka_headers_t);

impl Headers {
    pub const fn none() -> Headers {
        Headers(ptr::null_mut())
    }

    /// Takes a record's headers away from it. The client parses them anew from the record's bytes when they are asked for
    /// again, so a list that was not sent need not come back. `name` is room for one name.
    pub fn taken_from(record: &mut KafkaRecord, name: &mut Vec<u8>, keeps: impl Fn(&[u8]) -> bool) -> Headers {
        let list = record.detach_headers();
        // SAFETY: null, or a valid list that is ours.
        unsafe { keep_where(list, name, keeps) };
        Headers(list)
    }

    /// Copies of a record's headers.
    pub fn copied_from(record: &KafkaRecord, keeps: impl Fn(&[u8]) -> bool) -> Headers {
        // SAFETY: null, or a valid list that lives as long as the record.
        Headers(unsafe { copy_where(record.headers(), keeps) })
    }

    /// Adds headers behind the others.
    pub fn add(&mut self, headers: &[(&CStr, &[u8])]) {
        // SAFETY: the list is null or ours; names and values are copied.
        unsafe {
            if self.0.is_null() && !headers.is_empty() {
                self.0 = rd::rd_kafka_headers_new(headers.len());
            }
            for (name, value) in headers {
                let (name_len, value_len) = (name.count_bytes() as isize, value.len() as isize);
                rd::rd_kafka_header_add(self.0, name.as_ptr(), name_len, value.as_ptr().cast(), value_len);
            }
        }
    }

    /// Null when there are none.
    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_headers_t {
        self.0
    }

    /// The client has taken the list.
    pub(super) fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, freed once.
            unsafe { rd::rd_kafka_headers_destroy(self.0) };
        }
    }
}

/// One header of a list, borrowed from it.
#[derive(Clone, Copy)]
struct Header<'a> {
    name: &'a CStr,
    value: *const c_void,
    /// Below 0 where there is no value.
    len: isize,
}

/// # Safety
/// `list` is valid, and unchanged while `'a` lasts.
unsafe fn at<'a>(list: *mut rd::rd_kafka_headers_t, index: usize) -> Option<Header<'a>> {
    let (mut name, mut value, mut len) = (ptr::null::<c_char>(), ptr::null(), 0);
    // SAFETY: valid list by the contract above; names are NUL-terminated and live in it.
    unsafe {
        let found = rd::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut len) == NO_ERROR;
        let len = if value.is_null() { -1 } else { len as isize };
        found.then(|| Header { name: CStr::from_ptr(name), value, len })
    }
}

/// A list of those headers whose name `keeps` wants, in order; null when there are none.
///
/// # Safety
/// `theirs` is null or a valid list.
unsafe fn copy_where(
    theirs: *mut rd::rd_kafka_headers_t,
    keeps: impl Fn(&[u8]) -> bool,
) -> *mut rd::rd_kafka_headers_t {
    let mut ours = ptr::null_mut();
    if theirs.is_null() {
        return ours;
    }
    // SAFETY: valid list; name and value are copied while it lives.
    unsafe {
        let wanted = |header: &Header<'_>| keeps(header.name.to_bytes());
        for header in (0..).map_while(|index| at(theirs, index)).filter(wanted) {
            if ours.is_null() {
                ours = rd::rd_kafka_headers_new(rd::rd_kafka_header_cnt(theirs));
            }
            let name_len = header.name.count_bytes() as isize;
            rd::rd_kafka_header_add(ours, header.name.as_ptr(), name_len, header.value, header.len);
        }
    }
    ours
}

/// Takes out of a list what `keeps` does not want; what is left keeps its order. `name` is room for one name.
///
/// # Safety
/// `list` is null or a valid list that is ours.
unsafe fn keep_where(list: *mut rd::rd_kafka_headers_t, name: &mut Vec<u8>, keeps: impl Fn(&[u8]) -> bool) {
    if list.is_null() {
        return;
    }
    let mut index = 0;
    // SAFETY: valid list, ours to change; no header of it is borrowed while it changes.
    unsafe {
        while let Some(header) = at(list, index) {
            if keeps(header.name.to_bytes()) {
                index += 1;
                continue;
            }
            // The client compares with the name that it is given after the header of that name is gone.
            name.clear();
            name.extend_from_slice(header.name.to_bytes_with_nul());
            rd::rd_kafka_header_remove(list, name.as_ptr().cast());
        }
    }
}
