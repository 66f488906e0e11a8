//! What the proof reaches. Its rows once missed a leaf in seven and every second missing value's way, and a misreading there
//! was scored: 0.95 instead of 0.05.

use super::asked::Asked;
use super::check::{Proof, ask, open};
use super::decisions::{Decisions, ODD, decisions};
use super::drawn::*;
use super::ensemble::{Node, Tree};
use super::file::File;
use super::finish::Finish;
use super::kernel::{Instructions, Kind};
use super::replace::Graph;
use crate::model::open::builder;
use crate::model::sequence::Sequence;
use crate::model::wire::put_bytes;
use crate::values::model::Provider;

/// The leaf that a row comes to.
fn leaf_of(tree: &Tree, row: &[f32]) -> usize {
    let mut at = 0;
    while let Node::Split { feature, threshold, nan_left, left, right } = tree[at] {
        let value = row[feature as usize];
        at = if value <= threshold || value.is_nan() && nan_left { left as usize } else { right as usize };
    }
    at
}

/// Whether one of the rows comes to another leaf in the other tree.
fn tells_apart<'a>(one: &Tree, other: &Tree, rows: impl IntoIterator<Item = &'a [f32]>) -> bool {
    rows.into_iter().any(|row| leaf_of(one, row) != leaf_of(other, row))
}

/// The tree with one split misread: its threshold a step up or down, or a missing value sent the other way.
fn misread(tree: &Tree, at: usize, how: usize) -> Tree {
    let mut other = tree.clone();
    if let Node::Split { threshold, nan_left, .. } = &mut other[at] {
        match how {
            0 => *threshold = threshold.next_up(),
            1 => *threshold = threshold.next_down(),
            _ => *nan_left = !*nan_left,
        }
    }
    other
}

fn random_rows(count: usize) -> Vec<f32> {
    let mut random = Sequence::new(3);
    let mut beside = || match random.below(8) {
        0 => ODD[random.below(ODD.len())],
        way => {
            let value = value(&mut random);
            [value, value.next_up(), value.next_down()][way % 3]
        }
    };
    (0..count * WIDTH).map(|_| beside()).collect()
}

#[test]
fn what_any_row_can_tell_these_rows_tell() {
    let at_random = random_rows(20_000);
    let (mut told, mut untold) = (0, 0);
    for (seed, leaves) in (1..).zip(SIZES) {
        let trees = read(CLASSIFIER, &drawn(seed, CLASSIFIER, leaves)).sums.remove(0);
        let Decisions { rows, count, leaves_unreachable } = decisions(&trees, WIDTH);
        let rows = rows.as_slice().unwrap();
        let (mut reached, mut leaves) = (0, 0);
        for tree in &trees {
            let mut here = vec![false; tree.len()];
            rows.chunks(WIDTH).for_each(|row| here[leaf_of(tree, row)] = true);
            reached += here.iter().filter(|reached| **reached).count();
            leaves += tree.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
            for row in at_random.chunks(WIDTH) {
                assert!(here[leaf_of(tree, row)], "a random row reaches a leaf that no row of {leaves:?} does");
            }
            for (at, how) in (0..tree.len()).flat_map(|at| (0..3).map(move |how| (at, how))) {
                let other = misread(tree, at, how);
                let differs = tells_apart(tree, &other, rows.chunks(WIDTH));
                let others = || tells_apart(tree, &other, at_random.chunks(WIDTH).take(2_000));
                assert!(differs || !others(), "split {at} misread in way {how} is seen by random rows alone");
                *(if differs { &mut told } else { &mut untold }) += 1;
            }
        }
        assert_eq!(reached + leaves_unreachable, leaves);
        assert!(count >= reached);
    }
    assert!(told > 3_000 && untold > 0, "{told} misreadings told, {untold} that no row can tell");
}

fn node(node: i64, mode: &'static str, feature: i64, value: f32, ways: [i64; 2]) -> Drawn {
    let [on_true, on_false] = ways;
    Drawn { tree: 0, node, mode, feature, value, on_true, on_false, nan_true: 0, weight: 0.0 }
}

fn leaf(id: i64, weight: f32) -> Drawn {
    Drawn { weight, ..node(id, "LEAF", 0, 0.0, [0, 0]) }
}

/// Seventeen splits in a chain. The last one has a flag of 2 for missing values, which ONNX Runtime does not take for yes.
fn chain() -> Vec<Drawn> {
    let mut lists: Vec<Drawn> = (0..16).map(|at| node(at, "BRANCH_LEQ", at, -1.0, [17 + at, at + 1])).collect();
    lists.push(Drawn { nan_true: 2, ..node(16, "BRANCH_LEQ", 16, 0.0, [33, 34]) });
    lists.extend((17..33).map(|id| leaf(id, -4.0)));
    lists.extend([leaf(33, 3.0), leaf(34, -3.0)]);
    lists
}

#[test]
fn a_missing_value_goes_by_a_flag_of_one_and_no_other() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    let file = model(CLASSIFIER.op_type, &attributes(CLASSIFIER, &chain()));
    let mut kernel = Graph::exchange(&file, Instructions::best(), &Kind::ALL, &settings, &StoppedClock)
        .direct("scores")
        .expect("a kernel");
    let mut row = [0.5; 17];
    row[16] = f32::NAN;
    let mut score = [0.0];
    kernel.score(&row, 17, 1, &mut score);
    // 1 / (1 + e^3); read as a yes, it was 0.95.
    assert!((score[0] - 0.047_425_87).abs() < 1e-8, "{score:?}");
}

