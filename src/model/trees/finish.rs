//! From a row's sums to what ONNX Runtime's tree nodes answer, operation by operation (`tree_ensemble_aggregator.h`,
//! `ml_common.h`, as of 1.28).

/// What becomes of a row's sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finish {
    /// A regressor: `sum + base`.
    Sum { base: f32 },
    /// A classifier of two classes that sums up the second one's score.
    Binary { base: Option<f32>, logistic: bool, labels: [i64; 2], weights_all_positive: bool },
    /// A classifier of two classes that sums up both scores; `mirrored`: the first is the second with another sign, and only
    /// the second is summed up. ONNX Runtime gives the base to the first, and labels of its own, 0 and 1.
    Pair { base: Option<f32>, logistic: bool, mirrored: bool },
}

impl Finish {
    /// Without the transform, for trees of which it is known whether all weights are positive.
    pub fn bare(self, all_positive: bool) -> Finish {
        match self {
            Finish::Sum { .. } => self,
            Finish::Pair { base, mirrored, .. } => Finish::Pair { base, logistic: false, mirrored },
            Finish::Binary { base, labels, .. } => {
                Finish::Binary { base, logistic: false, labels, weights_all_positive: all_positive }
            }
        }
    }

    /// Columns of the scores.
    pub fn columns(self) -> usize {
        match self {
            Finish::Sum { .. } => 1,
            Finish::Binary { .. } | Finish::Pair { .. } => 2,
        }
    }

    /// Which sum a column of the scores comes of.
    pub fn sum_of(self, column: usize) -> usize {
        match self {
            Finish::Pair { mirrored: false, .. } => column,
            Finish::Sum { .. } | Finish::Binary { .. } | Finish::Pair { .. } => 0,
        }
    }

    /// A score, of its sum. ONNX Runtime's `FinalizeScores` and `write_scores`: for one sum and two classes without a
    /// transform, sums of weights that are never negative are taken for probabilities.
    pub fn score(self, sum: f32, column: usize) -> f32 {
        match self {
            Finish::Sum { base } => sum + base,
            Finish::Binary { base, logistic, weights_all_positive, .. } => {
                let score = base.map_or(sum, |base| sum + base);
                match (logistic, weights_all_positive, column) {
                    (true, _, 0) => logistic_of(-score),
                    (true, _, _) => logistic_of(score),
                    (false, _, 1..) => score,
                    (false, true, 0) => 1.0 - score,
                    (false, false, 0) => -score,
                }
            }
            Finish::Pair { base, logistic, mirrored } => {
                // From 0 as ONNX Runtime sums: a sum of nothing but zeros is not below it.
                let sum = if mirrored && column == 0 { 0.0 - sum } else { sum };
                let score = base.filter(|_| column == 0).map_or(sum, |base| sum + base);
                if logistic { logistic_of(score) } else { score }
            }
        }
    }

    /// The label, of the last column's sum. ONNX Runtime's `_set_score_binary`.
    pub fn label(self, sum: f32) -> i64 {
        match self {
            Finish::Sum { .. } => 0,
            Finish::Binary { base, labels, weights_all_positive, .. } => {
                let score = base.map_or(sum, |base| sum + base);
                labels[usize::from(score > if weights_all_positive { 0.5 } else { 0.0 })]
            }
            Finish::Pair { .. } => i64::from(sum > 0.0),
        }
    }
}

/// ONNX Runtime's `ComputeLogistic`, operation by operation; `exp` is the same C library's.
fn logistic_of(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}
