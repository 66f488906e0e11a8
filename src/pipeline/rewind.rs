//! Outcomes that were not delivered: their partitions go back to the last progress, and what the broker refuses for good is
//! another outcome the next time.

use std::fmt;

use crate::edge::{Clock, Delivery, Progress, Scorer, Sink, Source};
use crate::error::{Fatal, exit};
use crate::failpoint::{Bug, planted};
use crate::observe::doing::Doing;
use crate::pipeline::lane::Lane;
use crate::pipeline::refusals::{Refused, Resort, What};
use crate::pipeline::slots::{Phase, Slot, Waiting};
use crate::pipeline::transaction::Broken;
use crate::pipeline::watermark::Fate;
use crate::record::{Hope, Position, Tag, Undelivered};

/// What to do where the brokers do not take outcomes.
const FIX: &str = "check the output, review, dead-letter and time-out topics: that they are there, the right WRITE on them, and \
                   max.message.bytes against limits.outcome_bytes_max";

/// An outcome that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken {
    pub(super) what: What,
    pub(super) why: Undelivered,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not taken: {}", self.what, self.why)
    }
}

impl NotTaken {
    /// The last of so many in a row. Where the client gave outcomes back that nobody refused, its `complaint` says why.
    pub(super) fn fatal(&self, partition: i32, times: u32, complaint: Option<String>) -> Fatal {
        let NotTaken { what, why } = self;
        let mut what = format!("partition {partition}: {what} was not taken {times} times in a row: {why}");
        if let Some(complaint) = complaint.filter(|_| why.hope == Hope::Beside) {
            what = format!("{what}: {complaint}");
        }
        Fatal::new(exit::DELIVERY, what, FIX)
    }
}

/// What the broker did not take, as of one look.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The failure of each slot that tells most.
    of_slots: Vec<(u32, NotTaken)>,
    refused: Vec<(Refused, Undelivered)>,
}

