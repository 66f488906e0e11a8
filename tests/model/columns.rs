//! Models with one tensor per column, texts among them, and inputs of other types than 32-bit floats.

use crate::model_support::onnx::{self, Named, Value, graph_of, node, typed};
use crate::model_support::{Draft, data, settings, sha256};
use ndarray::s;
use scorewire::doors::Scorer;

const ML: &str = "ai.onnx.ml";
const FLOAT: u64 = 1;
const INT64: u64 = 7;
const TEXT: u64 = 8;
const BOOL: u64 = 9;
const DOUBLE: u64 = 11;

/// A package around a model whose inputs are these columns; `features` replaces those of the four numbers `a` to `d`.
fn around(model: &[u8], golden: &str, edit: impl Fn(Draft) -> Draft) -> Draft {
    let draft = Draft::new("mlp", "p", None);
    let before = sha256(&std::fs::read(data("mlp.onnx")).unwrap());
    std::fs::write(draft.path().join("model.onnx"), model).unwrap();
    std::fs::write(draft.path().join("golden.csv"), golden).unwrap();
    let draft = draft.replace(&before, &sha256(model)).replace("[input]\ntensor = \"input\"\n", "");
    edit(draft)
}

fn cast(from: &str, to: &str) -> Vec<u8> {
    node("", "Cast", &[from], &[to], &[("to", Value::Int(1))])
}

/// The sigmoid of the sum of `a`, `b`, a number for each text of `c`, and `d`.
fn sum(shape: &[Option<u64>], texts: bool) -> Vec<u8> {
    let lookup: [Named; 2] = [
        ("keys_strings", Value::Texts(vec!["DE", "a longer text"])),
        ("values_floats", Value::Floats(vec![0.5, -1.0])),
    ];
    let third = match texts {
        true => node(ML, "LabelEncoder", &["c"], &["c1"], &lookup),
        false => cast("c", "c1"),
    };
    let nodes = [
        cast("b", "b1"),
        third,
        cast("d", "d1"),
        node("", "Add", &["a", "b1"], &["ab"], &[]),
        node("", "Add", &["c1", "d1"], &["cd"], &[]),
        node("", "Add", &["ab", "cd"], &["sum"], &[]),
        node("", "Sigmoid", &["sum"], &["p"], &[]),
    ];
    let third = if texts { TEXT } else { BOOL };
    let inputs = [("d", INT64), ("a", FLOAT), ("b", DOUBLE), ("c", third)];
    let inputs = inputs.map(|(name, element)| typed(name, element, Some(shape)));
    onnx::model(&graph_of(&nodes, &inputs, &[typed("p", FLOAT, None)]), &[("", 15), (ML, 2)], &[])
}

