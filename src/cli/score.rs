//! `scorewire score`: what records become, without Kafka. The decoder, the model and the thresholds are those of a lane.

mod input;
mod line;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use self::input::{Input, Position};
use self::line::Lines;
use super::output;
use crate::avro::schemas::AvroSchema;
use crate::config::Config;
use crate::config::machine::Machine;
use crate::config::sources::{FlagValue, Sources};
use crate::error::{Fatal, exit};
use crate::lane::clock::SystemClock;
use crate::node::{Fate, Offline, Prepared, Registry};
use crate::values::fingerprint::Fingerprinter;
use crate::values::record::Decision;

pub const EXAMPLES: &str = "\
Examples:
  # What becomes of each record of a file
  scorewire score --package models/card-fraud-gbdt golden_records.avro
  # Values as they stand on the topic, a line of hex for each, with the
  # writers' schemas of the registry's ids
  scorewire score --package models/card-fraud-gbdt --schemas schemas values.hex
  # The same as production is configured: ids that are in no folder are asked
  # of its schema registry
  scorewire score -c scorewire.toml values.hex
  # In continuous integration: a record that would be a dead letter fails the
  # job
  scorewire score -c scorewire.toml --fail-on-reject golden_records.avro \\
      > scores.jsonl";

#[derive(Args, Debug)]
pub struct ScoreArgs {
    /// Avro object container file, or lines of hex with a value each; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Directory of the model package; with --config, instead of the configuration's
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    package: Option<PathBuf>,
    /// Directory of writers' schemas, for lines of hex: `schemas.directory` of a configuration
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// Writer's schema of lines that are bare data, without a prefix that names one: `schemas.raw_schema`
    #[arg(long, value_name = "FILE")]
    raw_schema: Option<PathBuf>,
    /// Score as this configuration says: package, schemas, thresholds, limits. No Kafka is asked; its schema registry is,
    /// for lines of hex that name schemas of it
    #[arg(short, long, value_name = "FILE", env = "SCOREWIRE_CONFIG")]
    config: Option<PathBuf>,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Exit with 1 when a record would be a dead letter, or would wait for its schema; an input without records always does
    #[arg(long)]
    fail_on_reject: bool,
}

/// Lines are written when so many bytes of them are there.
const WRITE_BYTES: usize = 1 << 16;

/// What became of all records.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    decisions: [u64; Decision::ALL.len()],
    rejected: u64,
    waiting: u64,
}

pub fn execute(args: &ScoreArgs) -> Result<u8, Fatal> {
    let config = args.configuration()?;
    let mut input = Input::open(&args.file)?;
    // A container file says what its records were written with.
    let registry = match input.writer_text() {
        Some(_) => None,
        None => Registry::open_as_guest(&config)?,
    };
    let prepared = Prepared::of(&config, &SystemClock::new(), registry.as_ref())?;
    prepared.warnings().iter().for_each(|warning| output::warn(warning));
    let writer = input.writer_text().map(|text| AvroSchema::parse(text, "the file's own schema")).transpose();
    let writer = writer.map_err(|error| Fatal::new(exit::FAILED, error.to_string(), ""))?;
    let offline = Offline::new(&config, prepared, writer.map(Arc::new))?;
    let mut scoring = Scoring::new(offline, &config);
    let read = input.read(&mut |value, position| scoring.take(value, position));
    // What comes before the damage is shown: its last line leads there.
    scoring.flush()?;
    scoring.write()?;
    let totals = scoring.totals;
    if totals.all() > 0 {
        output::note(&totals.in_words());
    }
    read?;
    if totals.all() == 0 {
        let what = format!("{} holds no record: nothing was scored", input::place(&args.file));
        return Err(Fatal::new(exit::FAILED, what, "give at least one record; a check of none would check nothing"));
    }
    Ok(match args.fail_on_reject && totals.rejected + totals.waiting > 0 {
        true => exit::FAILED,
        false => exit::DONE,
    })
}

