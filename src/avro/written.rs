//! The schemas of what is written, in every version there has been.
//!
//! Others read by them, so they only grow: a field is added with a default, to which null belongs; an enum has a default;
//! nothing is renamed, moved to another type or taken away. A version that has been released is never changed, and stays
//! here with its file. `tests/avro/evolution.rs` holds this, and reads each version by each other.

use super::schemas::{AvroSchema, SchemaError};

/// A topic's values that are Avro of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Outputs,
    Review,
    Challenges,
}

/// What a version of a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// From 1.
    pub number: u32,
    pub text: &'static str,
}

const fn version(number: u32, text: &'static str) -> Version {
    Version { number, text }
}

const OUTPUTS: [Version; 2] =
    [version(2, include_str!("schemas/model_output.avsc")), version(1, include_str!("schemas/model_output.1.avsc"))];
const REVIEW: [Version; 2] =
    [version(2, include_str!("schemas/human_review.avsc")), version(1, include_str!("schemas/human_review.1.avsc"))];

const CHALLENGES: [Version; 1] = [version(1, include_str!("schemas/model_challenge.avsc"))];

impl Written {
    pub const ALL: [Written; 3] = [Written::Outputs, Written::Review, Written::Challenges];

    /// The newest first: it is what this program writes.
    pub fn versions(self) -> &'static [Version] {
        match self {
            Written::Outputs => &OUTPUTS,
            Written::Review => &REVIEW,
            Written::Challenges => &CHALLENGES,
        }
    }

    /// The text of the version that is written.
    pub fn text(self) -> &'static str {
        self.versions()[0].text
    }

    /// The text of each version, the newest first.
    pub fn texts(self) -> Vec<&'static str> {
        self.versions().iter().map(|version| version.text).collect()
    }

    /// The version that is written.
    pub fn schema(self) -> AvroSchema {
        self.versions()[0].schema()
    }
}

impl Version {
    pub fn schema(self) -> AvroSchema {
        own(AvroSchema::parse(self.text, "a schema of this program"))
    }
}

/// Our own schemas are part of the program; the tests parse all of them.
fn own(schema: Result<AvroSchema, SchemaError>) -> AvroSchema {
    schema.unwrap_or_else(|why| unreachable!("{why}"))
}
