//! Lists of partitions, as the client takes and fills them.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::NonNull;

use rdkafka::bindings as rd;

use super::errors::to_result;
use crate::doors::Progress;

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
