//! What a model's answers look like as numbers: are they probabilities, and what are they likely to be if not.

use crate::values::record::{SCORE_SLACK, score_of};

/// The range of some answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerRange {
    /// Answers looked at.
    pub rows: usize,
    /// Outside 0..=1 by no more than rounding: their scores are clamped.
    pub clamped: usize,
    /// Further outside: no probabilities.
    pub outside: usize,
    pub not_finite: usize,
    /// Of the finite answers; NaN where there are none.
    pub smallest: f64,
    pub median: f64,
    pub largest: f64,
}

impl AnswerRange {
    pub fn of(answers: &[f64]) -> AnswerRange {
        let mut finite: Vec<f64> = answers.iter().copied().filter(|answer| answer.is_finite()).collect();
        finite.sort_unstable_by(f64::total_cmp);
        let beyond = |answer: &&f64| !(0.0..=1.0).contains(*answer);
        let outside = finite.iter().filter(|answer| score_of(**answer).is_err()).count();
        AnswerRange {
            rows: answers.len(),
            clamped: finite.iter().filter(beyond).count() - outside,
            outside,
            not_finite: answers.len() - finite.len(),
            smallest: finite.first().copied().unwrap_or(f64::NAN),
            median: finite.get(finite.len() / 2).copied().unwrap_or(f64::NAN),
            largest: finite.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// Smallest, median and largest, for people.
    pub fn numbers(&self) -> String {
        format!("smallest {:.4}, median {:.4}, largest {:.4}", self.smallest, self.median, self.largest)
    }

    /// `count` of these answers, as a share of all.
    pub fn share(&self, count: usize) -> String {
        format!("{count} of {} ({:.1} %)", self.rows, 100.0 * count as f64 / self.rows.max(1) as f64)
    }

    /// As [`AnswerRange::likely`], behind the key of the contract that makes probabilities of them. Classes that have a column
    /// each have logits there, however small those are.
    pub fn lacking(&self, are_classes: bool) -> (&'static str, (&'static str, &'static str)) {
        match self.likely() {
            _ if are_classes => ("activation", LOGITS),
            LOGITS => ("activation", LOGITS),
            other => ("scale", other),
        }
    }

    /// What numbers that are no probabilities look like, and what makes probabilities of them.
    pub fn likely(&self) -> (&'static str, &'static str) {
        let (smallest, largest) = (self.smallest, self.largest);
        // A little beyond both ends, as a regression on 0 and 1 answers.
        let is_around = smallest >= -0.5 && largest <= 1.5;
        if smallest < -SCORE_SLACK {
            // scikit-learn's isolation forests answer -0.5 to 0.5 (`decision_function`) or -1 to 0 (`score_samples`).
            return match smallest >= -1.0 && largest <= 0.5 {
                true => ANOMALY,
                false if is_around => REGRESSION,
                false => LOGITS,
            };
        }
        match largest {
            _ if is_around => REGRESSION,
            ..=100.0 => PERCENT,
            ..=1_000.0 => PER_MILLE,
            _ => OPEN,
        }
    }
}

const LOGITS: (&str, &str) = (
    "raw scores (logits)",
    "write activation = \"sigmoid\" under [output], or \"softmax\" where each class has a column; or name the output that holds \
     probabilities in output.tensor",
);
const ANOMALY: (&str, &str) = (
    "anomaly scores",
    "write scale = { zero = ..., one = ... } under [output]: the answers of a normal transaction and of the surest fraud, one \
     below zero where small answers are the fraud; or put a calibration that was fitted on labelled transactions into the graph",
);
const REGRESSION: (&str, &str) = (
    "a regression on 0 and 1, which overshoots",
    "write scale = { zero = 0.0, one = 1.0 } under [output], which cuts off what lies beyond, or train a classifier",
);
const PERCENT: (&str, &str) = (
    "scores from 0 to 100",
    "write scale = { zero = 0.0, one = 100.0 } under [output], or name the output that holds probabilities",
);
const PER_MILLE: (&str, &str) = (
    "scores from 0 to 1000",
    "write scale = { zero = 0.0, one = 1000.0 } under [output], or name the output that holds probabilities",
);
const OPEN: (&str, &str) = (
    "distances or amounts without an upper end, such as a reconstruction error",
    "write scale = { zero = ..., one = ... } under [output]: the distances of a normal transaction and of the surest fraud; or \
     put a calibration that was fitted on labelled transactions into the graph",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_tells_rounding_from_what_is_no_probability() {
        let range = AnswerRange::of(&[0.5, 1.000_000_1, f64::NAN, -1e-6, 0.25, 1.01, -0.0, f64::INFINITY]);
        assert_eq!((range.rows, range.clamped, range.outside, range.not_finite), (8, 2, 1, 2));
        assert_eq!((range.smallest, range.median, range.largest), (-1e-6, 0.5, 1.01));
        assert_eq!(range.share(range.clamped), "2 of 8 (25.0 %)");
        let none = AnswerRange::of(&[f64::NAN]);
        assert!(none.median.is_nan() && none.not_finite == 1);
    }

    #[test]
    fn numbers_are_called_what_they_look_like() {
        let kinds: [(&[f64], _); 8] = [
            (&[-6.5, -2.0, 3.1], LOGITS),
            (&[-9.0, -7.0, -2.0], LOGITS),
            (&[-0.15, 0.04, 0.08], ANOMALY),
            (&[-0.7, -0.45, -0.38], ANOMALY),
            (&[-0.02, 0.001, 0.97], REGRESSION),
            (&[0.0, 0.02, 1.2], REGRESSION),
            (&[0.0, 3.0, 97.0], PERCENT),
            (&[0.0, 3.0, 1e7], OPEN),
        ];
        for (answers, kind) in kinds {
            let range = AnswerRange::of(answers);
            let key = if kind == LOGITS { "activation" } else { "scale" };
            assert_eq!((range.likely(), range.lacking(false)), (kind, (key, kind)), "{answers:?}");
            assert_eq!(range.lacking(true), ("activation", LOGITS), "{answers:?}");
        }
        assert_eq!(AnswerRange::of(&[12.0, 400.0, 1_000.0]).likely(), PER_MILLE);
    }
}
