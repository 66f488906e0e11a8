//! `scorewire model update`: a package after a retraining.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::{output, table};
use crate::error::{Fatal, exit};
use crate::model::renew::{Change, Moved, Renewed, Request, renew};
use crate::model::{MANIFEST, ModelFile, Package, Runtime};
use crate::observe::terminal::wrapped;

pub const EXAMPLES: &str = "\
Examples:
  # The retrained model; golden rows and records are scored anew, which is
  # marked and counts as no check
  scorewire model update payments --onnx new.onnx --model-version 1.1.0
  # With what the training library answered: the features, then the score
  scorewire model update payments --onnx new.onnx --golden-rows rows.csv \\
      --made-by 'LightGBM 4.7, training/export.py'
  # Golden records, which a first draft has none of (docs/golden-records.md)
  scorewire model update payments --golden-records golden.avro \\
      --expected golden.csv --made-by training/golden.py

Exit codes: 0 written, or nothing to do; 64 usage; 65 package, model and what is
given do not belong together, and nothing was written; 71 no ONNX Runtime;
74 cannot be written";

#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Directory of the package
    #[arg(value_name = "DIR")]
    package: PathBuf,
    /// The retrained model; without it, the file that lies in the package
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Version that outputs carry from now on
    #[arg(long, value_name = "TEXT")]
    model_version: Option<String>,
    /// Rows with the scores that the training library gave: CSV of the features in the contract's order, then `score`
    #[arg(long, value_name = "FILE", requires = "made_by")]
    golden_rows: Option<PathBuf>,
    /// Records as they arrive: an Avro container file
    #[arg(long, value_name = "FILE", requires = "expected", requires = "made_by")]
    golden_records: Option<PathBuf>,
    /// What the training side has for each golden record: CSV of the features in the contract's order, then `score`
    #[arg(long, value_name = "FILE", requires = "golden_records")]
    expected: Option<PathBuf>,
    /// Who computed them
    #[arg(long, value_name = "TEXT")]
    made_by: Option<String>,
    /// Say what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Print what changed as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &UpdateArgs) -> Result<u8, Fatal> {
    let dir = &args.package;
    if !dir.join(MANIFEST).is_file() {
        let what = format!("model package {}: there is no {MANIFEST}", dir.display());
        return Err(Fatal::new(exit::MODEL, what, "name the folder of a package; scorewire model init writes one"));
    }
    let request = Request {
        model: args.onnx.as_deref().map(ModelFile::read).transpose()?,
        version: args.model_version.clone(),
        golden_rows: args.golden_rows.as_deref().map(bytes_of).transpose()?,
        golden_records: match (&args.golden_records, &args.expected) {
            (Some(records), Some(expected)) => Some((bytes_of(records)?, bytes_of(expected)?)),
            _ => None,
        },
        made_by: args.made_by.clone(),
    };
    let runtime = Runtime::load(args.onnxruntime.as_deref())?;
    let renewed = renew(dir, request, &runtime)?;
    if !renewed.files.is_empty() {
        write(dir, &renewed, args.dry_run)?;
    }
    renewed.warnings.iter().for_each(|warning| output::warn(warning));
    output::print(&match args.json {
        true => format!("{:#}\n", as_json(&renewed, args.dry_run)),
        false => text(&renewed, dir, args.dry_run),
    })?;
    Ok(exit::DONE)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Fatal> {
    fs::read(path).map_err(|error| {
        let what = format!("{}: cannot be read: {error}", path.display());
        Fatal::new(exit::USAGE, what, "name a file that can be read")
    })
}

/// Puts the new files beside the package, makes sure that they hold together, and only then exchanges them, the contract last.
fn write(dir: &Path, renewed: &Renewed, is_dry: bool) -> Result<(), Fatal> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot write into {}: {error}", dir.display());
        Fatal::new(exit::DELIVERY, what, "make it writable; model check says whether the package still holds")
    };
    let staging = dir.join(format!(".update-{}", std::process::id()));
    fs::create_dir(&staging).map_err(failed)?;
    let staged = stage(dir, &staging, renewed).map_err(failed).and_then(|()| {
        let checked = Package::load(&staging);
        checked.map(drop).map_err(|fatal| Fatal {
            what: fatal.what.replace(&*staging.to_string_lossy(), &dir.to_string_lossy()),
            ..fatal
        })
    });
    let written = staged.and_then(|()| match is_dry {
        true => Ok(()),
        false => renewed
            .files
            .iter()
            .try_for_each(|(name, _)| fs::rename(staging.join(name), dir.join(name)))
            .map_err(failed),
    });
    // What is left there is a copy.
    let _ = fs::remove_dir_all(&staging);
    written
}

fn stage(dir: &Path, staging: &Path, renewed: &Renewed) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().is_file() {
            fs::copy(entry.path(), staging.join(entry.file_name()))?;
        }
    }
    renewed.files.iter().try_for_each(|(name, bytes)| fs::write(staging.join(name), bytes))
}

fn text(renewed: &Renewed, dir: &Path, is_dry: bool) -> String {
    if renewed.changes.is_empty() {
        return "nothing to do: the package is that of this model, and nothing was given\n".to_owned();
    }
    let mut text = String::new();
    for Change { what, before, after } in &renewed.changes {
        text.push_str(&wrapped(&format!("{what}: "), &format!("{before} -> {after}"), 4));
    }
    if let Some(moved) = &renewed.moved {
        text.push_str(&wrapped("scores: ", &moved_in_words(moved), 4));
    }
    let names: Vec<&str> = renewed.files.iter().map(|(name, _)| name.as_str()).collect();
    let wrote = if is_dry { "would write" } else { "wrote" };
    text.push_str(&wrapped("", &format!("{wrote} {}: {}", dir.display(), names.join(", ")), 4));
    text.push_str(&table::table([("next", format!("scorewire model check {}", dir.display()))]));
    text
}

fn moved_in_words(moved: &Moved) -> String {
    let [reviewed, declined] = [moved.reviewed, moved.declined].map(|[before, after]| format!("{before} -> {after}"));
    format!(
        "over the {} golden rows that were there they moved by {:.4} in the mean and {:.4} at most; {} {} another decision (at or \
         above review {reviewed}, at or above decline {declined})",
        moved.rows,
        moved.mean,
        moved.largest,
        moved.decisions,
        if moved.decisions == 1 { "gets" } else { "get" }
    )
}

fn as_json(renewed: &Renewed, is_dry: bool) -> serde_json::Value {
    let change = |change: &Change| json!({ "what": change.what, "before": change.before, "after": change.after });
    let moved = |moved: &Moved| {
        json!({
            "rows": moved.rows,
            "mean": moved.mean,
            "largest": moved.largest,
            "decisions_changed": moved.decisions,
            "reviewed": moved.reviewed,
            "declined": moved.declined,
        })
    };
    json!({
        "changes": renewed.changes.iter().map(change).collect::<Vec<_>>(),
        "scores_moved": renewed.moved.as_ref().map(moved),
        "files": renewed.files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "written": !is_dry && !renewed.files.is_empty(),
        "warnings": renewed.warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_gets_another_decision_and_two_get_one() {
        let told = |decisions| {
            let moved = Moved { rows: 9, mean: 0.1, largest: 0.2, decisions, reviewed: [1, 2], declined: [0, 0] };
            moved_in_words(&moved)
        };
        assert!(told(1).contains("; 1 gets another decision"), "{}", told(1));
        assert!(told(2).contains("; 2 get another decision"), "{}", told(2));
    }
}
