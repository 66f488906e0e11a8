//! Each record of the ranges, counted once: what it became now, beside what was recorded of it. Parts may be merged in any
//! order.

use super::index::{Index, Recorded, RecordedBy};
use crate::compare::{Answer, Comparison, Inputs, Pair};
use crate::error::Reject;
use crate::values::record::{Decision, Position};

/// What became of a record now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Now<'a> {
    /// With the transaction's id, where it has one.
    Scored {
        score: f64,
        decision: Decision,
        id: Option<&'a [u8]>,
    },
    Rejected(Reject),
    /// Its partition would wait for its schema.
    Waits,
}

/// Records of the input, each under one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// Scored, and a model's answer is recorded.
    pub compared: u64,
    /// Scored, and what is recorded is no answer of a model: a fallback's, or a challenger's.
    pub not_a_models: u64,
    /// Scored, and recorded is the answer of another model than the one that is audited.
    pub other_model: u64,
    /// Scored, and nothing is recorded.
    pub missing: u64,
    /// The same, where outputs of that age are gone by retention.
    pub gone: u64,
    /// No score now, and one is recorded.
    pub rejected_recorded: u64,
    /// No score now, and none then.
    pub rejected_both: u64,
    /// Their schema is not there, whatever is recorded.
    pub waiting: u64,
    /// Of all of these, those with a recorded output.
    pub matched: u64,
}

impl RecordCounts {
    pub fn records(&self) -> u64 {
        let RecordCounts { compared, not_a_models, other_model, missing, gone, .. } = self;
        let RecordCounts { rejected_recorded, rejected_both, waiting, .. } = self;
        compared + not_a_models + other_model + missing + gone + rejected_recorded + rejected_both + waiting
    }

    fn merge(&mut self, other: &RecordCounts) {
        self.compared += other.compared;
        self.not_a_models += other.not_a_models;
        self.other_model += other.other_model;
        self.missing += other.missing;
        self.gone += other.gone;
        self.rejected_recorded += other.rejected_recorded;
        self.rejected_both += other.rejected_both;
        self.waiting += other.waiting;
        self.matched += other.matched;
    }
}

/// The pair with the smallest position whose scores have other bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstDiffering {
    pub at: Position,
    pub before_bits: u64,
    pub after_bits: u64,
    pub inputs: Inputs,
}

/// What is judged, for all threads.
pub struct Rules {
    /// The outputs' topic has lost its first records.
    pub head_is_lost: bool,
    /// By place in [`Index::answerers`].
    is_compared: Vec<Compared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Yes,
    NotAModels,
    OtherModel,
}

impl Rules {
    /// An audit compares outputs of `only_model` alone.
    pub fn new(index: &Index, only_model: Option<&str>, head_is_lost: bool) -> Rules {
        let judge = |by: &RecordedBy| {
            if !by.is_a_models_answer() {
                Compared::NotAModels
            } else if only_model.is_some_and(|model| model != by.sha256) {
                Compared::OtherModel
            } else {
                Compared::Yes
            }
        };
        let is_compared = index.answerers().iter().map(judge).collect();
        Rules { head_is_lost, is_compared }
    }
}

/// One thread's part of everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub counts: RecordCounts,
    pub comparison: Comparison,
    /// By [`Reject::index`]: those whose outputs are recorded, and those that have none.
    pub rejects: [[u64; 2]; Reject::REASONS],
    pub first_missing: Option<Position>,
    pub first_rejected: Option<(Position, &'static str)>,
    pub first_differing: Option<FirstDiffering>,
    /// By place in [`Index::answerers`]: pairs that were compared.
    pub compared_by: Vec<u64>,
}

