//! The lane's consumer: a member of the group that hands out records in batches and leaves every decision about
//! partitions, offsets and commits to the lane.
#![allow(unsafe_code, reason = "librdkafka's batch calls exist in C only; each block says why it holds")]

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr as Err, RDKafkaType};

use super::contact::Input;
use super::events::Events;
use super::fast_rebalance::FastRebalance;
use super::inbox::{self, Inbox};
use super::out_of_range::OffsetReset;
use crate::doors::{Complaint, Contact, Group, PartitionLag, Progress, Source, SourceEvent, SourceRecord, Waker};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::wakeup::Wakeup;
use crate::kafka::client::{CallbackState, Client, Conf, NO_ERROR, PartitionList, c_string, describe};
use crate::kafka::client::{HandedOut, KafkaRecord};
use crate::kafka::client::{take_error, timeout_ms, to_result};
use crate::kafka::cluster::offsets::QUERY_TIMEOUT;
use crate::kafka::failures::commit_refusal::commit_refusal;
use crate::kafka::settings::{KafkaSettings, consumer_settings};

/// Records taken with one call of the client, at most.
const TAKE_MAX: usize = 1024;

pub struct KafkaSource {
    // Field order: the client is destroyed in `drop` before the box its callbacks write to is freed.
    pub(in crate::kafka) client: Client,
    pub(in crate::kafka) inbox: CallbackState<Inbox>,
    pub(in crate::kafka) queue: *mut rd::rd_kafka_queue_t,
    pub(in crate::kafka) wakeup: Arc<Wakeup>,
    pub(in crate::kafka) topic: CString,
    pub(in crate::kafka) group: String,
    pub(in crate::kafka) offset_reset: OffsetReset,
    pub(in crate::kafka) user: Option<String>,
    pub(in crate::kafka) offsets_timeout: Duration,
    taken: Box<[*mut rd::rd_kafka_message_t]>,
    pub(in crate::kafka) events: Events,
    pub(in crate::kafka) fast_rebalance: FastRebalance,
    /// The lane was told of a rebalance and has not answered it.
    pub(in crate::kafka) owes_answer: bool,
    pub(in crate::kafka) input: Input,
    complaint: Arc<Complaint>,
    /// The input topic, for questions about it alone.
    pub(in crate::kafka) handle: *mut rd::rd_kafka_topic_t,
    /// The first share: others are those of records that are alive.
    handed_out: HandedOut,
    closed: bool,
}

// SAFETY: one owner at a time; librdkafka's handles are not bound to a thread.
unsafe impl Send for KafkaSource {}

impl KafkaSource {
    /// Joins the group as this lane of its node. `until_end` makes the end of each partition an event.
    pub fn subscribe(
        settings: &KafkaSettings,
        lane: usize,
        topic: &str,
        until_end: bool,
        offsets_timeout: Duration,
    ) -> Result<KafkaSource, Fatal> {
        let list = consumer_settings(settings, lane, until_end);
        let (topic, conf) = (c_string(topic)?, Conf::new(&list)?);
        if let Some(login) = Login::of(&list, settings.password_files.consumer.as_deref()) {
            login.join(&conf)?;
        }
        let inbox = CallbackState::new(Inbox::default());
        inbox::attach(&conf, &inbox);
        let complaint = Arc::default();
        conf.with_threads(LogListener::of(&list, Some(&complaint)));
        let client = conf.create(RDKafkaType::RD_KAFKA_CONSUMER)?;
        let subscription = PartitionList::of(&topic, &[-1]);
        // SAFETY: the client is alive; it copies the list and the topic's name. Everything it has to say comes through
        // one queue.
        let (queue, handle, err) = unsafe {
            rd::rd_kafka_poll_set_consumer(client.as_ptr());
            let queue = rd::rd_kafka_queue_get_consumer(client.as_ptr());
            let handle = rd::rd_kafka_topic_new(client.as_ptr(), topic.as_ptr(), ptr::null_mut());
            (queue, handle, rd::rd_kafka_subscribe(client.as_ptr(), subscription.as_ptr()))
        };
        // SAFETY: freed in `drop` alone, after `detach`; nothing between here and the value that has this `drop` can fail.
        let wakeup = unsafe { Wakeup::of(queue) };
        let offset_reset = OffsetReset::of(settings, &topic.to_string_lossy());
        let mut source = KafkaSource {
            client,
            inbox,
            queue,
            wakeup,
            topic,
            group: settings.group.clone(),
            offset_reset,
            user: settings.user_of(&settings.consumer_properties).map(str::to_owned),
            offsets_timeout,
            taken: vec![ptr::null_mut(); TAKE_MAX].into_boxed_slice(),
            events: Events::default(),
            fast_rebalance: FastRebalance::default(),
            owes_answer: false,
            input: Input::default(),
            complaint,
            handle,
            handed_out: HandedOut::default(),
            closed: false,
        };
        source.check(err, "subscribe to the input topic")?;
        source.fast_rebalance.expect();
        Ok(source)
    }

