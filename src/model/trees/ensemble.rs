//! A `TreeEnsembleClassifier` or `TreeEnsembleRegressor` node of `ai.onnx.ml`, read into trees whose splits all ask
//! the same way round. Meaning by the ONNX operators' text, and where that is silent by what ONNX Runtime 1.28 does
//! (`tree_ensemble_aggregator.h`, `ml_common.h`); [`super::check`] holds both together.

use std::collections::HashMap;

use crate::model::trees::attributes::Attributes;
use crate::model::trees::finish::Finish;

/// Why a node stays with ONNX Runtime, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub String);

fn unfit<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit(why.into()))
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Goes left where `row[feature] <= threshold`, and where it is NaN if `nan_left`. Children by index.
    Split { feature: u32, threshold: f32, nan_left: bool, left: u32, right: u32 },
    /// What this tree adds to the sum.
    Leaf(f32),
}

/// The root comes first.
pub type Tree = Vec<Node>;

#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// The trees once for each sum, with its leaves' weights: all of the same splits.
    pub sums: Vec<Vec<Tree>>,
    pub finish: Finish,
}

const KNOWN: [&str; 25] = [
    "aggregate_function",
    "base_values",
    "class_ids",
    "class_nodeids",
    "class_treeids",
    "class_weights",
    "classlabels_int64s",
    "n_targets",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "post_transform",
    "target_ids",
    "target_nodeids",
    "target_treeids",
    "target_weights",
    "nodes_names",
    "class_names",
    "name",
];

impl Ensemble {
    /// # Errors
    /// Why this node is not one that [`super::forest`] scores.
    pub fn read(op_type: &str, attributes: &Attributes<'_>) -> Result<Ensemble, Unfit> {
        if let Some(other) = attributes.names().find(|name| !KNOWN.contains(name)) {
            return unfit(format!("has the attribute `{other}`"));
        }
        let (role, finish) = match op_type {
            "TreeEnsembleClassifier" => ("class", read_classifier(attributes)?),
            "TreeEnsembleRegressor" => ("target", read_regressor(attributes)?),
            other => return unfit(format!("is a {other}")),
        };
        let lists = LeafLists::read(attributes, role)?;
        let (leaves, finish) = match finish {
            Finish::Binary { base, logistic, .. } if lists.is_pair() => {
                let [first, second] = [0, 1].map(|class| lists.of(|id| id == class));
                let (first, second) = (first?, second?);
                let mirrored = first.is_mirror_of(&second);
                (if mirrored { vec![second] } else { vec![first, second] }, Finish::Pair { base, logistic, mirrored })
            }
            finish => (vec![lists.single()?], finish),
        };
        let sums = leaves.iter().map(|leaves| read_trees(attributes, leaves)).collect::<Result<_, _>>()?;
        Ok(Ensemble { sums, finish })
    }

    /// The `part`th some of its trees, `trees` of them, and without the transform, which hides small differences of sums.
    pub fn part(&self, trees: usize, part: usize) -> Ensemble {
        let some = |all: &Vec<Tree>| all.chunks(trees).nth(part).unwrap_or_default().to_vec();
        let sums: Vec<Vec<Tree>> = self.sums.iter().map(some).collect();
        let is_positive = |node: &Node| !matches!(node, Node::Leaf(weight) if *weight < 0.0);
        let finish = self.finish.bare(sums[0].iter().flatten().all(is_positive));
        Ensemble { sums, finish }
    }

    /// The trees, whatever their weights.
    pub fn trees(&self) -> &[Tree] {
        &self.sums[0]
    }
}

fn read_classifier(attributes: &Attributes<'_>) -> Result<Finish, Unfit> {
    let &[no, yes] = attributes.ints("classlabels_int64s") else {
        return unfit("does not have two classes with whole numbers as labels");
    };
    let base = match attributes.floats("base_values") {
        [] => None,
        [base] => Some(*base),
        _ => return unfit("has a base value for each class"),
    };
    let logistic = match attributes.text("post_transform") {
        None | Some("NONE") => false,
        Some("LOGISTIC") => true,
        Some(other) => return unfit(format!("has the post transform {other}")),
    };
    let weights = attributes.floats("class_weights");
    let weights_all_positive = weights.iter().all(|weight| *weight >= 0.0);
    Ok(Finish::Binary { base, logistic, labels: [no, yes], weights_all_positive })
}

