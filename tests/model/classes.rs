//! A contract names the class of fraud where the model names its classes: columns stand in the order of the training's
//! sorted labels, and `column = 1` of `fraud, legit` scores every transaction the wrong way round.

use crate::model_support::onnx::{self, Named, Value, graph, node};
use crate::model_support::{Draft, data, settings, sha256};

const ML: &str = "ai.onnx.ml";

/// A linear classifier that answers 0.25 and 0.75 whatever it is given, its nodes from `scores` on as given.
fn linear(labels: &'static [&'static str], behind: &[Vec<u8>], output: &str) -> Draft {
    let attributes: [Named; 3] = [
        ("classlabels_strings", Value::Texts(labels.to_vec())),
        ("coefficients", Value::Floats(vec![0.0; 4 * labels.len()])),
        ("intercepts", Value::Floats([0.25f32.ln(), 0.75f32.ln(), -90.0][..labels.len()].to_vec())),
    ];
    let mut nodes = vec![
        node(ML, "LinearClassifier", &["input"], &["label", "scores"], &attributes),
        node("", "Softmax", &["scores"], &["p"], &[]),
    ];
    nodes.extend_from_slice(behind);
    let model = onnx::model(&graph(&nodes, &["input"], &[output]), &[("", 15), (ML, 3)], &[]);
    let draft = Draft::new("mlp", output, None);
    let before = sha256(&std::fs::read(data("mlp.onnx")).unwrap());
    std::fs::write(draft.path().join("model.onnx"), &model).unwrap();
    std::fs::write(draft.path().join("golden.csv"), "a,b,c,d,score\n1,2,3,4,0.25\n").unwrap();
    draft.replace(&before, &sha256(&model))
}

/// The same draft with one line more in `[output]`.
fn says(draft: Draft, line: &str) -> Draft {
    draft.replace("[output]\n", &format!("[output]\n{line}\n"))
}

fn zip_map() -> Vec<u8> {
    node(ML, "ZipMap", &["p"], &["maps"], &[("classlabels_strings", Value::Texts(vec!["fraud", "legit"]))])
}

const LABELS: &[&str] = &["fraud", "legit"];

#[track_caller]
fn assert_refused(draft: Draft, pieces: &[&str]) {
    let told = draft.refused().to_string();
    pieces.iter().for_each(|piece| assert!(told.contains(piece), "{piece:?} is not in {told}"));
}

#[test]
fn the_class_that_is_named_is_the_score() {
    let model = says(linear(LABELS, &[], "p"), "class = \"fraud\"").prepare(&settings()).unwrap();
    assert_eq!(model.output(), ("p", 2, 0));
    assert_refused(says(linear(LABELS, &[], "p"), "class = \"legit\""), &["golden row 1 scored 0.75"]);
    // Integers, behind what the converter of LightGBM puts there.
    let trees = Draft::new("trees", "probabilities", Some(1)).replace("column = 1", "class = 1");
    assert_eq!(trees.prepare(&settings()).unwrap().output(), ("probabilities", 2, 1));
    let other = Draft::new("trees", "probabilities", Some(1)).replace("column = 1", "class = 0");
    assert_refused(other, &["golden row 1"]);
}

#[test]
fn the_classes_of_a_zip_map_are_named_and_with_a_class_nothing_is_left_to_warn_of() {
    let warnings = |line: &str| {
        let model = says(linear(LABELS, &[zip_map()], "maps"), line).prepare(&settings()).unwrap();
        assert_eq!(model.output(), ("p", 2, 0), "what the ZipMap is made of");
        model.report.warnings.join("\n")
    };
    let told = warnings("column = 0");
    for piece in ["output.column = 0 is class 'fraud'", "the model's classes are 'fraud', 'legit'", "zipmap=False"] {
        assert!(told.contains(piece), "{piece:?} is not in {told}");
    }
    assert!(!warnings("class = \"fraud\"").contains("ZipMap"));
    let neither = linear(LABELS, &[zip_map()], "maps");
    assert_refused(neither, &["output.column: is missing", "the model's classes are 'fraud', 'legit'"]);
}

#[test]
fn a_class_that_is_not_there_is_refused_with_those_that_are() {
    let of_text = |class: &str| says(linear(LABELS, &[], "p"), &format!("class = {class}"));
    assert_refused(
        of_text("\"Frod\""),
        &["output.class: is 'Frod'; the model's classes are 'fraud', 'legit'", "fix: write class = \"fraud\""],
    );
    assert_refused(of_text("1"), &["is 1; the model's classes are", "write class = \"fraud\" or \"legit\""]);
    let text = Draft::new("trees", "probabilities", Some(1)).replace("column = 1", "class = \"1\"");
    assert_refused(text, &["output.class: is '1'; the model's classes are 0, 1", "fix: write class = 1"]);
    assert_refused(of_text("true"), &["output.class: is true", "a text", "an integer"]);
    assert_refused(of_text("\"fraud\"\ncolumn = 0"), &["output.class: stands beside output.column"]);
}

#[test]
fn a_model_without_names_wants_a_column() {
    let nameless = says(Draft::new("mlp", "p", None), "class = \"fraud\"");
    assert_refused(nameless, &["`p` has no columns of classes that the model names", "write column instead of class"]);
    // The label itself, beside the probabilities.
    let label = Draft::new("trees", "label", Some(1)).replace("column = 1", "class = 1");
    assert_refused(
        label,
        &["`label` has no columns", "write output.tensor = \"probabilities\", whose classes are 0, 1"],
    );
    // What mixes the columns has no names any more.
    let mixed = says(linear(LABELS, &[node("", "Sub", &["p", "scores"], &["q"], &[])], "q"), "class = \"fraud\"");
    assert_refused(mixed, &["`q` has no columns"]);
    // More names than columns: whichever was meant, one of them would be another's.
    let three = [("classlabels_strings", Value::Texts(vec!["fraud", "legit", "odd"]))];
    let zip_map = node(ML, "ZipMap", &["p"], &["maps"], &three);
    let told = ["output.class: the output has 2 columns, and the model names 3 classes: 'fraud', 'legit', 'odd'"];
    assert_refused(says(linear(LABELS, &[zip_map], "maps"), "class = \"fraud\""), &told);
}
