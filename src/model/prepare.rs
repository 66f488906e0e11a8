//! From a package's folder to sessions that may score.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayView1;

use crate::avro::feature::Missing;
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::memory;
use crate::model::curve::ProbeSettings;
use crate::model::kernels::{KernelPoint, USUAL, choose, usual};
use crate::model::open::SessionSettings;
use crate::model::open::builder;
use crate::model::package::Package;
use crate::model::probe::{ProbeReport, check_golden, probe, warm_up};
use crate::model::problem::list;
use crate::model::proof::prove_columns;
use crate::model::runtime::Runtime;
use crate::model::session::{Opened, Session};
use crate::model::trees::{Choice, Graph, Instructions, Kind, RowsLeft, TreeNode};
use crate::values::model::{Determinism, Provider, Trees};

/// What the configuration says about the model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// ONNX Runtime's library; `None` looks in the usual places.
    pub onnxruntime: Option<PathBuf>,
    pub provider: Provider,
    pub trees: Trees,
    /// What kernels for tree ensembles may use; no key sets it.
    pub tree_kernels: TreeKernels,
    pub probe: ProbeSettings,
    /// Rows of one batch, whatever the probe measures; at most `probe.rows_max`.
    pub batch_rows: Option<usize>,
    /// Every call has exactly this many rows, whatever the probe finds; no key sets it.
    pub pad_rows: Option<usize>,
    pub determinism: Determinism,
}

/// What kernels for tree ensembles may use, for whoever measures them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeKernels {
    pub instructions: Instructions,
    pub choice: KernelChoice,
}

/// Which kernel scores how many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// The one that is fastest on this machine; ONNX Runtime's node where that is faster.
    Measured,
    /// Some for few rows, some for many, as it mostly is.
    Usual,
    /// This one alone.
    Only(Kind),
}

impl Default for TreeKernels {
    fn default() -> TreeKernels {
        // What an unoptimised build takes tells nothing.
        let choice = if cfg!(debug_assertions) { KernelChoice::Usual } else { KernelChoice::Measured };
        TreeKernels { instructions: Instructions::best(), choice }
    }
}

impl Default for ModelSettings {
    fn default() -> ModelSettings {
        ModelSettings {
            onnxruntime: None,
            provider: Provider::Cpu,
            trees: Trees::default(),
            tree_kernels: TreeKernels::default(),
            probe: ProbeSettings::default(),
            batch_rows: None,
            pad_rows: None,
            determinism: Determinism::default(),
        }
    }
}

/// Rows of each call where [`Determinism::Strict`] fills calls up and the configuration names no other number: few, since a
/// record alone pays for all of them.
const STRICT_ROWS: usize = 16;

/// A verified model. Shared by all lanes; each takes its own [`Session`] from it.
#[derive(Clone, Debug)]
pub struct Model {
    pub package: Arc<Package>,
    pub runtime: Runtime,
    pub report: ProbeReport,
    /// What the graph's kernels were chosen by; none where there are none.
    pub kernels: Vec<KernelPoint>,
    settings: SessionSettings,
    /// As every session has it.
    pub graph: Graph,
    opened: Arc<Opened>,
    /// The session that was probed, for the first lane.
    first: Arc<Mutex<Option<Session>>>,
}

/// How ONNX Runtime refuses a graph whose trees were given float64 before the kernels, which take float32, were put there:
/// that the graph opens without them shows that it means them.
const FLOAT64_REFUSED: &str = "Type 'tensor(double)' of input parameter";
const TAKES_FLOAT64: &str = "takes float64, which none of scorewire's kernels does: export the model with float32 inputs, and they can score it";

