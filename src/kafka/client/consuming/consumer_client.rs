//! A consumer's client: a member of its group, and the one topic that it reads.
#![allow(unsafe_code, reason = "librdkafka's batch calls exist in C only; each block says why it holds")]

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr as Err, RDKafkaType};

use super::consumer_callbacks::{ConsumerEvents, attach};
use super::group_metadata::GroupMetadata;
use super::message::{HandedOut, KafkaRecord};
use super::wakeup::Wakeup;
use crate::doors::{Progress, Waker};
use crate::error::Fatal;
use crate::kafka::client::callbacks::CallbackState;
use crate::kafka::client::conf::Conf;
use crate::kafka::client::errors::{NO_ERROR, take_error, timeout_ms};
use crate::kafka::client::handle::Client;
use crate::kafka::client::partitions::PartitionList;

/// Records taken with one call of the client, at most.
const TAKE_MAX: usize = 1024;

/// What it hears from its callbacks goes to `E`.
pub struct ConsumerClient<E: ConsumerEvents> {
    // Field order: the client is destroyed in `drop` before the box its callbacks write to is freed.
    client: Client,
    events: CallbackState<E>,
    queue: *mut rd::rd_kafka_queue_t,
    wakeup: Arc<Wakeup>,
    topic: CString,
    /// The topic, for questions about it alone.
    handle: *mut rd::rd_kafka_topic_t,
    /// Messages that were taken and not handed out yet; null elsewhere.
    taken: Box<[*mut rd::rd_kafka_message_t]>,
    /// The first share: others are those of records that are alive.
    handed_out: HandedOut,
    was_closed: bool,
}

// SAFETY: one owner at a time; librdkafka's handles are not bound to a thread.
unsafe impl<E: ConsumerEvents + Send> Send for ConsumerClient<E> {}

