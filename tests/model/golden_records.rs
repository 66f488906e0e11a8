//! Golden records: from a record's bytes to its features and its score, held against what the training side computed.
//! The story: four country codes stood in another order in `model.toml` than in the training. Hash, contract and golden
//! rows all held, and 100 of 250 scores were those of other countries.

use std::fs;
use std::path::Path;

use crate::model_support::{Draft, SteppingClock, settings};
use crate::packages;
use apache_avro::types::Value;
use apache_avro::{Codec, DeflateSettings, Schema, Writer};
use scorewire::error::{Fatal, exit};
use scorewire::model::{MANIFEST, Model, Package, prepare};
use tempfile::TempDir;

/// A copy of a package, to be spoiled.
struct Copy(TempDir);

impl Copy {
    fn of(folder: &Path) -> Copy {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        Copy(copy)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    fn edit(self, file: &str, from: &str, to: &str) -> Copy {
        let text = self.text(file);
        assert!(text.contains(from), "{from:?} is not in {file}");
        fs::write(self.0.path().join(file), text.replacen(from, to, 1)).unwrap();
        self
    }

    /// Replaces a piece of one feature's table.
    fn edit_feature(self, name: &str, from: &str, to: &str) -> Copy {
        let text = self.text(MANIFEST);
        let start = text.find(&format!("name = \"{name}\"")).unwrap();
        let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end);
        let table = &text[start..end];
        assert!(table.contains(from), "{from:?} is not in {table}");
        let text = [&text[..start], &table.replacen(from, to, 1), &text[end..]].concat();
        fs::write(self.0.path().join(MANIFEST), text).unwrap();
        self
    }

    fn without_golden_records(self) -> Copy {
        let is_key = |line: &str| ["records = ", "expected = ", "made_by = "].iter().any(|key| line.starts_with(key));
        let text: String =
            self.text(MANIFEST).lines().filter(|line| !is_key(line)).map(|line| format!("{line}\n")).collect();
        fs::write(self.0.path().join(MANIFEST), text).unwrap();
        self
    }

    fn load(&self) -> Result<Package, Fatal> {
        Package::load(self.0.path())
    }

    fn prepare(&self) -> Result<Model, Fatal> {
        prepare(self.0.path(), &settings(), &SteppingClock::new(1_000))
    }
}

/// The network: its probe is quick.
fn example() -> Copy {
    let folders = packages::all();
    Copy::of(folders.iter().find(|folder| packages::name(folder) == "card-fraud-mlp").unwrap())
}

#[track_caller]
fn assert_refused<T>(found: Result<T, Fatal>, pieces: &[&str]) {
    let Err(fatal) = found else { panic!("accepted, though {pieces:?}") };
    assert_eq!(fatal.code, exit::MODEL, "{fatal}");
    for piece in pieces {
        assert!(fatal.to_string().contains(piece), "{piece:?} is missing in: {fatal}");
    }
}

#[test]
fn the_examples_records_hold_and_show_whatever_a_contract_can_get_wrong() {
    for folder in packages::all() {
        let package = Package::load(&folder).unwrap();
        let records = package.golden_records.as_ref().expect("golden records");
        assert!(records.expected.scores.len() >= 40 && !records.are_our_own(), "{}", records.made_by);
        assert_eq!(package.golden_records_checked(), records.expected.scores.len());
        assert_eq!(records.unreached(&package.wanted.features), Vec::<String>::new(), "{}", package.name);
        // No symbol of the contract, and so none that `unreached` asks for: a country that training does not know.
        assert!(records.expected.rows.column(6).iter().any(|country| *country == -1.0), "{}", package.name);
        let thresholds = &package.thresholds;
        for (from, to) in [(0.0, thresholds.review), (thresholds.review, thresholds.decline), (thresholds.decline, 2.0)]
        {
            let scores = records.expected.scores.iter().filter(|score| (from..to).contains(*score)).count();
            assert!(scores >= 2, "{}: {scores} scores from {from} to {to}", package.name);
        }
    }
}

