//! Whether the operator answers as ONNX Runtime's own node does, in a session and by itself: on the same rows, bit by bit.
//!
//! The whole node is held against the whole kernel on hard rows: they cannot reach every leaf of every tree, and a sum
//! over all trees, let alone its transform, hides small differences. So the trees are also taken a few at a time, by
//! ONNX Runtime without the transform and by a kernel of their own, on rows that take each of their decisions
//! ([`super::decisions`]). That costs time and memory in proportion to the trees, where rows for all trees at once would
//! cost the square of it.
//!
//! Answers are written into memory that holds NaN before each call: what ONNX Runtime leaves unwritten shows.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use ort::session::builder::SessionBuilder;
use ort::session::{OutputSelector, RunOptions};
use ort::value::{Tensor, TensorRef};

use crate::model::sequence::Sequence;
use crate::model::trees::decisions::{ODD, decisions};
use crate::model::trees::ensemble::{Ensemble, Node, Tree};
use crate::model::trees::file::{File, Found};
use crate::model::trees::finish::Finish;
use crate::model::trees::forest::{Choice, Forest};
use crate::model::trees::kernel::Kind;
use crate::model::trees::operator::{Loaded, TreeKernel, TreeOperator};

/// Rows around thresholds, at most; larger ensembles are sampled evenly.
const THRESHOLDS_MAX: usize = 4_096;
/// Rows whose every value is near some threshold.
const MIXED_ROWS: usize = 4_096;
/// Rows of one call: not a multiple of the kernel's step, so that its last one is partly empty.
const CALL_ROWS: usize = 61;
/// Trees of one part: with more, a row takes decisions of more trees, and costs more.
const PART_TREES: usize = 32;

/// What was tried, and found alike to the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub rows: usize,
    /// Leaves that a row can reach, and at each split that a row can reach its threshold, both neighbours of it and a
    /// missing value: all of them.
    pub decisions: usize,
    /// Leaves that no row can reach.
    pub leaves_unreachable: usize,
}

type Builder<'a> = &'a dyn Fn() -> Result<SessionBuilder, String>;

/// Holds `operator`, made of `ensemble`, against the node that was found.
///
/// # Errors
/// What differed, or which of the two could not be run, in words.
pub fn prove(
    builder: Builder<'_>,
    file: &File<'_>,
    found: &Found<'_>,
    operator: &Arc<TreeOperator>,
    ensemble: &Ensemble,
) -> Result<Proof, String> {
    let mut proof = Proof { rows: whole(builder, file, found, operator, ensemble)?, ..Proof::default() };
    let width = operator.forests[0].features().max(1);
    for (part, node) in found.cut(PART_TREES).iter().enumerate() {
        let mut theirs = open(builder()?, Vec::new(), &file.alone(found, width, node))?;
        let some = ensemble.part(PART_TREES, part);
        let forests = some.sums.iter().zip(&*operator.forests).map(|(trees, whole)| alike(trees, whole));
        let mut kernels = each(&forests.collect::<Result<Vec<_>, _>>()?, some.finish);
        let tried = decisions(some.trees(), width);
        for rows in tried.rows.axis_chunks_iter(ndarray::Axis(0), CALL_ROWS) {
            let (_, scores) = ask(&mut theirs, found, some.finish, rows)?;
            compare_kernels(&mut kernels, rows, &scores)?;
        }
        proof.rows += tried.rows.nrows();
        proof.decisions += tried.count;
        proof.leaves_unreachable += tried.leaves_unreachable;
    }
    Ok(proof)
}

/// Some trees with the kernels that `whole` has.
fn alike(trees: &[Tree], whole: &Forest) -> Result<Forest, String> {
    let forest =
        Forest::new(trees, whole.instructions(), &whole.kinds()).filter(|forest| whole.kinds() == forest.kinds());
    forest.ok_or_else(|| "some of its trees have other kernels than all of them".to_owned())
}

