//! `scorewire model init`: a package around an ONNX file, as far as it can be inferred.

mod tell;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::paths;
use crate::avro::fields::SchemaField;
use crate::avro::schemas::AvroSchema;
use crate::cli::output;
use crate::error::{Fatal, exit};
use crate::model::draft::{
    self, Asking, Column, Manifest, Named, RowsFrom, Score, Seen, Thresholding, Transaction, golden_csv, golden_rows,
    readme,
};
use crate::model::{IDENTIFIER_CHARS, MANIFEST, ModelFile, Package, Problem, Runtime, is_identifier};
use crate::values::record::score_of;

pub const EXAMPLES: &str = "\
Examples:
  # The columns' names stand in the file; records show ranges, make golden rows
  scorewire model init --onnx model.onnx --schema payment.avsc \\
      --rows payments.avro
  # The columns' names are told
  scorewire model init --onnx model.onnx --schema payment.avsc \\
      --features amount,card_age,channel_POS payments
  # The schema that the topic's producers registered last
  scorewire model init -c scorewire.toml --onnx model.onnx \\
      --schema payments-value --features columns.txt payments
  # The columns stand in the order of the schema's numbers
  scorewire model init --onnx model.onnx --schema payment.avsc \\
      --in-schema-order payments
  # One input per column, as a scikit-learn pipeline exports: it has the names
  scorewire model init --onnx pipeline.onnx --schema payment.avsc payments
Then see to what is left, which `scorewire model check` tells too, and look at
records: `scorewire score --package payments payments.avro`.

Exit codes: 0 written; 64 usage; 65 a model that no package may have; 69 no
answer of the registry; 71 no ONNX Runtime; 74 cannot be written";

#[derive(Args, Debug)]
pub struct InitArgs {
    /// Directory to write; without it, one that is named like the model's file
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The model, as LightGBM, XGBoost, CatBoost, scikit-learn or others export it
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// Avro schema of the transactions (.avsc), a container file by its own schema, or with --config a subject of the schema
    /// registry; without it, that of --rows
    #[arg(long, value_name = "FILE|SUBJECT", required_unless_present = "rows")]
    schema: Option<PathBuf>,
    /// Configuration file with the schema registry ([schemas.registry])
    #[arg(short, long, value_name = "FILE", env = "SCOREWIRE_CONFIG")]
    config: Option<PathBuf>,
    /// Records as they arrive (Avro container file): for ranges, missing values, thresholds and golden rows
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// Names of the model's columns in the training's order, of all its inputs: between commas, or a file with one in each
    /// line. Inputs of one column have names of their own
    #[arg(long, value_name = "NAMES|FILE")]
    features: Option<String>,
    /// The columns stand in the order of the schema's numbers, id and times left out
    #[arg(long, conflicts_with = "features")]
    in_schema_order: bool,
    /// Name of the package, of letters, digits, `.`, `_` and `-`; without it, that of the directory
    #[arg(long)]
    name: Option<String>,
    /// Write into a directory that holds files already, over those of the same names
    #[arg(long)]
    force: bool,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Print what was found as one JSON object
    #[arg(long)]
    json: bool,
}

/// Everything that was found out.
struct Draft {
    model: ModelFile,
    schema: AvroSchema,
    fields: Vec<SchemaField>,
    named: Option<Named>,
    columns: Vec<Column>,
    transaction: Transaction,
    seen: Option<Seen>,
    score: Score,
    golden: Option<String>,
    rows_from: RowsFrom,
    thresholds: Thresholding,
}

pub fn execute(args: &InitArgs) -> Result<u8, Fatal> {
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| args.onnx.with_extension("").file_name().map(PathBuf::from).unwrap_or_default());
    if let Some(name) = args.name.as_ref().filter(|name| !is_identifier(name)) {
        return Err(Fatal::new(exit::USAGE, format!("--name is {name:?}"), IDENTIFIER_CHARS));
    }
    check_free(&dir, args.force)?;
    let draft = Draft::of(args)?;
    let name = args.name.clone().unwrap_or_else(|| name_of(&dir));
    let rows_made_by = match draft.rows_from {
        RowsFrom::Records => "scorewire model init, from the records of --rows",
        RowsFrom::RecordsInPart => {
            "scorewire model init, from the records of --rows, with drawn values for undecided columns"
        }
        RowsFrom::Draw => "scorewire model init, from drawn rows",
    };
    let origin = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let schema = args.schema.as_ref().or(args.rows.as_ref()).map(|path| origin(path)).unwrap_or_default();
    let onnx = origin(&args.onnx);
    let is_guess = draft.named.is_none() && !args.in_schema_order;
    let manifest = Manifest {
        name: &name,
        version: "1.0.0",
        model: &draft.model,
        origins: [&onnx, &schema],
        named_by: draft.named.as_ref().map(|named| named.by.as_str()),
        columns: &draft.columns,
        confirm: is_guess.then_some(GUESS),
        transaction: &draft.transaction,
        score: &draft.score,
        seen: draft.seen.as_ref(),
        thresholds: draft.thresholds.clone(),
        rows_made_by,
    };
    write(&dir, &draft, &manifest)?;
    let left = manifest.undecided();
    // What is decided and still does not hold is told as `model check` tells it.
    let refused = left.is_empty().then(|| Package::load(&dir).err()).flatten();
    output::print(&match args.json {
        true => format!("{:#}\n", tell::json(&draft, &dir, &left)),
        false => tell::text(&draft, (&dir, args.rows.as_deref()), &left),
    })?;
    match refused {
        Some(fatal) => Err(fatal),
        None => Ok(exit::DONE),
    }
}

