//! Exchanging a model's tree nodes, where that changes no bit and pays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ort::session::builder::SessionBuilder;

use crate::doors::Clock;
use crate::model::trees::check::{Proof, prove};
use crate::model::trees::ensemble::{Ensemble, Node};
use crate::model::trees::file::File;
use crate::model::trees::forest::Forest;
use crate::model::trees::kernel::Kernel;
use crate::model::trees::operator::{Loaded, TreeKernel, TreeOperator};

/// What became of one tree node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeNode {
    Kernel {
        trees: usize,
        instructions: &'static str,
        /// Where it gave the bits of ONNX Runtime's own node.
        proof: Proof,
        /// What that took.
        proof_time: Duration,
    },
    /// And why, in words that follow "the node".
    OnnxRuntime { why: String },
}

/// An exchanged node.
#[derive(Clone, Debug)]
struct Exchanged {
    operator: Arc<TreeOperator>,
    /// Under which the graph gives its scores as they are.
    names: BTreeSet<String>,
}

/// The graph that sessions are opened with. Checked once, shared by all lanes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The changed file; `None`: the package's own.
    changed: Option<Arc<[u8]>>,
    exchanged: Vec<Exchanged>,
    pub nodes: Vec<TreeNode>,
}

impl Graph {
    /// The package's file as it is.
    pub fn unchanged() -> Graph {
        Graph::default()
    }

    /// The package's file with its tree nodes exchanged. Whatever cannot be, stays, and [`Graph::nodes`] says why.
    /// `builder` makes a session's settings, as those of the sessions to come.
    pub fn exchange(file: &[u8], builder: &dyn Fn() -> Result<SessionBuilder, String>, clock: &dyn Clock) -> Graph {
        // What ONNX Runtime itself cannot read, it will say better.
        let Ok(file) = File::read(file) else { return Graph::unchanged() };
        let mut graph = Graph::default();
        let mut exchanged = Vec::new();
        for (index, found) in file.found.iter().enumerate() {
            let ensemble = found.ensemble().map_err(|unfit| unfit.0);
            let node = ensemble.as_ref().map_err(String::clone).and_then(pays).and_then(|ensemble| {
                let start_ns = clock.now_ns();
                let operator = TreeOperator::new(index, Arc::new(Forest::new(ensemble)), ensemble.finish);
                let proof = prove(builder, &file, found, &operator, ensemble)?;
                let proof_time = Duration::from_nanos(clock.now_ns().saturating_sub(start_ns));
                let (trees, instructions) = (operator.forest.trees(), operator.forest.instructions());
                let names = file.names_of_scores(found).unwrap_or_default();
                exchanged.push((found, operator.clone()));
                graph.exchanged.push(Exchanged { operator, names });
                Ok(TreeNode::Kernel { trees, instructions, proof, proof_time })
            });
            graph.nodes.push(node.unwrap_or_else(|why| TreeNode::OnnxRuntime { why }));
        }
        if !exchanged.is_empty() {
            let exchanged: Vec<_> = exchanged.iter().map(|(found, operator)| (*found, operator.name())).collect();
            graph.changed = Some(file.exchange(&exchanged).into());
        }
        graph
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

    /// The package's file after all, because the changed one failed as `why` says.
    pub fn given_up(&self, why: &str) -> Graph {
        let node = |node: &TreeNode| match node {
            TreeNode::Kernel { .. } => TreeNode::OnnxRuntime {
                why: format!("passed its proof alone, but the graph with scorewire's kernel in it does not: {why}"),
            },
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

/// The ensemble, unless its trees are so large that walking down one, as ONNX Runtime does, costs less than asking all
/// of its splits: that pays up to about 128 leaves a tree with AVX2 or AVX-512, up to 64 without.
fn pays(ensemble: &Ensemble) -> Result<&Ensemble, String> {
    let splits: usize = ensemble.trees.iter().flatten().filter(|node| matches!(node, Node::Split { .. })).count();
    let visits: f64 = ensemble.trees.iter().map(|tree| (tree.len() as f64).log2()).sum();
    match splits as f64 <= visits * Kernel::best().splits_per_visit() {
        true => Ok(ensemble),
        false => Err(format!("has {splits} splits in {} trees: walking down is cheaper", ensemble.trees.len())),
    }
}
