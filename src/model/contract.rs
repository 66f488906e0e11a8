//! The contract of a package, `model.toml`: which model, what it is fed, which of its answers is the score.
//!
//! ```toml
//! format = 1
//!
//! [model]
//! name = "card-fraud-gbdt"
//! version = "1.0.0"
//! file = "model.onnx"
//! sha256 = "64 hexadecimal digits"
//!
//! [input]                         # may be left out when the model has one input
//! tensor = "input"
//!
//! [output]
//! tensor = "probabilities"
//! class = "fraud"                 # the class whose probability is the score, of [N, C], where the model names its classes;
//!                                 # or column = 1, counted from 0; neither for [N] and [N, 1]. A list is summed up.
//! one_minus = true                # the score is 1 less that; may be left out, as the next two
//! activation = "sigmoid"          # of logits: "sigmoid" or "softmax"
//! scale = { zero = 0.1, one = -0.2 } # of anything else: the answers that become 0 and 1
//!
//! [transaction]
//! schema = "transaction.avsc"     # the reader's schema
//! id = "transaction_id"           # may be left out
//! event_time = "event_time"       # may be left out
//!
//! [thresholds]
//! version = "2026-11-01"
//! review = 0.12
//! decline = 0.71
//!
//! [golden]
//! file = "golden.csv"             # header: the features in order, then `score`; `nan` where a feature is missing
//! tolerance = 1e-6
//! rows_made_by = "training/rows.py" # may be left out; what begins with `scorewire` counts as no check
//! records = "golden_records.avro" # these three together, or none: records as they arrive (an Avro object container
//!                                 # file in a writer's schema, any codec of Avro's),
//! expected = "golden_records.csv" # one line like those above for each record, in their order,
//! made_by = "training/golden.py"  # and who computed it; what begins with `scorewire` counts as no check
//!
//! [[features]]                    # in the order of the model's columns
//! name = "amount"
//! path = "amount"                 # field names from the top of the reader's schema, joined by dots
//! missing = "reject"              # "reject" | "nan" | { constant = 0.0 }; left out where the path cannot be null
//! transform = "number"            # the default; the others are in src/avro/transform.rs
//! then = ["log1p"]                # steps behind it: src/avro/step.rs; may be left out
//! min = 0.0                       # values outside are rejected; both may be left out
//! max = 1e6
//! ```

use toml::{Table, Value};

use crate::avro::feature::Wanted;
use crate::model::features::{identifier, read_features};
use crate::model::golden_records::RecordFiles;
use crate::model::output_role::OutputRole;
use crate::model::problem::Problems;
use crate::model::section::Section;
use crate::model::undecided;
use crate::values::settings::Thresholds;

/// The manifest, checked as far as it can be without the other files.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    pub name: String,
    pub version: String,
    pub model_file: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub input_tensor: Option<String>,
    pub output: OutputRole,
    pub schema_file: String,
    pub wanted: Wanted,
    pub thresholds: Thresholds,
    pub golden_file: String,
    pub tolerance: f64,
    /// Who computed the golden rows' scores.
    pub rows_made_by: Option<String>,
    pub golden_records: Option<RecordFiles>,
    /// Every feature that is written could be read: otherwise what counts columns would only tell what follows from it.
    pub is_whole: bool,
}

impl Contract {
    /// Reads a manifest; `None` when something that is needed is wrong, and `problems` says what.
    pub fn parse(text: &str, problems: &mut Problems) -> Option<Contract> {
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let what = format!("is not TOML: {}", error.to_string().trim_end());
                let fix = "mend that line (a table stands once; each feature is one of its own, in two brackets: [[features]])";
                problems.add("model.toml", what, fix);
                return None;
            }
        };
        if undecided::tell(&table, problems) {
            return None;
        }
        let mut top = Section::new(&table, "");
        check_format(&mut top, problems);
        let model = top.table("model", problems).map(|section| read_model(section, problems));
        let input = match table.contains_key("input") {
            true => top.table("input", problems).and_then(|section| read_input(section, problems)),
            false => top.get("input").and(None),
        };
        let output = top.table("output", problems).map(|section| OutputRole::read(section, problems));
        let transaction = top.table("transaction", problems).map(|section| read_transaction(section, problems));
        let thresholds = top.table("thresholds", problems).map(|section| read_thresholds(section, problems));
        let golden = top.table("golden", problems).map(|section| read_golden(section, problems));
        let before = problems.count();
        let features = read_features(&mut top, problems);
        top.finish(problems);
        let is_whole = problems.count() == before;

        let (name, version, model_file, sha256) = model??;
        let (schema_file, transaction_id, event_time) = transaction??;
        let ReadGolden { file: golden_file, tolerance, rows_made_by, records: golden_records } = golden??;
        Some(Contract {
            name,
            version,
            model_file,
            sha256,
            input_tensor: input,
            output: output??,
            schema_file,
            wanted: Wanted { features, transaction_id, event_time },
            thresholds: thresholds??,
            golden_file,
            tolerance,
            rows_made_by,
            golden_records,
            is_whole,
        })
    }
}

