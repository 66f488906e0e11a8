//! Exactly-once delivery, the lane's side: outcomes are held back while a transaction closes, records count when it is
//! committed, and when it is given up every partition goes back to where the group stands.
//!
//! Invariants: a transaction commits only when nothing of it is in flight and no batch is half handed over, so that
//! per partition its outcomes are those of the records below the offset committed with them; after an abort no slot of
//! before is left, so that nothing received for it is handed over or counted again.

use crate::edge::{Clock, Delivery, Progress, Scorer, Sink, Source};
use crate::error::{Fatal, Reject, exit};
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::pipeline::commit::count;
use crate::pipeline::lane::Lane;
use crate::pipeline::rewind::NotTaken;
use crate::pipeline::slots::Phase;
use crate::pipeline::watermark::Fate;
use crate::record::Hope;

/// Why a transaction is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An outcome was not delivered.
    Delivery { partition: i32, failure: NotTaken },
    /// Producer or broker refused to go on with it.
    Refused(String),
    /// Partitions with outcomes in it are lost, or could not be drained.
    Left,
}

/// The transaction of a lane that delivers exactly once.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Acknowledged and not committed: they count with the commit.
    scored: u64,
    rejected: Box<[u64]>,
    /// Nothing more is handed over until it is committed.
    closing: bool,
    broken: Option<Broken>,
    /// Aborts since the last commit, and when the first one was.
    aborts: u32,
    aborting_since_ns: u64,
}

impl Transaction {
    /// A record's last outcome was acknowledged.
    pub(super) fn finished(&mut self, fate: Fate) {
        match fate {
            Fate::Scored => self.scored += 1,
            Fate::Rejected(reject) => {
                if self.rejected.is_empty() {
                    self.rejected = vec![0; Reject::REASONS].into_boxed_slice();
                }
                self.rejected[reject.index()] += 1;
            }
        }
    }

    /// Records that are acknowledged and not committed.
    pub(super) fn uncommitted(&self) -> u64 {
        self.scored + self.rejected.iter().sum::<u64>()
    }

    /// The broker's refusals were understood: the next transaction is another one.
    pub(super) fn is_another(&mut self) {
        self.aborts = 0;
    }

