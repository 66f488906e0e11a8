//! A model package: a folder with the model, its contract, the reader's schema, golden rows and golden records. Read once, checked
//! whole; what ONNX Runtime later opens are the very bytes whose hash was checked.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::avro::feature::Wanted;
use crate::avro::plan::Plan;
use crate::avro::schemas::AvroSchema;
use crate::error::{Fatal, exit};
use crate::model::columns::{self, Columns};
use crate::model::contract::Contract;
use crate::model::fields::element;
use crate::model::golden::{self, Golden};
use crate::model::golden_records::GoldenRecords;
use crate::model::onnx;
use crate::model::output_role::OutputRole;
use crate::model::problem::{Problems, list};
use crate::model::trees::Asked;
use crate::values::settings::Thresholds;

/// The contract's file in the folder.
pub const MANIFEST: &str = "model.toml";

/// Half of what a protobuf message may have; no fraud model comes near.
pub(super) const MODEL_BYTES_MAX: u64 = 1 << 30;
pub(super) const TEXT_BYTES_MAX: u64 = 16 << 20;
const RECORDS_BYTES_MAX: u64 = 16 << 20;

/// A package whose files agree with each other. Whether the model answers as golden rows and golden records
/// say is the probe's part.
pub struct Package {
    pub dir: PathBuf,
    pub name: String,
    pub version: String,
    /// Of the model file as it lies in the folder; lower-case hexadecimal.
    pub sha256: String,
    pub wanted: Wanted,
    /// It can give everything that is wanted.
    pub reader: Arc<AvroSchema>,
    pub thresholds: Thresholds,
    pub golden: Golden,
    /// Who computed the golden rows' scores, where the contract says it.
    pub rows_made_by: Option<String>,
    /// Checked as far as the model has no part in it.
    pub golden_records: Option<GoldenRecords>,
    /// Worth knowing, no reason to stop.
    pub warnings: Vec<String>,
    pub(crate) input_tensor: Option<String>,
    /// Where the model's own inputs are made of one matrix: those, and its own file.
    pub(crate) columns: Option<Columns>,
    /// Which of the model's answers is the score, as its graph has it.
    pub output: OutputRole,
    /// What the model's trees ask of a row.
    pub(crate) asked: Asked,
    /// What ONNX Runtime is given.
    pub(crate) model: Vec<u8>,
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Package { dir, name, version, sha256, .. } = self;
        write!(f, "Package({name} {version}, sha256 {sha256}, in {})", dir.display())
    }
}

impl Package {
    /// Reads and checks the package in `dir`.
    ///
    /// # Errors
    /// [`exit::MODEL`], with all problems at once, each with its fix.
    pub fn load(dir: &Path) -> Result<Package, Fatal> {
        if !dir.is_dir() {
            let what = if dir.exists() { "is a file, and a package is a folder" } else { "there is no such folder" };
            return Err(Fatal::new(
                exit::MODEL,
                format!("model package {}: {what}", dir.display()),
                format!(
                    "name the folder that holds {MANIFEST}: model.package, --package, or the argument of model check"
                ),
            ));
        }
        let mut problems = Problems::default();
        let package = read(dir, &mut problems);
        problems.check(dir)?;
        package.ok_or_else(|| {
            let what = format!("model package {}: unusable, and nothing says why", dir.display());
            Fatal::new(exit::INTERNAL, what, "report this with the model.toml")
        })
    }

    /// Golden records that count as a check: those that the training side made.
    pub fn golden_records_checked(&self) -> usize {
        let records = self.golden_records.as_ref().filter(|records| !records.are_our_own());
        records.map_or(0, |records| records.expected.scores.len())
    }
}

fn read(dir: &Path, problems: &mut Problems) -> Option<Package> {
    let manifest = read_text(dir, MANIFEST, "write the package's contract there: docs/model-package.md", problems)?;
    let contract = Contract::parse(&manifest, problems)?;

    let schema =
        read_text(dir, &contract.schema_file, "put the reader's schema there, or correct transaction.schema", problems);
    let reader = schema.and_then(|text| check_reader(&text, &contract, problems));
    let fix = "put the golden rows there, or correct golden.file";
    let golden = read_text(dir, &contract.golden_file, fix, problems).filter(|_| contract.is_whole).and_then(|text| {
        Golden::parse(&text, &contract.golden_file, &contract.wanted.features, contract.tolerance, problems)
    });
    let known = reader.as_ref().map(|(reader, _)| reader).filter(|_| contract.is_whole);
    let golden_records = read_golden_records(dir, &contract, known, problems);
    let fix = "put the model there, or correct model.file";
    let model = read_file(dir, &contract.model_file, MODEL_BYTES_MAX, fix, problems)
        .filter(|bytes| check_hash(bytes, &contract, problems))
        .and_then(|bytes| check_model(bytes, &contract, problems));
    let (model, (reader, remarks)) = (model?, reader?);
    let own_rows = golden::warning(contract.rows_made_by.as_deref());
    let warnings = model.warnings.into_iter().chain(remarks).chain(own_rows).collect();

    Some(Package {
        dir: dir.to_owned(),
        name: contract.name,
        version: contract.version,
        sha256: contract.sha256,
        wanted: contract.wanted,
        reader: Arc::new(reader),
        thresholds: contract.thresholds,
        golden: golden?,
        rows_made_by: contract.rows_made_by,
        golden_records,
        warnings,
        input_tensor: contract.input_tensor.filter(|_| model.columns.is_none()),
        columns: model.columns,
        output: model.output,
        asked: model.asked,
        model: model.bytes,
    })
}

