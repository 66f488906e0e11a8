//! Which of a model's answers are the score, and what is made of them: sums, complements, logits, scales, and answers of
//! unusual shapes.

use crate::model_support::onnx::{self, Named, Value, graph, graph_of, node, put_behind, typed};
use crate::model_support::{Draft, data, settings, sha256};
use ndarray::s;
use scorewire::doors::Scorer;
use scorewire::model::{Model, ModelSettings};
use scorewire::values::model::Determinism;

const ML: &str = "ai.onnx.ml";

/// A linear classifier of three classes: `scores` are its logits, `p` their softmax, 0.25, 0.75 and next to nothing, whatever
/// it is given.
fn linear(outputs: &[&str], said: &str, score: f64) -> Draft {
    let attributes: [Named; 3] = [
        ("classlabels_strings", Value::Texts(vec!["fraud", "legit", "odd"])),
        ("coefficients", Value::Floats(vec![0.0; 12])),
        ("intercepts", Value::Floats(vec![0.25f32.ln(), 0.75f32.ln(), -90.0])),
    ];
    let nodes = [
        node(ML, "LinearClassifier", &["input"], &["label", "scores"], &attributes),
        node("", "Softmax", &["scores"], &["p"], &[]),
    ];
    let model = onnx::model(&graph(&nodes, &["input"], outputs), &[("", 15), (ML, 3)], &[]);
    around(&model, said, &format!("a,b,c,d,score\n1,2,3,4,{score}\n"))
}

/// A package around a model of four columns, with these lines under `[output]`.
fn around(model: &[u8], said: &str, golden: &str) -> Draft {
    let draft = Draft::new("mlp", "p", None);
    let before = sha256(&std::fs::read(data("mlp.onnx")).unwrap());
    std::fs::write(draft.path().join("model.onnx"), model).unwrap();
    std::fs::write(draft.path().join("golden.csv"), golden).unwrap();
    draft.replace(&before, &sha256(model)).replace("tensor = \"p\"\n", &format!("{said}\n"))
}

fn score(model: &Model) -> f64 {
    let mut scores = [f64::NAN];
    model.session().unwrap().score(model.package.golden.rows.slice(s![..1, ..]), &mut scores).unwrap();
    scores[0]
}

#[track_caller]
fn assert_refused(draft: Draft, pieces: &[&str]) {
    let told = draft.refused().to_string();
    pieces.iter().for_each(|piece| assert!(told.contains(piece), "{piece:?} is not in {told}"));
}

#[test]
fn the_score_is_a_class_a_sum_or_one_less_another() {
    for (said, expected) in [
        ("class = \"fraud\"", 0.25),
        ("class = [\"fraud\"]", 0.25),
        ("class = [\"fraud\", \"odd\"]", 0.25),
        ("column = [0, 1]", 1.0),
        ("class = \"legit\"\none_minus = true", 0.25),
        ("class = [\"legit\", \"odd\"]\none_minus = true", 0.25),
        ("column = 1\none_minus = false", 0.75),
    ] {
        let model =
            linear(&["p"], said, expected).prepare(&settings()).unwrap_or_else(|fatal| panic!("{said}: {fatal}"));
        assert!((score(&model) - expected).abs() < 1e-6, "{said}");
    }
}

#[test]
fn logits_are_declared_with_what_makes_probabilities_of_them() {
    let logit = f64::from(0.75f32.ln());
    let sigmoid = 1.0 / (1.0 + (-logit).exp());
    for (said, expected) in [
        ("activation = \"softmax\"\nclass = \"fraud\"", 0.25),
        ("activation = \"softmax\"\nclass = [\"fraud\", \"legit\"]", 1.0),
        ("activation = \"softmax\"\nclass = \"legit\"\none_minus = true", 0.25),
        ("activation = \"sigmoid\"\ncolumn = 1", sigmoid),
        ("scale = { zero = 0.0, one = -1.150728289807124 }\ncolumn = 1", 0.25),
        ("scale = { zero = -0.1, one = 10 }\ncolumn = 1", 0.0),
        ("scale = { zero = 0, one = -0.1 }\ncolumn = 1", 1.0),
    ] {
        let draft = linear(&["scores"], &format!("tensor = \"scores\"\n{said}"), expected);
        let model = draft.prepare(&settings()).unwrap_or_else(|fatal| panic!("{said}: {fatal}"));
        assert!((score(&model) - expected).abs() < 1e-6, "{said}: {}", score(&model));
    }
    // Whoever adds the trees up, what becomes of their sum is computed in one place.
    let golden = std::fs::read_to_string(data("trees.csv")).unwrap();
    let squashed = |line: &str| match line.rsplit_once(',') {
        Some((row, score)) => match score.parse::<f64>() {
            Ok(score) => format!("{row},{}\n", 1.0 - 1.0 / (1.0 + (-score).exp())),
            Err(_) => format!("{line}\n"),
        },
        None => String::new(),
    };
    let golden: String = golden.lines().map(squashed).collect();
    let trees = std::fs::read(data("trees.onnx")).unwrap();
    let said = "tensor = \"probabilities\"\ncolumn = 1\nactivation = \"sigmoid\"\none_minus = true";
    let ours = around(&trees, said, &golden).prepare(&settings()).unwrap();
    let own = ModelSettings { trees: scorewire::values::model::Trees::OnnxRuntime, ..settings() };
    let theirs = around(&trees, said, &golden).prepare(&own).unwrap();
    assert_eq!(score(&ours).to_bits(), score(&theirs).to_bits());
}

