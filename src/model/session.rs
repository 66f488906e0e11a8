//! A model that answers: ONNX Runtime behind [`Scorer`], for one lane.
//!
//! A large model takes seconds to open and hundreds of megabytes, so ONNX Runtime opens it once ([`Opened`]) and the lanes
//! run that one session, which several threads may do at a time. Whatever a call writes is the lane's own: values,
//! answers, the kernel's scratch. A small model is opened for each lane: ONNX Runtime takes two locks of the session in each
//! call, and lanes that share nothing cannot meet there.

use std::fmt;
use std::sync::Arc;

use ndarray::ArrayView2;

use crate::doors::{ScoreError, ScoreErrorKind, Scorer};
use crate::error::{Fatal, exit};
use crate::model::open::{
    AnswerShape, Placement, SessionSettings, builder, check_outlets, choose_way_back, fixed_rows, learn_shape,
    placement, refused,
};
use crate::model::package::Package;
use crate::model::runner::{Answers, Runner};
use crate::model::runtime::Runtime;
use crate::model::trees::{Graph, Loaded, TreeKernel};
use crate::values::model::Provider;

/// Files larger than this are opened once for all lanes.
const OWN_BYTES_MAX: usize = 256 << 10;

/// A model that is open, and how it is to be called.
pub(super) struct Opened {
    loaded: Arc<Loaded>,
    graph: Graph,
    settings: SessionSettings,
    is_shared: bool,
    input: String,
    output: String,
    width: usize,
    rows_max: usize,
    rows_fixed: Option<usize>,
    answer: AnswerShape,
    double: bool,
    in_place: bool,
    placement: Placement,
    warnings: Vec<String>,
    /// The package's own file, for calls that ONNX Runtime's nodes answer sooner.
    unchanged: Option<Arc<Opened>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Opened { input, output, answer, placement, .. } = self;
        write!(f, "Opened({input} -> {output}, {answer:?}, {placement:?})")
    }
}

impl Opened {
    /// Opens the package's model, as `graph` has it, and checks it against the contract: one `float32` input `[N, features]`,
    /// an output of floats with one score per row, in the contract's column.
    ///
    /// # Errors
    /// [`exit::MODEL`] when the model does not fit its contract,
    /// [`exit::SYSTEM`] when the provider is not there.
    pub fn open(
        runtime: &Runtime,
        package: &Package,
        graph: &Graph,
        settings: SessionSettings,
    ) -> Result<Opened, Fatal> {
        let width = package.wanted.features.len();
        let refused = |error: ort::Error| refused(package, settings.provider, &error);
        let loaded = Arc::new(graph.open(builder(runtime, settings.provider)?, &package.model).map_err(refused)?);
        let (input, rows_declared) = check_outlets(loaded.session(), package)?;
        let mut warnings = Vec::new();
        let rows_fixed = fixed_rows(rows_declared, settings, &mut warnings);
        let rows_max = rows_fixed.unwrap_or(settings.rows_max.max(1));
        let output = package.output.tensor.clone();
        // Two shapes are learned from one row and three, whatever the largest batch will be.
        let rows_learned = rows_max.max(3);
        let mut runner = Runner::new(loaded.clone(), &input, &output, width, rows_learned).map_err(refused)?;
        let (answer, double) = learn_shape(&mut runner, package, rows_fixed)?;
        runner.set_answers(Answers::with_len(double, rows_learned * answer.columns));
        let in_place = choose_way_back(&mut runner, package, &answer, rows_fixed);
        let placement = placement(&runner, settings.provider, &mut warnings);
        let unchanged = match graph.leaves_some() {
            true => Some(Arc::new(Opened::open(runtime, package, &Graph::unchanged(), settings)?)),
            false => None,
        };
        let graph = graph.clone();
        // Nobody calls the session of a kernel that is asked directly. A GPU's has one stream of work for all who call.
        let pays = graph.direct(&output).is_some() || graph.bytes(&package.model).len() > OWN_BYTES_MAX;
        Ok(Opened {
            loaded,
            graph,
            settings,
            is_shared: settings.provider == Provider::Cpu && pays,
            input,
            output,
            width,
            rows_max,
            rows_fixed,
            answer,
            double,
            in_place,
            placement,
            warnings,
            unchanged,
        })
    }

