//! What is wrong with a schema, in words that name the file or the field and say what to do.

use std::fmt;

/// Bytes of one sentence at most: what it names comes from files that may hold anything.
const SENTENCE_BYTES_MAX: usize = 4_096;

/// A sentence without its end, where it is too long to be read.
pub(super) fn shortened(mut sentence: String) -> String {
    if sentence.len() > SENTENCE_BYTES_MAX {
        let mut end = SENTENCE_BYTES_MAX;
        while !sentence.is_char_boundary(end) {
            end -= 1;
        }
        sentence.truncate(end);
        sentence.push_str("...");
    }
    sentence
}

/// Why no plan can be compiled: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The feature or the use, and its path: ``feature `amount` (payment.amount)``.
    pub place: String,
    pub what: String,
    pub fix: String,
    /// The writer's schema is that of another record: neither its name nor its fields are the reader's.
    pub is_other_record: bool,
}

impl PlanError {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> PlanError {
        let (place, what) = (shortened(place.into()), shortened(what.into()));
        PlanError { place, what, fix: shortened(fix.into()), is_other_record: false }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  fix: {}", self.place, self.what, self.fix)
    }
}

impl std::error::Error for PlanError {}

/// Why a schema, a folder of them, or a container file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// File or folder.
    pub place: String,
    pub what: String,
    pub fix: String,
}

impl SchemaError {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> SchemaError {
        SchemaError { place: place.into(), what: shortened(what.into()), fix: fix.into() }
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  fix: {}", self.place, self.what, self.fix)
    }
}

impl std::error::Error for SchemaError {}
