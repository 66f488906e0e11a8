//! Golden records for every transform and step: from a record's bytes to columns that Python computed (`datetime` with
//! `zoneinfo`, NumPy in float64, then `np.float32`).

use crate::model_support::onnx::{self, graph, node};
use crate::model_support::sha256;
use apache_avro::types::Value;
use apache_avro::{Schema, Writer};
use scorewire::model::{MANIFEST, Package};
use tempfile::TempDir;

const SCHEMA: &str = r#"{"type": "record", "name": "T", "fields": [
    {"name": "id", "type": "long"},
    {"name": "amount", "type": "double"},
    {"name": "average", "type": ["null", "double"]},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "last", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
    {"name": "country", "type": "string"},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "limits", "type": {"type": "map", "values": "double"}},
    {"name": "more", "type": {"type": "map", "values": "string"}}]}"#;

/// Each feature's lines behind its name, and what the records become.
const FEATURES: &[(&str, &str, [&str; 3])] = &[
    ("log", "path = \"amount\"\nthen = [\"log1p\"]", ["2.6026897", "4.6150215", "0"]),
    ("clipped", "path = \"amount\"\nthen = [{ clip = [5, 50] }]", ["12.5", "50", "5"]),
    ("scaled", "path = \"amount\"\nthen = [{ scale = 0.1, offset = 2.5 }]", ["1", "9.749", "-0.25"]),
    ("standard", "path = \"amount\"\nthen = [{ mean = 20, scale = 7 }]", ["-1.0714285", "11.427143", "-2.857143"]),
    (
        "ratio",
        "path = \"amount\"\ntransform = { ratio_to = \"average\" }\nthen = [\"log1p\"]\nmissing = { constant = -1 }",
        ["1.2527629", "-1", "-1"],
    ),
    (
        "less",
        "path = \"amount\"\ntransform = { difference_from = \"average\" }\nmissing = \"nan\"",
        ["7.5", "99.99", "nan"],
    ),
    (
        "minutes",
        "path = \"time\"\ntransform = { difference_from = \"last\" }\nthen = [{ mean = 0, scale = 60000 }]\nmissing = \"nan\"",
        ["0.0041666669", "1440", "nan"],
    ),
    ("hour", "path = \"time\"\ntransform = { hour = \"Europe/Berlin\" }", ["3", "1", "1"]),
    ("weekday", "path = \"time\"\ntransform = { weekday = \"America/New_York\" }", ["5", "5", "2"]),
    ("home", "path = \"country\"\ntransform = { is_in = [\"DE\", \"FR\"] }", ["1", "0", "1"]),
    ("tags", "path = \"tags\"\ntransform = \"length\"", ["2", "0", "1"]),
    ("gift", "path = \"tags\"\ntransform = { contains = \"GIFT\" }", ["1", "0", "0"]),
    ("day", "path = \"limits\"\ntransform = { key = \"day\" }\nmissing = \"nan\"", ["250.5", "nan", "0"]),
    (
        "device",
        "path = \"more\"\ntransform = { key = \"device\", index = [\"IOS\", \"WEB\"], otherwise = -1 }\nmissing = { constant = -2 }",
        ["1", "-2", "-1"],
    ),
    (
        "country",
        "path = \"country\"\ntransform = { one_hot = [\"DE\", \"F R\"], handle_unknown = \"ignore\" }",
        ["1,0", "0,1", "0,0"],
    ),
];

/// The three records. The second's time is Berlin's 01:59 before its clocks go forward, the first's the moment after.
fn records() -> [Value; 3] {
    let optional = |value: Option<Value>| match value {
        Some(value) => Value::Union(1, Box::new(value)),
        None => Value::Union(0, Box::new(Value::Null)),
    };
    let texts = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::String((*text).into())).collect());
    let record = |amount: f64, average: Option<f64>, time: i64, last: Option<i64>, country: &str, tags: &[&str]| {
        vec![
            ("id".to_owned(), Value::Long(1)),
            ("amount".to_owned(), Value::Double(amount)),
            ("average".to_owned(), optional(average.map(Value::Double))),
            ("time".to_owned(), Value::TimestampMillis(time)),
            ("last".to_owned(), optional(last.map(Value::TimestampMicros))),
            ("country".to_owned(), Value::String(country.into())),
            ("tags".to_owned(), texts(tags)),
        ]
    };
    let limits = |day: Option<f64>| {
        let of = day.map(|day| ("day".to_owned(), Value::Double(day)));
        ("limits".to_owned(), Value::Map(of.into_iter().collect()))
    };
    let more = |device: Option<&str>| {
        let of = device.map(|device| ("device".to_owned(), Value::String(device.into())));
        ("more".to_owned(), Value::Map(of.into_iter().collect()))
    };
    let mut one = record(12.5, Some(5.0), 1_774_746_000_000, Some(1_774_745_999_750_000), "DE", &["NEW", "GIFT"]);
    one.extend([limits(Some(250.5)), more(Some("WEB"))]);
    let mut two = record(99.99, Some(0.0), 1_774_745_999_999, Some(1_774_659_599_999_000), "F R", &[]);
    two.extend([limits(None), more(None)]);
    let mut three = record(0.0, None, 0, None, "FR", &["NEW"]);
    three.extend([limits(Some(0.0)), more(Some("ANDROID"))]);
    [one, two, three].map(Value::Record)
}

