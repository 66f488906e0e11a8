//! Models that ONNX Runtime does not survive: each ended the process while it was opened. They are refused before, with
//! exit code 65; what is as large as may be is opened and scored. And domains, which count where a node uses them.

use crate::model_support::onnx::{Named, Value, function, graph, model, node, package};
use crate::model_support::{Draft, library, settings};
use assert_cmd::Command;
use scorewire::error::exit;
use scorewire::values::model::Trees;

const DEEP_MAX: usize = 1_024;
const ML: &str = "ai.onnx.ml";
/// In the contract.
const OUTPUT: &str = "tensor = \"y\"\n";

#[derive(Clone, Copy, PartialEq)]
enum Side {
    True,
    False,
}

/// A node of one tree: a chain of splits, each with a leaf of 0.5 on the other side.
fn chain(op_type: &str, splits: usize, mode: &'static str, side: Side, input: &str) -> Vec<u8> {
    let count = splits as i64;
    let (leaves, next): (Vec<i64>, Vec<i64>) =
        ((count..2 * count).collect(), (1..=count).map(|next| if next < count { next } else { 2 * count }).collect());
    let (mut on_true, mut on_false) = if side == Side::True { (next, leaves) } else { (leaves, next) };
    let nodes = 2 * splits + 1;
    [&mut on_true, &mut on_false].into_iter().for_each(|list| list.resize(nodes, 0));
    let mut modes = vec![mode; splits];
    modes.resize(nodes, "LEAF");
    let weights = splits + 1;
    let mut named: Vec<Named> = vec![
        ("nodes_treeids", Value::Ints(vec![0; nodes])),
        ("nodes_nodeids", Value::Ints((0..nodes as i64).collect())),
        ("nodes_featureids", Value::Ints((0..nodes as i64).map(|at| at % 4).collect())),
        ("nodes_values", Value::Floats((0..nodes).map(|at| at as f32).collect())),
        ("nodes_modes", Value::Texts(modes)),
        ("nodes_truenodeids", Value::Ints(on_true)),
        ("nodes_falsenodeids", Value::Ints(on_false)),
    ];
    let (trees, ids) = (Value::Ints(vec![0; weights]), Value::Ints(vec![0; weights]));
    let (places, values) = (Value::Ints((count..=2 * count).collect()), Value::Floats(vec![0.5; weights]));
    let outputs = if op_type == "TreeEnsembleClassifier" {
        named.extend([
            ("class_treeids", trees),
            ("class_nodeids", places),
            ("class_ids", ids),
            ("class_weights", values),
        ]);
        named.push(("classlabels_int64s", Value::Ints(vec![0, 1])));
        &["label", "y"][..]
    } else {
        named.extend([("target_treeids", trees), ("target_nodeids", places), ("target_ids", ids)]);
        named.extend([("target_weights", values), ("n_targets", Value::Int(1))]);
        &["y"]
    };
    node(ML, op_type, &[input], outputs, &named)
}

/// A `TreeEnsemble` of version 5: its splits' children, each with whether that is a leaf, and the leaves.
fn ensemble(sides: [Vec<(i64, bool)>; 2], leaves: usize, mode: u8, members: Vec<f32>, root: i64) -> Vec<u8> {
    let splits = sides[0].len();
    let [on_true, on_false] = sides.map(|side| {
        let (ids, leafs): (Vec<i64>, Vec<bool>) = side.into_iter().unzip();
        (Value::Ints(ids), Value::Ints(leafs.into_iter().map(i64::from).collect()))
    });
    let mut named = vec![
        ("n_targets", Value::Int(1)),
        ("tree_roots", Value::Ints(vec![root])),
        ("nodes_modes", Value::Bytes(vec![mode; splits])),
        ("nodes_featureids", Value::Ints((0..splits as i64).map(|at| at % 4).collect())),
        ("nodes_splits", Value::Numbers(vec![0.0; splits])),
        ("nodes_truenodeids", on_true.0),
        ("nodes_trueleafs", on_true.1),
        ("nodes_falsenodeids", on_false.0),
        ("nodes_falseleafs", on_false.1),
        ("leaf_targetids", Value::Ints(vec![0; leaves])),
        ("leaf_weights", Value::Numbers(vec![0.5; leaves])),
    ];
    if !members.is_empty() {
        named.push(("membership_values", Value::Numbers(members)));
    }
    node(ML, "TreeEnsemble", &["input"], &["y"], &named)
}

