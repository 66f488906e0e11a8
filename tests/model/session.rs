//! Models of every shape in use, opened and scored through their package: the answers must be those of ONNX Runtime
//! in Python (`tests/data/make_models.py`), whatever form the model gives them in and whatever batch they come in.

use crate::model_support::{Draft, data, onnx, settings, sha256};
use ndarray::{Array2, s};
use scorewire::doors::Scorer;
use scorewire::model::{
    KernelChoice, KernelPoint, Kind, Model, ModelSettings, Session, TreeKernels, TreeNode, varied_rows,
};
use scorewire::values::model::Trees;

/// Scores all golden rows as one batch.
fn scores(session: &mut Session, rows: &Array2<f32>) -> Vec<f64> {
    let mut scores = vec![-1.0; rows.nrows()];
    session.score(rows.view(), &mut scores).unwrap();
    scores
}

fn assert_golden(model: &Model) {
    let golden = &model.package.golden;
    for _lane in 0..2 {
        let mut session = model.session().unwrap();
        let got = scores(&mut session, &golden.rows);
        for (index, (got, expected)) in got.iter().zip(&golden.scores).enumerate() {
            assert!((got - expected).abs() <= 1e-6, "row {index}: {got} instead of {expected}");
        }
    }
    assert!(model.report.golden_difference_max <= 1e-6);
}

#[test]
fn trees_give_the_column_of_the_class() {
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    assert_golden(&model);
    assert!(model.report.batch_invariant, "trees on one thread do not depend on their batch");
    let placement = &model.report.placement;
    assert_eq!(placement.provider.name(), "CPU");
    assert!(placement.nodes > 0 && placement.nodes == placement.nodes_total, "{placement:?}");
    assert!(matches!(&model.report.warnings[..], [only] if only.contains("no golden records")));
    assert_eq!(model.runtime.version(), "1.28.0");
    let other = Draft::new("trees", "probabilities", Some(1)).replace("column = 1", "column = 0");
    let fatal = other.refused();
    assert!(fatal.what.contains("golden row 1"), "the other class is not what the golden rows say: {fatal}");
}

#[test]
fn trees_score_alike_by_our_kernel_and_by_onnx_runtime() {
    let draft = || Draft::new("trees", "probabilities", Some(1));
    let ours = draft().prepare(&settings()).unwrap();
    let theirs = draft().prepare(&ModelSettings { trees: Trees::OnnxRuntime, ..settings() }).unwrap();
    assert!(matches!(ours.graph.nodes[..], [TreeNode::Kernel { trees: 10, .. }]), "{:?}", ours.graph.nodes);
    assert!(theirs.graph.nodes.is_empty());
    assert_eq!(ours.report.placement.nodes_total, theirs.report.placement.nodes_total, "the graph around it stays");
    let mut rows = varied_rows(&ours.package.golden.rows, 1_000);
    rows.iter_mut().step_by(13).for_each(|value| *value = f32::NAN);
    let bits = |model: &Model| -> Vec<u64> {
        scores(&mut model.session().unwrap(), &rows).iter().map(|score| score.to_bits()).collect()
    };
    assert_eq!(bits(&ours), bits(&theirs));
    let choices = Kind::ALL.map(KernelChoice::Only).into_iter().chain([KernelChoice::Usual, KernelChoice::Measured]);
    for choice in choices {
        let kernels = TreeKernels { choice, ..TreeKernels::default() };
        let model = draft().prepare(&ModelSettings { tree_kernels: kernels, ..settings() }).unwrap();
        assert_eq!(bits(&model), bits(&theirs), "{choice:?}: {:?}", model.graph.nodes);
        match (choice, &model.graph.nodes[0]) {
            (KernelChoice::Only(kind), TreeNode::Kernel { kernels, .. }) => {
                assert_eq!(kernels.iter().map(|run| run.kernel).collect::<Vec<_>>(), [kind.name()]);
            }
            (KernelChoice::Measured, _) => {
                let sizes: Vec<usize> = model.kernels.iter().map(|point| point.rows).collect();
                assert_eq!(sizes, [1, 2, 4, 8, 16, 32], "as far as batches go");
                let is_whole = |point: &KernelPoint| point.by_kernel.len() == 5 && point.by_onnxruntime.is_some();
                assert!(model.kernels.iter().all(is_whole), "{:?}", model.kernels);
            }
            (_, node) => assert!(matches!(node, TreeNode::Kernel { .. }), "{choice:?}: {node}"),
        }
    }
}

