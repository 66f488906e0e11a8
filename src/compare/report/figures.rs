//! The figures of a comparison as reports tell them.

use serde::Serialize;

use crate::compare::comparison::{Comparison, InputCounts};
use crate::compare::difference::Quantiles;
use crate::compare::psi::Psi;
use crate::compare::report::distribution::Distribution;
use crate::compare::worst::WorstPair;
use crate::values::record::Decision;

/// What became of decisions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decisions {
    pub compared: u64,
    /// `None` where nothing was compared.
    pub agreement: Option<f64>,
    pub flips: u64,
    pub stricter: u64,
    pub milder: u64,
    /// `[before][after]`, in the order of `order`.
    pub matrix: [[u64; 3]; 3],
    pub order: [&'static str; 3],
}

impl Decisions {
    pub fn of(comparison: &Comparison) -> Decisions {
        Decisions {
            compared: comparison.compared(),
            agreement: comparison.agreement(),
            flips: comparison.flips(),
            stricter: comparison.stricter(),
            milder: comparison.milder(),
            matrix: *comparison.matrix(),
            order: Decision::ALL.map(Decision::name),
        }
    }
}

/// How scores differ, and how both are distributed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Pairs whose scores have other bits.
    pub differing: u64,
    /// Pairs whose scores are the same number.
    pub equal: u64,
    pub no_probability: u64,
    pub first_differing: Option<FirstDiffering>,
    /// After minus before.
    pub mean_difference: Option<f64>,
    pub mean_absolute_difference: Option<f64>,
    /// Of the absolute difference.
    pub difference: Option<Quantiles>,
    pub inputs: InputCounts,
    pub psi: Option<Psi>,
    pub distribution: Distribution,
}

/// The smallest position at which scores differ, with the bits of both as sixteen hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstDiffering {
    pub partition: i32,
    pub offset: i64,
    pub before_bits: String,
    pub after_bits: String,
}

impl Scores {
    pub fn of(comparison: &Comparison) -> Scores {
        let first = comparison.first_differing().map(|first| FirstDiffering {
            partition: first.at.partition,
            offset: first.at.offset,
            before_bits: format!("{:016x}", first.before_bits),
            after_bits: format!("{:016x}", first.after_bits),
        });
        Scores {
            differing: comparison.differing(),
            equal: comparison.equal_scores(),
            no_probability: comparison.no_probability(),
            first_differing: first,
            mean_difference: comparison.mean_difference(),
            mean_absolute_difference: comparison.mean_absolute_difference(),
            difference: comparison.difference_quantiles(),
            inputs: *comparison.inputs(),
            psi: comparison.psi_of_scores(),
            distribution: Distribution::of(comparison.scores_before(), comparison.scores_after()),
        }
    }
}

/// One of the pairs that differ most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstCase {
    pub partition: i32,
    pub offset: i64,
    pub id: Option<String>,
    /// `None` where it is no probability, here and below.
    pub before_score: Option<f64>,
    pub before_decision: &'static str,
    pub after_score: Option<f64>,
    pub after_decision: &'static str,
    pub difference: Option<f64>,
    pub inputs: &'static str,
}

impl WorstCase {
    pub fn of(pair: &WorstPair) -> WorstCase {
        let score = |answer: crate::compare::pair::Answer| answer.is_probability().then_some(answer.score);
        WorstCase {
            partition: pair.at.partition,
            offset: pair.at.offset,
            id: pair.id.clone(),
            before_score: score(pair.before),
            before_decision: pair.before.decision.name(),
            after_score: score(pair.after),
            after_decision: pair.after.decision.name(),
            difference: Some(pair.difference()).filter(|difference| difference.is_finite()),
            inputs: pair.inputs.name(),
        }
    }

    pub fn is_flip(&self) -> bool {
        self.before_decision != self.after_decision
    }
}