fn check_format(top: &mut Section<'_>, problems: &mut Problems) {
    match top.get("format") {
        Some(Value::Integer(1)) => {}
        Some(other) => problems.add(
            "format",
            format!("is {other}; this program reads format 1"),
            "use a program that reads it, or write the package anew in format 1",
        ),
        None => problems.add("format", "is missing", "add format = 1"),
    }
}

fn read_model(mut section: Section<'_>, problems: &mut Problems) -> Option<(String, String, String, String)> {
    let name = identifier(&mut section, "name", problems);
    let version = section.text("version", "a version, such as \"1.0.0\"", problems);
    if version.as_ref().is_some_and(|version| version.contains(char::is_control)) {
        problems.add(section.place("version"), "holds a control character", "write it without: headers carry it");
    }
    let file = file_name(&mut section, "file", "the ONNX file's name", problems);
    let sha256 = section.text("sha256", "the file's sha256 in hexadecimal", problems);
    let sha256 = sha256.map(|text| text.to_ascii_lowercase()).filter(|text| {
        let fits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !fits {
            problems.add(section.place("sha256"), "is not 64 hexadecimal digits", "write what `sha256sum` prints");
        }
        fits
    });
    section.finish(problems);
    Some((name?, version?, file?, sha256?))
}

fn read_input(mut section: Section<'_>, problems: &mut Problems) -> Option<String> {
    let tensor = section.optional_text("tensor", "the input's name", problems);
    section.finish(problems);
    tensor
}

fn read_transaction(
    mut section: Section<'_>,
    problems: &mut Problems,
) -> Option<(String, Option<String>, Option<String>)> {
    let schema = file_name(&mut section, "schema", "the reader schema's file name", problems);
    let id = section.optional_text("id", "the path of the transaction's id", problems);
    let event_time = section.optional_text("event_time", "the path of the event's time", problems);
    section.finish(problems);
    Some((schema?, id, event_time))
}

fn read_thresholds(mut section: Section<'_>, problems: &mut Problems) -> Option<Thresholds> {
    let version = section.text("version", "a name for these thresholds, such as a date", problems);
    let review = section.number("review", "a score from 0 to 1", problems);
    let decline = section.number("decline", "a score from 0 to 1", problems);
    for (key, value) in [("review", review), ("decline", decline)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            problems.add(section.place(key), "is outside 0 to 1", "write a score from 0 to 1");
        }
    }
    if let (Some(review), Some(decline)) = (review, decline)
        && review > decline
    {
        problems.add(section.place("review"), "is above thresholds.decline", "review at or below where you decline");
    }
    section.finish(problems);
    Some(Thresholds { review: review?, decline: decline?, version: version? })
}

struct ReadGolden {
    file: String,
    tolerance: f64,
    rows_made_by: Option<String>,
    records: Option<RecordFiles>,
}

fn read_golden(mut section: Section<'_>, problems: &mut Problems) -> Option<ReadGolden> {
    let file = file_name(&mut section, "file", "the golden rows' file name", problems);
    let tolerance = section.number("tolerance", "the largest difference of a score, such as 1e-6", problems);
    // A tolerance of a hundredth already tells an APPROVE from a REVIEW wrong; more would check nothing.
    if tolerance.is_some_and(|tolerance| !(0.0..=0.01).contains(&tolerance)) {
        problems.add(section.place("tolerance"), "is outside 0 to 0.01", "1e-6 suits most models in 32-bit floats");
    }
    let rows_made_by = section.optional_text("rows_made_by", "who computed the golden rows' scores", problems);
    let records = read_golden_records(&mut section, problems);
    section.finish(problems);
    Some(ReadGolden { file: file?, tolerance: tolerance?, rows_made_by, records: records? })
}

/// All three keys or none of them.
fn read_golden_records(section: &mut Section<'_>, problems: &mut Problems) -> Option<Option<RecordFiles>> {
    if !["records", "expected", "made_by"].map(|key| section.get(key).is_some()).contains(&true) {
        return Some(None);
    }
    let records = file_name(section, "records", "the Avro container file of the golden records", problems);
    let expected = file_name(section, "expected", "the CSV file with what is expected of each record", problems);
    let made_by = section.text("made_by", "who computed the expected values, on the training side", problems);
    Some(Some(RecordFiles { records: records?, expected: expected?, made_by: made_by? }))
}

/// A file in the package's own folder.
fn file_name(section: &mut Section<'_>, key: &'static str, expected: &str, problems: &mut Problems) -> Option<String> {
    let name = section.text(key, expected, problems)?;
    let path = std::path::Path::new(&name);
    if path.file_name().is_some_and(|last| last == name.as_str()) {
        return Some(name);
    }
    problems.add(section.place(key), format!("is {name:?}"), "name a file in the package's own folder, without a path");
    None
}
