//! Models of one tree node, drawn at random for the tests, and a walk down their lists as the ONNX text has it.

use std::path::Path;

use super::check::{Proof, prove};
use super::ensemble::Ensemble;
use super::file::File;
use super::forest::Forest;
use super::kernel::{Instructions, Kind};
use super::operator::TreeOperator;
use crate::doors::Clock;
use crate::model::open::builder;
use crate::model::runtime::Runtime;
use crate::model::sequence::Sequence;
use crate::model::wire::{put_bytes, put_number};
use crate::values::model::Provider;

pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now_ns(&self) -> u64 {
        0
    }

    fn wall_us(&self) -> i64 {
        0
    }
}

pub const WIDTH: usize = 5;
pub const MODES: [&str; 4] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"];

/// Few values, so that rows often stand on a threshold.
pub fn value(random: &mut Sequence) -> f32 {
    random.below(41) as f32 / 8.0 - 2.5
}

/// A node as the ONNX lists have it.
pub struct Drawn {
    pub tree: i64,
    pub node: i64,
    pub mode: &'static str,
    pub feature: i64,
    pub value: f32,
    pub on_true: i64,
    pub on_false: i64,
    pub nan_true: i64,
    pub weight: f32,
}

/// What a model is drawn with, apart from its trees.
#[derive(Clone, Copy)]
pub struct Style {
    pub op_type: &'static str,
    pub post: Option<&'static str>,
    pub base: Option<f32>,
    pub positive: bool,
    /// The same for all splits of a model, as exporters do it and as ONNX Runtime has a faster way for; or any.
    pub mode: Option<&'static str>,
    /// Leaves have weights for both classes; whether the first is the second with another sign.
    pub mirrored: Option<bool>,
}

pub const CLASSIFIER: Style = Style {
    op_type: "TreeEnsembleClassifier",
    post: Some("LOGISTIC"),
    base: None,
    positive: false,
    mode: None,
    mirrored: None,
};

/// A tree of `leaves` leaves, split anywhere: from balanced to a mere chain.
pub fn grow(random: &mut Sequence, style: Style, tree: i64, leaves: usize, lists: &mut Vec<Drawn>) {
    let start = lists.len();
    let mut open = vec![(0i64, leaves)];
    let mut free = 1;
    while let Some((node, leaves)) = open.pop() {
        let weight = value(random) / 3.0;
        let weight = if style.positive { weight.abs() / 10.0 } else { weight };
        let mut drawn =
            Drawn { tree, node, mode: "LEAF", feature: 0, value: 0.0, on_true: 0, on_false: 0, nan_true: 0, weight };
        if leaves > 1 {
            let on_true = 1 + random.below(leaves - 1);
            drawn.mode = style.mode.unwrap_or(MODES[random.below(MODES.len())]);
            drawn.feature = random.below(WIDTH) as i64;
            drawn.value = if random.below(40) == 0 { f32::INFINITY } else { value(random) };
            drawn.nan_true = random.below(2) as i64;
            (drawn.on_true, drawn.on_false) = (free, free + 1);
            open.extend([(free, on_true), (free + 1, leaves - on_true)]);
            free += 2;
        }
        lists.push(drawn);
    }
    // ONNX Runtime and we take the first for the root; the order of the others is free.
    for at in (start + 2..lists.len()).rev() {
        lists.swap(at, start + 1 + random.below(at - start));
    }
}

/// One row's sum, by the operators' text.
pub fn walk(lists: &[Drawn], row: &[f32]) -> f32 {
    let trees = lists.chunk_by(|one, other| one.tree == other.tree);
    trees.fold(0.0, |sum, tree| {
        let mut at = &tree[0];
        while at.mode != "LEAF" {
            let x = row[at.feature as usize];
            let holds = match at.mode {
                "BRANCH_LEQ" => x <= at.value,
                "BRANCH_LT" => x < at.value,
                "BRANCH_GT" => x > at.value,
                _ => x >= at.value,
            };
            let goes = if holds || (x.is_nan() && at.nan_true == 1) { at.on_true } else { at.on_false };
            at = tree.iter().find(|node| node.node == goes).unwrap();
        }
        sum + at.weight
    })
}

pub enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a str>),
}

pub fn attribute(name: &str, value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    match value {
        Value::Int(value) => put_number(&mut out, 3, *value as u64),
        Value::Text(text) => put_bytes(&mut out, 4, text.as_bytes()),
        Value::Floats(values) => {
            let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            put_bytes(&mut out, 7, &packed);
        }
        // Not packed, as the Python package writes them.
        Value::Ints(values) => values.iter().for_each(|value| put_number(&mut out, 8, *value as u64)),
        Value::Texts(texts) => texts.iter().for_each(|text| put_bytes(&mut out, 9, text.as_bytes())),
    }
    let kind = match value {
        Value::Int(_) => 2,
        Value::Text(_) => 3,
        Value::Floats(_) => 6,
        Value::Ints(_) => 7,
        Value::Texts(_) => 8,
    };
    put_number(&mut out, 20, kind);
    out
}

pub type Named<'a> = Vec<(String, Value<'a>)>;

