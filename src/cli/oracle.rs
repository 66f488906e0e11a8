//! What a score should be, by the package: Apache Avro's own decoder, features by the contract's words, a session of
//! its own. Shares neither decode plan nor batching with what it judges.

use std::path::Path;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::DecimalSchema;
use apache_avro::types::Value;
use ndarray::ArrayView2;

use crate::avro::feature::{Feature, Missing, Transform};
use crate::doors::Scorer;
use crate::error::{Fatal, exit};
use crate::load::verify::oracle::Oracle;
use crate::model::{Graph, Package, Runtime, Session, SessionSettings};
use crate::values::model::Provider;
use crate::values::record::score_of;

/// Scores one record at a time.
pub struct PackageOracle {
    features: Vec<Feature>,
    session: Session,
    /// The package's schema as it is, for its decimals' scales.
    schema: Schema,
    reader: Schema,
    writer: Option<Schema>,
    row: Vec<f32>,
}

impl PackageOracle {
    /// # Errors
    /// Those of [`Runtime::load`] and [`Session::open`].
    pub fn open(package: Package, onnxruntime: Option<&Path>) -> Result<PackageOracle, Fatal> {
        let runtime = Runtime::load(onnxruntime)?;
        let settings = SessionSettings { provider: Provider::Cpu, rows_max: 1, pad_rows: None };
        // ONNX Runtime alone: what is checked must not check itself.
        let session = Session::open(&runtime, &package, &Graph::unchanged(), settings)?;
        let (schema, reader) = (parse(package.reader.text())?, parse(&plain_types(package.reader.text()))?);
        Ok(PackageOracle { features: package.wanted.features, session, schema, reader, writer: None, row: Vec::new() })
    }

    /// The row the model is fed; `None` where the contract rejects the record.
    fn fill(&mut self, datum: &[u8]) -> Option<()> {
        let writer = self.writer.as_ref()?;
        let mut rest = datum;
        let reader = GenericDatumReader::builder(writer).reader_schema(&self.reader).build().ok()?;
        let record = reader.read_value(&mut rest).ok().filter(|_| rest.is_empty())?;
        self.row.clear();
        for feature in &self.features {
            self.row.push(column(feature, &record, &self.schema)?);
        }
        Some(())
    }
}

impl Oracle for PackageOracle {
    fn prepare(&mut self, writer_schema: &str) -> Result<(), Fatal> {
        self.writer = Some(parse(&plain_types(writer_schema))?);
        Ok(())
    }

    fn score(&mut self, datum: &[u8]) -> Option<f64> {
        self.fill(datum)?;
        let mut score = [f64::NAN];
        let row = ArrayView2::from_shape((1, self.row.len()), &self.row).ok()?;
        self.session.score(row, &mut score).ok()?;
        score_of(score[0]).ok()
    }
}

fn parse(schema: &str) -> Result<Schema, Fatal> {
    Schema::parse_str(schema).map_err(|error| {
        let what = format!("scores cannot be checked: {error}");
        Fatal::new(exit::MODEL, what, "correct the schema, or leave the check out with --check-scores 0")
    })
}

/// The schema with decimals as the bytes and ids as the text they are: apache-avro 0.22 refuses decimals that need fewer
/// bytes than their precision could, and text that is no uuid, where the pipeline takes both.
fn plain_types(schema: &str) -> String {
    fn strip(json: &mut serde_json::Value) {
        match json {
            serde_json::Value::Object(object) => {
                if object.get("logicalType").is_some_and(|kind| kind == "decimal" || kind == "uuid") {
                    object.remove("logicalType");
                }
                object.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let Ok(mut json) = serde_json::from_str(schema) else { return schema.to_owned() };
    strip(&mut json);
    json.to_string()
}

/// One column, by the contract: path, transform, what is missing, range.
fn column(feature: &Feature, record: &Value, schema: &Schema) -> Option<f32> {
    let found = at(record, &feature.path)?;
    let Some(value) = found else {
        if feature.transform == Transform::IsPresent {
            return Some(0.0);
        }
        return match feature.missing? {
            Missing::Reject => None,
            Missing::Nan => Some(f32::NAN),
            Missing::Constant(value) => Some(value),
        };
    };
    let number = match (&feature.transform, text(value)) {
        (Transform::Index { symbols, otherwise }, Some(text)) => {
            let place = symbols.iter().position(|symbol| *symbol == text).map(|place| place as f32);
            return place.or(*otherwise);
        }
        (Transform::Equals(wanted), Some(text)) => return Some(if *wanted == text { 1.0 } else { 0.0 }),
        (Transform::IsPresent, _) => return Some(1.0),
        // A package in which one of the latter finds no text is refused before this.
        (Transform::Number, _) | (Transform::Index { .. } | Transform::Equals(_), None) => {
            number(value, scale(schema, &feature.path))?
        }
    };
    let in_range = feature.min.is_none_or(|min| number >= min) && feature.max.is_none_or(|max| number <= max);
    Some(number as f32).filter(|value| in_range && value.is_finite())
}

/// The value at a path: `Some(None)` when it leads through a null, `None` when it leads nowhere.
fn at<'v>(record: &'v Value, path: &str) -> Option<Option<&'v Value>> {
    let mut value = plain(record);
    for name in path.split('.') {
        value = match value {
            Value::Null => return Some(None),
            Value::Record(fields) => plain(&fields.iter().find(|(field, _)| field == name)?.1),
            _ => return None,
        };
    }
    Some(Some(value).filter(|value| **value != Value::Null))
}

fn plain(value: &Value) -> &Value {
    match value {
        Value::Union(_, inner) => plain(inner),
        other => other,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) | Value::Enum(_, text) => Some(text.clone()),
        Value::Uuid(uuid) => Some(uuid.to_string()),
        _ => None,
    }
}

