//! Exactly-once delivery, the producer's side: when a transaction begins, how it ends, and when its producer has to be
//! replaced.
//!
//! The client repeats the request that ends a transaction by itself and does not return for it. The one that was thought
//! lost may arrive later and end a later transaction: commit what is to be aborted. (Brokers of KIP-890 refuse it; the
//! client does not speak that yet.) So a producer whose end was repeated, or may have been, or met trouble, is never used
//! again: its successor under the same name has a new epoch, and the broker refuses whatever comes of the old one.

use std::sync::Arc;
use std::time::Duration;

use crate::doors::{Clock, Progress, Source, TransactionError, Transactional};
use crate::error::{Fatal, exit};
use crate::failpoint::{Bug, planted};
use crate::lane::state::machine::Machine;
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::values::limits::{Limits, nanoseconds};
use crate::values::record::Ack;

/// How long an abort is waited for. A new producer aborts as well.
const ABORT_MAX: Duration = Duration::from_secs(5);

/// Between two tries of a step that the client wants asked again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Where the producer stands. `docs/design.md` draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing handed over since the last transaction.
    Idle,
    /// Outcomes belong to an open transaction.
    Open,
    /// The transaction can only be aborted.
    Failed,
    /// The transaction is over, as far as this producer can tell; another one must go on.
    Spent,
    /// The same, and whether the transaction was committed is for the group to say.
    InDoubt,
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Idle", "Open", "Failed", "Spent", "InDoubt"];
    const STEPS: &'static [(&'static str, &'static str)] = &[
        ("Idle", "Open"),
        ("Open", "Idle"),
        ("Open", "Failed"),
        ("Open", "Spent"),
        ("Open", "InDoubt"),
        ("Failed", "Idle"),
        ("Failed", "Spent"),
        ("Spent", "Idle"),
        ("InDoubt", "Idle"),
        ("InDoubt", "Spent"),
    ];

    fn name(&self) -> &'static str {
        match self {
            State::Idle => "Idle",
            State::Open => "Open",
            State::Failed => "Failed",
            State::Spent => "Spent",
            State::InDoubt => "InDoubt",
        }
    }
}

/// What a commit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The progress is durable.
    Committed,
    /// Nothing of it is (or nobody knows), for this reason; [`Producer::abort`] comes next.
    Refused(String),
}

/// The transactions of a sink, one after the other.
#[derive(Debug)]
pub(super) struct Producer<C> {
    clock: C,
    /// For a commit with its offsets, and for a new producer.
    timeout: Duration,
    state: State,
    stats: Arc<LaneStats>,
    /// What the sink said of outcomes while a transaction ended.
    heard: Vec<Ack>,
}

/// Steps of a transaction that came to an end.
struct Outcome {
    result: Result<(), TransactionError>,
    /// Something of it may still be under way.
    doubtful: bool,
}

impl<C: Clock> Producer<C> {
    /// For a sink that has been initialised and has no transaction open.
    pub(super) fn new(limits: &Limits, clock: C, stats: Arc<LaneStats>) -> Producer<C> {
        Producer { clock, timeout: limits.commit_timeout, state: State::Idle, stats, heard: Vec::new() }
    }

    /// Does one step after the other, each again as long as it wants to be and the time allows.
    fn end<S: Source, K: Transactional<S>>(
        &mut self,
        sink: &mut K,
        limit: Duration,
        steps: &mut [Step<'_, K>],
    ) -> Result<Outcome, Fatal> {
        let (mut result, mut repeated) = (Ok(()), false);
        self.heard.clear();
        // What was before is no trouble of this.
        sink.poll(Duration::ZERO, &mut self.heard)?;
        sink.take_trouble();
        let start_ns = self.clock.now_ns();
        let clock = &self.clock;
        let spent = || Duration::from_nanos(clock.now_ns().saturating_sub(start_ns));
        'steps: for step in steps {
            loop {
                result = step(sink, limit.saturating_sub(spent()));
                match &result {
                    Ok(()) => break,
                    Err(TransactionError::Retry(_)) if spent() < limit => {
                        repeated = true;
                        sink.poll(RETRY_AFTER, &mut self.heard)?;
                    }
                    Err(_) => break 'steps,
                }
            }
        }
        // What the client has to report of the time it took.
        sink.poll(Duration::ZERO, &mut self.heard)?;
        let doubtful = sink.take_trouble() || repeated || spent() >= sink.doubt_after();
        Ok(Outcome { result, doubtful: doubtful && !planted(Bug::ReuseAfterLostEnd) })
    }

    fn renew<S: Source, K: Transactional<S>>(&mut self, sink: &mut K) -> Result<(), Fatal> {
        self.stats.producers_replaced.add(1);
        tracing::warn!("a new producer takes the transactions over");
        let limit_ns = nanoseconds(self.timeout);
        let start_ns = self.clock.now_ns();
        loop {
            let left = limit_ns.saturating_sub(self.clock.now_ns().saturating_sub(start_ns));
            match sink.renew(Duration::from_nanos(left)) {
                Ok(()) => break,
                Err(TransactionError::Fenced(why)) => return Err(fenced(&why)),
                Err(TransactionError::Retry(_)) if left > 0 => sink.poll(RETRY_AFTER, &mut Vec::new())?,
                Err(error) => return Err(unavailable(&error)),
            }
        }
        self.state.go(State::Idle);
        Ok(())
    }

