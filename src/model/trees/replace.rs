//! Exchanging a model's tree nodes, where that changes no bit and pays.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ort::session::builder::SessionBuilder;

use crate::doors::Clock;
use crate::model::trees::check::{Proof, prove};
use crate::model::trees::file::File;
use crate::model::trees::forest::{Choice, Forest, ROWS_TOLD};
use crate::model::trees::kernel::{Instructions, Kind};
use crate::model::trees::operator::{Loaded, TreeKernel, TreeOperator};

/// What became of one tree node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeNode {
    Kernel {
        trees: usize,
        instructions: &'static str,
        /// From which number of rows on which kernel scores them, and the memory it holds.
        kernels: Vec<Run>,
        /// Where it gave the bits of ONNX Runtime's own node.
        proof: Proof,
        /// What that took.
        proof_time: Duration,
    },
    /// And why, in words that follow "the node".
    OnnxRuntime { why: String },
}

/// In a line, for logs and status.
impl fmt::Display for TreeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeNode::Kernel { trees, instructions, kernels, .. } => {
                let trees = if *trees == 1 { "1 tree".to_owned() } else { format!("{trees} trees") };
                write!(f, "{trees} by scorewire ({instructions}: {})", list_of_runs(kernels))
            }
            TreeNode::OnnxRuntime { why } => write!(f, "by ONNX Runtime: the node {why}"),
        }
    }
}

impl TreeNode {
    /// Adds what `other` has, where one line tells both.
    fn absorb(&mut self, other: &TreeNode) -> bool {
        match (self, other) {
            (
                TreeNode::Kernel { trees, instructions, kernels, proof, proof_time },
                TreeNode::Kernel { trees: more, instructions: on, kernels: runs, proof: found, proof_time: took },
            ) if instructions == on && list_of_runs(kernels) == list_of_runs(runs) => {
                *trees += more;
                kernels.iter_mut().zip(runs).for_each(|(run, more)| run.bytes += more.bytes);
                proof.rows += found.rows;
                proof.decisions += found.decisions;
                proof.leaves_unreachable += found.leaves_unreachable;
                *proof_time += *took;
                true
            }
            (TreeNode::OnnxRuntime { why }, TreeNode::OnnxRuntime { why: other }) => why == other,
            _ => false,
        }
    }
}

/// Numbers of rows that one kernel scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub rows_from: usize,
    pub kernel: &'static str,
    pub bytes: usize,
}