    /// Whether all lanes call this one.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// How many answers a row has, and which is the score, or the first of several.
    pub fn columns(&self) -> (usize, usize) {
        (self.answer.columns, self.answer.chosen[0])
    }

    /// What answers in ONNX Runtime's place: a kernel, which gives one column.
    fn kernel(&self) -> Option<TreeKernel> {
        let is_one_column = self.answer.chosen.len() == 1 && self.answer.reading.is_by_column();
        self.graph.direct(&self.output).filter(|_| is_one_column)
    }

    /// For one lane, with memory for its calls.
    ///
    /// # Errors
    /// [`exit::MODEL`] when ONNX Runtime gives no values.
    pub fn session(self: &Arc<Opened>, package: &Package) -> Result<Session, Fatal> {
        let refused = |error: ort::Error| refused(package, self.settings.provider, &error);
        let mut runner =
            Runner::new(self.loaded.clone(), &self.input, &self.output, self.width, self.rows_max).map_err(refused)?;
        runner.set_answers(Answers::with_len(self.double, self.rows_max * self.answer.columns));
        runner.set_in_place(self.in_place);
        runner.bind_outputs(&self.answer.many, self.answer.rows_axis, self.rows_max).map_err(refused)?;
        Ok(Session {
            runner,
            answer: self.answer.clone(),
            trees: self.kernel(),
            padded: vec![0.0; self.rows_fixed.unwrap_or(0) * self.width],
            unchanged: match &self.unchanged {
                Some(unchanged) => Some(Box::new(unchanged.session(package)?)),
                None => None,
            },
            opened: self.clone(),
        })
    }
}

/// A verified shape of call on one model. Made on any thread, used by one.
pub struct Session {
    runner: Runner,
    answer: AnswerShape,
    /// Answers in the runner's place, where an ensemble's scores are the graph's answer.
    trees: Option<TreeKernel>,
    /// The last, partial batch of a model with a fixed batch, filled up.
    padded: Vec<f32>,
    /// Answers calls that the graph leaves to the package's own file.
    unchanged: Option<Box<Session>>,
    opened: Arc<Opened>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the package's model, as `graph` has it, for one lane alone.
    ///
    /// # Errors
    /// Those of `Opened::open`: the model does not fit its contract, or the provider is not there.
    pub fn open(
        runtime: &Runtime,
        package: &Package,
        graph: &Graph,
        settings: SessionSettings,
    ) -> Result<Session, Fatal> {
        Arc::new(Opened::open(runtime, package, graph, settings)?).session(package)
    }

    pub fn placement(&self) -> &Placement {
        &self.opened.placement
    }

    /// Worth knowing, no reason to stop.
    pub fn warnings(&self) -> &[String] {
        &self.opened.warnings
    }

    /// Rows that every batch is filled up to: the model's batch is fixed, or the settings say so.
    pub fn rows_fixed(&self) -> Option<usize> {
        self.opened.rows_fixed.filter(|_| !self.opened.settings.alone)
    }

    /// The scores of these rows, as [`Scorer::score`] gives them.
    ///
    /// # Errors
    /// [`exit::MODEL`] when the model fails on them.
    pub(super) fn answer(
        &mut self,
        package: &Package,
        rows: ArrayView2<'_, f32>,
        scores: &mut [f64],
    ) -> Result<(), Fatal> {
        self.score(rows, scores).map_err(|error| {
            let what =
                format!("model package {}: the model fails on {} rows: {error}", package.dir.display(), rows.nrows());
            Fatal::new(exit::MODEL, what, "export the model anew; a plain runtime should score the golden rows too")
        })
    }