/// As [`chain`], of version 5.
fn chain_of_five(splits: usize, mode: u8, side: Side, members: Vec<f32>) -> Vec<u8> {
    let count = splits as i64;
    let leaves: Vec<_> = (0..count).map(|leaf| (leaf, true)).collect();
    let next: Vec<_> = (1..=count).map(|next| (next, next == count)).collect();
    let sides = if side == Side::True { [next, leaves] } else { [leaves, next] };
    ensemble(sides, splits + 1, mode, members, 0)
}

fn alone(node: Vec<u8>, version: u64) -> Vec<u8> {
    model(&graph(&[node], &["input"], &["y"]), &[("", 17), (ML, version)], &[])
}

/// Every way to write a chain, with what `splits` of them make.
fn chains(splits: usize) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for side in [Side::True, Side::False] {
        let way = if side == Side::True { "true" } else { "false" };
        for op_type in ["TreeEnsembleRegressor", "TreeEnsembleClassifier"] {
            for (mode, version) in [("BRANCH_LEQ", 1), ("BRANCH_EQ", 3), ("BRANCH_GT", 3)] {
                let bytes = alone(chain(op_type, splits, mode, side, "input"), version);
                all.push((format!("{op_type} {version} {mode} {way}"), bytes));
            }
        }
        for mode in [0, 4] {
            all.push((format!("TreeEnsemble 5 {mode} {way}"), alone(chain_of_five(splits, mode, side, Vec::new()), 5)));
        }
    }
    // In a branch of an If, and in a function.
    let inner = || chain("TreeEnsembleRegressor", splits, "BRANCH_LEQ", Side::False, "input");
    let branch = || ("then_branch", Value::Graph(graph(&[inner()], &[], &["y"])));
    let other = || ("else_branch", Value::Graph(graph(&[node("", "Identity", &["input"], &["y"], &[])], &[], &["y"])));
    let yes = node("", "ReduceMax", &["input"], &["most"], &[("keepdims", Value::Int(0))]);
    let cast = node("", "Cast", &["most"], &["yes"], &[("to", Value::Int(9))]);
    let either = node("", "If", &["yes"], &["y"], &[branch(), other()]);
    all.push((
        "in a branch".into(),
        model(&graph(&[yes, cast, either], &["input"], &["y"]), &[("", 17), (ML, 3)], &[]),
    ));
    let body = chain("TreeEnsembleRegressor", splits, "BRANCH_LEQ", Side::False, "x");
    let called = function("Deep", &[], &[body], &[("", 17), (ML, 3)]);
    let call = node("local", "Deep", &["input"], &["y"], &[]);
    let opsets = [("", 17), (ML, 3), ("local", 1)];
    all.push(("in a function".into(), model(&graph(&[call], &["input"], &["y"]), &opsets, &[called])));
    all
}

fn draft(name: &str, bytes: &[u8]) -> Draft {
    let draft = package(bytes);
    match name.contains("Classifier") {
        true => draft.replace(OUTPUT, "tensor = \"y\"\ncolumn = 1\n"),
        false => draft,
    }
}

#[test]
fn chains_of_splits_are_accepted_up_to_the_limit_and_refused_beyond_it() {
    for (name, bytes) in chains(DEEP_MAX) {
        let model = draft(&name, &bytes).prepare(&settings());
        assert!(model.is_ok(), "{name}: {:?}", model.err());
    }
    for (name, bytes) in chains(DEEP_MAX + 1) {
        let fatal = draft(&name, &bytes).refused();
        assert_eq!(fatal.code, exit::MODEL, "{name}");
        for piece in ["its tree ensemble `y`", "goes 1025 splits down from", "at most 1024"] {
            assert!(fatal.what.contains(piece), "{name}: {fatal}");
        }
        assert!(fatal.fix.contains("max_depth"), "{name}: {fatal}");
    }
}

