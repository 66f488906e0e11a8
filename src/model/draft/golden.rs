//! Golden rows that the program makes itself: they show that nothing has changed since, and prove nothing.

use std::fmt::Write as _;

use ndarray::{Array2, ArrayView1};

use crate::avro::feature::{Feature, Missing, Transform};
use crate::avro::fields::Holds;
use crate::model::draft::column::Column;
use crate::model::draft::seen::Seen;
use crate::model::fields::element;
use crate::model::model_file::{ModelFile, Takes};
use crate::model::sequence::Sequence;

/// Golden rows that are written.
const ROWS: usize = 128;

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsFrom {
    Records,
    /// Records, with drawn values in the columns that are not decided.
    RecordsInPart,
    /// From the values that splits compare with, or around 0.
    Draw,
}

/// What is to be known of a column to draw values for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its place among the columns of the model's inputs.
    pub place: usize,
    pub takes_nan: bool,
    pub kind: DrawnKind,
}

/// The values that a column may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DrawnKind {
    Number,
    Whole,
    /// 0 and 1 alone.
    Flag,
    /// Places in a list of so many texts, and the number of all others.
    Text(usize, Option<f32>),
}

impl Drawn {
    pub fn of(feature: &Feature, takes: &Takes, takes_nan: bool) -> Drawn {
        let kind = match feature.transform.inner() {
            Transform::Index { symbols, otherwise } => DrawnKind::Text(symbols.len(), *otherwise),
            Transform::Equals(_)
            | Transform::IsIn(_)
            | Transform::OneHot { .. }
            | Transform::IsPresent
            | Transform::Contains(_) => DrawnKind::Flag,
            _ if takes.element == element::BOOL => DrawnKind::Flag,
            _ if takes.is_whole() => DrawnKind::Whole,
            _ => DrawnKind::Number,
        };
        Drawn { place: takes.place, takes_nan, kind }
    }
}

/// Rows to try the model with: those of records, where there are some, their undecided columns drawn.
pub fn golden_rows(model: &ModelFile, columns: &[Column], seen: Option<&Seen>) -> (Array2<f32>, RowsFrom) {
    let kind = |column: &Column| {
        let drawn = Drawn::of(&column.trial(), &column.takes, column.missing == Some(Missing::Nan));
        // Of a text that becomes a number that nobody knows yet, 0 and 1 are likely.
        let is_open = column.transform.is_err() && !column.takes.is_text();
        match is_open || column.field().is_some_and(|field| field.holds == Holds::Boolean) {
            true => Drawn { kind: DrawnKind::Flag, ..drawn },
            false => drawn,
        }
    };
    let kinds: Vec<Drawn> = columns.iter().map(kind).collect();
    let Some(sample) = seen.map(|seen| &seen.sample).filter(|sample| sample.nrows() > 0) else {
        return (draw(model, &kinds, ROWS), RowsFrom::Draw);
    };
    let (mut rows, mut sequence) = (sample.clone(), Sequence::default());
    let mut rows_from = RowsFrom::Records;
    for (column, _) in columns.iter().enumerate().filter(|(_, column)| column.feature().is_none()) {
        rows.column_mut(column).mapv_inplace(|_| value(model, kinds[column], &mut sequence));
        rows_from = RowsFrom::RecordsInPart;
    }
    (rows, rows_from)
}

/// So many rows around the values that the model's splits compare with, the same ones each time.
pub fn draw(model: &ModelFile, kinds: &[Drawn], rows: usize) -> Array2<f32> {
    let mut sequence = Sequence::default();
    Array2::from_shape_fn((rows, kinds.len()), |(_, column)| value(model, kinds[column], &mut sequence))
}

fn value(model: &ModelFile, drawn: Drawn, sequence: &mut Sequence) -> f32 {
    if drawn.takes_nan && sequence.below(16) == 0 {
        return f32::NAN;
    }
    let splits = model.trees.values.get(&drawn.place).filter(|values| !values.is_empty());
    match (drawn.kind, splits) {
        (DrawnKind::Flag, _) => sequence.below(2) as f32,
        (DrawnKind::Text(texts, otherwise), _) => match sequence.below(texts + usize::from(otherwise.is_some())) {
            place if place < texts => place as f32,
            _ => otherwise.unwrap_or(0.0),
        },
        (DrawnKind::Whole, None) => sequence.below(8) as f32,
        (kind, splits) => {
            let share = sequence.next() as f32 / u32::MAX as f32;
            let near = match splits {
                // A hair to both sides of a split.
                Some(values) => values[sequence.below(values.len())] * (0.9 + 0.2 * share),
                None => 4.0 * share - 2.0,
            };
            if kind == DrawnKind::Whole { near.round() } else { near }
        }
    }
}

/// The first rows as `golden.csv`, with their scores.
pub fn golden_csv(names: &[&str], rows: &Array2<f32>, scores: &[f64]) -> String {
    let mut text = format!("{},score\n", names.join(","));
    for (row, score) in rows.rows().into_iter().zip(scores).take(ROWS) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{},{score}", cells(row));
    }
    text
}

fn cells(row: ArrayView1<'_, f32>) -> String {
    let cell = |value: &f32| if value.is_nan() { "nan".to_owned() } else { value.to_string() };
    row.iter().map(cell).collect::<Vec<_>>().join(",")
}