    pub(in crate::kafka) fn check(&self, err: Err, what: &str) -> Result<(), Fatal> {
        self.named().check(err, what)
    }

    pub(in crate::kafka) fn failure(&self, what: &str, why: &str) -> Fatal {
        self.named().failure(what, why)
    }

    /// The group has done with this member.
    pub(in crate::kafka) fn member_failure(&self) -> Fatal {
        let (code, text) = self.client.fatal_error().unwrap_or((0, "unknown".into()));
        let why = format!("{text}: {}", describe(code));
        let failure = self.failure("go on reading", &why);
        if code == Err::RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID as i32 {
            let fix = "the session of the process that had this kafka.node is not over yet, or it still runs: start again \
                       when it is; kafka.group_protocol = \"classic\" takes its place at once";
            return Fatal { fix: fix.into(), ..failure };
        }
        if code == Err::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID as i32 {
            let fix = "another process has come with this kafka.node: give each process of the group its own";
            return Fatal { code: exit::DELIVERY, fix: fix.into(), ..failure };
        }
        failure
    }

    fn take(&mut self, wait: Duration, from: usize, room: usize) -> usize {
        let room = room.min(self.taken.len() - from);
        // SAFETY: `room` slots are writable from `from` on; the client fills as many as it returns.
        let taken = unsafe {
            rd::rd_kafka_consume_batch_queue(self.queue, timeout_ms(wait), self.taken[from..].as_mut_ptr(), room)
        };
        usize::try_from(taken).unwrap_or(0)
    }

    /// Sets the client's position right where an event was the last thing it handed out.
    fn go_on_from_events(&mut self) {
        let misled = self.events.take_misled();
        if misled.is_empty() {
            return;
        }
        if let Result::Err((_, text)) = self.seek_all(&misled) {
            // The partitions are leaving, or the client is: their next owner starts from what is committed.
            tracing::debug!(target: "kafka", "a position is left as it is: {text}");
        }
    }

    /// The client's fetching starts over at these offsets.
    pub(in crate::kafka) fn seek_all(&mut self, to: &[Progress]) -> Result<(), (i32, String)> {
        let list = PartitionList::new(&self.topic, to.iter().copied());
        self.fast_rebalance.set(to);
        self.seek_list(&list, QUERY_TIMEOUT)?;
        let failed = list.entries().into_iter().find_map(|(_, result)| result.err());
        failed.map_or(Ok(()), |code| Result::Err((code, describe(code))))
    }

    /// The wait is for the client's own thread, not for the broker; without one it is done later.
    pub(in crate::kafka) fn seek_list(&self, list: &PartitionList, wait: Duration) -> Result<(), (i32, String)> {
        // SAFETY: client and list are alive.
        unsafe { take_error(rd::rd_kafka_seek_partitions(self.client.as_ptr(), list.as_ptr(), timeout_ms(wait))) }
    }

