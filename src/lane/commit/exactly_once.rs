//! Exactly-once delivery. When is an offset committed? In the transaction of the outcomes below it: outcomes are held back
//! while it closes, records count when it is committed, and when it is given up every partition goes back to where the group
//! stands.
//!
//! Invariants: a transaction commits only when nothing of it is in flight and no batch is half handed over, so that
//! per partition its outcomes are those of the records below the offset committed with them; after an abort no assignment of
//! before is left, so that nothing received for it is handed over or counted again.

use std::sync::Arc;

use super::door::{Commit, Pace, Round, count};
use super::producer::{Ended, Producer};
use crate::doors::{Clock, CommitRefusal, Progress, Source, Transactional};
use crate::error::{Fatal, Reject, exit};
use crate::failpoint::{self, Point};
use crate::lane::deliver::{Failed, NotTaken};
use crate::lane::ledger::Fate;
use crate::lane::state::machine::Machine;
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::values::limits::{Limits, nanoseconds};
use crate::values::record::{Ack, Hope};

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

/// Where the lane's transaction stands. `docs/design.md` draws it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Outcomes may join it.
    Open,
    /// Nothing more is handed over until it is committed.
    Closing,
    /// It is to be aborted, for this reason.
    Broken(Broken),
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Open", "Closing", "Broken"];
    const STEPS: &'static [(&'static str, &'static str)] =
        &[("Open", "Closing"), ("Closing", "Open"), ("Open", "Broken"), ("Closing", "Broken"), ("Broken", "Open")];

    fn name(&self) -> &'static str {
        match self {
            State::Open => "Open",
            State::Closing => "Closing",
            State::Broken(_) => "Broken",
        }
    }
}

/// Aborts since the last commit, and when the first one was.
#[derive(Clone, Copy, Debug, Default)]
struct Aborts {
    count: u32,
    since_ns: u64,
}

/// Outcomes and offsets in one transaction, of a sink that was made for it.
#[derive(Debug)]
pub struct ExactlyOnce<C> {
    state: State,
    producer: Producer<C>,
    acknowledged: Tally,
    aborts: Aborts,
    pace: Pace,
    failures_max: u32,
    clock: C,
}

impl<C: Clock + Clone> ExactlyOnce<C> {
    /// For a sink that has been initialised and has no transaction open.
    pub fn new(limits: &Limits, clock: C, stats: Arc<LaneStats>) -> ExactlyOnce<C> {
        ExactlyOnce {
            state: State::Open,
            producer: Producer::new(limits, clock.clone(), stats),
            acknowledged: Tally::default(),
            aborts: Aborts::default(),
            pace: Pace::new(limits),
            failures_max: limits.delivery_failures_max,
            clock,
        }
    }
}

impl<C: Clock> ExactlyOnce<C> {
    /// The first reason stands.
    fn fail(&mut self, why: Broken) {
        if !matches!(self.state, State::Broken(_)) {
            self.state.go(State::Broken(why));
        }
    }

    /// Closes the transaction, which is due. Returns whether it can be committed now: everything of it is acknowledged.
    fn is_ready<S: Source, K: Transactional<S>>(&mut self, round: &mut Round<'_, S, K>) -> bool {
        if self.state == State::Open {
            round.pass_markers();
            if !self.producer.is_open() && !round.ledger.has_progress() {
                self.pace.restart(round.now_ns);
                return false;
            }
            self.state.go(State::Closing);
        }
        round.is_handed_over && round.sink.in_flight() == 0
    }

    fn count_abort(&mut self, why: &Broken, now_ns: u64, complaint: Option<String>) -> Result<(), Fatal> {
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
        if self.aborts.count == 0 {
            self.aborts.since_ns = now_ns;
        }
        self.aborts.count += 1;
        let (times, timeout) = (self.aborts.count, self.pace.timeout);
        let since_ns = now_ns.saturating_sub(self.aborts.since_ns);
        match why {
            Broken::Delivery { partition, failure } => {
                tracing::warn!(partition, times, "the transaction is aborted: {failure}");
                if times > self.failures_max {
                    return Err(failure.fatal(*partition, times, complaint));
                }
            }
            Broken::Refused(why) => {
                tracing::warn!(why, times, "a transaction is aborted");
                if times > self.failures_max && since_ns > nanoseconds(timeout) {
                    return Err(Fatal::new(
                        exit::UNAVAILABLE,
                        format!("no transaction was committed for {timeout:?}: {why}"),
                        "check the brokers, and the access rights to the transactional ids, the group and the topics",
                    ));
                }
            }
            Broken::Left => {}
        }
        Ok(())
    }
}

impl<S: Source, K: Transactional<S>, C: Clock> Commit<S, K> for ExactlyOnce<C> {
    fn takes_outcomes(&self) -> bool {
        self.state == State::Open
    }

    fn begin(&mut self, sink: &mut K) -> Result<(), Fatal> {
        self.producer.begin::<S, K>(sink)
    }

    fn refused(&mut self) -> Result<(), Fatal> {
        self.fail(Broken::Refused("the producer takes no more outcomes".into()));
        Ok(())
    }

