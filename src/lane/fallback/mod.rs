//! What happens to records that the model gave no score, where the configuration says so: steps that are tried in order, and
//! an end that no record goes past. It runs on the lane's thread, wherever the model does: decisions go on while that hangs.
//!
//! A step is a number that travels with the decision: 0 is the model, n the nth step of the configuration. Outputs name it.

mod smaller;
mod stop_guard;

pub use self::smaller::Smaller;

pub(super) use self::stop_guard::StopGuard;

use crate::doors::{Clock, Scorer, SourceRecord};
use crate::error::Reject;
use crate::lane::policy::{DecisionPolicy, IdText};
use crate::lane::score::{Batch, Decided, Verdict};
use crate::observe::stats::FALLBACK_STEPS_MAX;
use crate::values::failure::{FailureClass, FailureClasses};
use crate::values::limits::{HOLD_ASKS_EVERY, nanoseconds};
use crate::values::settings::FallbackEnd;

/// The steps of a lane.
pub struct Ladder<M> {
    on: FailureClasses,
    packages: Vec<Smaller<M>>,
    end: FallbackEnd,
    /// Records of the batch that have no decision yet: their places, and why the model gave no score.
    left: Vec<(usize, Reject)>,
    /// The lane stands still until then, and asks again.
    held_until_ns: Option<u64>,
}

/// Whether a batch may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Climbed {
    Leaves,
    /// Some of it waits for the model, and so all of it does.
    Held,
    /// Nothing of it goes out: the model failed too often in a row, and nobody else decides.
    Broken,
}

impl<M: Scorer> Ladder<M> {
    /// `packages` stand before the `end`, [`FALLBACK_STEPS_MAX`] steps together.
    pub fn new(on: FailureClasses, packages: Vec<Smaller<M>>, end: FallbackEnd) -> Ladder<M> {
        assert!(packages.len() < FALLBACK_STEPS_MAX, "the configuration is checked");
        Ladder { on, packages, end, left: Vec::new(), held_until_ns: None }
    }

    /// Whether a record with this fate is one of its.
    pub(super) fn takes(&self, reject: Reject) -> bool {
        FailureClass::of(reject).is_some_and(|class| self.on.has(class))
    }

    /// A record of the batch has no score. Returns whether the ladder takes it.
    pub(super) fn take(&mut self, at: usize, reject: Reject) -> bool {
        let takes = self.takes(reject);
        if takes {
            self.left.push((at, reject));
        }
        takes
    }

    /// The lane stands still since its model gives no scores.
    pub(super) fn is_holding(&self) -> bool {
        self.held_until_ns.is_some()
    }

    /// Whether the model is to be asked again now.
    pub(super) fn asks_now(&self, now_ns: u64) -> bool {
        self.held_until_ns.is_some_and(|until_ns| now_ns >= until_ns)
    }

    /// Nothing is held any more.
    pub(super) fn let_go(&mut self) {
        self.held_until_ns = None;
    }

    /// Decides what was taken of a batch. `policy`: the model's own.
    pub(super) fn climb<R: SourceRecord>(
        &mut self,
        batch: &mut Batch<R>,
        (policy, id): (&DecisionPolicy, &mut IdText<'_>),
        stop: &mut StopGuard,
        clock: &impl Clock,
    ) -> Climbed {
        self.let_go();
        for (package, step) in self.packages.iter_mut().zip(1..) {
            if self.left.is_empty() {
                break;
            }
            package.decide(batch, &mut self.left, (step, id), clock);
        }
        let step = u8::try_from(self.packages.len() + 1).unwrap_or(u8::MAX);
        let mut climbed = Climbed::Leaves;
        match self.end {
            FallbackEnd::Score(score) => {
                for &(at, _) in &self.left {
                    let item = &mut batch.items[at];
                    let decided =
                        Decided { score, decision: policy.decide(score), review: None, fingerprint: None, step };
                    item.verdict = Verdict::Decided(policy.with_review(decided, item, batch.rows.scored_us, id));
                }
            }
            FallbackEnd::RetryLater => self.left.iter().for_each(|&(at, reject)| {
                batch.items[at].verdict = Verdict::Deferred(reject);
            }),
            FallbackEnd::Timeouts => self.reject(batch),
            FallbackEnd::Stop if stop.is_over(self.left.len()) => climbed = Climbed::Broken,
            FallbackEnd::Stop => self.reject(batch),
            FallbackEnd::Pause if self.left.is_empty() => {}
            FallbackEnd::Pause => {
                self.held_until_ns = Some(clock.now_ns() + nanoseconds(HOLD_ASKS_EVERY));
                climbed = Climbed::Held;
            }
        }
        self.left.clear();
        climbed
    }

    fn reject<R>(&self, batch: &mut Batch<R>) {
        for &(at, reject) in &self.left {
            batch.items[at].verdict = Verdict::Rejected(reject);
        }
    }
}
