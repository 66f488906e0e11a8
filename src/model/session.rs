//! A model that answers: one ONNX Runtime session behind [`Scorer`], for one lane.

use crate::edge::{ScoreError, Scorer};
use crate::error::Fatal;
use crate::model::open::{builder, check_outlets, choose_way_back, fixed_rows, learn_shape, placement, refused};
use crate::model::package::Package;
use crate::model::runner::{Answers, Runner};
use crate::model::runtime::Runtime;
use crate::model::trees::{Graph, TreeKernel};
use std::fmt;

use ndarray::ArrayView2;

/// Where the model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Cpu,
    /// An NVIDIA GPU, by its number. Needs a library that was built with CUDA.
    Cuda {
        device: i32,
    },
}

impl Provider {
    /// As outputs and metrics say it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "CPU",
            Provider::Cuda { .. } => "CUDA",
        }
    }
}

/// How a session is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    pub provider: Provider,
    /// Rows of one call at most; larger batches are cut.
    pub rows_max: usize,
    /// Strict mode: every call is filled up to this many rows, so that a record's score cannot depend on its batch.
    pub pad_rows: Option<usize>,
}

/// Where the graph's nodes ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The provider really used: the one asked for if at least one node runs there.
    pub provider: &'static str,
    /// Nodes that run there, of all.
    pub nodes: usize,
    pub nodes_total: usize,
}

/// The shapes a model answers in, learned from its answers (declared shapes are hints).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AnswerShape {
    /// For one row.
    pub one: Vec<i64>,
    /// For more; the first dimension is the number of rows.
    pub many: Vec<i64>,
    /// Answers per row.
    pub columns: usize,
    /// The one that is the score.
    pub column: usize,
}

/// A verified shape of call on one model. Made on any thread, used by one.
pub struct Session {
    runner: Runner,
    width: usize,
    rows_max: usize,
    /// Every call has exactly this many rows.
    rows_fixed: Option<usize>,
    answer: AnswerShape,
    /// Answers in the runner's place, where an ensemble's scores are the graph's answer.
    trees: Option<TreeKernel>,
    /// The last, partial batch of a model with a fixed batch, filled up.
    padded: Vec<f32>,
    placement: Placement,
    warnings: Vec<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("width", &self.width)
            .field("rows_max", &self.rows_max)
            .field("rows_fixed", &self.rows_fixed)
            .field("answer", &self.answer)
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the package's model, as `graph` has it, and checks it against the contract: one `float32` input `[N, features]`, an output
    /// of floats with one score per row, in the contract's column.
    ///
    /// # Errors
    /// [`exit::MODEL`] when the model does not fit its contract, [`exit::SYSTEM`] when the provider is not there.
    pub fn open(
        runtime: &Runtime,
        package: &Package,
        graph: &Graph,
        settings: SessionSettings,
    ) -> Result<Session, Fatal> {
        let width = package.wanted.features.len();
        let opened = graph
            .with_operators(builder(runtime, settings.provider)?)
            .and_then(|mut builder| builder.commit_from_memory(graph.bytes(&package.model)))
            .map_err(|error| refused(package, settings.provider, &error))?;
        let (input, rows_declared) = check_outlets(&opened, package)?;
        let mut warnings = Vec::new();
        let rows_fixed = fixed_rows(rows_declared, settings, &mut warnings);
        let rows_max = rows_fixed.unwrap_or(settings.rows_max.max(1));
        // Two shapes are learned from one row and three, whatever the largest batch will be.
        let rows_bound = rows_max.max(3);
        let mut runner = Runner::new(opened, &input, &package.output_tensor, width, rows_bound)
            .map_err(|error| refused(package, settings.provider, &error))?;
        let (answer, double) = learn_shape(&mut runner, package, rows_fixed)?;
        runner.set_answers(Answers::with_len(double, rows_bound * answer.columns));
        choose_way_back(&mut runner, package, &answer, rows_fixed);
        let trees = graph.direct(&package.output_tensor);
        let placement = placement(&runner, settings.provider, &mut warnings);
        let padded = vec![0.0; rows_fixed.unwrap_or(0) * width];
        Ok(Session { runner, width, rows_max, rows_fixed, answer, trees, padded, placement, warnings })
    }

    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Worth knowing, no reason to stop.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Rows that every call has, whatever the batch: the model's batch is fixed, or strict mode is on.
    pub fn rows_fixed(&self) -> Option<usize> {
        self.rows_fixed
    }

    /// Forgets the last call's answers, so that whatever the next one leaves unwritten comes out as NaN.
    pub(super) fn blank_answers(&mut self) {
        self.runner.blank_answers();
    }

    /// One call: at most `rows_max` rows, or exactly the fixed number.
    fn call(&mut self, rows: &[f32], scores: &mut [f64]) -> Result<(), ScoreError> {
        if let Some(trees) = &mut self.trees {
            trees.score(rows, self.width, self.answer.column, scores);
            return Ok(());
        }
        let count = rows.len() / self.width;
        let AnswerShape { one, many, columns, column } = &mut self.answer;
        let shape = match count {
            1 => &one[..],
            _ => {
                many[0] = count as i64;
                &many[..]
            }
        };
        self.runner.run(rows, shape).map_err(|error| ScoreError(error.to_string()))?;
        match self.runner.answers() {
            Answers::Single(answers) => {
                for (score, row) in scores.iter_mut().zip(answers.chunks_exact(*columns)) {
                    *score = f64::from(row[*column]);
                }
            }
            Answers::Double(answers) => {
                for (score, row) in scores.iter_mut().zip(answers.chunks_exact(*columns)) {
                    *score = row[*column];
                }
            }
        }
        Ok(())
    }

    /// A call with fewer rows than the fixed number: the last row is repeated, because it is the cheapest row that
    /// is surely a possible one.
    fn call_padded(&mut self, rows: &[f32], scores: &mut [f64]) -> Result<(), ScoreError> {
        let mut padded = std::mem::take(&mut self.padded);
        padded[..rows.len()].copy_from_slice(rows);
        let last = rows.len() - self.width..rows.len();
        for at in (rows.len()..padded.len()).step_by(self.width) {
            padded.copy_within(last.clone(), at);
        }
        let called = self.call(&padded, scores);
        self.padded = padded;
        called
    }
}

impl Scorer for Session {
    fn width(&self) -> usize {
        self.width
    }

    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let (count, width) = rows.dim();
        let Some(values) = rows.to_slice().filter(|_| width == self.width && scores.len() >= count) else {
            return Err(ScoreError(format!(
                "a batch of {count} x {width} (contiguous: {}) with room for {} scores does not fit a model of {} features",
                rows.is_standard_layout(),
                scores.len(),
                self.width
            )));
        };
        let parts = values.chunks(self.rows_max * self.width).zip(scores[..count].chunks_mut(self.rows_max));
        for (part, scores) in parts {
            match self.rows_fixed {
                Some(fixed) if scores.len() < fixed => self.call_padded(part, scores)?,
                _ => self.call(part, scores)?,
            }
        }
        Ok(())
    }
}