/// Loads ONNX Runtime and the package, and probes the model. Call it once, before threads start and before the
/// source subscribes. Logs the warnings of package, session and probe.
///
/// # Errors
/// [`crate::error::exit::SYSTEM`]: no usable ONNX Runtime or provider.
/// [`crate::error::exit::MODEL`]: files, hash, contract, golden rows or golden records do not hold.
pub fn prepare(dir: &Path, settings: &ModelSettings, clock: &dyn Clock) -> Result<Model, Fatal> {
    let mut package = Package::load(dir)?;
    let runtime = Runtime::load(settings.onnxruntime.as_deref())?;
    let start_ns = clock.now_ns();
    prove_columns(&runtime, &mut package)?;
    let exchanged = match settings.trees {
        Trees::Auto if settings.provider == Provider::Cpu => {
            exchange_trees(&runtime, &package, settings.tree_kernels, clock)
        }
        _ => Graph::unchanged(),
    };
    let (graph, mut tried) = match try_out(&runtime, &package, &exchanged, settings, clock) {
        // The kernel must never cost a model that works: what is wrong with the model itself shows without it too.
        Err(fatal) if exchanged.is_changed() => {
            let takes_float64 = fatal.what.contains(FLOAT64_REFUSED);
            let why = match takes_float64 {
                true => TAKES_FLOAT64.to_owned(),
                false => format!(
                    "passed its proof alone, but the graph with scorewire's kernels in it does not: {}",
                    fatal.what
                ),
            };
            let graph = exchanged.given_up(&why);
            let tried = try_out(&runtime, &package, &graph, settings, clock)?;
            match takes_float64 {
                true => tracing::warn!("scorewire's tree kernels are not used: the node {TAKES_FLOAT64}"),
                false => tracing::warn!("scorewire's tree kernels are not used: {}", fatal.what),
            }
            (graph, tried)
        }
        tried => {
            let tried = tried?;
            (tried.graph.clone(), tried)
        }
    };
    log_trees(&graph, &package);
    tried.report.warnings.extend(lost_routing(&package));
    let range = &tried.report.range;
    let (numbers, clamped) = (range.numbers(), range.share(range.clamped));
    tracing::info!(%numbers, %clamped, "answers to varied golden rows");
    for warning in &tried.report.warnings {
        tracing::warn!(model = %package.name, version = %package.version, "{warning}");
    }
    let took_ms = clock.now_ns().saturating_sub(start_ns) / 1_000_000;
    tracing::info!(took_ms, shared = tried.opened.is_shared(), "model opened and checked");
    let Tried { graph: _, kernels, opened, session, report, settings } = tried;
    let first = Arc::new(Mutex::new(Some(session)));
    Ok(Model { package: Arc::new(package), runtime, report, kernels, settings, graph, opened, first })
}

/// What a graph that holds leads to.
struct Tried {
    /// With the kernels that pay.
    graph: Graph,
    kernels: Vec<KernelPoint>,
    opened: Arc<Opened>,
    session: Session,
    report: ProbeReport,
    settings: SessionSettings,
}

/// Opens the model as `graph` has it, and probes it.
fn try_out(
    runtime: &Runtime,
    package: &Package,
    graph: &Graph,
    settings: &ModelSettings,
    clock: &dyn Clock,
) -> Result<Tried, Fatal> {
    let rows_max = settings.probe.rows_max.max(1);
    let pad_rows = settings.pad_rows.map(|rows| rows.max(1));
    let relaxed = SessionSettings { provider: settings.provider, rows_max, pad_rows, alone: false };
    let tried = try_with(runtime, package, graph, settings, relaxed, clock)?;
    if settings.determinism == Determinism::Relaxed || tried.report.batch_invariant {
        return Ok(tried);
    }
    let rows = settings.batch_rows.unwrap_or(STRICT_ROWS).clamp(1, rows_max);
    let filled = SessionSettings { pad_rows: Some(rows), ..relaxed };
    let alone = SessionSettings { pad_rows: None, alone: true, ..relaxed };
    // A model whose batch is fixed was called with full calls already.
    let is_fixed = tried.session.rows_fixed().is_some();
    let ways =
        [(filled, format!("every call is filled up to {rows} rows")), (alone, "each record is a call".to_owned())];
    for (way, words) in ways.into_iter().skip(usize::from(is_fixed)) {
        let mut tried = try_with(runtime, package, graph, settings, way, clock)?;
        if tried.report.batch_invariant {
            tried.report.warnings.push(format!(
                "a row's score depends in its last bits on the batch it is in, and model.determinism is \"strict\": {words}, \
                 which costs throughput"
            ));
            return Ok(tried);
        }
    }
    let what = format!("model package {}: a row's score depends on more than the row", package.dir.display());
    let fix = "its answers are random, or it keeps what it saw: export it without (no Random nodes, no state), or write \
               model.determinism = \"relaxed\"";
    Err(Fatal::new(exit::MODEL, what, fix))
}

/// [`try_out`], in one way to call it.
fn try_with(
    runtime: &Runtime,
    package: &Package,
    graph: &Graph,
    settings: &ModelSettings,
    session_settings: SessionSettings,
    clock: &dyn Clock,
) -> Result<Tried, Fatal> {
    let rows_max = session_settings.rows_max;
    let (graph, kernels) = match settings.tree_kernels.choice {
        KernelChoice::Measured => choose(runtime, package, graph, session_settings, clock)?,
        KernelChoice::Usual => (usual(graph), Vec::new()),
        KernelChoice::Only(kind) => (graph.with(&Choice::only(kind), RowsLeft::default()), Vec::new()),
    };
    let native_before = memory::used_bytes();
    let opened = Arc::new(Opened::open(runtime, package, &graph, session_settings)?);
    let mut session = opened.session(package)?;
    let mut report = probe(&mut session, package, &settings.probe, clock, native_before)?;
    if let Some(rows) = settings.batch_rows {
        report.batch_rows_cap = rows.clamp(1, rows_max);
    }
    warm_up(&mut session, package, report.batch_rows_cap)?;
    Ok(Tried { graph, kernels, opened, session, report, settings: session_settings })
}

