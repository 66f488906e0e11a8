//! Golden records: transactions as they arrive, with the features and the score that the training side has for each.
//! Golden rows begin behind the decoder; these begin with the payload, so that an order of symbols, a path, a transform
//! or a missing policy that is not the training's is found before the first record.
//!
//! What scorewire computed is no right answer. Values that it made itself show that nothing has changed since, and are
//! held against it too, but they count as no check.

use std::fmt::Display;

use ndarray::{Array2, ArrayView1};

use crate::avro::container::Container;
use crate::avro::feature::{Feature, Missing, Wanted};
use crate::avro::plan::Plan;
use crate::avro::schemas::{AvroSchema, SchemaError};
use crate::error::Reject;
use crate::model::golden::{self, Golden};
use crate::model::problem::{Problem, Problems};

/// Differences told one by one; more of them have a common cause.
const DIFFERENCES_TOLD_MAX: usize = 8;

/// What the manifest says about them.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordFiles {
    /// The Avro object container file.
    pub records: String,
    /// Features and score of each record.
    pub expected: String,
    pub made_by: String,
}

/// Records whose features the contract gives as the training side has them, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenRecords {
    /// One row and score per record.
    pub expected: Golden,
    /// Who computed them.
    pub made_by: String,
}

impl GoldenRecords {
    /// Decodes the records of the file `bytes` by what the contract wants of them, and holds them against what `text` expects,
    /// whose scores are to be met within `tolerance`.
    pub fn read(
        bytes: &[u8],
        text: &str,
        files: &RecordFiles,
        (wanted, tolerance): (&Wanted, f64),
        reader: &AvroSchema,
        problems: &mut Problems,
    ) -> Option<GoldenRecords> {
        let features = &wanted.features;
        let expected = Golden::parse(text, &files.expected, features, tolerance, problems)?;
        let got = match decode(bytes, files, wanted, reader) {
            Ok(got) => got,
            Err(Problem { place, what, fix }) => {
                problems.add(place, what, fix);
                return None;
            }
        };
        if got.len() != expected.scores.len() {
            let what = format!("has {} records, {} has {} rows", got.len(), files.expected, expected.scores.len());
            problems.add(&files.records, what, "write both files together: one row for each record, in the same order");
            return None;
        }
        Comparison { files, features, expected: &expected.rows, got: &got }.tell(problems);
        Some(GoldenRecords { expected, made_by: files.made_by.clone() })
    }

    /// Whether the product itself made them: then they prove nothing.
    pub fn are_our_own(&self) -> bool {
        golden::is_our_own(&self.made_by)
    }

    /// What no record shows, one entry per feature: there a wrong contract would not be found.
    pub fn unreached(&self, features: &[Feature]) -> Vec<String> {
        let columns = features.iter().zip(self.expected.rows.columns());
        let lacks = columns.map(|(feature, column)| (&feature.name, lacking(feature, column)));
        lacks
            .filter(|(_, lacks)| !lacks.is_empty())
            .map(|(name, lacks)| format!("{name}: {}", lacks.join(", ")))
            .collect()
    }
}

/// Symbols, answers, a second number, a missing value: what of them a feature's column has not.
fn lacking(feature: &Feature, column: ArrayView1<'_, f32>) -> Vec<String> {
    let lacks = |value: f32| !column.iter().any(|found| same(*found, value));
    let answers = feature.transform.answers();
    let mut lacking: Vec<String> = if answers.is_empty() {
        let has_one_value = column.iter().all(|value| same(*value, column[0]));
        has_one_value.then(|| "a second value".to_owned()).into_iter().collect()
    } else {
        answers.into_iter().filter(|(answer, _)| lacks(*answer)).map(|(_, words)| words).collect()
    };
    let missing = match feature.missing.filter(|_| feature.transform.of_presence(false).is_none()) {
        None | Some(Missing::Reject) => None,
        Some(Missing::Nan) => Some(f32::NAN),
        Some(Missing::Constant(value)) => Some(value),
    };
    lacking.extend(missing.filter(|value| lacks(*value)).map(|_| "a missing value".to_owned()));
    lacking
}

/// What the start says where nobody but the product vouches for the way from a record to its features.
pub fn warning(records: Option<&GoldenRecords>) -> Option<String> {
    const UNCHECKED: &str = "that a record becomes the features the model was trained on is not checked";
    match records {
        None => {
            Some(format!("the package has no golden records: {UNCHECKED}; docs/golden-records.md says how to add them"))
        }
        Some(records) if records.are_our_own() => Some(format!(
            "the golden records were made by scorewire itself (golden.made_by = {:?}), which counts as no check: {UNCHECKED}; \
             let the training side compute them (docs/golden-records.md)",
            records.made_by
        )),
        Some(_) => None,
    }
}

/// A record's row, as the product makes it, or why it would be a dead letter.
type Decoded = Result<Vec<f32>, Reject>;

fn decode(bytes: &[u8], files: &RecordFiles, wanted: &Wanted, reader: &AvroSchema) -> Result<Vec<Decoded>, Problem> {
    let of_schema = |error: SchemaError| Problem { place: error.place, what: error.what, fix: error.fix };
    let container = Container::read(bytes, &files.records).map_err(of_schema)?;
    let plan = Plan::compile(&container.writer, reader, wanted).map_err(|error| Problem {
        place: format!("{}: {}", files.records, error.place),
        what: error.what,
        fix: error.fix,
    })?;
    let decoded = container.records.iter().map(|record| {
        let mut row = vec![f32::NAN; plan.width()];
        plan.decode(record, 0, &mut row).map(|_| row)
    });
    Ok(decoded.collect())
}

