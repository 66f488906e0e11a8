//! At-least-once delivery. When is an offset committed? When every outcome of every record below it is acknowledged, once
//! every `limits.commit_interval`, and at once where partitions are asked back or the lane stops. One commit is under way at
//! a time. After a failed delivery the partition goes back to its own progress, and its outcomes from there on may repeat.

use std::time::Duration;

use super::door::{Commit, Pace, Round, count};
use crate::doors::{CommitRefusal, Group, Progress, Sink, Source};
use crate::error::{Fatal, exit};
use crate::failpoint::{self, Point};
use crate::lane::deliver::Failed;
use crate::lane::ledger::Fate;
use crate::lane::state::machine::Machine;
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::values::limits::{COPIES_LEAVE_BEFORE, COPIES_WAIT_MAX, Limits, nanoseconds};

/// Commits that go on failing for the same reason are told once in so long.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// Where the lane's commit stands. `docs/design.md` draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// None is under way.
    Idle,
    /// The answer is awaited, since then.
    Asked { since_ns: u64 },
    /// Every partition is lost: what was asked means nothing any more, and may be answered when the brokers are back.
    Orphaned,
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Idle", "Asked", "Orphaned"];
    const STEPS: &'static [(&'static str, &'static str)] =
        &[("Idle", "Asked"), ("Asked", "Idle"), ("Asked", "Orphaned"), ("Orphaned", "Asked"), ("Orphaned", "Idle")];

    fn name(&self) -> &'static str {
        match self {
            State::Idle => "Idle",
            State::Asked { .. } => "Asked",
            State::Orphaned => "Orphaned",
        }
    }
}

/// Commits progress to the group as it comes.
#[derive(Debug)]
pub struct AtLeastOnce {
    state: State,
    pace: Pace,
    interval: Duration,
    failures: CommitFailures,
}

impl AtLeastOnce {
    pub fn new(limits: &Limits) -> AtLeastOnce {
        AtLeastOnce {
            state: State::Idle,
            pace: Pace::new(limits),
            interval: limits.commit_interval,
            failures: CommitFailures::default(),
        }
    }
}

impl<S: Source + Group, K: Sink<S::Record>> Commit<S, K> for AtLeastOnce {
    fn finished(&mut self, fate: Fate, stats: &LaneStats) {
        count(stats, fate, 1);
    }

    /// Each partition goes back by itself.
    fn undelivered<'a>(&mut self, failed: &'a [Failed]) -> &'a [Failed] {
        failed
    }

    fn commit_if_due(&mut self, mut round: Round<'_, S, K>) -> Result<(), Fatal> {
        match self.state {
            State::Orphaned => return Ok(()),
            State::Asked { since_ns } => {
                let waited_ns = round.now_ns.saturating_sub(since_ns);
                return if waited_ns < nanoseconds(self.pace.timeout) {
                    Ok(())
                } else {
                    Err(no_answer(self.pace.timeout))
                };
            }
            State::Idle => {}
        }
        if !self.pace.is_due(round.now_ns) && !round.is_awaited {
            return Ok(());
        }
        self.pace.restart(round.now_ns);
        if !round.is_awaited {
            let wait = self.interval.saturating_sub(COPIES_LEAVE_BEFORE);
            round.sink.hold_copies(wait.min(COPIES_WAIT_MAX));
        }
        round.pass_markers();
        let progress = round.ledger.take_progress();
        if progress.is_empty() {
            return Ok(());
        }
        round.stats.commits.add(1);
        round.stats.doing.set(Doing::Committing);
        round.source.commit(&progress)?;
        self.state.go(State::Asked { since_ns: round.now_ns });
        Ok(())
    }

    fn answered(&mut self, progress: &[Progress], result: Result<(), CommitRefusal>, round: Round<'_, S, K>) {
        if self.state != State::Idle {
            self.state.go(State::Idle);
        }
        let Round { ledger, stats, now_ns, .. } = round;
        match result {
            Ok(()) => {
                stats.committed_ms.set(now_ns / 1_000_000);
                failpoint::pass(Point::AfterCommit);
                ledger.confirm(progress);
            }
            Err(refusal) => {
                stats.commit_failures.add(1);
                if let Some(times) = self.failures.note(refusal.code, now_ns) {
                    let partitions: Vec<i32> = progress.iter().map(|to| to.partition).collect();
                    tracing::warn!(?partitions, code = refusal.code, times, "a commit failed: {refusal}");
                }
                ledger.refuse(progress);
            }
        }
    }

    /// There is something to commit again, after an answer that still has to come.
    fn is_awaited_from(&mut self, now_ns: u64) {
        if self.state != State::Idle {
            self.state.go(State::Asked { since_ns: now_ns });
        }
    }

    fn orphaned(&mut self) {
        if let State::Asked { .. } = self.state {
            self.state.go(State::Orphaned);
        }
    }

    fn withdraw(&mut self, sink: &mut K) -> bool {
        sink.purge();
        true
    }

    fn is_idle(&self) -> bool {
        self.state == State::Idle
    }
}

fn no_answer(timeout: Duration) -> Fatal {
    Fatal::new(
        exit::UNAVAILABLE,
        format!("no answer to a commit for {timeout:?}"),
        "the group's coordinator does not answer: check the brokers; what was not committed is scored again",
    )
}

/// What was told of commits that fail.
#[derive(Debug, Default)]
struct CommitFailures {
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