    /// Opens a transaction where none is: outcomes are about to be handed over.
    pub(super) fn begin<S: Source, K: Transactional<S>>(&mut self, sink: &mut K) -> Result<(), Fatal> {
        match self.state {
            State::Open | State::Failed => return Ok(()),
            State::Idle => {}
            State::Spent | State::InDoubt => self.renew::<S, K>(sink)?,
        }
        let begun = sink.begin().or_else(|error| {
            if let TransactionError::Fenced(why) = error {
                return Err(fenced(&why));
            }
            // Nothing is open and nothing in flight: a producer that cannot begin has broken since its last commit.
            self.renew::<S, K>(sink)?;
            sink.begin().map_err(|error| unavailable(&error))
        });
        begun.map(|()| self.state.go(State::Open))
    }

    /// The broker holds back offsets that a transaction has until it ends, and the one that a lost producer left open
    /// ends with its time-out, or with its successor. Until the name is taken over, offsets may still move.
    pub(super) fn before_offsets<S: Source, K: Transactional<S>>(&mut self, sink: &mut K) -> Result<(), Fatal> {
        self.stats.doing.set(Doing::Aborting);
        if matches!(self.state, State::Spent | State::InDoubt) {
            self.renew::<S, K>(sink)?;
        }
        Ok(())
    }

    /// Outcomes were handed over since the last commit.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Failed | State::InDoubt)
    }

    /// Makes `progress` durable, with every outcome below it, all of which have been acknowledged.
    pub(super) fn commit<S: Source, K: Transactional<S>>(
        &mut self,
        source: &mut S,
        sink: &mut K,
        progress: &[Progress],
    ) -> Result<Ended, Fatal> {
        self.begin::<S, K>(sink)?;
        let offsets = &mut |sink: &mut K, left: Duration| sink.send_offsets(source, progress, left);
        let commit = &mut |sink: &mut K, left: Duration| sink.commit(left);
        let outcome = self.end::<S, K>(sink, self.timeout, &mut [offsets, commit])?;
        let (state, ended) = match outcome.result {
            Ok(()) if outcome.doubtful => (State::Spent, Ended::Committed),
            Ok(()) => (State::Idle, Ended::Committed),
            Err(TransactionError::Fenced(why)) => return Err(fenced(&why)),
            Err(TransactionError::Abort(why)) if !outcome.doubtful => (State::Failed, Ended::Refused(why)),
            Err(TransactionError::Abort(why) | TransactionError::Renew(why) | TransactionError::Retry(why)) => {
                (State::InDoubt, Ended::Refused(why))
            }
        };
        self.state.go(state);
        Ok(ended)
    }

    /// Gives up everything since the last commit. Takes where each partition stood then, as far as the lane knows, and
    /// returns where it goes on.
    pub(super) fn abort<S: Source, K: Transactional<S>>(
        &mut self,
        source: &mut S,
        sink: &mut K,
        partitions: &[Progress],
    ) -> Result<Vec<Progress>, Fatal> {
        if matches!(self.state, State::Open | State::Failed) {
            let abort = &mut |sink: &mut K, left: Duration| sink.abort(left);
            let outcome = self.end::<S, K>(sink, ABORT_MAX.min(self.timeout), &mut [abort])?;
            self.state.go(match outcome.result {
                Ok(()) if !outcome.doubtful => State::Idle,
                Err(TransactionError::Fenced(why)) => return Err(fenced(&why)),
                _ => State::Spent,
            });
        }
        if partitions.is_empty() {
            // Nothing goes on from here; what does later begins with a new producer.
            if self.state == State::InDoubt {
                self.state.go(State::Spent);
            }
            return Ok(Vec::new());
        }
        self.before_offsets::<S, K>(sink)?;
        sink.committed(source, partitions)
    }

    /// Moves to `acks` what the sink said of outcomes while the last abort was under way.
    pub(super) fn hear(&mut self, acks: &mut Vec<Ack>) {
        acks.append(&mut self.heard);
    }
}

/// One of the steps that end a transaction, within the time that is left.
type Step<'a, K> = &'a mut dyn FnMut(&mut K, Duration) -> Result<(), TransactionError>;

fn fenced(why: &str) -> Fatal {
    Fatal::new(
        exit::DELIVERY,
        format!("another producer has taken this lane's transactions over: {why}"),
        "give each process of the group its own kafka.node; after a pause longer than limits.commit_timeout_ms a \
         restart is all it needs: what was not committed is scored again",
    )
}

fn unavailable(error: &TransactionError) -> Fatal {
    use TransactionError::{Abort, Fenced, Renew, Retry};
    let (Retry(why) | Abort(why) | Renew(why) | Fenced(why)) = error;
    Fatal::new(
        exit::UNAVAILABLE,
        format!("transactions cannot go on: {why}"),
        "check the brokers, and the access rights to the transactional ids; what was not committed is scored again",
    )
}
