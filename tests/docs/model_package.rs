//! docs/model-package.md held against the product: its keys are those of the parser, its table of types is what the decode
//! plan takes, its package is accepted, and its Python writes packages that hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::model_support::onnx::{self, Named, Value, graph, node};
use crate::model_support::{Draft, SteppingClock, data, settings, sha256};
use crate::support;
use scorewire::avro::feature::{Feature, Missing, Step, Transform, Wanted};
use scorewire::avro::plan::Plan;
use scorewire::avro::problem::PlanError;
use scorewire::avro::schemas::AvroSchema;
use scorewire::avro::transform::Takes;
use scorewire::error::Fatal;
use scorewire::model::{MANIFEST, Model, Package, prepare};

const PAGE: &str = include_str!("../../docs/model-package.md");

/// The page's blocks of code in one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    support::blocks(PAGE, language)
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The rows of the table whose head begins so, each a list of its cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(head).unwrap_or_else(|| panic!("no table {head:?}"));
    rest.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// What stands between backticks in a cell.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no code in {cell:?}"))
}

/// What a transform is called: its text, or the first key of its table.
fn name_of(spelling: &str) -> &str {
    spelling.trim_matches(['"', '{', ' ']).split([' ', '"']).next().unwrap()
}

/// One of each transform with its name: what the parser makes of its spelling.
fn transforms() -> Vec<(&'static str, Transform)> {
    let read = |spelling: &'static str| {
        let kind = match name_of(spelling) {
            "hour" | "weekday" => r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
            "ratio_to" | "difference_from" => "\"float\"",
            "length" | "contains" => r#"{"type": "array", "items": "string"}"#,
            "key" => r#"{"type": "map", "values": "double"}"#,
            _ => r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#,
        };
        let draft = Draft::new("trees", "probabilities", Some(1))
            .replace("path = \"a\"\n", &format!("path = \"a\"\ntransform = {spelling}\n"))
            .edit("transaction.avsc", "\"double\"", kind)
            .write();
        if name_of(spelling) == "one_hot" {
            // It is two columns.
            std::fs::write(draft.path().join("golden.csv"), "a_A,a_B,b,c,d,score\n1,0,0,0,0,0.5\n").unwrap();
        }
        let package = Package::load(draft.path()).unwrap_or_else(|fatal| panic!("{spelling}: {fatal}"));
        (name_of(spelling), package.wanted.features[0].transform.clone())
    };
    Transform::SPELLINGS.map(read).into()
}

fn load(package: &Path) -> Result<Model, Fatal> {
    prepare(package, &settings(), &SteppingClock::new(1_000))
}

/// The page's package around the model of four columns; the golden rows' values are the model's own.
fn page_package(manifest: &str) -> Draft {
    let draft = Draft::new("trees", "probabilities", Some(1));
    std::fs::write(draft.path().join("payment.avsc"), blocks("json")[0]).unwrap();
    let header = blocks("csv")[0].lines().next().unwrap().trim_end_matches(",score");
    let draft = draft.edit("golden.csv", "a,b,c,d", header);
    let written = code(&manifest[manifest.find("sha256").unwrap()..].replace('"', "`")).to_owned();
    let actual = sha256(&std::fs::read(data("trees.onnx")).unwrap());
    Draft { manifest: manifest.replace(&written, &actual), ..draft }
}