/// A warning where missing values reach trees that say nothing about them.
fn lost_routing(package: &Package) -> Option<String> {
    let asked = &package.asked;
    let features = package.wanted.features.iter().enumerate();
    let lost: Vec<(usize, &str)> = features
        .filter(|(column, _)| asked.columns.contains(column) && !asked.tracked.contains(column))
        .filter(|(_, feature)| feature.missing == Some(Missing::Nan) && feature.transform.of_presence(false).is_none())
        .map(|(column, feature)| (column, feature.name.as_str()))
        .collect();
    if lost.is_empty() {
        return None;
    }
    let has_nan = |row: &ArrayView1<'_, f32>| lost.iter().any(|(column, _)| row[*column].is_nan());
    let advice = match package.golden.rows.rows().into_iter().filter(has_nan).count() {
        0 => "let the training library score golden rows with nan in these features".to_owned(),
        rows => format!(
            "{rows} golden rows have nan there and hold: if the training library scored them, and not ONNX Runtime, this is \
             as it was trained"
        ),
    };
    Some(format!(
        "missing = \"nan\", but no split of the model's trees says where a missing value of {} goes \
         (nodes_missing_value_tracks_true): each sends it to its false side, whatever it learned. Some exporters lose the way \
         that training found, and scores are then wrong: {advice}. If the model never saw missing values there, write \
         missing = \"reject\" or a constant",
        list(lost.into_iter().map(|(_, name)| name))
    ))
}

fn exchange_trees(runtime: &Runtime, package: &Package, kernels: TreeKernels, clock: &dyn Clock) -> Graph {
    let settings = || builder(runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let kinds = match kernels.choice {
        KernelChoice::Measured => &Kind::ALL[..],
        KernelChoice::Usual => &USUAL,
        KernelChoice::Only(ref kind) => std::slice::from_ref(kind),
    };
    Graph::exchange(&package.model, kernels.instructions, kinds, &settings, clock)
}

fn log_trees(graph: &Graph, package: &Package) {
    let direct = graph.direct(&package.output.tensor).is_some();
    for node in &graph.nodes {
        match node {
            TreeNode::Kernel { proof, proof_time, .. } => tracing::info!(
                trees = %node,
                decisions = proof.decisions,
                rows = proof.rows,
                leaves_unreachable = proof.leaves_unreachable,
                proof_ms = u64::try_from(proof_time.as_millis()).unwrap_or(u64::MAX),
                direct,
                onnxruntime_too = graph.leaves_some(),
                "tree ensemble scored by scorewire's kernels: the same bits as ONNX Runtime's at every decision"
            ),
            TreeNode::OnnxRuntime { why } => tracing::info!("tree ensemble scored by ONNX Runtime: the node {why}"),
        }
    }
}

impl Model {
    /// A session for one lane, verified and warm. Call it on the lane's own thread, so that its memory is near its
    /// core.
    ///
    /// # Errors
    /// As [`prepare`], for what can differ from session to session.
    pub fn session(&self) -> Result<Session, Fatal> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = first {
            return Ok(session);
        }
        // What a session reads was checked when it was opened: a shared one is not checked for each lane.
        let mut session = match self.opened.is_shared() {
            true => self.opened.session(&self.package)?,
            false => {
                let mut session = Session::open(&self.runtime, &self.package, &self.graph, self.settings)?;
                check_golden(&mut session, &self.package)?;
                session
            }
        };
        warm_up(&mut session, &self.package, self.report.batch_rows_cap)?;
        Ok(session)
    }

    /// The output that is read, its columns, and which of them is the score.
    pub fn output(&self) -> (&str, usize, usize) {
        let (columns, column) = self.opened.columns();
        (&self.package.output.tensor, columns, column)
    }

    /// What ONNX Runtime holds for the sessions of `lanes` lanes.
    pub fn native_bytes(&self, lanes: usize) -> u64 {
        let sessions = if self.opened.is_shared() { 1 } else { lanes };
        self.report.native_bytes * sessions as u64
    }

    /// Whether all lanes call one model that is open, or each opens its own.
    pub fn is_shared(&self) -> bool {
        self.opened.is_shared()
    }
}
