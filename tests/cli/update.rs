//! `scorewire model update`: a package after a retraining. What does not belong together is refused, and nothing is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::model_support::{Draft, data, library, onnx, sha256};
use crate::packages;

fn scorewire(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().env("SCOREWIRE_ONNXRUNTIME", library()).args(args).output().unwrap()
}

fn update(package: &Path, more: &[&str]) -> Output {
    scorewire(&[&["model", "update", package.to_str().unwrap()], more].concat())
}

#[track_caller]
fn found(package: &Path, more: &[&str]) -> Value {
    let output = update(package, &[more, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn check(package: &Path) -> Output {
    scorewire(&["model", "check", package.to_str().unwrap(), "--json"])
}

/// Every file of a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap_or_default()))
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_retrained_model_comes_with_its_hash_and_rows_that_are_marked() {
    let draft = Draft::new("trees", "probabilities", Some(1)).replace("format = 1", "# My notes.\nformat = 1").write();
    let new = data("trees_zipmap.onnx");
    let found = found(draft.path(), &["--onnx", text(&new), "--model-version", "1.1.0"]);
    let manifest = std::fs::read_to_string(draft.path().join("model.toml")).unwrap();
    let hash = sha256(&std::fs::read(&new).unwrap());
    assert!(manifest.starts_with("# My notes.\n") && manifest.contains(&hash), "{manifest}");
    assert!(
        manifest.contains("version = \"1.1.0\"") && manifest.contains("rows_made_by = \"scorewire model update"),
        "{manifest}"
    );
    let what: Vec<&str> =
        found["changes"].as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["sha256", "outputs", "operators", "version", "golden rows"], "{found}");
    // The same trees: no score moves.
    assert_eq!((&found["scores_moved"]["rows"], &found["scores_moved"]["decisions_changed"]), (&8.into(), &0.into()));
    assert!(found["scores_moved"]["largest"].as_f64() < Some(1e-6), "{found}");

    let output = check(draft.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(told(&output).contains("the golden rows were scored by scorewire itself"), "{}", told(&output));
    let names: Vec<String> = content(draft.path()).into_keys().collect();
    assert_eq!(names, ["golden.csv", "model.onnx", "model.toml", "transaction.avsc"], "nothing is left behind");
}

#[test]
fn rows_of_the_training_side_count_and_those_that_are_not_the_models_are_refused() {
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    std::fs::remove_file(draft.path().join("golden.csv")).unwrap();
    // A draft without rows gets some.
    assert_eq!(found(draft.path(), &[])["changes"][0]["what"], "golden rows");
    assert!(told(&check(draft.path())).contains("scored by scorewire itself"));

    let before = content(draft.path());
    let wrong = draft.path().with_extension("wrong.csv");
    let rows = std::fs::read_to_string(data("trees.csv")).unwrap();
    std::fs::write(&wrong, rows.replacen("0.15373098850250244", "0.25373098850250244", 1)).unwrap();
    let output = update(draft.path(), &["--golden-rows", text(&wrong), "--made-by", "LightGBM 4.7"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(told(&output).contains("golden row 1 is expected to score 0.25373"), "{}", told(&output));
    assert_eq!(content(draft.path()), before);
    std::fs::remove_file(wrong).unwrap();

    let rows = data("trees.csv");
    let output = update(draft.path(), &["--golden-rows", text(&rows), "--made-by", "scorewire"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert_eq!(update(draft.path(), &["--golden-rows", text(&rows)]).status.code(), Some(64), "somebody made them");
    let found = found(draft.path(), &["--golden-rows", text(&rows), "--made-by", "LightGBM 4.7"]);
    assert_eq!(found["changes"][0]["after"], "8 by LightGBM 4.7", "{found}");
    let output = check(draft.path());
    assert!(output.status.success() && !told(&output).contains("by scorewire itself"), "{}", told(&output));
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checked["golden_rows_made_by"], "LightGBM 4.7");
}

#[test]
fn records_of_an_earlier_model_keep_their_features_and_count_no_more() {
    let folder = packages::all().into_iter().find(|folder| packages::name(folder) == "card-fraud-mlp").unwrap();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    // The same weights in a file that says one thing more.
    let model = onnx::with_metadata(&std::fs::read(folder.join("model.onnx")).unwrap(), "trained", "again");
    let new = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(new.path(), &model).unwrap();

    let before = content(copy.path());
    let dry = found(copy.path(), &["--onnx", text(new.path()), "--dry-run"]);
    assert_eq!((&dry["written"], content(copy.path()) == before), (&false.into(), true), "{dry}");
    let found = found(copy.path(), &["--onnx", text(new.path())]);
    assert_eq!((&found["written"], &found["changes"]), (&true.into(), &dry["changes"]));
    assert!(found["warnings"][0].as_str().unwrap().contains("model.version is still"), "{found}");
    let output = check(copy.path());
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&checked["golden_records"], output.status.code()), (&0.into(), Some(0)), "{checked}");
    let made_by = checked["golden_records_made_by"].as_str().unwrap();
    assert!(
        made_by.starts_with("scorewire model update") && made_by.contains("features by scripts/train.d"),
        "{made_by}"
    );

    // What the training side computed for this model counts again.
    let [records, expected] = ["golden_records.avro", "golden_records.csv"].map(|name| folder.join(name));
    let args = ["--golden-records", text(&records), "--expected", text(&expected), "--made-by", "training/golden.py"];
    assert_eq!(update(copy.path(), &args).status.code(), Some(0));
    let checked: Value = serde_json::from_slice(&check(copy.path()).stdout).unwrap();
    assert!(checked["golden_records"].as_u64() > Some(40), "{checked}");
}

#[test]
fn a_model_of_another_form_is_refused_and_nothing_is_written() {
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    let before = content(draft.path());
    let gbdt = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt/model.onnx");
    for (model, words) in [
        (gbdt, "the contract has 4 features, the model takes 28 columns"),
        (data("mlp.onnx"), "the model has no output `probabilities`"),
        (data("foreign_domain.onnx"), "unknown domains"),
    ] {
        let output = update(draft.path(), &["--onnx", text(&model)]);
        assert_eq!(output.status.code(), Some(65), "{output:?}");
        assert!(told(&output).contains(words), "{}", told(&output));
        assert_eq!(content(draft.path()), before, "{words}");
    }
    assert_eq!(found(draft.path(), &[])["files"], json!([]), "there is nothing to do");
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(update(nowhere.path(), &[]).status.code(), Some(65));
}

#[test]
fn columns_that_the_retrained_models_file_names_in_another_order_are_refused() {
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    let before = content(draft.path());
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.onnx");
    let trees = std::fs::read(data("trees_zipmap.onnx")).unwrap();
    let retrained = |names: &str| std::fs::write(&new, onnx::with_metadata(&trees, "features", names)).unwrap();

    retrained(r#"["b", "a", "c", "d"]"#);
    let output = update(draft.path(), &["--onnx", text(&new)]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(told(&output).contains("another order than the file's metadata (`features`): b, a, c, d"), "{output:?}");
    assert_eq!(content(draft.path()), before);
    // What the training itself scored says more than a list of names.
    let rows = text(&data("trees.csv")).to_owned();
    let given = ["--onnx", text(&new), "--golden-rows", &rows, "--made-by", "train.py", "--dry-run"];
    assert_eq!(found(draft.path(), &given)["changes"][0]["what"], "sha256");
    // The contract's order, and names that are others.
    for names in [r#"["a", "b", "c", "d"]"#, r#"["b", "a", "c", "e"]"#] {
        retrained(names);
        assert_eq!(
            found(draft.path(), &["--onnx", text(&new), "--dry-run"])["changes"][0]["what"],
            "sha256",
            "{names}"
        );
    }
}
