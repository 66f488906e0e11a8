//! Scales: from values to places on an axis (0 to 1), and the round values at which to mark it.

use crate::load::report::figures::count;

/// Marks that a linear axis has about.
const TICKS: f64 = 5.0;
/// Over more decades than this only the decades are marked.
const FINE_DECADES_MAX: f64 = 3.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    Linear {
        high: f64,
        step: f64,
    },
    /// Decimal logarithms of its ends.
    Log {
        low: f64,
        high: f64,
    },
}

impl Scale {
    /// From 0 to a round value at or above `max`.
    pub fn from_zero(max: f64) -> Scale {
        let max = if max > 0.0 { max } else { 1.0 };
        let rough = max / TICKS;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        Scale::Linear { high: (max / step - 1e-9).ceil() * step, step }
    }

    /// Over the positive values among `min` and `max`, out to the next marks.
    pub fn logarithmic(min: f64, max: f64) -> Scale {
        let max = if max > 0.0 { max } else { 1.0 };
        let min = if min > 0.0 && min < max { min } else { max / 10.0 };
        let outward = |value: f64, up: bool| {
            let decade = 10f64.powf(value.log10().floor());
            let marks = [1.0, 2.0, 5.0, 10.0].map(|times| times * decade);
            let found = if up {
                marks.into_iter().find(|mark| *mark >= value * (1.0 - 1e-9))
            } else {
                marks.into_iter().rev().find(|mark| *mark <= value * (1.0 + 1e-9))
            };
            found.unwrap_or(value).log10()
        };
        Scale::Log { low: outward(min, false), high: outward(max, true) }
    }

    /// Where a value lies; outside values lie on the edge.
    pub fn place(&self, value: f64) -> f64 {
        let place = match *self {
            Scale::Linear { high, .. } => value / high,
            Scale::Log { low, high } => (value.max(f64::MIN_POSITIVE).log10() - low) / (high - low),
        };
        place.clamp(0.0, 1.0)
    }

    /// Round values between the ends, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = match *self {
            Scale::Linear { high, step } => (0..=(high / step).round() as u32).map(|n| f64::from(n) * step).collect(),
            Scale::Log { low, high } => {
                let times: &[f64] = if high - low > FINE_DECADES_MAX { &[1.0] } else { &[1.0, 2.0, 5.0] };
                let decades = low.floor() as i32..=high.ceil() as i32;
                let marks = decades.flat_map(|decade| times.iter().map(move |times| times * 10f64.powi(decade)));
                marks.filter(|mark| (low - 1e-9..=high + 1e-9).contains(&mark.log10())).collect()
            }
        };
        values.into_iter().map(|value| (self.place(value), label(value))).collect()
    }
}

/// A round value without needless digits.
pub fn label(value: f64) -> String {
    if value >= 1_000.0 {
        return count(value.round() as u64);
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_axes_begin_at_zero_and_end_at_a_round_value() {
        assert_eq!(labels(Scale::from_zero(9_998.0)), ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]);
        assert_eq!(labels(Scale::from_zero(0.3)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(Scale::from_zero(0.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(Scale::from_zero(10.0).place(5.0), 0.5);
        assert_eq!(Scale::from_zero(10.0).place(-5.0), 0.0);
    }

    #[test]
    fn logarithmic_axes_are_marked_at_one_two_five() {
        assert_eq!(labels(Scale::logarithmic(0.3, 4.0)), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!(labels(Scale::logarithmic(0.01, 1_000.0)), ["0.01", "0.1", "1", "10", "100", "1,000"]);
        assert_eq!(labels(Scale::logarithmic(0.0, 0.0)), ["0.1", "0.2", "0.5", "1"]);
        let scale = Scale::logarithmic(0.1, 10.0);
        assert!((scale.place(1.0) - 0.5).abs() < 1e-9);
        assert_eq!((scale.place(0.0), scale.place(99.0)), (0.0, 1.0));
        // One value alone still spans an axis.
        assert!(labels(Scale::logarithmic(3.0, 3.0)).len() > 2);
    }
}