fn number(value: &Value, scale: Option<usize>) -> Option<f64> {
    Some(match value {
        Value::Boolean(value) => f64::from(u8::from(*value)),
        Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => f64::from(*value),
        Value::Long(value)
        | Value::TimeMicros(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
        | Value::LocalTimestampMillis(value)
        | Value::LocalTimestampMicros(value)
        | Value::LocalTimestampNanos(value) => *value as f64,
        Value::Float(value) => f64::from(*value),
        Value::Double(value) => *value,
        Value::Enum(symbol, _) => f64::from(*symbol),
        Value::Bytes(digits) | Value::Fixed(_, digits) => decimal(digits, scale?)?,
        _ => return None,
    })
}

/// By way of its digits: the nearest double to what it says.
fn decimal(bytes: &[u8], scale: usize) -> Option<f64> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut wide = [if negative { 0xFF } else { 0 }; 16];
    let start = wide.len().checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    format!("{}e-{scale}", i128::from_be_bytes(wide)).parse().ok()
}

/// Digits behind the point of the decimal at a path; `None` where there is no decimal.
fn scale(schema: &Schema, path: &str) -> Option<usize> {
    let mut place = schema;
    for name in path.split('.') {
        let field = branches(place).find_map(|branch| match defined(schema, branch) {
            Schema::Record(record) => record.fields.iter().find(|field| field.name == name),
            _ => None,
        })?;
        place = &field.schema;
    }
    let of = |branch: &Schema| match defined(schema, branch) {
        Schema::Decimal(DecimalSchema { scale, .. }) => Some(*scale),
        _ => None,
    };
    branches(place).find_map(of)
}

/// What a type's name stands for, looked for in the whole schema.
fn defined<'s>(root: &'s Schema, schema: &'s Schema) -> &'s Schema {
    let Schema::Ref { name } = schema else { return schema };
    let mut open = vec![root];
    while let Some(candidate) = open.pop() {
        if candidate.name() == Some(name) && !matches!(candidate, Schema::Ref { .. }) {
            return candidate;
        }
        match candidate {
            Schema::Record(record) => open.extend(record.fields.iter().map(|field| &field.schema)),
            Schema::Union(union) => open.extend(union.variants()),
            Schema::Array(array) => open.push(&array.items),
            Schema::Map(map) => open.push(&map.types),
            _ => {}
        }
    }
    schema
}

