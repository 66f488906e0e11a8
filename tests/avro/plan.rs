//! The decode plan on records that real streams brought: malformed payloads that other decoders let through (truncated
//! records read as nulls, trailing bytes, recursion without end), one test per kind of poison, and the policies for
//! values that are there but useless.

use crate::avro_support::{self, bytes, decode, feature, features, long, plan, text, wanted};
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::error::Reject;
use scorewire::values::record::TransactionId;

/// One field `x` of a type.
fn one(kind: &str) -> String {
    format!(r#"{{"type":"record","name":"T","fields":[{{"name":"x","type":{kind}}},{{"name":"end","type":"int"}}]}}"#)
}

/// Decodes `payload` where `x` is not wanted: it is walked over.
fn skipped(kind: &str, payload: &[u8]) -> Result<(), Reject> {
    decode(&plan(&one(kind), &features(&["end"])), payload).map(drop)
}

/// Decodes `payload` followed by `end`, where `x` is a number.
fn number(kind: &str, payload: &[u8]) -> Result<f32, Reject> {
    let plan = plan(&one(kind), &features(&["x"]));
    decode(&plan, &[payload, &[0]].concat()).map(|found| found.row[0])
}

#[test]
fn a_truncated_record_is_no_record_with_nulls() {
    let schema = r#"{"type":"record","name":"T","fields":[
        {"name":"a","type":"long"},{"name":"b","type":["null","double"]},{"name":"c","type":"string"}]}"#;
    let payload = [long(70_000), vec![2], 1.5f64.to_le_bytes().to_vec(), text("abc")].concat();
    for wanted in [features(&["a"]), Wanted { transaction_id: Some("c".into()), ..Wanted::default() }] {
        let plan = plan(schema, &wanted);
        assert!(decode(&plan, &payload).is_ok());
        for cut in 0..payload.len() {
            assert_eq!(decode(&plan, &payload[..cut]).unwrap_err(), Reject::Truncated, "cut to {cut}");
        }
    }
}

