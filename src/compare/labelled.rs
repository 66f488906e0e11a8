//! What labels say of both sides: how well scores rank fraud, and what thresholds catch.

use std::ops::AddAssign;

use serde::Serialize;

/// Scores of records whose label is known; 24 bytes a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledScores {
    records: Vec<Labelled>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Labelled {
    before: f64,
    after: f64,
    is_fraud: bool,
}

/// From which scores on a side reviews and declines.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    pub review: f64,
    pub decline: f64,
}

/// Figures of both sides over the same records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelFigures {
    pub records: u64,
    pub fraud: u64,
    pub before: SideFigures,
    pub after: SideFigures,
}

/// How well one side does; `None` where all records are fraud, or none is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideFigures {
    /// The area under the ROC curve: how likely a fraud scores higher than another record, where a tie counts half. Exact.
    pub auc: Option<f64>,
    /// The area under the precision-recall curve as average precision: the sum of (R_n - R_n-1) P_n over the scores that occur,
    /// from the highest down; records of one score come together (scikit-learn's `average_precision_score`).
    pub average_precision: Option<f64>,
    pub review: AtThreshold,
    pub decline: AtThreshold,
}

/// What a threshold catches: scores at or above it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    pub threshold: f64,
    pub flagged: u64,
    /// Fraud among the flagged.
    pub caught: u64,
    /// Caught of flagged; `None` where nothing is flagged, too.
    pub precision: Option<f64>,
    /// Caught of all fraud.
    pub recall: Option<f64>,
}

#[derive(Clone, Copy, Default)]
struct Classes {
    fraud: u64,
    other: u64,
}

impl AddAssign for Classes {
    fn add_assign(&mut self, more: Classes) {
        self.fraud += more.fraud;
        self.other += more.other;
    }
}

impl LabelledScores {
    pub fn new() -> LabelledScores {
        LabelledScores::default()
    }

    /// Adds a record. One with a score outside of 0..=1 is passed over: it has no rank.
    pub fn add(&mut self, before: f64, after: f64, is_fraud: bool) {
        if [before, after].iter().all(|score| (0.0..=1.0).contains(score)) {
            self.records.push(Labelled { before, after, is_fraud });
        }
    }

    pub fn merge(&mut self, mut other: LabelledScores) {
        self.records.append(&mut other.records);
    }

    /// Records added.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Each side by its own thresholds. Sorts all scores twice.
    pub fn figures(&self, before: Thresholds, after: Thresholds) -> LabelFigures {
        let fraud = self.records.iter().filter(|record| record.is_fraud).count() as u64;
        LabelFigures {
            records: self.records.len() as u64,
            fraud,
            before: self.side(|record| record.before, before),
            after: self.side(|record| record.after, after),
        }
    }

