//! Trees, drawn at random: as ONNX Runtime reads them, and by hand.

use scorewire::load::simulate::random::Random;

use super::contract::kind;
use super::model_support::onnx::{self, Value};

/// Leaves of a tree: what LightGBM grows by default.
const LEAVES: usize = 31;
/// Leaves weigh multiples of one in so many, and all trees together 1 at most: their sum is exact, in whatever order.
const WEIGHT_STEPS: usize = 1 << 22;

/// A decision, or a leaf.
#[derive(Clone, Copy)]
enum Node {
    /// A value up to `threshold` goes to `low`, a larger one to `high`, and a missing one to either.
    Split {
        feature: usize,
        threshold: f32,
        missing_is_low: bool,
        low: usize,
        high: usize,
    },
    Leaf(f32),
}

pub struct Forest {
    trees: Vec<Vec<Node>>,
}

impl Forest {
    pub fn draw(trees: usize, features: usize, random: &mut Random) -> Forest {
        Forest { trees: (0..trees).map(|_| draw_tree(trees, features, random)).collect() }
    }

    /// The score of a row.
    pub fn score(&self, row: &[f32]) -> f32 {
        self.trees.iter().map(|nodes| leaf(nodes, row)).sum()
    }

    /// The model's file: one node of the operator that LightGBM's and XGBoost's exporters write for a regression.
    pub fn onnx(&self) -> Vec<u8> {
        let mut columns = Columns::default();
        self.trees.iter().enumerate().for_each(|(tree, nodes)| columns.add(tree as i64, nodes));
        let attributes = columns.attributes();
        let node = onnx::node("ai.onnx.ml", "TreeEnsembleRegressor", &["input"], &["y"], &attributes);
        onnx::model(&onnx::graph(&[node], &["input"], &["y"]), &[("", 17), ("ai.onnx.ml", 3)], &[])
    }
}

/// A leaf of the tree so far is split, until there are enough.
fn draw_tree(trees: usize, features: usize, random: &mut Random) -> Vec<Node> {
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut leaves = vec![0];
    while leaves.len() < LEAVES {
        let at = leaves.swap_remove(random.below(leaves.len()));
        let (low, high) = (nodes.len(), nodes.len() + 1);
        nodes.extend([Node::Leaf(0.0); 2]);
        leaves.extend([low, high]);
        let feature = random.below(features);
        let (threshold, missing_is_low) = (kind(feature).threshold(random), random.chance(0.5));
        nodes[at] = Node::Split { feature, threshold, missing_is_low, low, high };
    }
    for at in leaves {
        let weight = random.below(WEIGHT_STEPS / trees) as f32 / WEIGHT_STEPS as f32;
        nodes[at] = Node::Leaf(weight);
    }
    nodes
}

fn leaf(nodes: &[Node], row: &[f32]) -> f32 {
    let mut at = 0;
    loop {
        match nodes[at] {
            Node::Leaf(weight) => return weight,
            Node::Split { feature, threshold, missing_is_low, low, high } => {
                let value = row[feature];
                let goes_low = if value.is_nan() { missing_is_low } else { value <= threshold };
                at = if goes_low { low } else { high };
            }
        }
    }
}

/// The operator's attributes, each a list.
#[derive(Default)]
struct Columns {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<&'static str>,
    values: Vec<f32>,
    low: Vec<i64>,
    high: Vec<i64>,
    missing: Vec<i64>,
    target_trees: Vec<i64>,
    target_ids: Vec<i64>,
    weights: Vec<f32>,
}

impl Columns {
    fn add(&mut self, tree: i64, nodes: &[Node]) {
        for (id, node) in nodes.iter().enumerate() {
            self.trees.push(tree);
            self.ids.push(id as i64);
            let (feature, mode, value, low, high, missing) = match *node {
                Node::Split { feature, threshold, missing_is_low, low, high } => {
                    (feature, "BRANCH_LEQ", threshold, low, high, i64::from(missing_is_low))
                }
                Node::Leaf(weight) => {
                    self.target_trees.push(tree);
                    self.target_ids.push(id as i64);
                    self.weights.push(weight);
                    (0, "LEAF", 0.0, 0, 0, 0)
                }
            };
            self.features.push(feature as i64);
            self.modes.push(mode);
            self.values.push(value);
            self.low.push(low as i64);
            self.high.push(high as i64);
            self.missing.push(missing);
        }
    }

    fn attributes(self) -> [onnx::Named; 13] {
        let targets = vec![0; self.target_trees.len()];
        [
            ("n_targets", Value::Int(1)),
            ("nodes_treeids", Value::Ints(self.trees)),
            ("nodes_nodeids", Value::Ints(self.ids)),
            ("nodes_featureids", Value::Ints(self.features)),
            ("nodes_modes", Value::Texts(self.modes)),
            ("nodes_values", Value::Floats(self.values)),
            ("nodes_truenodeids", Value::Ints(self.low)),
            ("nodes_falsenodeids", Value::Ints(self.high)),
            ("nodes_missing_value_tracks_true", Value::Ints(self.missing)),
            ("target_treeids", Value::Ints(self.target_trees)),
            ("target_nodeids", Value::Ints(self.target_ids)),
            ("target_ids", Value::Ints(targets)),
            ("target_weights", Value::Floats(self.weights)),
        ]
    }
}
