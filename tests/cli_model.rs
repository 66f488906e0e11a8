//! `scorewire model check` as a release pipeline uses it: what holds is described, what does not exits with its code.

#[path = "model_support/mod.rs"]
mod model_support;
mod packages;

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use model_support::{Draft, library};

fn check(package: &Path, library: &Path, more: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().args(["model", "check"]).arg(package).arg("--onnxruntime").arg(library).args(more);
    command.output().unwrap()
}

#[test]
fn a_package_that_holds_is_described() {
    let draft = Draft::new("mlp", "p", None).write();
    let output = check(draft.path(), &library(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["name"], &found["version"]), (&"test-mlp".into(), &"1.0.0".into()));
    assert_eq!((&found["features"], &found["provider"]), (&4.into(), &"CPU".into()));
    assert!(found["batch_rows"].as_u64().unwrap() >= 1, "{found}");
    assert!(found["curve"].as_array().unwrap().iter().all(|point| point["row_us"].as_f64().unwrap() > 0.0), "{found}");

    let table = String::from_utf8(check(draft.path(), &library(), &[]).stdout).unwrap();
    assert!(table.starts_with("model        test-mlp 1.0.0\n") && table.contains("us/row"), "{table}");
}

#[test]
fn answers_proof_and_lost_routing_are_told() {
    let draft = Draft::new("forest", "probabilities", Some(1)).write();
    let output = check(draft.path(), &library(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let answers = &found["answers"];
    assert_eq!((&answers["rows"], &answers["smallest"]), (&8_192.into(), &0.0.into()), "{found}");
    assert!(answers["clamped"].as_u64() > Some(5_000), "{found}");
    let trees = &found["trees"][0];
    // Of each of the ten stumps: two leaves, and four values at its split.
    assert_eq!((&trees["decisions_checked"], &trees["leaves_unreachable"]), (&60.into(), &0.into()), "{found}");
    assert!(trees["proof_ms"].as_f64() > Some(0.0), "{found}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("warning:").count(), 1, "{told}");
    assert!(told.contains("a missing value of `a` goes"), "{told}");

    let table = String::from_utf8(check(draft.path(), &library(), &[]).stdout).unwrap();
    assert!(table.contains("at all 60 decisions") && table.contains("a hair outside 0 to 1: clamped"), "{table}");
}

#[test]
fn every_package_of_the_repository_holds() {
    for folder in packages::all() {
        let output = check(&folder, &library(), &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&found["name"], &found["batch_invariant"]), (&packages::name(&folder).into(), &true.into()));
        assert!(found["golden_rows"].as_u64() > Some(100), "{found}");
    }
}

#[test]
fn a_package_that_does_not_hold_exits_with_65() {
    let empty = tempfile::tempdir().unwrap();
    let output = check(empty.path(), &library(), &[]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");

    let draft = Draft::new("mlp", "p", None).write();
    let model = draft.path().join("model.onnx");
    let mut bytes = std::fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let output = check(draft.path(), &library(), &[]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("sha256"), "{output:?}");
}

#[test]
fn a_missing_library_exits_with_71_and_says_where_to_get_it() {
    let draft = Draft::new("mlp", "p", None).write();
    let output = check(draft.path(), Path::new("/nowhere/libonnxruntime.so"), &[]);
    assert_eq!(output.status.code(), Some(71), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("/nowhere/libonnxruntime.so") && told.contains("scripts/onnxruntime"), "{told}");
}
