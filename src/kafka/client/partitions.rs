//! Lists of partitions, as the client takes and fills them.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::bindings as rd;

use super::errors::to_result;
use crate::doors::Progress;

/// An offset of a group, and a text that the broker keeps beside it (`metadata` of Kafka's protocol). Without text: empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedOffset {
    pub at: Progress,
    pub note: String,
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

    /// Offsets with the texts that are to be kept beside them.
    pub fn noted(topic: &CStr, offsets: &[NotedOffset]) -> PartitionList {
        let list = PartitionList::new(topic, offsets.iter().map(|offset| offset.at));
        for (index, NotedOffset { note, .. }) in
            offsets.iter().enumerate().filter(|(_, offset)| !offset.note.is_empty())
        {
            // SAFETY: the list has an element for each offset, in order; its destructor frees the text with the allocator that
            // this one is of.
            unsafe {
                let element = &mut *(*list.as_ptr()).elems.add(index);
                let text =
                    NonNull::new(rd::rd_kafka_mem_malloc(ptr::null_mut(), note.len())).expect("librdkafka allocates");
                ptr::copy_nonoverlapping(note.as_ptr(), text.as_ptr().cast(), note.len());
                (element.metadata, element.metadata_size) = (text.as_ptr(), note.len());
            }
        }
        list
    }

    /// Partitions without an offset.
    pub fn of(topic: &CStr, partitions: &[i32]) -> PartitionList {
        let offset = i64::from(rd::RD_KAFKA_OFFSET_INVALID);
        PartitionList::new(topic, partitions.iter().map(|&partition| Progress { partition, offset }))
    }

    pub fn as_ptr(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// The text beside each element's offset; empty without one.
    pub fn notes(&self) -> Vec<String> {
        // SAFETY: the list is ours and alive: `cnt` elements, each with a text of its size or none.
        unsafe {
            let (elements, count) = ((*self.as_ptr()).elems, (*self.as_ptr()).cnt);
            let of = |at| {
                let element = &*elements.add(at);
                let text = NonNull::new(element.metadata.cast::<u8>());
                text.map_or(&[][..], |text| slice::from_raw_parts(text.as_ptr(), element.metadata_size))
            };
            (0..usize::try_from(count).unwrap_or(0)).map(|at| String::from_utf8_lossy(of(at)).into_owned()).collect()
        }
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
