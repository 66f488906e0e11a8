//! `scorewire model init` and `update` for models with one input per column, texts among them.

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, Writer};
use serde_json::{Value, json};

use crate::model_support::onnx::{self, Named, Value as Of, graph_of, node, typed};
use crate::place::{Place, told, unwrapped};

const ML: &str = "ai.onnx.ml";
const FLOAT: u64 = 1;
const INT64: u64 = 7;
const TEXT: u64 = 8;
const DOUBLE: u64 = 11;

const SCHEMA: &str = r#"{"type": "record", "name": "Payment", "fields": [
    {"name": "id", "type": "string"},
    {"name": "bookedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "amount", "type": "double"},
    {"name": "cardAge", "type": ["null", "int"]},
    {"name": "country", "type": ["null", "string"]},
    {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["POS", "ECOM", "ATM"]}}]}"#;

/// What is different in a test.
struct Form {
    /// Whether the encoder of countries takes others than it lists.
    takes_others: bool,
    /// Whether the texts of countries go through a node that nobody follows.
    is_hidden: bool,
    /// The name of the input of ages.
    age: &'static str,
    countries: [&'static str; 3],
    logits: bool,
}

const FORM: Form =
    Form { takes_others: true, is_hidden: false, age: "card_age", countries: ["FR", "DE", "missing"], logits: false };

/// A model as skl2onnx writes a ColumnTransformer and a classifier: texts joined, taken apart by their places, and encoded.
fn model(form: &Form) -> Vec<u8> {
    let place =
        |output: &'static str, at: i64| node("", "Constant", &[], &[output], &[("value_ints", Of::Ints(vec![at]))]);
    let hot: [Named; 2] =
        [("cats_strings", Of::Texts(form.countries.to_vec())), ("zeros", Of::Int(i64::from(form.takes_others)))];
    let lookup: [Named; 3] = [
        ("keys_strings", Of::Texts(vec!["ECOM", "POS", "FAX"])),
        ("values_int64s", Of::Ints(vec![0, 1, 2])),
        ("default_int64", Of::Int(-1)),
    ];
    let single = |from: &str, to: &str| node("", "Cast", &[from], &[to], &[("to", Of::Int(1))]);
    let weights = vec![-0.01, -0.002, -1.0, 1.0, 0.5, -0.5, 0.01, 0.002, 1.0, -1.0, -0.5, 0.5];
    let linear: [Named; 3] = [
        ("classlabels_ints", Of::Ints(vec![0, 1])),
        ("coefficients", Of::Floats(weights)),
        ("intercepts", Of::Floats(vec![2.0, -2.0])),
    ];
    let nodes = [
        node("", "Concat", &["country", "channel"], &["texts"], &[("axis", Of::Int(1))]),
        place("first", 0),
        place("second", 1),
        node(ML, "ArrayFeatureExtractor", &["texts", "first"], &["countries"], &[]),
        node("", "Constant", &[], &["ones"], &[("value_ints", Of::Ints(vec![1, 1]))]),
        match form.is_hidden {
            true => node("", "Expand", &["countries", "ones"], &["cleaned"], &[]),
            false => node("", "Identity", &["countries"], &["cleaned"], &[]),
        },
        node(ML, "OneHotEncoder", &["cleaned"], &["hot"], &hot),
        node("", "Flatten", &["hot"], &["flat"], &[]),
        node(ML, "ArrayFeatureExtractor", &["texts", "second"], &["channels"], &[]),
        node(ML, "LabelEncoder", &["channels"], &["places"], &lookup),
        single("places", "place"),
        single(form.age, "age"),
        single("amount", "money"),
        node("", "Concat", &["money", "age", "flat", "place"], &["rows"], &[("axis", Of::Int(1))]),
        node(ML, "LinearClassifier", &["rows"], &["label", "scores"], &linear),
        node("", "Softmax", &["scores"], &["probabilities"], &[]),
    ];
    let column = |name: &str, element: u64| typed(name, element, Some(&[None, Some(1)]));
    let inputs = [column("amount", DOUBLE), column(form.age, INT64), column("country", TEXT), column("channel", TEXT)];
    let output = if form.logits { "scores" } else { "probabilities" };
    let outputs = [typed("label", INT64, Some(&[None])), typed(output, FLOAT, Some(&[None, Some(2)]))];
    onnx::model(&graph_of(&nodes, &inputs, &outputs), &[("", 13), (ML, 3)], &[])
}

fn column<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

#[track_caller]
fn assert_holds(place: &Place, dir: &str) {
    let check = place.scorewire(&["model", "check", dir]);
    assert_eq!(check.status.code(), Some(0), "{check:?}\n{}", place.manifest(dir));
}

#[test]
fn names_and_texts_stand_in_the_file_and_the_package_holds_at_once() {
    let place = Place::new(&model(&FORM), SCHEMA);
    let found = place.found(&["payments"]);
    assert_eq!((&found["named_by"], &found["undecided"]), (&json!("the model's inputs"), &json!([])), "{found}");
    let of = |name: &str| {
        let column = column(&found, name);
        (column["path"].clone(), column["takes"].clone(), column["transform"].clone(), column["missing"].clone())
    };
    assert_eq!(of("amount"), (json!("amount"), json!("float64"), json!("number"), Value::Null));
    assert_eq!(of("card_age"), (json!("cardAge"), json!("int64"), json!("number"), json!("a dead letter")));
    let countries = json!({ "index": ["FR", "DE", "missing"], "otherwise": -1.0 });
    assert_eq!(of("country"), (json!("country"), json!("string"), countries, json!("a dead letter")));
    // A symbol that the enum has not can never come, and one that the model has not is told.
    let channels = json!({ "index": ["ECOM", "POS"], "otherwise": -1.0 });
    assert_eq!(of("channel"), (json!("channel"), json!("string"), channels, Value::Null));
    let channel = column(&found, "channel");
    assert!(
        channel["transform_why"].as_str().unwrap().contains("without those that the enum has not (\"FAX\")"),
        "{channel}"
    );
    assert!(channel["warnings"][0].as_str().unwrap().contains("does not know the enum's symbols \"ATM\""), "{channel}");
    let why = column(&found, "country")["missing_why"].as_str().unwrap();
    assert!(why.contains("if it was \"missing\", write { constant = 2.0 }"), "{why}");
    let why = column(&found, "card_age")["missing_why"].as_str().unwrap();
    assert!(why.contains("int64") && why.contains("no NaN"), "{why}");
    let output = &found["output"];
    assert_eq!((&output["tensor"], &output["column"]), (&json!("probabilities"), &json!({ "class": 1 })), "{found}");
    let golden = std::fs::read_to_string(place.path("payments/golden.csv")).unwrap();
    let mut countries: Vec<&str> = golden.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    countries.sort_unstable();
    countries.dedup();
    assert_eq!(countries, ["-1", "0", "1", "2"], "each text, and one that nobody has seen");
    assert_holds(&place, "payments");
}

#[test]
fn where_the_model_takes_no_other_text_one_is_a_dead_letter() {
    let place = Place::new(&model(&Form { takes_others: false, ..FORM }), SCHEMA);
    let found = place.found(&["payments"]);
    let country = column(&found, "country");
    assert_eq!(country["transform"], json!({ "index": ["FR", "DE", "missing"], "otherwise": null }), "{country}");
    assert!(country["transform_why"].as_str().unwrap().contains("zeros = 0"), "{country}");
    assert_holds(&place, "payments");
}

/// Records with a country each.
fn records(place: &Place, countries: impl Iterator<Item = String>) {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let mut writer = Writer::new(&schema, Vec::new()).unwrap();
    for (at, country) in countries.enumerate() {
        let country = Avro::Union(1, Box::new(Avro::String(country)));
        let fields = [
            ("id", Avro::String(format!("p{at}"))),
            ("bookedAt", Avro::TimestampMillis(1_793_534_400_000)),
            ("amount", Avro::Double(at as f64)),
            ("cardAge", Avro::Union(1, Box::new(Avro::Int(at as i32)))),
            ("country", country),
            ("channel", Avro::Enum(0, "POS".to_owned())),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        writer.append_value(Avro::Record(fields)).unwrap();
    }
    std::fs::write(place.path("payments.avro"), writer.into_inner().unwrap()).unwrap();
}

#[test]
fn texts_that_the_graph_hides_are_those_of_few_records_or_left_to_a_person() {
    let place = Place::new(&model(&Form { is_hidden: true, ..FORM }), SCHEMA);
    let output = place.init(&["open"]);
    let check = place.scorewire(&["model", "check", "open"]);
    assert_eq!((output.status.code(), check.status.code()), (Some(0), Some(65)), "{output:?}");
    assert!(unwrapped(&output).contains("? which texts the model knows"), "{output:?}");
    let words = "features[2].transform (feature `country`): is not decided: which texts the model knows";
    assert!(told(&check).contains(words), "{}", told(&check));

    records(&place, (0..40).map(|at| ["DE", "FR"][at % 2].to_owned()));
    let found = place.found(&["--rows", "payments.avro", "seen"]);
    let country = column(&found, "country");
    assert_eq!(country["transform"], json!({ "index": ["DE", "FR"], "otherwise": null }), "{country}");
    assert!(country["transform_why"].as_str().unwrap().contains("the 2 texts that 40 records show"), "{country}");
    assert_holds(&place, "seen");

    records(&place, (0..300).map(|at| format!("country {at}")));
    let found = place.found(&["--rows", "payments.avro", "many"]);
    assert!(column(&found, "country")["transform"].is_null(), "{found}");
    assert!(found["undecided"][0]["what"].as_str().unwrap().contains("more than 256 different ones"), "{found}");
}

#[test]
fn a_retrained_pipeline_is_taken_and_one_of_other_inputs_is_not() {
    let place = Place::new(&model(&FORM), SCHEMA);
    assert_eq!(place.init(&["payments"]).status.code(), Some(0));
    std::fs::write(place.path("new.onnx"), onnx::with_metadata(&model(&FORM), "trained", "again")).unwrap();
    let update = |more: &[&str]| place.scorewire(&[&["model", "update", "payments"], more].concat());
    let output = update(&["--onnx", "new.onnx", "--model-version", "1.1.0", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["scores_moved"]["largest"], json!(0.0), "{found}");
    assert_holds(&place, "payments");

    // Texts of the training have changed: no golden row shows that.
    std::fs::write(place.path("new.onnx"), model(&Form { countries: ["FR", "NL", "missing"], ..FORM })).unwrap();
    let output = update(&["--onnx", "new.onnx", "--dry-run", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let warnings = found["warnings"].to_string();
    assert!(
        warnings.contains("knows texts that feature `country` does not list") && warnings.contains("NL"),
        "{found}"
    );
    assert!(warnings.contains("does not know any more") && warnings.contains("DE"), "{found}");

    // What the training side scored, and what it did not.
    let golden = std::fs::read_to_string(place.path("payments/golden.csv")).unwrap();
    std::fs::write(place.path("rows.csv"), &golden).unwrap();
    let args = ["--golden-rows", "rows.csv", "--made-by", "scikit-learn"];
    assert_eq!(update(&args).status.code(), Some(0));
    let (head, first) = golden.split_once('\n').unwrap();
    let (row, _) = first.lines().next().unwrap().rsplit_once(',').unwrap();
    std::fs::write(place.path("rows.csv"), format!("{head}\n{row},0.123456\n")).unwrap();
    let output = update(&args);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(told(&output).contains("golden row 1 is expected to score 0.123456"), "{}", told(&output));

    // Rows that nobody gives are drawn, texts among them.
    std::fs::remove_file(place.path("payments/golden.csv")).unwrap();
    assert_eq!(update(&[]).status.code(), Some(0));
    assert_holds(&place, "payments");

    let nodes = [node("", "Identity", &["amount"], &["probabilities"], &[])];
    let inputs = ["amount", "card_age"].map(|name| typed(name, FLOAT, Some(&[None, Some(1)])));
    let fewer = onnx::model(&graph_of(&nodes, &inputs, &[typed("probabilities", FLOAT, None)]), &[("", 13)], &[]);
    std::fs::write(place.path("fewer.onnx"), fewer).unwrap();
    let output = update(&["--onnx", "fewer.onnx"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    assert!(told(&output).contains("the contract has 4 features, the model takes 2 columns"), "{}", told(&output));
}

#[test]
fn what_is_undecided_leaves_the_score_decided_and_a_name_says_what_to_write() {
    let place = Place::new(&model(&Form { age: "hour", logits: true, ..FORM }), SCHEMA);
    let found = place.found(&["payments"]);
    let hour = &found["undecided"][0];
    assert_eq!(hour["place"], "features[1].path (feature `hour`)", "{found}");
    let words = "likely path = \"bookedAt\" and transform = { hour = \"UTC\" }";
    assert!(hour["what"].as_str().unwrap().contains(words), "{hour}");
    let output = &found["output"];
    assert_eq!((&output["tensor"], &output["column"]), (&json!("scores"), &json!({ "class": 1 })), "{found}");
    assert_eq!(output["lacking"]["key"], "activation", "{found}");

    place.decide(
        "payments",
        &[
            ("path = ", "path = \"bookedAt\"\ntransform = { hour = \"UTC\" }"),
            ("activation = ", "activation = \"softmax\""),
        ],
    );
    let update = place.scorewire(&["model", "update", "payments"]);
    assert_eq!(update.status.code(), Some(0), "{update:?}");
    assert_holds(&place, "payments");
}

#[test]
fn inputs_of_several_columns_take_names_that_are_given() {
    let nodes = [
        node("", "Cast", &["numbers"], &["single"], &[("to", Of::Int(1))]),
        node(
            ML,
            "LabelEncoder",
            &["country"],
            &["place"],
            &[("keys_strings", Of::Texts(vec!["FR", "DE"])), ("values_int64s", Of::Ints(vec![1, 2]))],
        ),
        node("", "Cast", &["place"], &["number"], &[("to", Of::Int(1))]),
        node("", "Concat", &["single", "number"], &["rows"], &[("axis", Of::Int(1))]),
        node("", "ReduceMean", &["rows"], &["mean"], &[("axes", Of::Ints(vec![1]))]),
        node("", "Sigmoid", &["mean"], &["p"], &[]),
    ];
    let inputs = [typed("numbers", INT64, Some(&[None, Some(2)])), typed("country", TEXT, Some(&[None, Some(1)]))];
    let model = onnx::model(&graph_of(&nodes, &inputs, &[typed("p", FLOAT, None)]), &[("", 13), (ML, 3)], &[]);
    let place = Place::new(&model, SCHEMA);
    let output = place.init(&["payments"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(
        told(&output).contains("it takes 3, some of them texts") && told(&output).contains("--features"),
        "{output:?}"
    );
    let found = place.found(&["--features", "amount,card_age,country", "payments"]);
    assert_eq!(found["undecided"], json!([]), "{found}");
    let country = column(&found, "country");
    assert_eq!((&country["input"], &country["transform"]["otherwise"]), (&json!("country"), &Value::Null), "{country}");
    assert!(
        column(&found, "amount")["warnings"][0].as_str().unwrap().contains("decimals, which are cut off"),
        "{found}"
    );
    assert_holds(&place, "payments");
    let output = place.init(&["--features", "amount,country", "few"]);
    assert!(told(&output).contains("2 names were given") && told(&output).contains("takes 3 columns"), "{output:?}");
    let output = place.init(&["--features", "amount", "one"]);
    assert!(told(&output).contains("1 name was given (--features)"), "{output:?}");
    let output = place.init(&["--features", "columns.txt", "none"]);
    assert!(told(&output).contains("columns.txt: there is no such file"), "{output:?}");
}
