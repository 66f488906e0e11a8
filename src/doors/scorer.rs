//! The door to a model.

use std::fmt;
use std::time::Duration;

use ndarray::ArrayView2;

use crate::values::failure::FailureClass;

/// What became of a call that brought no scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreErrorKind {
    /// The model takes no such rows, now or ever. Each is tried alone.
    Refused,
    /// The model failed on the call. Each row is tried alone.
    Failed,
    /// It answered, and not as its contract says. Each row is tried alone.
    BadAnswer,
    /// It did not answer in time. No row is tried again: others have waited for long enough.
    TimedOut,
    /// It is not to be had for now, whatever the rows are. Said by models that are elsewhere.
    Unavailable,
}

impl ScoreErrorKind {
    pub fn class(self) -> FailureClass {
        match self {
            ScoreErrorKind::Refused => FailureClass::Refused,
            ScoreErrorKind::Failed | ScoreErrorKind::Unavailable => FailureClass::Failed,
            ScoreErrorKind::BadAnswer => FailureClass::BadAnswer,
            ScoreErrorKind::TimedOut => FailureClass::TimedOut,
        }
    }

    /// Whether other rows may fare better.
    pub fn is_of_rows(self) -> bool {
        !matches!(self, ScoreErrorKind::TimedOut | ScoreErrorKind::Unavailable)
    }
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
    pub fn new(kind: ScoreErrorKind, text: impl Into<String>) -> ScoreError {
        ScoreError { kind, retry_after: None, text: text.into() }
    }

    pub fn failed(text: impl Into<String>) -> ScoreError {
        ScoreError::new(ScoreErrorKind::Failed, text)
    }

    pub fn unavailable(text: impl Into<String>, retry_after: Option<Duration>) -> ScoreError {
        ScoreError { retry_after, ..ScoreError::new(ScoreErrorKind::Unavailable, text) }
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
