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