fn read_regressor(attributes: &Attributes<'_>) -> Result<Finish, Unfit> {
    if !matches!(attributes.int("n_targets"), None | Some(1)) {
        return unfit("has several targets");
    }
    if !matches!(attributes.text("aggregate_function"), None | Some("SUM")) {
        return unfit("does not sum its trees up");
    }
    if !matches!(attributes.text("post_transform"), None | Some("NONE")) {
        return unfit("is a regressor with a post transform");
    }
    match attributes.floats("base_values") {
        [] => Ok(Finish::Sum { base: 0.0 }),
        [base] => Ok(Finish::Sum { base: *base }),
        _ => unfit("has several base values"),
    }
}

/// The lists of leaves' weights, all of one length.
struct LeafLists<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    /// Classes or targets.
    ids: &'a [i64],
    weights: &'a [f32],
}

impl<'a> LeafLists<'a> {
    fn read(attributes: &'a Attributes<'_>, role: &str) -> Result<LeafLists<'a>, Unfit> {
        let lists = LeafLists {
            trees: attributes.ints(&format!("{role}_treeids")),
            nodes: attributes.ints(&format!("{role}_nodeids")),
            ids: attributes.ints(&format!("{role}_ids")),
            weights: attributes.floats(&format!("{role}_weights")),
        };
        if [lists.nodes.len(), lists.ids.len(), lists.weights.len()] != [lists.trees.len(); 3] {
            return unfit("has lists of leaves of different lengths");
        }
        match lists.weights.iter().any(|weight| !weight.is_finite()) {
            true => unfit("has a leaf that is not finite"),
            false => Ok(lists),
        }
    }

    /// Whether leaves have weights for two classes, and no more.
    fn is_pair(&self) -> bool {
        self.ids.contains(&0) && self.ids.contains(&1) && self.ids.iter().all(|id| (0..=1).contains(id))
    }

    fn single(&self) -> Result<Leaves, Unfit> {
        match self.ids.windows(2).any(|pair| pair[0] != pair[1]) {
            true => unfit("gives its leaves weights for several classes or targets"),
            false => self.of(|_| true),
        }
    }

    /// The weights for those classes or targets.
    fn of(&self, is_meant: impl Fn(i64) -> bool) -> Result<Leaves, Unfit> {
        let keys = self.trees.iter().copied().zip(self.nodes.iter().copied());
        let weights = keys.zip(self.weights.iter().copied()).zip(self.ids);
        let meant: Vec<_> = weights.filter(|(_, id)| is_meant(**id)).map(|(leaf, _)| leaf).collect();
        let leaves: HashMap<_, _> = meant.iter().copied().collect();
        match leaves.len() == meant.len() {
            true => Ok(Leaves(leaves)),
            false => unfit("gives a leaf several weights"),
        }
    }
}

/// Weights of leaves by tree and node.
struct Leaves(HashMap<(i64, i64), f32>);

impl Leaves {
    /// Whether each weight is the other's with another sign, as CatBoost has them.
    fn is_mirror_of(&self, other: &Leaves) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(leaf, weight)| other.0.get(leaf).is_some_and(|other| *weight == -other))
    }
}

/// The node lists, all of one length.
struct Lists<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    modes: &'a [&'a str],
    features: &'a [i64],
    values: &'a [f32],
    on_true: &'a [i64],
    on_false: &'a [i64],
    /// Empty: NaN is never true.
    nan_true: &'a [i64],
}