/// 13,000 splits ended the process by SIGSEGV.
#[test]
fn the_program_refuses_a_chain_and_lives() {
    for bytes in [
        alone(chain("TreeEnsembleRegressor", 13_000, "BRANCH_EQ", Side::False, "input"), 3),
        alone(chain_of_five(13_000, 0, Side::True, Vec::new()), 5),
    ] {
        let draft = package(&bytes).write();
        let mut command = Command::cargo_bin("scorewire").unwrap();
        command.env_clear().args(["model", "check"]).arg(draft.path()).arg("--onnxruntime").arg(library());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(65), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("goes 13000 splits down"), "{told}");
    }
}

/// ONNX Runtime takes sets of up to thirty members apart, a split for each.
#[test]
fn small_sets_count_as_many_splits_as_they_have_members() {
    let sets = |splits: usize, members: usize| -> Vec<f32> {
        // Larger sets hold whole numbers only.
        let step = if members < 31 { 0.5 } else { 1.0 };
        let set: Vec<f32> = (0..members).map(|at| at as f32 * step).chain([f32::NAN]).collect();
        set.repeat(splits)
    };
    let of = |splits, members| alone(chain_of_five(splits, 6, Side::False, sets(splits, members)), 5);
    for (splits, members) in [(102, 10), (DEEP_MAX, 1), (DEEP_MAX, 31), (34, 30)] {
        let model = package(&of(splits, members)).prepare(&settings());
        assert!(model.is_ok(), "{splits} of {members}: {:?}", model.err());
    }
    let fatal = package(&of(103, 10)).refused();
    assert!(fatal.what.contains("goes 1030 splits down from split 0"), "{fatal}");
    let fatal = package(&of(3, 0)).refused();
    assert!(fatal.what.contains("a split by a set without members"), "{fatal}");
}

#[test]
fn rings_and_numbers_that_lead_nowhere_are_refused() {
    let ring = |mode| ensemble([vec![(1, false), (0, false)], vec![(0, true), (0, true)]], 1, mode, Vec::new(), 0);
    let astray = |to, is_leaf| ensemble([vec![(to, is_leaf)], vec![(0, true)]], 1, 0, Vec::new(), 0);
    let cases = [
        (alone(ring(0), 5), "has a ring of splits (split 0)"),
        (alone(ring(4), 5), "has a ring of splits (split 0)"),
        (alone(astray(0, false), 5), "has a ring of splits (split 0)"),
        (alone(astray(1, false), 5), "leads from split 0 to one that is not there"),
        (alone(astray(1, true), 5), "leads from split 0 to one that is not there"),
        (alone(astray(-1, true), 5), "leads from split 0 to one that is not there"),
        (
            alone(ensemble([vec![(0, true)], vec![(0, true)]], 1, 0, Vec::new(), 1), 5),
            "has a root at split 1, and 1 splits",
        ),
    ];
    for (bytes, told) in cases {
        let fatal = package(&bytes).refused();
        assert!(fatal.code == exit::MODEL && fatal.what.contains(told), "{fatal}");
    }
    // Both splits of the older form lead to the other.
    let named = vec![
        ("nodes_treeids", Value::Ints(vec![4; 3])),
        ("nodes_nodeids", Value::Ints(vec![0, 1, 2])),
        ("nodes_featureids", Value::Ints(vec![0; 3])),
        ("nodes_values", Value::Floats(vec![0.0; 3])),
        ("nodes_modes", Value::Texts(vec!["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"])),
        ("nodes_truenodeids", Value::Ints(vec![2, 2, 0])),
        ("nodes_falsenodeids", Value::Ints(vec![1, 0, 0])),
        ("n_targets", Value::Int(1)),
    ];
    let fatal = package(&alone(node(ML, "TreeEnsembleRegressor", &["input"], &["y"], &named), 3)).refused();
    assert!(fatal.what.contains("has a ring of splits (tree 4, node 0)"), "{fatal}");
}

