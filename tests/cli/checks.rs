//! `model check` and `config check` passed packages that `run` then refused, on a node in production. Each package and each
//! folder of schemas here is broken in one way: the three commands say the same words with the same exit code, and what the
//! two checks pass comes as far as Kafka.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::model_support::{self, Draft, library, sha256};
use assert_cmd::Command;
use tempfile::TempDir;

/// The forest of four columns, with an enum, a map and a text beside the numbers.
fn draft() -> Draft {
    let schema = r#"{"type": "record", "name": "T", "fields": [
        {"name": "id", "type": "long"}, {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["POS", "ECOM"]}},
        {"name": "note", "type": "string"}, {"name": "a", "type": ["null", "double"]},
        {"name": "b", "type": ["null", "double"]}, {"name": "c", "type": ["null", "double"]},
        {"name": "d", "type": ["null", "double"]}]}"#;
    let draft = Draft::new("trees", "probabilities", Some(1));
    std::fs::write(draft.path().join("transaction.avsc"), schema).unwrap();
    draft
}

/// What the three commands are given.
struct Case {
    package: PathBuf,
    library: PathBuf,
    schemas: Option<PathBuf>,
    _folders: (Option<Draft>, Option<TempDir>),
}

impl Case {
    fn of(draft: Draft) -> Case {
        let draft = draft.write();
        let package = draft.path().to_owned();
        Case { package, library: library(), schemas: None, _folders: (Some(draft), None) }
    }

    fn with_schemas(files: &[(&str, &str)]) -> Case {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        let mut case = Case::of(draft());
        case.schemas = Some(folder.path().to_owned());
        case._folders.1 = Some(folder);
        case
    }

    fn model_check(&self) -> Output {
        let mut command = scorewire(&["model", "check"]);
        command.arg(&self.package).arg("--onnxruntime").arg(&self.library);
        if let Some(schemas) = &self.schemas {
            command.arg("--schemas").arg(schemas);
        }
        command.output().unwrap()
    }

    fn with_configuration(&self, args: &[&str]) -> Output {
        let mut command = scorewire(args);
        // Nobody listens there: whoever comes so far says so with 69.
        command.args(["--bootstrap", "127.0.0.1:1", "--group", "g", "--start-at", "earliest", "--listen", "off"]);
        command.arg("--package").arg(&self.package).arg("--onnxruntime").arg(&self.library);
        if let Some(schemas) = &self.schemas {
            command.arg("--set").arg(format!("schemas.directory={}", schemas.display()));
        }
        command.output().unwrap()
    }
}

fn scorewire(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("scorewire").unwrap();
    command.env_clear().args(args);
    command
}

/// Why a command ended: its last words.
fn last_words(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let at = told.rfind("scorewire: ").unwrap_or_else(|| panic!("no last words in {output:?}"));
    told[at..].to_owned()
}

#[track_caller]
fn assert_all_say(case: &Case, code: i32, pieces: &[&str]) {
    let checked = case.model_check();
    let words = last_words(&checked);
    for piece in pieces.iter().chain(&["fix: "]) {
        assert!(words.contains(piece), "{piece:?} is not in {words}");
    }
    for (command, output) in [
        ("model check", checked),
        ("config check", case.with_configuration(&["config", "check"])),
        ("run", case.with_configuration(&["run"])),
    ] {
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
        assert_eq!(last_words(&output), words, "{command}");
        assert!(output.stdout.is_empty(), "{command}: {output:?}");
        // Once: not as a line of the log and as the last word too.
        assert_eq!(String::from_utf8_lossy(&output.stderr).matches(pieces[0]).count(), 1, "{command}: {output:?}");
    }
}

#[test]
fn a_package_broken_in_any_of_these_ways_is_refused_by_all_three_alike() {
    let channel = |transform: &str| {
        let from = "path = \"b\"\nmissing = \"nan\"";
        draft().replace(from, &format!("path = \"channel\"\ntransform = {transform}"))
    };
    let cases: [(Draft, &[&str]); 14] = [
        (draft().replace("path = \"c\"", "path = \"cc\""), &["feature `c` (cc)", "no field `cc`"]),
        (channel("{ index = [\"POS\", \"MOTO\"] }"), &["feature `b` (channel)", "no symbol MOTO", "POS, ECOM"]),
        (draft().replace("path = \"b\"", "path = \"note\""), &["feature `b` (note)", "its type is string"]),
        (draft().replace("id = \"id\"", "id = \"tags\""), &["transaction id (tags)", "its type is map"]),
        (
            draft().replace("id = \"id\"", "id = \"id\"\nevent_time = \"note\""),
            &["event time (note)", "a timestamp, or a long of milliseconds"],
        ),
        (draft().replace("missing = \"nan\"\n", ""), &["feature `a` (a)", "declares no missing policy"]),
        (draft().replace("sha256 = \"", "sha256 = \"0"), &["model.sha256", "64 hexadecimal digits"]),
        (draft().edit("golden.csv", "\n", "\n0.5,0.5,0.5,0.5,0.123\n"), &["golden row 1 scored", "expected 0.123"]),
        (draft().replace("column = 1", "column = 2"), &["output.column: is 2", "columns 0 to 1"]),
        (
            draft().replace("column = 1", "class = \"fraud\""),
            &["output.class: is 'fraud'", "the model's classes are 0, 1"],
        ),
        (draft().replace("\"probabilities\"", "\"scores\""), &["output.tensor", "no output `scores`"]),
        (draft().replace("version = \"1.0.0\"", "version = \"1\\u0000\""), &["model.version", "control character"]),
        (draft().replace("review = 0.2", "review = 0.9"), &["thresholds.review: is above"]),
        (draft().edit("transaction.avsc", "{", ""), &["transaction.avsc: is no JSON"]),
    ];
    for (draft, pieces) in cases {
        assert_all_say(&Case::of(draft), 65, pieces);
    }
    let (draft, bytes) = (draft().write(), b"not a model".to_vec());
    std::fs::write(draft.path().join("model.onnx"), &bytes).unwrap();
    let old = sha256(&std::fs::read(model_support::data("trees.onnx")).unwrap());
    let case = Case::of(draft.replace(&old, &sha256(&bytes)));
    assert_all_say(&case, 65, &["model.onnx: is not an ONNX model"]);
}