/// The keys that the parser knows in one table of the manifest: it lists them to whoever writes one that is like none.
fn known_keys(section: &str, manifest: &str) -> BTreeSet<String> {
    const UNLIKE: &str = "zzzzzzzzzzzzzzzzzzzz";
    let header = if section == "features" { "[[features]]\n".to_owned() } else { format!("[{section}]\n") };
    let with = match section {
        "" => format!("{UNLIKE} = 1\n{manifest}"),
        "input" => format!("{manifest}\n[input]\n{UNLIKE} = 1\n"),
        _ => manifest.replacen(&header, &format!("{header}{UNLIKE} = 1\n"), 1),
    };
    let told = page_package(&with).refused().to_string();
    let (_, of_key) = told.split_once(UNLIKE).unwrap_or_else(|| panic!("not refused in {section}: {told}"));
    let (_, keys) = of_key.split_once("known keys here: ").unwrap_or_else(|| panic!("no keys: {told}"));
    keys.lines().next().unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_keys_of_the_page_are_those_of_the_parser() {
    let whole = blocks("toml")[0];
    let told: BTreeSet<String> = table("| key | value |").iter().map(|row| code(row[0]).to_owned()).collect();
    let mut known = BTreeSet::new();
    let top = known_keys("", whole);
    for section in &top {
        if section == "format" {
            known.insert(section.clone());
            continue;
        }
        known.extend(known_keys(section, whole).into_iter().map(|key| format!("{section}.{key}")));
    }
    // The tables within a feature.
    let of_feature = |line: &str, unlike: &str| {
        let told =
            page_package(&whole.replacen("path = \"amount\"\n", &format!("path = \"amount\"\n{line}\n"), 1)).refused();
        let told = told.to_string();
        assert!(told.contains(unlike), "{told}");
        let (_, keys) = told.split_once("known keys here: ").unwrap_or_else(|| panic!("no keys: {told}"));
        keys.lines().next().unwrap().split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    const UNLIKE: &str = "zzzzzzzzzzzzzzzzzzzz";
    for open in Step::SPELLINGS.into_iter().filter_map(|spelling| spelling.strip_suffix(" }")) {
        let keys = of_feature(&format!("then = [{open}, {UNLIKE} = 1 }}]"), UNLIKE);
        assert!(keys.iter().any(|known| known == name_of(open)), "{keys:?}");
        known.extend(keys.into_iter().map(|key| format!("features.then.{key}")));
    }
    let scale = whole.replacen("[output]\n", &format!("[output]\nscale = {{ zero = 0, one = 1, {UNLIKE} = 1 }}\n"), 1);
    let told_of_scale = page_package(&scale).refused().to_string();
    assert!(told_of_scale.contains("known keys here: zero, one"), "{told_of_scale}");
    known.extend(["zero", "one"].map(|key| format!("output.scale.{key}")));
    let missing = ("missing", "constant", format!("missing = {{ constant = 1, {UNLIKE} = 1 }}"));
    let open = Transform::SPELLINGS.into_iter().filter_map(|spelling| spelling.strip_suffix(" }"));
    let tables = open.map(|open| ("transform", name_of(open), format!("transform = {open}, {UNLIKE} = 1 }}")));
    for (table, key, line) in tables.chain([missing]) {
        let keys = of_feature(&line, UNLIKE);
        assert!(keys.iter().any(|known| known == key), "{keys:?}");
        known.extend(keys.into_iter().map(|key| format!("features.{table}.{key}")));
    }
    assert_eq!(told, known, "left: the page, right: the parser");
}

#[test]
fn the_transforms_and_missing_policies_of_the_page_are_those_of_the_parser() {
    let whole = blocks("toml")[0];
    let choices = |line: &str| {
        let wrong = whole.replacen("path = \"amount\"\n", &format!("path = \"amount\"\n{line}\n"), 1);
        let told = page_package(&wrong).refused().to_string();
        let (_, fix) = told.split_once("fix: write ").unwrap_or_else(|| panic!("no choices: {told}"));
        fix.lines().next().unwrap().to_owned()
    };
    let [others @ .., last] = Transform::SPELLINGS;
    assert_eq!(choices("transform = 7"), format!("{} or {last}", others.join(", ")));
    let known: BTreeSet<&str> = transforms().into_iter().map(|(name, _)| name).collect();
    let told: BTreeSet<&str> = table("| transform | of | gives |").iter().map(|row| name_of(code(row[0]))).collect();
    assert_eq!((&known, known.len()), (&told, Transform::SPELLINGS.len()));
    let [others @ .., last] = Step::SPELLINGS;
    assert_eq!(choices("then = [7]"), format!("{} or {last}", others.join(", ")));
    let told: Vec<&str> = table("| step | gives |").iter().map(|row| code(row[0])).collect();
    assert_eq!(told, Step::SPELLINGS);
    let policies = choices("missing = 7").replace(" or ", ", ");
    for policy in policies.split(", ").map(name_of) {
        assert!(
            PAGE.contains(&format!("missing = \"{policy}\"")) || PAGE.contains(&format!("missing = {{ {policy}")),
            "{policy}"
        );
    }
}

#[test]
fn the_pages_package_holds_and_each_other_block_is_a_part_of_one() {
    let [whole, steps, part, output] = blocks("toml")[..] else { panic!("other blocks than these") };
    let draft = page_package(whole).write();
    let model = load(draft.path()).unwrap_or_else(|fatal| panic!("{fatal}"));
    assert_eq!((model.package.name.as_str(), model.output()), ("payments", ("probabilities", 2, 1)));
    // The rows on the page are rows: one more cell than there are features, each a number.
    for row in blocks("csv")[0].lines().skip(1) {
        assert_eq!(row.split(',').filter(|cell| *cell == "nan" || cell.parse::<f64>().is_ok()).count(), 5, "{row}");
    }
    let head = &Draft::new("trees", "probabilities", Some(1)).manifest;
    let head = &head[..head.find("\n[[features]]").unwrap()];
    let parts = Draft { manifest: format!("{head}\n{part}"), ..Draft::new("trees", "probabilities", Some(1)) }.write();
    let features = Package::load(parts.path()).unwrap_or_else(|fatal| panic!("{fatal}")).wanted.features;
    let missing: Vec<_> = features.iter().map(|feature| feature.missing).collect();
    assert_eq!(missing, [Some(Missing::Reject), Some(Missing::Nan), Some(Missing::Constant(-1.0)), None]);
    assert_eq!(features[3].transform, Transform::IsPresent);

    let parts = Draft { manifest: format!("{head}\n{steps}"), ..Draft::new("trees", "probabilities", Some(1)) };
    let fields = ["amount", "average_amount", "age"].map(|name| format!(r#"{{"name": "{name}", "type": "double"}}"#));
    let times = ["time", "last_time"]
        .map(|name| format!(r#"{{"name": "{name}", "type": {{"type": "long", "logicalType": "timestamp-millis"}}}}"#));
    let fields = [&fields[..], &times[..]].concat().join(", ");
    let id = r#"{"name": "id", "type": "long"}"#;
    let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{id}, {fields}]}}"#);
    std::fs::write(parts.path().join("transaction.avsc"), schema).unwrap();
    let header = "amount_to_average,minutes_since_last,age,hour";
    let parts = parts.edit("golden.csv", "a,b,c,d", header).write();
    let features = Package::load(parts.path()).unwrap_or_else(|fatal| panic!("{fatal}")).wanted.features;
    assert_eq!(features[0].then, [Step::Clip { min: 0.0, max: 100.0 }, Step::Log1p]);
    assert_eq!(features[2].then, [Step::Standard { mean: 41.5, scale: 12.25 }]);
    assert_eq!(features[3].transform, Transform::Hour("Europe/Berlin".into()));

    let attributes: [Named; 3] = [
        ("classlabels_strings", Value::Texts(vec!["legit", "lost", "stolen"])),
        ("coefficients", Value::Floats(vec![0.0; 12])),
        ("intercepts", Value::Floats(vec![0.5f32.ln(), 0.25f32.ln(), 0.25f32.ln()])),
    ];
    let nodes = [node("ai.onnx.ml", "LinearClassifier", &["input"], &["label", "logits"], &attributes)];
    let model = onnx::model(&graph(&nodes, &["input"], &["logits"]), &[("", 15), ("ai.onnx.ml", 3)], &[]);
    let draft = Draft::new("trees", "probabilities", Some(1));
    let before = sha256(&std::fs::read(data("trees.onnx")).unwrap());
    std::fs::write(draft.path().join("model.onnx"), &model).unwrap();
    std::fs::write(draft.path().join("golden.csv"), "a,b,c,d,score\n1,2,3,4,0.5\n").unwrap();
    let draft = draft.replace(&before, &sha256(&model));
    let draft = draft.replace("[output]\ntensor = \"probabilities\"\ncolumn = 1\n", output).write();
    load(draft.path()).unwrap_or_else(|fatal| panic!("{fatal}"));
}

#[test]
fn each_avro_type_of_the_page_is_taken_by_the_transforms_it_says() {
    let transforms = transforms();
    let head = cells(PAGE.lines().find(|line| line.starts_with("| Avro type |")).unwrap());
    let [_, columns @ .., _] = &head[..] else { panic!("{head:?}") };
    let in_code = |cell: &&'static str| cell.split('`').skip(1).step_by(2).map(name_of).collect();
    let columns: Vec<Vec<&str>> = columns.iter().map(in_code).collect();
    // Each has its column, but for those that take whatever there is.
    let takes_anything = |(_, transform): &&(&str, Transform)| transform.takes() == Takes::Anything;
    let of_anything = transforms.iter().filter(takes_anything).map(|(name, _)| *name);
    let (mut told, mut known) = (columns.concat(), transforms.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    told.extend(of_anything);
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known, "left: the table's head, right: the parser");

    let rows = table("| Avro type |");
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        let kind = code(row[0]);
        let is_taken = |name: &str| {
            let column = columns.iter().position(|names| names.contains(&name));
            column.is_none_or(|column| row[1 + column] != "refused")
        };
        let may_be_missing = row[row.len() - 1].contains("needs `missing`");
        for (name, transform) in &transforms {
            if transform.takes() == Takes::Anything {
                assert!(compile(kind, transform, None).is_ok(), "{kind} as {name}");
                continue;
            }
            let compiled = compile(kind, transform, Some(Missing::Nan));
            assert_eq!(compiled.is_ok(), is_taken(name), "{kind} as {name}");
            if is_taken(name) {
                let may_be_missing = may_be_missing || ["ratio_to", "key"].contains(name);
                assert_eq!(
                    compile(kind, transform, None).is_err(),
                    may_be_missing,
                    "{kind} as {name} without a policy"
                );
            }
            // Who asks for a number where there is none is told what makes one.
            if let (Transform::Number, Err(refused)) = (transform, compiled) {
                let advice = refused.to_string();
                let words: Vec<&str> = advice.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
                for (other, _) in transforms.iter().filter(|(other, _)| is_taken(other)) {
                    assert!(words.contains(other), "{kind} as {other}: {advice}");
                }
            }
        }
    }
}

/// A plan for a field of this type, and one feature of it.
fn compile(kind: &str, transform: &Transform, missing: Option<Missing>) -> Result<Plan, PlanError> {
    // Two of its kind, for transforms of two; a named type is defined once.
    let again =
        match serde_json::from_str::<serde_json::Value>(kind).unwrap().get("name").and_then(|name| name.as_str()) {
            Some(name) => format!("\"{name}\""),
            None => kind.to_owned(),
        };
    let fields = format!(r#"{{"name": "x", "type": {kind}}}, {{"name": "b", "type": {again}}}"#);
    let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{fields}]}}"#);
    let schema = AvroSchema::parse(&schema, "the page").unwrap_or_else(|error| panic!("{kind}: {error}"));
    let transform = transform.clone();
    let feature =
        Feature { name: "x".into(), path: "x".into(), transform, then: Vec::new(), missing, min: None, max: None };
    Plan::compile(&schema, &schema, &Wanted { features: vec![feature], ..Wanted::default() })
}

/// Writes the page's scripts into a folder and runs one of them there.
fn run(python: &Path, args: &[&str]) -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    for script in blocks("python") {
        let name = script.strip_prefix("# ").unwrap().split([':', '\n']).next().unwrap();
        assert!(name.ends_with(".py"), "{name}");
        std::fs::write(folder.path().join(name), script).unwrap();
    }
    let output = Command::new(python).arg("-B").args(args).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (folder, output)
}

#[test]
fn the_pages_package_py_writes_a_package_that_holds() {
    let Some(python) = support::python() else { return };
    // The model of four columns in the place of one that was trained here, and rows that it is known to score so.
    let script = format!(
        "import package, numpy as np\nrows = np.genfromtxt({:?}, delimiter=',', skip_header=1)\n\
         package.write('payments', open({:?}, 'rb').read(), 1, rows[:, :4].astype(np.float32), rows[:, 4])\n\
         rows, is_fraud = package.transactions(1000)\n\
         assert rows.shape == (1000, 4) and rows.dtype == np.float32 and 0 < is_fraud.sum() < 500\n",
        data("trees.csv"),
        data("trees.onnx")
    );
    let (folder, _) = run(Path::new(&python), &["-c", &script]);
    let model = load(&folder.path().join("payments")).unwrap_or_else(|fatal| panic!("{fatal}"));
    assert_eq!(model.output(), ("probabilities", 2, 1));
    // The manifest in the script and the one on the page say the same.
    let written = std::fs::read_to_string(folder.path().join("payments").join(MANIFEST)).unwrap();
    let features = |text: &str| text[text.find("[[features]]").unwrap()..].replace("\n\n", "\n").trim().to_owned();
    assert_eq!(features(&written), features(blocks("toml")[0]));
}

#[test]
#[ignore = "needs LightGBM, scikit-learn and their converters: scripts/test --long"]
fn the_pages_exports_write_packages_that_hold() {
    let python = support::training_python();
    for (script, column) in [("lightgbm_package.py", 1), ("sklearn_package.py", 0)] {
        let (folder, _) = run(&python, &[script, "payments"]);
        let model = load(&folder.path().join("payments")).unwrap_or_else(|fatal| panic!("{script}: {fatal}"));
        assert_eq!(model.output(), ("probabilities", 2, column), "{script}");
        assert!(model.report.range.largest > 0.5, "{script}: it finds frauds: {:?}", model.report.range);
        let [only] = &model.report.warnings[..] else { panic!("{script}: {:?}", model.report.warnings) };
        assert!(only.contains("no golden records"), "{script}: {only}");
    }
}