/// A Cast before the trees: the graph with the kernel in it does not open, and the package could not be used.
#[test]
fn a_graph_that_does_not_open_with_the_kernel_is_scored_without_it() {
    let draft = || Draft::new("cast_double", "probabilities", Some(1));
    let model = draft().prepare(&settings()).unwrap();
    assert_golden(&model);
    let [TreeNode::OnnxRuntime { why }] = &model.graph.nodes[..] else { panic!("{:?}", model.graph.nodes) };
    assert!(why.contains("takes float64") && why.contains("export the model with float32 inputs"), "{why}");
    assert!(!why.contains("refuses the model") && !why.contains("tensor(double)"), "{why}");
    assert!(!model.graph.is_changed());
    // What is wrong with the model itself is told, not what is wrong with the changed one.
    let fatal = draft().replace("column = 1", "column = 2").refused();
    assert!(fatal.what.contains("output.column: is 2") && !fatal.what.contains("tensor(double)"), "{fatal}");
    let fatal = draft().edit("golden.csv", "0.30000001192092896", "0.31").refused();
    assert!(fatal.what.contains("golden row 1 scored") && !fatal.what.contains("tensor(double)"), "{fatal}");
}

/// Files large enough to be opened once for all lanes.
fn large(bytes: Vec<u8>) -> Vec<u8> {
    let mut large = bytes;
    // A comment.
    onnx::bytes(&mut large, 6, &vec![b'-'; 300_000]);
    large
}

