//! Acknowledgements come home, the watermark moves, progress is committed.

use std::time::Duration;

use crate::edge::{Clock, CommitRefusal, Committing, Delivery, Progress, Scorer, Sink, Source};
use crate::error::{Fatal, exit};
use crate::failpoint::{self, Point};
use crate::observe::doing::Doing;
use crate::observe::latency::{Step, StepTimes};
use crate::observe::stats::LaneStats;
use crate::pipeline::lane::Lane;
use crate::pipeline::limits::{COPIES_LEAVE_BEFORE, COPIES_WAIT_MAX, Limits, nanoseconds};
use crate::pipeline::rewind::Failures;
use crate::pipeline::transaction::Broken;
use crate::pipeline::watermark::{Acknowledged, Fate};

/// Commits that go on failing for the same reason are told once in so long.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What was told of commits that fail.
#[derive(Debug, Default)]
pub struct CommitFailures {
    code: i32,
    told_ns: Option<u64>,
    untold: u64,
}

impl CommitFailures {
    /// How many failed since the last line, this one included, if it is to be told.
    fn note(&mut self, code: i32, now_ns: u64) -> Option<u64> {
        self.untold += 1;
        let is_new = self.code != code;
        let is_due = self.told_ns.is_none_or(|told_ns| now_ns.saturating_sub(told_ns) >= nanoseconds(TELL_AGAIN));
        (is_new || is_due).then(|| {
            (self.code, self.told_ns) = (code, Some(now_ns));
            std::mem::take(&mut self.untold)
        })
    }
}

/// When to commit next, and since when an answer is awaited.
#[derive(Debug)]
pub struct CommitClock {
    pub(super) interval_ns: u64,
    pub(super) timeout_ns: u64,
    pub(super) next_ns: u64,
    started_ns: Option<u64>,
    failures: CommitFailures,
}

impl CommitClock {
    pub fn new(limits: &Limits) -> CommitClock {
        CommitClock {
            interval_ns: nanoseconds(limits.commit_interval),
            timeout_ns: nanoseconds(limits.commit_timeout),
            next_ns: 0,
            started_ns: None,
            failures: CommitFailures::default(),
        }
    }

    pub fn answered(&mut self) {
        self.started_ns = None;
    }

    /// Every partition is lost: what was asked means nothing any more, and may be answered when the brokers are back.
    pub fn may_take_long(&mut self) {
        self.started_ns = self.started_ns.map(|_| u64::MAX);
    }

    /// There is something to commit again, after an answer that still has to come.
    pub fn is_awaited_from(&mut self, now_ns: u64) {
        self.started_ns = self.started_ns.map(|_| now_ns);
    }

    pub fn is_waiting(&self) -> bool {
        self.started_ns.is_some()
    }
}

/// Records that have come to their end.
pub(super) fn count(stats: &LaneStats, fate: Fate, records: u64) {
    match fate {
        Fate::Scored => stats.scored.add(records),
        Fate::Rejected(reject) => stats.rejected[reject.index()].add(records),
    }
}

/// Outcomes acknowledged one after the other that took equally long, as those of one batch do: they are counted at once.
#[derive(Default)]
struct Run {
    inside_us: u64,
    ack_us: u64,
    records: u64,
}

impl Run {
    fn add(&mut self, outcome: &Acknowledged, now_us: u64, times: &mut StepTimes) {
        let (inside_us, ack_us) = (u64::from(outcome.inside_us), now_us.saturating_sub(outcome.sent_us));
        if (inside_us, ack_us) != (self.inside_us, self.ack_us) {
            self.end(times);
            (self.inside_us, self.ack_us) = (inside_us, ack_us);
        }
        self.records += 1;
    }