fn sigmoid(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// `c` becomes a text, and `d` may not be NaN.
fn with_texts(draft: Draft) -> Draft {
    let third = "name = \"c\"\npath = \"c\"\nmissing = \"nan\"";
    let fourth = "path = \"d\"\nmissing = \"nan\"";
    draft
        .replace(third, &format!("{third}\ntransform = {{ index = [\"DE\", \"a longer text\"], otherwise = -1.0 }}"))
        .replace(fourth, "path = \"d\"\nmissing = { constant = 0.0 }")
        .edit("transaction.avsc", "\"c\", \"type\": [\"null\", \"double\"]", "\"c\", \"type\": [\"null\", \"string\"]")
}

#[test]
fn columns_of_several_types_are_made_of_one_row() {
    for shape in [&[None, Some(1)][..], &[None]] {
        let golden: String = [(0.5, -1.0, 0.0, 2.0, 0.5), (0.25, 0.5, 1.0, -1.0, -1.0)]
            .map(|(a, b, c, d, text)| format!("{a},{b},{c},{d},{}\n", sigmoid(a + b + text + d)))
            .concat();
        let model = around(&sum(shape, true), &format!("a,b,c,d,score\n{golden}"), with_texts);
        let model = model.prepare(&settings()).unwrap_or_else(|fatal| panic!("{shape:?}: {fatal}"));
        let mut session = model.session().unwrap();
        // A text that no list has is unknown to the model too: its default, 0.
        let row = ndarray::array![[0.5f32, -1.0, -1.0, 2.0], [0.5, -1.0, f32::NAN, 2.0], [0.5, -1.0, 7.0, 2.0]];
        let mut scores = [f64::NAN; 3];
        session.score(row.view(), &mut scores).unwrap();
        assert!(scores.iter().all(|score| (score - sigmoid(1.5)).abs() < 1e-6), "{scores:?}");
        let told = "2 inputs of the model hold 64 bits (`d`, `b`)";
        assert!(model.report.warnings.iter().any(|warning| warning.contains(told)), "{:?}", model.report.warnings);
    }
}

#[test]
fn a_boolean_column_is_true_where_it_is_not_zero() {
    let golden = format!("a,b,c,d,score\n0.5,-1,1,2,{}\n0.5,-1,0,2,{}\n", sigmoid(2.5), sigmoid(1.5));
    let plain = |draft: Draft| {
        draft
            .replace("path = \"c\"\nmissing = \"nan\"", "path = \"c\"\nmissing = \"reject\"")
            .replace("path = \"d\"\nmissing = \"nan\"", "path = \"d\"\nmissing = \"reject\"")
    };
    let model = around(&sum(&[None, Some(1)], false), &golden, plain).prepare(&settings()).unwrap();
    assert!(model.report.golden_difference_max < 1e-6);
}

#[test]
fn one_input_of_another_type_is_cast() {
    let nodes = [
        cast("x", "single"),
        node("", "ReduceSum", &["single"], &["sum"], &[("keepdims", Value::Int(1)), ("axes", Value::Ints(vec![1]))]),
        node("", "Sigmoid", &["sum"], &["p"], &[]),
    ];
    for element in [INT64, DOUBLE] {
        let input = typed("x", element, Some(&[None, Some(4)]));
        let model = onnx::model(&graph_of(&nodes, &[input], &[typed("p", FLOAT, None)]), &[("", 12)], &[]);
        let golden = format!("a,b,c,d,score\n1,-2,3,-1,{}\n0,0,0,-1,{}\n", sigmoid(1.0), sigmoid(-1.0));
        let whole = |draft: Draft| Draft { manifest: draft.manifest.replace("\"nan\"", "\"reject\""), ..draft };
        let model = around(&model, &golden, whole).prepare(&settings()).unwrap();
        let mut scores = [f64::NAN; 2];
        model.session().unwrap().score(model.package.golden.rows.slice(s![.., ..]), &mut scores).unwrap();
        assert!((scores[0] - sigmoid(1.0)).abs() < 1e-6, "{scores:?}");
    }
}

#[test]
fn columns_that_do_not_fit_are_refused_with_what_to_write() {
    let refused = |edit: &dyn Fn(Draft) -> Draft| {
        around(&sum(&[None, Some(1)], true), "a,b,c,d,score\n0,0,0,0,0.5\n", edit).refused().to_string()
    };
    let told = refused(&|draft| draft);
    assert!(told.contains("feature `d` may be NaN, and the model's input `d` takes int64"), "{told}");
    assert!(told.contains("feature `c` is no text") && told.contains("index = [...]"), "{told}");
    let told = refused(&|draft| with_texts(draft).replace("[output]", "[input]\ntensor = \"x\"\n\n[output]"));
    assert!(told.contains("the model has no input `x`") && told.contains("d, a, b, c"), "{told}");
    let sequence = typed("x", FLOAT, Some(&[None, Some(5), Some(4)]));
    let nodes = [node("", "Identity", &["x"], &["p"], &[])];
    let model = onnx::model(&graph_of(&nodes, &[sequence], &[typed("p", FLOAT, None)]), &[("", 15)], &[]);
    let told = around(&model, "a,b,c,d,score\n0,0,0,0,0.5\n", |draft| draft).refused().to_string();
    assert!(told.contains("3 dimensions") && told.contains("sequences are not kept"), "{told}");
}
