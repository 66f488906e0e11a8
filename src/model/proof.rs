//! Holds a model whose inputs were joined into one matrix against the package's own file: the same bits for every golden row
//! and every text, alone and together.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, s};
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{DynTensor, PrimitiveTensorElementType, Tensor};

use crate::error::{Fatal, exit};
use crate::model::columns::{Columns, Input};
use crate::model::fields::element;
use crate::model::open::builder;
use crate::model::package::Package;
use crate::model::runtime::Runtime;
use crate::values::model::Provider;

/// Rows that are compared at most: with many texts, those of the first columns.
const ROWS_MAX: usize = 4_096;

/// Proves the joint of a package that has one. Where numbers in the place of texts do not hold, the graph keeps its texts.
///
/// # Errors
/// [`exit::MODEL`]: the file does not open, or answers otherwise.
pub fn prove_columns(runtime: &Runtime, package: &mut Package) -> Result<(), Fatal> {
    let Some(mut columns) = package.columns.take() else { return Ok(()) };
    if let Err(fatal) = prove(runtime, package, &columns) {
        package.model = columns.with_texts.take().ok_or(fatal)?;
        prove(runtime, package, &columns)?;
    }
    let (inputs, by_numbers) = (columns.inputs.len(), columns.with_texts.is_some());
    tracing::info!(inputs, by_numbers, "the model's inputs are made of one row of features: the same bits");
    Ok(())
}

fn prove(runtime: &Runtime, package: &Package, columns: &Columns) -> Result<(), Fatal> {
    let fatal = |why: String| {
        let what = format!(
            "model package {}: the model's inputs cannot be made of one row of features: {why}",
            package.dir.display()
        );
        Fatal::new(exit::MODEL, what, "export the model with one float32 input [N, features]")
    };
    let open = |bytes: &[u8]| -> Result<OrtSession, Fatal> {
        let mut builder = builder(runtime, Provider::Cpu)?;
        builder.commit_from_memory(bytes).map_err(|error| fatal(error.to_string()))
    };
    let (mut own, mut joined) = (open(&columns.original)?, open(&package.model)?);
    // Of half-precision inputs, golden rows are the proof: nothing here makes such numbers but the graph itself.
    if columns.inputs.iter().any(|input| input.element == element::FLOAT16) {
        return Ok(());
    }
    let fixed = columns.inputs.iter().find_map(|input| input.rows);
    let rows = rows(&package.golden.rows, &columns.inputs, fixed.unwrap_or(1));
    let output = package.output.tensor.as_str();
    let mut compare = |rows: ArrayView2<'_, f32>| -> Result<(), String> {
        let (theirs, ours) = (ask_own(&mut own, rows, &columns.inputs, output)?, ask(&mut joined, rows, output)?);
        match theirs == ours {
            true => Ok(()),
            false => Err(format!("`{output}` has other bits than with the inputs of its own")),
        }
    };
    // A model of a fixed batch takes that many rows at a time; others one, and all together.
    let sizes = match fixed {
        Some(fixed) => vec![fixed],
        None => vec![1, rows.nrows()],
    };
    for size in sizes {
        for start in (0..rows.nrows()).step_by(size).filter(|start| start + size <= rows.nrows()) {
            compare(rows.slice(s![start..start + size, ..])).map_err(fatal)?;
        }
    }
    Ok(())
}

/// The golden rows, and for each text a golden row that has it; a multiple of `calls` rows.
fn rows(golden: &Array2<f32>, inputs: &[Input], calls: usize) -> Array2<f32> {
    let mut all: Vec<f32> = golden.iter().copied().collect();
    let (width, count) = (golden.ncols(), golden.nrows());
    let mut next = 0;
    for input in inputs {
        for (column, texts) in input.columns.iter().zip(&input.texts) {
            // One more than there are: the text that no list has, where there may be one.
            for place in 0..=texts.len() {
                if all.len() / width >= ROWS_MAX.max(count) {
                    break;
                }
                let mut row = golden.row(next % count).to_vec();
                row[*column] = place as f32;
                all.extend(row);
                next += 1;
            }
        }
    }
    while !(all.len() / width).is_multiple_of(calls) {
        all.extend(golden.row(next % count));
        next += 1;
    }
    Array2::from_shape_vec((all.len() / width, width), all).unwrap_or_else(|_| golden.clone())
}