pub fn attributes(style: Style, lists: &[Drawn]) -> Named<'static> {
    let ints = |of: fn(&Drawn) -> i64| Value::Ints(lists.iter().map(of).collect());
    let leaves = || lists.iter().filter(|node| node.mode == "LEAF");
    // What a leaf votes for the first class and for the second, or for the only one.
    let votes = || {
        leaves().flat_map(|node| match style.mirrored {
            None => vec![(node, 0, node.weight)],
            Some(true) => vec![(node, 0, -node.weight), (node, 1, node.weight)],
            Some(false) => vec![(node, 0, 0.125 - 0.75 * node.weight), (node, 1, node.weight)],
        })
    };
    let role = if style.op_type == "TreeEnsembleRegressor" { "target" } else { "class" };
    let mut named = vec![
        ("nodes_treeids".to_owned(), ints(|node| node.tree)),
        ("nodes_nodeids".to_owned(), ints(|node| node.node)),
        ("nodes_featureids".to_owned(), ints(|node| node.feature)),
        ("nodes_truenodeids".to_owned(), ints(|node| node.on_true)),
        ("nodes_falsenodeids".to_owned(), ints(|node| node.on_false)),
        ("nodes_missing_value_tracks_true".to_owned(), ints(|node| node.nan_true)),
        ("nodes_values".to_owned(), Value::Floats(lists.iter().map(|node| node.value).collect())),
        ("nodes_modes".to_owned(), Value::Texts(lists.iter().map(|node| node.mode).collect())),
        (format!("{role}_treeids"), Value::Ints(votes().map(|(node, ..)| node.tree).collect())),
        (format!("{role}_nodeids"), Value::Ints(votes().map(|(node, ..)| node.node).collect())),
        (format!("{role}_ids"), Value::Ints(votes().map(|(_, id, _)| id).collect())),
        (format!("{role}_weights"), Value::Floats(votes().map(|(.., weight)| weight).collect())),
    ];
    named.extend(style.post.map(|post| ("post_transform".to_owned(), Value::Text(post))));
    named.extend(style.base.map(|base| ("base_values".to_owned(), Value::Floats(vec![base]))));
    named.push(match role {
        "class" => ("classlabels_int64s".to_owned(), Value::Ints(vec![3, 7])),
        _ => ("n_targets".to_owned(), Value::Int(1)),
    });
    named
}

/// A model that is one tree node.
pub fn model(op_type: &str, named: &Named<'_>) -> Vec<u8> {
    model_and(op_type, named, &[])
}

/// A model of a tree node and others.
pub fn model_and(op_type: &str, named: &Named<'_>, others: &[&[u8]]) -> Vec<u8> {
    let mut node = Vec::new();
    put_bytes(&mut node, 1, b"rows");
    let outputs: &[&[u8]] = if op_type == "TreeEnsembleClassifier" { &[b"label", b"scores"] } else { &[b"scores"] };
    outputs.iter().for_each(|output| put_bytes(&mut node, 2, output));
    put_bytes(&mut node, 4, op_type.as_bytes());
    named.iter().for_each(|(name, value)| put_bytes(&mut node, 5, &attribute(name, value)));
    put_bytes(&mut node, 7, b"ai.onnx.ml");
    let (mut graph, mut file, mut given) = (Vec::new(), Vec::new(), Vec::new());
    put_bytes(&mut graph, 1, &node);
    put_bytes(&mut given, 1, b"rows");
    put_bytes(&mut graph, 11, &given);
    others.iter().for_each(|other| put_bytes(&mut graph, 1, other));
    put_number(&mut file, 1, 8);
    put_bytes(&mut file, 7, &graph);
    for (domain, version) in [("", 17), ("ai.onnx.ml", 3)] {
        let mut opset = Vec::new();
        put_bytes(&mut opset, 1, domain.as_bytes());
        put_number(&mut opset, 2, version);
        put_bytes(&mut file, 8, &opset);
    }
    file
}

pub fn drawn(seed: u64, style: Style, leaves: &[usize]) -> Vec<Drawn> {
    let (mut random, mut lists) = (Sequence::new(seed), Vec::new());
    for (tree, leaves) in leaves.iter().enumerate() {
        grow(&mut random, style, tree as i64, *leaves, &mut lists);
    }
    lists
}

pub fn read(style: Style, lists: &[Drawn]) -> Ensemble {
    let file = model(style.op_type, &attributes(style, lists));
    let mut file = File::read(&file).unwrap();
    file.found.remove(0).ensemble().unwrap()
}

/// Sizes around a block's 32 leaves and several of them.
pub const SIZES: [&[usize]; 7] = [&[1], &[2], &[31, 32, 33], &[64, 65, 1, 5], &[200, 3, 90], &[31; 40], &[7; 90]];

pub fn runtime() -> Runtime {
    let file = format!("target/onnxruntime/1.28.0-{}/libonnxruntime.so.1.28.0", std::env::consts::ARCH);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let path = std::env::var_os("SCOREWIRE_TEST_ORT").map_or(fetched, Into::into);
    Runtime::load(Some(&path)).unwrap_or_else(|fatal| panic!("{fatal}"))
}

pub fn forests(ensemble: &Ensemble) -> Vec<Forest> {
    let forest =
        |trees: &Vec<_>| Forest::new(trees, Instructions::best(), &Kind::ALL).expect("trees of a reasonable size");
    ensemble.sums.iter().map(forest).collect()
}

/// Holds the operator against ONNX Runtime's node, after `spoil` was at the ensemble that the operator is made of.
pub fn held(style: Style, lists: &[Drawn], spoil: impl FnOnce(&mut Ensemble)) -> Result<Proof, String> {
    let runtime = runtime();
    let bytes = model(style.op_type, &attributes(style, lists));
    let file = File::read(&bytes).unwrap();
    let mut ensemble = file.found[0].ensemble().unwrap();
    spoil(&mut ensemble);
    let operator = TreeOperator::new(0, forests(&ensemble), ensemble.finish);
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    prove(&settings, &file, &file.found[0], &operator, &ensemble)
}
