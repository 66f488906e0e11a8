//! Golden rows that the program makes itself: they show that nothing has changed since, and prove nothing.

use std::fmt::Write as _;

use ndarray::{Array2, ArrayView1};

use crate::avro::feature::{Missing, Transform};
use crate::avro::fields::Holds;
use crate::model::draft::columns::Column;
use crate::model::draft::seen::Seen;
use crate::model::model_file::ModelFile;
use crate::model::sequence::Sequence;

/// Golden rows that are written.
const ROWS: usize = 128;

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsFrom {
    Records,
    /// From the values that splits compare with, or around 0.
    Draw,
}

/// What is to be known of a column to draw values for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    pub takes_nan: bool,
    /// 0 and 1 alone.
    pub is_flag: bool,
}

/// Rows to try the model with: those of records, where there are some, their undecided columns drawn.
pub fn golden_rows(model: &ModelFile, columns: &[Column], seen: Option<&Seen>) -> (Array2<f32>, RowsFrom) {
    let kind = |column: &Column| Drawn {
        takes_nan: column.missing == Some(Missing::Nan),
        is_flag: column.field().is_some_and(|field| field.holds == Holds::Boolean)
            || !matches!(column.transform, Ok(Transform::Number)),
    };
    let kinds: Vec<Drawn> = columns.iter().map(kind).collect();
    let Some(sample) = seen.map(|seen| &seen.sample).filter(|sample| sample.nrows() > 0) else {
        return (draw(model, &kinds, ROWS), RowsFrom::Draw);
    };
    let (mut rows, mut sequence) = (sample.clone(), Sequence::default());
    for (column, _) in columns.iter().enumerate().filter(|(_, column)| column.feature().is_none()) {
        rows.column_mut(column).mapv_inplace(|_| value(model, column, kinds[column], &mut sequence));
    }
    (rows, RowsFrom::Records)
}

/// So many rows around the values that the model's splits compare with, the same ones each time.
pub fn draw(model: &ModelFile, kinds: &[Drawn], rows: usize) -> Array2<f32> {
    let mut sequence = Sequence::default();
    Array2::from_shape_fn((rows, kinds.len()), |(_, column)| value(model, column, kinds[column], &mut sequence))
}

fn value(model: &ModelFile, column: usize, kind: Drawn, sequence: &mut Sequence) -> f32 {
    if kind.takes_nan && sequence.below(16) == 0 {
        return f32::NAN;
    }
    if kind.is_flag {
        return sequence.below(2) as f32;
    }
    let share = sequence.next() as f32 / u32::MAX as f32;
    match model.trees.values.get(&column).filter(|values| !values.is_empty()) {
        // A hair to both sides of a split.
        Some(values) => values[sequence.below(values.len())] * (0.9 + 0.2 * share),
        None => 4.0 * share - 2.0,
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
