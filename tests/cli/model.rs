//! `scorewire model check` as a release pipeline uses it: what holds is described, what does not exits with its code.

use std::path::Path;
use std::process::Output;

use crate::model_support::{Draft, library};
use crate::packages;
use assert_cmd::Command;
use scorewire::model::ProbeSettings;

fn check(package: &Path, library: &Path, more: &[&str]) -> Output {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().args(["model", "check"]).arg(package).arg("--onnxruntime").arg(library).args(more);
    command.output().unwrap()
}

/// The table without the breaks that make it fit a terminal.
fn unwrapped(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
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
    assert_eq!(found["output"], serde_json::json!({ "tensor": "p", "column": 0, "classes": [] }), "{found}");
    assert!(found["curve"].as_array().unwrap().iter().all(|point| point["row_us"].as_f64().unwrap() > 0.0), "{found}");

    let output = check(draft.path(), &library(), &[]);
    let [table, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(table.starts_with("model        test-mlp 1.0.0\n") && table.contains("us/row"), "{table}");
    // Nobody vouches for the way from a record to its features, and that is said: once.
    assert_eq!((&found["golden_records"], &found["golden_records_made_by"]), (&0.into(), &serde_json::Value::Null));
    assert!(table.contains("\nrecords      none"), "{table}");
    assert_eq!(told.matches("the package has no golden records").count(), 1, "{told}");
}

#[test]
fn golden_records_are_counted_and_what_they_do_not_show_is_named() {
    let folder = packages::all().into_iter().find(|folder| packages::name(folder) == "card-fraud-mlp").unwrap();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let manifest = std::fs::read_to_string(copy.path().join("model.toml")).unwrap();
    let replace = |from: &str, to: &str| {
        assert!(manifest.contains(from), "{from:?}");
        std::fs::write(copy.path().join("model.toml"), manifest.replacen(from, to, 1)).unwrap();
    };
    // A symbol more at the end of the list: the records that are there still hold.
    replace("\"BR\", \"NG\"]", "\"BR\", \"NG\", \"JP\"]");
    let output = check(copy.path(), &library(), &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["golden_records"].as_u64() > Some(40), "{found}");
    assert_eq!(found["golden_records_unreached"], serde_json::json!(["merchant_country: JP"]), "{found}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no golden record shows merchant_country: JP") && !told.contains("warning"), "{told}");

    replace("made_by = \"", "made_by = \"scorewire ");
    let output = check(copy.path(), &library(), &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &found["golden_records"]), (Some(0), &0.into()), "{found}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("warning: the golden records were made by scorewire itself"), "{told}");

    replace("\"POS\", \"ECOMMERCE\"", "\"ECOMMERCE\", \"POS\"");
    let output = check(copy.path(), &library(), &["--json"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(65), true), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("golden_records.avro record ") && told.contains("feature `channel` (channel)"), "{told}");
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
    assert_eq!(told.matches("warning:").count(), 2, "the other is of golden records: {told}");
    assert_eq!(told.matches("a missing value of `a` goes").count(), 1, "{told}");

    let table = unwrapped(&check(draft.path(), &library(), &[]));
    assert!(table.contains("at all 60 decisions") && table.contains("a hair outside 0 to 1: clamped"), "{table}");
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    let table = unwrapped(&check(draft.path(), &library(), &[]));
    assert!(table.contains("answers") && !table.contains("a hair outside"), "{table}");
}

#[test]
fn a_kernel_that_is_not_used_is_told_with_the_reason() {
    let draft = Draft::new("cast_double", "probabilities", Some(1)).write();
    let output = check(draft.path(), &library(), &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &found["trees"][0]["by"]), (Some(0), &"onnxruntime".into()), "{found}");
    assert!(found["trees"][0]["why"].as_str().unwrap().starts_with("takes float64"), "{found}");
    let table = unwrapped(&check(draft.path(), &library(), &[]));
    assert!(
        table.contains("by ONNX Runtime: the node takes float64, which none of scorewire's kernels does"),
        "{table}"
    );
}

/// They differed: 5 ms here and 10 ms there.
#[test]
fn check_and_run_measure_within_the_same_bounds() {
    let output = Command::cargo_bin("scorewire").unwrap().args(["model", "check", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let config = scorewire::config::Config::new("localhost:9092", "group", "package").model;
    let told = |flag: &str| {
        let (_, of_flag) = help.split_once(flag).unwrap_or_else(|| panic!("no {flag} in {help}"));
        let (_, default) = of_flag.split_once("[default: ").unwrap();
        default.split_once(']').unwrap().0.parse::<u64>().unwrap()
    };
    assert_eq!(told("--batch-slice-us <US>"), config.batch_slice_us);
    assert_eq!(told("--batch-latency-us-max <US>"), config.batch_latency_us_max);
    assert_eq!(
        ProbeSettings::default().rows_max,
        scorewire::config::Config::new("a:1", "b", "c").limits.batch_rows_max
    );
}

#[test]
fn every_package_of_the_repository_holds() {
    for folder in packages::all() {
        let output = check(&folder, &library(), &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&found["name"], &found["batch_invariant"]), (&packages::name(&folder).into(), &true.into()));
        assert!(found["golden_rows"].as_u64() > Some(100), "{found}");
        assert!(found["golden_records"].as_u64() > Some(40), "{found}");
        assert_eq!(found["golden_records_unreached"], serde_json::json!([]), "{found}");
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
