//! How a row's answers become its score, beyond the choice of a column: activation, sum, scale, one minus. In 64-bit floats,
//! whatever type the answers have, and in one place, so that golden rows, lanes and kernels have the same bits.

/// What makes probabilities of logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// 1 / (1 + exp(-x)), of each column alone.
    Sigmoid,
    /// exp(x) / sum of exp, over all columns of the tensor.
    Softmax,
}

/// The answers that become the scores 0 and 1. Those between lie on a straight line, those beyond become 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub zero: f64,
    pub one: f64,
}

/// What is made of the answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub activation: Option<Activation>,
    pub scale: Option<Scale>,
    /// The score is 1 less it.
    pub one_minus: bool,
}

impl Reading {
    /// Whether the chosen column is the score as it is.
    pub fn is_plain(&self) -> bool {
        *self == Reading::default()
    }

    /// Whether each column can be read without its neighbours.
    pub fn is_by_column(&self) -> bool {
        self.activation != Some(Activation::Softmax)
    }

    /// The score of a row of which `columns` count; `answers` holds all of its columns.
    #[inline]
    pub fn score<T: Copy + Into<f64>>(&self, answers: &[T], columns: &[usize]) -> f64 {
        let sum = match self.activation {
            Some(Activation::Softmax) => softmax(answers, columns),
            _ => columns.iter().map(|column| self.activated(answers[*column].into())).sum(),
        };
        self.finish(sum)
    }

    /// The score of a row whose one column counts.
    #[inline]
    pub fn score_of(&self, answer: f64) -> f64 {
        self.finish(self.activated(answer))
    }

    #[inline]
    fn activated(&self, answer: f64) -> f64 {
        match self.activation {
            Some(_) if !answer.is_finite() => f64::NAN,
            Some(_) => 1.0 / (1.0 + (-answer).exp()),
            None => answer,
        }
    }

    #[inline]
    fn finish(&self, answer: f64) -> f64 {
        let scaled = match self.scale {
            // What a model answers beside any number is no score.
            Some(_) if !answer.is_finite() => f64::NAN,
            Some(Scale { zero, one }) => ((answer - zero) / (one - zero)).clamp(0.0, 1.0),
            None => answer,
        };
        if self.one_minus { 1.0 - scaled } else { scaled }
    }
}

/// The largest answer goes first, so that no power overflows.
fn softmax<T: Copy + Into<f64>>(answers: &[T], columns: &[usize]) -> f64 {
    let all = || answers.iter().map(|answer| (*answer).into());
    if all().any(|answer: f64| !answer.is_finite()) {
        return f64::NAN;
    }
    let largest = all().fold(f64::NEG_INFINITY, f64::max);
    let power = |answer: f64| (answer - largest).exp();
    let sum: f64 = all().map(power).sum();
    columns.iter().map(|column| power(answers[*column].into()) / sum).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(activation: Option<Activation>, scale: Option<Scale>, one_minus: bool) -> Reading {
        Reading { activation, scale, one_minus }
    }

    /// Values of SciPy 1.17.1: `expit` and `softmax` in float64.
    #[test]
    fn activations_are_scipys() {
        let sigmoid = with(Some(Activation::Sigmoid), None, false);
        for (logit, expected) in [(0.0, 0.5), (2.5, 0.924_141_819_978_756_6), (-7.25, 0.000_709_670_399_100_588_1)] {
            assert!((sigmoid.score(&[logit], &[0]) - expected).abs() < 1e-15, "{logit}");
        }
        assert_eq!([-800.0, 800.0].map(|logit| sigmoid.score_of(logit)), [0.0, 1.0]);
        let softmax = with(Some(Activation::Softmax), None, false);
        let row = [1.0f32, 3.0, 0.5];
        assert!((softmax.score(&row, &[1]) - 0.821_409_019_465_125_9).abs() < 1e-15);
        assert!((softmax.score(&row, &[0, 2]) - 0.178_590_980_534_874_04).abs() < 1e-15);
        assert_eq!(softmax.score(&[1e4f32, 0.0], &[0]), 1.0);
    }

    #[test]
    fn sums_scales_and_complements_follow_each_other() {
        assert_eq!(with(None, None, false).score(&[0.5f32, 0.25, 0.25], &[1, 2]), 0.5);
        assert_eq!(with(None, None, true).score(&[0.25f64, 0.75], &[0]), 0.75);
        let anomaly = with(None, Some(Scale { zero: 0.1, one: -0.3 }), false);
        assert_eq!([0.2, 0.1, -0.3, -0.5].map(|answer| anomaly.score_of(answer)), [0.0, 0.0, 1.0, 1.0]);
        assert!((anomaly.score_of(-0.1) - 0.5).abs() < 1e-15);
        assert!((with(None, Some(Scale { zero: 0.0, one: 100.0 }), true).score_of(30.0) - 0.7).abs() < 1e-15);
    }

    #[test]
    fn what_is_not_finite_stays_no_score() {
        for answer in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for activation in [Activation::Sigmoid, Activation::Softmax] {
                assert!(with(Some(activation), None, false).score(&[answer, 1.0], &[0]).is_nan(), "{answer}");
            }
            assert!(with(None, Some(Scale { zero: 0.0, one: 1.0 }), true).score_of(answer).is_nan(), "{answer}");
        }
    }
}
