//! The simulator writes Avro by hand, and says by itself what a model will see. Both could drift from the package's
//! schema and contract without anybody noticing: scores would merely get worse. apache-avro and the contract decide.

use crate::packages;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::{Reader, Schema};
use scorewire::load::simulate::dataset::{Format, export, write_avro};
use scorewire::load::simulate::population::World;
use scorewire::load::simulate::simulator::Simulator;
use scorewire::load::simulate::transaction::{CHANNELS, COUNTRIES, FEATURES, ID_LENGTH, SCHEMA, Transaction, id_text};

fn some_transactions(count: usize) -> Vec<Transaction> {
    let world = World { customers: 300, terminals: 300, warm_up_days: 37 };
    Simulator::with_world(3, &world).take(count).collect()
}

fn decode(schema: &Schema, transaction: &Transaction) -> Value {
    let mut bytes = Vec::new();
    transaction.encode(&mut bytes);
    let mut rest = bytes.as_slice();
    let value =
        GenericDatumReader::builder(schema).build().unwrap().read_value(&mut rest).expect("apache-avro reads it");
    assert!(rest.is_empty(), "{} bytes left over", rest.len());
    value
}

/// The value at a dotted path, unions unwrapped; `None` where the path leads through a null.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| {
        let Value::Record(fields) = value else { panic!("{path}: not a record") };
        let (_, found) = fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("{path}: no field"));
        match found {
            Value::Union(_, inner) if **inner == Value::Null => None,
            Value::Union(_, inner) => Some(inner.as_ref()),
            other => Some(other),
        }
    })
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(n) => f64::from(*n),
        Value::Long(n) | Value::TimestampMillis(n) => *n as f64,
        Value::Double(n) => *n,
        Value::Boolean(b) => f64::from(u8::from(*b)),
        Value::Decimal(decimal) => {
            let bytes: Vec<u8> = decimal.try_into().expect("a decimal has bytes");
            let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
            let unscaled = bytes.iter().fold(if negative { -1i64 } else { 0 }, |n, b| (n << 8) | i64::from(*b));
            unscaled as f64 / 100.0
        }
        other => panic!("not a number: {other:?}"),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::String(text) | Value::Enum(_, text) => text,
        other => panic!("not a text: {other:?}"),
    }
}

/// The contract's transforms, applied to what apache-avro read.
fn feature(contract: &toml::Value, value: &Value) -> f32 {
    let found = at(value, contract["path"].as_str().unwrap());
    let transform = contract.get("transform");
    if transform.and_then(toml::Value::as_str) == Some("is_present") {
        return if found.is_some() { 1.0 } else { 0.0 };
    }
    let Some(found) = found else {
        return match &contract["missing"] {
            toml::Value::String(policy) if policy == "nan" => f32::NAN,
            toml::Value::Table(table) => table["constant"].as_float().unwrap() as f32,
            other => panic!("null in {}: {other:?}", contract["name"]),
        };
    };
    match transform {
        None | Some(toml::Value::String(_)) => number(found) as f32,
        Some(table) if table.get("equals").is_some() => {
            f32::from(u8::from(text(found) == table["equals"].as_str().unwrap()))
        }
        Some(table) => {
            let symbols = table["index"].as_array().unwrap();
            let place = symbols.iter().position(|symbol| symbol.as_str() == Some(text(found)));
            place.map_or_else(|| table["otherwise"].as_float().unwrap() as f32, |place| place as f32)
        }
    }
}

#[test]
fn apache_avro_reads_every_field_as_the_simulator_meant_it() {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let transactions = some_transactions(5_000);
    for transaction in &transactions {
        let value = decode(&schema, transaction);
        let field = |path| at(&value, path);
        let id = id_text(transaction.id);
        assert_eq!(text(field("transaction_id").unwrap()).as_bytes(), id);
        assert_eq!(field("event_time"), Some(&Value::TimestampMillis(transaction.event_time_ms)));
        assert_eq!(number(field("amount").unwrap()), transaction.amount_cents as f64 / 100.0);
        assert_eq!(text(field("channel").unwrap()), CHANNELS[usize::from(transaction.channel)]);
        assert_eq!(text(field("card.token").unwrap()).as_bytes(), transaction.key());
        assert_eq!(text(field("merchant.country").unwrap()), COUNTRIES[usize::from(transaction.merchant_country)]);
        assert_eq!(field("merchant.terminal_id").is_some(), transaction.distance_km.is_some());
        assert_eq!(field("merchant.name").is_some(), transaction.merchant_name.is_some());
        let ip = field("device.ip_country").map(text);
        let expected = transaction.device.as_ref().and_then(|device| device.ip_country);
        assert_eq!(ip, expected.map(|country| COUNTRIES[usize::from(country)]));
    }
    assert!(transactions.iter().any(|transaction| transaction.device.is_none()));
    assert!(transactions.iter().any(|transaction| transaction.amount_cents < 128));
}

