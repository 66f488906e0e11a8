//! A package that decides where the model does not: on the lane's thread, with a decoder and a session of its own.

use crate::avro::wire::SCHEMA_ID_HEADER;
use crate::doors::{Clock, Scorer, SourceRecord};
use crate::error::Reject;
use crate::lane::policy::{DecisionPolicy, IdText};
use crate::lane::score::{Batch, Decided, Verdict};
use crate::lane::scoring::{Answer, Given, Scoring};
use crate::values::fingerprint::Fingerprinter;

/// A package of the fallback.
pub struct Smaller<M> {
    scoring: Scoring<M>,
    /// By its own thresholds.
    policy: DecisionPolicy,
    fingerprinter: Option<Fingerprinter>,
    answers: Vec<Answer>,
}

impl<M: Scorer> Smaller<M> {
    pub fn new(scoring: Scoring<M>, policy: DecisionPolicy, fingerprinter: Option<Fingerprinter>) -> Smaller<M> {
        Smaller { scoring, policy, fingerprinter, answers: Vec::new() }
    }

    /// Decides what it can of the records in `left`, and takes them out of there.
    pub(super) fn decide<R: SourceRecord>(
        &mut self,
        batch: &mut Batch<R>,
        left: &mut Vec<(usize, Reject)>,
        (step, id): (u8, &mut IdText<'_>),
        clock: &impl Clock,
    ) {
        let needs_header = self.scoring.needs_header();
        for part in left.chunks(self.scoring.batch_rows()) {
            let given = part.iter().map(|&(at, _)| {
                let record = &batch.items[at].record;
                Given {
                    header: if needs_header { record.header(SCHEMA_ID_HEADER) } else { None },
                    value: record.value(),
                }
            });
            if self.scoring.score(given, &mut self.answers, clock).is_err() {
                return;
            }
            for (&(at, _), answer) in part.iter().zip(&self.answers) {
                let Answer::Scored { row, score, decision, .. } = *answer else { continue };
                let fingerprint = self.fingerprinter.as_ref().map(|maker| maker.of(self.scoring.row(row)));
                let decided = Decided { score, decision, review: None, fingerprint, step };
                let item = &mut batch.items[at];
                item.verdict = Verdict::Decided(self.policy.with_review(decided, item, batch.rows.scored_us, id));
            }
        }
        left.retain(|&(at, _)| !matches!(batch.items[at].verdict, Verdict::Decided(_)));
    }
}
