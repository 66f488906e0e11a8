//! From what the model answered to a decision: is it a score, where does it fall, who looks at it, does it come too late.

use crate::avro::encode::OutcomeEncoder;
use crate::doors::{Clock, Scorer, SourceRecord};
use crate::error::Reject;
use crate::lane::fallback::{Climbed, Ladder, StopGuard};
use crate::lane::policy::{DecisionPolicy, IdText};
use crate::lane::score::{Batch, Decided, Verdict};
use crate::values::failure::FailureClass;
use crate::values::fingerprint::Fingerprinter;
use crate::values::record::score_of;

/// The stage between the model and the producer.
pub struct Decide<M> {
    policy: DecisionPolicy,
    /// Where outputs carry fingerprints.
    fingerprinter: Option<Fingerprinter>,
    /// Who decides where the model gives no score.
    ladder: Option<Ladder<M>>,
    stop: StopGuard,
    /// The text of a transaction's id.
    id: Vec<u8>,
}

impl<M: Scorer> Decide<M> {
    /// Ends the process after so many failures in a row that nobody else decides on.
    pub fn new(policy: DecisionPolicy, fingerprinter: Option<Fingerprinter>, failures_max: u32) -> Decide<M> {
        let (stop, id) = (StopGuard::new(failures_max), Vec::with_capacity(256));
        Decide { policy, fingerprinter, ladder: None, stop, id }
    }

    pub(super) fn fall_back(&mut self, ladder: Ladder<M>) {
        self.ladder = Some(ladder);
    }

    /// The lane stands still since its model gives no scores.
    pub(super) fn is_holding(&self) -> bool {
        self.ladder.as_ref().is_some_and(Ladder::is_holding)
    }

    /// Whether the model is to be asked again now.
    pub(super) fn asks_now(&self, now_ns: u64) -> bool {
        self.ladder.as_ref().is_some_and(|ladder| ladder.asks_now(now_ns))
    }

    /// The batch that was held may go.
    pub(super) fn let_go(&mut self) {
        if let Some(ladder) = &mut self.ladder {
            ladder.let_go();
        }
    }

    /// Whether late records do not go to the model.
    pub(super) fn sheds(&self) -> bool {
        self.policy.sheds()
    }

    /// Takes late records out of the rows of a batch that is about to go to the model.
    pub(super) fn shed<R: SourceRecord>(&self, batch: &mut Batch<R>, now_us: i64) {
        let mut kept = 0;
        for item in &mut batch.items {
            let Verdict::Row(row) = item.verdict else { continue };
            if self.policy.is_late(item.record.timestamp_ms(), item.receipt.us, now_us) {
                item.late = true;
                item.verdict = Verdict::Rejected(Reject::Late);
            } else {
                batch.rows.features.copy_row(row, kept);
                item.verdict = Verdict::Row(kept);
                kept += 1;
            }
        }
        batch.rows.filled = kept;
    }

    /// Turns each row of a batch that is back from the model into a decision, a reject or what the fallback makes of it.
    pub(super) fn batch<R: SourceRecord>(
        &mut self,
        batch: &mut Batch<R>,
        encoder: &OutcomeEncoder,
        clock: &impl Clock,
    ) -> Climbed {
        let (rows, policy, fingerprinter) = (&batch.rows, &self.policy, self.fingerprinter.as_ref());
        let mut id = IdText { encoder, text: &mut self.id };
        let mut has_scored = false;
        for (at, item) in batch.items.iter_mut().enumerate() {
            item.late = policy.is_late(item.record.timestamp_ms(), item.receipt.us, rows.started_us);
            let reject = match item.verdict {
                Verdict::Row(row) => {
                    let failure = rows.failure_of(row).map(FailureClass::reject);
                    match failure.map_or_else(|| score_of(rows.scores[row]), Err) {
                        Ok(score) => {
                            let fingerprint = fingerprinter.map(|maker| maker.of(rows.features.row(row)));
                            let decision = policy.decide(score);
                            let decided = Decided { score, decision, review: None, fingerprint, step: 0 };
                            let decided = policy.with_review(decided, item, rows.scored_us, &mut id);
                            item.verdict = Verdict::Decided(decided);
                            has_scored = true;
                            continue;
                        }
                        Err(reject) => reject,
                    }
                }
                Verdict::Rejected(Reject::Late) => Reject::Late,
                _ => continue,
            };
            if !self.ladder.as_mut().is_some_and(|ladder| ladder.take(at, reject)) {
                item.verdict = Verdict::Rejected(reject);
            }
        }
        if has_scored {
            self.stop.scored();
        }
        let has_timed_out = rows.given_up.is_some() && rows.calls.failed > 0;
        if has_timed_out && !self.is_taken(FailureClass::TimedOut) && self.stop.is_over(1) {
            return Climbed::Broken;
        }
        let mut id = IdText { encoder, text: &mut self.id };
        match &mut self.ladder {
            Some(ladder) => ladder.climb(batch, (&self.policy, &mut id), &mut self.stop, clock),
            None => Climbed::Leaves,
        }
    }

    fn is_taken(&self, class: FailureClass) -> bool {
        self.ladder.as_ref().is_some_and(|ladder| ladder.takes(class.reject()))
    }
}