    fn finished(&mut self, fate: Fate, _: &LaneStats) {
        self.acknowledged.add(fate);
    }

    fn uncommitted(&self) -> u64 {
        self.acknowledged.total()
    }

    /// One costs the whole transaction; the one that tells most is its reason.
    fn undelivered<'a>(&mut self, failed: &'a [Failed]) -> &'a [Failed] {
        if let Some(&Failed { partition, failure }) = failed.iter().max_by_key(|failed| failed.failure.why.hope) {
            self.fail(Broken::Delivery { partition, failure });
        }
        &[]
    }

    fn understood(&mut self) {
        self.aborts.count = 0;
    }

    fn commit_if_due(&mut self, mut round: Round<'_, S, K>) -> Result<(), Fatal> {
        let is_due = self.pace.is_due(round.now_ns) || round.is_awaited || self.state == State::Closing;
        if !is_due || Commit::<S, K>::is_broken(self) || !self.is_ready(&mut round) {
            return Ok(());
        }
        self.pace.restart(round.now_ns);
        round.pass_markers();
        let progress = round.ledger.take_progress();
        if progress.is_empty() && !self.producer.is_open() {
            self.state.go(State::Open);
            return Ok(());
        }
        round.stats.commits.add(1);
        round.stats.doing.set(Doing::Committing);
        match self.producer.commit(round.source, round.sink, &progress)? {
            Ended::Committed => {
                self.state.go(State::Open);
                self.aborts.count = 0;
                self.acknowledged.count(round.stats);
                round.stats.committed_ms.set(self.clock.now_ns() / 1_000_000);
                failpoint::pass(Point::AfterCommit);
                round.ledger.confirm(&progress);
            }
            Ended::Refused(why) => self.fail(Broken::Refused(why)),
        }
        Ok(())
    }

    /// No commit of its own is under way at the source.
    fn answered(&mut self, _: &[Progress], _: Result<(), CommitRefusal>, _: Round<'_, S, K>) {}

    fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken(_))
    }

    fn recover(&mut self, round: Round<'_, S, K>, heard: &mut Vec<Ack>) -> Result<Vec<Progress>, Fatal> {
        let State::Broken(why) = self.state.clone() else { return Ok(Vec::new()) };
        round.stats.commit_failures.add(1);
        self.count_abort(&why, round.now_ns, round.sink.complaint())?;
        self.state.go(State::Open);
        round.stats.doing.set(Doing::Aborting);
        let restarts = self.producer.abort(round.source, round.sink, &round.ledger.last_commits())?;
        self.producer.hear(heard);
        round.stats.handed_back.add(self.acknowledged.forget());
        Ok(restarts)
    }

    /// One that is open would grow as old as the wait for offsets that the last owner of new partitions holds back, if that
    /// stood still within its commit; and the next owner could not read on where it is open.
    fn give_up(&mut self) {
        if self.producer.is_open() {
            self.fail(Broken::Left);
        }
    }

    fn before_offsets(&mut self, sink: &mut K) -> Result<(), Fatal> {
        if self.producer.is_open() { Ok(()) } else { self.producer.before_offsets::<S, K>(sink) }
    }

    fn withdraw(&mut self, _: &mut K) -> bool {
        Commit::<S, K>::give_up(self);
        false
    }

    fn is_idle(&self) -> bool {
        !self.producer.is_open() && !Commit::<S, K>::is_broken(self)
    }

    fn leave(&mut self, source: &mut S, sink: &mut K, stats: &LaneStats) {
        if !self.producer.is_open() {
            return;
        }
        stats.handed_back.add(self.acknowledged.forget());
        stats.doing.set(Doing::Aborting);
        if let Err(fatal) = self.producer.abort(source, sink, &[]) {
            tracing::warn!("the open transaction is left to its time-out: {fatal}");
        }
    }
}

/// Records that are acknowledged and not committed.
#[derive(Debug, Default)]
struct Tally {
    scored: u64,
    deferred: u64,
    rejected: Box<[u64]>,
}

impl Tally {
    fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Scored => self.scored += 1,
            Fate::Deferred => self.deferred += 1,
            Fate::Rejected(reject) => {
                if self.rejected.is_empty() {
                    self.rejected = vec![0; Reject::REASONS].into_boxed_slice();
                }
                self.rejected[reject.index()] += 1;
            }
        }
    }

    fn total(&self) -> u64 {
        self.scored + self.deferred + self.rejected.iter().sum::<u64>()
    }

    /// They are committed.
    fn count(&mut self, stats: &LaneStats) {
        count(stats, Fate::Scored, std::mem::take(&mut self.scored));
        count(stats, Fate::Deferred, std::mem::take(&mut self.deferred));
        for (reject, records) in Reject::ALL.into_iter().zip(&mut self.rejected) {
            count(stats, Fate::Rejected(reject), std::mem::take(records));
        }
    }

    /// They never will be. Returns how many they were.
    fn forget(&mut self) -> u64 {
        let forgotten = self.total();
        (self.scored, self.deferred) = (0, 0);
        self.rejected.fill(0);
        forgotten
    }
}