impl<E: ConsumerEvents> ConsumerClient<E> {
    /// # Errors
    /// Those of [`Conf::create`].
    pub fn new(conf: Conf, topic: CString) -> Result<ConsumerClient<E>, Fatal> {
        let events = CallbackState::new(E::default());
        attach(&conf, &events);
        let client = conf.create(RDKafkaType::RD_KAFKA_CONSUMER)?;
        // SAFETY: the client is alive; it copies the topic's name. Everything it has to say comes through one queue.
        let (queue, handle) = unsafe {
            rd::rd_kafka_poll_set_consumer(client.as_ptr());
            let queue = rd::rd_kafka_queue_get_consumer(client.as_ptr());
            (queue, rd::rd_kafka_topic_new(client.as_ptr(), topic.as_ptr(), ptr::null_mut()))
        };
        // SAFETY: freed in `drop` alone, after `detach`; nothing between here and the value that has this `drop` can fail.
        let wakeup = unsafe { Wakeup::of(queue) };
        Ok(ConsumerClient {
            client,
            events,
            queue,
            wakeup,
            topic,
            handle,
            taken: vec![ptr::null_mut(); TAKE_MAX].into_boxed_slice(),
            handed_out: HandedOut::default(),
            was_closed: false,
        })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn events(&mut self) -> &mut E {
        self.events.get()
    }

    pub fn topic(&self) -> &CStr {
        &self.topic
    }

    /// Joins the group.
    pub fn subscribe(&self) -> Err {
        let subscription = PartitionList::of(&self.topic, &[-1]);
        // SAFETY: the client is alive; it copies the list.
        unsafe { rd::rd_kafka_subscribe(self.client.as_ptr(), subscription.as_ptr()) }
    }

    /// Takes as many messages as are there, `room` at most, and puts them at `from` and behind. Returns their number.
    pub fn take(&mut self, wait: Duration, from: usize, room: usize) -> usize {
        let room = room.min(self.taken.len() - from);
        // SAFETY: `room` slots are writable from `from` on; the client fills as many as it returns.
        let taken = unsafe {
            rd::rd_kafka_consume_batch_queue(self.queue, timeout_ms(wait), self.taken[from..].as_mut_ptr(), room)
        };
        usize::try_from(taken).unwrap_or(0)
    }

    /// Hands out the message that was taken to this place, once.
    pub fn hand_out(&mut self, at: usize) -> Option<KafkaRecord> {
        let message = std::mem::replace(&mut self.taken[at], ptr::null_mut());
        // SAFETY: null, or filled by the client; handed over once, since the place is empty from here on.
        unsafe { KafkaRecord::new(message, &self.handed_out) }
    }

    pub fn waker(&self) -> Waker {
        Wakeup::waker(&self.wakeup)
    }

    /// Whether somebody has woken the consumer since the last time it asked.
    pub fn was_woken(&self) -> bool {
        self.wakeup.take()
    }

    /// Messages and events that nobody has taken.
    #[cfg(test)]
    pub fn queue_length(&self) -> usize {
        // SAFETY: the client's own queue, which lives as long as this value.
        unsafe { rd::rd_kafka_queue_length(self.queue) }
    }

    /// The client's own idea of where a partition stands.
    pub fn position(&self, partition: i32) -> Option<i64> {
        let list = PartitionList::of(&self.topic, &[partition]);
        // SAFETY: client and list are alive; local state only.
        let err = unsafe { rd::rd_kafka_position(self.client.as_ptr(), list.as_ptr()) };
        let (at, result) = list.entries().pop()?;
        (err == NO_ERROR && result.is_ok() && at.offset >= 0).then_some(at.offset)
    }

    /// Where a partition ended when it was last fetched from.
    pub fn high_watermark(&self, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: client and name are alive; the numbers are the last ones fetched, no question to the broker.
        let err = unsafe {
            let (client, topic) = (self.client.as_ptr(), self.topic.as_ptr());
            rd::rd_kafka_get_watermark_offsets(client, topic, partition, &mut low, &mut high)
        };
        (err == NO_ERROR).then_some(high)
    }

    pub fn pause(&self, partitions: &[i32]) -> Err {
        let list = PartitionList::of(&self.topic, partitions);
        // SAFETY: client and list are alive.
        unsafe { rd::rd_kafka_pause_partitions(self.client.as_ptr(), list.as_ptr()) }
    }

    pub fn resume(&self, partitions: &[i32]) -> Err {
        let list = PartitionList::of(&self.topic, partitions);
        // SAFETY: client and list are alive.
        unsafe { rd::rd_kafka_resume_partitions(self.client.as_ptr(), list.as_ptr()) }
    }

    /// Sets positions, and returns what came of each. The wait is for the client's own thread, not for the broker; without
    /// one it is done later.
    pub fn seek(&self, to: &[Progress], wait: Duration) -> Result<PartitionList, (i32, String)> {
        let list = PartitionList::new(&self.topic, to.iter().copied());
        // SAFETY: client and list are alive.
        let sought =
            unsafe { take_error(rd::rd_kafka_seek_partitions(self.client.as_ptr(), list.as_ptr(), timeout_ms(wait))) };
        sought.map(|()| list)
    }

    pub fn assign(&self, first: &[Progress]) -> Result<(), (i32, String)> {
        let list = PartitionList::new(&self.topic, first.iter().copied());
        // SAFETY: client and list are alive; the client copies the list.
        unsafe { take_error(rd::rd_kafka_incremental_assign(self.client.as_ptr(), list.as_ptr())) }
    }

    pub fn unassign(&self, partitions: &[i32]) -> Result<(), (i32, String)> {
        let list = PartitionList::of(&self.topic, partitions);
        // SAFETY: as in `assign`.
        unsafe { take_error(rd::rd_kafka_incremental_unassign(self.client.as_ptr(), list.as_ptr())) }
    }

    /// Starts a commit, whose answer comes to [`ConsumerEvents::committed`].
    pub fn commit(&self, progress: &[Progress]) -> Err {
        let list = PartitionList::new(&self.topic, progress.iter().copied());
        // SAFETY: client and list are alive; the client copies the list.
        unsafe { rd::rd_kafka_commit(self.client.as_ptr(), list.as_ptr(), 1) }
    }

    /// Returns when the client's main thread has answered a question of no importance.
    pub fn ask_main_thread(&self) {
        let mut assignment = ptr::null_mut();
        // SAFETY: the client is alive; on success the list is ours, and freed once. The answer is the main thread's, and
        // local.
        unsafe {
            if rd::rd_kafka_assignment(self.client.as_ptr(), &mut assignment) == NO_ERROR {
                rd::rd_kafka_topic_partition_list_destroy(assignment);
            }
        }
    }

    /// Whether the group took the partitions away without asking, as far as the client knows.
    pub fn lost_assignment(&self) -> bool {
        // SAFETY: the client is alive; local state only.
        unsafe { rd::rd_kafka_assignment_lost(self.client.as_ptr()) != 0 }
    }

    /// What the brokers say of the topic; `None` where they do not answer in time. Without a wait the answer is heeded by the
    /// client alone, whenever it comes.
    pub fn ask_for_topic(&self, wait: Duration) -> Option<Err> {
        let mut metadata = ptr::null();
        // SAFETY: client and topic are alive; on success the answer is ours, read while it lives, and freed once. Asked by its
        // handle, the topic is not created.
        unsafe {
            let err = rd::rd_kafka_metadata(self.client.as_ptr(), 0, self.handle, &mut metadata, timeout_ms(wait));
            let answer = NonNull::new(metadata.cast_mut()).filter(|_| err == NO_ERROR)?;
            let said = (answer.as_ref().topic_cnt > 0).then(|| (*answer.as_ref().topics).err);
            rd::rd_kafka_metadata_destroy(metadata);
            said
        }
    }

    /// Who commits, for the broker to fence; `None` for no member. To be asked for each time: the broker refuses a generation
    /// that is over.
    pub fn group_metadata(&self) -> Option<GroupMetadata> {
        // SAFETY: the client is alive, and what it returns is handed over.
        unsafe { GroupMetadata::new(rd::rd_kafka_consumer_group_metadata(self.client.as_ptr())) }
    }

    /// Begins to leave the group: events keep coming until the client is closed.
    pub fn begin_close(&self) -> Result<(), (i32, String)> {
        // SAFETY: client and queue are alive.
        unsafe { take_error(rd::rd_kafka_consumer_close_queue(self.client.as_ptr(), self.queue)) }
    }

    /// Whether it has left the group by now.
    pub fn is_closed(&mut self) -> bool {
        // SAFETY: the client is alive.
        self.was_closed |= unsafe { rd::rd_kafka_consumer_closed(self.client.as_ptr()) } == 1;
        self.was_closed
    }

    /// Whether it had left the group when that was asked last.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Wakers do nothing any more.
    pub fn detach_wakers(&self) {
        self.wakeup.detach();
    }
}

impl<E: ConsumerEvents> Drop for ConsumerClient<E> {
    fn drop(&mut self) {
        self.wakeup.detach();
        let (closed, alive) = (self.was_closed, Arc::strong_count(&self.handed_out) - 1);
        if !closed || alive > 0 {
            // Either would block the destruction of the client for ever; the process is leaving.
            tracing::warn!(target: "kafka", closed, alive, "the consumer is abandoned as it is");
            let abandoned = CallbackState::new(E::default());
            std::mem::forget(std::mem::replace(&mut self.events, abandoned));
            return;
        }
        // SAFETY: both belong to the client, which is destroyed next, once.
        unsafe {
            rd::rd_kafka_topic_destroy(self.handle);
            rd::rd_kafka_queue_destroy(self.queue);
        }
        self.client.destroy();
    }
}