impl ScoreArgs {
    fn configuration(&self) -> Result<Config, Fatal> {
        let mut config = match &self.config {
            Some(_) => {
                let loaded = Config::load(&self.sources(), &Machine::current())?;
                loaded.warnings.iter().for_each(|warning| output::warn(warning));
                loaded.config
            }
            None => {
                let mut config = Config::new("", "", self.package.clone().unwrap_or_default());
                config.model.onnxruntime.clone_from(&self.onnxruntime);
                config
            }
        };
        if let Some(directory) = &self.schemas {
            config.schemas.directory = Some(directory.clone());
        }
        if let Some(schema) = &self.raw_schema {
            config.schemas.raw_schema = Some(schema.clone());
            config.schemas.wire_forms.raw = true;
        }
        Ok(config)
    }

    fn sources(&self) -> Sources {
        let flag = |flag: &str, key: &str, path: &PathBuf| FlagValue {
            flag: flag.to_owned(),
            key: key.to_owned(),
            value: path.display().to_string(),
        };
        let package = self.package.iter().map(|path| flag("--package", "model.package", path));
        let library = self.onnxruntime.iter().map(|path| flag("--onnxruntime", "model.onnxruntime", path));
        let flags = package.chain(library).collect();
        Sources { file: self.config.clone(), env: std::env::vars_os().collect(), flags }
    }
}

/// Records on their way, a batch at a time.
struct Scoring {
    offline: Offline,
    lines: Lines,
    values: Vec<Vec<u8>>,
    positions: Vec<Position>,
    /// Lines that are not written yet.
    text: String,
    totals: Totals,
    /// Whoever read the lines has left.
    is_left: bool,
}

impl Scoring {
    fn new(offline: Offline, config: &Config) -> Scoring {
        let package = &offline.package;
        let thresholds = config.effective_thresholds(&package.thresholds);
        let fingerprinter =
            config.outputs.fingerprint.then(|| Fingerprinter::new(&package.sha256, &thresholds.version));
        let lines = Lines::new(&package.wanted.features, fingerprinter);
        let (values, positions) = (Vec::new(), Vec::new());
        Scoring { offline, lines, values, positions, text: String::new(), totals: Totals::default(), is_left: false }
    }

    /// Returns whether there is to be more.
    fn take(&mut self, value: &[u8], position: Position) -> Result<bool, Fatal> {
        self.values.push(value.to_vec());
        self.positions.push(position);
        if self.values.len() == self.offline.batch_rows() {
            self.flush()?;
        }
        Ok(!self.is_left)
    }

    fn flush(&mut self) -> Result<(), Fatal> {
        let outcomes = self.offline.score(&self.values)?;
        self.offline.notes().iter().for_each(|note| output::warn(note));
        let mut text = std::mem::take(&mut self.text);
        for ((outcome, value), position) in outcomes.iter().zip(&self.values).zip(&self.positions) {
            self.totals.count(&outcome.fate);
            let row = match outcome.fate {
                Fate::Scored { row, .. } => self.offline.features(row),
                Fate::Rejected { .. } | Fate::Waits(_) => Vec::new(),
            };
            self.lines.write(&mut text, *position, (outcome, value), &row);
        }
        self.values.clear();
        self.positions.clear();
        self.text = text;
        match self.text.len() > WRITE_BYTES {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn write(&mut self) -> Result<(), Fatal> {
        self.is_left |= !output::is_read(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

impl Totals {
    fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Scored { decision, .. } => self.decisions[decision.index()] += 1,
            Fate::Rejected { .. } => self.rejected += 1,
            Fate::Waits(_) => self.waiting += 1,
        }
    }

    fn all(self) -> u64 {
        self.decisions.iter().sum::<u64>() + self.rejected + self.waiting
    }

    fn in_words(self) -> String {
        let scored: u64 = self.decisions.iter().sum();
        let decisions =
            Decision::ALL.map(|decision| format!("{} {}", decision.name(), self.decisions[decision.index()]));
        let waiting = match self.waiting {
            0 => String::new(),
            count => format!(", {count} would wait for a schema"),
        };
        format!(
            "{} records: {scored} scored ({}), {} would be dead letters{waiting}",
            self.all(),
            decisions.join(", "),
            self.rejected
        )
    }
}