    pub(in crate::kafka) fn push(&mut self, event: SourceEvent) {
        self.inbox.get().events.push_back(event);
    }

    fn with_list(
        &self,
        partitions: &[i32],
        what: &str,
        call: unsafe extern "C" fn(*mut rd::rd_kafka_t, *mut rd::rd_kafka_topic_partition_list_t) -> Err,
    ) -> Result<(), Fatal> {
        if partitions.is_empty() {
            return Ok(());
        }
        let list = PartitionList::of(&self.topic, partitions);
        // SAFETY: client and list are alive.
        let err = unsafe { call(self.client.as_ptr(), list.as_ptr()) };
        self.check(err, what)
    }

    /// While closing, whatever the group still hands over or asks back is let go at once: it was drained before.
    fn let_go_while_closing(&mut self) {
        while let Some(event) = self.inbox.get().events.pop_front() {
            use SourceEvent::{Assigned, Lost, Revoked};
            let (Assigned(partitions) | Revoked(partitions) | Lost(partitions)) = event else { continue };
            if let Result::Err(fatal) = self.release(&partitions) {
                tracing::warn!(target: "kafka", "while closing: {fatal}");
            }
        }
    }
}

impl Source for KafkaSource {
    type Record = KafkaRecord;

    fn poll(&mut self, wait: Duration, room: usize, out: &mut Vec<KafkaRecord>) -> Result<(), Fatal> {
        let mut taken = self.take(Duration::ZERO, 0, room);
        if taken == 0 && !wait.is_zero() && !self.wakeup.take() {
            // Asking for one returns as soon as it is there; asking for more would wait for all of them. What came with it is taken next.
            taken = self.take(wait, 0, 1.min(room));
            if taken == 1 && room > 1 {
                taken += self.take(Duration::ZERO, 1, room - 1);
            }
        }
        let mut went = Ok(());
        // All of them, whatever one says: the client would wait for the rest for ever when it is let go.
        for at in 0..taken {
            // SAFETY: filled by the client just now, and handed over once.
            let Some(record) = (unsafe { KafkaRecord::new(self.taken[at], &self.handed_out) }) else { continue };
            if record.event() != NO_ERROR {
                went = went.and(self.partition_event(&record));
                continue;
            }
            if !self.events.is_empty() {
                let at = record.position();
                self.events.pass(at.partition, at.offset);
            }
            out.push(record);
        }
        went?;
        self.go_on_from_events();
        if self.inbox.get().fatal {
            return Result::Err(self.member_failure());
        }
        self.inbox.get().denied.map_or(Ok(()), |code| Result::Err(self.named().refused("commit offsets", code)))
    }

    fn waker(&self) -> Waker {
        Wakeup::waker(&self.wakeup)
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        use SourceEvent::{Assigned, Lost, Revoked};
        let event = self.inbox.get().events.pop_front();
        self.owes_answer |= matches!(event, Some(Assigned(_) | Revoked(_) | Lost(_)));
        event
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.with_list(partitions, "pause partitions", rd::rd_kafka_pause_partitions)
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.with_list(partitions, "resume partitions", rd::rd_kafka_resume_partitions)
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        self.events.forget(&[to.partition]);
        self.seek_or_restart(to).map_err(|(_, text)| self.failure("set a partition's position", &text))
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        // The client forgets its position with every seek.
        let told = self.events.position(partition, self.client_position(partition));
        told.or_else(|| self.fast_rebalance.set_to(partition))
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: client and name are alive; the numbers are the last ones fetched, no question to the broker.
        let err = unsafe {
            rd::rd_kafka_get_watermark_offsets(
                self.client.as_ptr(),
                self.topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            )
        };
        let high_watermark = if err == NO_ERROR { high } else { -1 };
        PartitionLag { partition, position: self.position(partition).unwrap_or(-1), high_watermark }
    }