/// Bits of the answers.
fn ask(session: &mut OrtSession, rows: ArrayView2<'_, f32>, output: &str) -> Result<Vec<u64>, String> {
    let shape = [rows.nrows(), rows.ncols()];
    let rows = Tensor::from_array((shape, rows.iter().copied().collect::<Vec<f32>>())).map_err(said)?;
    bits(session.run(ort::inputs![rows]).map_err(said)?.get(output).ok_or("it has no such output")?)
}

fn ask_own(
    session: &mut OrtSession,
    rows: ArrayView2<'_, f32>,
    inputs: &[Input],
    output: &str,
) -> Result<Vec<u64>, String> {
    let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
    for input in inputs {
        values.push((Cow::from(&input.name), value(rows, input)?.into()));
    }
    bits(session.run(values).map_err(said)?.get(output).ok_or("it has no such output")?)
}

fn said(error: ort::Error) -> String {
    error.to_string()
}

fn bits(answers: &ort::value::DynValue) -> Result<Vec<u64>, String> {
    if let Ok((_, answers)) = answers.try_extract_tensor::<f32>() {
        return Ok(answers.iter().map(|answer| u64::from(answer.to_bits())).collect());
    }
    let (_, answers) = answers.try_extract_tensor::<f64>().map_err(said)?;
    Ok(answers.iter().map(|answer| answer.to_bits()).collect())
}

/// One input of the file's own.
fn value(rows: ArrayView2<'_, f32>, input: &Input) -> Result<DynTensor, String> {
    match input.element {
        element::STRING => {
            let mut texts = Vec::with_capacity(rows.nrows() * input.columns.len());
            for row in rows.rows() {
                let columns = input.columns.iter().enumerate();
                texts.extend(columns.map(|(at, column)| input.text(at, row[*column]).to_owned()));
            }
            let shape = shape(rows, input);
            Tensor::from_string_array((shape, &texts[..])).map(Tensor::upcast).map_err(said)
        }
        element::DOUBLE => numbers(rows, input, f64::from),
        element::INT8 => numbers(rows, input, |value| value as i8),
        element::INT16 => numbers(rows, input, |value| value as i16),
        element::INT32 => numbers(rows, input, |value| value as i32),
        element::INT64 => numbers(rows, input, |value| value as i64),
        element::UINT8 => numbers(rows, input, |value| value as u8),
        element::UINT16 => numbers(rows, input, |value| value as u16),
        element::UINT32 => numbers(rows, input, |value| value as u32),
        element::UINT64 => numbers(rows, input, |value| value as u64),
        element::BOOL => numbers(rows, input, |value| value != 0.0),
        _ => numbers(rows, input, |value| value),
    }
}

fn shape(rows: ArrayView2<'_, f32>, input: &Input) -> Vec<i64> {
    match input.is_flat {
        true => vec![rows.nrows() as i64],
        false => vec![rows.nrows() as i64, input.columns.len() as i64],
    }
}

fn numbers<T: PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static>(
    rows: ArrayView2<'_, f32>,
    input: &Input,
    make: impl Fn(f32) -> T,
) -> Result<DynTensor, String> {
    let mut values = Vec::with_capacity(rows.nrows() * input.columns.len());
    for row in rows.rows() {
        values.extend(input.columns.iter().map(|column| make(row[*column])));
    }
    Tensor::from_array((shape(rows, input), values)).map(Tensor::upcast).map_err(said)
}
