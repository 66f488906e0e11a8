//! The custom operator that takes a tree node's place in ONNX Runtime's graph, with the node's inputs and outputs.
#![allow(unsafe_code, reason = "tensors of a kernel's call through ONNX Runtime's C interface; `ort` boxes each one")]

use std::ptr;
use std::sync::Arc;

use ort::AsPointer;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::sys::OrtStatusPtr;
use ort::value::TensorElementType;

use crate::model::trees::ensemble::Finish;
use crate::model::trees::forest::{Forest, Scratch};

/// The operators' domain. Packages cannot name it: it is not among those they may use.
pub const DOMAIN: &str = "scorewire.trees";

/// One node's operator.
#[derive(Clone, Debug)]
pub struct TreeOperator {
    pub name: String,
    pub forest: Arc<Forest>,
    pub finish: Finish,
}

impl Operator for TreeOperator {
    type Kernel<'attr> = TreeKernel;

    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        let scores = OperatorOutput::required(TensorElementType::Float32);
        match self.finish {
            Finish::Sum { .. } => vec![scores],
            Finish::Binary { .. } => vec![OperatorOutput::required(TensorElementType::Int64), scores],
        }
    }

    fn create_kernel<'attr>(&self, _: &KernelContext<'attr>) -> ort::Result<TreeKernel> {
        Ok(self.kernel())
    }
}

impl TreeOperator {
    /// For one session.
    pub fn kernel(&self) -> TreeKernel {
        TreeKernel { forest: self.forest.clone(), finish: self.finish, sums: Vec::new(), scratch: Scratch::default() }
    }
}

/// One session's own part of it.
pub struct TreeKernel {
    forest: Arc<Forest>,
    finish: Finish,
    /// Grows to the largest batch.
    sums: Vec<f32>,
    scratch: Scratch,
}

impl TreeKernel {
    /// What the operator answers in one column of its scores, for the first `scores.len()` of `rows`. Each has `width`
    /// values, at least as many as the forest has features.
    pub fn score(&mut self, rows: &[f32], width: usize, column: usize, scores: &mut [f64]) {
        let finish = self.finish;
        let sums = self.sums_of(rows, width, scores.len());
        match finish {
            Finish::Sum { base } => scores.iter_mut().zip(sums).for_each(|(score, sum)| *score = f64::from(sum + base)),
            Finish::Binary { base, logistic, weights_all_positive, .. } => {
                for (score, sum) in scores.iter_mut().zip(sums) {
                    *score = f64::from(binary(*sum, base, logistic, weights_all_positive).1[column]);
                }
            }
        }
    }

    fn sums_of(&mut self, rows: &[f32], width: usize, count: usize) -> &[f32] {
        self.sums.resize(count, 0.0);
        self.forest.sums(rows, width, &mut self.sums, &mut self.scratch);
        &self.sums
    }
}

impl Kernel for TreeKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let (rows, width) = input(context)?;
        if width < self.forest.features() {
            let needed = self.forest.features();
            return Err(ort::Error::new(format!("the trees need {needed} features, the rows have {width}")));
        }
        let count = rows.len() / width;
        let finish = self.finish;
        let sums = self.sums_of(rows, width, count);
        match finish {
            Finish::Sum { base } => {
                let scores = output::<f32>(context, 0, &[count as i64, 1])?;
                for (score, sum) in scores.iter_mut().zip(sums) {
                    *score = sum + base;
                }
            }
            Finish::Binary { base, logistic, labels, weights_all_positive } => {
                let answered = output::<i64>(context, 0, &[count as i64])?;
                let scores = output::<f32>(context, 1, &[count as i64, 2])?;
                let answers = answered.iter_mut().zip(scores.as_chunks_mut::<2>().0);
                for ((label, scores), sum) in answers.zip(sums) {
                    let (yes, both) = binary(*sum, base, logistic, weights_all_positive);
                    *label = labels[usize::from(yes)];
                    *scores = both;
                }
            }
        }
        Ok(())
    }
}

/// Whether the second class wins, and both classes' scores. ONNX Runtime's `_set_score_binary` and `write_scores` for
/// one sum and two classes: without a transform, sums of weights that are never negative are taken for probabilities.
fn binary(sum: f32, base: Option<f32>, logistic: bool, weights_all_positive: bool) -> (bool, [f32; 2]) {
    let score = base.map_or(sum, |base| sum + base);
    let both = match (logistic, weights_all_positive) {
        (true, _) => [logistic_of(-score), logistic_of(score)],
        (false, true) => [1.0 - score, score],
        (false, false) => [-score, score],
    };
    (score > if weights_all_positive { 0.5 } else { 0.0 }, both)
}

/// ONNX Runtime's `ComputeLogistic`, operation by operation; `exp` is the same C library's.
fn logistic_of(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: the status comes straight from a call and is consumed here.
    unsafe { ort::Error::result_from_status(status) }
}

/// The rows, and how many values each has.
fn input(context: &ComputeContext) -> ort::Result<(&[f32], usize)> {
    let api = ort::api();
    let (mut value, mut data) = (ptr::null(), ptr::null());
    let mut element = ort::sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    let (mut dims, mut rank) = (ptr::null(), 0);
    // SAFETY: the context is live during `compute`, and with it the input, its shape and its data; the operator
    // declares the input as required and of `float`, which ONNX Runtime checked when it opened the graph.
    let (dims, data) = unsafe {
        check((api.KernelContext_GetInput)(context.ptr(), 0, &mut value))?;
        check((api.GetTensorElementTypeAndShapeDataReference)(value, &mut element, &mut dims, &mut rank))?;
        check((api.GetTensorData)(value, &mut data))?;
        (if rank == 0 { &[][..] } else { std::slice::from_raw_parts(dims, rank) }, data.cast::<f32>())
    };
    let &[rows, width] = dims else {
        return Err(ort::Error::new(format!("the trees' input has {rank} dimensions, not two")));
    };
    let (rows, width) = (usize::try_from(rows), usize::try_from(width));
    let (Ok(rows), Ok(width @ 1..)) = (rows, width) else {
        return Err(ort::Error::new("the trees' input has a dimension that is not positive"));
    };
    if rows == 0 {
        return Ok((&[], width));
    }
    // SAFETY: a tensor's data holds the product of its dimensions; nobody writes to an input during the call.
    Ok((unsafe { std::slice::from_raw_parts(data, rows * width) }, width))
}

/// An output's memory. `T` is the type that the operator declares for it; each output is asked for once in a call.
#[expect(clippy::mut_from_ref, reason = "the memory is ONNX Runtime's, not the context's own")]
fn output<'a, T>(context: &'a ComputeContext, index: usize, shape: &[i64]) -> ort::Result<&'a mut [T]> {
    let api = ort::api();
    let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
    let len = usize::try_from(shape.iter().product::<i64>()).map_err(ort::Error::wrap)?;
    // SAFETY: the context is live during `compute`; the output is allocated by this call, of the declared type and
    // this shape, and nobody else holds it before `compute` returns.
    unsafe {
        let context = context.ptr().cast_mut();
        check((api.KernelContext_GetOutput)(context, index, shape.as_ptr(), shape.len(), &mut value))?;
        check((api.GetTensorMutableData)(value, &mut data))?;
        match len {
            0 => Ok(&mut []),
            _ => Ok(std::slice::from_raw_parts_mut(data.cast(), len)),
        }
    }
}
