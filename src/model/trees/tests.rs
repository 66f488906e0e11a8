//! Random ensembles of every form that is read, held against a walk down their lists as the ONNX text has it, and
//! against ONNX Runtime.

use std::path::Path;

use super::check::agrees;
use super::ensemble::{Ensemble, Finish, Node, Unfit};
use super::file::File;
use super::forest::{Forest, Scratch};
use super::kernel::Kernel;
use super::operator::TreeOperator;
use super::replace::{Graph, TreeNode};
use crate::model::open::builder;
use crate::model::runtime::Runtime;
use crate::model::sequence::Sequence;
use crate::model::session::Provider;
use crate::model::wire::{put_bytes, put_number};

mod random;

const WIDTH: usize = 5;
const MODES: [&str; 4] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"];

/// Few values, so that rows often stand on a threshold.
fn value(random: &mut Sequence) -> f32 {
    random.below(41) as f32 / 8.0 - 2.5
}

/// A node as the ONNX lists have it.
struct Drawn {
    tree: i64,
    node: i64,
    mode: &'static str,
    feature: i64,
    value: f32,
    on_true: i64,
    on_false: i64,
    nan_true: i64,
    weight: f32,
}

/// What a model is drawn with, apart from its trees.
#[derive(Clone, Copy)]
struct Style {
    op_type: &'static str,
    post: Option<&'static str>,
    base: Option<f32>,
    positive: bool,
    /// The same for all splits of a model, as exporters do it and as ONNX Runtime has a faster way for; or any.
    mode: Option<&'static str>,
}

const CLASSIFIER: Style =
    Style { op_type: "TreeEnsembleClassifier", post: Some("LOGISTIC"), base: None, positive: false, mode: None };

/// A tree of `leaves` leaves, split anywhere: from balanced to a mere chain.
fn grow(random: &mut Sequence, style: Style, tree: i64, leaves: usize, lists: &mut Vec<Drawn>) {
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
fn walk(lists: &[Drawn], row: &[f32]) -> f32 {
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

enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a str>),
}

fn attribute(name: &str, value: &Value<'_>) -> Vec<u8> {
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

type Named<'a> = Vec<(String, Value<'a>)>;

fn attributes(style: Style, lists: &[Drawn]) -> Named<'static> {
    let ints = |of: fn(&Drawn) -> i64| Value::Ints(lists.iter().map(of).collect());
    let leaves = || lists.iter().filter(|node| node.mode == "LEAF");
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
        (format!("{role}_treeids"), Value::Ints(leaves().map(|node| node.tree).collect())),
        (format!("{role}_nodeids"), Value::Ints(leaves().map(|node| node.node).collect())),
        (format!("{role}_ids"), Value::Ints(leaves().map(|_| 0).collect())),
        (format!("{role}_weights"), Value::Floats(leaves().map(|node| node.weight).collect())),
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
fn model(op_type: &str, named: &Named<'_>) -> Vec<u8> {
    model_and(op_type, named, &[])
}

/// A model of a tree node and others.
fn model_and(op_type: &str, named: &Named<'_>, others: &[&[u8]]) -> Vec<u8> {
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

fn drawn(seed: u64, style: Style, leaves: &[usize]) -> Vec<Drawn> {
    let (mut random, mut lists) = (Sequence::new(seed), Vec::new());
    for (tree, leaves) in leaves.iter().enumerate() {
        grow(&mut random, style, tree as i64, *leaves, &mut lists);
    }
    lists
}

fn read(style: Style, lists: &[Drawn]) -> Ensemble {
    let file = model(style.op_type, &attributes(style, lists));
    let mut file = File::read(&file).unwrap();
    file.found.remove(0).ensemble.unwrap()
}

/// Sizes around a block's 32 leaves and several of them.
const SIZES: [&[usize]; 7] = [&[1], &[2], &[31, 32, 33], &[64, 65, 1, 5], &[200, 3, 90], &[31; 40], &[7; 90]];

#[test]
fn every_kernel_sums_as_a_walk_down_the_trees_does() {
    for (seed, leaves) in (1..).zip(SIZES) {
        let lists = drawn(seed, CLASSIFIER, leaves);
        let ensemble = read(CLASSIFIER, &lists);
        let mut random = Sequence::new(seed + 100);
        // Not whole steps of sixteen, and wider than the trees ask for.
        let rows: Vec<f32> = (0..77 * (WIDTH + 1))
            .map(|_| match random.below(12) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => f32::NEG_INFINITY,
                3 => -0.0,
                _ => value(&mut random),
            })
            .collect();
        let expected: Vec<u32> = rows.chunks(WIDTH + 1).map(|row| walk(&lists, row).to_bits()).collect();
        for kernel in Kernel::available() {
            let forest = Forest::for_kernel(&ensemble, kernel);
            let (mut sums, mut scratch) = (vec![0.0; 77], Scratch::default());
            forest.sums(&rows, WIDTH + 1, &mut sums, &mut scratch);
            let got: Vec<u32> = sums.iter().map(|sum| sum.to_bits()).collect();
            assert_eq!(got, expected, "{} with {leaves:?} leaves", kernel.name());
        }
    }
}

