//! What is compared: two answers for one record.

use crate::values::record::{Decision, Position};

/// What one model said of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Probability of fraud, 0..=1.
    pub score: f64,
    pub decision: Decision,
}

/// Both answers for the record at one source position.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub at: Position,
    /// The transaction's id as text, where it has one.
    pub id: Option<&'a [u8]>,
    /// The reference: what was recorded, or what the champion said.
    pub before: Answer,
    /// What is judged: the replay's answer, or the challenger's.
    pub after: Answer,
    pub inputs: Inputs,
}

/// Whether both models were given the same features, by the two fingerprints of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inputs {
    /// At least one of the fingerprints is not there.
    Unknown,
    Same,
    Other,
}

impl Inputs {
    /// As reports say it.
    pub fn name(self) -> &'static str {
        match self {
            Inputs::Unknown => "unknown",
            Inputs::Same => "same",
            Inputs::Other => "other",
        }
    }
}

impl Answer {
    /// Whether the score can be one: see [`crate::values::record::score_of`].
    pub fn is_probability(&self) -> bool {
        (0.0..=1.0).contains(&self.score)
    }
}

impl Pair<'_> {
    /// Whether the scores have other bits: 0.0 and -0.0 do.
    pub fn differs(&self) -> bool {
        self.before.score.to_bits() != self.after.score.to_bits()
    }

    pub fn is_flip(&self) -> bool {
        self.before.decision != self.after.decision
    }

    /// After minus before, where both are probabilities.
    pub fn difference(&self) -> Option<f64> {
        let is_told = self.before.is_probability() && self.after.is_probability();
        is_told.then_some(self.after.score - self.before.score)
    }
}