    /// The first reason stands.
    pub(super) fn fail(&mut self, why: Broken) {
        self.broken.get_or_insert(why);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn count(&mut self, stats: &LaneStats) {
        count(stats, Fate::Scored, std::mem::take(&mut self.scored));
        for (reject, records) in Reject::ALL.into_iter().zip(&mut self.rejected) {
            count(stats, Fate::Rejected(reject), std::mem::take(records));
        }
    }

    fn forget(&mut self) -> u64 {
        let forgotten = self.uncommitted();
        self.scored = 0;
        self.rejected.fill(0);
        self.closing = false;
        forgotten
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
    /// No further batch is handed over: the transaction is ending, one way or the other.
    pub(super) fn holds_outcomes(&self) -> bool {
        D::ATOMIC && (self.transaction.closing || self.transaction.is_broken())
    }

    /// Closes the transaction, which is due. Returns whether it can be committed now: everything of it is acknowledged.
    pub(super) fn is_ready_to_commit(&mut self, now_ns: u64) -> bool {
        if self.transaction.is_broken() {
            return false;
        }
        if !self.transaction.closing {
            self.pass_markers();
            let has_moved = self.slots.iter().any(|slot| slot.committable() > slot.requested);
            if !self.delivery.is_open() && !has_moved {
                self.commits.next_ns = now_ns + self.commits.interval_ns;
                return false;
            }
            self.transaction.closing = true;
        }
        if self.stuck || self.sink.in_flight() > 0 {
            return false;
        }
        self.transaction.closing = false;
        true
    }

    pub(super) fn transaction_committed(&mut self, progress: &[Progress]) {
        self.transaction.count(&self.stats);
        self.transaction.aborts = 0;
        let partitions: Vec<i32> = progress.iter().map(|to| to.partition).collect();
        self.committed(&partitions, Ok(()));
    }

    /// Gives up a transaction that cannot be committed: every partition goes back to the committed offset.
    pub(super) fn abort_if_broken(&mut self, now_ns: u64) -> Result<(), Fatal> {
        let Some(why) = self.transaction.broken.take() else { return Ok(()) };
        self.count_abort(&why, now_ns)?;
        let known: Vec<Progress> = self.slots.iter().map(|slot| slot.last_commit()).collect();
        self.stats.doing.set(Doing::Aborting);
        let resume = self.delivery.abort(&mut self.source, &mut self.sink, &known)?;
        // What the client still said of the old transaction tells at most what the next one is to leave out.
        self.delivery.hear(&mut self.acks);
        self.hear_refusals();
        self.acks.clear();
        self.stats.handed_back.add(self.transaction.forget());
        resume.into_iter().try_for_each(|to| self.go_back(to))
    }

    fn count_abort(&mut self, why: &Broken, now_ns: u64) -> Result<(), Fatal> {
        self.stats.commit_failures.add(1);
        match why {
            Broken::Left => {
                tracing::warn!("a transaction is aborted: partitions came or went");
                return Ok(());
            }
            // The next transaction is another one.
            Broken::Delivery { partition, failure } if failure.why.hope == Hope::Never => {
                tracing::warn!(partition, "the transaction is aborted: {failure}");
                return Ok(());
            }
            Broken::Delivery { .. } | Broken::Refused(_) => {}
        }
        let transaction = &mut self.transaction;
        if transaction.aborts == 0 {
            transaction.aborting_since_ns = now_ns;
        }
        let times = transaction.aborts + 1;
        let since_ns = now_ns.saturating_sub(transaction.aborting_since_ns);
        transaction.aborts = times;
        match why {
            Broken::Delivery { partition, failure } => {
                tracing::warn!(partition, times, "the transaction is aborted: {failure}");
                if times > self.limits.delivery_failures_max {
                    return Err(failure.fatal(*partition, times, self.sink.complaint()));
                }
            }
            Broken::Refused(why) => {
                tracing::warn!(why, times, "a transaction is aborted");
                if times > self.limits.delivery_failures_max && since_ns > self.commits.timeout_ns {
                    return Err(Fatal::new(
                        exit::UNAVAILABLE,
                        format!("no transaction was committed for {:?}: {why}", self.limits.commit_timeout),
                        "check the brokers, and the access rights to the transactional ids, the group and the topics",
                    ));
                }
            }
            Broken::Left => {}
        }
        Ok(())
    }

    /// A fresh start of a partition that is still ours.
    fn go_back(&mut self, to: Progress) -> Result<(), Fatal> {
        self.forget_unprocessed(to.partition);
        self.emit.refusals.forget_before(to.partition, to.offset);
        let Some(old) = self.slots.close(to.partition) else { return Ok(()) };
        self.stats.handed_back.add(old.watermark.open() as u64);
        let phase = self.phase_again(&old);
        if phase == Phase::Flowing {
            self.flow_again(to, &old)?;
        }
        let has_committed = old.confirmed >= 0 || to.offset != old.first_offset;
        let slot = self.slots.open(to);
        slot.phase = phase;
        slot.stop = old.stop.filter(|_| phase == Phase::Failed);
        slot.requested = if has_committed { to.offset } else { -1 };
        slot.confirmed = slot.requested;
        Ok(())
    }

    /// The lane leaves, in order or not: nothing is left open behind it.
    pub(super) fn give_up_transaction(&mut self) {
        if !self.delivery.is_open() {
            return;
        }
        self.stats.handed_back.add(self.transaction.forget());
        self.stats.doing.set(Doing::Aborting);
        if let Err(fatal) = self.delivery.abort(&mut self.source, &mut self.sink, &[]) {
            tracing::warn!("the open transaction is left to its time-out: {fatal}");
        }
    }
}