#[test]
fn trailing_bytes_are_rejected() {
    assert_eq!(number("\"int\"", &[2, 0]), Err(Reject::TrailingBytes));
    assert_eq!(skipped("\"int\"", &[2, 2, 0]), Err(Reject::TrailingBytes));
    let empty = plan(r#"{"type":"record","name":"E","fields":[]}"#, &Wanted::default());
    assert_eq!(decode(&empty, &[]).map(|found| found.id), Ok(TransactionId::Absent));
    assert_eq!(decode(&empty, &[0]).unwrap_err(), Reject::TrailingBytes);
}

#[test]
fn varints_without_end_or_beyond_their_type_are_rejected() {
    for kind in ["\"int\"", "\"long\""] {
        assert_eq!(number(kind, &[0xFF; 12]), Err(Reject::BadVarint));
        assert_eq!(skipped(kind, &[0xFF; 12]), Err(Reject::BadVarint));
    }
    let beyond = long(i64::from(i32::MAX) + 1);
    assert_eq!(number("\"int\"", &beyond), Err(Reject::BadVarint));
    assert_eq!(skipped("\"int\"", &[&beyond[..], &[0]].concat()), Err(Reject::BadVarint));
    assert_eq!(number("\"long\"", &beyond), Ok(2_147_483_648.0));
}

#[test]
fn lengths_are_not_believed() {
    for kind in ["\"string\"", "\"bytes\""] {
        assert_eq!(skipped(kind, &[long(-1), vec![0]].concat()), Err(Reject::BadLength));
        assert_eq!(skipped(kind, &[long(i64::MIN), vec![0]].concat()), Err(Reject::BadLength));
        assert_eq!(skipped(kind, &[long(i64::MAX), vec![0]].concat()), Err(Reject::Truncated));
        assert_eq!(skipped(kind, &[long(3), vec![0, 0]].concat()), Err(Reject::Truncated));
    }
}

#[test]
fn booleans_are_zero_or_one_wanted_or_not() {
    assert_eq!(number("\"boolean\"", &[1]), Ok(1.0));
    assert_eq!(number("\"boolean\"", &[2]), Err(Reject::BadBoolean));
    assert_eq!(skipped("\"boolean\"", &[255, 0]), Err(Reject::BadBoolean));
}

#[test]
fn union_branches_outside_the_schema_are_rejected() {
    let nullable = r#"["null","double"]"#;
    let several = r#"["null","int","string"]"#;
    for kind in [nullable, several] {
        for index in [long(3), long(-1), long(i64::MAX), long(1 << 32)] {
            assert_eq!(skipped(kind, &[index, vec![0; 20]].concat()), Err(Reject::BadUnionBranch));
        }
    }
    assert_eq!(skipped(several, &[long(2), text("ab"), vec![0]].concat()), Ok(()));
}

#[test]
fn enum_symbols_outside_the_schema_are_rejected() {
    let kind = r#"{"type":"enum","name":"C","symbols":["A","B"]}"#;
    assert_eq!(number(kind, &long(1)), Ok(1.0));
    for index in [long(2), long(-1), long(i64::MAX)] {
        assert_eq!(number(kind, &index), Err(Reject::BadEnumSymbol));
        assert_eq!(skipped(kind, &[index, vec![0]].concat()), Err(Reject::BadEnumSymbol));
    }
}

#[test]
fn block_counts_are_bounded_by_what_is_left() {
    for kind in [r#"{"type":"array","items":"string"}"#, r#"{"type":"map","values":"int"}"#] {
        for count in [1 << 20, i64::MAX, i64::MIN, -(1 << 40)] {
            let reject = skipped(kind, &[long(count), long(0), vec![0; 8]].concat()).unwrap_err();
            assert_eq!(reject, Reject::BadLength, "{kind} {count}");
        }
    }
    let doubles = r#"{"type":"array","items":"double"}"#;
    for count in [2, i64::MAX, i64::MAX / 8 + 1, i64::MIN] {
        assert_eq!(skipped(doubles, &[long(count), vec![0; 8]].concat()), Err(Reject::BadLength), "{count}");
    }
}

#[test]
fn items_of_no_size_are_bounded_too() {
    for items in ["\"null\"", r#"{"type":"record","name":"E","fields":[]}"#, r#"{"type":"fixed","name":"F","size":0}"#]
    {
        let kind = format!(r#"{{"type":"array","items":{items}}}"#);
        assert_eq!(skipped(&kind, &[long(1_000), vec![0, 0]].concat()), Ok(()));
        assert_eq!(skipped(&kind, &[long(1 << 40), vec![0, 0]].concat()), Err(Reject::BadLength));
        assert_eq!(skipped(&kind, &[long(-(1 << 40)), long(0), vec![0, 0]].concat()), Err(Reject::BadLength));
    }
}

#[test]
fn the_byte_size_of_a_block_is_verified() {
    let strings = r#"{"type":"array","items":"string"}"#;
    let doubles = r#"{"type":"array","items":"double"}"#;
    let two_strings = [text("ab"), text("c")].concat();
    let block = |size: i64, items: &[u8]| [&long(-2)[..], &long(size), items, &[0, 0]].concat();
    assert_eq!(skipped(strings, &block(5, &two_strings)), Ok(()));
    assert_eq!(skipped(doubles, &block(16, &[0; 16])), Ok(()));
    for size in [4, 6] {
        assert_eq!(skipped(strings, &block(size, &two_strings)), Err(Reject::BadLength));
    }
    assert_eq!(skipped(doubles, &block(15, &[0; 16])), Err(Reject::BadLength));
    for (size, reject) in [(-1, Reject::BadLength), (1 << 40, Reject::Truncated)] {
        assert_eq!(skipped(strings, &block(size, &two_strings)), Err(reject));
    }
}

#[test]
fn several_blocks_and_nested_containers_are_walked() {
    let kind = r#"{"type":"map","values":{"type":"array","items":["null","string"]}}"#;
    let items = [long(2), vec![2], text("a"), vec![0], long(1), vec![0], long(0)].concat();
    let payload =
        [long(1), text("k"), items.clone(), long(-1), long(2 + items.len() as i64), text("l"), items].concat();
    assert_eq!(skipped(kind, &[payload, vec![0, 0]].concat()), Ok(()));
}

/// A list of `nodes` records, each in the one before.
fn linked(nodes: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    for node in 0..nodes {
        payload.extend([long(7), vec![if node + 1 < nodes { 2 } else { 0 }]].concat());
    }
    payload
}

const LINKED: &str = r#"{"type":"record","name":"Node","fields":[
    {"name":"value","type":"long"},{"name":"next","type":["null","Node"]}]}"#;

#[test]
fn recursion_ends_at_32_levels() {
    let plan = plan(LINKED, &features(&["value"]));
    for nodes in [1, 2, 33] {
        assert_eq!(decode(&plan, &linked(nodes)).unwrap().row, [7.0], "{nodes}");
    }
    for nodes in [34, 1_000, 1_000_000] {
        assert_eq!(decode(&plan, &linked(nodes)).unwrap_err(), Reject::TooDeep, "{nodes}");
    }
    let tree = one(r#"{"type":"record","name":"Tree","fields":[{"name":"c","type":{"type":"array","items":"Tree"}}]}"#);
    let plan = avro_support::plan(&tree, &features(&["end"]));
    assert_eq!(decode(&plan, &[2; 100_000]).unwrap_err(), Reject::TooDeep);
    assert_eq!(decode(&plan, &[2, 2, 0, 0, 0, 10]).unwrap().row, [5.0]);
}

#[test]
fn a_record_that_cannot_end_is_rejected() {
    let endless = r#"{"type":"record","name":"Endless","fields":[{"name":"me","type":"Endless"}]}"#;
    let plan = plan(&one(endless), &features(&["end"]));
    assert_eq!(decode(&plan, &[0; 100]).unwrap_err(), Reject::TooDeep);
}

#[test]
fn a_path_may_lead_into_a_recursive_record() {
    let mut wanted = features(&["next.next.value"]);
    wanted.features[0].missing = Some(Missing::Constant(-1.0));
    let plan = plan(LINKED, &wanted);
    assert_eq!(decode(&plan, &linked(2)).unwrap().row, [-1.0]);
    assert_eq!(decode(&plan, &linked(5)).unwrap().row, [7.0]);
}

#[test]
fn text_is_checked_where_it_is_used() {
    let bad = [long(2), vec![0xC3, 0x28]].concat();
    assert_eq!(skipped("\"string\"", &[bad.clone(), vec![0]].concat()), Ok(()));
    let id = Wanted { transaction_id: Some("x".into()), ..Wanted::default() };
    let index = Wanted {
        features: vec![Feature {
            transform: Transform::Index { symbols: vec!["A".into()], otherwise: Some(9.0) },
            ..feature("x")
        }],
        ..Wanted::default()
    };
    for wanted in [id, index] {
        let plan = plan(&one("\"string\""), &wanted);
        assert_eq!(decode(&plan, &[bad.clone(), vec![0]].concat()).unwrap_err(), Reject::BadUtf8);
        assert!(decode(&plan, &[text("A"), vec![0]].concat()).is_ok());
    }
}

#[test]
fn present_and_useless_numbers_are_told_apart() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(number("\"double\"", &value.to_le_bytes()), Err(Reject::NonFiniteFeature(0)));
        assert_eq!(number("\"float\"", &(value as f32).to_le_bytes()), Err(Reject::NonFiniteFeature(0)));
    }
    let largest = f64::from(f32::MAX);
    let rounds_down = f64::from_bits((largest + 2f64.powi(103)).to_bits() - 1);
    for (value, expected) in [
        (largest, Ok(f32::MAX)),
        (rounds_down, Ok(f32::MAX)),
        (largest + 2f64.powi(103), Err(Reject::FeatureOutOfRange(0))),
        (-1e300, Err(Reject::FeatureOutOfRange(0))),
        (f64::MAX, Err(Reject::FeatureOutOfRange(0))),
        (1e-300, Ok(0.0)),
        (-0.0, Ok(-0.0)),
    ] {
        assert_eq!(number("\"double\"", &value.to_le_bytes()), expected, "{value:e}");
    }
}

