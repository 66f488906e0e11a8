//! All pairs of a comparison, added up. Parts may be merged in any order: the figures have the same bits.

use serde::Serialize;

use crate::compare::difference::{Differences, Quantiles};
use crate::compare::pair::{Inputs, Pair};
use crate::compare::psi::{Psi, psi_of_scores};
use crate::compare::scores::ScoreHistogram;
use crate::compare::worst::{Worst, WorstPair};
use crate::values::record::{Decision, Position};

/// Adds up pairs. About 50 KiB; a pair allocates nothing, but where it is one of the twenty that differ most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    compared: u64,
    differing: u64,
    no_probability: u64,
    first_differing: Option<FirstDiffering>,
    differences: Differences,
    matrix: [[u64; 3]; 3],
    before: ScoreHistogram,
    after: ScoreHistogram,
    inputs: InputCounts,
    worst: Worst,
}

/// The pair with the smallest position whose scores differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstDiffering {
    pub at: Position,
    /// Bits of both scores ([`f64::to_bits`]).
    pub before_bits: u64,
    pub after_bits: u64,
}

/// Pairs by what is known of their inputs, all of them and those whose scores differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputCounts {
    pub same: u64,
    pub other: u64,
    pub unknown: u64,
    /// The same inputs and another score: the model, its runtime or the machine is another one.
    pub differing_same: u64,
    /// Other inputs: the record was decoded or prepared in another way.
    pub differing_other: u64,
    pub differing_unknown: u64,
}

impl Comparison {
    pub fn new() -> Comparison {
        Comparison::default()
    }

    /// Adds one pair. A score outside of 0..=1 counts among those that differ, where it does, and apart; it has no place in
    /// distributions and differences.
    pub fn add(&mut self, pair: &Pair<'_>) {
        self.compared += 1;
        self.matrix[pair.before.decision.index()][pair.after.decision.index()] += 1;
        let differs = pair.differs();
        self.inputs.add(pair.inputs, differs);
        if let Some(difference) = pair.difference() {
            self.differences.add(difference);
            self.before.add(pair.before.score);
            self.after.add(pair.after.score);
        } else {
            self.no_probability += 1;
        }
        if differs {
            self.differing += 1;
            let (before_bits, after_bits) = (pair.before.score.to_bits(), pair.after.score.to_bits());
            let this = FirstDiffering { at: pair.at, before_bits, after_bits };
            self.first_differing = Some(self.first_differing.map_or(this, |first| first.min(this)));
        }
        if differs || pair.is_flip() {
            self.worst.add(pair);
        }
    }

    /// Adds all that another one has added.
    pub fn merge(&mut self, other: Comparison) {
        self.compared += other.compared;
        self.differing += other.differing;
        self.no_probability += other.no_probability;
        self.first_differing = self.first_differing.into_iter().chain(other.first_differing).min();
        self.differences.merge(&other.differences);
        self.matrix.as_flattened_mut().iter_mut().zip(other.matrix.as_flattened()).for_each(|(own, n)| *own += n);
        self.before.merge(&other.before);
        self.after.merge(&other.after);
        self.inputs.merge(&other.inputs);
        self.worst.merge(other.worst);
    }

    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// Pairs whose scores have other bits.
    pub fn differing(&self) -> u64 {
        self.differing
    }

    /// Pairs with a score outside of 0..=1, NaN among them.
    pub fn no_probability(&self) -> u64 {
        self.no_probability
    }

    pub fn first_differing(&self) -> Option<FirstDiffering> {
        self.first_differing
    }

    /// Pairs whose scores are equal as numbers.
    pub fn equal_scores(&self) -> u64 {
        self.differences.zero()
    }

    /// Of after minus before; `None` where nothing was compared, here and below.
    pub fn mean_difference(&self) -> Option<f64> {
        self.differences.mean()
    }

    pub fn mean_absolute_difference(&self) -> Option<f64> {
        self.differences.mean_absolute()
    }

