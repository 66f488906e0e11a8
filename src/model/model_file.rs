//! An ONNX file by itself, before there is a package around it: what it says, whether it may be opened, and what it answers.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Axis};
use ort::value::ValueType;

use crate::avro::feature::Feature;
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::model::classes::Class;
use crate::model::columns::{self, KnownTexts, Origins};
use crate::model::facts::Facts;
use crate::model::features::FEATURES_MAX;
use crate::model::fields::element;
use crate::model::kernels::{USUAL, usual};
use crate::model::onnx::{self, Inspection};
use crate::model::open::{Learned, Unreadable, builder, learn};
use crate::model::package::{MODEL_BYTES_MAX, read_bytes, sha256_of};
use crate::model::problem::{Problem, Problems};
use crate::model::runner::{Answers, Runner};
use crate::model::runtime::Runtime;
use crate::model::trees::{Graph, Instructions, Loaded, Told};
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
    pub(super) origins: Origins,
    pub(super) found: Inspection,
}

/// What a model takes in the place of a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Takes {
    /// The input that the column is part of.
    pub input: String,
    /// The type of the input's elements.
    pub element: u64,
    /// The column's place among those of all inputs, in the file's order.
    pub place: usize,
}

impl Takes {
    pub fn is_text(&self) -> bool {
        self.element == element::STRING
    }

    /// Numbers that have no NaN.
    pub fn is_whole(&self) -> bool {
        element::is_whole(self.element)
    }

    /// As people say it: `int64`.
    pub fn kind(&self) -> &'static str {
        element::name(self.element)
    }
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
        let (facts, origins) = (Facts::read(&bytes).ok()?, found.origins(&bytes));
        let trees = Told::of(&bytes, &origins).unwrap_or_default();
        Some(ModelFile { sha256: sha256_of(&bytes), facts, trees, origins, found, bytes })
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

    /// Columns of all inputs; of one alone, where they are declared.
    pub fn width(&self) -> Option<usize> {
        let inputs = &self.facts.inputs;
        let all: Option<usize> = inputs.iter().map(|input| input.width_among(inputs.len())).sum();
        all.filter(|_| !inputs.is_empty())
    }

    /// What it takes in the place of each of so many columns that a contract calls so.
    ///
    /// # Errors
    /// Why they cannot be its columns.
    pub fn takes(&self, names: &[&str]) -> Result<Vec<Takes>, Problem> {
        let mut problems = Problems::default();
        let Some(arranged) = columns::arrange(&self.facts.inputs, names, &mut problems) else {
            let none = Problem { place: "features".to_owned(), what: "fit no input".to_owned(), fix: String::new() };
            return Err(problems.into_all().into_iter().next().unwrap_or(none));
        };
        let (mut takes, mut place) = (vec![Takes::default(); names.len()], 0);
        for (input, columns) in self.facts.inputs.iter().zip(arranged) {
            for column in columns {
                let element = input.element().unwrap_or(element::FLOAT);
                takes[column] = Takes { input: input.name.clone(), element, place };
                place += 1;
            }
        }
        Ok(takes)
    }

    /// What the graph knows of the texts of a column.
    pub fn texts(&self, takes: &Takes) -> Option<&KnownTexts> {
        self.origins.texts(takes.place).filter(|_| takes.is_text())
    }

    /// Tells why its inputs cannot be made of these features.
    pub fn check_features(&self, input_tensor: Option<&str>, features: &[Feature], problems: &mut Problems) {
        columns::check_features(&self.found.inputs, input_tensor, features, problems);
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

    /// What ONNX Runtime itself answers at `output` to `rows` of these features. Call it for a file without
    /// [`ModelFile::problems`] alone.
    ///
    /// # Errors
    /// In words that follow "the model": it cannot be opened, fails on the rows, or has no answer for each of them.
    pub fn answers(
        &self,
        runtime: &Runtime,
        output: &str,
        features: &[Feature],
        rows: &Array2<f32>,
    ) -> Result<Answered, String> {
        let zip_map = self.found.zip_map(output);
        let tensor = zip_map.map_or(output, |zip_map| zip_map.input.as_str());
        let bytes = zip_map.map_or_else(|| self.bytes.clone(), |zip_map| self.found.without(zip_map, &self.bytes));
        let mut problems = Problems::default();
        let joined = columns::of_rows(bytes, &self.found.inputs, None, features, &mut problems);
        let (bytes, columns) = joined.ok_or_else(|| {
            let told: Vec<String> = problems.into_all().into_iter().map(|problem| problem.what).collect();
            format!("cannot be given these features: {}", told.join("; "))
        })?;
        // Its own texts, where there are some: numbers in their place are to be proved first.
        let bytes = columns.and_then(|columns| columns.with_texts).unwrap_or(bytes);
        let settings = builder(runtime, Provider::Cpu).map_err(|error| error.to_string())?;
        let opened = Graph::unchanged().open(settings, &bytes);
        let loaded = Arc::new(opened.map_err(|error| format!("is refused by ONNX Runtime: {error}"))?);
        let (input, fixed) = only_input(&loaded).ok_or("has no input of rows")?;
        if let Some(fixed) = fixed.filter(|fixed| *fixed > ROWS_FIXED_MAX) {
            return Err(format!("takes {fixed} rows in each call, and {ROWS_FIXED_MAX} are the most"));
        }
        // Shapes are learned from three rows.
        let rows_max = fixed.unwrap_or(rows.nrows().max(3));
        let failed = |error: ort::Error| format!("fails on rows of {} columns: {error}", rows.ncols());
        let mut runner = Runner::new(loaded, &input, tensor, rows.ncols(), rows_max).map_err(failed)?;
        let some = |count: usize| rows.rows().into_iter().cycle().take(count).flatten().copied().collect();
        let learned = learn(&mut runner, &some, fixed).map_err(failed)?;
        let Learned { columns, .. } = learned.map_err(|Unreadable { rows, shape }| {
            format!("answers {rows} rows with the shape {shape:?} at `{output}`: {}", Unreadable::FIX)
        })?;
        let mut all = Vec::with_capacity(rows.nrows() * columns);
        for part in rows.axis_chunks_iter(Axis(0), rows_max) {
            let mut values: Vec<f32> = part.iter().copied().collect();
            // A fixed batch is filled up with its first row.
            let first = values[..rows.ncols()].to_vec();
            while values.len() < fixed.unwrap_or(0) * rows.ncols() {
                values.extend_from_slice(&first);
            }
            let numbers: Vec<f64> = match runner.run_free(&values).map_err(failed)?.answers {
                Answers::Single(values) => values.into_iter().map(f64::from).collect(),
                Answers::Double(values) => values,
            };
            // A row's answers lie together, whatever stands before them.
            let own = numbers.get(..part.nrows() * columns);
            all.extend_from_slice(own.ok_or_else(|| format!("has no answer for each row at `{output}`"))?);
        }
        let answers = Array2::from_shape_vec((rows.nrows(), columns), all);
        answers.map(|answers| Answered { answers }).map_err(|error| format!("answers in no shape: {error}"))
    }
}

/// The name of the one input that takes rows, and how many of them where that is fixed.
fn only_input(loaded: &Loaded) -> Option<(String, Option<usize>)> {
    let [input] = loaded.session().inputs() else { return None };
    let rows = match input.dtype() {
        ValueType::Tensor { shape, .. } => shape.first().copied(),
        _ => None,
    };
    Some((input.name().to_owned(), rows.and_then(|rows| usize::try_from(rows).ok()).filter(|rows| *rows > 0)))
}