#[test]
fn a_package_or_a_library_that_is_not_there_is_told_by_all_three_alike() {
    let nowhere = Case { package: "/nowhere/package".into(), ..Case::of(draft()) };
    assert_all_say(&nowhere, 65, &["model package /nowhere/package: there is no such folder", "model.package"]);
    let library = Case { library: "/nowhere/libonnxruntime.so".into(), ..Case::of(draft()) };
    assert_all_say(&library, 71, &["/nowhere/libonnxruntime.so", "scripts/onnxruntime"]);
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_all_say(&Case { library: text, ..Case::of(draft()) }, 71, &["is not a shared library"]);
}

#[test]
fn a_folder_of_schemas_of_which_none_can_be_used_is_told_by_all_three_alike() {
    let schema = |unit: &str| {
        format!(
            r#"{{"type": "record", "name": "T", "fields": [{{"name": "id", "type": {{"type": "long",
            "logicalType": "timestamp-{unit}"}}}}]}}"#
        )
    };
    let broken = Case::with_schemas(&[("17.avsc", "{"), ("18.avsc", r#"{"type": "record", "name": "T"}"#)]);
    assert_all_say(&broken, 78, &["17.avsc: is no JSON", "no writer's schema can be used", "18.avsc"]);
    let contradict = Case::with_schemas(&[("old.id-7.avsc", &schema("millis")), ("new.id-7.avsc", &schema("micros"))]);
    assert_all_say(&contradict, 78, &["claims id 7 as", "no writer's schema can be used", "rename one of the files"]);
}

#[test]
fn what_holds_is_described_and_comes_as_far_as_kafka() {
    let text = std::fs::read_to_string(draft().path().join("transaction.avsc")).unwrap();
    let case = Case::with_schemas(&[("17.avsc", &text), ("other.avsc", "\"int\"")]);
    let (model, config) = (case.model_check(), case.with_configuration(&["config", "check"]));
    for (output, verdict) in [(&model, "\nthis package holds: "), (&config, "\nthe configuration holds: ")] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = String::from_utf8(output.stdout.clone()).unwrap();
        for piece in
            ["model        test-trees 1.0.0\n", "ONNX Runtime 1.28.0\n", "\nfeatures     4\n", "17.avsc (id 17)"]
        {
            assert!(told.contains(piece), "{piece:?} is not in {told}");
        }
        // The last word, and how many warnings there were: of golden records, and of the schema that is another record's.
        let (_, last) = told.rsplit_once(verdict).unwrap_or_else(|| panic!("no verdict in {told}"));
        let last = last.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            last.starts_with("hash, contract, reader schema, 8 golden rows; see to the 2 warnings above"),
            "{last}"
        );
        let warned = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(warned.matches("warning: ").count(), 2, "{warned}");
    }
    let run = case.with_configuration(&["run"]);
    assert_eq!(run.status.code(), Some(69), "{run:?}");
}

#[test]
fn a_folder_of_schemas_that_is_empty_is_no_reason_to_stop_and_is_said() {
    let case = Case::with_schemas(&[]);
    for output in [case.model_check(), case.with_configuration(&["config", "check"])] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.matches("holds no .avsc file").count(), 1, "{told}");
    }
}

#[test]
fn a_table_fits_eighty_columns() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in ["models/card-fraud-gbdt", "models/card-fraud-mlp"] {
        let case = Case { package: repository.join(package), ..Case::of(draft()) };
        let output = case.model_check();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let table = String::from_utf8(output.stdout).unwrap();
        let wide: Vec<&str> = table.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty() && table.lines().count() > 20, "{wide:#?}");
        // Continued below the value.
        assert!(table.contains("\n             "), "{table}");
    }
}

#[test]
fn schemas_of_a_registry_are_among_those_that_a_configuration_has() {
    let case = Case::of(draft());
    let kept = tempfile::tempdir().unwrap();
    let kept = format!("schemas.registry.cache_dir={}", kept.path().display());
    let registry = ["--set", "schemas.registry.urls=http://127.0.0.1:1", "--set", &kept];
    let output = case.with_configuration(&[&["config", "check"], &registry[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("reader schema, and the registry's as records name them"), "{told}");
}

#[test]
fn a_state_directory_is_looked_at_and_not_made_and_having_none_is_said() {
    let case = Case::of(draft());
    let folder = tempfile::tempdir().unwrap();
    let check = |set: &str| case.with_configuration(&["config", "check", "--set", "kafka.node=n1", "--set", set]);
    let told = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let none = told(&case.with_configuration(&["config", "check"]));
    assert!(none.contains("no state directory (node.state_directory): a record that ends the process"), "{none}");
    let missing = folder.path().join("missing");
    let some = told(&check(&format!("node.state_directory={}", missing.display())));
    assert!(some.contains(&format!("{}, with the files of node n1", missing.display())) && !missing.exists(), "{some}");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let setting = format!("node.state_directory={}", file.display());
    let run = case.with_configuration(&["run", "--set", &setting]);
    for output in [check(&setting), run] {
        assert_eq!(output.status.code(), Some(71), "{output:?}");
        assert!(last_words(&output).contains("the state directory"), "{output:?}");
    }
}