#[test]
fn what_contradicts_itself_is_refused_with_what_to_write() {
    let of = |said: &str| linear(&["p"], said, 0.25);
    assert_refused(of("column = [0, 0]"), &["output.column: names one of them twice"]);
    assert_refused(of("column = []"), &["output.column: is []", "a list of columns that are summed up"]);
    assert_refused(of("column = [0, 3]"), &["output.column: is 3, the output has 3 columns", "columns 0 to 2"]);
    assert_refused(of("column = 0\none_minus = 1"), &["output.one_minus: is 1", "write true"]);
    assert_refused(
        of("column = 0\nactivation = \"tanh\""),
        &["output.activation: is \"tanh\"", "\"sigmoid\" or \"softmax\""],
    );
    assert_refused(of("column = [0, 1]\nactivation = \"sigmoid\""), &["several columns are summed up"]);
    assert_refused(of("column = 0\nscale = 100"), &["output.scale: is 100", "scale = { zero = 0.0, one = 100.0 }"]);
    assert_refused(of("column = 0\nscale = { zero = 1, one = 1 }"), &["the same answer for 0 and 1"]);
    assert_refused(of("column = 0\nscale = { zero = 1, on = 1 }"), &["output.scale.on", "did you mean `one`"]);
    let both = "column = 0\nactivation = \"sigmoid\"\nscale = { zero = 0, one = 1 }";
    assert_refused(of(both), &["output.scale: stands beside output.activation"]);
    // Three columns, and nobody says which: the candidates are told.
    assert_refused(of(""), &["output.column: is missing", "write output.class", "'fraud', 'legit', 'odd'"]);
    let logits = linear(&["scores"], "tensor = \"scores\"\ncolumn = 1", 0.5);
    assert_refused(logits, &["golden row 1"]);
}

#[test]
fn an_output_that_nobody_names_is_the_only_one_that_can_be() {
    assert_eq!(linear(&["p"], "column = 0", 0.25).prepare(&settings()).unwrap().output(), ("p", 3, 0));
    // Beside a label, or a second output whose name says that it is none.
    let trees = std::fs::read(data("trees.onnx")).unwrap();
    let golden = std::fs::read_to_string(data("trees.csv")).unwrap();
    let model = around(&trees, "class = 1", &golden).prepare(&settings()).unwrap();
    assert_eq!(model.output(), ("probabilities", 2, 1));
    let several = linear(&["p", "scores"], "column = 0", 0.25);
    assert_refused(
        several,
        &[
            "output.tensor: is missing",
            "tensor = \"p\" (float32 of any shape), or tensor = \"scores\" (float32 of any shape)",
        ],
    );
    let identity = [node("", "Identity", &["input"], &["label"], &[])];
    let label = graph_of(&identity, &[typed("input", 1, None)], &[typed("label", 7, Some(&[None]))]);
    let label = around(&onnx::model(&label, &[("", 15)], &[]), "", "a,b,c,d,score\n1,2,3,4,0.25\n");
    assert_refused(label, &["output.tensor: is missing", "no output of the model holds floats: `label`"]);
}

#[test]
fn answers_that_lie_in_a_row_are_read() {
    let mlp = std::fs::read(data("mlp.onnx")).unwrap();
    let golden = std::fs::read_to_string(data("mlp.csv")).unwrap();
    let turned = put_behind(&mlp, "p", "Transpose", "turned");
    let model = around(&turned, "tensor = \"turned\"", &golden).prepare(&settings()).unwrap();
    assert_eq!(model.output(), ("turned", 1, 0));
    let expected = &model.package.golden.scores;
    let mut session = model.session().unwrap();
    for size in 1..=expected.len() {
        let mut scores = vec![f64::NAN; size];
        session.score(model.package.golden.rows.slice(s![..size, ..]), &mut scores).unwrap();
        assert!(scores.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-6), "{size}: {scores:?}");
    }
    // Each class has a row of its own: a transaction's answers do not lie together.
    let trees = put_behind(&std::fs::read(data("trees.onnx")).unwrap(), "probabilities", "Transpose", "turned");
    let golden = std::fs::read_to_string(data("trees.csv")).unwrap();
    assert_refused(around(&trees, "tensor = \"turned\"", &golden), &["the shape [2, 3]", "[1, N]", "Reshape"]);
}

#[test]
fn strict_gives_every_record_the_same_bits_in_every_batch() {
    for (name, output, column) in [("logistic", "probabilities", Some(1)), ("fixed", "p", None), ("mlp", "p", None)] {
        let draft = || Draft::new(name, output, column);
        let relaxed = draft().prepare(&settings()).unwrap();
        let strict = ModelSettings { determinism: Determinism::Strict, ..settings() };
        let model = draft().prepare(&strict).unwrap();
        assert!(model.report.batch_invariant, "{name}");
        let told = model.report.warnings.iter().any(|warning| warning.contains("model.determinism is \"strict\""));
        assert_eq!(told, !relaxed.report.batch_invariant, "{name}: {:?}", model.report.warnings);
        let rows = scorewire::model::varied_rows(&model.package.golden.rows, 40);
        let mut session = model.session().unwrap();
        let mut together = vec![f64::NAN; 40];
        session.score(rows.view(), &mut together).unwrap();
        for size in [1, 3, 16, 17, 39] {
            for start in (0..40).step_by(size) {
                let end = (start + size).min(40);
                let mut scores = vec![f64::NAN; end - start];
                session.score(rows.slice(s![start..end, ..]), &mut scores).unwrap();
                assert_eq!(scores, together[start..end], "{name}: {size} at {start}");
            }
        }
    }
}