/// The reader's schema, where it can give what the contract wants, and what there is to remark.
fn check_reader(text: &str, contract: &Contract, problems: &mut Problems) -> Option<(AvroSchema, Vec<String>)> {
    let reader = AvroSchema::parse(text, &contract.schema_file);
    let reader = reader.map_err(|error| problems.add(error.place, error.what, error.fix)).ok()?;
    match Plan::compile(&reader, &reader, &contract.wanted) {
        Ok(plan) => Some((reader, plan.remarks().to_vec())),
        Err(error) => {
            problems.add(format!("{}: {}", contract.schema_file, error.place), error.what, error.fix);
            None
        }
    }
}

fn read_golden_records(
    dir: &Path,
    contract: &Contract,
    reader: Option<&AvroSchema>,
    problems: &mut Problems,
) -> Option<GoldenRecords> {
    let files = contract.golden_records.as_ref()?;
    let bytes = read_file(
        dir,
        &files.records,
        RECORDS_BYTES_MAX,
        "put the golden records there, or correct golden.records",
        problems,
    );
    let expected = read_text(
        dir,
        &files.expected,
        "put what is expected of the golden records there, or correct golden.expected",
        problems,
    );
    GoldenRecords::read(&bytes?, &expected?, files, (&contract.wanted, contract.tolerance), reader?, problems)
}

fn check_hash(bytes: &[u8], contract: &Contract, problems: &mut Problems) -> bool {
    let actual = sha256_of(bytes);
    if actual != contract.sha256 {
        problems.add(
            &contract.model_file,
            format!("its sha256 is {actual}, the contract says {}", contract.sha256),
            "take the file the contract was written for; after an intended change run the export again, so that \
             hash and golden rows are written together",
        );
    }
    actual == contract.sha256
}

/// In lower-case hexadecimal.
pub(super) fn sha256_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A model that may be opened.
struct Checked {
    bytes: Vec<u8>,
    columns: Option<Columns>,
    output: OutputRole,
    asked: Asked,
    warnings: Vec<String>,
}

fn check_model(bytes: Vec<u8>, contract: &Contract, problems: &mut Problems) -> Option<Checked> {
    let place = &contract.model_file;
    let Ok(found) = onnx::inspect(&bytes) else {
        problems.add(place, "is not an ONNX model", "export the model as a single .onnx file (not .ort, not zipped)");
        return None;
    };
    found.check(place, problems);
    let output = contract.output.resolve(&found, &bytes, problems);
    let bytes = match output.as_ref().and_then(|output| found.zip_map(output.zip_map.as_deref()?)) {
        Some(zip_map) => found.without(zip_map, &bytes),
        None => bytes,
    };
    let features = &contract.wanted.features;
    let (bytes, columns) = match contract.is_whole {
        true => columns::of_rows(bytes, &found.inputs, contract.input_tensor.as_deref(), features, problems)?,
        false => (bytes, None),
    };
    let (width, asked) = (features.len(), Asked::of(&bytes).unwrap_or_default());
    if let Some(column) = asked.columns.last().copied()
        && column >= width
        && contract.is_whole
    {
        // ONNX Runtime reads what lies behind the row, if it can.
        let fix = "list one [[features]] for each column of the training; an id that no training has is the exporter's mistake";
        problems.add(
            place,
            format!("its trees ask for feature {column}, counted from 0, and the contract has {width}"),
            fix,
        );
    }
    let output = output?;
    let warnings = output.warning().into_iter().chain(columns.as_ref().and_then(narrowed)).collect();
    Some(Checked { bytes, columns, output, asked, warnings })
}

/// A warning where the model's inputs hold more than a row of features does.
fn narrowed(columns: &Columns) -> Option<String> {
    let is_wide = |input: &&columns::Input| [element::DOUBLE, element::INT64].contains(&input.element);
    let wide: Vec<&str> = columns.inputs.iter().filter(is_wide).map(|input| input.name.as_str()).collect();
    if wide.is_empty() {
        return None;
    }
    Some(format!(
        "{} inputs of the model hold 64 bits ({}), and features are 32-bit floats: whole numbers above 16777216 and decimals \
         are rounded before the model sees them, so golden rows must be rounded to float32 before they are scored",
        wide.len(),
        list(wide.into_iter())
    ))
}

fn read_text(dir: &Path, name: &str, fix: &str, problems: &mut Problems) -> Option<String> {
    let bytes = read_file(dir, name, TEXT_BYTES_MAX, fix, problems)?;
    let text = String::from_utf8(bytes);
    if text.is_err() {
        problems.add(name, "is not UTF-8", "save it as UTF-8");
    }
    text.ok()
}

fn read_file(dir: &Path, name: &str, bytes_max: u64, fix: &str, problems: &mut Problems) -> Option<Vec<u8>> {
    match read_bytes(&dir.join(name), bytes_max) {
        Ok(bytes) => return Some(bytes),
        Err(what) if what.starts_with(LARGER) => {
            problems.add(name, what, "put the right file there: none of a package is that large");
        }
        Err(what) => problems.add(name, what, fix),
    }
    None
}

const LARGER: &str = "is larger than";

/// A file's bytes.
///
/// # Errors
/// Why not, in words that follow its name.
pub(super) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if bytes.len() as u64 > bytes_max => Err(format!("{LARGER} {bytes_max} bytes")),
        Ok(_) => Ok(bytes),
    }
}
