//! Many random ensembles against ONNX Runtime, on calls of one, few and many rows: the kernel's bits, in the graph and by
//! itself, are ONNX Runtime's. `SCOREWIRE_TEST_SEED` draws others.

use ndarray::{Array2, ArrayView2, s};
use ort::session::Session;
use ort::value::TensorRef;

use super::super::operator::{Loaded, TreeOperator};
use super::*;
use crate::model::runtime::Runtime;

const ENSEMBLES: u64 = 700;
/// Rows of a call: ONNX Runtime goes by rows, by trees or by both; the kernel has one partly empty step, two, and many.
const CALLS: [usize; 3] = [1, 17, 512];

fn style(random: &mut Sequence) -> Style {
    let is_regressor = random.below(3) == 0;
    let posts: &[Option<&str>] =
        if is_regressor { &[None, Some("NONE")] } else { &[None, Some("NONE"), Some("LOGISTIC")] };
    Style {
        op_type: if is_regressor { "TreeEnsembleRegressor" } else { "TreeEnsembleClassifier" },
        post: posts[random.below(posts.len())],
        base: [None, None, Some(0.0), Some(0.3), Some(-1.5)][random.below(5)],
        positive: random.below(3) == 0,
        mode: [None, Some(MODES[random.below(4)])][random.below(2)],
        mirrored: if is_regressor { None } else { [None, Some(false), Some(true)][random.below(3)] },
    }
}

fn sizes(random: &mut Sequence) -> Vec<usize> {
    let (trees, leaves_max) = [(1, 40), (1, 300), (1 + random.below(8), 70), (30, 12), (60, 33)][random.below(5)];
    (0..trees).map(|_| 1 + random.below(leaves_max)).collect()
}

/// Any finite number: most are tiny or huge, and every exponent comes.
fn any(random: &mut Sequence) -> f32 {
    let value = f32::from_bits(random.next() as u32);
    if value.is_finite() { value } else { 0.0 }
}

/// Thresholds off the grid that trees share, and some that nothing or everything is below.
fn scatter(random: &mut Sequence, lists: &mut [Drawn]) {
    let kind = random.below(4);
    for node in lists.iter_mut().filter(|node| node.mode != "LEAF") {
        let is_inclusive = matches!(node.mode, "BRANCH_LEQ" | "BRANCH_GT");
        match (kind, random.below(12)) {
            (1, 0..9) => node.value = any(random),
            (2, 0..4) => node.value = [0.0, -0.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE / 4.0][random.below(4)],
            (3, 0) => node.value = f32::INFINITY,
            // Nothing is below the lowest: such a split is left to ONNX Runtime.
            (3, 1) if is_inclusive => node.value = f32::NEG_INFINITY,
            _ => {}
        }
    }
    if kind == 1 {
        lists.iter_mut().filter(|node| node.mode == "LEAF").for_each(|node| node.weight *= 1.0 + any(random).fract());
    }
}

/// Variations of one model that mean the same to both.
fn spell(random: &mut Sequence, style: Style, named: &mut Named<'static>) {
    let mut set = |name: &str, value: Option<Value<'static>>| {
        named.retain(|(other, _)| other != name);
        named.extend(value.map(|value| (name.to_owned(), value)));
    };
    if random.below(4) == 0 {
        // No tracks: a missing value is never true.
        set("nodes_missing_value_tracks_true", None);
    }
    if style.op_type == "TreeEnsembleRegressor" {
        if random.below(2) == 0 {
            set("aggregate_function", Some(Value::Text("SUM")));
        }
    } else {
        let labels = [[0, 1], [1, 0], [3, 7], [-1, 1]][random.below(4)];
        set("classlabels_int64s", Some(Value::Ints(labels.to_vec())));
    }
}

/// Rows on thresholds and beside them, and values that compare oddly.
fn rows(random: &mut Sequence, lists: &[Drawn], count: usize, width: usize) -> Array2<f32> {
    let splits: Vec<&Drawn> = lists.iter().filter(|node| node.mode != "LEAF").collect();
    Array2::from_shape_fn((count, width), |(_, column)| match random.below(16) {
        0 | 1 => f32::NAN,
        2 => f32::INFINITY,
        3 => f32::NEG_INFINITY,
        4 => [0.0, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX][random.below(4)],
        5 => any(random),
        6 | 7 => value(random),
        way if !splits.is_empty() => {
            // Looked for among a few, so that most belong to this very column.
            let near = (0..6).map(|_| splits[random.below(splits.len())]);
            let split = near.max_by_key(|split| split.feature as usize == column).expect("six of them");
            [split.value, split.value.next_up(), split.value.next_down(), split.value][way % 4]
        }
        _ => value(random),
    })
}