    /// Of the absolute difference, the largest one last.
    pub fn difference_quantiles(&self) -> Option<Quantiles> {
        self.differences.quantiles()
    }

    /// Pairs by decision, `[before][after]` in the order of [`Decision::ALL`].
    pub fn matrix(&self) -> &[[u64; 3]; 3] {
        &self.matrix
    }

    /// Pairs whose decisions differ.
    pub fn flips(&self) -> u64 {
        self.stricter() + self.milder()
    }

    /// Flips towards a decline.
    pub fn stricter(&self) -> u64 {
        self.count_decisions(|before, after| after.index() > before.index())
    }

    /// Flips towards an approval.
    pub fn milder(&self) -> u64 {
        self.count_decisions(|before, after| after.index() < before.index())
    }

    /// The share of pairs with the same decision.
    pub fn agreement(&self) -> Option<f64> {
        (self.compared > 0).then(|| (self.compared - self.flips()) as f64 / self.compared as f64)
    }

    pub fn scores_before(&self) -> &ScoreHistogram {
        &self.before
    }

    pub fn scores_after(&self) -> &ScoreHistogram {
        &self.after
    }

    pub fn psi_of_scores(&self) -> Option<Psi> {
        psi_of_scores(&self.before, &self.after)
    }

    pub fn inputs(&self) -> &InputCounts {
        &self.inputs
    }

    /// The twenty pairs that differ most, the largest difference first; equal ones by position.
    pub fn worst(&self) -> &[WorstPair] {
        self.worst.pairs()
    }

    fn count_decisions(&self, is_counted: impl Fn(Decision, Decision) -> bool) -> u64 {
        let all = Decision::ALL.into_iter().flat_map(|before| Decision::ALL.map(|after| (before, after)));
        all.filter(|(before, after)| is_counted(*before, *after)).map(|(b, a)| self.matrix[b.index()][a.index()]).sum()
    }
}

impl InputCounts {
    fn add(&mut self, inputs: Inputs, differs: bool) {
        let (all, differing) = match inputs {
            Inputs::Same => (&mut self.same, &mut self.differing_same),
            Inputs::Other => (&mut self.other, &mut self.differing_other),
            Inputs::Unknown => (&mut self.unknown, &mut self.differing_unknown),
        };
        *all += 1;
        *differing += u64::from(differs);
    }

    fn merge(&mut self, other: &InputCounts) {
        self.same += other.same;
        self.other += other.other;
        self.unknown += other.unknown;
        self.differing_same += other.differing_same;
        self.differing_other += other.differing_other;
        self.differing_unknown += other.differing_unknown;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compare::pair::Answer;
    use crate::compare::worst::WORST_MAX;

    use Decision::{Approve, Decline, Review};

    fn pair(offset: i64, before: (f64, Decision), after: (f64, Decision), inputs: Inputs) -> Pair<'static> {
        let answer = |(score, decision)| Answer { score, decision };
        let at = Position { partition: 0, offset };
        Pair { at, id: Some(b"tx"), before: answer(before), after: answer(after), inputs }
    }

