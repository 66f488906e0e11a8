//! Outcomes as a consumer reads them: by apache-avro and the published schemas alone, and by their headers.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use scorewire::avro::schemas::AvroSchema;
use scorewire::avro::written::Written;

use super::records::ReadRecord;

/// A scored record's output, its review copy, or what a challenger answered.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub record: ReadRecord,
    value: Value,
}

/// A schema as we have it and as apache-avro reads it.
struct Read {
    ours: AvroSchema,
    apache: Schema,
}

impl Read {
    fn of(ours: AvroSchema) -> Read {
        let apache = Schema::parse_str(ours.text()).expect("it is Avro");
        Read { ours, apache }
    }
}

impl Outcome {
    /// Reads a record of the outputs' topic.
    #[track_caller]
    pub fn of_output(record: ReadRecord) -> Outcome {
        static SCHEMA: LazyLock<Read> = LazyLock::new(|| Read::of(Written::Outputs.schema()));
        Outcome::read(record, &SCHEMA)
    }

    /// Reads a record of the review topic.
    #[track_caller]
    pub fn of_review(record: ReadRecord) -> Outcome {
        static SCHEMA: LazyLock<Read> = LazyLock::new(|| Read::of(Written::Review.schema()));
        Outcome::read(record, &SCHEMA)
    }

    /// Reads a record of the topic of challenges.
    #[track_caller]
    pub fn of_challenge(record: ReadRecord) -> Outcome {
        static SCHEMA: LazyLock<Read> = LazyLock::new(|| Read::of(Written::Challenges.schema()));
        Outcome::read(record, &SCHEMA)
    }

    #[track_caller]
    fn read(record: ReadRecord, Read { ours, apache }: &Read) -> Outcome {
        let bytes = record.value.as_deref().expect("an outcome has a value");
        let (prefix, mut datum) = bytes.split_at(10);
        assert_eq!(prefix, [&[0xC3, 1][..], &ours.fingerprint().to_le_bytes()].concat(), "single-object encoding");
        let reader = GenericDatumReader::builder(apache).build().expect("the schema is whole");
        let value = reader.read_value(&mut datum).expect("the datum follows the schema");
        assert!(datum.is_empty(), "{} bytes are left over", datum.len());
        Outcome { record, value }
    }

    /// The value at a path of field names, with unions unwrapped.
    #[track_caller]
    pub fn at(&self, path: &str) -> Value {
        let mut place = &self.value;
        for name in path.split('.') {
            if let Value::Union(_, inner) = place {
                place = inner;
            }
            let Value::Record(fields) = place else { panic!("{path} goes through {place:?}") };
            place = &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {path}")).1;
        }
        match place {
            Value::Union(_, inner) => (**inner).clone(),
            other => other.clone(),
        }
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        match self.at(path) {
            Value::String(text) | Value::Enum(_, text) => text,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Whole numbers and times, in their own unit.
    #[track_caller]
    pub fn long(&self, path: &str) -> i64 {
        match self.at(path) {
            Value::Int(number) => i64::from(number),
            Value::Long(number) | Value::TimestampMillis(number) | Value::TimestampMicros(number) => number,
            other => panic!("{path} is {other:?}"),
        }
    }

    #[track_caller]
    pub fn double(&self, path: &str) -> f64 {
        match self.at(path) {
            Value::Double(number) => number,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Source partition and offset: the outcome's identity.
    #[track_caller]
    pub fn source(&self) -> (i32, i64) {
        (i32::try_from(self.long("source.partition")).expect("a partition"), self.long("source.offset"))
    }
}

/// Source partition and offset of a dead letter, from its headers.
#[track_caller]
pub fn source_of_dead_letter(record: &ReadRecord) -> (i32, i64) {
    let number = |name: &str| {
        let text = record.header_text(&format!("__scorewire.errors.{name}"));
        text.and_then(|text| text.parse::<i64>().ok()).unwrap_or_else(|| panic!("no {name} in {:?}", record.headers))
    };
    (i32::try_from(number("partition")).expect("a partition"), number("offset"))
}
