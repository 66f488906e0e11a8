//! What a record of an output topic says: which outcome its source has.

use crate::kafka::load_consumer::OutputRecord;
use crate::load::simulate::marker::{Marker, murmur2};
use crate::load::verify::outcome::{Fate, Outcome, Stamps};
use crate::load::verify::projection::{Field, Projection, without_prefix};
use crate::values::topics::Destination;

/// Fields of the output record that are looked at; the third one names the source partition.
const WANTED: [&str; 5] = ["decision", "score", "source.partition", "received_at", "scored_at"];
/// So many of them every schema of outputs must have; the stamps behind them are good to have.
const NEEDED: usize = 3;

/// Distinct reasons told apart; more would be no vocabulary any more.
const REASONS_MAX: usize = 64;
/// The reason of what an operator passed over.
const SKIPPED: &[u8] = b"skipped";
/// How the job that scores letters again ends its node's name.
const AGAIN_ENDS: &[u8] = b".retry";

/// Reads records of the output topics.
pub(super) struct Reading {
    /// The topics by the consumer's index.
    topics: Vec<Destination>,
    /// One for each version of the outputs' schema; `None`: their values are not looked at.
    projections: Option<Vec<Projection>>,
    /// By the index that a [`Fate`] has.
    pub reasons: Vec<String>,
}

impl Reading {
    /// `schemas`: those of outputs, where their values are to be looked at.
    ///
    /// # Errors
    /// A schema that lacks what is looked at.
    pub fn new(topics: Vec<Destination>, schemas: Option<&[&str]>) -> Result<Reading, String> {
        let projection =
            |schema: &&str| Projection::new(schema, &WANTED).or_else(|_| Projection::new(schema, &WANTED[..NEEDED]));
        let projections = schemas.map(|schemas| schemas.iter().map(projection).collect()).transpose()?;
        Ok(Reading { topics, projections, reasons: Vec::new() })
    }

    /// The outcome of the record that the marker names.
    pub fn outcome(&mut self, record: &OutputRecord<'_>, marker: Marker, read_us: i64) -> Outcome {
        let mut outcome = Outcome {
            marker,
            fate: Fate::Unread,
            partition: record.partition,
            key_hash: record.key.map_or(0, murmur2),
            is_stub: false,
            by_fallback: record.by_fallback,
            claimed_partition: None,
            read_us,
            stamps: None,
        };
        outcome.fate = match self.topics[record.topic] {
            Destination::Outputs if record.amends => Fate::Amended,
            Destination::Outputs => self.scored(record, &mut outcome),
            to => self.letter(to, record),
        };
        outcome
    }

    /// Of a record that is no output.
    fn letter(&mut self, to: Destination, record: &OutputRecord<'_>) -> Fate {
        let is_again = record.letter.node.is_some_and(|node| node.ends_with(AGAIN_ENDS));
        match to {
            Destination::Review => Fate::Review,
            Destination::RetryLater if is_again => Fate::PutOffAgain,
            Destination::RetryLater => Fate::PutOff,
            _ if is_again => Fate::Amended,
            _ if record.letter.reason == Some(SKIPPED) => Fate::Skipped,
            Destination::Timeouts => Fate::TimedOut { reason: self.reason_index(record.letter.reason) },
            _ => Fate::DeadLettered { reason: self.reason_index(record.letter.reason) },
        }
    }

    fn scored(&self, record: &OutputRecord<'_>, outcome: &mut Outcome) -> Fate {
        let Some(projections) = &self.projections else { return Fate::Unread };
        let mut fields = [Field::Absent; WANTED.len()];
        let mut reads = |by: &Projection, value| by.read(without_prefix(value), &mut fields[..by.wanted()]);
        // A datum is read to its last byte: it is of one version alone.
        let sound = record.value.is_some_and(|value| projections.iter().any(|by| reads(by, value)));
        match fields {
            [Field::Long(decision), Field::Double(score), Field::Long(partition), received, scored] if sound => {
                outcome.claimed_partition = Some(partition);
                if let (Field::Long(received_us), Field::Long(scored_us)) = (received, scored) {
                    outcome.stamps = Some(Stamps { received_us, scored_us });
                }
                Fate::Scored { decision: u8::try_from(decision).unwrap_or(u8::MAX), score }
            }
            _ => Fate::Unreadable,
        }
    }

    /// Whether an index is that of this reason.
    pub fn reason_is(&self, index: u8, name: &str) -> bool {
        self.reasons.get(usize::from(index)).is_some_and(|known| known == name)
    }

    /// The index of a reason, which is new or known.
    fn reason_index(&mut self, reason: Option<&[u8]>) -> u8 {
        let text = reason.and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or("(none)");
        let index = self.reasons.iter().position(|known| known == text).unwrap_or_else(|| {
            if self.reasons.len() < REASONS_MAX {
                self.reasons.push(text.to_owned());
            }
            self.reasons.len() - 1
        });
        index as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::load_consumer::LetterHeaders;

    const TOPICS: [Destination; 5] = [
        Destination::Outputs,
        Destination::DeadLetters,
        Destination::Timeouts,
        Destination::RetryLater,
        Destination::Review,
    ];

    fn fate(topic: Destination, node: &str, reason: &str, amends: bool) -> Fate {
        let topic = TOPICS.iter().position(|known| *known == topic).unwrap();
        let letter =
            LetterHeaders { node: Some(node.as_bytes()), reason: Some(reason.as_bytes()), ..LetterHeaders::default() };
        let record = OutputRecord { topic, amends, letter, ..OutputRecord::default() };
        let marker = Marker::from_bytes(&[0; 32]).unwrap();
        Reading::new(TOPICS.to_vec(), None).unwrap().outcome(&record, marker, 0).fate
    }

    #[test]
    fn what_the_job_for_letters_writes_is_beside_the_outcome() {
        let cases = [
            (Destination::Outputs, false, Fate::Unread, Fate::Unread),
            (Destination::Outputs, true, Fate::Amended, Fate::Amended),
            (Destination::DeadLetters, false, Fate::DeadLettered { reason: 0 }, Fate::Amended),
            (Destination::Timeouts, false, Fate::TimedOut { reason: 0 }, Fate::Amended),
            (Destination::RetryLater, false, Fate::PutOff, Fate::PutOffAgain),
            (Destination::Review, true, Fate::Review, Fate::Review),
        ];
        for (topic, amends, at_first, again) in cases {
            assert_eq!(fate(topic, "node-1", "model_failed", amends), at_first, "{topic:?}");
            // An output may still carry the headers of the letter that it was made of.
            assert_eq!(fate(topic, "node-1.retry", "model_failed", amends), again, "{topic:?}");
        }
    }

    #[test]
    fn what_an_operator_passed_over_is_no_rejection() {
        assert_eq!(fate(Destination::DeadLetters, "node-1", "skipped", false), Fate::Skipped);
        assert_eq!(fate(Destination::DeadLetters, "node-1", "skipped_it", false), Fate::DeadLettered { reason: 0 });
    }
}
