//! Random ensembles of every form that is read, held against a walk down their lists as the ONNX text has it, and
//! against ONNX Runtime.

use std::time::Duration;

use super::check::Proof;
use super::drawn::*;
use super::ensemble::{Ensemble, Node, Unfit};
use super::file::File;
use super::finish::Finish;
use super::forest::Choice;
use super::kernel::{Instructions, Kernel, Kind, Scratch};
use super::replace::{Graph, RowsLeft, Run, TreeNode};
use crate::model::open::builder;
use crate::model::sequence::Sequence;
use crate::values::model::Provider;

mod random;

/// Every kernel for every instructions of this processor, in calls of many sizes, against a walk down the lists.
fn hold_kernels(ensemble: &Ensemble, lists: &[Drawn], rows: &[f32], told: &str) {
    let expected: Vec<u32> = rows.chunks(WIDTH + 1).map(|row| walk(lists, row).to_bits()).collect();
    let mut scratch = Scratch::default();
    for instructions in Instructions::available() {
        for kernel in Kernel::some(ensemble.trees(), instructions, &Kind::ALL) {
            for size in [expected.len(), 1, 3, 16, 61, 64] {
                let mut sums = vec![f32::NAN; expected.len()];
                for (rows, sums) in rows.chunks(size * (WIDTH + 1)).zip(sums.chunks_mut(size)) {
                    kernel.sums(rows, WIDTH + 1, sums, &mut scratch);
                }
                let got: Vec<u32> = sums.iter().map(|sum| sum.to_bits()).collect();
                let name = kernel.kind().name();
                assert_eq!(got, expected, "{name} ({}), calls of {size} rows, {told}", instructions.name());
            }
        }
    }
}

#[test]
fn every_kernel_sums_as_a_walk_down_the_trees_does() {
    for (seed, leaves) in (1..).zip(SIZES) {
        let lists = drawn(seed, CLASSIFIER, leaves);
        let mut random = Sequence::new(seed + 100);
        // Not whole steps of sixteen or sixty-four, and wider than the trees ask for.
        let rows: Vec<f32> = (0..205 * (WIDTH + 1))
            .map(|_| match random.below(12) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => f32::NEG_INFINITY,
                3 => -0.0,
                _ => value(&mut random),
            })
            .collect();
        hold_kernels(&read(CLASSIFIER, &lists), &lists, &rows, &format!("{leaves:?} leaves"));
    }
}

/// A rank is a byte: such columns stand there twice and more often.
#[test]
fn columns_of_more_thresholds_than_a_byte_counts_are_summed_alike() {
    let mut random = Sequence::new(77);
    let mut fine = move || random.below(1 << 20) as f32 / (1 << 18) as f32 - 2.0;
    for (seed, leaves) in [(1, &[256; 6][..]), (2, &[1_400]), (3, &[31; 60])] {
        let mut lists = drawn(seed, CLASSIFIER, leaves);
        lists.iter_mut().filter(|node| node.mode != "LEAF").for_each(|node| node.value = fine());
        let thresholds: Vec<f32> = lists.iter().map(|node| node.value).collect();
        let mut random = Sequence::new(seed);
        let rows: Vec<f32> = (0..70 * (WIDTH + 1))
            .map(|_| match random.below(4) {
                0 => thresholds[random.below(thresholds.len())],
                1 => thresholds[random.below(thresholds.len())].next_up(),
                2 => fine(),
                _ => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.0][random.below(4)],
            })
            .collect();
        hold_kernels(&read(CLASSIFIER, &lists), &lists, &rows, &format!("{} trees", leaves.len()));
    }
}

