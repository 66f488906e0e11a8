//! Payments as the tests write them, encoded by apache-avro.

use std::sync::{Arc, LazyLock};

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::avro::schemas::AvroSchema;

use super::scorer::Mode;

pub const SCHEMA: &str = r#"{
  "type": "record", "name": "Payment", "namespace": "test",
  "fields": [
    { "name": "id", "type": "string" },
    { "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } },
    { "name": "risk", "type": "double" },
    { "name": "mode", "type": "int" },
    { "name": "bonus", "type": ["null", "double"], "default": null },
    { "name": "must", "type": ["null", "double"], "default": null },
    { "name": "note", "type": "string" }
  ]
}"#;

/// Id under which the fake schema source knows [`SCHEMA`].
pub const KNOWN_ID: u32 = 1;
/// Id the fake schema source keeps pending until told otherwise.
pub const PENDING_ID: u32 = 7;
/// Id that nobody knows.
pub const UNKNOWN_ID: u32 = 99;

static READER: LazyLock<Arc<AvroSchema>> = LazyLock::new(|| Arc::new(AvroSchema::parse(SCHEMA, "payment").unwrap()));

static WRITER: LazyLock<Schema> = LazyLock::new(|| Schema::parse_str(SCHEMA).unwrap());

pub fn reader() -> Arc<AvroSchema> {
    Arc::clone(&READER)
}

fn number(name: &str, missing: Option<Missing>) -> Feature {
    let transform = Transform::Number;
    Feature { name: name.into(), path: name.into(), transform, then: Vec::new(), missing, min: None, max: None }
}

pub fn wanted() -> Wanted {
    Wanted {
        features: vec![
            number("risk", None),
            number("mode", None),
            number("bonus", Some(Missing::Nan)),
            number("must", Some(Missing::Reject)),
        ],
        transaction_id: Some("id".into()),
        event_time: Some("at".into()),
    }
}

/// A payment, and how it is framed.
#[derive(Clone, Debug)]
pub struct Payment {
    pub id: String,
    pub at_ms: i64,
    pub risk: f64,
    pub mode: Mode,
    pub bonus: Option<f64>,
    pub must: Option<f64>,
    pub note: String,
    pub schema_id: Option<u32>,
}

impl Payment {
    /// Single-object encoding; every feature present.
    pub fn new(id: impl Into<String>, risk: f64) -> Payment {
        Payment {
            id: id.into(),
            at_ms: 1_700_000_000_000,
            risk,
            mode: Mode::Score,
            bonus: Some(0.5),
            must: Some(1.0),
            note: String::new(),
            schema_id: None,
        }
    }

    pub fn mode(self, mode: Mode) -> Payment {
        Payment { mode, ..self }
    }

    /// `00` + id.
    pub fn schema_id(self, id: u32) -> Payment {
        Payment { schema_id: Some(id), ..self }
    }

    pub fn note(self, bytes: usize) -> Payment {
        Payment { note: "x".repeat(bytes), ..self }
    }

    pub fn encode(&self) -> Vec<u8> {
        let optional = |value: Option<f64>| match value {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(value) => Value::Union(1, Box::new(Value::Double(value))),
        };
        let value = Value::Record(vec![
            ("id".into(), Value::String(self.id.clone())),
            ("at".into(), Value::TimestampMillis(self.at_ms)),
            ("risk".into(), Value::Double(self.risk)),
            ("mode".into(), Value::Int(self.mode as i32)),
            ("bonus".into(), optional(self.bonus)),
            ("must".into(), optional(self.must)),
            ("note".into(), Value::String(self.note.clone())),
        ]);
        let mut bytes = match self.schema_id {
            Some(id) => [&[0][..], &id.to_be_bytes()].concat(),
            None => [&[0xC3, 0x01][..], &READER.fingerprint().to_le_bytes()].concat(),
        };
        let writer = GenericDatumWriter::builder(&WRITER).build().unwrap();
        bytes.extend(writer.write_value_to_vec(value).unwrap());
        bytes
    }
}

/// A value cut inside the record.
pub fn truncated() -> Vec<u8> {
    let mut bytes = Payment::new("cut", 0.5).encode();
    bytes.truncate(bytes.len() - 9);
    bytes
}
