//! A client's handle.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use rdkafka::bindings as rd;

use super::errors::NO_ERROR;

/// A client. It is not destroyed by `drop`: destroying one that still has work blocks without a deadline, so its
/// owner says when (`destroy`), and a process that leaves does not wait.
pub struct Client(Option<NonNull<rd::rd_kafka_t>>);

impl Client {
    pub(super) fn of(client: NonNull<rd::rd_kafka_t>) -> Client {
        Client(Some(client))
    }

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