fn branches(schema: &Schema) -> impl Iterator<Item = &Schema> {
    let inner: &[Schema] = match schema {
        Schema::Union(union) => union.variants(),
        other => std::slice::from_ref(other),
    };
    inner.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::simulate::payloads::{Framing, Pool};
    use crate::load::simulate::population::World;
    use crate::load::simulate::transaction::SCHEMA;
    use sha2::{Digest, Sha256};

    #[test]
    fn a_column_is_what_the_contract_says() {
        let schema = Schema::parse_str(
            r#"{"type": "record", "name": "T", "fields": [
                {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
                {"name": "card", "type": ["null", {"type": "record", "name": "C", "fields": [
                    {"name": "kind", "type": ["null", "string"]}, {"name": "age", "type": "int"}]}]}]}"#,
        )
        .unwrap();
        let card = |kind: Value| {
            let fields = vec![("kind".to_owned(), kind), ("age".to_owned(), Value::Int(7))];
            Value::Union(1, Box::new(Value::Record(fields)))
        };
        let record = |card: Value| {
            let amount = Value::Bytes(vec![0xFF, 0x85]);
            Value::Record(vec![("amount".to_owned(), amount), ("card".to_owned(), card)])
        };
        let feature = |path: &str, transform, missing| Feature {
            name: "f".into(),
            path: path.into(),
            transform,
            missing,
            min: None,
            max: None,
        };
        let visa = record(card(Value::Union(1, Box::new(Value::String("VISA".into())))));
        let none = record(Value::Union(0, Box::new(Value::Null)));
        let index = || Transform::Index { symbols: vec!["AMEX".into(), "VISA".into()], otherwise: Some(-1.0) };
        let of = |feature: &Feature, record| column(feature, record, &schema);
        let amount = feature("amount", Transform::Number, None);
        assert_eq!(of(&amount, &visa), Some(-1.23));
        assert_eq!(of(&Feature { min: Some(0.0), ..amount }, &visa), None);
        assert_eq!(of(&feature("card.kind", index(), None), &visa), Some(1.0));
        assert_eq!(of(&feature("card.kind", Transform::Equals("AMEX".into()), None), &visa), Some(0.0));
        assert_eq!(of(&feature("card.age", Transform::Number, None), &visa), Some(7.0));
        assert_eq!(of(&feature("card.age", Transform::IsPresent, None), &none), Some(0.0));
        assert_eq!(of(&feature("card.age", Transform::Number, Some(Missing::Constant(-2.0))), &none), Some(-2.0));
        assert!(of(&feature("card.age", Transform::Number, Some(Missing::Nan)), &none).unwrap().is_nan());
        assert_eq!(of(&feature("card.age", Transform::Number, Some(Missing::Reject)), &none), None);
        assert_eq!(of(&feature("card.none", Transform::Number, None), &visa), None);
    }

    #[test]
    fn text_that_is_no_uuid_is_read_as_the_text_it_is() {
        let id = r#"{"type": "string", "logicalType": "uuid"}"#;
        let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{{"name": "id", "type": {id}}}]}}"#);
        let schema = parse(&plain_types(&schema)).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let record = reader.read_value(&mut &b"\x06N/A"[..]).unwrap();
        assert_eq!(record, Value::Record(vec![("id".to_owned(), Value::String("N/A".to_owned()))]));
    }

    #[test]
    fn a_score_is_clamped_as_outcomes_are() {
        let forest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/forest");
        let dir = tempfile::tempdir().unwrap();
        let model = std::fs::read(forest.with_extension("onnx")).unwrap();
        let sha256: String = Sha256::digest(&model).iter().map(|byte| format!("{byte:02x}")).collect();
        let features = ["a", "b", "c", "d"];
        let fields = features.map(|name| format!(r#"{{"name": "{name}", "type": "double"}}"#)).join(", ");
        let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{fields}]}}"#);
        let features = features.map(|name| format!("[[features]]\nname = \"{name}\"\npath = \"{name}\"\n"));
        let manifest = format!(
            "format = 1\n[model]\nname = \"m\"\nversion = \"1\"\nfile = \"m.onnx\"\nsha256 = \"{sha256}\"\n\
             [output]\ntensor = \"probabilities\"\ncolumn = 1\n[transaction]\nschema = \"t.avsc\"\n\
             [thresholds]\nversion = \"1\"\nreview = 0.2\ndecline = 0.8\n\
             [golden]\nfile = \"g.csv\"\ntolerance = 0.0\n{}",
            features.concat()
        );
        std::fs::write(dir.path().join("m.onnx"), model).unwrap();
        std::fs::write(dir.path().join("t.avsc"), &schema).unwrap();
        std::fs::write(dir.path().join("model.toml"), manifest).unwrap();
        std::fs::copy(forest.with_extension("csv"), dir.path().join("g.csv")).unwrap();
        let library = format!("target/onnxruntime/1.28.0-{}/libonnxruntime.so.1.28.0", std::env::consts::ARCH);
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join(library);
        let library = std::env::var_os("SCOREWIRE_TEST_ORT").map_or(library, Into::into);
        let mut oracle = PackageOracle::open(Package::load(dir.path()).unwrap(), Some(&library)).unwrap();
        oracle.prepare(&schema).unwrap();
        let datum: Vec<u8> = [1.0f64; 4].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(oracle.score(&datum), Some(1.0));
    }

    #[test]
    fn every_feature_of_the_example_package_is_found_in_a_simulated_transaction() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt");
        let package = Package::load(&package).unwrap();
        let [writer, reader] = [SCHEMA, package.reader.text()].map(|text| parse(&plain_types(text)).unwrap());
        let schema = parse(package.reader.text()).unwrap();
        let world = World { customers: 60, terminals: 60, warm_up_days: 1 };
        let mut pool = Pool::simulated(20, Framing::Raw, 3, &world);
        for row in 0..20 {
            let payload = pool.record(row);
            let decoder = GenericDatumReader::builder(&writer).reader_schema(&reader).build().unwrap();
            let record = decoder.read_value(&mut &*payload.value).unwrap();
            for feature in &package.wanted.features {
                let value = column(feature, &record, &schema);
                assert!(value.is_some(), "{} of row {row}", feature.name);
            }
        }
    }
}
