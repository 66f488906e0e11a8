//! What happens at a stop: nothing more is taken in, what was is finished and committed, and the lane leaves its group.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::doors::{Clock, Group, Sink, Source};
use crate::error::{Fatal, exit};
use crate::lane::commit::Commit;
use crate::lane::drive::Lane;
use crate::lane::types::LaneTypes;
use crate::observe::doing::Doing;
use crate::observe::stats::held;
use crate::values::limits::nanoseconds;

impl<T: LaneTypes> Lane<T> {
    /// Duty cycles until told to stop, then the drain. Returns whether everything was finished and committed.
    ///
    /// # Errors
    /// Why the lane cannot go on.
    pub fn run(&mut self, stop: &AtomicBool, drain_timeout: Duration) -> Result<bool, Fatal> {
        while !stop.load(Ordering::Acquire) {
            self.duty_cycle()?;
        }
        let (start_ns, limit_ns) = (self.clock.now_ns(), nanoseconds(drain_timeout));
        self.start_drain()?;
        let mut left = drain_timeout;
        while !self.is_drained() && self.clock.now_ns().saturating_sub(start_ns) < limit_ns {
            match self.duty_cycle() {
                Ok(()) => {
                    let spent_ns = self.clock.now_ns().saturating_sub(start_ns);
                    left = Duration::from_nanos(limit_ns.saturating_sub(spent_ns));
                }
                Err(fatal) if fatal.code == exit::UNAVAILABLE => {
                    // Nothing can be finished without the brokers: this drain will not end, and that is its word for it.
                    tracing::warn!("the drain is given up: {fatal}");
                    left = Duration::ZERO;
                    break;
                }
                Err(fatal) => return Err(fatal),
            }
        }
        Ok(self.close(left.max(Duration::from_secs(1))))
    }

    /// Stops the intake; duty cycles go on until [`Lane::is_drained`].
    ///
    /// # Errors
    /// When the source cannot be paused.
    pub fn start_drain(&mut self) -> Result<(), Fatal> {
        self.shutdown.drain();
        self.telemetry.stats.doing.set(Doing::Consumer);
        self.deliver.sink().hold_copies(Duration::ZERO);
        let partitions = self.ledger.partitions(|_| true);
        self.source.pause(&partitions)?;
        partitions.into_iter().for_each(|partition| self.forget_unprocessed(partition));
        Ok(())
    }

    /// Every record taken in has its outcome acknowledged, and the broker confirmed the commit.
    pub fn is_drained(&self) -> bool {
        !self.deliver.is_stuck()
            && self.commit.is_idle()
            && !self.group.is_revoking()
            && self.ledger.is_settled(|_| true)
    }

    /// Bounded runs: every assigned partition is finished and committed up to the end seen at start.
    pub fn is_at_end(&self) -> bool {
        self.shutdown.until().is_some_and(|until| self.ingest.is_taken_in() && self.ledger.is_at_end(until))
    }

    /// Leaves the group. Returns whether everything was handed over in order.
    pub fn close(&mut self, deadline: Duration) -> bool {
        let drained = self.is_drained();
        let finished = self.shutdown.close();
        self.group.leave();
        let stats = &self.telemetry.stats;
        stats.handed_back.add(self.ledger.open_records() as u64);
        self.commit.leave(&mut self.source, self.deliver.sink(), stats);
        let mut left_at = self.ledger.last_commits();
        left_at.sort_unstable_by_key(|at| at.partition);
        *held(&stats.left_at) = left_at;
        self.ledger.clear();
        self.publish(self.clock.now_ns());
        let stats = &self.telemetry.stats;
        stats.times.end(&mut self.telemetry.times);
        stats.doing.set(Doing::Closing);
        let closed = self.source.close(deadline);
        stats.ended.store(true, Ordering::Release);
        closed && drained && finished
    }
}
