//! A package after a retraining: the new model's hash, golden rows and records that the training side made, what the program
//! computed itself marked as such, and what has changed.
//!
//! Nothing is written here: [`renew`] gives the files that are to be exchanged, and whoever writes them puts the contract
//! last, so that a package that is written in part is refused.

mod changes;
mod edit;
mod order;
mod records;
mod texts;

use std::path::Path;

use ndarray::Array2;

pub use changes::{Change, Moved};

use self::changes::{compare, moved};
use self::records::{Records, renewed};
use crate::avro::feature::{Feature, Missing};
use crate::error::{Fatal, exit};
use crate::model::contract::Contract;
use crate::model::draft::{Drawn, draw, golden_csv};
use crate::model::golden::{Golden, is_our_own};
use crate::model::model_file::{ModelFile, Takes};
use crate::model::package::{MANIFEST, TEXT_BYTES_MAX, read_bytes};
use crate::model::problem::{Problem, Problems};
use crate::model::runtime::Runtime;
use crate::values::record::score_of;

/// Rows that are drawn where a package has none.
const ROWS_DRAWN: usize = 128;

/// What this program calls itself where it computed something.
const OURSELVES: &str = "scorewire model update";

/// What is new.
#[derive(Debug, Default)]
pub struct Request {
    /// The model after the retraining; without it the file that lies in the package counts.
    pub model: Option<ModelFile>,
    pub version: Option<String>,
    /// `golden.csv` with the scores of the training side.
    pub golden_rows: Option<Vec<u8>>,
    /// Golden records and what is expected of them.
    pub golden_records: Option<(Vec<u8>, Vec<u8>)>,
    /// Who computed what is given.
    pub made_by: Option<String>,
}

/// What becomes of the package.
#[derive(Debug)]
pub struct Renewed {
    /// Names and bytes, the contract last. Empty where nothing changes.
    pub files: Vec<(String, Vec<u8>)>,
    pub changes: Vec<Change>,
    /// How far scores moved, over the golden rows that were there.
    pub moved: Option<Moved>,
    /// Worth knowing.
    pub warnings: Vec<String>,
}

/// Works out what a package becomes.
///
/// # Errors
/// [`exit::MODEL`] where package or model do not hold, or what is given does not belong to this model.
pub fn renew(dir: &Path, request: Request, runtime: &Runtime) -> Result<Renewed, Fatal> {
    let manifest = text_of(dir, MANIFEST)?;
    let mut problems = Problems::default();
    let contract = Contract::parse(&manifest, &mut problems);
    problems.check(dir)?;
    let contract = contract.ok_or_else(|| Fatal::new(exit::MODEL, "the contract cannot be read", "run model check"))?;
    let lying = ModelFile::read(&dir.join(&contract.model_file))?;
    let mut work = Work {
        dir,
        // The contract's hash says which model the package was made for; another file that lies there is a new one.
        is_other: request.model.as_ref().map_or(&lying, |model| model).sha256 != contract.sha256,
        contract,
        files: Vec::new(),
        manifest,
        changes: Vec::new(),
        warnings: Vec::new(),
    };
    work.take_model(&lying, &request)?;
    let model = request.model.as_ref().unwrap_or(&lying);
    work.check_order(model, &request)?;
    let moved = work.take_rows(model, &request, runtime)?;
    work.take_records(model, &request, runtime)?;
    work.end(moved)
}

struct Work<'a> {
    dir: &'a Path,
    contract: Contract,
    /// The model is another one than the contract was written for.
    is_other: bool,
    files: Vec<(String, Vec<u8>)>,
    manifest: String,
    changes: Vec<Change>,
    warnings: Vec<String>,
}