impl Failures {
    pub(super) fn note(&mut self, slot: &Slot, tag: Tag, why: Undelivered) {
        let Some((offset, fate)) = slot.watermark.sent_for(tag.sequence()) else { return };
        let what = match fate {
            _ if tag.is_copy() => What::Copy,
            Fate::Scored => What::Output,
            Fate::Rejected(_) => What::DeadLetter,
        };
        let not_taken = NotTaken { what, why };
        match self.of_slots.iter_mut().find(|(id, _)| *id == slot.id) {
            Some((_, known)) if known.why.hope < why.hope => *known = not_taken,
            Some(_) => {}
            None => self.of_slots.push((slot.id, not_taken)),
        }
        if why.hope == Hope::Never {
            self.refused.push((Refused { at: Position { partition: slot.partition, offset }, what }, why));
        }
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
    pub(super) fn answer_failures(&mut self, failures: &Failures) -> Result<(), Fatal> {
        if !failures.refused.is_empty() {
            self.learn_refusals(&failures.refused);
        }
        self.stats.delivery_failures.add(failures.of_slots.len() as u64);
        if !D::ATOMIC {
            return failures.of_slots.iter().try_for_each(|&(id, failure)| self.rewind(id, failure));
        }
        if let Some(&(id, failure)) = failures.of_slots.iter().max_by_key(|(_, failure)| failure.why.hope)
            && let Some(slot) = self.slots.by_id(id)
        {
            self.transaction.fail(Broken::Delivery { partition: slot.partition, failure });
        }
        Ok(())
    }

    /// Of the acknowledgements that came too late for anything else.
    pub(super) fn hear_refusals(&mut self) {
        let mut failures = Failures::default();
        for ack in &self.acks {
            if let (Err(why), Some(slot)) = (ack.result, self.slots.by_id(ack.tag.slot())) {
                failures.note(slot, ack.tag, why);
            }
        }
        if !failures.refused.is_empty() {
            self.learn_refusals(&failures.refused);
        }
    }

    /// All that was said of outcomes under way is heard before another joins them. Returns whether one may.
    pub(super) fn hears_of_suspects(&mut self) -> Result<bool, Fatal> {
        self.settle()?;
        self.stuck = self.transaction.is_broken();
        Ok(!self.stuck)
    }

    fn learn_refusals(&mut self, refused: &[(Refused, Undelivered)]) {
        self.transaction.is_another();
        let outcomes: Vec<Refused> = refused.iter().map(|(refused, _)| *refused).collect();
        for Refused { at: Position { partition, offset }, what } in self.emit.refusals.learn(&outcomes) {
            let why = refused.iter().find(|(refused, _)| refused.what == what).map(|(_, why)| why.to_string());
            let why = why.unwrap_or_default();
            match (what, self.emit.refusals.resort(Position { partition, offset })) {
                (What::Copy, _) => {
                    self.stats.copies_refused.add(1);
                    tracing::error!(
                        partition,
                        offset,
                        why,
                        "the broker refuses the copy for review: the output goes without"
                    );
                }
                (What::Output, _) => {
                    tracing::error!(
                        partition,
                        offset,
                        why,
                        "the broker refuses the output: the record becomes a dead letter"
                    );
                }
                (What::DeadLetter, Resort::Nothing) => {
                    tracing::error!(
                        partition,
                        offset,
                        why,
                        "the broker refuses the stub: the partition stops before this record"
                    );
                }
                (What::DeadLetter, _) => {
                    tracing::error!(partition, offset, why, "the broker refuses the dead letter: a stub is tried");
                }
            }
        }
    }

    /// Goes back to the last progress of a partition: its unfinished records are received again.
    fn rewind(&mut self, id: u32, failure: NotTaken) -> Result<(), Fatal> {
        let Some(partition) = self.slots.by_id(id).map(|slot| slot.partition) else { return Ok(()) };
        self.forget_unprocessed(partition);
        let Some(old) = self.slots.close(partition) else { return Ok(()) };
        self.stats.handed_back.add(old.watermark.open() as u64);
        self.emit.refusals.forget_before(partition, old.last_commit().offset);
        let failures = match failure.why.hope {
            Hope::Later => old.failures_with_this_one(),
            Hope::Beside | Hope::Never => old.failures,
        };
        let mut to = Progress { partition, offset: old.watermark.committable() };
        tracing::warn!(partition, offset = to.offset, failures, "the partition goes back: {failure}");
        if failures > self.limits.delivery_failures_max {
            return Err(failure.fatal(partition, failures, self.sink.complaint()));
        }
        let phase = self.phase_again(&old);
        if phase == Phase::Flowing {
            let resume = self.delivery.abort(&mut self.source, &mut self.sink, &[to])?;
            to = resume.into_iter().find(|at| at.partition == partition).unwrap_or(to);
            self.flow_again(to, &old)?;
        }
        let slot = self.slots.open(to);
        slot.phase = phase;
        slot.stop = old.stop.filter(|_| phase == Phase::Failed);
        slot.failures = failures;
        slot.requested = old.requested;
        slot.confirmed = old.confirmed;
        Ok(())
    }

    /// The phase of a partition that goes back. One that stopped before a record of which nothing is taken has records before
    /// it to do again, and stops there again.
    pub(super) fn phase_again(&self, old: &Slot) -> Phase {
        let stopped = old.phase == Phase::Failed && self.emit.refusals.stops(old.partition);
        if stopped { Phase::Flowing } else { old.phase }
    }

    /// The source goes on at `to`.
    pub(super) fn flow_again(&mut self, to: Progress, old: &Slot) -> Result<(), Fatal> {
        self.stats.doing.set(Doing::Consumer);
        if !planted(Bug::MissingSeek) {
            self.source.seek(to)?;
        }
        let was_paused = old.waiting == Waiting::Paused || old.phase == Phase::Failed;
        if was_paused && !self.gate.is_paused() && !self.draining {
            self.source.resume(&[to.partition])?;
        }
        Ok(())
    }
}
