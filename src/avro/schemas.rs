//! Where writers' schemas come from.

mod directory;

use std::sync::Arc;

use apache_avro::Schema;

use super::canonical;
pub use super::problem::SchemaError;
pub use directory::{OnUnknown, SchemaDirectory};

use crate::record::SchemaKey;

/// A parsed schema and its fingerprint. Parsing is apache-avro's, which takes attributes it does not know, nullable
/// fields without default, and logical types beside a field's type, as real schemas have them.
#[derive(Debug)]
pub struct AvroSchema {
    schema: Schema,
    fingerprint: u64,
}

impl AvroSchema {
    /// `place` names the schema in messages: a file's path.
    ///
    /// # Errors
    /// When the text is no JSON or no Avro schema.
    pub fn parse(text: &str, place: &str) -> Result<AvroSchema, SchemaError> {
        let schema = Schema::parse_str(text).map_err(|why| {
            SchemaError::new(
                place,
                format!("no Avro schema: {why}"),
                "correct the schema's text (JSON, as in an .avsc file)",
            )
        })?;
        Ok(AvroSchema::new(schema))
    }

    pub fn new(schema: Schema) -> AvroSchema {
        let fingerprint = canonical::fingerprint(&schema);
        AvroSchema { schema, fingerprint }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// CRC-64-AVRO of the parsing canonical form, as single-object encoding carries it (little endian there).
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// An answer to the question for a writer's schema.
#[derive(Clone, Debug)]
pub enum Lookup {
    Found(Arc<AvroSchema>),
    /// Not there yet, or not to be fetched now: the partition waits, and the caller asks again later.
    Pending,
    /// Nobody knows it, and nobody will: the record is a dead letter.
    Unknown,
}

/// Somebody who knows writers' schemas.
pub trait SchemaSource {
    /// May read files or ask a registry: called for keys without a plan only.
    fn lookup(&mut self, key: SchemaKey) -> Lookup;

    /// Every key that is known now, so that plans can be made and problems told before the first record.
    fn known(&self) -> Vec<SchemaKey> {
        Vec::new()
    }

    /// Why a key is not found, where the source knows more than that.
    fn problem(&self, _key: SchemaKey) -> Option<String> {
        None
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
