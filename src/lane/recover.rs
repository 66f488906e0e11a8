//! What happens at a failed delivery: the partition goes back to its own progress, or with its whole transaction to where the
//! group stands, and receives its unfinished records again. What the broker refuses for good is another outcome then.

use crate::doors::{Progress, Sink, Source};
use crate::error::Fatal;
use crate::failpoint::{self, Bug, Point, planted};
use crate::lane::commit::Commit;
use crate::lane::deliver::{Failed, Refused, Resort, What};
use crate::lane::drive::Lane;
use crate::lane::ledger::{Restart, Restarted};
use crate::lane::types::{LaneTypes, RecordOf};
use crate::observe::doing::Doing;
use crate::values::record::{Hope, Position, Undelivered};

impl<T: LaneTypes> Lane<T> {
    /// Counts what the broker acknowledged, and answers what was not delivered. Returns whether the broker said anything.
    pub(super) fn settle(&mut self) -> Result<bool, Fatal> {
        let stats = &self.telemetry.stats;
        stats.doing.set(Doing::Acks);
        let (ledger, times, commit) = (&mut self.ledger, &mut self.telemetry.times, &mut self.commit);
        let finished = |fate| commit.finished(fate, stats);
        let Some(failures) = self.deliver.settle::<RecordOf<T>>(ledger, times, &self.clock, finished)? else {
            return Ok(false);
        };
        failpoint::pass(Point::AfterAck);
        self.learn_refusals(failures.refused);
        self.telemetry.stats.delivery_failures.add(failures.failed.len() as u64);
        for &failed in self.commit.undelivered(&failures.failed) {
            self.go_back(failed)?;
        }
        Ok(true)
    }

    /// All that was said of outcomes under way is heard before another joins them. Returns whether one may.
    pub(super) fn hears_of_suspects(&mut self) -> Result<bool, Fatal> {
        self.settle()?;
        self.deliver.stick(self.commit.is_broken());
        Ok(!self.deliver.is_stuck())
    }

    /// Gives up what cannot be committed: every partition goes back to where the group stands.
    pub(super) fn recover(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if !self.commit.is_broken() {
            return Ok(());
        }
        let mut heard = Vec::new();
        let (commit, round) = self.commit_round(now_ns);
        let restarts = commit.recover(round, &mut heard)?;
        // What the client still said of the old outcomes tells at most what the next ones are to leave out.
        let failures = self.deliver.hear(heard, &mut self.ledger);
        self.learn_refusals(failures.refused);
        for to in restarts {
            if let Some(restarted) = self.begin_anew(to.partition, Restart::AtCommitted(to)) {
                self.flow_again(&restarted)?;
            }
        }
        Ok(())
    }

    /// Goes back to the last progress of a partition: its unfinished records are received again.
    fn go_back(&mut self, Failed { partition, failure }: Failed) -> Result<(), Fatal> {
        let counts = failure.why.hope == Hope::Later;
        let Some(restarted) = self.begin_anew(partition, Restart::OwnProgress { counts }) else { return Ok(()) };
        let (offset, failures) = (restarted.to.offset, restarted.failures);
        tracing::warn!(partition, offset, failures, "the partition goes back: {failure}");
        if failures > self.limits.delivery_failures_max {
            return Err(failure.fatal(partition, failures, self.deliver.sink().complaint()));
        }
        self.flow_again(&restarted)
    }

    pub(super) fn begin_anew(&mut self, partition: i32, restart: Restart) -> Option<Restarted> {
        self.forget_unprocessed(partition);
        let committed = match restart {
            Restart::OwnProgress { .. } => self.ledger.of_partition(partition)?.last_commit(),
            Restart::AtCommitted(to) => to,
            // All that was learned of its records.
            Restart::Moved(_) => Progress { partition, offset: i64::MAX },
        };
        let refusals = self.deliver.refusals();
        refusals.forget_before(partition, committed.offset);
        // One that stopped before a record of which nothing is taken has records before it to do again, and stops there again.
        let stops_again = refusals.stops(partition);
        let restarted = self.ledger.restart(partition, restart, stops_again)?;
        self.deliver.forget_closed(&self.ledger);
        self.telemetry.stats.handed_back.add(restarted.handed_back);
        Some(restarted)
    }

    /// The source goes on where a partition begins anew.
    pub(super) fn flow_again(&mut self, restarted: &Restarted) -> Result<(), Fatal> {
        if !restarted.is_open {
            return Ok(());
        }
        self.telemetry.stats.doing.set(Doing::Consumer);
        if !planted(Bug::MissingSeek) {
            self.source.seek(restarted.to)?;
        }
        if restarted.was_paused && !self.ingest.is_paused() && !self.shutdown.is_stopping() {
            self.source.resume(&[restarted.to.partition])?;
        }
        Ok(())
    }

    fn learn_refusals(&mut self, mut refused: Vec<(Refused, Undelivered)>) {
        refused.retain(|(refused, why)| !self.group.control.is_refused(refused.at, why));
        if refused.is_empty() {
            return;
        }
        self.commit.understood();
        let outcomes: Vec<Refused> = refused.iter().map(|(refused, _)| *refused).collect();
        for Refused { at: Position { partition, offset }, what } in self.deliver.refusals().learn(&outcomes) {
            let why = refused.iter().find(|(refused, _)| refused.what == what).map(|(_, why)| why.to_string());
            let why = why.unwrap_or_default();
            let says = match (what, self.deliver.refusals().resort(Position { partition, offset })) {
                (What::Copy, _) => {
                    self.telemetry.stats.copies_refused.add(1);
                    "the broker refuses the copy for review: the output goes without"
                }
                (What::Output, _) => "the broker refuses the output: the record becomes a dead letter",
                (What::Letter, _) => "the broker refuses the letter: the record becomes a dead letter",
                (What::DeadLetter, Resort::Nothing) => {
                    "the broker refuses the stub: the partition stops before this record"
                }
                (What::DeadLetter, _) => "the broker refuses the dead letter: a stub is tried",
            };
            tracing::error!(partition, offset, why, "{says}");
        }
    }
}