/// The same bits, or missing on both sides: there are many NaNs, and they mean one thing.
fn same(one: f32, other: f32) -> bool {
    one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan())
}

/// Both sides of every record.
struct Comparison<'a> {
    files: &'a RecordFiles,
    features: &'a [Feature],
    /// `[records, features]`
    expected: &'a Array2<f32>,
    got: &'a [Decoded],
}

impl Comparison<'_> {
    /// One problem for each feature that differs, and for each reason to reject.
    fn tell(&self, problems: &mut Problems) {
        let mut told = 0;
        for (column, feature) in self.features.iter().enumerate() {
            let rejected =
                self.records(|_, got| matches!(got, Err(reject) if reject.feature().map(usize::from) == Some(column)));
            let differing = self
                .records(|record, got| matches!(got, Ok(row) if !same(row[column], self.expected[[record, column]])));
            told += usize::from(!rejected.is_empty() || !differing.is_empty());
            if told > DIFFERENCES_TOLD_MAX {
                let fix = format!("see whether the rows of {} are in the order of the records", self.files.expected);
                problems.add(&self.files.records, "still more features differ", fix);
                return;
            }
            if let Some(&first) = rejected.first() {
                self.add(first, rejected.len(), column, &self.reason(first), advice_on_reject(feature), problems);
            }
            if let Some(&first) = differing.first() {
                let got = self.value(first, column).unwrap_or(f32::NAN);
                let fix = self.twin(column).unwrap_or_else(|| advice(feature, self.expected[[first, column]], got));
                self.add(first, differing.len(), column, &got, fix, problems);
            }
        }
        let unnamed = self.records(|_, got| matches!(got, Err(reject) if reject.feature().is_none()));
        if let Some(&first) = unnamed.first() {
            let fix = "look at the transforms' otherwise, the reader schema's enum defaults, and the record itself; a record \
                       that has no score on purpose is no golden record";
            let what = format!("is {}, expected a score ({})", self.reason(first), self.share(unnamed.len()));
            problems.add(self.place(first), what, fix);
        }
    }

    fn add(
        &self,
        record: usize,
        records: usize,
        column: usize,
        got: &impl Display,
        fix: String,
        problems: &mut Problems,
    ) {
        let Feature { name, path, .. } = &self.features[column];
        let (expected, share) = (self.expected[[record, column]], self.share(records));
        problems.add(
            self.place(record),
            format!("feature `{name}` ({path}): expected {expected}, got {got} ({share})"),
            fix,
        );
    }

    fn records(&self, is_one: impl Fn(usize, &Decoded) -> bool) -> Vec<usize> {
        (0..self.got.len()).filter(|&record| is_one(record, &self.got[record])).collect()
    }

    fn place(&self, record: usize) -> String {
        format!("{} record {}", self.files.records, record + 1)
    }

    fn share(&self, records: usize) -> String {
        format!("{records} of {} records", self.got.len())
    }

    fn reason(&self, record: usize) -> String {
        let reason = self.got[record].as_ref().err().map_or("scored", |reject| reject.reason());
        format!("a dead letter ({reason})")
    }

    fn value(&self, record: usize, column: usize) -> Option<f32> {
        self.got[record].as_ref().ok().map(|row| row[column])
    }

    /// Advice where this feature has, in every record, what is expected of another: their paths are mixed up.
    fn twin(&self, column: usize) -> Option<String> {
        let scored = || (0..self.got.len()).filter_map(|record| Some((record, self.value(record, column)?)));
        let (_, first) = scored().next()?;
        // Columns that never change are equal by chance.
        if scored().all(|(_, got)| same(got, first)) {
            return None;
        }
        let is_twin = |other: &usize| scored().all(|(record, got)| same(got, self.expected[[record, *other]]));
        let other = (0..self.features.len()).find(is_twin)?;
        Some(format!(
            "it has the values expected of feature `{}` in every record: look at the paths of both",
            self.features[other].name
        ))
    }
}

fn advice(feature: &Feature, expected: f32, got: f32) -> String {
    let missing = "its missing policy";
    let path = "its path";
    // Whatever steps make of a number, their own mistake is the nearest.
    let transform = match feature.then.is_empty() {
        true => feature.transform.look_at().to_owned(),
        false => format!("its steps (then) and {}", feature.transform.look_at()),
    };
    let transform = transform.as_str();
    let order = if expected.is_nan() == got.is_nan() { [transform, path, missing] } else { [missing, path, transform] };
    format!(
        "look at {}, then at {} and {}; what is expected comes from the training side",
        order[0], order[1], order[2]
    )
}

fn advice_on_reject(feature: &Feature) -> String {
    let mut places = vec!["its missing policy"];
    places.extend(feature.transform.look_at_on_reject());
    if feature.min.is_some() || feature.max.is_some() {
        places.push("its min and max");
    }
    places.push("its path");
    format!("look at {}: the training side has a score for this record", places.join(", "))
}
