//! How the client keeps messages and headers: the parts of its own structures that its interface says nothing of, as they
//! were read in librdkafka 2.12.1.
//!
//! Through the interface a record's headers cost a request buffer that is cleared to parse them, and then each header an
//! allocation of its own, which the client frees one by one. Read where they lie, and written as one block, they cost two.
//!
//! Unnecessary when librdkafka builds a list of headers from memory that is given to it, and shows those of a message
//! without parsing them into a list first. We know of no issue that asks for either.
#![allow(unsafe_code, reason = "the client's own structures; each block says why it holds")]

use std::ffi::{c_char, c_int, c_void};

use rdkafka::bindings as rd;

/// With another version, read these structures again.
const _: () = assert!(rd::RD_KAFKA_VERSION == 0x020c_01ff);

/// `rd_list_t`.
#[repr(C)]
pub(super) struct List {
    pub(super) room: c_int,
    pub(super) count: c_int,
    /// Freed with the list.
    pub(super) elements: *mut *mut c_void,
    /// Frees an element, where it is given.
    pub(super) free: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) flags: c_int,
    pub(super) element_bytes: c_int,
    pub(super) first: *mut c_void,
}

/// `RD_LIST_F_FIXED_SIZE`: the client stops the process rather than move `elements`.
pub(super) const FIXED: c_int = 0x4;

/// `rd_kafka_headers_t`.
#[repr(C)]
pub(super) struct HeaderList {
    pub(super) list: List,
    /// All of them, as they are sent.
    pub(super) sent_bytes: usize,
}

/// `rd_kafka_header_t`, without the name and its NUL, which follow, and the value and a NUL, which may lie anywhere.
#[repr(C)]
pub(super) struct HeaderEntry {
    /// As it is sent: name and value, each with its length before it.
    pub(super) sent_bytes: usize,
    pub(super) value_len: usize,
    pub(super) name_len: usize,
    /// Null where there is none.
    pub(super) value: *mut c_char,
}

/// `rd_kafka_msg_t` of a consumer, up to what is read.
#[repr(C)]
struct Received {
    message: rd::rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_kind: c_int,
    timestamp: i64,
    headers: *mut rd::rd_kafka_headers_t,
    status: c_int,
    broker: i32,
    /// `rd_kafkap_bytes_t`: the headers as they came.
    header_bytes: i32,
    header_data: *const u8,
}

/// The headers of a received message as they came ([`super::consuming::raw_headers::RawHeaders`]); empty where it has none.
///
/// # Safety
/// A record that a consumer of the client has returned, which lives while `'a` lasts.
pub(super) unsafe fn header_bytes<'a>(message: *const rd::rd_kafka_message_t) -> &'a [u8] {
    // SAFETY: by the contract above a message of a consumer, which the client keeps in this structure; its bytes lie in the
    // fetched buffer, which lives as long as the message.
    unsafe {
        let received = &*message.cast::<Received>();
        match usize::try_from(received.header_bytes) {
            Ok(len) if !received.header_data.is_null() => std::slice::from_raw_parts(received.header_data, len),
            _ => &[],
        }
    }
}
