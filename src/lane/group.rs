//! What the group says, and how the lane answers. At a revoke: partitions are drained and committed before they go, or when
//! the group has waited long enough. At a lost session: nothing of them is produced or committed any more, at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::doors::{Clock, Group, Sink, Source, SourceEvent};
use crate::error::Fatal;
use crate::failpoint::{self, Bug, Point};
use crate::lane::commit::Commit;
use crate::lane::drive::Lane;
use crate::lane::ledger::Flow;
use crate::lane::state::membership::State;
use crate::lane::types::LaneTypes;
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::values::limits::{KEEP_AWAKE_EVERY, nanoseconds};

impl<T: LaneTypes> Lane<T> {
    pub(super) fn answer_events(&mut self, now_ns: u64) -> Result<(), Fatal> {
        while let Some(event) = self.source.next_event() {
            self.telemetry.stats.doing.set(Doing::Consumer);
            match event {
                SourceEvent::Assigned(partitions) => self.assigned(&partitions, now_ns)?,
                SourceEvent::Revoked(partitions) => self.revoked(partitions, now_ns)?,
                SourceEvent::Lost(partitions) => self.lost(&partitions)?,
                SourceEvent::Committed { progress, result } => {
                    let now_ns = self.clock.now_ns();
                    let (commit, round) = self.commit_round(now_ns);
                    commit.answered(&progress, result, round);
                }
                SourceEvent::EndReached { partition, offset } => {
                    if let Some(mut assignment) = self.ledger.of_partition(partition) {
                        assignment.see_end(offset);
                    }
                }
                SourceEvent::PartitionFailed { partition, stop } => self.cannot_read_on(partition, *stop)?,
            }
        }
        Ok(())
    }

    fn assigned(&mut self, partitions: &[i32], now_ns: u64) -> Result<(), Fatal> {
        self.telemetry.stats.rebalances.add(1);
        if !partitions.is_empty() {
            // Partitions that were lost just before may have taken outcomes along.
            self.commit.give_up();
            self.recover(now_ns)?;
            self.commit.before_offsets(self.deliver.sink())?;
        }
        if self.ledger.is_empty() {
            self.commit.is_awaited_from(now_ns);
        }
        self.telemetry.stats.doing.set(Doing::Consumer);
        for first in self.source.assign(partitions)? {
            self.ledger.open(first);
        }
        self.telemetry.forget_lost();
        self.telemetry.stats.group_contact_ms.raise_to(now_ns / 1_000_000);
        if self.ingest.is_paused() || self.shutdown.is_stopping() {
            self.source.pause(partitions)?;
        }
        let (assigned, held) = (in_order(partitions), self.ledger.held());
        match (assigned.is_empty(), held.is_empty()) {
            (false, _) => tracing::info!(?assigned, ?held, "partitions assigned"),
            (true, false) => tracing::info!(?held, "the group was divided anew: this lane keeps what it holds"),
            (true, true) => tracing::info!(?held, "joined the group: no partitions assigned to this lane for now"),
        }
        self.telemetry.stats.joined.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn revoked(&mut self, partitions: Vec<i32>, now_ns: u64) -> Result<(), Fatal> {
        self.telemetry.stats.rebalances.add(1);
        tracing::info!(
            asked_back = ?in_order(&partitions),
            held = ?self.ledger.held(),
            records_in_flight = self.ledger.open_records(),
            "partitions asked back: they are drained and committed before they go"
        );
        self.source.pause(&partitions)?;
        self.deliver.sink().hold_copies(Duration::ZERO);
        for &partition in &partitions {
            self.forget_unprocessed(partition);
            if let Some(mut assignment) = self.ledger.of_partition(partition) {
                assignment.revoke();
            }
        }
        failpoint::pass(Point::InRevoke);
        let deadline_ns = now_ns.saturating_add(nanoseconds(self.limits.revoke_timeout));
        self.group.revoke(partitions, now_ns, deadline_ns);
        Ok(())
    }

    /// Lets revoked partitions go when they are drained and committed, or when the group has waited long enough.
    pub(super) fn finish_revoke(&mut self, now_ns: u64) -> Result<(), Fatal> {
        let &State::Revoking { since_ns, deadline_ns, .. } = self.group.state() else { return Ok(()) };
        let settled = self.ledger.is_settled(|flow| matches!(flow, Flow::Revoking));
        if !settled && now_ns < deadline_ns {
            return Ok(());
        }
        if !settled {
            tracing::warn!("partitions asked back were not drained in time: what is not finished is given up");
            // Before they go: the next owner could not read on where something of them is open.
            self.commit.give_up();
            self.recover(now_ns)?;
        }
        let partitions = self.group.give_back();
        self.telemetry.stats.doing.set(Doing::Consumer);
        self.close_assignments(&partitions);
        self.source.release(&partitions)?;
        let took_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
        let (given_back, held) = (in_order(&partitions), self.ledger.held());
        tracing::info!(?given_back, ?held, took_ms, "partitions given back");
        if settled { Ok(()) } else { self.withdraw() }
    }

    fn lost(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.telemetry.stats.rebalances.add(1);
        self.telemetry.keep_showing(partitions, &mut self.source);
        partitions.iter().for_each(|&partition| self.forget_unprocessed(partition));
        self.close_assignments(partitions);
        tracing::warn!(
            lost = ?in_order(partitions),
            held = ?self.ledger.held(),
            "partitions lost: this member's session was over, and another may own them already. What was not committed is \
             scored again there"
        );
        if self.ledger.is_empty() {
            self.commit.orphaned();
        }
        self.group.forget(partitions);
        self.source.release(partitions)?;
        self.withdraw()
    }

    /// Whatever has not left the process must not: it would come after the outcomes of the next owner. Partitions
    /// that are still ours go back for theirs at once, before anything passes what was withdrawn.
    fn withdraw(&mut self) -> Result<(), Fatal> {
        if self.commit.withdraw(self.deliver.sink()) {
            self.settle()?;
        }
        Ok(())
    }

    /// Drops what was taken from the source and not yet sent: polled records, and those parked behind a schema.
    pub(super) fn forget_unprocessed(&mut self, partition: i32) {
        let abandoned = self.ingest.forget(partition, &mut self.ledger);
        count_handed_back(&self.telemetry.stats, abandoned);
    }

    fn close_assignments(&mut self, partitions: &[i32]) {
        for &partition in partitions {
            let Some(closed) = self.ledger.close(partition) else { continue };
            self.shutdown.left(closed.is_settled());
            count_handed_back(&self.telemetry.stats, closed.open());
            // It may be assigned anew when the topics take its outcomes again.
            self.deliver.refusals().forget_before(partition, i64::MAX);
        }
        self.deliver.forget_closed(&self.ledger);
    }

    /// A rebalance waits for whoever hears of it last.
    pub(super) fn keep_awake(&mut self, now_ns: u64) {
        if self.group.is_wake_due(now_ns, nanoseconds(KEEP_AWAKE_EVERY)) {
            self.telemetry.stats.doing.set(Doing::Consumer);
            self.source.keep_awake();
        }
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