/// What a session answers: labels, where there are some, and the scores' bits.
fn ask(session: &mut Session, outputs: &[String], rows: ArrayView2<'_, f32>) -> (Vec<i64>, Vec<u32>) {
    let answers = session.run(ort::inputs![TensorRef::from_array_view(rows).unwrap()]).unwrap();
    let (scores, labels) = outputs.split_last().unwrap();
    let labels = labels.iter().flat_map(|name| answers[name.as_str()].try_extract_tensor::<i64>().unwrap().1.to_vec());
    let scores = answers[scores.as_str()].try_extract_tensor::<f32>().unwrap().1;
    (labels.collect(), scores.iter().map(|score| score.to_bits()).collect())
}

/// Holds one ensemble against ONNX Runtime. Returns the scores that were equal.
fn hold(runtime: &Runtime, seed: u64) -> usize {
    let mut random = Sequence::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let style = style(&mut random);
    let mut lists = drawn(random.next() + 1, style, &sizes(&mut random));
    scatter(&mut random, &mut lists);
    let mut named = attributes(style, &lists);
    spell(&mut random, style, &mut named);
    let bytes = model(style.op_type, &named);
    let file = File::read(&bytes).unwrap();
    let found = &file.found[0];
    let ensemble = found.ensemble().unwrap_or_else(|Unfit(why)| panic!("seed {seed} is not read: {why}"));
    let operator = TreeOperator::new(0, forests(&ensemble), ensemble.finish);
    let width = operator.forests[0].features().max(1) + random.below(2);
    let open = |node: &[u8]| {
        let builder = builder(runtime, Provider::Cpu).unwrap_or_else(|fatal| panic!("{fatal}"));
        Loaded::open(builder, vec![operator.clone()], &file.alone(found, width, node)).unwrap()
    };
    let (mut theirs, mut ours) = (open(found.message), open(&found.as_operator(operator.name())));
    let mut kernel = operator.kernel();
    let rows = rows(&mut random, &lists, CALLS.iter().sum(), width);
    let (mut start, mut equal) = (0, 0);
    for count in CALLS {
        let call = rows.slice(s![start..start + count, ..]);
        start += count;
        let (labels, expected) = ask(theirs.session_mut(), &found.outputs, call);
        assert_eq!(
            ask(ours.session_mut(), &found.outputs, call),
            (labels, expected.clone()),
            "seed {seed}, {count} rows"
        );
        let (columns, mut own) = (expected.len() / count, vec![0.0; count]);
        for column in 0..columns {
            kernel.score(call.to_slice().unwrap(), width, column, &mut own);
            let expected = expected.iter().skip(column).step_by(columns);
            let expected: Vec<u64> = expected.map(|bits| f64::from(f32::from_bits(*bits)).to_bits()).collect();
            let own: Vec<u64> = own.iter().map(|score| score.to_bits()).collect();
            assert_eq!(own, expected, "seed {seed}, {count} rows, column {column}, by itself");
        }
        equal += expected.len();
    }
    equal
}

#[test]
#[ignore = "opens 1,400 sessions, ten seconds of it: scripts/test --long"]
fn random_ensembles_have_onnx_runtimes_bits() {
    let runtime = runtime();
    let first = std::env::var("SCOREWIRE_TEST_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let equal: usize = (first..first + ENSEMBLES).map(|seed| hold(&runtime, seed)).sum();
    let calls: usize = CALLS.iter().sum();
    assert!(equal >= ENSEMBLES as usize * calls, "{equal} scores of {ENSEMBLES} ensembles");
    println!("{ENSEMBLES} ensembles: {equal} scores equal to the bit");
}

/// Leaves that vote for several classes are not read; those that all vote for the second are, and ONNX Runtime sums them up
/// in another place. Either way the node stays.
#[test]
#[ignore = "belongs to the one above: scripts/test --long"]
fn random_ensembles_that_vote_otherwise_stay_with_onnx_runtime() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    for seed in 1..=40 {
        let mut random = Sequence::new(seed);
        let lists = drawn(seed, CLASSIFIER, &sizes(&mut random));
        let leaves = lists.iter().filter(|node| node.mode == "LEAF").count();
        let several = ("SOFTMAX", vec![0, 1, 2], (0..leaves).map(|_| random.below(3) as i64).collect());
        for (post, labels, ids) in [several, ("NONE", vec![0, 1], vec![1; leaves])] {
            let mut named = attributes(Style { post: Some(post), ..CLASSIFIER }, &lists);
            named.retain(|(name, _)| name != "class_ids" && name != "classlabels_int64s");
            let own = [("class_ids", ids), ("classlabels_int64s", labels)];
            named.extend(own.map(|(name, values)| (name.to_owned(), Value::Ints(values))));
            let bytes = model(CLASSIFIER.op_type, &named);
            let graph = Graph::exchange(&bytes, Instructions::best(), &Kind::ALL, &settings, &StoppedClock);
            assert!(matches!(graph.nodes[..], [TreeNode::OnnxRuntime { .. }]), "seed {seed}, {post}");
            assert!(graph.direct("scores").is_none(), "seed {seed}, {post}");
        }
    }
}
