//! Outcomes read back with apache-avro: an other hand than the one that wrote them.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use scorewire::avro::schemas::AvroSchema;
use scorewire::avro::written::Written;

use super::sink::Sent;

/// A schema as we have it and as apache-avro reads it.
type Read = (AvroSchema, Schema);

fn read(schema: AvroSchema) -> Read {
    let read = Schema::parse_str(schema.text()).unwrap();
    (schema, read)
}

static OUTPUT: LazyLock<Read> = LazyLock::new(|| read(Written::Outputs.schema()));
static CHALLENGE: LazyLock<Read> = LazyLock::new(|| read(Written::Challenges.schema()));
static REVIEW: LazyLock<Read> = LazyLock::new(|| read(Written::Review.schema()));

fn record(value: &[u8], (schema, read): &Read) -> Value {
    let prefix = [&[0xC3, 0x01][..], &schema.fingerprint().to_le_bytes()].concat();
    let mut datum = value.strip_prefix(prefix.as_slice()).expect("single-object encoding of its schema");
    let reader = GenericDatumReader::builder(read).build().unwrap();
    let record = reader.read_value(&mut datum).expect("a valid record");
    assert!(datum.is_empty(), "nothing behind the record");
    record
}

/// A `model-challenges` record as JSON.
pub fn challenge(value: &[u8]) -> serde_json::Value {
    record(value, &CHALLENGE).try_into().unwrap()
}

/// The fields of a `model-outputs` or `human-review` record that tests look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub transaction_id: Option<String>,
    pub score: f64,
    pub decision: String,
    pub partition: i32,
    pub offset: i64,
    pub received_us: i64,
    pub scored_us: i64,
    pub late: bool,
    pub fingerprint: Option<Vec<u8>>,
    /// On `human-review` only.
    pub reason: Option<String>,
    pub payload: Option<Vec<u8>>,
    pub model_version: String,
    pub fallback: bool,
    pub fallback_step: Option<String>,
    /// Attempt and cause.
    pub amendment: Option<(i64, Option<String>)>,
}

impl Outcome {
    pub fn of_output(sent: &Sent) -> Outcome {
        Outcome::read(sent, &OUTPUT)
    }

    pub fn of_review(sent: &Sent) -> Outcome {
        Outcome::read(sent, &REVIEW)
    }

    fn read(sent: &Sent, of: &Read) -> Outcome {
        let record = record(sent.value.as_deref().expect("an outcome has a value"), of);
        let source = field(&record, "source");
        Outcome {
            transaction_id: text(field(&record, "transaction_id")),
            score: match field(&record, "score") {
                Value::Double(score) => *score,
                other => panic!("score: {other:?}"),
            },
            decision: text(field(&record, "decision")).unwrap(),
            partition: i32::try_from(number(field(source, "partition"))).unwrap(),
            offset: number(field(source, "offset")),
            received_us: number(field(&record, "received_at")),
            scored_us: number(field(&record, "scored_at")),
            late: matches!(field(&record, "late"), Value::Boolean(true)),
            fingerprint: bytes(field(&record, "fingerprint")),
            reason: find(&record, "reason").and_then(text),
            payload: find(&record, "payload").and_then(bytes),
            model_version: text(field(field(&record, "model"), "version")).unwrap(),
            fallback: matches!(field(&record, "fallback"), Value::Boolean(true)),
            fallback_step: text(field(&record, "fallback_step")),
            amendment: match field(&record, "amendment") {
                Value::Union(_, inner) if **inner != Value::Null => {
                    Some((number(field(inner, "attempt")), text(field(inner, "cause"))))
                }
                _ => None,
            },
        }
    }
}

fn find<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Record(fields) = record else { panic!("no record: {record:?}") };
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    find(record, name).unwrap_or_else(|| panic!("no field {name}"))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Union(_, inner) => text(inner),
        Value::Null => None,
        Value::String(text) | Value::Enum(_, text) => Some(text.clone()),
        other => panic!("no text: {other:?}"),
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Union(_, inner) => bytes(inner),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => i64::from(*number),
        Value::Long(number) | Value::TimestampMicros(number) => *number,
        other => panic!("no number: {other:?}"),
    }
}
