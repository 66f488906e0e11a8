//! `scorewire score`: what a record becomes, as a person and as continuous integration look at it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use scorewire::avro::container::Container;
use scorewire::values::fingerprint::Fingerprinter;
use serde_json::Value;

use crate::model_support::{library, sha256};

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-mlp")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().arg("score").args(args).arg("--onnxruntime").arg(library());
    command
}

fn score(args: &[&str], stdin: &str) -> Output {
    command(args).write_stdin(stdin).output().unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn lines(output: &Output, code: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The package's golden records as lines of hex behind `prefix`.
fn hex(prefix: &[u8], spoil: impl Fn(usize, &mut Vec<u8>)) -> String {
    let bytes = std::fs::read(package().join("golden_records.avro")).unwrap();
    let container = Container::read(&bytes, "golden").unwrap();
    let mut text = "# a comment, and an empty line\n\n".to_owned();
    for (index, record) in container.records.iter().enumerate() {
        let mut value = [prefix, record].concat();
        spoil(index, &mut value);
        value.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

/// As the training side has them: features to the bit, scores to the package's tolerance.
fn expected() -> (Vec<String>, Vec<Vec<f64>>) {
    let text = std::fs::read_to_string(package().join("golden_records.csv")).unwrap();
    let mut rows = text.lines().map(|line| line.split(','));
    let names = rows.next().unwrap().map(str::to_owned).collect();
    let number = |cell: &str| if cell == "nan" { f64::NAN } else { cell.parse().unwrap() };
    (names, rows.map(|cells| cells.map(number).collect()).collect())
}

#[test]
fn golden_records_become_the_features_and_scores_of_the_training() {
    let package = package();
    let records = text(&package.join("golden_records.avro"));
    let output = score(&["--package", &text(&package), "--fail-on-reject", &records], "");
    let (names, rows) = expected();
    let found = lines(&output, 0);
    assert_eq!(found.len(), rows.len());
    for (number, (line, row)) in found.iter().zip(&rows).enumerate() {
        assert_eq!(line["record"], number + 1);
        let features = line["features"].as_object().unwrap();
        assert!(features.keys().eq(&names[..names.len() - 1]), "in the contract's order: {line}");
        for (value, expected) in features.values().zip(row) {
            match value.as_f64() {
                Some(value) => assert_eq!(value as f32, *expected as f32, "{line}"),
                None => assert!(value.is_null() && expected.is_nan(), "{line}"),
            }
        }
        let score = line["score"].as_f64().unwrap();
        assert!((score - row[names.len() - 1]).abs() <= 1e-5, "{line}");
        let decision = if score >= 0.9 {
            "DECLINE"
        } else if score >= 0.05 {
            "REVIEW"
        } else {
            "APPROVE"
        };
        assert_eq!(line["decision"], decision);
        assert!(line["id"].is_string() && line["event_time_ms"].is_i64() && line["block_byte"].is_u64(), "{line}");
    }
    assert!(told(&output).contains(&format!("{} records: {0} scored", rows.len())), "{}", told(&output));
}

/// The writer's schema as the registry's id 7 in a folder.
fn schemas() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(package().join("golden_records.avro")).unwrap();
    let container = Container::read(&bytes, "golden").unwrap();
    std::fs::write(folder.path().join("7.avsc"), container.writer.text()).unwrap();
    folder
}

#[test]
fn values_of_a_topic_are_scored_and_rejects_are_told_with_field_and_byte() {
    let (package, schemas) = (text(&package()), schemas());
    let folder = text(schemas.path());
    let id = [0, 0, 0, 0, 7];
    let values = hex(&id, |index, value| match index {
        1 => value.truncate(value.len() - 3),
        2 => value.push(0),
        3 => value[4] = 9,
        4 => value[0] = 0x77,
        _ => {}
    });
    let args = ["--package", &package, "--schemas", &folder, "-"];
    let found = lines(&score(&args, &values), 0);
    let whole = lines(&score(&["--package", &package, &text(&Path::new(&package).join("golden_records.avro"))], ""), 0);
    assert_eq!((&found[0]["features"], &found[0]["score"]), (&whole[0]["features"], &whole[0]["score"]));
    assert_eq!((&found[0]["record"], &found[0]["line"]), (&1.into(), &3.into()), "lines are counted with the others");
    let reject = |index: usize| (&found[index]["reject"]["reason"], &found[index]["reject"]["byte"]);
    let bytes = |index: usize| values.lines().nth(index + 2).unwrap().len() / 2;
    assert_eq!(reject(1).0, "truncated");
    // The last field begins before what is left of it ends.
    assert_eq!(found[1]["reject"]["field"], "terminal.risk_30d", "{}", found[1]);
    assert!(reject(1).1.as_u64() < Some(bytes(1) as u64 + 1), "{}", found[1]);
    assert_eq!(reject(2), (&"trailing_bytes".into(), &(bytes(2) - 1).into()), "{}", found[2]);
    assert_eq!(reject(3), (&"unknown_schema".into(), &Value::Null), "{}", found[3]);
    assert_eq!(reject(4).0, "unknown_wire_form", "{}", found[4]);
    assert!(found[1]["features"].is_null() && found[1]["score"].is_null() && found[1]["decision"].is_null());

    let args = ["--package", &package, "--schemas", &folder, "--fail-on-reject", "-"];
    let output = score(&args, &values);
    assert_eq!(lines(&output, 1), found, "all of them are told first");
    assert!(told(&output).contains("4 would be dead letters"), "{}", told(&output));
}

#[test]
fn a_schema_that_does_not_fit_is_told_where_the_reason_stands() {
    let (package, schemas) = (text(&package()), schemas());
    let folder = text(schemas.path());
    let writer = std::fs::read_to_string(schemas.path().join("7.avsc")).unwrap();
    let mut other: Value = serde_json::from_str(&writer).unwrap();
    other["fields"] = serde_json::json!([{ "name": "nothing", "type": "string" }]);
    std::fs::write(schemas.path().join("9.avsc"), other.to_string()).unwrap();
    let output = score(&["--package", &package, "--schemas", &folder, "-"], "000000000902aa\n");
    let reject = &lines(&output, 0)[0]["reject"];
    assert_eq!(reject["reason"], "incompatible_schema", "{output:?}");
    // No log and no /status are there.
    let meaning = "this schema does not fit the model's: the warning about it on stderr says why";
    assert_eq!(reject["meaning"], meaning);
    let warning = "warning: records of this schema are dead letters: schema id 9: ";
    assert!(told(&output).contains(warning), "{}", told(&output));
}

#[test]
fn bare_data_is_scored_by_the_schema_that_is_named() {
    let (package, schemas) = (text(&package()), schemas());
    let schema = text(&schemas.path().join("7.avsc"));
    let found = lines(&score(&["--package", &package, "--raw-schema", &schema, "-"], &hex(&[], |_, _| {})), 0);
    assert!(found.len() > 40 && found.iter().all(|line| line["score"].is_f64()));
}

#[test]
fn a_feature_that_is_missing_is_told_by_its_name_and_its_field() {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(package()).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let manifest = std::fs::read_to_string(copy.path().join("model.toml")).unwrap();
    // Without golden records, some of which have no device.
    let manifest: String = manifest
        .replace(
            "name = \"ip_country\"\npath = \"device.ip_country\"\nmissing = { constant = -1.0 }",
            "name = \"ip_country\"\npath = \"device.ip_country\"\nmissing = \"reject\"",
        )
        .lines()
        .filter(|line| !["records =", "expected =", "made_by ="].iter().any(|key| line.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(manifest.contains("missing = \"reject\"\ntransform = { index = [\"DE\""), "{manifest}");
    std::fs::write(copy.path().join("model.toml"), manifest).unwrap();
    let records = text(&copy.path().join("golden_records.avro"));
    let found = lines(&score(&["--package", &text(copy.path()), &records], ""), 0);
    let rejected: Vec<&Value> = found.iter().filter(|line| !line["reject"].is_null()).collect();
    assert!(!rejected.is_empty() && rejected.len() < found.len());
    for line in rejected {
        let reject = &line["reject"];
        assert_eq!(
            (&reject["reason"], &reject["feature"]),
            (&"missing_feature".into(), &"ip_country".into()),
            "{line}"
        );
        assert!(["device", "device.ip_country"].contains(&reject["field"].as_str().unwrap()), "{line}");
        assert!(reject["byte"].as_u64() > Some(0), "{line}");
    }
}

#[test]
fn a_configuration_says_thresholds_package_and_schemas() {
    let (folder, schemas) = (tempfile::tempdir().unwrap(), schemas());
    let config = folder.path().join("scorewire.toml");
    let text_of_config = format!(
        "[kafka]\nbootstrap = \"127.0.0.1:1\"\ngroup = \"g\"\n[model]\npackage = \"{}\"\n[schemas]\ndirectory = \"{}\"\n\
         [thresholds]\nreview = 0.0\ndecline = 1.0\nversion = \"mine\"\n",
        package().display(),
        schemas.path().display()
    );
    std::fs::write(&config, &text_of_config).unwrap();
    let values = hex(&[0, 0, 0, 0, 7], |_, _| {});
    let found = lines(&score(&["-c", &text(&config), "-"], &values), 0);
    assert!(found.len() > 40 && found.iter().all(|line| line["decision"] == "REVIEW"), "{found:?}");
    assert!(found.iter().all(|line| line.get("fingerprint").is_none()));

    std::fs::write(&config, text_of_config + "[outputs]\nfingerprint = true\n").unwrap();
    // The first one is cut.
    let spoilt = hex(&[0, 0, 0, 0, 7], |index, value| value.truncate(value.len() - usize::from(index == 0)));
    let with = lines(&score(&["-c", &text(&config), "-"], &spoilt), 0);
    let sha256 = sha256(&std::fs::read(package().join("model.onnx")).unwrap());
    let maker = Fingerprinter::new(&sha256, "mine");
    assert!(with[0]["reject"].is_object() && with[0].get("fingerprint").is_none(), "{}", with[0]);
    for line in &with[1..] {
        let number = |value: &Value| value.as_f64().map_or(f32::NAN, |value| value as f32);
        let row: Vec<f32> = line["features"].as_object().unwrap().values().map(number).collect();
        assert_eq!(line["fingerprint"], maker.of(&row).to_string(), "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_what_does_not_hold_is_not_scored() {
    let (package, folder) = (text(&package()), tempfile::tempdir().unwrap());
    let output = score(&["--package", &package, "-"], "00 xy\n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told(&output).contains("stdin line 1 is no hex"), "{}", told(&output));
    let output = score(&["--package", &package, "/nowhere/records.avro"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let cut = folder.path().join("cut.avro");
    let bytes = std::fs::read(Path::new(&package).join("golden_records.avro")).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 5]).unwrap();
    let output = score(&["--package", &package, &text(&cut)], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told(&output).contains("is damaged"), "{}", told(&output));
    // What comes before the damage is shown, however little it is.
    let output = score(&["--package", &package, "-"], "0000000007\nno hex\n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{output:?}");
    assert!(told(&output).contains("1 records: ") && told(&output).contains("stdin line 2 is no hex"), "{output:?}");
    // A check that looked at nothing must not pass.
    let empty = folder.path().join("empty.avro");
    let whole = text(&Path::new(&package).join("golden_records.avro"));
    let header = lines(&score(&["--package", &package, &whole], ""), 0)[0]["block_byte"].as_u64().unwrap();
    std::fs::write(&empty, &bytes[..header as usize]).unwrap();
    for (file, stdin, place) in
        [("-", "", "stdin"), ("-", "# a comment\n\n", "stdin"), (&*text(&empty), "", "empty.avro")]
    {
        let output = score(&["--package", &package, file], stdin);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{output:?}");
        let told = told(&output);
        assert!(told.contains(&format!("{place} holds no record")) && told.contains("fix: "), "{told}");
    }
    let output = score(&["--package", &text(folder.path()), "-"], "");
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(65), true), "{output:?}");
    let model = text(&Path::new(&package).join("model.onnx"));
    let output = score(&["--package", &model, "-"], "");
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(told(&output).contains("model.onnx: is a file, and a package is a folder"), "{}", told(&output));
    assert_eq!(score(&["-"], "").status.code(), Some(64), "a package or a configuration is needed");
}
