//! `scorewire model init`: a package around an ONNX file, and what is left to a person.

use std::path::Path;

use serde_json::{Value, json};

use crate::model_support::{data, onnx};
use crate::place::{Place, told, unwrapped};

const SCHEMA: &str = r#"{"type": "record", "name": "Payment", "namespace": "x", "fields": [
    {"name": "transactionId", "type": "string"},
    {"name": "bookedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "a", "type": ["null", "double"]},
    {"name": "history", "type": {"type": "record", "name": "History", "fields": [
        {"name": "b", "type": ["null", "double"]},
        {"name": "cCount", "type": ["null", "int"]}]}},
    {"name": "d", "type": ["null", "float"]},
    {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["POS", "ATM"]}}]}"#;

fn trees() -> Vec<u8> {
    std::fs::read(data("trees.onnx")).unwrap()
}

#[test]
fn names_in_the_file_are_matched_and_the_package_holds_at_once() {
    let place =
        Place::new(&onnx::with_metadata(&trees(), "feature_names", r#"["A", "history_b", "c_count", "d"]"#), SCHEMA);
    let found = place.found(&["payments"]);
    assert_eq!(found["named_by"], "the file's metadata (`feature_names`)");
    let columns = found["columns"].as_array().unwrap();
    let paths: Vec<&str> = columns.iter().map(|column| column["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a", "history.b", "history.cCount", "d"]);
    assert!(columns.iter().all(|column| column["missing"] == "NaN"), "the trees know missing values: {found}");
    let output = &found["output"];
    assert_eq!((&output["tensor"], &output["column"]), (&"probabilities".into(), &json!({ "class": 1 })), "{found}");
    assert_eq!((&found["id"], &found["event_time"]), (&"transactionId".into(), &"bookedAt".into()));
    assert_eq!(found["undecided"], json!([]));
    let manifest = place.manifest("payments");
    assert!(manifest.contains("rows_made_by = \"scorewire model init, from drawn rows\""), "{manifest}");

    let output = place.scorewire(&["model", "check", "payments"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(told(&output).contains("the golden rows were scored by scorewire itself"), "{}", told(&output));
    let readme = std::fs::read_to_string(place.path("payments/README.md")).unwrap();
    assert!(
        readme.contains("OnnxMLTools") && readme.contains("| 2 | `c_count` | `history.cCount` | int | NaN |"),
        "{readme}"
    );
    assert_eq!(
        std::fs::read(place.path("payments/model.onnx")).unwrap(),
        std::fs::read(place.path("fraud.onnx")).unwrap()
    );
}

#[test]
fn names_that_are_given_are_matched_and_what_is_not_is_marked_until_somebody_decides() {
    let place = Place::new(&trees(), SCHEMA);
    std::fs::write(place.path("names.txt"), "a\nhistorry_b\nchannel\nchannel_ATM\n").unwrap();
    let output = place.init(&["--features", "names.txt", "payments"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = unwrapped(&output);
    assert!(text.contains("historry_b ? no field is named \"historry_b\"; the nearest: history.b (double)"), "{text}");
    assert!(text.contains("channel <- channel (enum x.Channel), the same name; ? which number"), "{text}");
    assert!(text.contains("channel_ATM <- channel (enum x.Channel), the field's name and its symbol ATM"), "{text}");

    let check = place.scorewire(&["model", "check", "payments"]);
    assert_eq!(check.status.code(), Some(65), "{check:?}");
    let problems = told(&check);
    assert!(problems.contains("has 2 problems"), "{problems}");
    assert!(
        problems.contains("features[1].path (feature `historry_b`): is not decided: no field is named"),
        "{problems}"
    );
    assert!(problems.contains("features[2].transform (feature `channel`): is not decided"), "{problems}");

    // A person decides, and it holds.
    place.decide(
        "payments",
        &[
            ("path = ", "path = \"history.b\"\nmissing = \"nan\""),
            ("transform = ", "transform = { index = [\"ATM\", \"POS\"] }"),
        ],
    );
    let check = place.scorewire(&["model", "check", "payments"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}

#[test]
fn an_order_that_nothing_says_is_a_guess_that_has_to_be_confirmed() {
    let place = Place::new(&trees(), SCHEMA);
    let found = place.found(&["guessed"]);
    assert_eq!((&found["named_by"], found["undecided"].as_array().unwrap().len()), (&Value::Null, 1), "{found}");
    let check = place.scorewire(&["model", "check", "guessed"]);
    assert_eq!(check.status.code(), Some(65), "{check:?}");
    assert!(
        told(&check).contains("confirm: is not decided") && told(&check).contains("is a guess"),
        "{}",
        told(&check)
    );

    let found = place.found(&["--in-schema-order", "said"]);
    assert_eq!(found["undecided"], json!([]), "{found}");
    let names: Vec<&Value> = found["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["a", "history_b", "history_cCount", "d"]);
    assert_eq!(place.scorewire(&["model", "check", "said"]).status.code(), Some(0));

    // Another number of numbers: nothing is guessed.
    std::fs::write(place.path("payment.avsc"), SCHEMA.replace("\"null\", \"float\"", "\"null\", \"string\"")).unwrap();
    let output = place.init(&["refused"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(told(&output).contains("it takes 4, and the schema has 3 fields that are numbers"), "{}", told(&output));
    assert!(!place.path("refused").exists(), "nothing is written");
}

#[test]
fn records_show_ranges_thresholds_and_golden_rows() {
    let gbdt = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt");
    let place = Place::new(&std::fs::read(gbdt.join("model.onnx")).unwrap(), SCHEMA);
    let rows = gbdt.join("golden_records.avro");
    let names = std::fs::read_to_string(gbdt.join("golden.csv")).unwrap();
    let names = names.lines().next().unwrap().trim_end_matches(",score");
    // The schema is that of the records.
    let args = [
        "model",
        "init",
        "--onnx",
        "fraud.onnx",
        "--rows",
        rows.to_str().unwrap(),
        "--features",
        names,
        "--json",
        "cards",
    ];
    let output = place.scorewire(&args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["records"].as_u64() > Some(40), "{found}");
    let column =
        |name: &str| found["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap().clone();
    let amount = column("amount");
    assert!(amount["largest"].as_f64() > amount["smallest"].as_f64(), "{amount}");
    assert_eq!(column("customer_avg_amount_7d")["path"], "customer.avg_amount_7d");
    assert!(column("merchant_distance_km")["missing_records"].as_u64() > Some(0), "{found}");
    let place_of = |problem: &Value| problem["place"].as_str().unwrap().to_owned();
    let undecided: Vec<String> = found["undecided"].as_array().unwrap().iter().map(place_of).collect();
    // What the training side alone knows: the numbers of texts, and what a name that is nobody's means.
    for name in ["channel", "entry_mode", "merchant_country", "three_ds", "ip_country", "card_prepaid", "device_known"]
    {
        assert!(undecided.iter().any(|place| place.contains(&format!("(feature `{name}`)"))), "{name}: {undecided:?}");
    }
    assert_eq!(undecided.len(), 7, "{undecided:?}");
    let golden = std::fs::read_to_string(place.path("cards/golden.csv")).unwrap();
    assert!(golden.lines().count() > 40, "{golden}");
    let manifest = place.manifest("cards");
    let made_by = "scorewire model init, from the records of --rows, with drawn values for undecided columns";
    assert!(manifest.contains("# min = ") && manifest.contains(&format!("rows_made_by = {made_by:?}")), "{manifest}");
    let text = unwrapped(&place.scorewire(&[&args[..8], &["--force", "cards"]].concat()));
    assert!(text.contains("on rows of the records, with drawn values for undecided columns"), "{text}");
    assert!(text.contains(&format!("scorewire score --package cards {}", rows.display())), "{text}");
}

#[test]
fn forms_that_no_contract_feeds_are_refused_with_what_to_do() {
    let node = onnx::node("", "Identity", &["x"], &["y"], &[]);
    let sequence = onnx::typed("x", 1, Some(&[None, Some(5), Some(4)]));
    let sequence = onnx::graph_of(&[node], &[sequence], &[onnx::typed("y", 1, None)]);
    let sequence = onnx::model(&sequence, &[("", 17)], &[]);
    let output = Place::new(&sequence, SCHEMA).init(&["payments"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(
        told(&output).contains("`x` has 3 dimensions") && told(&output).contains("sequences are not kept"),
        "{}",
        told(&output)
    );

    let place = Place::new(&std::fs::read(data("foreign_domain.onnx")).unwrap(), SCHEMA);
    let output = place.init(&["--features", "a,b,c,d", "payments"]);
    assert_eq!((output.status.code(), place.path("payments").exists()), (Some(65), false), "{output:?}");
}

#[test]
fn answers_that_are_no_probabilities_leave_one_key_to_decide() {
    let place = Place::new(&std::fs::read(data("logits.onnx")).unwrap(), SCHEMA);
    let found = place.found(&["--features", "a,history_b,c_count,d", "payments"]);
    let output = &found["output"];
    assert!(output["tensor"].is_string() && output["lacking"]["key"] == "activation", "{found}");
    assert!(output["lacking"]["why"].as_str().unwrap().contains("look like raw scores"), "{found}");
    assert!(!place.path("payments/golden.csv").exists(), "no score is known");
    let check = place.scorewire(&["model", "check", "payments"]);
    assert_eq!(check.status.code(), Some(65), "{check:?}");
    assert!(told(&check).contains("output.activation: is not decided"), "{}", told(&check));

    // A person decides, the rows are made, and it holds.
    let decided = place.decide("payments", &[("activation = ", "activation = \"sigmoid\"")]);
    assert!(decided.contains("activation = \"sigmoid\""), "{decided}");
    let update = place.scorewire(&["model", "update", "payments"]);
    assert_eq!(update.status.code(), Some(0), "{update:?}");
    let check = place.scorewire(&["model", "check", "payments"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}

#[test]
fn a_folder_that_is_there_is_left_alone_unless_told_otherwise() {
    let place = Place::new(&trees(), SCHEMA);
    std::fs::create_dir(place.path("mine")).unwrap();
    std::fs::write(place.path("mine/note"), "mine").unwrap();
    let args = ["--in-schema-order", "mine"];
    let output = place.init(&args);
    assert_eq!((output.status.code(), place.path("mine/model.toml").exists()), (Some(64), false), "{output:?}");
    assert_eq!(place.init(&[&args[..], &["--force"]].concat()).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(place.path("mine/note")).unwrap(), "mine");
    // A name that no contract may have is refused before anything is written.
    for name in ["a b", ""] {
        let output = place.init(&["--in-schema-order", "--name", name, "named"]);
        assert_eq!((output.status.code(), place.path("named").exists()), (Some(64), false), "{output:?}");
        let told = told(&output);
        assert!(told.contains(&format!("--name is {name:?}")) && told.contains("use letters, digits"), "{told}");
    }
    // Without a name it is that of the model's file.
    assert_eq!(place.init(&["--in-schema-order"]).status.code(), Some(0));
    assert!(place.manifest("fraud").contains("name = \"fraud\""));
    let output = place.init(&["--features", "a,b", "few"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(
        told(&output).contains("2 names were given") && told(&output).contains("takes 4 columns"),
        "{}",
        told(&output)
    );
}

#[test]
fn the_class_of_fraud_is_found_in_a_list_of_maps_too() {
    let place = Place::new(&std::fs::read(data("trees_zipmap.onnx")).unwrap(), SCHEMA);
    let found = place.found(&["--in-schema-order", "payments"]);
    assert_eq!(found["output"]["column"], json!({ "class": 1 }), "{found}");
    let why = found["output"]["why"].as_str().unwrap();
    assert!(why.contains("ZipMap") && why.contains("`label` holds labels"), "{why}");
    assert_eq!(place.scorewire(&["model", "check", "payments"]).status.code(), Some(0));
}

#[test]
fn scores_of_drawn_values_propose_no_thresholds() {
    let gbdt = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt");
    let place = Place::new(&std::fs::read(gbdt.join("model.onnx")).unwrap(), SCHEMA);
    // Enough records: the file's blocks, many times. Its header ends with the mark that each block ends with.
    let file = std::fs::read(gbdt.join("golden_records.avro")).unwrap();
    let mark = &file[file.len() - 16..];
    let header = file.windows(16).position(|bytes| bytes == mark).unwrap() + 16;
    let many = [&file[..header], &file[header..].repeat(40)].concat();
    std::fs::write(place.path("many.avro"), many).unwrap();
    let names = std::fs::read_to_string(gbdt.join("golden.csv")).unwrap();
    let names = names.lines().next().unwrap().trim_end_matches(",score");
    let args = ["model", "init", "--onnx", "fraud.onnx", "--rows", "many.avro", "--features", names, "--json", "cards"];
    let output = place.scorewire(&args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["records"].as_u64() > Some(1_000), "{found}");
    assert_ne!(found["undecided"], json!([]), "{found}");
    let manifest = place.manifest("cards");
    assert!(manifest.contains("Proposed, placeholders: nothing is known of the scores"), "{manifest}");
}
