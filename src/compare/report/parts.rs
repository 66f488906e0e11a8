//! What callers fill in: which two sides, what became of the records, where they are from.

use serde::{Serialize, Serializer};

use crate::compare::labelled::Thresholds;

/// What was set side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Recorded outputs, and a package that scored the same records again.
    Replay,
    /// A champion's outputs, and what a challenger said beside it.
    Challenge,
}

impl Kind {
    pub fn title(self) -> &'static str {
        match self {
            Kind::Replay => "Replay beside recorded outputs",
            Kind::Challenge => "Challenger beside champion",
        }
    }

    /// What the two sides are called where there is little room.
    pub fn sides(self) -> [&'static str; 2] {
        match self {
            Kind::Replay => ["recorded", "replayed"],
            Kind::Challenge => ["champion", "challenger"],
        }
    }
}

/// One of the two models, with its thresholds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What it is in this comparison: `recorded outputs`, `challenger`.
    pub role: String,
    pub package: String,
    pub version: String,
    /// Of the model, as 64 hexadecimal digits; empty where nobody knows.
    pub sha256: String,
    pub thresholds: Thresholds,
    pub thresholds_version: String,
}

impl Side {
    /// Whether both are the same model. Thresholds may be others.
    pub fn is_model_of(&self, other: &Side) -> bool {
        !self.sha256.is_empty() && self.sha256.eq_ignore_ascii_case(&other.sha256)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    pub before: Side,
    pub after: Side,
}

/// How many records something became of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub name: String,
    pub number: u64,
    /// In a few words, for those who do not know the name.
    pub meaning: String,
}

impl Count {
    pub fn new(name: impl Into<String>, number: u64, meaning: impl Into<String>) -> Count {
        Count { name: name.into(), number, meaning: meaning.into() }
    }
}

/// Names and values in their own order, as one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(pub Vec<(String, String)>);

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