#[test]
fn a_forest_gives_each_number_of_rows_to_its_kernel_and_the_rest_of_a_step_to_another() {
    let lists = drawn(4, CLASSIFIER, &[31; 20]);
    let ensemble = read(CLASSIFIER, &lists);
    let whole = forests(&ensemble).remove(0);
    let mut random = Sequence::new(9);
    let rows: Vec<f32> = (0..300 * WIDTH).map(|_| value(&mut random)).collect();
    let expected: Vec<f32> = rows.chunks(WIDTH).map(|row| walk(&lists, row)).collect();
    let choice = Choice::of(|rows| match rows {
        1..=4 => Kind::Prefix,
        5..=40 => Kind::Together,
        _ => Kind::WalkRows,
    });
    assert_eq!(choice.runs(), [(1, Kind::Prefix), (5, Kind::Together), (41, Kind::WalkRows)]);
    let chosen = whole.chosen(&choice);
    let mut kinds = chosen.kinds();
    kinds.sort();
    assert_eq!(kinds, [Kind::Together, Kind::Prefix, Kind::WalkRows]);
    assert!(chosen.bytes() < whole.bytes());
    for count in 0..=300 {
        let mut sums = vec![f32::NAN; count];
        chosen.sums(&rows[..count * WIDTH], WIDTH, &mut sums, &mut Scratch::default());
        assert_eq!(sums, expected[..count], "{count} rows");
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
    for mirrored in [true, false].map(Some) {
        styles.extend([None, Some("LOGISTIC")].map(|post| Style { mirrored, post, ..CLASSIFIER }));
        styles.push(Style { mirrored, post: None, base: Some(0.3), ..CLASSIFIER });
    }
    styles.extend(MODES.map(|mode| Style { mode: Some(mode), ..CLASSIFIER }));
    for (seed, style) in (1..).zip(styles) {
        // All of them for the first; some for each of the others, which differ in what becomes of a sum.
        let sizes = SIZES.iter().cycle().skip(seed as usize * 2).take(if seed == 1 { SIZES.len() } else { 2 });
        for leaves in sizes {
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
            let tree = seed as usize * 7 % ensemble.trees().len();
            (tree, ensemble.sums[0][tree].iter().rposition(wanted).unwrap())
        };
        assert!(held(CLASSIFIER, &lists, |_| {}).is_ok());
        let leaf = held(CLASSIFIER, &lists, |ensemble| {
            let (tree, node) = at(ensemble, |node| matches!(node, Node::Leaf(weight) if *weight != 0.0));
            if let Node::Leaf(weight) = &mut ensemble.sums[0][tree][node] {
                *weight += 0.001;
            }
        });
        assert!(leaf.is_err(), "a leaf");
        // The root's: every row asks it.
        let threshold = held(CLASSIFIER, &lists, |ensemble| {
            let roots = ensemble.sums[0].iter_mut().map(|tree| &mut tree[0]);
            let finite = |node: &&mut Node| matches!(node, Node::Split { threshold, .. } if threshold.is_finite());
            let Some(Node::Split { threshold, .. }) = roots.skip(seed as usize).find(finite) else { unreachable!() };
            *threshold = threshold.next_up();
        });
        assert!(threshold.is_err(), "a threshold");
        let missing = held(CLASSIFIER, &lists, |ensemble| {
            let Node::Split { nan_left, .. } = &mut ensemble.sums[0][seed as usize][0] else { unreachable!() };
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
        (set("class_ids", || Value::Ints(vec![0, 1, 0, 1, 0, 1, 0, 1])), "leaf without a weight"),
        (set("class_ids", || Value::Ints(vec![0, 1, 2, 1, 0, 1, 0, 1])), "several classes"),
        (set("class_ids", || Value::Ints(vec![0, 2, 0, 2, 0, 2, 0, 2])), "several classes"),
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
fn whatever_trees_are_read_have_a_kernel() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    for leaves in [&[31; 20][..], &[2_000; 3]] {
        let file = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &drawn(9, CLASSIFIER, leaves)));
        let graph = Graph::exchange(&file, Instructions::best(), &Kind::ALL, &settings, &StoppedClock);
        let all = graph.kinds();
        assert!(all.contains(&Kind::WalkTrees), "{all:?}");
        let TreeNode::Kernel { trees, kernels, .. } = &graph.nodes[0] else { panic!("{:?}", graph.nodes) };
        assert_eq!((*trees, kernels.len(), kernels[0].kernel), (leaves.len(), 1, all[0].name()));
        let choice = Choice::of(|rows| if rows < 8 { Kind::WalkTrees } else { Kind::Together });
        let graph = graph.with(&choice, RowsLeft::of(|rows| rows > 32));
        let TreeNode::Kernel { kernels, .. } = &graph.nodes[0] else { panic!("{:?}", graph.nodes) };
        let told = graph.nodes[0].to_string();
        assert!(told.contains(": walk-trees up to 7 rows, together beyond)"), "{told}");
        assert!(kernels.iter().all(|run| run.bytes > 0));
        assert_eq!([1, 32, 33, 64, 65, 1_000].map(|rows| graph.is_left(rows)), [false, false, true, true, true, true]);
    }
}

#[test]
fn the_kernel_answers_by_itself_only_where_its_scores_are_the_graphs_answer() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let mut bytes = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &drawn(9, CLASSIFIER, &[31; 20])));
    let graph = Graph::exchange(&bytes, Instructions::best(), &Kind::ALL, &settings, &StoppedClock);
    assert!(graph.direct("scores").is_some());
    assert!(graph.direct("label").is_none());
    // The graph is given something else, and the node's rows come from elsewhere.
    let given = bytes.windows(4).rposition(|four| four == b"rows").unwrap();
    bytes[given..given + 4].copy_from_slice(b"cols");
    assert!(
        Graph::exchange(&bytes, Instructions::best(), &Kind::ALL, &settings, &StoppedClock).direct("scores").is_none()
    );
}

#[test]
fn nodes_that_one_line_tells_are_added_up() {
    let kernel = |trees: usize, rows_from: usize| TreeNode::Kernel {
        trees,
        instructions: "AVX2",
        kernels: vec![
            Run { rows_from: 1, kernel: "prefix", bytes: 100 },
            Run { rows_from, kernel: "together", bytes: 10 },
        ],
        proof: Proof { rows: 7, decisions: 5, leaves_unreachable: 1 },
        proof_time: Duration::from_millis(2),
    };
    let left = |why: &str| TreeNode::OnnxRuntime { why: why.to_owned() };
    let mut graph = Graph::unchanged();
    graph.nodes = vec![kernel(1, 8), left("is odd"), kernel(3, 8), kernel(1, 9), left("is odd"), left("is large")];
    let told = graph.nodes_told();
    let words: Vec<(usize, String)> = told.iter().map(|(count, node)| (*count, node.to_string())).collect();
    let expected = [
        (2, "4 trees by scorewire (AVX2: prefix up to 7 rows, together beyond)"),
        (2, "by ONNX Runtime: the node is odd"),
        (1, "1 tree by scorewire (AVX2: prefix up to 8 rows, together beyond)"),
        (1, "by ONNX Runtime: the node is large"),
    ];
    assert_eq!(words, expected.map(|(count, words)| (count, words.to_owned())));
    let TreeNode::Kernel { kernels, proof, proof_time, .. } = &told[0].1 else { panic!("{told:?}") };
    assert_eq!(*proof, Proof { rows: 14, decisions: 10, leaves_unreachable: 2 });
    assert_eq!((kernels[0].bytes, kernels[1].bytes, *proof_time), (200, 20, Duration::from_millis(4)));
}