    fn side(&self, score: impl Fn(&Labelled) -> f64, thresholds: Thresholds) -> SideFigures {
        let mut ranked: Vec<(f64, bool)> = self.records.iter().map(|record| (score(record), record.is_fraud)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let all = count(&ranked);
        let is_whole = all.fraud > 0 && all.other > 0;
        let at = |threshold: f64| {
            let flagged = count(&ranked[..ranked.partition_point(|(score, _)| *score >= threshold)]);
            let share = |of: u64| (is_whole && of > 0).then(|| flagged.fraud as f64 / of as f64);
            AtThreshold {
                threshold,
                flagged: flagged.fraud + flagged.other,
                caught: flagged.fraud,
                precision: share(flagged.fraud + flagged.other),
                recall: share(all.fraud),
            }
        };
        SideFigures {
            auc: is_whole.then(|| auc(&ranked, all)),
            average_precision: is_whole.then(|| average_precision(&ranked, all)),
            review: at(thresholds.review),
            decline: at(thresholds.decline),
        }
    }
}

fn count(ranked: &[(f64, bool)]) -> Classes {
    let fraud = ranked.iter().filter(|(_, is_fraud)| *is_fraud).count() as u64;
    Classes { fraud, other: ranked.len() as u64 - fraud }
}

/// Records of one score together, from the highest down. Plus and minus zero are one score.
fn ties(ranked: &[(f64, bool)]) -> impl Iterator<Item = Classes> {
    ranked.chunk_by(|a, b| a.0 == b.0).map(count)
}

/// Counted in halves of pairs, as whole numbers: exact in any order.
fn auc(ranked: &[(f64, bool)], all: Classes) -> f64 {
    let (mut above, mut halves) = (Classes::default(), 0u128);
    for tie in ties(ranked) {
        let below = all.other - above.other - tie.other;
        halves += u128::from(tie.fraud) * (2 * u128::from(below) + u128::from(tie.other));
        above += tie;
    }
    halves as f64 / (2.0 * all.fraud as f64 * all.other as f64)
}

fn average_precision(ranked: &[(f64, bool)], all: Classes) -> f64 {
    let (mut flagged, mut sum) = (Classes::default(), 0.0);
    for tie in ties(ranked) {
        flagged += tie;
        let precision = flagged.fraud as f64 / (flagged.fraud + flagged.other) as f64;
        sum += tie.fraud as f64 * precision;
    }
    sum / all.fraud as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEFORE: [f64; 12] = [0.9, 0.8, 0.8, 0.7, 0.5, 0.5, 0.5, 0.3, 0.2, 0.1, 0.1, 0.0];
    const AFTER: [f64; 12] = [0.95, 0.6, 0.4, 0.4, 0.6, 0.1, 0.2, 0.4, 0.2, -0.0, 0.1, 0.05];
    const FRAUD: [bool; 12] = [true, true, false, false, true, false, false, true, false, false, false, false];

    fn scores() -> LabelledScores {
        let mut scores = LabelledScores::new();
        (0..12).for_each(|n| scores.add(BEFORE[n], AFTER[n], FRAUD[n]));
        scores
    }

    fn assert_near(told: Option<f64>, expected: f64) {
        assert!(told.is_some_and(|told| (told - expected).abs() < 1e-15), "{told:?} and not {expected}");
    }

    /// By scikit-learn 1.x: roc_auc_score, average_precision_score, precision_score and recall_score of `scores >= threshold`.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let figures =
            scores().figures(Thresholds { review: 0.5, decline: 0.8 }, Thresholds { review: 0.4, decline: 0.9 });
        assert_eq!((figures.records, figures.fraud), (12, 4));
        let (before, after) = (&figures.before, &figures.after);
        assert_near(before.auc, 0.765_625);
        assert_near(after.auc, 0.968_75);
        assert_near(before.average_precision, 0.648_809_523_809_523_7);
        assert_near(after.average_precision, 0.916_666_666_666_666_6);
        for (at, flagged, precision, recall) in [
            (&before.review, 7, 0.428_571_428_571_428_55, 0.75),
            (&before.decline, 3, 0.666_666_666_666_666_6, 0.5),
            (&after.review, 6, 0.666_666_666_666_666_6, 1.0),
            (&after.decline, 1, 1.0, 0.25),
        ] {
            assert_eq!(at.flagged, flagged);
            assert_near(at.precision, precision);
            assert_near(at.recall, recall);
        }
    }

    #[test]
    fn one_class_alone_has_no_figures() {
        let thresholds = Thresholds { review: 0.5, decline: 0.8 };
        for is_fraud in [true, false] {
            let mut one = LabelledScores::new();
            one.add(0.6, 0.7, is_fraud);
            one.add(f64::NAN, 0.7, is_fraud);
            one.add(0.6, 1.5, !is_fraud);
            let figures = one.figures(thresholds, thresholds);
            assert_eq!((figures.records, figures.before.review.flagged), (1, 1));
            assert_eq!((figures.before.auc, figures.before.average_precision), (None, None));
            assert_eq!((figures.after.review.precision, figures.after.review.recall), (None, None));
        }
    }

    #[test]
    fn nothing_flagged_has_no_precision() {
        let never = Thresholds { review: 1.0, decline: 1.0 };
        let at = scores().figures(never, never).before.decline;
        assert_eq!((at.flagged, at.precision, at.recall), (0, None, Some(0.0)));
    }

    proptest! {
        /// The definition: pairs of a fraud and another record, counted one by one.
        #[test]
        fn auc_counts_pairs_and_parts_merge_in_any_order(
            records in prop::collection::vec(((0..20u8).prop_map(|n| f64::from(n) / 19.0), any::<bool>()), 0..60),
            cut in 0..60usize,
        ) {
            let of = |records: &[(f64, bool)]| {
                let mut scores = LabelledScores::new();
                records.iter().for_each(|(score, is_fraud)| scores.add(*score, 1.0 - *score, *is_fraud));
                scores
            };
            let (head, tail) = records.split_at(cut.min(records.len()));
            let mut merged = of(tail);
            merged.merge(of(head));
            let thresholds = Thresholds { review: 0.5, decline: 0.8 };
            let figures = merged.figures(thresholds, thresholds);
            prop_assert_eq!(&figures, &of(&records).figures(thresholds, thresholds));
            let with = |class: bool| records.iter().filter(move |record| record.1 == class).map(|record| record.0);
            let half = |(fraud, other): (f64, f64)| if fraud > other { 1.0 } else if fraud == other { 0.5 } else { 0.0 };
            let pairs: Vec<f64> = with(true).flat_map(|fraud| with(false).map(move |other| half((fraud, other)))).collect();
            let expected = (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64);
            prop_assert_eq!(figures.before.auc, expected);
        }
    }
}
