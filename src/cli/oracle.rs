//! What a score should be, by the package: Apache Avro's own decoder, features by the contract's words, a session of
//! its own. Shares neither decode plan nor batching with what it judges.

use std::path::Path;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use ndarray::ArrayView2;

use crate::avro::feature::Feature;
use crate::cli::oracle_column::column;
use crate::doors::Scorer;
use crate::error::{Fatal, exit};
use crate::load::verify::oracle::Oracle;
use crate::model::{Graph, Package, Runtime, Session, SessionSettings, prove_columns};
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
        let (runtime, mut package) = (Runtime::load(onnxruntime)?, package);
        prove_columns(&runtime, &mut package)?;
        let settings = SessionSettings { provider: Provider::Cpu, rows_max: 1, pad_rows: None, alone: false };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::simulate::payloads::{Framing, Pool};
    use crate::load::simulate::population::World;
    use crate::load::simulate::transaction::SCHEMA;
    use apache_avro::types::Value;
    use sha2::{Digest, Sha256};

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
