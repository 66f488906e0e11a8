//! Where writers' schemas come from.

mod directory;
mod file_name;
mod types;

use std::sync::Arc;

use crossbeam::channel::Receiver;
use serde_json::Value as Json;

use super::build::{self, Elsewhere};
use super::graph::Graph;
pub use super::problem::SchemaError;
use super::{canonical, text};
pub use directory::SchemaDirectory;

use crate::values::record::SchemaKey;

/// A schema as it was written, with its fingerprint. It is read as leniently as Java reads a registered one; attributes
/// that say what a number means are kept even where the specification ignores them.
#[derive(Debug)]
pub struct AvroSchema {
    text: String,
    graph: Graph,
    fingerprint: u64,
}

impl AvroSchema {
    /// `place` names the schema in messages: a file's path.
    ///
    /// # Errors
    /// When the text is no JSON or no Avro schema.
    pub fn parse(text: &str, place: &str) -> Result<AvroSchema, SchemaError> {
        let json = text::json(text).map_err(|(what, fix)| SchemaError::new(place, what, fix))?;
        AvroSchema::build(text, &json, place, &|_| Ok(None))
    }

    /// Of a schema's text and its JSON. `elsewhere` finds types that it only names.
    fn build(text: &str, json: &Json, place: &str, elsewhere: &Elsewhere<'_>) -> Result<AvroSchema, SchemaError> {
        let graph = build::graph(json, elsewhere).map_err(|what| {
            let fix = "correct the schema's text (JSON, as in an .avsc file)";
            SchemaError::new(place, format!("no Avro schema: {what}"), fix)
        })?;
        let fingerprint = canonical::fingerprint(&canonical::form(&graph));
        Ok(AvroSchema { text: text.to_owned(), graph, fingerprint })
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The specification's parsing canonical form.
    pub fn canonical_form(&self) -> String {
        canonical::form(&self.graph)
    }

    /// CRC-64-AVRO of the parsing canonical form, as single-object encoding carries it (little endian there).
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether both read the same bytes as the same values: one canonical form, and every unit and scale equal.
    pub fn is_same_as(&self, other: &AvroSchema) -> bool {
        self.canonical_form() == other.canonical_form() && self.graph.means_as(&other.graph)
    }
}

/// An answer to the question for a writer's schema.
#[derive(Clone, Debug)]
pub enum Lookup {
    Found(Arc<AvroSchema>),
    /// It is being asked for: the source's bell rings when the key is among [`SchemaSource::take_arrived`].
    Coming,
    /// Not there yet, or not to be fetched now: the partition waits, and the caller asks again later.
    Pending,
    /// Nobody knows it, and nobody will: the record is a dead letter.
    Unknown,
    /// There is something, and it must not be used: the record is a dead letter. Why, and what to do.
    Refused(String),
}

/// Somebody who knows writers' schemas.
pub trait SchemaSource {
    /// May read files, and waits for nobody else: called for keys without a plan only.
    fn lookup(&mut self, key: SchemaKey) -> Lookup;

    /// Every key that is known now, so that plans can be made and problems told before the first record.
    fn known(&self) -> Vec<SchemaKey> {
        Vec::new()
    }

    /// Called about once a second: what is known may be older than this only by so much.
    fn refresh(&mut self) {}

    /// Keys that are refused since this was asked last, whatever was found for them before.
    fn take_refused(&mut self) -> Vec<SchemaKey> {
        Vec::new()
    }

    /// Why a key is not found, where the source knows more than that.
    fn problem(&self, _key: SchemaKey) -> Option<String> {
        None
    }

    /// Rings when there is something in [`SchemaSource::take_arrived`] or [`SchemaSource::take_refused`].
    fn bell(&self) -> Option<Receiver<()>> {
        None
    }

    /// What there is to tell of schemas that were looked up since this was asked last.
    fn take_remarks(&mut self) -> Vec<(SchemaKey, String)> {
        Vec::new()
    }

    /// Keys whose look-up brings more now than before.
    fn take_arrived(&mut self) -> Vec<SchemaKey> {
        Vec::new()
    }
}

/// A key as logs and headers spell it: `id 17`, `fingerprint 9c2f...`, `guid 0af3...`, `raw`.
pub fn key_text(key: SchemaKey) -> String {
    match key {
        SchemaKey::Id(_) => format!("id {key}"),
        SchemaKey::Fingerprint(_) => format!("fingerprint {key}"),
        SchemaKey::Guid(_) => format!("guid {key}"),
        SchemaKey::Raw => "raw".into(),
    }
}
