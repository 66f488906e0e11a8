//! The door to a model.

use std::fmt;
use std::time::Duration;

use ndarray::ArrayView2;

/// What a model that did not answer can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreErrorKind {
    /// Other rows: each is tried alone.
    Rows,
    /// Nothing for now, whatever the rows are. Said by models that are elsewhere.
    Unavailable,
}

/// A batch that the model did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreError {
    pub kind: ScoreErrorKind,
    /// When to ask again, where the model said so.
    pub retry_after: Option<Duration>,
    /// In the model's words.
    pub text: String,
}

impl ScoreError {
    pub fn rows(text: impl Into<String>) -> ScoreError {
        ScoreError { kind: ScoreErrorKind::Rows, retry_after: None, text: text.into() }
    }

    pub fn unavailable(text: impl Into<String>, retry_after: Option<Duration>) -> ScoreError {
        ScoreError { kind: ScoreErrorKind::Unavailable, retry_after, text: text.into() }
    }
}

impl fmt::Display for ScoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ScoreError {}

/// A model, ready and verified.
pub trait Scorer {
    /// Features per row.
    fn width(&self) -> usize;

    /// Scores `rows` (`[n, width]`, row-major, contiguous) into `scores[..n]`: the probability of fraud, as the model
    /// answers it. The score that an answer stands for, if any, is [`crate::values::record::score_of`]'s part.
    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError>;
}