    /// [`Session::answer`] with nothing left of earlier calls: what the model does not write is NaN.
    pub(super) fn answer_afresh(
        &mut self,
        package: &Package,
        rows: ArrayView2<'_, f32>,
        scores: &mut [f64],
    ) -> Result<(), Fatal> {
        self.blank_answers();
        scores.fill(f64::NAN);
        self.answer(package, rows, scores)
    }

    fn blank_answers(&mut self) {
        self.runner.blank_answers();
        if let Some(unchanged) = &mut self.unchanged {
            unchanged.blank_answers();
        }
    }

    /// One call: at most `rows_max` rows, or exactly the fixed number.
    fn call(&mut self, rows: &[f32], scores: &mut [f64]) -> Result<(), ScoreError> {
        let width = self.opened.width;
        let count = rows.len() / width;
        if let Some(unchanged) = &mut self.unchanged
            && self.opened.graph.is_left(count)
        {
            return unchanged.call(rows, scores);
        }
        if let Some(trees) = &mut self.trees {
            trees.score(rows, width, self.answer.chosen[0], scores);
            if !self.answer.reading.is_plain() {
                scores.iter_mut().for_each(|score| *score = self.answer.reading.score_of(*score));
            }
            return Ok(());
        }
        let AnswerShape { one, many, rows_axis, .. } = &mut self.answer;
        let shape = match (count, many.get_mut(*rows_axis)) {
            (1, _) | (_, None) => &one[..],
            (_, Some(rows)) => {
                *rows = count as i64;
                &many[..]
            }
        };
        self.runner.run(rows, shape).map_err(|error| ScoreError::new(kind(&error), error.to_string()))?;
        match self.runner.answers() {
            Answers::Single(answers) => self.answer.read(answers, scores),
            Answers::Double(answers) => self.answer.read(answers, scores),
        }
        Ok(())
    }

    /// A call with fewer rows than the fixed number: the last row is repeated, because it is the cheapest row that
    /// is surely a possible one.
    fn call_padded(&mut self, rows: &[f32], scores: &mut [f64]) -> Result<(), ScoreError> {
        let mut padded = std::mem::take(&mut self.padded);
        padded[..rows.len()].copy_from_slice(rows);
        let width = self.opened.width;
        let last = rows.len() - width..rows.len();
        for at in (rows.len()..padded.len()).step_by(width) {
            padded.copy_within(last.clone(), at);
        }
        let called = self.call(&padded, scores);
        self.padded = padded;
        called
    }
}

/// ONNX Runtime calls arguments invalid that a kernel cannot take, such as an index outside the table that it is for: the same
/// row is refused whenever it comes.
fn kind(error: &ort::Error) -> ScoreErrorKind {
    match error.code() {
        ort::ErrorCode::InvalidArgument => ScoreErrorKind::Refused,
        _ => ScoreErrorKind::Failed,
    }
}

impl Scorer for Session {
    fn width(&self) -> usize {
        self.opened.width
    }

    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError> {
        let (count, width) = rows.dim();
        let Opened { width: wanted, rows_max, rows_fixed, settings: SessionSettings { alone, .. }, .. } = *self.opened;
        let Some(values) = rows.to_slice().filter(|_| width == wanted && scores.len() >= count) else {
            return Err(ScoreError::failed(format!(
                "a batch of {count} x {width} (contiguous: {}) with room for {} scores does not fit a model of {} features",
                rows.is_standard_layout(),
                scores.len(),
                wanted
            )));
        };
        let rows_call = if alone { 1 } else { rows_max };
        let parts = values.chunks(rows_call * width).zip(scores[..count].chunks_mut(rows_call));
        for (part, scores) in parts {
            match rows_fixed {
                Some(fixed) if scores.len() < fixed => self.call_padded(part, scores)?,
                _ => self.call(part, scores)?,
            }
        }
        Ok(())
    }
}
