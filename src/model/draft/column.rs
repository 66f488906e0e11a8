//! One column of the model, with the field that feeds it.

use crate::avro::feature::{Feature, Missing, Transform};
use crate::avro::fields::SchemaField;
use crate::model::draft::matching::How;
use crate::model::model_file::Takes;

/// One column and what was found out about it. What is undecided has the words that a person reads instead of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// As the contract calls it.
    pub name: String,
    pub source: Source,
    /// What the model takes in its place.
    pub takes: Takes,
    pub transform: Result<Transform, String>,
    /// Why this one, where there is something to say.
    pub transform_why: String,
    /// `None`: its path cannot be null.
    pub missing: Option<Missing>,
    /// Why this policy.
    pub missing_why: String,
    /// Worth a look.
    pub warnings: Vec<String>,
}

/// Where a column comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Field(SchemaField, How),
    /// Why not, and which fields are near.
    Undecided(String),
}

impl Column {
    /// Nothing but its source is known.
    pub fn new(name: String, source: Source) -> Column {
        Column {
            name,
            source,
            takes: Takes::default(),
            transform: Ok(Transform::Number),
            transform_why: String::new(),
            missing: None,
            missing_why: String::new(),
            warnings: Vec::new(),
        }
    }

    /// The field, where one was found.
    pub fn field(&self) -> Option<&SchemaField> {
        match &self.source {
            Source::Field(field, _) => Some(field),
            Source::Undecided(_) => None,
        }
    }

    /// The contract's feature, where all of it is decided.
    pub fn feature(&self) -> Option<Feature> {
        let (field, transform) = (self.field()?, self.transform.clone().ok()?);
        Some(self.feature_of(&field.path, transform))
    }

    /// What the model can be tried with: the contract's feature, and where that is not decided one that stands for it.
    pub fn trial(&self) -> Feature {
        let transform = match &self.transform {
            Ok(transform) => transform.clone(),
            // Texts that no training has seen are all that is left.
            Err(_) if self.takes.is_text() => Transform::Index { symbols: Vec::new(), otherwise: Some(-1.0) },
            Err(_) => Transform::Number,
        };
        self.feature_of(self.field().map_or("", |field| &field.path), transform)
    }

    fn feature_of(&self, path: &str, transform: Transform) -> Feature {
        let (name, path, missing) = (self.name.clone(), path.to_owned(), self.missing);
        Feature { name, path, transform, then: Vec::new(), missing, min: None, max: None }
    }
}