fn read_trees(attributes: &Attributes<'_>, leaves: &Leaves) -> Result<Vec<Tree>, Unfit> {
    let lists = Lists {
        trees: attributes.ints("nodes_treeids"),
        nodes: attributes.ints("nodes_nodeids"),
        modes: attributes.texts("nodes_modes"),
        features: attributes.ints("nodes_featureids"),
        values: attributes.floats("nodes_values"),
        on_true: attributes.ints("nodes_truenodeids"),
        on_false: attributes.ints("nodes_falsenodeids"),
        nan_true: attributes.ints("nodes_missing_value_tracks_true"),
    };
    let len = lists.trees.len();
    let others = [lists.nodes, lists.features, lists.on_true, lists.on_false].map(<[i64]>::len);
    let nan_fits = lists.nan_true.is_empty() || lists.nan_true.len() == len;
    if others != [len; 4] || lists.modes.len() != len || lists.values.len() != len || !nan_fits {
        return unfit("has lists of nodes of different lengths");
    }
    let mut trees = Vec::new();
    let mut seen = HashMap::new();
    let mut used = 0;
    let mut start = 0;
    while start < len {
        let id = lists.trees[start];
        let end = lists.trees[start..].iter().position(|other| *other != id).map_or(len, |after| start + after);
        if seen.insert(id, ()).is_some() {
            return unfit("has a tree whose nodes do not stand together");
        }
        let tree = read_tree(&lists, start..end, leaves)?;
        used += tree.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        trees.push(tree);
        start = end;
    }
    match used == leaves.0.len() {
        true if !trees.is_empty() => Ok(trees),
        true => unfit("has no trees"),
        false => unfit("gives weights to nodes that are not leaves"),
    }
}

fn read_tree(lists: &Lists<'_>, range: std::ops::Range<usize>, leaves: &Leaves) -> Result<Tree, Unfit> {
    let place: HashMap<i64, u32> = lists.nodes[range.clone()].iter().copied().zip(0..).collect();
    if place.len() != range.len() {
        return unfit("has a tree with two nodes of one number");
    }
    let mut parents = vec![0u32; range.len()];
    let mut child = |id: i64| match place.get(&id) {
        Some(&at) => {
            parents[at as usize] += 1;
            Ok(at)
        }
        None => unfit("has a split that leads out of its tree"),
    };
    let mut tree = Tree::with_capacity(range.len());
    for index in range {
        if lists.modes[index] == "LEAF" {
            let key = (lists.trees[index], lists.nodes[index]);
            let Some(&weight) = leaves.0.get(&key) else { return unfit("has a leaf without a weight") };
            tree.push(Node::Leaf(weight));
            continue;
        }
        let (on_true, on_false) = (child(lists.on_true[index])?, child(lists.on_false[index])?);
        // ONNX Runtime takes a 1 for yes, and nothing else.
        let nan_true = lists.nan_true.get(index).is_some_and(|flag| *flag == 1);
        tree.push(split(lists.modes[index], lists.features[index], lists.values[index], nan_true, on_true, on_false)?);
    }
    // With one parent for each but the first, what hangs on the first is a tree; whatever else there is, is a ring.
    let one_each = parents[0] == 0 && parents[1..].iter().all(|parents| *parents == 1);
    match one_each && reachable(&tree) == tree.len() {
        true => Ok(tree),
        false => unfit("has a tree that does not grow from its first node"),
    }
}

/// The four orders as one: `x < t` is `x <=` the next number below `t`, and the others are those, turned round.
fn split(mode: &str, feature: i64, value: f32, nan_true: bool, on_true: u32, on_false: u32) -> Result<Node, Unfit> {
    // No contract has more; rows to prove the kernel with are as wide as the last of them.
    let Ok(feature) = u16::try_from(feature) else { return unfit(format!("asks for feature {feature}")) };
    let feature = u32::from(feature);
    // Nothing is below the lowest, and no threshold says so.
    let is_below_all = value == f32::NEG_INFINITY && (mode == "BRANCH_LT" || mode == "BRANCH_GTE");
    if value.is_nan() || is_below_all {
        return unfit("has a threshold that no value is on the one side of");
    }
    let (threshold, turned) = match mode {
        "BRANCH_LEQ" => (value, false),
        "BRANCH_LT" => (value.next_down(), false),
        "BRANCH_GT" => (value, true),
        "BRANCH_GTE" => (value.next_down(), true),
        other => return unfit(format!("has splits of the kind {other}")),
    };
    Ok(match turned {
        false => Node::Split { feature, threshold, nan_left: nan_true, left: on_true, right: on_false },
        true => Node::Split { feature, threshold, nan_left: !nan_true, left: on_false, right: on_true },
    })
}

fn reachable(tree: &Tree) -> usize {
    let (mut count, mut open) = (0, vec![0u32]);
    while let Some(at) = open.pop() {
        count += 1;
        if let Node::Split { left, right, .. } = tree[at as usize] {
            open.extend([left, right]);
        }
    }
    count
}
