//! `scorewire model init` with a subject of the registry in the place of a schema's file.

use std::path::Path;

use scorewire::model::Package;
use serde_json::json;

use crate::common::job::package;
use crate::common::scorewire;
use crate::stub::Stub;

/// What a start with this subject says, and its exit code.
fn init(stub: &Stub, folder: &Path, subject: &str) -> (Option<i32>, String) {
    let config = folder.join("scorewire.toml");
    let kept = folder.join("kept");
    let registry = format!("[schemas.registry]\nurls = [{:?}]\ncache_dir = {kept:?}\n", stub.url());
    std::fs::write(&config, format!("[kafka]\nbootstrap = \"nobody:9092\"\n{registry}")).unwrap();
    let names: Vec<String> =
        Package::load(&package()).unwrap().wanted.features.into_iter().map(|feature| feature.name).collect();
    let model = package().join("model.onnx");
    let args =
        ["model", "init", "--onnx", model.to_str().unwrap(), "--schema", subject, "--features", &names.join(",")];
    let mut command = scorewire();
    let output = command.args(args).arg("-c").arg(&config).arg(folder.join(subject)).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_package_begins_with_a_subject_of_the_registry() {
    let schema = std::fs::read_to_string(package().join("transaction.avsc")).unwrap();
    let path = "/subjects/payments-value/versions/latest".to_owned();
    let answer = json!({ "subject": "payments-value", "version": 3, "id": 7, "schema": schema });
    let stub = Stub::of_paths([(path, answer)]);
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = init(&stub, folder.path(), "payments-value");
    assert_eq!(code, Some(0), "{said}");
    let written = std::fs::read_to_string(folder.path().join("payments-value/transaction.avsc")).unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&written), json(&schema));

    let (code, said) = init(&stub, folder.path(), "cards-value");
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("cards-value: neither a file nor a subject") && said.contains(&stub.url()), "{said}");
}

#[test]
fn a_registry_that_gives_no_answer_is_told() {
    let mut stub = Stub::of_paths([]);
    stub.stop();
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = init(&stub, folder.path(), "payments-value");
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains(&stub.url()), "{said}");
}