#[test]
fn a_misreading_at_the_end_of_a_long_way_is_found() {
    let flip = |ensemble: &mut super::ensemble::Ensemble| {
        let Node::Split { nan_left, .. } = &mut ensemble.sums[0][0][16] else { unreachable!() };
        *nan_left = true;
    };
    let found = held(CLASSIFIER, &chain(), flip);
    assert!(found.as_ref().is_err_and(|why| why.contains("where ONNX Runtime answers")), "{found:?}");
}

#[test]
fn what_a_transform_or_a_large_sum_hides_is_found() {
    // All scores are 1.0 to the bit.
    let style = Style { base: Some(60.0), ..CLASSIFIER };
    let lists = drawn(3, style, &[2, 31, 31]);
    assert!(held(style, &lists, |_| {}).is_ok());
    let spoiled = held(style, &lists, |ensemble| {
        let leaf = ensemble.sums[0][0].iter_mut().find_map(|node| match node {
            Node::Leaf(weight) => Some(weight),
            Node::Split { .. } => None,
        });
        *leaf.unwrap() += 0.001;
    });
    assert!(spoiled.is_err());
}

#[test]
fn leaves_that_no_row_can_reach_are_counted() {
    let split = |id, value, ways| node(id, "BRANCH_LEQ", 0, value, ways);
    let lists = [split(0, 1.0, [1, 4]), split(1, 2.0, [2, 3]), leaf(2, 0.5), leaf(3, 0.25), leaf(4, -0.5)];
    let Proof { decisions, leaves_unreachable, .. } = held(CLASSIFIER, &lists, |_| {}).unwrap();
    // Two leaves; at the root the threshold, its neighbours and a missing value, which goes to the right.
    assert_eq!((decisions, leaves_unreachable), (6, 1));
}

#[test]
fn a_column_that_onnx_runtime_leaves_unwritten_is_nan() {
    let runtime = runtime();
    let settings = || builder(&runtime, Provider::Cpu).map_err(|fatal| fatal.to_string());
    // A PROBIT of the first class's sum fills the first column alone.
    let style = Style { post: Some("PROBIT"), positive: true, ..CLASSIFIER };
    let bytes = model(style.op_type, &attributes(style, &drawn(1, style, &[3])));
    let file = File::read(&bytes).unwrap();
    let found = &file.found[0];
    let mut session = open(settings().unwrap(), Vec::new(), &file.alone(found, WIDTH, found.message)).unwrap();
    let finish = Finish::Binary { base: None, logistic: false, labels: [3, 7], weights_all_positive: true };
    let (_, scores) = ask(&mut session, found, finish, ndarray::Array2::zeros((4, WIDTH)).view()).unwrap();
    assert_eq!(scores.len(), 8);
    assert!(scores.chunks(2).all(|row| !row[0].is_nan() && row[1].is_nan()), "{scores:?}");
}

fn untracked(bytes: &[u8]) -> Vec<usize> {
    let asked = Asked::of(bytes).unwrap();
    asked.columns.difference(&asked.tracked).copied().collect()
}

#[test]
fn features_that_trees_ask_for_without_a_word_on_missing_values_are_known() {
    let mut lists = vec![
        node(0, "BRANCH_LEQ", 1, 0.0, [1, 2]),
        Drawn { nan_true: 1, ..node(1, "BRANCH_LT", 2, 0.0, [3, 4]) },
        node(2, "BRANCH_LEQ", 2, 0.0, [5, 6]),
    ];
    lists.extend((3..7).map(|id| leaf(id, 0.5)));
    let with = |change: &dyn Fn(&mut Named<'static>)| {
        let mut named = attributes(CLASSIFIER, &lists);
        change(&mut named);
        untracked(&model(CLASSIFIER.op_type, &named))
    };
    // Feature 2 has a flag at one of its splits; 0 only stands at leaves.
    assert_eq!(with(&|_| {}), [1]);
    assert_eq!(with(&|named| named.retain(|(name, _)| !name.contains("tracks_true"))), [1, 2]);
    // Softmax keeps the kernel away, and changes nothing about missing values.
    let softmax = |named: &mut Named<'static>| {
        named.retain(|(name, _)| name != "post_transform");
        named.push(("post_transform".to_owned(), Value::Text("SOFTMAX")));
    };
    assert_eq!(with(&softmax), [1]);
    // Trees behind another node, which may have filled missing values in: not behind one that does nothing.
    for (other, expected) in [("Identity", &[1][..]), ("Abs", &[])] {
        let mut node = Vec::new();
        for (field, text) in [(1, "cols"), (2, "rows"), (4, other)] {
            put_bytes(&mut node, field, text.as_bytes());
        }
        let mut bytes = model_and(CLASSIFIER.op_type, &attributes(CLASSIFIER, &lists), &[&node]);
        // The graph's own input, which stands between the trees and the other node.
        let given = bytes.windows(4).enumerate().filter(|(_, four)| four == b"rows").nth(1).unwrap().0;
        bytes[given..given + 4].copy_from_slice(b"cols");
        assert_eq!(untracked(&bytes), expected, "{other}");
    }
}