const GUESS: &str = "nothing in the model's file names its columns, and it has as many as the schema has numbers: that they stand in \
                     the schema's order is a guess. Compare the features below with the training's order; whoever knows that \
                     it is so can say --in-schema-order, or name them with --features";

impl Draft {
    fn of(args: &InitArgs) -> Result<Draft, Fatal> {
        let model = ModelFile::read(&args.onnx)?;
        refuse(&model.problems(), &args.onnx)?;
        let named = args.schema.as_deref().or(args.rows.as_deref()).unwrap_or(Path::new(""));
        let schema = paths::schema(named, args.config.as_deref())?;
        let (fields, said) = (schema.fields(), args.said()?);
        let transaction = draft::transaction(&fields);
        let (named, width) = draft::names(&model, said)?;
        let mut columns = draft::columns(&model, (named.as_ref(), width), &fields, &transaction)?;
        if let Some(rows) = &args.rows {
            draft::texts_from_rows(&mut columns, rows, &schema)?;
        }
        let seen = args.rows.as_ref().map(|rows| Seen::of(rows, &schema, &columns, &transaction)).transpose()?;
        if let Some(seen) = &seen {
            seen.judge(&mut columns);
        }
        let runtime = Runtime::load(args.onnxruntime.as_deref())?;
        let (rows, rows_from) = golden_rows(&model, &columns, seen.as_ref());
        let are_records = rows_from != RowsFrom::Draw;
        let features: Vec<_> = columns.iter().map(Column::trial).collect();
        let answers = |output: &str| model.answers(&runtime, output, &features, &rows);
        let is_undecided = columns.iter().any(|column| column.feature().is_none());
        let score = draft::score(&model, &Asking { are_records, is_undecided, answers: &answers });
        let scored = score.scored.as_ref().map(|scored| &scored.scores[..]);
        let golden = scored.map(|scores| {
            // A row without an answer is no golden one.
            let good: Vec<usize> = (0..scores.len()).filter(|row| score_of(scores[*row]).is_ok()).collect();
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let scores: Vec<f64> = good.iter().map(|row| scores[*row]).collect();
            golden_csv(&names, &rows.select(ndarray::Axis(0), &good), &scores)
        });
        // Of a column that is not decided the values are drawn: such scores are none of records.
        let thresholds = Thresholding::of(scored.filter(|_| are_records && !is_undecided));
        Ok(Draft { model, schema, fields, named, columns, transaction, seen, score, golden, rows_from, thresholds })
    }
}

impl InitArgs {
    /// The names that were given.
    fn said(&self) -> Result<Option<Named>, Fatal> {
        let Some(features) = &self.features else { return Ok(None) };
        let path = Path::new(features);
        let (text, by) = match path.is_file() {
            true => {
                let text = fs::read_to_string(path).map_err(|error| {
                    let what = format!("{features}: cannot be read: {error}");
                    Fatal::new(exit::USAGE, what, "name a text file with one name in each line")
                })?;
                (text, format!("--features (the file {features})"))
            }
            // A file that is not there would be one name.
            false if !features.contains(',') && (features.contains('/') || features.ends_with(".txt")) => {
                let what = format!("--features: {features}: there is no such file");
                return Err(Fatal::new(
                    exit::USAGE,
                    what,
                    "name the columns between commas, or a file with one in each line",
                ));
            }
            false => (features.clone(), "--features".to_owned()),
        };
        let names = draft::split_names(&text);
        match names.is_empty() {
            true => {
                Err(Fatal::new(exit::USAGE, "--features names no column", "name them between commas, or in a file"))
            }
            false => Ok(Some(Named { names, by })),
        }
    }
}

/// All at once, as a check tells them.
fn refuse(problems: &[Problem], path: &Path) -> Result<(), Fatal> {
    let Some(first) = problems.first() else { return Ok(()) };
    let told: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect();
    Err(Fatal::new(exit::MODEL, format!("{}: {}", path.display(), told.join("; ")), first.fix.clone()))
}

fn check_free(dir: &Path, force: bool) -> Result<(), Fatal> {
    let is_taken = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => dir.exists(),
    };
    match is_taken && !force {
        true => {
            let what = format!("{} is there already", dir.display());
            Err(Fatal::new(exit::USAGE, what, "name another directory, or write over its files with --force"))
        }
        false => Ok(()),
    }
}

/// A name that may stand in a contract.
fn name_of(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '-' };
    match name.chars().map(plain).collect::<String>() {
        empty if empty.is_empty() => "model".to_owned(),
        name => name,
    }
}

fn write(dir: &Path, draft: &Draft, manifest: &Manifest<'_>) -> Result<(), Fatal> {
    let failed = |path: &Path, error: std::io::Error| {
        let what = format!("cannot write {}: {error}", path.display());
        Fatal::new(exit::DELIVERY, what, "name a directory that can be written")
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let (toml, readme) = (manifest.text(), readme(manifest));
    let mut files = vec![
        ("model.onnx", draft.model.bytes.as_slice()),
        ("transaction.avsc", draft.schema.text().as_bytes()),
        (MANIFEST, toml.as_bytes()),
        ("README.md", readme.as_bytes()),
    ];
    files.extend(draft.golden.as_ref().map(|golden| ("golden.csv", golden.as_bytes())));
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