/// In words: `prefix up to 3 rows, together up to 37, bytes beyond`.
fn list_of_runs(runs: &[Run]) -> String {
    let ends = runs.iter().skip(1).map(|run| Some(run.rows_from - 1)).chain([None]);
    let told = runs.iter().zip(ends).enumerate().map(|(at, (run, end))| match end {
        None if at == 0 => run.kernel.to_owned(),
        None => format!("{} beyond", run.kernel),
        Some(1) => format!("{} for one row", run.kernel),
        Some(end) => format!("{} up to {end}{}", run.kernel, if at == 0 { " rows" } else { "" }),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// An exchanged node.
#[derive(Clone, Debug)]
struct Exchanged {
    operator: Arc<TreeOperator>,
    /// Under which the graph gives its scores as they are.
    names: BTreeSet<String>,
}

/// Calls that ONNX Runtime's own nodes answer sooner, by their rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsLeft(u64);

impl RowsLeft {
    /// `is_left` is asked for each number of rows from one to [`ROWS_TOLD`]; the last one speaks for more.
    pub fn of(is_left: impl Fn(usize) -> bool) -> RowsLeft {
        RowsLeft((1..=ROWS_TOLD).filter(|rows| is_left(*rows)).fold(0, |left, rows| left | 1 << (rows - 1)))
    }

    /// Whether no call is answered sooner by a kernel.
    pub fn is_all(self) -> bool {
        self.0 == u64::MAX
    }

    #[inline]
    fn has(self, rows: usize) -> bool {
        self.0 >> (rows.clamp(1, ROWS_TOLD) - 1) & 1 == 1
    }
}

/// The graph that sessions are opened with. Checked once, shared by all lanes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The changed file; `None`: the package's own.
    changed: Option<Arc<[u8]>>,
    exchanged: Vec<Exchanged>,
    left: RowsLeft,
    pub nodes: Vec<TreeNode>,
}

impl Graph {
    /// The package's file as it is.
    pub fn unchanged() -> Graph {
        Graph::default()
    }

    /// The package's file with its tree nodes exchanged. Whatever cannot be, stays, and [`Graph::nodes`] says why.
    /// `builder` makes a session's settings, as those of the sessions to come.
    /// Each operator has those of the kernels `kinds` that there are, and the first one takes all rows: [`Graph::with`] has those that pay.
    pub fn exchange(
        file: &[u8],
        instructions: Instructions,
        kinds: &[Kind],
        builder: &dyn Fn() -> Result<SessionBuilder, String>,
        clock: &dyn Clock,
    ) -> Graph {
        // What ONNX Runtime itself cannot read, it will say better.
        let Ok(file) = File::read(file) else { return Graph::unchanged() };
        let mut graph = Graph::default();
        let mut exchanged = Vec::new();
        for (index, found) in file.found.iter().enumerate() {
            let ensemble = found.ensemble().map_err(|unfit| unfit.0);
            let node = ensemble.and_then(|ensemble| {
                let start_ns = clock.now_ns();
                let forests =
                    ensemble.sums.iter().map(|trees| Forest::new(trees, instructions, kinds)).collect::<Option<_>>();
                let operator = TreeOperator::new(index, forests.ok_or(TOO_LARGE)?, ensemble.finish);
                let proof = prove(builder, &file, found, &operator, &ensemble)?;
                let proof_time = Duration::from_nanos(clock.now_ns().saturating_sub(start_ns));
                let (trees, instructions) = (ensemble.trees().len(), instructions.name());
                let kernels = runs(&operator.forests, &Choice::only(operator.forests[0].kinds()[0]));
                let names = file.names_of_scores(found).unwrap_or_default();
                exchanged.push((found, operator.clone()));
                graph.exchanged.push(Exchanged { operator, names });
                Ok(TreeNode::Kernel { trees, instructions, kernels, proof, proof_time })
            });
            graph.nodes.push(node.unwrap_or_else(|why| TreeNode::OnnxRuntime { why }));
        }
        if !exchanged.is_empty() {
            let exchanged: Vec<_> = exchanged.iter().map(|(found, operator)| (*found, operator.name())).collect();
            graph.changed = Some(file.exchange(&exchanged).into());
        }
        graph
    }

    /// The nodes as people read them: those that one line tells are added up to one, with how many they are. An isolation
    /// forest has a node for each tree.
    pub fn nodes_told(&self) -> Vec<(usize, TreeNode)> {
        let mut told: Vec<(usize, TreeNode)> = Vec::new();
        for node in &self.nodes {
            match told.iter_mut().find_map(|(count, first)| first.absorb(node).then_some(count)) {
                Some(count) => *count += 1,
                None => told.push((1, node.clone())),
            }
        }
        told
    }

    /// Kernels that every exchanged node has.
    pub fn kinds(&self) -> Vec<Kind> {
        let has = |node: &Exchanged, kind: Kind| node.operator.forests[0].kinds().contains(&kind);
        let all = |kind: &Kind| self.exchanged.iter().all(|node| has(node, *kind));
        if self.exchanged.is_empty() { Vec::new() } else { Kind::ALL.into_iter().filter(all).collect() }
    }

    /// Memory of these kernels of all exchanged nodes.
    pub fn bytes_of(&self, kind: Kind) -> usize {
        self.exchanged.iter().flat_map(|node| &*node.operator.forests).map(|forest| forest.bytes_of(kind)).sum()
    }

    /// The same graph, whose nodes have the kernels of `choice` alone. `left`: by rows less one, what stays with ONNX
    /// Runtime's own nodes.
    pub fn with(&self, choice: &Choice, left: RowsLeft) -> Graph {
        let mut graph = Graph { left, ..self.clone() };
        for node in &mut graph.exchanged {
            node.operator = node.operator.with(choice);
        }
        let mut forests = graph.exchanged.iter().map(|node| &node.operator.forests);
        for node in &mut graph.nodes {
            if let TreeNode::Kernel { kernels, .. } = node
                && let Some(forests) = forests.next()
            {
                *kernels = runs(forests, choice);
            }
        }
        graph
    }

    /// What of a call of as many rows stays with the package's own file.
    pub fn is_left(&self, rows: usize) -> bool {
        self.left.has(rows)
    }

    /// Whether any call does.
    pub fn leaves_some(&self) -> bool {
        self.left != RowsLeft::default()
    }

    /// What answers as the graph does at `output`, where that is an exchanged node's answer to the graph's own rows: then
    /// nobody needs the graph for it.
    pub fn direct(&self, output: &str) -> Option<TreeKernel> {
        self.exchanged.iter().find(|node| node.names.contains(output)).map(|node| node.operator.kernel())
    }

    /// Whether it is another one than the package's.
    pub fn is_changed(&self) -> bool {
        self.changed.is_some()
    }

    /// The package's file after all: `why`, in words that follow "the node".
    pub fn given_up(&self, why: &str) -> Graph {
        let node = |node: &TreeNode| match node {
            TreeNode::Kernel { .. } => TreeNode::OnnxRuntime { why: why.to_owned() },
            TreeNode::OnnxRuntime { .. } => node.clone(),
        };
        Graph { nodes: self.nodes.iter().map(node).collect(), ..Graph::default() }
    }

    /// What ONNX Runtime is given: `file`, the package's, or what became of it.
    pub(in crate::model) fn bytes<'a>(&'a self, file: &'a [u8]) -> &'a [u8] {
        self.changed.as_deref().unwrap_or(file)
    }

    /// Opens it. `file`: the package's.
    pub(in crate::model) fn open(&self, builder: SessionBuilder, file: &[u8]) -> ort::Result<Loaded> {
        let operators = self.exchanged.iter().map(|node| node.operator.clone()).collect();
        Loaded::open(builder, operators, self.bytes(file))
    }
}

const TOO_LARGE: &str =
    "has a tree of over a million nodes, or splits on over four thousand columns: no kernel takes it";

fn runs(forests: &[Forest], choice: &Choice) -> Vec<Run> {
    let bytes = |kind: Kind| forests.iter().map(|forest| forest.bytes_of(kind)).sum();
    let run = |(rows_from, kind): (usize, Kind)| Run { rows_from, kernel: kind.name(), bytes: bytes(kind) };
    choice.runs().into_iter().map(run).collect()
}
