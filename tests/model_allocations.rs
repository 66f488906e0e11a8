//! Scoring in steady state allocates nothing of ours: ONNX Runtime's own allocations go through C's `malloc`, Rust's
//! through the counting allocator below. A process of its own: what a session holds is the whole process's growth.

mod counting;
mod model_support;

use model_support::{Draft, settings};
use ndarray::{Array2, s};
use scorewire::doors::Scorer;
use scorewire::model::ModelSettings;

#[test]
fn a_warm_session_scores_without_allocating() {
    let strict = ModelSettings { pad_rows: Some(16), ..settings() };
    let forms = [
        ("trees", "probabilities", Some(1), settings()),
        ("trees_zipmap", "probabilities", Some(1), settings()),
        ("mlp", "p", None, settings()),
        ("flat", "flat", None, settings()),
        ("fixed", "p", None, settings()),
        ("logistic", "probabilities", Some(1), strict),
    ];
    for (name, output, column, settings) in forms {
        let model = Draft::new(name, output, column).prepare(&settings).unwrap();
        assert!(model.report.native_bytes > 0, "{name}: ONNX Runtime holds memory for a session");
        let mut session = model.session().unwrap();
        let golden = &model.package.golden.rows;
        let rows = Array2::from_shape_fn((40, 4), |(row, column)| golden[[row % golden.nrows(), column]]);
        let mut scores = [0.0; 40];
        let before = counting::allocations();
        for round in 0..50 {
            let count = 1 + round * 7 % 40;
            session.score(rows.slice(s![..count, ..]), &mut scores[..count]).unwrap();
        }
        assert_eq!(counting::allocations() - before, 0, "{name}");
    }
}
