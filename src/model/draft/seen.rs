//! What records show of the columns: their ranges, how often they are missing, and rows to try the model with.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::Array2;

use crate::avro::container::Blocks;
use crate::avro::feature::{Feature, Missing, Transform, Wanted};
use crate::avro::plan::Plan;
use crate::avro::problem::SchemaError;
use crate::avro::schemas::AvroSchema;
use crate::error::{Fatal, Reject, exit};
use crate::model::draft::column::Column;
use crate::model::draft::transaction::Transaction;
use crate::model::sequence::Sequence;

/// Records that are looked at; more of them show nothing new.
const RECORDS_MAX: u64 = 1_000_000;
/// Rows kept of them, chosen evenly.
pub const SAMPLE_MAX: usize = 4_096;

/// Values of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub smallest: f32,
    pub largest: f32,
    pub missing: u64,
}

impl Range {
    /// As people read it: of texts, whether the list has them all.
    pub fn values(&self, column: &Column) -> String {
        match &column.transform {
            Ok(Transform::Index { .. }) if self.smallest < 0.0 => "some texts that are not in the list".to_owned(),
            Ok(Transform::Index { .. }) => "no text that is not in the list".to_owned(),
            _ => format!("{} to {}", self.smallest, self.largest),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub records: u64,
    /// Records that do not follow the schema, and the first one's reason.
    pub rejected: u64,
    pub first_reject: Option<Reject>,
    /// By column; `None` where none is decided.
    pub ranges: Vec<Option<Range>>,
    /// `[rows, columns]` of records that the contract takes; NaN in columns that are undecided too.
    pub sample: Array2<f32>,
}

impl Seen {
    /// Decodes the records of a container file as far as `columns` are decided.
    ///
    /// # Errors
    /// [`exit::USAGE`] for a file that is none, or whose records do not fit the schema.
    pub fn of(file: &Path, reader: &AvroSchema, columns: &[Column], transaction: &Transaction) -> Result<Seen, Fatal> {
        let records = Records::open(file)?;
        let plan = records.plan(reader, &wanted(columns, transaction))?;
        let mut seeing = Seeing::new(columns, plan.width());
        records.each(|record| match plan.decode(record, 0, &mut seeing.row) {
            Ok(_) => seeing.take(columns),
            Err(reject) => seeing.reject(reject),
        })?;
        Ok(seeing.end(columns.len()))
    }

    /// Adds what the records say of missing values to the warnings: a policy that rejects matters where some are missing.
    pub fn judge(&self, columns: &mut [Column]) {
        for (column, range) in columns.iter_mut().zip(&self.ranges) {
            let Some(range) = range.filter(|_| column.missing == Some(Missing::Reject)) else { continue };
            if range.missing == 0 {
                column.warnings.retain(|warning| !warning.contains("can be null"));
                column.missing_why.push_str(", and none of the records lacks it");
            } else {
                let share = 100.0 * range.missing as f64 / self.records.max(1) as f64;
                column.warnings.push(format!("{share:.1} % of the records lack it and would be dead letters"));
            }
        }
    }
}

/// The records of a container file.
pub struct Records {
    blocks: Blocks<BufReader<File>>,
    place: String,
}

impl Records {
    /// # Errors
    /// [`exit::USAGE`] for a file that is none.
    pub fn open(file: &Path) -> Result<Records, Fatal> {
        let place = file.display().to_string();
        let source = File::open(file).map_err(|error| {
            Fatal::new(exit::USAGE, format!("{place}: cannot be read: {error}"), "name an Avro container file")
        })?;
        let blocks = Blocks::open(BufReader::new(source), &place).map_err(refused)?;
        Ok(Records { blocks, place })
    }

    /// # Errors
    /// [`exit::USAGE`] where the records do not fit the schema.
    pub fn plan(&self, reader: &AvroSchema, wanted: &Wanted) -> Result<Plan, Fatal> {
        Plan::compile(self.blocks.writer(), reader, wanted).map_err(|error| {
            let what = format!("{}: its records do not fit the schema: {}: {}", self.place, error.place, error.what);
            Fatal::new(exit::USAGE, what, error.fix)
        })
    }

    /// Hands each record over, and returns how many there were.
    ///
    /// # Errors
    /// [`exit::USAGE`] where the file breaks off.
    pub fn each(mut self, mut take: impl FnMut(&[u8])) -> Result<u64, Fatal> {
        let mut records = 0;
        while let Some(mut block) = self.blocks.next_block().map_err(refused)? {
            while let Some(record) = block.next_record().map_err(refused)? {
                take(record);
                records += 1;
            }
            if records >= RECORDS_MAX {
                break;
            }
        }
        Ok(records)
    }
}

fn refused(error: SchemaError) -> Fatal {
    Fatal::new(exit::USAGE, format!("{}: {}", error.place, error.what), error.fix)
}

/// What is decided, with nothing rejected: that a value is missing is to be seen.
fn wanted(columns: &[Column], transaction: &Transaction) -> Wanted {
    let lenient = |feature: Feature| Feature { missing: feature.missing.map(|_| Missing::Nan), ..feature };
    Wanted {
        features: columns.iter().filter_map(Column::feature).map(lenient).collect(),
        transaction_id: transaction.id.as_ref().map(|(path, _)| path.clone()),
        event_time: transaction.event_time.as_ref().map(|(path, _)| path.clone()),
    }
}

struct Seeing {
    records: u64,
    rejected: u64,
    first_reject: Option<Reject>,
    ranges: Vec<Option<Range>>,
    /// Of the columns that are decided.
    row: Vec<f32>,
    /// Rows of all columns.
    sample: Vec<Vec<f32>>,
    /// Rows that could have been in the sample.
    fit: usize,
    sequence: Sequence,
}

impl Seeing {
    fn new(columns: &[Column], width: usize) -> Seeing {
        let none = Range { smallest: f32::INFINITY, largest: f32::NEG_INFINITY, missing: 0 };
        Seeing {
            records: 0,
            rejected: 0,
            first_reject: None,
            ranges: columns.iter().map(|column| column.feature().map(|_| none)).collect(),
            row: vec![f32::NAN; width],
            sample: Vec::new(),
            fit: 0,
            sequence: Sequence::default(),
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
        self.first_reject = self.first_reject.or(Some(reject));
    }

    fn take(&mut self, columns: &[Column]) {
        self.records += 1;
        let (mut row, mut fits, mut values) = (vec![f32::NAN; columns.len()], true, self.row.iter().copied());
        for ((column, range), to) in columns.iter().zip(&mut self.ranges).zip(&mut row) {
            let Some(range) = range else { continue };
            let value = values.next().unwrap_or(f32::NAN);
            *to = value;
            if value.is_nan() {
                range.missing += 1;
                match column.missing {
                    Some(Missing::Constant(constant)) => *to = constant,
                    Some(Missing::Nan) => {}
                    Some(Missing::Reject) | None => fits = false,
                }
            } else {
                (range.smallest, range.largest) = (range.smallest.min(value), range.largest.max(value));
            }
        }
        if fits {
            self.keep(row);
        }
    }

    /// Each row that fits is as likely to stay as any other (Vitter's algorithm R).
    fn keep(&mut self, row: Vec<f32>) {
        self.fit += 1;
        if self.sample.len() < SAMPLE_MAX {
            self.sample.push(row);
            return;
        }
        let place = self.sequence.below(self.fit);
        if let Some(kept) = self.sample.get_mut(place) {
            *kept = row;
        }
    }

    fn end(self, width: usize) -> Seen {
        let Seeing { records, rejected, first_reject, ranges, sample, .. } = self;
        let rows = sample.len();
        let values = sample.into_iter().flatten().collect();
        let sample = Array2::from_shape_vec((rows, width), values).unwrap_or_else(|_| Array2::zeros((0, width)));
        Seen { records, rejected, first_reject, ranges, sample }
    }
}
