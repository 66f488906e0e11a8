//! `scorewire model inspect`: what a model's file says of itself, also where it must not be opened.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::model_support::{Draft, data, library, onnx};
use crate::packages;

fn inspect(model: &Path, more: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().args(["model", "inspect"]).arg(model).args(more);
    command.output().unwrap()
}

fn found(model: &Path, code: i32) -> Value {
    let output = inspect(model, &["--json", "--onnxruntime", library().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn inputs_outputs_trees_and_kernel_are_told() {
    let model = data("trees_zipmap.onnx");
    let found = found(&model, 0);
    assert_eq!(found["inputs"], json!([{ "name": "input", "type": "float32 [?, 4]", "doc": "", "classes": [] }]));
    assert_eq!(found["outputs"][1]["name"], "probabilities", "{found}");
    assert_eq!(found["outputs"][1]["classes"], json!([0, 1]), "{found}");
    assert!(found["exporter"].as_str().unwrap().starts_with("OnnxMLTools"), "{found}");
    assert_eq!((&found["trees"]["trees"], &found["operators"]["ZipMap"]), (&10.into(), &1.into()), "{found}");
    assert_eq!(found["trees"]["columns"], json!([0, 1, 2]), "the last column decides nothing: {found}");
    assert_eq!(found["kernels"][0]["by"], "scorewire", "{found}");
    assert!(found["kernels"][0]["decisions_checked"].as_u64() > Some(100), "{found}");
    assert_eq!(found["problems"], json!([]));

    let output = inspect(&model, &["--onnxruntime", library().to_str().unwrap()]);
    let table = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["input `input`: float32 [?, 4]", "the classes 0, 1", "trees 10 with", "trees by scorewire"] {
        assert!(table.contains(words), "{words:?} is not in {table}");
    }
}

#[test]
fn a_package_is_looked_into_and_a_library_is_no_must() {
    let draft = Draft::new("mlp", "p", None).write();
    let output = inspect(draft.path(), &["--onnxruntime", "/nowhere/libonnxruntime.so"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("\ntrees        none\n") && table.contains("not asked: ONNX Runtime"), "{table}");
    for folder in packages::all() {
        assert_eq!(found(&folder, 0)["problems"], json!([]), "{}", folder.display());
    }
}

#[test]
fn a_file_that_must_not_be_opened_is_told_about_all_the_same() {
    for (file, words) in
        [("external_data.onnx", "keeps data in other files"), ("foreign_domain.onnx", "unknown domains")]
    {
        let found = found(&data(file), 65);
        assert!(found["problems"][0]["what"].as_str().unwrap().contains(words), "{file}: {found}");
        assert!(found["inputs"][0]["name"].is_string(), "{file}: {found}");
        assert!(found["kernels"].is_null() && found["kernels_not_asked"].is_string(), "{file}: {found}");
    }
}

#[test]
fn trees_that_ask_beyond_the_row_are_refused_before_anything_is_made_of_them() {
    // One split on column 874,798,254, which a converter wrote for a model of seven columns.
    let split = [
        ("nodes_treeids", onnx::Value::Ints(vec![0, 0, 0])),
        ("nodes_nodeids", onnx::Value::Ints(vec![0, 1, 2])),
        ("nodes_featureids", onnx::Value::Ints(vec![874_798_254, 0, 0])),
        ("nodes_values", onnx::Value::Floats(vec![0.5, 0.0, 0.0])),
        ("nodes_modes", onnx::Value::Texts(vec!["BRANCH_LEQ", "LEAF", "LEAF"])),
        ("nodes_truenodeids", onnx::Value::Ints(vec![1, 0, 0])),
        ("nodes_falsenodeids", onnx::Value::Ints(vec![2, 0, 0])),
        ("target_treeids", onnx::Value::Ints(vec![0, 0])),
        ("target_nodeids", onnx::Value::Ints(vec![1, 2])),
        ("target_ids", onnx::Value::Ints(vec![0, 0])),
        ("target_weights", onnx::Value::Floats(vec![0.1, 0.9])),
        ("n_targets", onnx::Value::Int(1)),
    ];
    let node = onnx::node("ai.onnx.ml", "TreeEnsembleRegressor", &["input"], &["y"], &split);
    let model = onnx::model(&onnx::graph(&[node], &["input"], &["y"]), &[("", 17), ("ai.onnx.ml", 3)], &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    std::fs::write(&file, model).unwrap();
    // The input declares no columns, so nothing contradicts; no kernel is made all the same.
    let found = found(&file, 0);
    assert_eq!((&found["trees"]["columns"], &found["kernels"]), (&json!([874_798_254]), &json!([])), "{found}");
}

#[test]
fn what_is_no_model_exits_with_65() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    let whole = std::fs::read(data("trees.onnx")).unwrap();
    for bytes in [&b""[..], b"{}", &whole[..whole.len() / 2], &[0xff; 64]] {
        std::fs::write(&file, bytes).unwrap();
        let output = inspect(&file, &[]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(65), true), "{output:?}");
    }
    let output = inspect(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("names no model's file"), "{output:?}");
}