#[test]
fn declared_limits_are_kept() {
    let limited = Feature { min: Some(0.0), max: Some(10.0), ..feature("x") };
    let plan = plan(&one("\"double\""), &wanted(vec![limited]));
    for (value, expected) in [(0.0, Ok(0.0)), (10.0, Ok(10.0)), (-0.001, Err(())), (10.001, Err(())), (1e40, Err(()))] {
        let found = decode(&plan, &[&f64::to_le_bytes(value)[..], &[0]].concat()).map(|found| found.row[0]);
        assert_eq!(found, expected.map_err(|()| Reject::FeatureOutOfRange(0)), "{value}");
    }
}

#[test]
fn a_missing_value_follows_its_policy() {
    let nullable = one(r#"["null","double"]"#);
    let with = |missing| plan(&nullable, &wanted(vec![Feature { missing: Some(missing), ..feature("x") }]));
    assert_eq!(decode(&with(Missing::Reject), &[0, 0]).unwrap_err(), Reject::MissingFeature(0));
    assert_eq!(decode(&with(Missing::Constant(-2.5)), &[0, 0]).unwrap().row, [-2.5]);
    assert!(decode(&with(Missing::Nan), &[0, 0]).unwrap().row[0].is_nan());
    let present = [&[2][..], &4.5f64.to_le_bytes(), &[0]].concat();
    for missing in [Missing::Reject, Missing::Nan, Missing::Constant(0.0)] {
        assert_eq!(decode(&with(missing), &present).unwrap().row, [4.5]);
    }
    let nan = [&[2][..], &f64::NAN.to_le_bytes(), &[0]].concat();
    assert!(decode(&with(Missing::Nan), &nan).unwrap().row[0].is_nan(), "the policy says what the model takes");
    for missing in [Missing::Reject, Missing::Constant(0.0)] {
        assert_eq!(decode(&with(missing), &nan).unwrap_err(), Reject::NonFiniteFeature(0));
    }
}

#[test]
fn a_null_record_is_missing_for_everything_below_it() {
    let schema = one(r#"["null",{"type":"record","name":"C","fields":[
        {"name":"a","type":"int"},{"name":"b","type":["null","int"]}]}]"#);
    let constant = |path: &str, value| Feature { missing: Some(Missing::Constant(value)), ..feature(path) };
    let is_present = |path: &str| Feature { transform: Transform::IsPresent, ..feature(path) };
    let plan =
        plan(&schema, &wanted(vec![constant("x.a", -1.0), constant("x.b", -2.0), is_present("x"), is_present("x.b")]));
    assert_eq!(decode(&plan, &[0, 0]).unwrap().row, [-1.0, -2.0, 0.0, 0.0]);
    assert_eq!(decode(&plan, &[2, 10, 0, 0]).unwrap().row, [5.0, -2.0, 1.0, 0.0]);
    assert_eq!(decode(&plan, &[2, 10, 2, 8, 0]).unwrap().row, [5.0, 4.0, 1.0, 1.0]);
}

