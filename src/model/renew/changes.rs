//! What a retraining changed.

use crate::model::facts::Facts;
use crate::model::outlets::Outlet;
use crate::model::trees::Told;
use crate::values::record::score_of;
use crate::values::settings::Thresholds;

/// One thing before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub what: &'static str,
    pub before: String,
    pub after: String,
}

impl Change {
    pub fn new(what: &'static str, before: String, after: String) -> Change {
        Change { what, before, after }
    }
}

/// How far scores moved on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    pub rows: usize,
    pub mean: f64,
    pub largest: f64,
    /// Rows whose decision is another one by the package's thresholds.
    pub decisions: usize,
    /// Rows at or above `review` and `decline`: before and after.
    pub reviewed: [usize; 2],
    pub declined: [usize; 2],
}

/// What differs between two files.
pub fn compare(before: &Facts, trees_before: &Told, after: &Facts, trees_after: &Told) -> Vec<Change> {
    let outlets = |outlets: &[Outlet]| {
        outlets.iter().map(|outlet| format!("`{}` {}", outlet.name, outlet.describe())).collect::<Vec<_>>().join("; ")
    };
    let trees = |trees: &Told| match trees.trees {
        0 => "none".to_owned(),
        _ => format!("{} with {} splits, on {} columns", trees.trees, trees.splits, trees.columns.len()),
    };
    let missing = |trees: &Told| format!("{} columns", trees.tracked.len());
    let pairs = [
        ("exporter", before.exporter.clone(), after.exporter.clone()),
        ("opsets", before.opsets_in_words(), after.opsets_in_words()),
        ("inputs", outlets(&before.inputs), outlets(&after.inputs)),
        ("outputs", outlets(&before.outputs), outlets(&after.outputs)),
        ("operators", before.operators_in_words(), after.operators_in_words()),
        ("trees", trees(trees_before), trees(trees_after)),
        ("missing values have a way", missing(trees_before), missing(trees_after)),
    ];
    let differ = pairs.into_iter().filter(|(_, before, after)| before != after);
    differ.map(|(what, before, after)| Change::new(what, before, after)).collect()
}

/// From the scores that golden rows had to those that a new model gives them.
pub fn moved(before: &[f64], answers: &[f64], thresholds: &Thresholds) -> Moved {
    let after: Vec<f64> = answers.iter().map(|answer| score_of(*answer).unwrap_or(f64::NAN)).collect();
    let pairs = || before.iter().zip(&after);
    let differences: Vec<f64> =
        pairs().map(|(one, other)| (one - other).abs()).filter(|difference| !difference.is_nan()).collect();
    let band = |score: f64| usize::from(score >= thresholds.review) + usize::from(score >= thresholds.decline);
    let at_least = |bound: f64| [before, &after].map(|scores| scores.iter().filter(|score| **score >= bound).count());
    Moved {
        rows: before.len(),
        mean: differences.iter().sum::<f64>() / differences.len().max(1) as f64,
        largest: differences.iter().copied().fold(0.0, f64::max),
        decisions: pairs().filter(|(one, other)| band(**one) != band(**other)).count(),
        reviewed: at_least(thresholds.review),
        declined: at_least(thresholds.decline),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_move_are_told_by_their_decisions() {
        let thresholds = Thresholds { review: 0.2, decline: 0.8, version: "t".into() };
        let moved = moved(&[0.1, 0.3, 0.9], &[0.1, 0.1, f64::NAN], &thresholds);
        assert_eq!((moved.rows, moved.decisions, moved.reviewed, moved.declined), (3, 2, [2, 0], [1, 0]));
        assert!((moved.mean - 0.1).abs() < 1e-12 && (moved.largest - 0.2).abs() < 1e-12, "{moved:?}");
    }
}