    fn complaint(&self) -> Arc<Complaint> {
        Arc::clone(&self.complaint)
    }
}

impl Group for KafkaSource {
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        self.events.forget(partitions);
        let first = self.first_offsets(partitions)?;
        // One that was ours before left paused, and the client remembers that for as long as it lives.
        self.resume(partitions)?;
        let list = PartitionList::new(&self.topic, first.iter().copied());
        // SAFETY: client and list are alive; the client copies the list.
        let result = unsafe { take_error(rd::rd_kafka_incremental_assign(self.client.as_ptr(), list.as_ptr())) };
        result.map_err(|(_, text)| self.failure("take partitions over", &text))?;
        self.owes_answer = false;
        self.nudge();
        self.fast_rebalance.own(&first);
        if !first.is_empty() {
            self.input.missing = None;
        }
        Ok(first)
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.events.forget(partitions);
        let list = PartitionList::of(&self.topic, partitions);
        // SAFETY: as in `assign`.
        let result = unsafe { take_error(rd::rd_kafka_incremental_unassign(self.client.as_ptr(), list.as_ptr())) };
        result.map_err(|(_, text)| self.failure("give partitions back", &text))?;
        self.owes_answer = false;
        self.fast_rebalance.disown(partitions);
        self.nudge();
        Ok(())
    }

    fn still_owns(&mut self) -> bool {
        self.session_holds()
    }

    fn contact(&mut self) -> Contact {
        self.contact_since_last_look()
    }

    fn keep_awake(&mut self) {
        self.hasten();
        self.ask_what_is_kept();
        self.look_for_input();
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        let list = PartitionList::new(&self.topic, progress.iter().copied());
        // SAFETY: client and list are alive; the client copies the list. The answer comes to `on_commit`.
        let err = unsafe { rd::rd_kafka_commit(self.client.as_ptr(), list.as_ptr(), 1) };
        if err != NO_ERROR {
            // Refused at once (no coordinator, say): the same as a refusal by the broker.
            let partitions = progress.iter().map(|to| to.partition).collect();
            self.push(SourceEvent::Committed { partitions, result: to_result(err).map_err(commit_refusal) });
        }
        Ok(())
    }

    fn close(&mut self, deadline: Duration) -> bool {
        const SLICE: Duration = Duration::from_millis(10);
        // SAFETY: client and queue are alive; events keep coming through the queue until the client is closed.
        let result = unsafe { take_error(rd::rd_kafka_consumer_close_queue(self.client.as_ptr(), self.queue)) };
        if let Result::Err((_, text)) = result {
            tracing::warn!(target: "kafka", "cannot leave the group in order: {text}");
            return false;
        }
        for _ in 0..=deadline.as_millis() / SLICE.as_millis() {
            self.let_go_while_closing();
            // SAFETY: the client is alive.
            if unsafe { rd::rd_kafka_consumer_closed(self.client.as_ptr()) } == 1 {
                self.closed = true;
                return true;
            }
            let taken = self.take(SLICE, 0, 1);
            // SAFETY: filled by the client just now; dropped unread, they are below no commit.
            let drop_one = |&message: &_| drop(unsafe { KafkaRecord::new(message, &self.handed_out) });
            self.taken[..taken].iter().for_each(drop_one);
        }
        false
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.wakeup.detach();
        let closed = self.closed || self.close(Duration::from_secs(1));
        let alive = Arc::strong_count(&self.handed_out) - 1;
        if !closed || alive > 0 {
            // Either would block the destruction of the client for ever; the process is leaving.
            tracing::warn!(target: "kafka", closed, alive, "the consumer is abandoned as it is");
            let abandoned = CallbackState::new(Inbox::default());
            std::mem::forget(std::mem::replace(&mut self.inbox, abandoned));
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