#[test]
fn a_value_that_several_features_use_is_read_once_for_all() {
    let kind = r#"{"type":"enum","name":"C","symbols":["POS","ECOM","ATM"]}"#;
    let equals = |symbol: &str| Feature { transform: Transform::Equals(symbol.into()), ..feature("x") };
    let index = Feature {
        transform: Transform::Index { symbols: vec!["ATM".into(), "POS".into()], otherwise: None },
        ..feature("x")
    };
    let plan = plan(&one(kind), &wanted(vec![feature("x"), equals("ECOM"), index, equals("ATM")]));
    assert_eq!(decode(&plan, &[4, 0]).unwrap().row, [2.0, 0.0, 0.0, 1.0]);
    assert_eq!(decode(&plan, &[0, 0]).unwrap().row, [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(decode(&plan, &[2, 0]).unwrap_err(), Reject::FeatureOutOfRange(2));
}

#[test]
fn texts_become_places_in_a_list() {
    let index = |otherwise| Feature {
        transform: Transform::Index { symbols: vec!["DK".into(), "DE".into()], otherwise },
        ..feature("x")
    };
    let equals = Feature { transform: Transform::Equals("DE".into()), ..feature("x") };
    let plan = plan(&one("\"string\""), &wanted(vec![index(Some(-1.0)), equals]));
    for (value, row) in [("DK", [0.0, 0.0]), ("DE", [1.0, 1.0]), ("SE", [-1.0, 0.0]), ("", [-1.0, 0.0])] {
        assert_eq!(decode(&plan, &[text(value), vec![0]].concat()).unwrap().row, row, "{value}");
    }
    let strict = avro_support::plan(&one("\"string\""), &wanted(vec![index(None)]));
    assert_eq!(decode(&strict, &[text("SE"), vec![0]].concat()).unwrap_err(), Reject::FeatureOutOfRange(0));
}

#[test]
fn decimals_are_scaled() {
    let as_bytes = r#"{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}"#;
    let as_fixed = r#"{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":3}"#;
    assert_eq!(number(as_bytes, &bytes(&[0x30, 0x39])), Ok(123.45));
    assert_eq!(number(as_bytes, &bytes(&[0xFF])), Ok(-0.01));
    assert_eq!(number(as_fixed, &12_345i32.to_be_bytes()), Ok(12.345));
    assert_eq!(number(as_fixed, &(-12_345i32).to_be_bytes()), Ok(-12.345));
    // More than the 96 bits that some decoders have room for; the number is Python's.
    let wide = [0x3E, 0x48, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x2D, 0x30, 0x30];
    assert_eq!(number(as_bytes, &bytes(&wide)), Ok(4.934_487e28));
    assert_eq!(number(as_bytes, &bytes(&[])), Err(Reject::BadLength));
    assert_eq!(number(as_bytes, &bytes(&[0x7F; 17])), Err(Reject::FeatureOutOfRange(0)));
    assert_eq!(number(as_fixed, &[0, 0, 1]), Err(Reject::Truncated));
}

#[test]
fn dates_and_times_are_numbers_in_their_own_unit() {
    let kinds = ["date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos"];
    for logical in kinds.into_iter().chain(["local-timestamp-millis", "local-timestamp-micros"]) {
        let base = if matches!(logical, "date" | "time-millis") { "int" } else { "long" };
        let kind = format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#);
        assert_eq!(number(&kind, &long(19_000)), Ok(19_000.0), "{logical}");
    }
}

#[test]
fn the_id_stays_where_it_is_in_the_payload() {
    let by = |kind: &str| plan(&one(kind), &Wanted { transaction_id: Some("x".into()), ..Wanted::default() });
    let found = by("\"string\"").decode(&[&[9; 5][..], &text("tx-1"), &[0]].concat(), 5, &mut []).unwrap();
    assert_eq!(found.0, TransactionId::Text { start: 6, len: 4 });
    let uuid = r#"{"type":"string","logicalType":"uuid"}"#;
    let found = decode(&by(uuid), &[text("0af3"), vec![0]].concat()).unwrap();
    assert_eq!(found.id, TransactionId::Text { start: 1, len: 4 });
    for kind in ["\"int\"", "\"long\""] {
        assert_eq!(decode(&by(kind), &[13, 0]).unwrap().id, TransactionId::Long(-7));
    }
    let nullable = by(r#"["null","string"]"#);
    assert_eq!(decode(&nullable, &[0, 0]).unwrap().id, TransactionId::Absent);
    assert_eq!(decode(&nullable, &[2, 2, b'a', 0]).unwrap().id, TransactionId::Text { start: 2, len: 1 });
}

#[test]
fn event_times_become_milliseconds() {
    let wanted = Wanted { event_time: Some("x".into()), ..Wanted::default() };
    let time = |kind: &str, value: i64| {
        decode(&plan(&one(kind), &wanted), &[long(value), vec![0]].concat()).unwrap().event_time_ms
    };
    let logical = |name: &str| format!(r#"{{"type":"long","logicalType":"{name}"}}"#);
    assert_eq!(time("\"long\"", -1), Some(-1));
    assert_eq!(time(&logical("timestamp-millis"), 1_500), Some(1_500));
    assert_eq!(time(&logical("timestamp-micros"), 1_500), Some(1));
    assert_eq!(time(&logical("timestamp-micros"), -1), Some(-1));
    assert_eq!(time(&logical("timestamp-nanos"), 2_500_000), Some(2));
    assert_eq!(time(&logical("local-timestamp-micros"), 3_999), Some(3));
    let nullable = plan(&one(r#"["null","long"]"#), &wanted);
    assert_eq!(decode(&nullable, &[0, 0]).unwrap().event_time_ms, None);
}

#[test]
fn quirks_of_real_schemas_are_taken() {
    let schema = r#"{"type":"record","name":"Tx","namespace":"com.bank.cards","doc":"x","owner":"risk","fields":[
        {"name":"ts","type":"long","logicalType":"timestamp-micros","pii":false},
        {"name":"when","type":"long","logicalType":"timestamp-millis"},
        {"name":"note","type":["null",{"type":"string","avro.java.string":"String"}]},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2,"connect.name":"d"}},
        {"name":"channel","type":{"type":"enum","name":"Ch","symbols":["POS","WEB"]},"default":"POS"},
        {"name":"tags","type":{"type":"map","values":"string"},"default":{}},
        {"name":"odd","type":{"type":"int","logicalType":"made-up"}}]}"#;
    let mut wanted = features(&["amount", "channel", "odd", "when"]);
    wanted.event_time = Some("ts".into());
    let payload = [long(5_000), long(6), vec![0], bytes(&[1, 0]), long(1), vec![0], long(3)].concat();
    let found = decode(&plan(schema, &wanted), &payload).unwrap();
    assert_eq!(found.row, [2.56, 1.0, 3.0, 6.0]);
    assert_eq!(found.event_time_ms, Some(5), "a unit beside the type still says what the author meant");
}

#[test]
fn a_start_beyond_the_value_is_truncated() {
    let plan = plan(&one("\"int\""), &features(&["x"]));
    assert_eq!(plan.decode(&[1, 2, 3], 4, &mut [0.0]).unwrap_err(), Reject::Truncated);
}