#[test]
fn amounts_of_every_length_are_the_fewest_bytes() {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let mut transaction = some_transactions(1).remove(0);
    for cents in [0, 1, 127, 128, 255, 256, 32_767, 32_768, 8_388_607, 8_388_608, 99_999_999] {
        transaction.amount_cents = cents;
        let value = decode(&schema, &transaction);
        assert_eq!(number(at(&value, "amount").unwrap()), cents as f64 / 100.0, "{cents}");
    }
}

#[test]
fn an_id_can_be_replaced_in_place() {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let transaction = some_transactions(1).remove(0);
    let mut bytes = Vec::new();
    transaction.encode(&mut bytes);
    bytes[1..=ID_LENGTH].copy_from_slice(&id_text(0xDEAD_BEEF));
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut bytes.as_slice()).unwrap();
    assert_eq!(text(at(&value, "transaction_id").unwrap()), "00000000deadbeef");
}

#[test]
fn features_are_what_the_contract_makes_of_the_payload() {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let transactions = some_transactions(3_000);
    for folder in packages::all() {
        let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
        let package: toml::Value = toml::from_str(&manifest).unwrap();
        let contract = package["features"].as_array().unwrap();
        let names: Vec<&str> = contract.iter().map(|feature| feature["name"].as_str().unwrap()).collect();
        assert_eq!(names, FEATURES);
        for transaction in &transactions {
            let value = decode(&schema, transaction);
            for (feature_of, mine) in contract.iter().zip(transaction.features()) {
                let theirs = feature(feature_of, &value);
                assert_eq!(theirs.to_bits(), mine.to_bits(), "{}: {theirs} {mine}", feature_of["name"]);
            }
        }
    }
}

#[test]
fn a_container_file_holds_what_was_simulated() {
    let world = World { customers: 100, terminals: 100, warm_up_days: 2 };
    let mut file = Vec::new();
    write_avro(&mut file, Simulator::with_world(9, &world), 2_500, 9).unwrap();
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let read: Vec<Value> = Reader::new(file.as_slice()).unwrap().map(Result::unwrap).collect();
    let meant: Vec<Value> =
        Simulator::with_world(9, &world).take(2_500).map(|transaction| decode(&schema, &transaction)).collect();
    assert_eq!(read, meant);
}

#[test]
fn a_csv_export_has_the_features_and_the_label() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    export(&path, 300, 4, Format::of(&path).unwrap()).unwrap();
    let file = std::fs::read_to_string(&path).unwrap();
    let mut lines = file.lines();
    let header = format!("{},label,transaction_id,event_time_ms", FEATURES.join(","));
    assert_eq!(lines.next(), Some(header.as_str()));
    let simulated: Vec<Transaction> = Simulator::new(4).take(300).collect();
    for (line, transaction) in lines.by_ref().zip(&simulated) {
        let cells: Vec<&str> = line.split(',').collect();
        for (cell, feature) in cells.iter().zip(transaction.features()) {
            let read: f32 = cell.parse().unwrap();
            assert!(read == feature || (read.is_nan() && feature.is_nan()));
        }
        let label = if transaction.fraud { "1" } else { "0" };
        let id = String::from_utf8(id_text(transaction.id).to_vec()).unwrap();
        assert_eq!(cells[FEATURES.len()..], [label, &id, &transaction.event_time_ms.to_string()]);
    }
    assert_eq!(file.lines().count(), 301);
    let error = export(&folder.path().join("no/such/folder.csv"), 1, 1, Format::Csv).unwrap_err();
    assert!(error.what.contains("folder.csv"));
}