impl Work<'_> {
    fn refused(&self, what: impl Into<String>, fix: impl Into<String>) -> Fatal {
        Fatal::new(exit::MODEL, format!("model package {}: {}", self.dir.display(), what.into()), fix)
    }

    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), Fatal> {
        let edited = edit::set(&self.manifest, section, key, value);
        self.manifest = edited.ok_or_else(|| {
            let what = format!("model.toml: {section}.{key} cannot be set there");
            self.refused(what, format!("write it by hand, under [{section}]: {key} = {value:?}"))
        })?;
        Ok(())
    }

    /// The hash and the version, and what differs between the files.
    fn take_model(&mut self, lying: &ModelFile, request: &Request) -> Result<(), Fatal> {
        let model = request.model.as_ref().unwrap_or(lying);
        let mut problems = Problems::default();
        model.problems().into_iter().for_each(|problem| problems.add(problem.place, problem.what, problem.fix));
        let width = self.contract.wanted.features.len();
        if let Some(columns) = model.width().filter(|columns| *columns != width) {
            let what = format!("the contract has {width} features, the model takes {columns} columns");
            let fix = "list one [[features]] for each column of the new training, in its order, or draft the package anew with \
                       scorewire model init";
            problems.add("features", what, fix);
        }
        let Contract { input_tensor, wanted, .. } = &self.contract;
        if problems.count() == 0 {
            model.check_features(input_tensor.as_deref(), &wanted.features, &mut problems);
        }
        self.contract.output.resolve(&model.found, &model.bytes, &mut problems);
        problems.check(self.dir)?;
        if self.is_other {
            let (before, after) = (self.contract.sha256.clone(), model.sha256.clone());
            self.set("model", "sha256", &after)?;
            self.changes.push(Change::new("sha256", before, after));
        }
        if let Some(new) = &request.model {
            let (before, after) = (self.takes(lying).unwrap_or_default(), self.takes(new)?);
            for (at, feature) in self.contract.wanted.features.iter().enumerate() {
                let [before, after] =
                    [(&before, lying), (&after, new)].map(|(takes, model)| model.texts(takes.get(at)?));
                self.warnings.extend(texts::warnings(feature, before, after));
            }
            self.changes.extend(compare(&lying.facts, &lying.trees, &new.facts, &new.trees));
            self.files.push((self.contract.model_file.clone(), new.bytes.clone()));
        }
        match &request.version {
            Some(version) => {
                let before = self.contract.version.clone();
                self.set("model", "version", version)?;
                self.changes.push(Change::new("version", before, version.clone()));
            }
            None if self.is_other => self.warnings.push(format!(
                "model.version is still {:?}, and outputs carry it: --model-version sets another one",
                self.contract.version
            )),
            None => {}
        }
        Ok(())
    }

    /// Refuses columns in another order, unless the training side's rows are to prove that it is right.
    fn check_order(&self, model: &ModelFile, request: &Request) -> Result<(), Fatal> {
        let names: Vec<&str> = self.contract.wanted.features.iter().map(|feature| feature.name.as_str()).collect();
        let found = order::other_order(model, &names, &self.takes(model)?);
        let Some(named) = found.filter(|_| request.golden_rows.is_none()) else { return Ok(()) };
        let (by, order) = (named.by, named.names.join(", "));
        let what = format!("features: the contract has the model's columns in another order than {by}: {order}");
        let fix = "put [[features]] into that order; or, where the contract is right, show it with what the training scored: \
                   --golden-rows";
        Err(self.refused(what, fix))
    }

    /// Golden rows: those that are given, or the ones that are there, scored anew where the model is another.
    fn take_rows(&mut self, model: &ModelFile, request: &Request, runtime: &Runtime) -> Result<Option<Moved>, Fatal> {
        let file = self.contract.golden_file.clone();
        let before = match self.dir.join(&file).exists() {
            true => text_of(self.dir, &file).and_then(|text| self.parse_golden(&text, &file)).map(Some),
            false => Ok(None),
        };
        // Rows that are exchanged need not be good ones.
        let before = before.or_else(|fatal| request.golden_rows.as_ref().map(|_| None).ok_or(fatal))?;
        let moved = match &before {
            Some(golden) if self.is_other => {
                let answers = self.scores(model, &golden.rows, runtime)?;
                Some(moved(&golden.scores, &answers, &self.contract.thresholds))
            }
            _ => None,
        };
        if let Some(bytes) = &request.golden_rows {
            let made_by = self.made_by(request, "--golden-rows")?;
            let text = String::from_utf8(bytes.clone())
                .map_err(|_| self.refused("the golden rows are no UTF-8", "save them as UTF-8"))?;
            let golden = self.parse_golden(&text, "the golden rows given")?;
            self.hold(model, &golden, runtime, "golden row")?;
            self.changes.push(Change::new(
                "golden rows",
                rows_told(before.as_ref()),
                format!("{} by {made_by}", golden.scores.len()),
            ));
            self.set("golden", "rows_made_by", &made_by)?;
            self.files.push((file, bytes.clone()));
        } else if self.is_other || before.is_none() {
            let from = if before.is_some() { "from the rows that were there" } else { "from drawn rows" };
            let told = rows_told(before.as_ref());
            let rows = match before {
                Some(golden) => golden.rows,
                None => draw(model, &self.drawn(model)?, ROWS_DRAWN),
            };
            let scores = self.scores(model, &rows, runtime)?;
            let good: Vec<usize> = (0..scores.len()).filter(|row| score_of(scores[*row]).is_ok()).collect();
            let (rows, scores) =
                (rows.select(ndarray::Axis(0), &good), good.iter().map(|row| scores[*row]).collect::<Vec<_>>());
            let names: Vec<&str> = self.contract.wanted.features.iter().map(|feature| feature.name.as_str()).collect();
            let text = golden_csv(&names, &rows, &scores);
            let made_by = format!("{OURSELVES}, {from}");
            self.parse_golden(&text, &file)?;
            self.changes.push(Change::new("golden rows", told, format!("{} by {made_by}", scores.len())));
            self.set("golden", "rows_made_by", &made_by)?;
            self.files.push((file, text.into_bytes()));
        }
        Ok(moved)
    }

    /// What the model takes in the place of each feature.
    fn takes(&self, model: &ModelFile) -> Result<Vec<Takes>, Fatal> {
        let names: Vec<&str> = self.contract.wanted.features.iter().map(|feature| feature.name.as_str()).collect();
        model.takes(&names).map_err(|Problem { what, fix, .. }| self.refused(what, fix))
    }

    /// What is drawn for each feature.
    fn drawn(&self, model: &ModelFile) -> Result<Vec<Drawn>, Fatal> {
        let (features, takes) = (&self.contract.wanted.features, self.takes(model)?);
        let of = |(feature, takes): (&Feature, &Takes)| {
            // NaN is what no contract lets through, unless the feature says so.
            let takes_nan = model.trees.tracked.contains(&takes.place) && feature.missing == Some(Missing::Nan);
            Drawn::of(feature, takes, takes_nan)
        };
        Ok(features.iter().zip(&takes).map(of).collect())
    }

    fn take_records(&mut self, model: &ModelFile, request: &Request, runtime: &Runtime) -> Result<(), Fatal> {
        let Records { records, expected, made_by, told } =
            match (&request.golden_records, &self.contract.golden_records) {
                (Some((records, expected)), _) => {
                    let made_by = self.made_by(request, "--golden-records")?;
                    let told = "given".to_owned();
                    Records { records: Some(records.clone()), expected: expected.clone(), made_by, told }
                }
                (None, Some(files)) if self.is_other => {
                    let text = text_of(self.dir, &files.expected)?;
                    let golden = self.parse_golden(&text, &files.expected)?;
                    let scores = self.scores(model, &golden.rows, runtime)?;
                    renewed(&text, &scores, &files.made_by, OURSELVES)
                }
                _ => return Ok(()),
            };
        let before =
            self.contract.golden_records.as_ref().map_or("none".to_owned(), |files| format!("by {}", files.made_by));
        let names = self.contract.golden_records.as_ref().map(|files| [files.records.clone(), files.expected.clone()]);
        let [records_file, expected_file] =
            names.unwrap_or_else(|| ["golden_records.avro", "golden_records.csv"].map(str::to_owned));
        let text = String::from_utf8_lossy(&expected).into_owned();
        let golden = self.parse_golden(&text, &expected_file)?;
        self.hold(model, &golden, runtime, "golden record")?;
        for (key, value) in [("records", &records_file), ("expected", &expected_file), ("made_by", &made_by)] {
            self.set("golden", key, value)?;
        }
        self.changes.push(Change::new("golden records", before, format!("{told}, by {made_by}")));
        self.files.extend(records.map(|records| (records_file, records)));
        self.files.push((expected_file, expected));
        Ok(())
    }

    fn made_by(&self, request: &Request, flag: &str) -> Result<String, Fatal> {
        let made_by = request.made_by.clone().filter(|made_by| !made_by.trim().is_empty()).ok_or_else(|| {
            let what = format!("{flag} needs --made-by");
            Fatal::new(exit::USAGE, what, "say who computed the values: --made-by \"training/golden.py, LightGBM 4.7\"")
        })?;
        match is_our_own(&made_by) {
            true => Err(Fatal::new(
                exit::USAGE,
                format!("--made-by is {made_by:?}, and what this program computed is no check"),
                "name what the training side computed them with",
            )),
            false => Ok(made_by),
        }
    }

    fn parse_golden(&self, text: &str, place: &str) -> Result<Golden, Fatal> {
        let mut problems = Problems::default();
        let golden = Golden::parse(text, place, &self.contract.wanted.features, self.contract.tolerance, &mut problems);
        problems.check(self.dir)?;
        golden.ok_or_else(|| self.refused(format!("{place} cannot be read"), "write it anew"))
    }

    /// What is given must be this model's.
    fn hold(&self, model: &ModelFile, golden: &Golden, runtime: &Runtime, kind: &str) -> Result<(), Fatal> {
        let answers = self.scores(model, &golden.rows, runtime)?;
        for (index, (answer, expected)) in answers.iter().zip(&golden.scores).enumerate() {
            let got = score_of(*answer).unwrap_or(*answer);
            let difference = (got - expected).abs();
            if difference.is_nan() || difference > golden.tolerance {
                let what = format!("{kind} {} is expected to score {expected}, and the model answers {got}", index + 1);
                return Err(self.refused(
                    what,
                    "take what was computed for this very model, with its columns in the contract's order",
                ));
            }
        }
        Ok(())
    }

    /// What the contract makes of ONNX Runtime's answers.
    fn scores(&self, model: &ModelFile, rows: &Array2<f32>, runtime: &Runtime) -> Result<Vec<f64>, Fatal> {
        let mut problems = Problems::default();
        let role = self.contract.output.resolve(&model.found, &model.bytes, &mut problems);
        let Some(role) = role else {
            problems.check(self.dir)?;
            return Ok(Vec::new());
        };
        let output = role.zip_map.as_ref().unwrap_or(&role.tensor);
        let answered = model.answers(runtime, output, &self.contract.wanted.features, rows);
        let answers =
            answered.map_err(|why| self.refused(format!("the model {why}"), "export the model anew"))?.answers;
        let columns = role.columns_among(answers.ncols(), &mut problems);
        problems.check(self.dir)?;
        Ok(answers.rows().into_iter().map(|row| role.reading.score(&row.to_vec(), &columns)).collect())
    }

    fn end(mut self, moved: Option<Moved>) -> Result<Renewed, Fatal> {
        if !self.files.is_empty() || !self.changes.is_empty() {
            self.files.push((MANIFEST.to_owned(), self.manifest.into_bytes()));
        }
        Ok(Renewed { files: self.files, changes: self.changes, moved, warnings: self.warnings })
    }
}

fn rows_told(golden: Option<&Golden>) -> String {
    golden.map_or("none".to_owned(), |golden| format!("{} rows", golden.scores.len()))
}

fn text_of(dir: &Path, name: &str) -> Result<String, Fatal> {
    let refused = |what: String| {
        let fix = "name the folder of a package; scorewire model init writes one";
        Fatal::new(exit::MODEL, format!("model package {}: {name} {what}", dir.display()), fix)
    };
    let bytes = read_bytes(&dir.join(name), TEXT_BYTES_MAX).map_err(refused)?;
    String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))
}