#[test]
fn four_country_codes_in_another_order_are_refused_where_only_golden_records_show_it() {
    for folder in packages::all() {
        let swapped = || {
            let (from, to) = ("\"DE\", \"FR\", \"NL\", \"GB\"", "\"GB\", \"DE\", \"FR\", \"NL\"");
            Copy::of(&folder).edit_feature("merchant_country", from, to)
        };
        let unnoticed = swapped().without_golden_records().prepare().expect("every other check passes");
        assert!(unnoticed.report.warnings.iter().any(|warning| warning.contains("no golden records")));
        let told = ["golden_records.avro record ", "feature `merchant_country` (merchant.country): expected ", "got "];
        assert_refused(swapped().load(), &told);
        assert_refused(swapped().prepare(), &["look at the order of symbols in its transform's index"]);
    }
}

#[test]
fn a_difference_is_told_with_the_first_record_and_both_values() {
    let copy = example().edit_feature("channel", "\"POS\", \"ECOMMERCE\"", "\"ECOMMERCE\", \"POS\"");
    let column = "channel";
    let text = copy.text("golden_records.csv");
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let place = header.iter().position(|name| *name == column).unwrap();
    let values: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap()).collect();
    let moved = values.iter().filter(|value| ["0", "1"].contains(value)).count();
    let first = values.iter().position(|value| ["0", "1"].contains(value)).unwrap();
    let (expected, got) = (values[first], if values[first] == "0" { "1" } else { "0" });
    let told = format!(
        "golden_records.avro record {}: feature `channel` (channel): expected {expected}, got {got} ({moved} of {} records)",
        first + 1,
        values.len()
    );
    assert_refused(copy.load(), &[&told]);
}

#[test]
fn swapped_paths_are_refused_and_both_features_named() {
    let (one, other) = ("customer.count_7d", "customer.count_30d");
    let copy = example().edit_feature("customer_count_7d", one, other).edit_feature("customer_count_30d", other, one);
    let told = [
        "feature `customer_count_7d` (customer.count_30d): expected ",
        "feature `customer_count_30d` (customer.count_7d): expected ",
        "it has the values expected of feature `customer_count_30d` in every record: look at the paths of both",
        "it has the values expected of feature `customer_count_7d` in every record",
    ];
    assert_refused(copy.load(), &told);
    // One wrong path alone, and no more than that is told.
    let copy = example().edit_feature("terminal_risk_1d", "terminal.risk_1d", "terminal.risk_7d");
    let Err(fatal) = copy.load() else { panic!("accepted") };
    assert!(!fatal.what.contains('\n') && fatal.what.contains("`terminal_risk_1d` (terminal.risk_7d)"), "{fatal}");
    assert!(fatal.fix.contains("the values expected of feature `terminal_risk_7d`"), "{fatal}");
}

#[test]
fn another_missing_policy_is_refused() {
    let nan = "missing = \"nan\"";
    let copy = example().edit_feature("merchant_distance_km", nan, "missing = { constant = 0.0 }");
    assert_refused(copy.load(), &["`merchant_distance_km`", "expected NaN, got 0", "look at its missing policy"]);
    let copy = example().edit_feature("device_age_days", nan, "missing = \"reject\"");
    assert_refused(copy.load(), &["`device_age_days`", "expected NaN, got a dead letter (missing_feature)"]);
    let copy = example().edit_feature("entry_mode", "missing = { constant = -1.0 }", nan);
    assert_refused(copy.load(), &["`entry_mode`", "expected -1, got NaN", "look at its missing policy"]);
    let copy = example().edit_feature("three_ds", "constant = -1.0", "constant = 0.0");
    assert_refused(copy.load(), &["`three_ds`", "expected -1, got 0"]);
}

#[test]
fn other_transforms_and_limits_are_refused() {
    let copy = example().edit_feature("merchant_country", "otherwise = -1.0", "otherwise = 0.0");
    assert_refused(copy.load(), &["`merchant_country`", "expected -1, got 0", "(1 of "]);
    let copy = example().edit_feature("card_prepaid", "PREPAID", "DEBIT");
    assert_refused(copy.load(), &["`card_prepaid`", "look at the text of its transform's equals"]);
    let copy = example().edit_feature("device_known", "device.age_days", "device.ip_country");
    assert_refused(copy.load(), &["`device_known`", "is_present"]);
    let copy = example().edit_feature("amount", "max = 1000000.0", "max = 50.0");
    assert_refused(copy.load(), &["`amount`", "a dead letter (feature_out_of_range)", "min and max"]);
    let copy = example().edit_feature("merchant_country", ", otherwise = -1.0", "");
    assert_refused(copy.load(), &["expected -1, got a dead letter (feature_out_of_range) (1 of ", "otherwise"]);
}