impl Tally {
    /// Adds a record. Returns what it was compared with, if it was; `inputs` is asked whether that had the same inputs.
    pub fn add(
        &mut self,
        (index, rules): (&Index, &Rules),
        at: Position,
        now: Now<'_>,
        inputs: impl FnOnce(&Recorded) -> Inputs,
    ) -> Option<Recorded> {
        let recorded = index.get(at);
        self.counts.matched += u64::from(recorded.is_some());
        let (score, decision, id) = match now {
            Now::Waits => {
                self.counts.waiting += 1;
                return None;
            }
            Now::Rejected(reject) => {
                self.reject(at, reject, recorded.is_some());
                return None;
            }
            Now::Scored { score, decision, id } => (score, decision, id),
        };
        let Some(recorded) = recorded else {
            self.without(at, index, rules);
            return None;
        };
        match rules.is_compared.get(recorded.by).copied().unwrap_or(Compared::NotAModels) {
            Compared::Yes => {}
            Compared::NotAModels => {
                self.counts.not_a_models += 1;
                return None;
            }
            Compared::OtherModel => {
                self.counts.other_model += 1;
                return None;
            }
        }
        self.counts.compared += 1;
        let before = Answer { score: recorded.score, decision: recorded.decision };
        let pair = Pair { at, id, before, after: Answer { score, decision }, inputs: inputs(&recorded) };
        self.comparison.add(&pair);
        if pair.differs() {
            let (before_bits, after_bits) = (recorded.score.to_bits(), score.to_bits());
            let this = FirstDiffering { at, before_bits, after_bits, inputs: pair.inputs };
            self.first_differing = self.first_differing.into_iter().chain([this]).min();
        }
        if self.compared_by.len() <= recorded.by {
            self.compared_by.resize(recorded.by + 1, 0);
        }
        self.compared_by[recorded.by] += 1;
        Some(recorded)
    }

    fn reject(&mut self, at: Position, reject: Reject, is_recorded: bool) {
        self.rejects[reject.index()][usize::from(!is_recorded)] += 1;
        if is_recorded {
            self.counts.rejected_recorded += 1;
            self.first_rejected = self.first_rejected.into_iter().chain([(at, reject.reason())]).min();
        } else {
            self.counts.rejected_both += 1;
        }
    }

    fn without(&mut self, at: Position, index: &Index, rules: &Rules) {
        if rules.head_is_lost && index.lowest(at.partition).is_none_or(|lowest| at.offset < lowest) {
            self.counts.gone += 1;
            return;
        }
        self.counts.missing += 1;
        self.first_missing = self.first_missing.into_iter().chain([at]).min();
    }

    pub fn merge(&mut self, other: Tally) {
        self.counts.merge(&other.counts);
        self.comparison.merge(other.comparison);
        self.rejects.as_flattened_mut().iter_mut().zip(other.rejects.as_flattened()).for_each(|(own, n)| *own += n);
        self.first_missing = self.first_missing.into_iter().chain(other.first_missing).min();
        self.first_rejected = self.first_rejected.into_iter().chain(other.first_rejected).min();
        self.first_differing = self.first_differing.into_iter().chain(other.first_differing).min();
        let len = self.compared_by.len().max(other.compared_by.len());
        self.compared_by.resize(len, 0);
        self.compared_by.iter_mut().zip(&other.compared_by).for_each(|(own, n)| *own += n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::output::{Answerer, Output};
    use crate::piece::ranges::Range;

    const BY: Answerer<'static> = Answerer {
        name: b"m",
        version: b"1",
        sha256: b"aa",
        review: 0.25,
        decline: 0.75,
        thresholds_version: b"t",
        fallback: false,
        is_challenger: false,
    };

    fn at(offset: i64) -> Position {
        Position { partition: 0, offset }
    }

    /// Offsets 0 to 9: recorded are 2 to 6, by three answerers.
    fn index() -> Index {
        let mut index = Index::new("in", &[Range { partition: 0, from: 0, until: 10 }], u64::MAX);
        let other = Answerer { sha256: b"bb", ..BY };
        let fallback = Answerer { fallback: true, ..BY };
        for (offset, by) in [(2, BY), (3, BY), (4, other), (5, fallback), (6, BY)] {
            let output = Output {
                topic: b"in",
                at: at(offset),
                id: None,
                score: 0.5,
                decision: Decision::Review,
                by,
                fingerprint: None,
            };
            index.add(Some(&output)).unwrap();
        }
        index
    }

    fn scored(score: f64) -> Now<'static> {
        Now::Scored { score, decision: Decision::Review, id: None }
    }

