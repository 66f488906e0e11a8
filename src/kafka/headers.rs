//! Copies of header lists.

use std::ffi::{CString, c_char};
use std::ptr;

use rdkafka::bindings as rd;

use super::native::NO_ERROR;

/// The first headers of a list. Ours stand behind the source's, which may have the same names.
///
/// # Safety
/// `headers` is a valid list.
pub(super) unsafe fn copy_first(headers: *mut rd::rd_kafka_headers_t, count: usize) -> *mut rd::rd_kafka_headers_t {
    // SAFETY: valid list by the contract above; name and value are copied while it lives.
    unsafe {
        let copy = rd::rd_kafka_headers_new(count);
        for index in 0..count {
            let (mut name, mut value, mut len) = (ptr::null::<c_char>(), ptr::null(), 0);
            if rd::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut len) == NO_ERROR {
                let len = if value.is_null() { -1 } else { len as isize };
                rd::rd_kafka_header_add(copy, name, -1, value, len);
            }
        }
        copy
    }
}

/// # Safety
/// `theirs` is null or a valid list.
pub(super) unsafe fn copy_named(theirs: *mut rd::rd_kafka_headers_t, names: &[CString]) -> *mut rd::rd_kafka_headers_t {
    let mut ours = ptr::null_mut();
    if theirs.is_null() {
        return ours;
    }
    for name in names {
        for index in 0.. {
            let (mut value, mut len) = (ptr::null(), 0);
            // SAFETY: valid list and name; the value is copied by `header_add` while its list lives.
            unsafe {
                if rd::rd_kafka_header_get(theirs, index, name.as_ptr(), &mut value, &mut len) != NO_ERROR {
                    break;
                }
                if ours.is_null() {
                    ours = rd::rd_kafka_headers_new(names.len());
                }
                let len = if value.is_null() { -1 } else { len as isize };
                rd::rd_kafka_header_add(ours, name.as_ptr(), -1, value, len);
            }
        }
    }
    ours
}