    fn of(pairs: &[Pair<'_>]) -> Comparison {
        let mut comparison = Comparison::new();
        pairs.iter().for_each(|pair| comparison.add(pair));
        comparison
    }

    #[test]
    fn flips_differences_and_inputs_are_told_apart() {
        let comparison = of(&[
            pair(5, (0.5, Review), (0.75, Decline), Inputs::Other),
            pair(1, (0.25, Review), (0.25, Review), Inputs::Same),
            pair(3, (0.5, Review), (0.125, Approve), Inputs::Same),
            pair(2, (0.0, Approve), (-0.0, Approve), Inputs::Unknown),
        ]);
        assert_eq!((comparison.compared(), comparison.differing(), comparison.equal_scores()), (4, 3, 2));
        assert_eq!((comparison.flips(), comparison.stricter(), comparison.milder()), (2, 1, 1));
        assert_eq!(comparison.matrix(), &[[1, 0, 0], [1, 1, 1], [0, 0, 0]]);
        assert_eq!(comparison.agreement(), Some(0.5));
        assert_eq!(comparison.mean_difference(), Some(-0.031_25));
        assert_eq!(comparison.mean_absolute_difference(), Some(0.156_25));
        let first = comparison.first_differing().unwrap();
        assert_eq!((first.at.offset, first.before_bits, first.after_bits), (2, 0, 1 << 63));
        let inputs = *comparison.inputs();
        assert_eq!((inputs.same, inputs.other, inputs.unknown), (2, 1, 1));
        assert_eq!((inputs.differing_same, inputs.differing_other, inputs.differing_unknown), (1, 1, 1));
        let worst: Vec<i64> = comparison.worst().iter().map(|pair| pair.at.offset).collect();
        assert_eq!(worst, [3, 5, 2]);
    }

    #[test]
    fn what_is_no_probability_stays_out_of_the_figures_and_leads_the_list() {
        let comparison = of(&[
            pair(0, (0.5, Review), (f64::NAN, Approve), Inputs::Same),
            pair(1, (0.5, Review), (1.5, Decline), Inputs::Same),
            pair(2, (0.0, Approve), (1.0, Decline), Inputs::Same),
        ]);
        assert_eq!((comparison.no_probability(), comparison.compared(), comparison.differing()), (2, 3, 3));
        assert_eq!((comparison.mean_difference(), comparison.scores_after().count()), (Some(1.0), 1));
        let worst: Vec<i64> = comparison.worst().iter().map(|pair| pair.at.offset).collect();
        assert_eq!(worst, [0, 1, 2]);
    }

    #[test]
    fn nothing_compared_has_no_figures() {
        let empty = Comparison::new();
        assert_eq!((empty.agreement(), empty.mean_difference(), empty.psi_of_scores()), (None, None, None));
        assert_eq!((empty.difference_quantiles(), empty.first_differing(), empty.flips()), (None, None, 0));
    }

    fn answers() -> impl Strategy<Value = (f64, Decision)> {
        // Few values, so that differences and positions tie.
        let score = prop_oneof![(0..8u8).prop_map(|n| f64::from(n) / 7.0), 0.0..1.0f64, Just(f64::NAN)];
        (score, prop::sample::select(Decision::ALL.to_vec()))
    }

    fn pairs() -> impl Strategy<Value = Vec<Pair<'static>>> {
        let inputs = prop::sample::select(vec![Inputs::Unknown, Inputs::Same, Inputs::Other]);
        let one = (0..40i64, answers(), answers(), inputs).prop_map(|(at, b, a, inputs)| pair(at, b, a, inputs));
        prop::collection::vec(one, 0..120)
    }

    /// All that it says, NaN by its bits.
    fn words(comparison: &Comparison) -> String {
        format!("{comparison:?}")
    }

    proptest! {
        #[test]
        fn parts_merge_in_any_order(pairs in pairs(), parts in prop::collection::vec(0..3usize, 120), order in Just([2, 0, 1])) {
            let part = |number: usize| {
                let of_part = pairs.iter().zip(&parts).filter(|(_, part)| **part == number).map(|(pair, _)| *pair);
                of(&of_part.collect::<Vec<_>>())
            };
            let mut merged = Comparison::new();
            order.into_iter().for_each(|number| merged.merge(part(number)));
            prop_assert_eq!(words(&merged), words(&of(&pairs)));
        }

        #[test]
        fn the_worst_are_the_first_of_all_sorted(pairs in pairs()) {
            let comparison = of(&pairs);
            let size = |difference: Option<f64>| difference.map_or(f64::INFINITY, f64::abs);
            let mut all: Vec<(f64, i64)> = pairs
                .iter()
                .filter(|pair| pair.differs() || pair.is_flip())
                .map(|pair| (-size(pair.difference()), pair.at.offset))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            all.truncate(WORST_MAX);
            let told: Vec<(f64, i64)> =
                comparison.worst().iter().map(|pair| (-pair.difference().abs(), pair.at.offset)).collect();
            prop_assert_eq!(told, all);
        }
    }
}