/// Each lane opened the model anew, which took seconds and the model's memory each time.
#[test]
fn lanes_share_a_large_model_that_is_open_and_score_at_the_same_time() {
    let trees = || std::fs::read(data("trees.onnx")).unwrap();
    let draft = |name: &str, output: &str, column, bytes: Vec<u8>| {
        let draft = Draft::new(name, output, column);
        let before = sha256(&std::fs::read(data(&format!("{name}.onnx"))).unwrap());
        std::fs::write(draft.path().join("model.onnx"), &bytes).unwrap();
        draft.replace(&before, &sha256(&bytes))
    };
    // The kernel in a graph that goes on behind it: ONNX Runtime calls one operator for all lanes.
    let behind = onnx::put_behind(&trees(), "probabilities", "Abs", "certain");
    let drafts = [
        (draft("trees", "probabilities", Some(1), trees()), true),
        (draft("trees", "certain", Some(1), large(behind.clone())), true),
        (draft("mlp", "p", None, large(std::fs::read(data("mlp.onnx")).unwrap())), true),
        (draft("trees", "certain", Some(1), behind), false),
        (Draft::new("mlp", "p", None), false),
    ];
    for (draft, is_shared) in drafts {
        let model = draft.prepare(&settings()).unwrap();
        assert_golden(&model);
        let own = model.report.native_bytes;
        assert_eq!((model.is_shared(), model.native_bytes(1)), (is_shared, own));
        assert_eq!(model.native_bytes(4), if is_shared { own } else { 4 * own });
        assert_eq!(model.graph.is_changed(), model.package.name == "test-trees");
        let rows = varied_rows(&model.package.golden.rows, 400);
        let expected = scores(&mut model.session().unwrap(), &rows);
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (model, rows, expected) = (&model, &rows, &expected);
                scope.spawn(move || {
                    let mut session = model.session().unwrap();
                    for round in 0..20 {
                        let size = 1 + (lane * 11 + round) % 40;
                        let mut got = vec![-1.0; size];
                        for start in (0..rows.nrows() - size).step_by(size) {
                            session.score(rows.slice(s![start..start + size, ..]), &mut got).unwrap();
                            assert_eq!(got, expected[start..start + size], "{size} rows at {start}");
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn a_missing_feature_reaches_trees_as_nan_and_is_scored() {
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    assert!(model.package.golden.rows.iter().any(|value| value.is_nan()), "the golden rows must have missing values");
    let mut session = model.session().unwrap();
    let got = scores(&mut session, &Array2::from_elem((3, 4), f32::NAN));
    assert!(got.iter().all(|score| (0.0..=1.0).contains(score)), "{got:?}");
}

#[test]
fn a_zip_map_is_taken_off_and_said() {
    let model = Draft::new("trees_zipmap", "probabilities", Some(1)).prepare(&settings()).unwrap();
    assert_golden(&model);
    assert!(model.report.warnings[0].contains("zipmap=False"), "{:?}", model.report.warnings);
}

#[test]
fn one_column_no_column_and_doubles_are_scores_too() {
    for (name, output) in [("mlp", "p"), ("flat", "flat"), ("double", "double")] {
        let model = Draft::new(name, output, None).prepare(&settings()).unwrap();
        assert_golden(&model);
    }
    assert_golden(&Draft::new("mlp", "p", Some(0)).prepare(&settings()).unwrap());
    assert_golden(&Draft::new("logistic", "probabilities", Some(1)).prepare(&settings()).unwrap());
}

#[test]
fn nan_into_a_network_or_regression_comes_out_as_nan() {
    // The caller's finite check is what stands between this and "not fraud".
    for (name, output, column) in [("mlp", "p", None), ("logistic", "probabilities", Some(1))] {
        let model = Draft::new(name, output, column).prepare(&settings()).unwrap();
        let mut session = model.session().unwrap();
        let mut rows = model.package.golden.rows.slice(s![0..3, ..]).to_owned();
        rows[[1, 2]] = f32::NAN;
        let got = scores(&mut session, &rows);
        assert!(got[1].is_nan(), "{name}: {got:?}");
        assert!(got[0].is_finite() && got[2].is_finite(), "{name}: its neighbours are scored: {got:?}");
    }
}

#[test]
fn a_fixed_batch_is_kept_with_a_warning() {
    let model = Draft::new("fixed", "p", None).prepare(&settings()).unwrap();
    assert_golden(&model);
    assert!(model.report.warnings[0].contains("fixed at 1"), "{:?}", model.report.warnings);
    assert_eq!(model.report.curve.len(), 1);
    assert_eq!(model.session().unwrap().rows_fixed(), Some(1));
}

#[test]
fn strict_mode_fills_every_call_and_changes_no_score() {
    let padded = scorewire::model::ModelSettings { pad_rows: Some(5), ..settings() };
    let model = Draft::new("logistic", "probabilities", Some(1)).prepare(&padded).unwrap();
    // Eight golden rows: one call of five, one of three filled up.
    assert_golden(&model);
    assert!(model.report.batch_invariant);
}

#[test]
fn any_batch_size_and_any_buffer_gives_the_same_scores() {
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    let mut session = model.session().unwrap();
    let golden = &model.package.golden.rows;
    // More rows than one call takes (40), so that the batch is cut.
    let rows = Array2::from_shape_fn((101, 4), |(row, column)| golden[[row % golden.nrows(), column]]);
    let expected = scores(&mut session, &rows);
    for size in [1, 2, 3, 39, 40, 41, 100] {
        // A fresh buffer each time: what is remembered of an address must not outlive it.
        let rows = rows.clone();
        for start in (0..rows.nrows()).step_by(size) {
            let end = (start + size).min(rows.nrows());
            let mut got = vec![-1.0; end - start];
            session.score(rows.slice(s![start..end, ..]), &mut got).unwrap();
            assert_eq!(got, expected[start..end], "size {size} at {start}");
        }
    }
    session.score(rows.slice(s![0..0, ..]), &mut []).unwrap();
}

#[test]
fn a_batch_that_does_not_fit_is_an_error_and_nothing_worse() {
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    let mut session = model.session().unwrap();
    let rows = Array2::<f32>::zeros((4, 4));
    let mut room = [0.0; 4];
    assert!(session.score(Array2::<f32>::zeros((4, 3)).view(), &mut room).is_err());
    assert!(session.score(rows.t(), &mut room).is_err(), "not row-major");
    assert!(session.score(rows.slice(s![.., 0..2]), &mut room).is_err(), "not contiguous");
    let error = session.score(rows.view(), &mut room[..3]).unwrap_err();
    assert!(error.text.contains("room for 3"), "{error}");
    session.score(rows.view(), &mut room).unwrap();
}

#[test]
fn a_session_scores_on_another_thread_than_it_was_made_on() {
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    let lanes: Vec<_> = (0..3)
        .map(|_| {
            let mut session = model.session().unwrap();
            let rows = model.package.golden.rows.clone();
            std::thread::spawn(move || scores(&mut session, &rows))
        })
        .collect();
    for lane in lanes {
        let got = lane.join().unwrap();
        assert!(got.iter().zip(&model.package.golden.scores).all(|(got, expected)| (got - expected).abs() <= 1e-6));
    }
}