/// A kernel, and its name.
type Named = (&'static str, TreeKernel);

fn each(forests: &[Forest], finish: Finish) -> Vec<Named> {
    let alone = |kind: Kind| forests.iter().map(|forest| forest.chosen(&Choice::only(kind))).collect();
    let kernel = |kind: Kind| (kind.name(), TreeKernel::new(alone(kind), finish));
    forests[0].kinds().into_iter().map(kernel).collect()
}

/// Node and operator as a whole, within sessions and without. The number of rows that were answered alike.
fn whole(
    builder: Builder<'_>,
    file: &File<'_>,
    found: &Found<'_>,
    operator: &Arc<TreeOperator>,
    ensemble: &Ensemble,
) -> Result<usize, String> {
    let width = operator.forests[0].features().max(1);
    let rows = hard_rows(ensemble, width);
    let mut theirs = open(builder()?, Vec::new(), &file.alone(found, width, found.message))?;
    let ours = file.alone(found, width, &found.as_operator(operator.name()));
    let mut ours = open(builder()?, vec![operator.clone()], &ours)?;
    let (mut kernels, mut alone) = (each(&operator.forests, operator.finish), 0);
    for start in (0..rows.nrows()).step_by(CALL_ROWS) {
        let end = (start + CALL_ROWS).min(rows.nrows());
        let mut compare = |rows| {
            let (labels, scores) = ask(&mut theirs, found, operator.finish, rows)?;
            let (our_labels, our_scores) = ask(&mut ours, found, operator.finish, rows)?;
            if labels != our_labels {
                return Err("its labels differ".to_owned());
            }
            compare_scores(&our_scores, &scores)?;
            compare_kernels(&mut kernels, rows, &scores)
        };
        compare(rows.slice(ndarray::s![start..end, ..]))?;
        // One row takes another way through ONNX Runtime.
        alone = (alone + 37) % rows.nrows();
        compare(rows.slice(ndarray::s![alone..=alone, ..]))?;
    }
    Ok(rows.nrows())
}

pub(super) fn open(builder: SessionBuilder, operators: Vec<Arc<TreeOperator>>, model: &[u8]) -> Result<Loaded, String> {
    Loaded::open(builder, operators, model).map_err(|error| error.to_string())
}

/// Labels, where the node gives them, and scores, row after row.
pub(super) fn ask(
    session: &mut Loaded,
    found: &Found<'_>,
    finish: Finish,
    rows: ArrayView2<'_, f32>,
) -> Result<(Vec<i64>, Vec<f32>), String> {
    let said = |error: ort::Error| error.to_string();
    let (count, columns) = (rows.nrows(), finish.columns());
    let Some((scores, labels)) = found.outputs.split_last() else { return Err("there are no outputs".to_owned()) };
    let unwritten = Tensor::from_array(([count, columns], vec![f32::NAN; count * columns])).map_err(said)?;
    let mut outputs = OutputSelector::default().preallocate(scores, unwritten);
    for label in labels {
        let unwritten = Tensor::from_array(([count], vec![i64::MIN; count])).map_err(said)?;
        outputs = outputs.preallocate(label, unwritten);
    }
    let options = RunOptions::new().map_err(said)?.with_outputs(outputs);
    let rows = TensorRef::from_array_view(rows).map_err(said)?;
    let answers = session.session_mut().run_with_options(ort::inputs![rows], &options).map_err(said)?;
    let mut answered = Vec::new();
    for label in labels {
        answered.extend_from_slice(answers[label.as_str()].try_extract_tensor::<i64>().map_err(said)?.1);
    }
    let (_, scores) = answers[scores.as_str()].try_extract_tensor::<f32>().map_err(said)?;
    Ok((answered, scores.to_vec()))
}

fn compare_scores(ours: &[f32], theirs: &[f32]) -> Result<(), String> {
    match ours.iter().zip(theirs).find(|(ours, theirs)| ours.to_bits() != theirs.to_bits()) {
        None => Ok(()),
        Some((ours, theirs)) => Err(format!("it answered {ours:e} where ONNX Runtime answers {theirs:e}")),
    }
}

/// Holds each kernel's own answers against `scores`, row after row as many as it answers columns.
fn compare_kernels(kernels: &mut [Named], rows: ArrayView2<'_, f32>, scores: &[f32]) -> Result<(), String> {
    let (columns, mut own) = (scores.len() / rows.nrows(), vec![0.0; rows.nrows()]);
    let values = rows.to_slice().ok_or("its rows do not lie together")?;
    for (name, kernel) in kernels {
        kernel.forget();
        for column in 0..columns {
            // What columns share a sum of is summed up once.
            kernel.score_again(values, rows.ncols(), column, &mut own);
            let theirs = scores.iter().skip(column).step_by(columns).map(|score| f64::from(*score));
            if let Some((theirs, own)) = theirs.zip(&own).find(|(theirs, own)| theirs.to_bits() != own.to_bits()) {
                return Err(format!("its kernel `{name}` answered {own:e} where ONNX Runtime answers {theirs:e}"));
            }
        }
    }
    Ok(())
}

/// Rows that stand on the edges: at each threshold, one step to either side of it, and at values that compare oddly,
/// the rest of the row near thresholds too. Deterministic.
fn hard_rows(ensemble: &Ensemble, width: usize) -> Array2<f32> {
    let threshold = |node: &Node| match *node {
        Node::Split { feature, threshold, .. } => Some((feature as usize, threshold)),
        Node::Leaf(_) => None,
    };
    let thresholds: Vec<(usize, f32)> = ensemble.trees().iter().flatten().filter_map(threshold).collect();
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
