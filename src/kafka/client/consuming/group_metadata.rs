//! A member of a group, as it commits offsets in a producer's transaction.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::NonNull;

use rdkafka::bindings as rd;

pub struct GroupMetadata(NonNull<rd::rd_kafka_consumer_group_metadata_t>);

impl GroupMetadata {
    /// # Safety
    /// `metadata` is null, or came from the client just now and is handed over.
    pub unsafe fn new(metadata: *mut rd::rd_kafka_consumer_group_metadata_t) -> Option<GroupMetadata> {
        NonNull::new(metadata).map(GroupMetadata)
    }

    /// Of one that never was a member, which the broker accepts.
    pub fn of_no_member(group: &CStr) -> Option<GroupMetadata> {
        // SAFETY: a string that lives during the call; it is copied. What is returned is ours.
        unsafe { GroupMetadata::new(rd::rd_kafka_consumer_group_metadata_new(group.as_ptr())) }
    }

    pub fn as_ptr(&self) -> *mut rd::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { rd::rd_kafka_consumer_group_metadata_destroy(self.as_ptr()) };
    }
}
