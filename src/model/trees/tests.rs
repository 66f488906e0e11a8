//! Random ensembles of every form that is read, held against a walk down their lists as the ONNX text has it, and
//! against ONNX Runtime.

use super::drawn::*;
use super::ensemble::{Ensemble, Finish, Node, Unfit};
use super::file::File;
use super::forest::{Forest, Scratch};
use super::kernel::Kernel;
use super::replace::{Graph, TreeNode};
use crate::model::open::builder;
use crate::model::sequence::Sequence;
use crate::values::model::Provider;

mod random;

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
            assert!(held.as_ref().is_ok_and(|proof| proof.rows > 4_000), "{told}: {held:?}");
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
        let Unfit(why) = File::read(&file).unwrap().found.remove(0).ensemble().unwrap_err();
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
        (set("nodes_featureids", || Value::Ints(vec![-1; 14])), "feature -1"),
        (set("nodes_featureids", || Value::Ints(vec![874_798_254; 14])), "feature 874798254"),
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
    let scattered = File::read(&file).unwrap().found.remove(0).ensemble();
    assert_eq!(scattered, Err(Unfit("gives a leaf several weights".to_owned())));
    let mut lists = drawn(5, CLASSIFIER, &[1, 1, 1]);
    (lists[2].tree, lists[2].node) = (0, 1);
    let file = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &lists));
    let scattered = File::read(&file).unwrap().found.remove(0).ensemble();
    assert_eq!(scattered, Err(Unfit("has a tree whose nodes do not stand together".to_owned())));
}

#[test]
fn trees_too_large_to_pay_stay_with_onnx_runtime() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let exchanged = |leaves: &[usize]| {
        let lists = drawn(9, CLASSIFIER, leaves);
        Graph::exchange(&model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &lists)), &settings, &StoppedClock)
            .nodes
            .remove(0)
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
    let graph = Graph::exchange(&bytes, &settings, &StoppedClock);
    assert!(graph.direct("scores").is_some());
    assert!(graph.direct("label").is_none());
    // The graph is given something else, and the node's rows come from elsewhere.
    let given = bytes.windows(4).rposition(|four| four == b"rows").unwrap();
    bytes[given..given + 4].copy_from_slice(b"cols");
    assert!(Graph::exchange(&bytes, &settings, &StoppedClock).direct("scores").is_none());
}
