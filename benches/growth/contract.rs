//! What records hold and the model asks for: fields of the kinds that real contracts mix, drawn from a seed.

use scorewire::load::simulate::avro_write::{put_bytes, put_double, put_long, put_string};
use scorewire::load::simulate::random::Random;

use super::point::Unread;

/// Values are null so often, where they may be.
const NULLS: f64 = 0.1;
const SYMBOLS: usize = 6;
/// Texts that the contract knows, as countries; a value may be another one.
const CODES: [&str; 8] = ["DE", "FR", "NL", "GB", "US", "ES", "IT", "PL"];
/// What an item of [`Unread::Items`] is called.
const ITEM: &str = "position";

/// A field with a feature made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Double,
    NullableDouble,
    Long,
    NullableLong,
    Int,
    Boolean,
    Enum,
    Text,
}

/// The kinds of fields, in turn.
const MIX: [Kind; 10] = [
    Kind::NullableDouble,
    Kind::Double,
    Kind::NullableLong,
    Kind::Int,
    Kind::NullableDouble,
    Kind::Enum,
    Kind::Double,
    Kind::Text,
    Kind::Boolean,
    Kind::Long,
];

pub fn kind(feature: usize) -> Kind {
    MIX[feature % MIX.len()]
}

impl Kind {
    fn schema(self, feature: usize) -> String {
        match self {
            Kind::Double => r#""double""#.into(),
            Kind::NullableDouble => r#"["null", "double"]"#.into(),
            Kind::Long => r#""long""#.into(),
            Kind::NullableLong => r#"["null", "long"]"#.into(),
            Kind::Int => r#""int""#.into(),
            Kind::Boolean => r#""boolean""#.into(),
            Kind::Text => r#""string""#.into(),
            Kind::Enum => {
                let symbols: Vec<String> = (0..SYMBOLS).map(|symbol| format!("\"S{symbol}\"")).collect();
                let symbols = symbols.join(", ");
                format!(r#"{{"type": "enum", "name": "E{feature}", "symbols": [{symbols}]}}"#)
            }
        }
    }

    /// The feature's lines in the package's contract, after its name.
    pub fn manifest(self) -> String {
        match self {
            Kind::NullableDouble | Kind::NullableLong => "missing = \"nan\"\n".into(),
            Kind::Enum => {
                let symbols: Vec<String> = (0..SYMBOLS).map(|symbol| format!("\"S{symbol}\"")).collect();
                format!("transform = {{ index = [{}] }}\n", symbols.join(", "))
            }
            Kind::Text => {
                let codes = CODES.map(|code| format!("\"{code}\"")).join(", ");
                format!("transform = {{ index = [{codes}], otherwise = -1.0 }}\n")
            }
            Kind::Double | Kind::Long | Kind::Int | Kind::Boolean => String::new(),
        }
    }

    /// A number that splits its values, as a tree's node has it.
    pub fn threshold(self, random: &mut Random) -> f32 {
        match self {
            Kind::Boolean => 0.5,
            Kind::Enum => random.below(SYMBOLS - 1) as f32 + 0.5,
            Kind::Text => random.below(CODES.len()) as f32 - 0.5,
            Kind::Double | Kind::NullableDouble => random.uniform(0.0, 1_000.0) as f32,
            Kind::Long | Kind::NullableLong => random.below(100_000) as f32,
            Kind::Int => random.below(1_000) as f32,
        }
    }

    /// Draws a value, writes it to a record, and returns its feature.
    pub fn draw(self, random: &mut Random, record: &mut Vec<u8>) -> f32 {
        match self {
            Kind::NullableDouble | Kind::NullableLong if random.chance(NULLS) => {
                put_long(record, 0);
                return f32::NAN;
            }
            Kind::NullableDouble | Kind::NullableLong => put_long(record, 1),
            _ => {}
        }
        match self {
            Kind::Double | Kind::NullableDouble => {
                let value = random.uniform(0.0, 1_000.0);
                put_double(record, value);
                value as f32
            }
            Kind::Long | Kind::NullableLong => put_number(record, random.below(100_000)),
            Kind::Int => put_number(record, random.below(1_000)),
            Kind::Enum => put_number(record, random.below(SYMBOLS)),
            Kind::Boolean => {
                let value = random.chance(0.5);
                record.push(u8::from(value));
                f32::from(u8::from(value))
            }
            Kind::Text => {
                let code = random.below(CODES.len() + 1);
                put_string(record, CODES.get(code).unwrap_or(&"XX"));
                if code < CODES.len() { code as f32 } else { -1.0 }
            }
        }
    }
}

fn put_number(record: &mut Vec<u8>, value: usize) -> f32 {
    put_long(record, value as i64);
    value as f32
}

/// The schema of one writer. The first is the package's own; each of the others has a field of its own more, at a place of its
/// own.
pub fn schema(features: usize, unread: Unread, writer: usize) -> String {
    let mut fields = vec![
        r#"{"name": "id", "type": "string"}"#.to_owned(),
        r#"{"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}}"#.to_owned(),
    ];
    for feature in 0..features {
        if writer > 0 && feature == own_place(features, writer) {
            fields.push(format!(r#"{{"name": "more_{writer}", "type": ["null", "string"], "default": null}}"#));
        }
        fields.push(format!(r#"{{"name": "f{feature}", "type": {}}}"#, kind(feature).schema(feature)));
        if feature == features / 2 {
            fields.push(format!(r#"{{"name": "unread", "type": {}}}"#, unread_schema(unread)));
        }
    }
    format!(r#"{{"type": "record", "name": "Payment", "fields": [{}]}}"#, fields.join(",\n"))
}

fn own_place(features: usize, writer: usize) -> usize {
    writer % features
}

fn unread_schema(unread: Unread) -> &'static str {
    match unread {
        Unread::Text => r#""string""#,
        Unread::Doubles => r#"{"type": "array", "items": "double"}"#,
        Unread::Items => {
            r#"{"type": "array", "items": {"type": "record", "name": "Item", "fields": [
               {"name": "name", "type": "string"}, {"name": "amount", "type": "double"},
               {"name": "count", "type": "long"}]}}"#
        }
    }
}

/// Draws a record of a writer, appends its datum, and its features to `row`. `size`: bytes of what is not read.
pub fn draw(
    (features, writer): (usize, usize),
    id: &str,
    (unread, size): (Unread, usize),
    random: &mut Random,
    (record, row): (&mut Vec<u8>, &mut Vec<f32>),
) {
    put_string(record, id);
    put_long(record, super::memory::TIMESTAMP_MS);
    for feature in 0..features {
        if writer > 0 && feature == own_place(features, writer) {
            put_long(record, 1);
            put_string(record, "more");
        }
        row.push(kind(feature).draw(random, record));
        if feature == features / 2 {
            put_unread(record, unread, size, random);
        }
    }
}

fn put_unread(record: &mut Vec<u8>, unread: Unread, size: usize, random: &mut Random) {
    match unread {
        Unread::Text => {
            let text: Vec<u8> = (0..size).map(|_| b'a' + random.below(26) as u8).collect();
            put_bytes(record, &text);
        }
        Unread::Doubles => {
            put_long(record, (size / 8).max(1) as i64);
            (0..(size / 8).max(1)).for_each(|_| put_double(record, random.unit()));
            put_long(record, 0);
        }
        Unread::Items => {
            let items = (size / (ITEM.len() + 11)).max(1);
            put_long(record, items as i64);
            for _ in 0..items {
                put_string(record, ITEM);
                put_double(record, random.unit());
                put_long(record, random.below(8_000) as i64);
            }
            put_long(record, 0);
        }
    }
}
