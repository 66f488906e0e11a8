//! Whether the operator answers as ONNX Runtime's own node does, in a session and by itself: on the same rows, bit by bit.

use ndarray::{Array2, ArrayView2};
use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;
use ort::value::TensorRef;

use crate::model::sequence::Sequence;
use crate::model::trees::file::{File, Found};
use crate::model::trees::forest::Forest;
use crate::model::trees::operator::{TreeKernel, TreeOperator};
use crate::model::trees::replace::domain;

/// Rows around thresholds, at most; larger ensembles are sampled evenly.
const THRESHOLDS_MAX: usize = 4_096;
/// Rows whose every value is near some threshold.
const MIXED_ROWS: usize = 4_096;
/// Rows of one call: not a multiple of the kernel's step, so that its last one is partly empty.
const CALL_ROWS: usize = 61;

/// Values that no threshold suggests.
const ODD: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MIN_POSITIVE / 2.0];

/// The number of rows that were answered alike.
///
/// # Errors
/// What differed, or which of the two could not be run, in words.
pub fn agrees(
    builder: &dyn Fn() -> Result<SessionBuilder, String>,
    file: &File<'_>,
    found: &Found,
    operator: &TreeOperator,
) -> Result<usize, String> {
    let width = operator.forest.features().max(1);
    let rows = hard_rows(&operator.forest, width);
    let open = |builder: SessionBuilder, exchanged: Option<&str>| {
        let mut builder = builder;
        builder.commit_from_memory(&file.alone(found, width, exchanged)).map_err(|error| error.to_string())
    };
    let domain = domain([operator]).map_err(|error| error.to_string())?;
    let with_operator = builder()?.with_operators(domain).map_err(|error| error.to_string())?;
    let (mut theirs, mut ours) = (open(builder()?, None)?, open(with_operator, Some(&operator.name))?);
    let (mut kernel, mut alone) = (operator.kernel(), 0);
    for start in (0..rows.nrows()).step_by(CALL_ROWS) {
        let end = (start + CALL_ROWS).min(rows.nrows());
        let mut compare = |rows| {
            let scores = compare(&mut theirs, &mut ours, &found.outputs, rows)?;
            compare_kernel(&mut kernel, rows, &scores)
        };
        compare(rows.slice(ndarray::s![start..end, ..]))?;
        // One row takes another way through ONNX Runtime.
        alone = (alone + 37) % rows.nrows();
        compare(rows.slice(ndarray::s![alone..=alone, ..]))?;
    }
    Ok(rows.nrows())
}

/// The scores, where both say the same.
fn compare(
    theirs: &mut OrtSession,
    ours: &mut OrtSession,
    outputs: &[String],
    rows: ArrayView2<'_, f32>,
) -> Result<Vec<f32>, String> {
    let said = |error: ort::Error| error.to_string();
    let theirs = theirs.run(ort::inputs![TensorRef::from_array_view(rows).map_err(said)?]).map_err(said)?;
    let ours = ours.run(ort::inputs![TensorRef::from_array_view(rows).map_err(said)?]).map_err(said)?;
    let Some((scores, labels)) = outputs.split_last() else { return Err("there are no outputs".to_owned()) };
    for name in labels {
        let (_, one) = theirs[name.as_str()].try_extract_tensor::<i64>().map_err(said)?;
        let (_, other) = ours[name.as_str()].try_extract_tensor::<i64>().map_err(said)?;
        if one != other {
            return Err("its labels differ".to_owned());
        }
    }
    let (shape, one) = theirs[scores.as_str()].try_extract_tensor::<f32>().map_err(said)?;
    let (our_shape, other) = ours[scores.as_str()].try_extract_tensor::<f32>().map_err(said)?;
    if shape != our_shape {
        return Err(format!("its scores have the shape {our_shape:?}, not {shape:?}"));
    }
    match one.iter().zip(other).find(|(one, other)| one.to_bits() != other.to_bits()) {
        None => Ok(one.to_vec()),
        Some((one, other)) => Err(format!("it answered {other:e} where ONNX Runtime answers {one:e}")),
    }
}

/// Holds the kernel's own answers against `scores`, row after row as many as it answers columns.
fn compare_kernel(kernel: &mut TreeKernel, rows: ArrayView2<'_, f32>, scores: &[f32]) -> Result<(), String> {
    let (columns, mut own) = (scores.len() / rows.nrows(), vec![0.0; rows.nrows()]);
    let values = rows.to_slice().ok_or("its rows do not lie together")?;
    for column in 0..columns {
        kernel.score(values, rows.ncols(), column, &mut own);
        let theirs = scores.iter().skip(column).step_by(columns).map(|score| f64::from(*score));
        if let Some((theirs, own)) = theirs.zip(&own).find(|(theirs, own)| theirs.to_bits() != own.to_bits()) {
            return Err(format!("it answered {own:e} by itself where ONNX Runtime answers {theirs:e}"));
        }
    }
    Ok(())
}

/// Rows that stand on the edges: at each threshold, one step to either side of it, and at values that compare oddly,
/// the rest of the row near thresholds too. Deterministic.
fn hard_rows(forest: &Forest, width: usize) -> Array2<f32> {
    let thresholds: Vec<(usize, f32)> = forest.thresholds().collect();
    let mut by_feature = vec![Vec::new(); width];
    for &(feature, threshold) in &thresholds {
        by_feature[feature].push(threshold);
    }
    let mut sequence = Sequence::default();
    let mut next = move |bound: usize| sequence.below(bound);
    let beside = |threshold: f32, way: usize| [threshold, threshold.next_up(), threshold.next_down()][way];
    let step = thresholds.len().div_ceil(THRESHOLDS_MAX).max(1);
    let edges: Vec<_> = thresholds.into_iter().step_by(step).collect();
    let mut rows = Array2::zeros((edges.len() + MIXED_ROWS, width));
    for (index, mut row) in rows.rows_mut().into_iter().enumerate() {
        for (value, thresholds) in row.iter_mut().zip(&by_feature) {
            *value = match thresholds.len() {
                0 => ODD[next(ODD.len())],
                _ if next(16) == 0 => ODD[next(ODD.len())],
                many => beside(thresholds[next(many)], next(3)),
            };
        }
        if let Some(&(feature, threshold)) = edges.get(index) {
            row[feature] = beside(threshold, index % 3);
        }
    }
    rows
}