#[test]
fn a_score_that_differs_names_the_record() {
    let copy = example();
    let text = copy.text("golden_records.csv");
    let line = text.lines().nth(7).unwrap();
    let (features, score) = line.rsplit_once(',').unwrap();
    let score: f64 = score.parse().unwrap();
    let moved = if score > 0.5 { score - 2e-5 } else { score + 2e-5 };
    let copy = copy.edit("golden_records.csv", line, &format!("{features},{moved}"));
    assert_refused(copy.prepare(), &["golden record 7 scored ", &format!("expected {moved} within 0.00001")]);
}

#[test]
fn rows_in_another_order_than_the_records_are_refused_in_few_words() {
    let copy = example();
    let text = copy.text("golden_records.csv");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    fs::write(copy.0.path().join("golden_records.csv"), lines.join("\n")).unwrap();
    let found = copy.load();
    assert_refused(found, &["has 9 problems", "still more features differ", "in the order of the records"]);
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let copy = example();
    let text = copy.text("golden_records.csv");
    let last = text.lines().last().unwrap().to_owned();
    let records = text.lines().count() - 1;
    let told = format!("golden_records.avro: has {records} records, golden_records.csv has {} rows", records - 1);
    assert_refused(copy.edit("golden_records.csv", &last, "").load(), &[&told]);
    let copy = example().edit("golden_records.csv", "amount,channel", "channel,amount");
    assert_refused(copy.load(), &["golden_records.csv line 1: is not the header of this contract"]);
    let copy = example();
    fs::write(copy.0.path().join("golden_records.avro"), b"{}").unwrap();
    assert_refused(copy.load(), &["golden_records.avro: is no Avro object container file"]);
    let copy = example();
    fs::remove_file(copy.0.path().join("golden_records.avro")).unwrap();
    assert_refused(copy.load(), &["golden_records.avro: cannot be read", "put the golden records there"]);
    let copy = example().edit_feature("is_night", "path = \"is_night\"", "path = \"is_dark\"");
    assert_refused(copy.load(), &["transaction.avsc: feature `is_night` (is_dark): "]);
    // The reader's amount is in tenths of a cent, the writer's in cents.
    let copy = example().edit("transaction.avsc", "\"precision\": 12, \"scale\": 2", "\"precision\": 12, \"scale\": 3");
    assert_refused(copy.load(), &["golden_records.avro: feature `amount` (amount): "]);
}

#[test]
fn the_three_keys_stand_together() {
    for (key, piece) in [("records", "golden.records"), ("expected", "golden.expected"), ("made_by", "golden.made_by")]
    {
        let copy = example();
        let text = copy.text(MANIFEST);
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        assert_refused(copy.edit(MANIFEST, line, "").load(), &[&format!("{piece}: is missing")]);
    }
    let copy = example().edit(MANIFEST, "records = \"", "record = \"");
    assert_refused(copy.load(), &["golden.record: is an unknown key", "did you mean `records`?"]);
    let copy = example().edit(MANIFEST, "\"golden_records.avro\"", "\"../golden_records.avro\"");
    assert_refused(copy.load(), &["golden.records: is \"../golden_records.avro\"", "own folder"]);
}

