//! What the lane asks of its commits, whichever of the two it is.

use std::time::Duration;

use crate::doors::{CommitRefusal, Progress, Sink, Source};
use crate::error::{Fatal, exit};
use crate::lane::deliver::Failed;
use crate::lane::ledger::{Fate, Ledger};
use crate::observe::stats::LaneStats;
use crate::values::limits::{Limits, nanoseconds};
use crate::values::record::Ack;

/// What a commit is made with.
pub struct Round<'a, S, K> {
    pub source: &'a mut S,
    pub sink: &'a mut K,
    pub ledger: &'a mut Ledger,
    pub stats: &'a LaneStats,
    pub now_ns: u64,
    /// Somebody waits for it: partitions are asked back, or the lane stops.
    pub is_awaited: bool,
    /// No batch is half handed over.
    pub is_handed_over: bool,
    /// Nothing that was polled waits to be taken in.
    pub is_taken_in: bool,
}

impl<S: Source, K> Round<'_, S, K> {
    /// Moves idle partitions past what is no record: only when everything the source handed out is in the ledger.
    pub(super) fn pass_markers(&mut self) {
        if self.is_handed_over && self.is_taken_in {
            self.ledger.pass_markers(|partition| self.source.position(partition));
        }
    }
}

/// How outcomes and progress become durable together. What is given here is right where outcomes are durable by themselves.
pub trait Commit<S: Source, K: Sink<S::Record>> {
    /// Whether another batch may be handed over.
    fn takes_outcomes(&self) -> bool {
        true
    }

    /// A batch is about to be handed over.
    ///
    /// # Errors
    /// When outcomes can never be handed over again.
    fn begin(&mut self, _sink: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    /// The sink takes no more of the outcomes that belong to the next commit ([`crate::doors::SendError::Aborted`]).
    ///
    /// # Errors
    /// Where no sink may say so.
    fn refused(&mut self) -> Result<(), Fatal> {
        let what = "a producer without transactions says that its transaction is over";
        Err(Fatal::new(exit::INTERNAL, what, "this is a bug: please report it"))
    }

    /// The last outcome of a record was acknowledged.
    fn finished(&mut self, fate: Fate, stats: &LaneStats);

    /// Records whose outcomes are acknowledged, and which count with the next commit only.
    fn uncommitted(&self) -> u64 {
        0
    }

    /// Outcomes of these partitions were not delivered. Returns those that go back to their own progress now.
    fn undelivered<'a>(&mut self, failed: &'a [Failed]) -> &'a [Failed];

    /// What the broker refuses for good was understood: the next outcomes are others.
    fn understood(&mut self) {}

    /// Starts a commit when it is time, or at once when somebody waits for it; one at a time.
    ///
    /// # Errors
    /// When the brokers do not answer in time, or nothing can be committed any more.
    fn commit_if_due(&mut self, round: Round<'_, S, K>) -> Result<(), Fatal>;

    /// The broker's word on a commit of this progress.
    fn answered(&mut self, progress: &[Progress], result: Result<(), CommitRefusal>, round: Round<'_, S, K>);

    /// What was handed over since the last commit can only be given up.
    fn is_broken(&self) -> bool {
        false
    }

    /// Gives that up. Returns where each partition goes on; appends to `heard` what the sink said of outcomes meanwhile.
    ///
    /// # Errors
    /// When nothing was committed too often or for too long.
    fn recover(&mut self, _round: Round<'_, S, K>, _heard: &mut Vec<Ack>) -> Result<Vec<Progress>, Fatal> {
        Ok(Vec::new())
    }

    /// Outcomes handed over since the last commit are to be given up, because partitions come or go: the next
    /// [`Commit::recover`] does so.
    fn give_up(&mut self) {}

    /// Partitions are about to come, and their offsets about to be read: what an earlier commit may still have under way must
    /// not hold them back, or move them afterwards.
    ///
    /// # Errors
    /// When that is not to be had.
    fn before_offsets(&mut self, _sink: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    /// The first partitions have come.
    fn is_awaited_from(&mut self, _now_ns: u64) {}

    /// The last partitions are lost.
    fn orphaned(&mut self) {}

    /// Partitions are lost: whatever has not left the process must not. It would come after the outcomes of the next owner.
    /// Returns whether the sink has something to say of it at once.
    fn withdraw(&mut self, sink: &mut K) -> bool;

    /// Nothing is asked, open or to be given up.
    fn is_idle(&self) -> bool;

    /// The lane leaves, in order or not: nothing is left open behind it.
    fn leave(&mut self, _source: &mut S, _sink: &mut K, _stats: &LaneStats) {}
}

/// When to commit next.
#[derive(Debug)]
pub(super) struct Pace {
    interval_ns: u64,
    pub(super) timeout: Duration,
    next_ns: u64,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Pace {
        Pace { interval_ns: nanoseconds(limits.commit_interval), timeout: limits.commit_timeout, next_ns: 0 }
    }

    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_ns
    }

    pub(super) fn restart(&mut self, now_ns: u64) {
        self.next_ns = now_ns + self.interval_ns;
    }
}

/// Records that have come to their end.
pub(super) fn count(stats: &LaneStats, fate: Fate, records: u64) {
    match fate {
        Fate::Scored => stats.scored.add(records),
        Fate::Rejected(reject) => stats.rejected[reject.index()].add(records),
        Fate::Deferred => stats.deferred.add(records),
    }
}