fn runtime() -> Runtime {
    let file = format!("target/onnxruntime/1.28.0-{}/libonnxruntime.so.1.28.0", std::env::consts::ARCH);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let path = std::env::var_os("SCOREWIRE_TEST_ORT").map_or(fetched, Into::into);
    Runtime::load(Some(&path)).unwrap_or_else(|fatal| panic!("{fatal}"))
}

/// Holds the operator against ONNX Runtime's node, after `spoil` was at the ensemble that the operator is made of.
fn held(style: Style, lists: &[Drawn], spoil: impl FnOnce(&mut Ensemble)) -> Result<usize, String> {
    let runtime = runtime();
    let bytes = model(style.op_type, &attributes(style, lists));
    let file = File::read(&bytes).unwrap();
    let mut ensemble = file.found[0].ensemble.clone().unwrap();
    spoil(&mut ensemble);
    let operator =
        TreeOperator { name: "Trees".to_owned(), forest: Forest::new(&ensemble).into(), finish: ensemble.finish };
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    agrees(&settings, &file, &file.found[0], &operator)
}

#[test]
fn the_operator_gives_onnx_runtimes_bits_for_every_form_that_is_read() {
    let regressor = Style { op_type: "TreeEnsembleRegressor", post: None, ..CLASSIFIER };
    let mut styles = vec![
        CLASSIFIER,
        Style { post: Some("NONE"), ..CLASSIFIER },
        Style { post: None, base: Some(0.3), ..CLASSIFIER },
        Style { base: Some(-1.5), ..CLASSIFIER },
        Style { positive: true, ..CLASSIFIER },
        Style { positive: true, post: None, base: Some(0.1), ..CLASSIFIER },
        regressor,
        Style { base: Some(0.7), ..regressor },
    ];
    styles.extend(MODES.map(|mode| Style { mode: Some(mode), ..CLASSIFIER }));
    for (seed, style) in (1..).zip(styles) {
        for leaves in SIZES {
            let held = held(style, &drawn(seed, style, leaves), |_| {});
            let told = format!("{} {:?} {:?} {:?}, {leaves:?}", style.op_type, style.post, style.base, style.mode);
            assert!(held.as_ref().is_ok_and(|rows| *rows > 4_000), "{told}: {held:?}");
        }
    }
}

#[test]
fn one_bit_in_one_leaf_or_threshold_is_found() {
    let leaves = &[31; 40];
    for seed in 1..=3u64 {
        let lists = drawn(seed, CLASSIFIER, leaves);
        let at = |ensemble: &Ensemble, wanted: fn(&Node) -> bool| {
            let tree = seed as usize * 7 % ensemble.trees.len();
            (tree, ensemble.trees[tree].iter().rposition(wanted).unwrap())
        };
        assert!(held(CLASSIFIER, &lists, |_| {}).is_ok());
        let leaf = held(CLASSIFIER, &lists, |ensemble| {
            let (tree, node) = at(ensemble, |node| matches!(node, Node::Leaf(weight) if *weight != 0.0));
            if let Node::Leaf(weight) = &mut ensemble.trees[tree][node] {
                *weight += 0.001;
            }
        });
        assert!(leaf.is_err(), "a leaf");
        // The root's: every row asks it.
        let threshold = held(CLASSIFIER, &lists, |ensemble| {
            let roots = ensemble.trees.iter_mut().map(|tree| &mut tree[0]);
            let finite = |node: &&mut Node| matches!(node, Node::Split { threshold, .. } if threshold.is_finite());
            let Some(Node::Split { threshold, .. }) = roots.skip(seed as usize).find(finite) else { unreachable!() };
            *threshold = threshold.next_up();
        });
        assert!(threshold.is_err(), "a threshold");
        let missing = held(CLASSIFIER, &lists, |ensemble| {
            let Node::Split { nan_left, .. } = &mut ensemble.trees[seed as usize][0] else { unreachable!() };
            *nan_left = !*nan_left;
        });
        assert!(missing.is_err(), "a missing value's way");
        let transform = held(CLASSIFIER, &lists, |ensemble| {
            ensemble.finish =
                Finish::Binary { base: None, logistic: false, labels: [3, 7], weights_all_positive: false };
        });
        assert!(transform.is_err(), "the transform");
    }
}