/// Forty splits that grow to 2^41 where each is copied for the two that lead to it.
#[test]
fn splits_that_are_copied_without_end_are_refused() {
    let diamonds = |count: i64| {
        let next: Vec<_> = (1..=count).map(|next| if next < count { (next, false) } else { (0, true) }).collect();
        alone(ensemble([next.clone(), next], 1, 0, Vec::new(), 0), 5)
    };
    let fatal = package(&diamonds(40)).refused();
    assert!(fatal.what.contains("grows from 40 splits to 2199023255551 splits and leaves"), "{fatal}");
    assert!(package(&diamonds(8)).prepare(&settings()).is_ok(), "a few shared splits are copied");
}

#[test]
fn trees_whose_shape_only_the_call_of_a_function_gives_are_refused() {
    let shape = |given: &'static str| -> Vec<Named> { vec![(given, Value::Of("shape", 7))] };
    let body = node(ML, "TreeEnsembleRegressor", &["x"], &["y"], &shape("nodes_truenodeids"));
    let called = function("Deep", &["shape"], &[body], &[("", 17), (ML, 3)]);
    let call = node("local", "Deep", &["input"], &["y"], &[("shape", Value::Ints(vec![0]))]);
    let opsets = [("", 17), (ML, 3), ("local", 1)];
    let fatal = package(&model(&graph(&[call], &["input"], &["y"]), &opsets, &[called])).refused();
    assert!(fatal.what.contains("takes `nodes_truenodeids` from the call of the function"), "{fatal}");
}

/// ONNX Runtime's optimiser writes the imports of all domains that it knows.
#[test]
fn a_domain_counts_where_a_node_uses_it() {
    for trees in [Trees::Auto, Trees::OnnxRuntime] {
        let mut settings = settings();
        settings.trees = trees;
        let draft = Draft::new("unused_imports", "probabilities", Some(1));
        let model = draft.prepare(&settings).unwrap();
        assert_eq!(model.report.golden_difference_max, 0.0);
        assert_eq!(model.graph.is_changed(), trees == Trees::Auto, "the import keeps no kernel away");
    }
    let half = || node("", "Sigmoid", &["zero"], &["y"], &[]);
    let zero = |input: &str| node("", "Sub", &[input, input], &["zero"], &[]);
    // A function may import what it does not use either.
    let opsets = [("", 17), ("com.example.magic", 1)];
    let idle = function("Idle", &[], &[zero("x"), half()], &opsets);
    let call = node("local", "Idle", &["input"], &["y"], &[]);
    let of_call = |called: Vec<u8>, call: Vec<u8>| {
        model(&graph(&[call], &["input"], &["y"]), &[("", 17), ("local", 1), ("com.example.magic", 1)], &[called])
    };
    let draft = package(&of_call(idle, call)).replace(OUTPUT, "tensor = \"y\"\ncolumn = 0\n");
    assert_eq!(draft.prepare(&settings()).map(|model| model.package.golden.scores.clone()).unwrap(), [0.5]);
    // Used in a function and in a branch, it is refused by name before ONNX Runtime is asked.
    let magic = || node("com.example.magic", "Magic", &["x"], &["y"], &[]);
    let in_function =
        of_call(function("Idle", &[], &[magic()], &opsets), node("local", "Idle", &["input"], &["y"], &[]));
    let branch = || ("then_branch", Value::Graph(graph(&[magic()], &[], &["y"])));
    let in_branch = model(&graph(&[node("", "If", &["input"], &["y"], &[branch()])], &["input"], &["y"]), &opsets, &[]);
    for bytes in [in_function, in_branch] {
        let fatal = package(&bytes).refused();
        assert!(fatal.what.contains("unknown domains: `com.example.magic`"), "{fatal}");
    }
}
