//! Steps behind a number's transform: what is done to it before it goes into its column, one after the other, in 64-bit
//! floats. It is rounded once, when it becomes the column's 32-bit float.

/// One step. Names and meanings are NumPy's (`log1p`, `clip`), scikit-learn's (`mean` and `scale` of a `StandardScaler`)
/// and ONNX's (`offset` and `scale` of a `Scaler`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// ln(1 + x): minus infinity at -1, NaN below.
    Log1p,
    /// Into the range; NaN stays.
    Clip { min: f64, max: f64 },
    /// (x - offset) * scale.
    Scale { offset: f64, scale: f64 },
    /// (x - mean) / scale.
    Standard { mean: f64, scale: f64 },
}

impl Step {
    /// As they are written in `model.toml`, in the list `then`.
    pub const SPELLINGS: [&str; 4] =
        ["\"log1p\"", "{ clip = [0.0, 1000.0] }", "{ scale = 0.01, offset = 5.0 }", "{ mean = 5.0, scale = 100.0 }"];

    #[inline]
    pub fn of(self, value: f64) -> f64 {
        match self {
            Step::Log1p => value.ln_1p(),
            Step::Clip { min, .. } if value < min => min,
            Step::Clip { max, .. } if value > max => max,
            Step::Clip { .. } => value,
            Step::Scale { offset, scale } => (value - offset) * scale,
            Step::Standard { mean, scale } => (value - mean) / scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and answers of NumPy 2.4.6 in float64, then `np.float32(...)`.
    #[test]
    fn log1p_is_numpys_rounded_once() {
        for (value, expected) in [
            (0.0, 0.0f32),
            (1e-9, 1e-9),
            (0.1, 0.095_310_18),
            (12.5, 2.602_689_7),
            (99.99, 4.615_021_5),
            (123_456.78, 11.723_655),
            (-0.25, -0.287_682_1),
        ] {
            assert_eq!(Step::Log1p.of(value) as f32, expected, "{value}");
        }
        assert_eq!(Step::Log1p.of(-1.0), f64::NEG_INFINITY);
        assert!(Step::Log1p.of(-1.5).is_nan() && Step::Log1p.of(f64::NAN).is_nan());
    }

    #[test]
    fn clip_and_scale_are_what_their_libraries_say() {
        let clip = Step::Clip { min: 0.0, max: 10.0 };
        assert_eq!([-1.0, 0.0, 5.5, 10.0, 11.0].map(|value| clip.of(value)), [0.0, 0.0, 5.5, 10.0, 10.0]);
        assert!(clip.of(f64::NAN).is_nan());
        let open = Step::Clip { min: f64::NEG_INFINITY, max: 3.0 };
        assert_eq!([-1e300, 4.0].map(|value| open.of(value)), [-1e300, 3.0]);
        assert_eq!(Step::Scale { offset: 2.0, scale: 0.5 }.of(12.0), 5.0);
        assert_eq!(Step::Standard { mean: 2.0, scale: 4.0 }.of(12.0), 2.5);
    }
}
