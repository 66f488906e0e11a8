//! The lane's consumer, as the lane sees it: what it polls, assigns, commits and gives back.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use super::events::Events;
use super::fast_rebalance::{FastRebalance, session_holds};
use super::inbox::Member;
use super::input_topic::Input;
use super::out_of_range::OffsetReset;
use crate::doors::{Complaint, Contact, Group, PartitionLag, Progress, Source, SourceEvent, SourceRecord, Waker};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{Conf, KafkaRecord, NO_ERROR, c_string, describe, to_result};
use crate::kafka::cluster::offsets::QUERY_TIMEOUT;
use crate::kafka::failures::commit_refusal::commit_refusal;
use crate::kafka::settings::{KafkaSettings, consumer_settings};

pub struct KafkaSource {
    pub(super) member: Member,
    pub(super) group: String,
    pub(super) offset_reset: OffsetReset,
    pub(super) user: Option<String>,
    pub(super) offsets_timeout: Duration,
    pub(super) events: Events,
    pub(super) fast_rebalance: FastRebalance,
    /// The lane was told of a rebalance and has not answered it.
    pub(super) owes_answer: bool,
    pub(super) input: Input,
    complaint: Arc<Complaint>,
}

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
        let complaint = Arc::default();
        conf.with_threads(LogListener::of(&list, Some(&complaint)));
        let offset_reset = OffsetReset::of(settings, &topic.to_string_lossy());
        let mut source = KafkaSource {
            member: Member::new(conf, topic)?,
            group: settings.group.clone(),
            offset_reset,
            user: settings.user_of(&settings.consumer_properties).map(str::to_owned),
            offsets_timeout,
            events: Events::default(),
            fast_rebalance: FastRebalance::default(),
            owes_answer: false,
            input: Input::default(),
            complaint,
        };
        source.check(source.member.subscribe(), "subscribe to the input topic")?;
        source.fast_rebalance.expect();
        Ok(source)
    }

    /// Who it is in its group, by the client; for the producer's transactions.
    pub(in crate::kafka) fn member(&self) -> &Member {
        &self.member
    }

    pub(in crate::kafka) fn group(&self) -> &str {
        &self.group
    }

    fn check(&self, err: Err, what: &str) -> Result<(), Fatal> {
        self.named().check(err, what)
    }

    pub(super) fn failure(&self, what: &str, why: &str) -> Fatal {
        self.named().failure(what, why)
    }

    /// The group has done with this member.
    pub(super) fn member_failure(&self) -> Fatal {
        let (code, text) = self.member.client().fatal_error().unwrap_or((0, "unknown".into()));
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
    pub(super) fn seek_all(&mut self, to: &[Progress]) -> Result<(), (i32, String)> {
        self.fast_rebalance.set(to);
        let list = self.member.seek(to, QUERY_TIMEOUT)?;
        let failed = list.entries().into_iter().find_map(|(_, result)| result.err());
        failed.map_or(Ok(()), |code| Result::Err((code, describe(code))))
    }

    pub(super) fn push(&mut self, event: SourceEvent) {
        self.member.events().events.push_back(event);
    }

    fn nudge(&mut self) {
        self.fast_rebalance.nudge(&self.member, &self.events);
    }

    /// While closing, whatever the group still hands over or asks back is let go at once: it was drained before.
    fn let_go_while_closing(&mut self) {
        while let Some(event) = self.member.events().events.pop_front() {
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
        let mut taken = self.member.take(Duration::ZERO, 0, room);
        if taken == 0 && !wait.is_zero() && !self.member.was_woken() {
            // Asking for one returns as soon as it is there; asking for more would wait for all of them. What came with it is taken next.
            taken = self.member.take(wait, 0, 1.min(room));
            if taken == 1 && room > 1 {
                taken += self.member.take(Duration::ZERO, 1, room - 1);
            }
        }
        let mut went = Ok(());
        // All of them, whatever one says: the client would wait for the rest for ever when it is let go.
        for at in 0..taken {
            let Some(record) = self.member.hand_out(at) else { continue };
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
        if self.member.events().fatal {
            return Result::Err(self.member_failure());
        }
        self.member.events().denied.map_or(Ok(()), |code| Result::Err(self.named().refused("commit offsets", code)))
    }

    fn waker(&self) -> Waker {
        self.member.waker()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        use SourceEvent::{Assigned, Lost, Revoked};
        let event = self.member.events().events.pop_front();
        self.owes_answer |= matches!(event, Some(Assigned(_) | Revoked(_) | Lost(_)));
        event
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.check(self.member.pause(partitions), "pause partitions")
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.check(self.member.resume(partitions), "resume partitions")
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        self.events.forget(&[to.partition]);
        self.seek_or_restart(to).map_err(|(_, text)| self.failure("set a partition's position", &text))
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        // The client forgets its position with every seek.
        let told = self.events.position(partition, self.member.position(partition));
        told.or_else(|| self.fast_rebalance.set_to(partition))
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let high_watermark = self.member.high_watermark(partition).unwrap_or(-1);
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
        self.member.assign(&first).map_err(|(_, text)| self.failure("take partitions over", &text))?;
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
        self.member.unassign(partitions).map_err(|(_, text)| self.failure("give partitions back", &text))?;
        self.owes_answer = false;
        self.fast_rebalance.disown(partitions);
        self.nudge();
        Ok(())
    }

    fn still_owns(&mut self) -> bool {
        session_holds(&self.member)
    }

    fn contact(&mut self) -> Contact {
        Contact { heard_ago: self.member.events().heard_ago.take(), no_input: self.input.missing.clone() }
    }

    fn keep_awake(&mut self) {
        self.fast_rebalance.hasten(&self.member);
        self.ask_what_is_kept();
        self.input.look(&self.member, self.fast_rebalance.owns_nothing());
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        let err = self.member.commit(progress);
        if err != NO_ERROR {
            // Refused at once (no coordinator, say): the same as a refusal by the broker.
            let (progress, result) = (progress.to_vec(), to_result(err).map_err(commit_refusal));
            self.push(SourceEvent::Committed { progress, result });
        }
        Ok(())
    }

    fn close(&mut self, deadline: Duration) -> bool {
        const SLICE: Duration = Duration::from_millis(10);
        if let Result::Err((_, text)) = self.member.begin_close() {
            tracing::warn!(target: "kafka", "cannot leave the group in order: {text}");
            return false;
        }
        for _ in 0..=deadline.as_millis() / SLICE.as_millis() {
            self.let_go_while_closing();
            if self.member.is_closed() {
                return true;
            }
            // Dropped unread: they are below no commit.
            let taken = self.member.take(SLICE, 0, 1);
            (0..taken).for_each(|at| drop(self.member.hand_out(at)));
        }
        false
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.member.detach_wakers();
        if !self.member.was_closed() {
            self.close(Duration::from_secs(1));
        }
    }
}