#[test]
fn what_is_not_read_stays_and_says_why() {
    let lists = drawn(5, CLASSIFIER, &[4, 4]);
    let refused = |change: &dyn Fn(&mut Named<'static>)| {
        let mut named = attributes(CLASSIFIER, &lists);
        change(&mut named);
        let file = model(CLASSIFIER.op_type, &named);
        let Unfit(why) = File::read(&file).unwrap().found.remove(0).ensemble.unwrap_err();
        why
    };
    let set = |name: &'static str, value: fn() -> Value<'static>| {
        refused(&move |named| {
            named.retain(|(other, _)| other != name);
            named.push((name.to_owned(), value()));
        })
    };
    let cases = [
        (set("post_transform", || Value::Text("SOFTMAX")), "SOFTMAX"),
        (set("classlabels_int64s", || Value::Ints(vec![0, 1, 2])), "two classes"),
        (set("base_values", || Value::Floats(vec![0.1, 0.2])), "base value for each class"),
        (set("class_ids", || Value::Ints(vec![0, 1, 0, 1, 0, 1, 0, 1])), "several classes"),
        (set("class_ids", || Value::Ints(vec![0])), "different lengths"),
        (set("class_weights", || Value::Floats(vec![f32::NAN; 8])), "not finite"),
        (set("nodes_modes", || Value::Texts(vec!["BRANCH_EQ"; 14])), "BRANCH_EQ"),
        (set("nodes_modes", || Value::Texts(vec!["LEAF"; 14])), "leaf without a weight"),
        (set("nodes_values", || Value::Floats(vec![f32::NAN; 14])), "no value is on the one side"),
        (set("nodes_featureids", || Value::Ints(vec![-1; 14])), "below 0"),
        (set("nodes_truenodeids", || Value::Ints(vec![99; 14])), "out of its tree"),
        (set("nodes_truenodeids", || Value::Ints(vec![0; 14])), "does not grow from its first node"),
        (set("nodes_nodeids", || Value::Ints(vec![1; 14])), "two nodes of one number"),
        (set("nodes_hitrates_as_tensor", || Value::Int(1)), "nodes_hitrates_as_tensor"),
    ];
    for (why, expected) in cases {
        assert!(why.contains(expected), "{why}, not {expected}");
    }
    let mut scattered = drawn(5, CLASSIFIER, &[1, 1, 1]);
    scattered[2].tree = 0;
    let file = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &scattered));
    let scattered = File::read(&file).unwrap().found.remove(0).ensemble;
    assert_eq!(scattered, Err(Unfit("gives a leaf several weights".to_owned())));
    let mut lists = drawn(5, CLASSIFIER, &[1, 1, 1]);
    (lists[2].tree, lists[2].node) = (0, 1);
    let file = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &lists));
    let scattered = File::read(&file).unwrap().found.remove(0).ensemble;
    assert_eq!(scattered, Err(Unfit("has a tree whose nodes do not stand together".to_owned())));
}

#[test]
fn trees_too_large_to_pay_stay_with_onnx_runtime() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let exchanged = |leaves: &[usize]| {
        let lists = drawn(9, CLASSIFIER, leaves);
        Graph::exchange(&model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &lists)), &settings).nodes.remove(0)
    };
    assert!(matches!(exchanged(&[31; 20]), TreeNode::Kernel { trees: 20, .. }));
    let TreeNode::OnnxRuntime { why } = exchanged(&[2_000; 3]) else { panic!("a kernel for 2,000 leaves") };
    assert!(why.contains("5997 splits in 3 trees"), "{why}");
}

#[test]
fn the_kernel_answers_by_itself_only_where_its_scores_are_the_graphs_answer() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let mut bytes = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &drawn(9, CLASSIFIER, &[31; 20])));
    let graph = Graph::exchange(&bytes, &settings);
    assert!(graph.direct("scores").is_some());
    assert!(graph.direct("label").is_none());
    // The graph is given something else, and the node's rows come from elsewhere.
    let given = bytes.windows(4).rposition(|four| four == b"rows").unwrap();
    bytes[given..given + 4].copy_from_slice(b"cols");
    assert!(Graph::exchange(&bytes, &settings).direct("scores").is_none());
}
