//! The rules of a decision: where a score falls, who looks at it, and whether it comes too late.

use crate::avro::encode::OutcomeEncoder;
use crate::doors::SourceRecord;
use crate::lane::score::{Decided, Item};
use crate::values::record::{Decision, ReviewReason, Scored};
use crate::values::scatter::{mixed, share_below};
use crate::values::settings::{Deadline, DeadlineFrom, ReviewSettings, Thresholds, WhenLate};

/// Writes the text of transactions' ids into memory that is used again.
pub struct IdText<'a> {
    pub(super) encoder: &'a OutcomeEncoder,
    pub(super) text: &'a mut Vec<u8>,
}

impl IdText<'_> {
    fn of(&mut self, scored: &Scored<'_>) -> &[u8] {
        self.encoder.write_id_text(scored, self.text);
        self.text
    }
}

/// Thresholds, deadline and which records people look at.
pub struct DecisionPolicy {
    thresholds: Thresholds,
    /// Hashes below this are sampled.
    sample_below: u64,
    deadline: Option<Deadline>,
}

impl DecisionPolicy {
    pub fn new(thresholds: Thresholds, review: &ReviewSettings, deadline: Option<Deadline>) -> DecisionPolicy {
        let sample_below = share_below(review.sample_per_million);
        DecisionPolicy { thresholds, sample_below, deadline }
    }

    /// `score`: from [`crate::values::record::score_of`].
    pub fn decide(&self, score: f64) -> Decision {
        self.thresholds.decide(score)
    }

    /// Whether [`DecisionPolicy::review`] looks at the id.
    fn needs_id(&self, decision: Decision) -> bool {
        decision != Decision::Review && self.sample_below > 0
    }

    /// The same with whether people look at it too.
    pub(super) fn with_review<R: SourceRecord>(
        &self,
        decided: Decided,
        item: &Item<R>,
        scored_us: i64,
        id: &mut IdText<'_>,
    ) -> Decided {
        let text = if self.needs_id(decided.decision) { id.of(&item.scored(&decided, scored_us)) } else { &[] };
        Decided { review: self.review(decided.decision, text), ..decided }
    }

    /// Whether late records do not go to the model.
    pub(super) fn sheds(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.then == WhenLate::Shed)
    }

    /// Everything in the review band, and a sample by the hash of the transaction's id, so that a replay samples the
    /// same transactions.
    pub fn review(&self, decision: Decision, id: &[u8]) -> Option<ReviewReason> {
        if decision == Decision::Review {
            Some(ReviewReason::Band)
        } else if self.needs_id(decision) && sample_hash(id) < self.sample_below {
            Some(ReviewReason::Sample)
        } else {
            None
        }
    }

    /// Whether a record that is about to be scored is past its deadline.
    pub fn is_late(&self, source_timestamp_ms: i64, received_us: i64, now_us: i64) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let from_us = match deadline.from {
            DeadlineFrom::Receipt => received_us,
            DeadlineFrom::SourceTimestamp if source_timestamp_ms >= 0 => source_timestamp_ms.saturating_mul(1_000),
            DeadlineFrom::SourceTimestamp => return false,
        };
        now_us.saturating_sub(from_us) > i64::try_from(deadline.limit_ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
    }
}

/// 64-bit FNV-1a with a final avalanche (MurmurHash3's `fmix64`): ids that differ in their last digit only are
/// sampled independently. Part of the product's promise: changing it changes who is sampled.
pub fn sample_hash(id: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in id {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mixed(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::settings::PayloadPolicy;

    fn policy(sample_per_million: u32, deadline: Option<Deadline>) -> DecisionPolicy {
        let thresholds = Thresholds { review: 0.2, decline: 0.8, version: "t".into() };
        DecisionPolicy::new(thresholds, &ReviewSettings { sample_per_million, payload: PayloadPolicy::Omit }, deadline)
    }

    #[test]
    fn thresholds_belong_to_the_stricter_decision() {
        let policy = policy(0, None);
        for (score, decision) in [
            (0.0, Decision::Approve),
            (0.199_999, Decision::Approve),
            (0.2, Decision::Review),
            (0.799_999, Decision::Review),
            (0.8, Decision::Decline),
            (1.0, Decision::Decline),
        ] {
            assert_eq!(policy.decide(score), decision, "{score}");
        }
    }

    #[test]
    fn the_sample_has_its_size_and_the_band_is_whole() {
        let sampled = |share| {
            let policy = policy(share, None);
            (0..100_000).filter(|n: &u32| policy.review(Decision::Approve, n.to_string().as_bytes()).is_some()).count()
        };
        assert_eq!(sampled(0), 0);
        assert_eq!(sampled(1_000_000), 100_000);
        let one_percent = sampled(10_000);
        assert!((900..1_100).contains(&one_percent), "{one_percent}");
        assert_eq!(policy(0, None).review(Decision::Review, b"x"), Some(ReviewReason::Band));
    }

    #[test]
    fn the_sample_hash_never_changes() {
        assert_eq!(sample_hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(sample_hash(b"tx-1"), sample_hash(b"tx-1"));
        assert_ne!(sample_hash(b"tx-1"), sample_hash(b"tx-2"));
    }

    #[test]
    fn lateness_counts_from_where_it_was_said() {
        let source =
            policy(0, Some(Deadline { limit_ms: 50, from: DeadlineFrom::SourceTimestamp, then: WhenLate::Flag }));
        assert!(!source.is_late(1_000, 0, 1_050_000));
        assert!(source.is_late(1_000, 0, 1_050_001));
        assert!(!source.is_late(-1, 0, i64::MAX), "no timestamp, no deadline");
        let receipt = policy(0, Some(Deadline { limit_ms: 50, from: DeadlineFrom::Receipt, then: WhenLate::Flag }));
        assert!(receipt.is_late(0, 1_000_000, 1_050_001));
        assert!(!receipt.is_late(0, 1_000_000, 1_050_000));
    }
}