#[test]
fn what_scorewire_made_itself_is_held_against_it_and_counts_as_no_check() {
    let made_by = |who: &str| {
        let copy = example();
        let text = copy.text(MANIFEST);
        let line = text.lines().find(|line| line.starts_with("made_by = ")).unwrap();
        copy.edit(MANIFEST, line, &format!("made_by = \"{who}\""))
    };
    for who in ["scorewire", "Scorewire 0.1.0", " scorewire/score"] {
        let model = made_by(who).prepare().unwrap();
        assert_eq!(model.package.golden_records_checked(), 0, "{who}");
        assert!(model.package.golden_records.is_some(), "{who}");
        let warnings = &model.report.warnings;
        assert!(matches!(&warnings[..], [one] if one.contains("made by scorewire itself")), "{who}: {warnings:?}");
    }
    for who in ["train.py, scorewire's example", "scorewires", "data science"] {
        let model = made_by(who).prepare().unwrap();
        assert!(model.package.golden_records_checked() > 0, "{who}");
        assert_eq!(model.report.warnings, Vec::<String>::new(), "{who}");
    }
    // That something has changed is worth knowing, whoever says so.
    let changed = made_by("scorewire").edit_feature("channel", "\"POS\", \"ECOMMERCE\"", "\"ECOMMERCE\", \"POS\"");
    assert_refused(changed.load(), &["feature `channel`"]);
}

/// A writer older than the package: fields in another order, a plain float for a nullable double, no `d`; and one type
/// more than the package knows.
const OLDER: &str = r#"{"type": "record", "name": "T", "fields": [
    {"name": "b", "type": "float"}, {"name": "gone", "type": "string"}, {"name": "id", "type": "long"},
    {"name": "c", "type": ["double", "null", "boolean"]}, {"name": "a", "type": "int"}]}"#;

/// A package with golden records of that writer, one for each `c`, and what is expected of them.
fn older_writers_package(codec: Codec, cs: Vec<Value>, expected: &str) -> Draft {
    let (plain, defaulted) =
        [r#""d", "type": ["null", "double"]"#, r#""d", "type": ["null", "double"], "default": null"#].into();
    let keys = "tolerance = 1e-6\nrecords = \"r.avro\"\nexpected = \"r.csv\"\nmade_by = \"a test\"\n";
    let draft = Draft::new("trees", "probabilities", Some(1))
        .edit("transaction.avsc", plain, defaulted)
        .replace("tolerance = 1e-6\n", keys);
    let schema = Schema::parse_str(OLDER).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for (number, c) in (0..).zip(cs) {
        let fields = [
            ("b", Value::Float(0.5 * number as f32)),
            ("gone", Value::String("x".into())),
            ("id", Value::Long(i64::from(number))),
            ("c", c),
            ("a", Value::Int(number - 1)),
        ];
        writer.append_value(Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())).unwrap();
    }
    fs::write(draft.path().join("r.avro"), writer.into_inner().unwrap()).unwrap();
    fs::write(draft.path().join("r.csv"), format!("a,b,c,d,score\n{expected}\n")).unwrap();
    draft.write()
}

fn real(value: f64) -> Value {
    Value::Union(0, Box::new(Value::Double(value)))
}

#[test]
fn records_of_an_older_writer_are_resolved_as_on_the_wire() {
    for codec in [Codec::Null, Codec::Deflate(DeflateSettings::default())] {
        let cs = vec![Value::Union(1, Box::new(Value::Null)), real(0.25), real(-1.5)];
        let expected = "-1,0,nan,nan,0.5\n0,0.5,0.25,nan,0.5\n1,1,-1.5,nan,0.5";
        let draft = older_writers_package(codec, cs, expected);
        let package = Package::load(draft.path()).unwrap();
        let unreached = package.golden_records.unwrap().unreached(&package.wanted.features);
        assert_eq!(unreached, ["a: a missing value", "b: a missing value", "d: a second value"]);
        // A default that the training side does not know of.
        let wrong = draft.edit("r.csv", "-1,0,nan,nan", "-1,0,nan,0");
        let told = "r.avro record 1: feature `d` (d): expected 0, got NaN (1 of 3 records)";
        assert_refused(Package::load(wrong.path()), &[told]);
    }
}

#[test]
fn a_record_that_would_be_a_dead_letter_is_no_golden_record() {
    let cs = vec![real(0.25), Value::Union(2, Box::new(Value::Boolean(true)))];
    let draft = older_writers_package(Codec::Null, cs, "-1,0,0.25,nan,0.5\n0,0.5,1,nan,0.5");
    let told = ["r.avro record 2: is a dead letter (incompatible_schema), expected a score (1 of 2 records)"];
    assert_refused(Package::load(draft.path()), &told);
}