    /// Offset 8 is no record: a marker, say.
    const RECORDS: [(i64, Now<'static>); 9] = [
        (0, Now::Rejected(Reject::Truncated)),
        (1, Now::Scored { score: 0.5, decision: Decision::Review, id: None }),
        (2, Now::Scored { score: 0.25, decision: Decision::Decline, id: None }),
        (3, Now::Scored { score: 0.5, decision: Decision::Review, id: None }),
        (4, Now::Scored { score: 0.75, decision: Decision::Review, id: None }),
        (5, Now::Scored { score: 0.5, decision: Decision::Review, id: None }),
        (6, Now::Rejected(Reject::Tombstone)),
        (7, Now::Scored { score: 0.5, decision: Decision::Review, id: None }),
        (9, Now::Waits),
    ];

    fn tally(rules: &Rules, index: &Index, records: &[(i64, Now<'static>)]) -> Tally {
        let mut tally = Tally::default();
        for (offset, now) in records {
            tally.add((index, rules), at(*offset), *now, |_| Inputs::Unknown);
        }
        tally
    }

    #[test]
    fn every_record_is_counted_once() {
        let index = index();
        let tally = tally(&Rules::new(&index, None, false), &index, &RECORDS);
        let expected = RecordCounts {
            compared: 3,
            not_a_models: 1,
            missing: 2,
            rejected_recorded: 1,
            rejected_both: 1,
            waiting: 1,
            matched: 5,
            ..RecordCounts::default()
        };
        assert_eq!((tally.counts, tally.counts.records()), (expected, 9));
        assert_eq!((tally.comparison.compared(), tally.comparison.flips(), tally.comparison.differing()), (3, 1, 2));
        assert_eq!((tally.first_missing, tally.first_rejected), (Some(at(1)), Some((at(6), "tombstone"))));
        let first = tally.first_differing.unwrap();
        assert_eq!((first.at, f64::from_bits(first.before_bits), f64::from_bits(first.after_bits)), (at(2), 0.5, 0.25));
        assert_eq!(tally.compared_by, [2, 1]);
    }

    #[test]
    fn outputs_that_retention_took_are_not_missing() {
        let index = index();
        let tally = tally(&Rules::new(&index, None, true), &index, &RECORDS);
        assert_eq!((tally.counts.gone, tally.counts.missing, tally.first_missing), (1, 1, Some(at(7))));
    }

    #[test]
    fn an_audit_looks_at_one_model_alone() {
        let index = index();
        let tally = tally(&Rules::new(&index, Some("bb"), false), &index, &RECORDS);
        assert_eq!((tally.counts.compared, tally.counts.other_model, tally.counts.not_a_models), (1, 2, 1));
        assert_eq!(tally.first_differing.map(|first| first.at), Some(at(4)));
    }

    #[test]
    fn parts_in_any_order_are_the_whole() {
        let index = index();
        let rules = Rules::new(&index, None, false);
        let whole = tally(&rules, &index, &RECORDS);
        for cut in 0..RECORDS.len() {
            let mut merged = tally(&rules, &index, &RECORDS[cut..]);
            merged.merge(tally(&rules, &index, &RECORDS[..cut]));
            assert_eq!((merged.counts, &merged.compared_by), (whole.counts, &whole.compared_by));
            assert_eq!(merged.comparison, whole.comparison);
            assert_eq!((merged.first_missing, merged.first_differing), (whole.first_missing, whole.first_differing));
            assert_eq!((merged.rejects, merged.first_rejected), (whole.rejects, whole.first_rejected));
        }
        assert_eq!(scored(0.5), RECORDS[1].1);
    }

    #[test]
    fn the_inputs_of_the_first_difference_are_told() {
        let index = index();
        let rules = Rules::new(&index, None, false);
        let mut tally = Tally::default();
        tally.add((&index, &rules), at(3), scored(0.1), |_| Inputs::Same);
        tally.add((&index, &rules), at(2), scored(0.1), |recorded| {
            assert_eq!(recorded.score, 0.5);
            Inputs::Other
        });
        assert_eq!(tally.first_differing.map(|first| (first.at, first.inputs)), Some((at(2), Inputs::Other)));
        assert_eq!((tally.comparison.inputs().same, tally.comparison.inputs().other), (1, 1));
    }
}
