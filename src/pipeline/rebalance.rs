//! What the group says, and how the lane answers: partitions come, are drained and committed before they go, or are
//! lost at once.

use std::time::Duration;

use crate::edge::{Clock, Delivery, Progress, Scorer, Sink, Source, SourceEvent};
use crate::error::Fatal;
use crate::failpoint::{self, Bug, Point};
use crate::observe::doing::Doing;
use crate::observe::stats::{LaneStats, held};
use crate::pipeline::lane::Lane;
use crate::pipeline::limits::nanoseconds;
use crate::pipeline::slots::Phase;
use crate::pipeline::transaction::Broken;

/// Partitions that the group waits for.
#[derive(Debug)]
pub struct Revoke {
    partitions: Vec<i32>,
    since_ns: u64,
    deadline_ns: u64,
}

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    pub(super) fn answer_events(&mut self, now_ns: u64) -> Result<(), Fatal> {
        while let Some(event) = self.source.next_event() {
            self.stats.doing.set(Doing::Consumer);
            match event {
                SourceEvent::Assigned(partitions) => self.assigned(&partitions, now_ns)?,
                SourceEvent::Revoked(partitions) => self.revoked(partitions, now_ns)?,
                SourceEvent::Lost(partitions) => self.lost(&partitions)?,
                SourceEvent::Committed { partitions, result } => self.committed(&partitions, result),
                SourceEvent::EndReached { partition, offset } => {
                    if let Some(slot) = self.slots.by_partition(partition) {
                        slot.end_reached = Some(offset);
                    }
                }
                SourceEvent::PartitionFailed { partition, stop } => self.cannot_read_on(partition, *stop)?,
            }
        }
        Ok(())
    }

    fn assigned(&mut self, partitions: &[i32], now_ns: u64) -> Result<(), Fatal> {
        self.stats.rebalances.add(1);
        if D::ATOMIC && !partitions.is_empty() {
            // Partitions that were lost just before took a transaction with them. One that is open would grow as old as the
            // wait for offsets that their last owner's holds back, if that stood still within its commit.
            if self.delivery.is_open() {
                self.transaction.fail(Broken::Left);
            }
            self.abort_if_broken(now_ns)?;
            if !self.delivery.is_open() {
                self.stats.doing.set(Doing::Aborting);
                self.delivery.before_offsets(&mut self.sink)?;
            }
        }
        if self.slots.is_empty() {
            self.commits.is_awaited_from(now_ns);
        }
        self.stats.doing.set(Doing::Consumer);
        for first in self.source.assign(partitions)? {
            self.slots.open(first);
        }
        // A member again: whatever of them is not ours now is another's.
        self.shown.lost.clear();
        self.stats.group_contact_ms.raise_to(now_ns / 1_000_000);
        if self.gate.is_paused() || self.draining {
            self.source.pause(partitions)?;
        }
        let (assigned, held) = (in_order(partitions), self.held());
        match (assigned.is_empty(), held.is_empty()) {
            (false, _) => tracing::info!(?assigned, ?held, "partitions assigned"),
            (true, false) => tracing::info!(?held, "the group was divided anew: this lane keeps what it holds"),
            (true, true) => tracing::info!(?held, "joined the group: no partitions assigned to this lane for now"),
        }
        self.stats.joined.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn revoked(&mut self, partitions: Vec<i32>, now_ns: u64) -> Result<(), Fatal> {
        self.stats.rebalances.add(1);
        let open: usize = self.slots.open_records();
        tracing::info!(asked_back = ?in_order(&partitions), held = ?self.held(), records_in_flight = open, "partitions asked back: they are drained and committed before they go");
        self.source.pause(&partitions)?;
        self.sink.hold_copies(Duration::ZERO);
        for &partition in &partitions {
            self.forget_unprocessed(partition);
            if let Some(slot) = self.slots.by_partition(partition) {
                slot.phase = Phase::Revoking;
            }
        }
        failpoint::pass(Point::InRevoke);
        let timeout_ns = nanoseconds(self.limits.revoke_timeout);
        let deadline_ns = now_ns.saturating_add(timeout_ns);
        self.revoke = Some(Revoke { partitions, since_ns: now_ns, deadline_ns });
        Ok(())
    }

    /// The partitions that are the lane's now, in order.
    fn held(&self) -> Vec<i32> {
        in_order(&self.slots.iter().map(|slot| slot.partition).collect::<Vec<i32>>())
    }

    /// Drops what was taken from the source and not yet sent: polled records, and those parked behind a schema.
    pub(super) fn forget_unprocessed(&mut self, partition: i32) {
        let forgot = self.inbox.forget(partition);
        let Some(slot) = self.slots.by_partition(partition) else { return };
        slot.forgot |= forgot;
        if let Some(sequence) = self.intake.drop_parked(slot.id) {
            slot.forgot = true;
            let abandoned = slot.watermark.abandon_from(sequence);
            count_handed_back(&self.stats, abandoned);
        }
    }

    /// Lets revoked partitions go when they are drained and committed, or when the group has waited long enough.
    pub(super) fn finish_revoke(&mut self, now_ns: u64) -> Result<(), Fatal> {
        let Some(revoke) = &self.revoke else { return Ok(()) };
        let settled = self.slots.iter().filter(|slot| slot.phase == Phase::Revoking).all(|slot| slot.is_settled());
        if !settled && now_ns < revoke.deadline_ns {
            return Ok(());
        }
        if !settled {
            tracing::warn!("partitions asked back were not drained in time: what is not finished is given up");
            if D::ATOMIC && self.delivery.is_open() {
                // It ends before they go: the next owner could not read on where it is open.
                self.transaction.fail(Broken::Left);
                self.abort_if_broken(now_ns)?;
            }
        }
        let Some(Revoke { partitions, since_ns, .. }) = self.revoke.take() else { return Ok(()) };
        self.stats.doing.set(Doing::Consumer);
        self.drop_slots(&partitions);
        self.source.release(&partitions)?;
        let took_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
        tracing::info!(given_back = ?in_order(&partitions), held = ?self.held(), took_ms, "partitions given back");
        if settled { Ok(()) } else { self.purge() }
    }

    fn lost(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.stats.rebalances.add(1);
        self.keep_showing(partitions);
        partitions.iter().for_each(|&partition| self.forget_unprocessed(partition));
        self.drop_slots(partitions);
        tracing::warn!(
            lost = ?in_order(partitions),
            held = ?self.held(),
            "partitions lost: this member's session was over, and another may own them already. What was not committed is \
             scored again there"
        );
        if self.slots.is_empty() {
            self.commits.may_take_long();
        }
        if let Some(revoke) = &mut self.revoke {
            revoke.partitions.retain(|partition| !partitions.contains(partition));
            if revoke.partitions.is_empty() {
                self.revoke = None;
            }
        }
        self.source.release(partitions)?;
        self.purge()
    }

    /// Whatever has not left the process must not: it would come after the outcomes of the next owner. Partitions
    /// that are still ours go back for theirs at once, before anything passes what was purged.
    fn purge(&mut self) -> Result<(), Fatal> {
        if D::ATOMIC {
            if self.delivery.is_open() {
                self.transaction.fail(Broken::Left);
            }
            return Ok(());
        }
        self.sink.purge();
        self.settle().map(drop)
    }

    fn drop_slots(&mut self, partitions: &[i32]) {
        for slot in partitions.iter().filter_map(|&partition| self.slots.close(partition)) {
            failpoint::commit_late(slot.partition, slot.confirmed);
            self.unfinished |= self.draining && !slot.is_settled();
            count_handed_back(&self.stats, slot.watermark.open());
            // It may be assigned anew when the topics take its outcomes again.
            self.emit.refusals.forget_before(slot.partition, i64::MAX);
        }
    }

    /// Stops the intake; duty cycles go on until [`Lane::is_drained`].
    pub fn start_drain(&mut self) -> Result<(), Fatal> {
        self.draining = true;
        self.stats.doing.set(Doing::Consumer);
        self.sink.hold_copies(Duration::ZERO);
        let partitions: Vec<i32> = self.slots.iter().map(|slot| slot.partition).collect();
        self.source.pause(&partitions)?;
        partitions.into_iter().for_each(|partition| self.forget_unprocessed(partition));
        Ok(())
    }

    /// Every record taken in has its outcome acknowledged, and the broker confirmed the commit.
    pub fn is_drained(&self) -> bool {
        let in_transaction = self.delivery.is_open() || self.transaction.is_broken();
        !self.stuck
            && !in_transaction
            && !self.commits.is_waiting()
            && self.revoke.is_none()
            && self.slots.iter().all(|s| s.is_settled())
    }

    /// Bounded runs: every assigned partition is finished and committed up to the end seen at start.
    pub fn is_at_end(&self) -> bool {
        let Some(until) = &self.until else { return false };
        self.inbox.is_empty()
            && self.slots.iter().all(|slot| {
                let end = usize::try_from(slot.partition).ok().and_then(|index| until.get(index)).copied().unwrap_or(0);
                // A failed partition has no end: the run says so by its exit code.
                slot.phase == Phase::Failed || slot.end_reached.is_some_and(|at| at >= end) && slot.is_settled()
            })
    }

    /// Leaves the group. Returns whether everything was handed over in order.
    pub fn close(&mut self, deadline: Duration) -> bool {
        let drained = self.is_drained() && !self.unfinished;
        let open: usize = self.slots.open_records();
        self.stats.handed_back.add(open as u64);
        self.give_up_transaction();
        let mut left_at: Vec<Progress> = self.slots.iter().map(|slot| slot.last_commit()).collect();
        left_at.sort_unstable_by_key(|at| at.partition);
        *held(&self.stats.left_at) = left_at;
        let partitions: Vec<i32> = self.slots.iter().map(|slot| slot.partition).collect();
        partitions.iter().for_each(|&partition| drop(self.slots.close(partition)));
        self.publish(self.clock.now_ns());
        self.stats.times.end(&mut self.times);
        self.stats.doing.set(Doing::Closing);
        let closed = self.source.close(deadline);
        self.stats.ended.store(true, std::sync::atomic::Ordering::Release);
        closed && drained
    }
}

fn in_order(partitions: &[i32]) -> Vec<i32> {
    let mut sorted = partitions.to_vec();
    sorted.sort_unstable();
    sorted
}

fn count_handed_back(stats: &LaneStats, records: usize) {
    let wrong = failpoint::planted(Bug::HandedBackAsScored);
    let counter = if wrong { &stats.scored } else { &stats.handed_back };
    counter.add(records as u64);
}
