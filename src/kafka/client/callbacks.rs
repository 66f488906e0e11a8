//! What a client's callbacks leave behind for their owner.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::c_void;
use std::ptr::NonNull;

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