    fn end(&mut self, times: &mut StepTimes) {
        if self.records > 0 {
            times.record(Step::Ack, self.ack_us * 1_000, self.records);
            times.record(Step::Journey, (self.inside_us + self.ack_us) * 1_000, self.records);
        }
        self.records = 0;
    }
}

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// Counts what the broker acknowledged; a failed delivery sends its partition back to the last progress.
    /// Returns whether the broker said anything.
    pub(super) fn settle(&mut self) -> Result<bool, Fatal> {
        self.stats.doing.set(Doing::Acks);
        self.sink.poll(Duration::ZERO, &mut self.acks)?;
        if self.acks.is_empty() {
            return Ok(false);
        }
        let now_us = self.clock.now_ns() / 1_000;
        let mut failures = Failures::default();
        let mut run = Run::default();
        let acks = std::mem::take(&mut self.acks);
        for ack in &acks {
            // An acknowledgement for a slot that is gone counts for nothing: its record was handed back.
            let Some(slot) = self.slots.by_id(ack.tag.slot()) else { continue };
            if let Err(why) = ack.result {
                failures.note(slot, ack.tag, why);
                continue;
            }
            let Some(acknowledged) = slot.watermark.acknowledge(ack.tag.sequence()) else { continue };
            // Nobody waits for a copy.
            if !ack.tag.is_copy() {
                run.add(&acknowledged, now_us, &mut self.times);
            }
            match acknowledged.finished {
                Some(fate) if D::ATOMIC => self.transaction.finished(fate),
                Some(fate) => count(&self.stats, fate, 1),
                None => {}
            }
        }
        run.end(&mut self.times);
        self.acks = acks;
        self.acks.clear();
        failpoint::pass(Point::AfterAck);
        self.answer_failures(&failures)?;
        Ok(true)
    }

    /// Starts a commit when it is time, or at once when somebody waits for it; one at a time.
    pub(super) fn commit_if_due(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if let Some(started_ns) = self.commits.started_ns {
            if now_ns.saturating_sub(started_ns) < self.commits.timeout_ns {
                return Ok(());
            }
            return Err(Fatal::new(
                exit::UNAVAILABLE,
                format!("no answer to a commit for {:?}", self.limits.commit_timeout),
                "the group's coordinator does not answer: check the brokers; what was not committed is scored again",
            ));
        }
        if now_ns < self.commits.next_ns && self.revoke.is_none() && !self.draining && !self.holds_outcomes() {
            return Ok(());
        }
        if D::ATOMIC && !self.is_ready_to_commit(now_ns) {
            return Ok(());
        }
        self.commits.next_ns = now_ns + self.commits.interval_ns;
        if !D::ATOMIC && !self.draining && self.revoke.is_none() {
            let wait = self.limits.commit_interval.saturating_sub(COPIES_LEAVE_BEFORE);
            self.sink.hold_copies(wait.min(COPIES_WAIT_MAX));
        }
        let progress = self.take_progress();
        if progress.is_empty() && !self.delivery.is_open() {
            return Ok(());
        }
        self.stats.commits.add(1);
        self.stats.doing.set(Doing::Committing);
        match self.delivery.commit(&mut self.source, &mut self.sink, &progress)? {
            Committing::Started => self.commits.started_ns = Some(now_ns),
            Committing::Done => self.transaction_committed(&progress),
            Committing::Refused(why) => self.transaction.fail(Broken::Refused(why)),
        }
        Ok(())
    }

    /// What is finished and not requested yet; it is requested from here on.
    fn take_progress(&mut self) -> Vec<Progress> {
        self.pass_markers();
        let mut progress = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.committable() > slot.requested) {
            slot.requested = slot.committable();
            progress.push(Progress { partition: slot.partition, offset: slot.requested });
        }
        progress.extend(failpoint::late_commits().map(|(partition, offset)| Progress { partition, offset }));
        progress
    }

    /// Moves idle partitions past what is no record: only when everything the source handed out is finished.
    pub(super) fn pass_markers(&mut self) {
        if self.stuck || !self.inbox.is_empty() {
            return;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.watermark.open() == 0) {
            let position = self.source.position(slot.partition).unwrap_or(-1).max(slot.goes_on_at);
            if position >= 0 {
                slot.pass_markers(position);
            }
        }
    }

    pub(super) fn committed(&mut self, partitions: &[i32], result: Result<(), CommitRefusal>) {
        self.commits.answered();
        if let Err(refusal) = result {
            self.stats.commit_failures.add(1);
            let now_ns = self.clock.now_ns();
            if let Some(times) = self.commits.failures.note(refusal.code, now_ns) {
                tracing::warn!(?partitions, code = refusal.code, times, "a commit failed: {refusal}");
            }
        }
        if result.is_ok() {
            self.stats.committed_ms.set(self.clock.now_ns() / 1_000_000);
            failpoint::pass(Point::AfterCommit);
        }
        for &partition in partitions {
            let Some(slot) = self.slots.by_partition(partition) else { continue };
            match result {
                Ok(()) => slot.confirmed = slot.requested,
                Err(_) => slot.requested = slot.confirmed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_that_go_on_failing_are_told_once_in_a_while_and_another_reason_at_once() {
        let mut failures = CommitFailures::default();
        let mut told = |code, ms: u64| failures.note(code, ms * 1_000_000);
        assert_eq!(told(27, 0), Some(1));
        assert_eq!((told(27, 100), told(27, 9_999)), (None, None));
        assert_eq!(told(27, 10_000), Some(3));
        assert_eq!(told(27, 10_100), None);
        assert_eq!(told(16, 10_200), Some(2), "another reason, and what was not told of the one before");
        assert_eq!(told(27, 10_300), Some(1));
    }
}
