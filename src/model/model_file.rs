//! An ONNX file by itself, before there is a package around it: what it says, whether it may be opened, and what it answers.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Axis};

use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::model::classes::Class;
use crate::model::facts::Facts;
use crate::model::features::FEATURES_MAX;
use crate::model::kernels::{USUAL, usual};
use crate::model::onnx::{self, Inspection};
use crate::model::open::builder;
use crate::model::package::{MODEL_BYTES_MAX, read_bytes, sha256_of};
use crate::model::problem::{Problem, Problems};
use crate::model::runner::{Answers, Runner};
use crate::model::runtime::Runtime;
use crate::model::trees::{Graph, Instructions, Told};
use crate::values::model::Provider;

/// Rows of a call that a model may ask for: more would only be filled up.
const ROWS_FIXED_MAX: usize = 1 << 14;

/// A file that is an ONNX model.
#[derive(Debug)]
pub struct ModelFile {
    pub bytes: Vec<u8>,
    /// In lower-case hexadecimal.
    pub sha256: String,
    pub facts: Facts,
    pub trees: Told,
    pub(super) found: Inspection,
}

/// What a model answered to some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// `[rows, columns]`
    pub answers: Array2<f64>,
}

impl ModelFile {
    /// # Errors
    /// [`exit::MODEL`] when the file cannot be read or is no ONNX model.
    pub fn read(path: &Path) -> Result<ModelFile, Fatal> {
        let refused = |what: String, fix: &str| Fatal::new(exit::MODEL, format!("{}: {what}", path.display()), fix);
        let bytes = read_bytes(path, MODEL_BYTES_MAX).map_err(|what| refused(what, "name an ONNX file"))?;
        ModelFile::of(bytes).ok_or_else(|| {
            refused("is not an ONNX model".to_owned(), "export the model as a single .onnx file (not .ort, not zipped)")
        })
    }

    /// `None`: the bytes are no ONNX model.
    pub fn of(bytes: Vec<u8>) -> Option<ModelFile> {
        let found = onnx::inspect(&bytes).ok()?;
        let (facts, trees) = (Facts::read(&bytes).ok()?, Told::of(&bytes).unwrap_or_default());
        Some(ModelFile { sha256: sha256_of(&bytes), facts, trees, found, bytes })
    }

    /// Why the file must not be opened, each with its fix; empty where it may.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.found.check("the model", &mut problems);
        if let (Some(width), Some(column)) = (self.width(), self.trees.columns.last().copied())
            && column >= width
        {
            let what = format!("its trees ask for feature {column}, counted from 0, and its input has {width} columns");
            problems.add(
                "the model",
                what,
                "an id that no training has is the exporter's mistake: export the model anew",
            );
        }
        problems.into_all()
    }

    /// Columns of the only input, where they are declared or what trees ask for bounds them.
    pub fn width(&self) -> Option<usize> {
        let [input] = &self.facts.inputs[..] else { return None };
        match input.sizes().as_deref() {
            Some([_, columns]) => *columns,
            _ => None,
        }
    }

    /// The classes that are the columns of an output, as far as the graph names them.
    pub fn classes(&self, output: &str) -> Vec<Class> {
        self.found.classes(output, &self.bytes)
    }

    /// Whether an output is a list of maps from class to probability.
    pub fn is_zip_map(&self, output: &str) -> bool {
        self.found.zip_map(output).is_some()
    }

    /// Its trees by kernels of ours, where those give ONNX Runtime's bits; which of them are usual for how many rows.
    /// Call it for a file without [`ModelFile::problems`] alone.
    pub fn kernels(&self, runtime: &Runtime, clock: &dyn Clock) -> Graph {
        if self.trees.columns.last().is_some_and(|column| *column >= FEATURES_MAX) {
            return Graph::unchanged();
        }
        let settings = || builder(runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
        usual(&Graph::exchange(&self.bytes, Instructions::best(), &USUAL, &settings, clock))
    }

    /// What ONNX Runtime itself answers to `rows` at `output`. Call it for a file without [`ModelFile::problems`] alone.
    ///
    /// # Errors
    /// In words that follow "the model": it cannot be opened, fails on the rows, or has no answer for each of them.
    pub fn answers(&self, runtime: &Runtime, output: &str, rows: &Array2<f32>) -> Result<Answered, String> {
        let [input] = &self.facts.inputs[..] else { return Err("has more than one input".to_owned()) };
        let zip_map = self.found.zip_map(output);
        let without = zip_map.map(|zip_map| self.found.without(zip_map, &self.bytes));
        let tensor = zip_map.map_or(output, |zip_map| zip_map.input.as_str());
        let settings = builder(runtime, Provider::Cpu).map_err(|error| error.to_string())?;
        let bytes = without.as_deref().unwrap_or(&self.bytes);
        let opened = Graph::unchanged().open(settings, bytes);
        let loaded = Arc::new(opened.map_err(|error| format!("is refused by ONNX Runtime: {error}"))?);
        let fixed = match input.sizes().as_deref() {
            Some([rows, _]) => *rows,
            _ => None,
        };
        if let Some(fixed) = fixed.filter(|fixed| *fixed > ROWS_FIXED_MAX) {
            return Err(format!("takes {fixed} rows in each call, and {ROWS_FIXED_MAX} are the most"));
        }
        let rows_max = fixed.unwrap_or(rows.nrows()).max(1);
        let failed = |error: ort::Error| format!("fails on rows of {} columns: {error}", rows.ncols());
        let mut runner = Runner::new(loaded, &input.name, tensor, rows.ncols(), rows_max).map_err(failed)?;
        let (mut all, mut columns) = (Vec::with_capacity(rows.nrows()), 0);
        for part in rows.axis_chunks_iter(Axis(0), rows_max) {
            let mut values: Vec<f32> = part.iter().copied().collect();
            // A fixed batch is filled up with its first row.
            let first = values[..rows.ncols()].to_vec();
            while values.len() < fixed.unwrap_or(0) * rows.ncols() {
                values.extend_from_slice(&first);
            }
            let called = values.len() / rows.ncols();
            let answer = runner.run_free(&values).map_err(failed)?;
            columns = match answer.shape[..] {
                [rows] if rows == called as i64 => 1,
                [rows, columns] if rows == called as i64 => usize::try_from(columns).unwrap_or(0),
                _ => {
                    let shape = answer.shape;
                    return Err(format!(
                        "answers {called} rows with the shape {shape:?} at `{output}`, where one answer for each row is needed: put \
                         a Reshape node to [-1, 1] behind it, or name another output"
                    ));
                }
            };
            let numbers: Vec<f64> = match answer.answers {
                Answers::Single(values) => values.into_iter().map(f64::from).collect(),
                Answers::Double(values) => values,
            };
            all.extend_from_slice(&numbers[..part.nrows() * columns]);
        }
        let answers = Array2::from_shape_vec((rows.nrows(), columns), all);
        answers.map(|answers| Answered { answers }).map_err(|error| format!("answers in no shape: {error}"))
    }
}