fn header(name: &str) -> String {
    if name == "country" { "country_DE,country_F_R".to_owned() } else { name.to_owned() }
}

/// A package of these features around a model that scores 0.5 whatever it is given.
fn package(features: &[(&str, &str, [&str; 3])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let half =
        [node("", "Sub", &["input", "input"], &["nothing"], &[]), node("", "Sigmoid", &["nothing"], &["y"], &[])];
    let model = onnx::model(&graph(&half, &["input"], &["y"]), &[("", 17)], &[]);
    std::fs::write(dir.path().join("model.onnx"), &model).unwrap();
    let tables: String =
        features.iter().map(|(name, lines, _)| format!("[[features]]\nname = \"{name}\"\n{lines}\n")).collect();
    let manifest = format!(
        "format = 1\n[model]\nname = \"m\"\nversion = \"1\"\nfile = \"model.onnx\"\nsha256 = \"{}\"\n[output]\n\
         [transaction]\nschema = \"t.avsc\"\nid = \"id\"\n[thresholds]\nversion = \"1\"\nreview = 0.2\ndecline = 0.8\n\
         [golden]\nfile = \"golden.csv\"\ntolerance = 1e-6\nrecords = \"records.avro\"\nexpected = \"golden.csv\"\n\
         made_by = \"NumPy\"\n{tables}",
        sha256(&model)
    );
    std::fs::write(dir.path().join(MANIFEST), manifest).unwrap();
    std::fs::write(dir.path().join("t.avsc"), SCHEMA).unwrap();
    let names: Vec<String> = features.iter().map(|(name, ..)| header(name)).collect();
    let row = |at: usize| features.iter().map(|(.., values)| values[at]).collect::<Vec<_>>().join(",");
    let rows = [0, 1, 2].map(|at| format!("{},0.5\n", row(at))).concat();
    std::fs::write(dir.path().join("golden.csv"), format!("{},score\n{rows}", names.join(","))).unwrap();
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let mut writer = Writer::new(&schema, Vec::new()).unwrap();
    for record in records() {
        writer.append_value(record).unwrap();
    }
    std::fs::write(dir.path().join("records.avro"), writer.into_inner().unwrap()).unwrap();
    dir
}

#[test]
fn every_transform_gives_what_python_gives() {
    let dir = package(FEATURES);
    let package = Package::load(dir.path()).unwrap_or_else(|fatal| panic!("{fatal}"));
    assert_eq!(package.wanted.features.len(), FEATURES.len() + 1);
    assert_eq!(package.golden_records_checked(), 3);
}

#[test]
fn a_transform_that_is_not_the_trainings_is_told_with_where_to_look() {
    for (name, from, to, look_at) in [
        ("hour", "Europe/Berlin", "America/New_York", "the time zone of its transform's hour"),
        ("minutes", "scale = 60000", "scale = 1000", "the path of its transform's difference_from"),
        ("log", "[\"log1p\"]", "[\"log1p\", \"log1p\"]", "its steps (then)"),
        ("country", "[\"DE\", \"F R\"]", "[\"F R\", \"DE\"]", "is not the header of this contract"),
        ("gift", "GIFT", "gift", "the text of its transform's contains"),
    ] {
        let all = FEATURES.iter().map(|(of, lines, values)| {
            let lines = if *of == name { lines.replace(from, to) } else { (*lines).to_owned() };
            (*of, lines, *values)
        });
        let all: Vec<(&str, String, [&str; 3])> = all.collect();
        let all: Vec<(&str, &str, [&str; 3])> =
            all.iter().map(|(of, lines, values)| (*of, lines.as_str(), *values)).collect();
        let dir = package(&all);
        let told = Package::load(dir.path()).map(|_| ()).unwrap_err().to_string();
        assert!(told.contains(look_at) && told.contains(name), "{name}: {told}");
    }
}
