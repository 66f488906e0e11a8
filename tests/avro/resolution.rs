//! Writers change their schemas without asking. What Avro's rules allow must read as if nothing had happened, and
//! what they do not allow must be said before the first record, with the field and the fix.

use crate::avro_support::evolve::{evolve, project};
use crate::avro_support::oracle;
use crate::avro_support::random::{Maker, Random, Values, encode};
use crate::avro_support::{self, compile, decode, feature, features, long, text, wanted};
use proptest::prelude::*;
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::error::Reject;
use scorewire::values::record::TransactionId;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"T","namespace":"n","fields":[{fields}]}}"#)
}

fn field(name: &str, kind: &str) -> String {
    format!(r#"{{"name":"{name}","type":{kind}}}"#)
}

/// One field `x`, written as one type and read as another.
fn read_as(writer: &str, reader: &str, payload: &[u8]) -> Result<f32, Reject> {
    let mut wanted = features(&["x"]);
    wanted.features[0].missing = Some(Missing::Constant(-1.0));
    let plan = compile(&record(&field("x", writer)), &record(&field("x", reader)), &wanted).unwrap();
    decode(&plan, payload).map(|found| found.row[0])
}

/// The message of a pair that cannot be compiled.
fn problem(writer: &str, reader: &str, wanted: &Wanted) -> String {
    compile(writer, reader, wanted).map(drop).expect_err("it compiles").to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(message.contains("\n  fix: "), "no fix in: {message}");
}

#[test]
fn numbers_are_promoted() {
    for reader in ["\"int\"", "\"long\"", "\"float\"", "\"double\""] {
        assert_eq!(read_as("\"int\"", reader, &long(-3)), Ok(-3.0));
    }
    for reader in ["\"float\"", "\"double\""] {
        assert_eq!(read_as("\"float\"", reader, &0.1f32.to_le_bytes()), Ok(0.1));
    }
    // The reader's float rounds a long once; through a double it would be rounded twice.
    let twice = (1i64 << 60) + (1 << 36) + 1;
    assert_ne!(twice as f64 as f32, twice as f32);
    assert_eq!(read_as("\"long\"", "\"float\"", &long(twice)), Ok(twice as f32));
    assert_eq!(read_as("\"long\"", "\"double\"", &long(twice)), Ok(twice as f64 as f32));
}

#[test]
fn texts_and_bytes_stand_for_each_other() {
    let id = Wanted { transaction_id: Some("x".into()), ..Wanted::default() };
    let plan = compile(&record(&field("x", "\"bytes\"")), &record(&field("x", "\"string\"")), &id).unwrap();
    assert_eq!(decode(&plan, &text("ab")).unwrap().id, TransactionId::Text { start: 1, len: 2 });
    assert_eq!(decode(&plan, &[2, 0xFF]).unwrap_err(), Reject::BadUtf8);
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    assert_eq!(read_as("\"bytes\"", decimal, &[4, 1, 0]), Ok(2.56));
}

#[test]
fn unions_resolve_in_both_directions() {
    let nullable = r#"["null","double"]"#;
    assert_eq!(read_as("\"int\"", nullable, &long(4)), Ok(4.0));
    assert_eq!(read_as(r#"["null","int"]"#, "\"double\"", &[2, 8]), Ok(4.0));
    assert_eq!(read_as(r#"["null","int"]"#, "\"double\"", &[0]), Ok(-1.0));
    assert_eq!(read_as(r#"["int","null"]"#, nullable, &[0, 8]), Ok(4.0));
    assert_eq!(read_as(r#"["int","null"]"#, nullable, &[2]), Ok(-1.0));
    let several = r#"["string","int","null","double"]"#;
    assert_eq!(read_as(several, nullable, &[2, 8]), Ok(4.0));
    assert_eq!(read_as(several, nullable, &[&[6][..], &1.5f64.to_le_bytes()].concat()), Ok(1.5));
    assert_eq!(read_as(several, nullable, &[4]), Ok(-1.0));
    assert_eq!(read_as(several, nullable, &[0, 0]), Err(Reject::IncompatibleSchema));
    assert_eq!(read_as(r#"["int"]"#, nullable, &[0, 8]), Ok(4.0));
    // The same type goes before a promotion, wherever it stands.
    let twice = (1i64 << 60) + (1 << 36) + 1;
    assert_eq!(read_as("\"long\"", r#"["null","float","long"]"#, &long(twice)), Ok(twice as f64 as f32));
}

#[test]
fn a_null_the_reader_does_not_know_is_a_missing_feature() {
    let plan =
        compile(&record(&field("x", r#"["null","int"]"#)), &record(&field("x", "\"int\"")), &features(&["x"])).unwrap();
    assert_eq!(decode(&plan, &[0]).unwrap_err(), Reject::MissingFeature(0));
    assert_eq!(decode(&plan, &[2, 2]).unwrap().row, [1.0]);
}

#[test]
fn fields_and_records_are_found_by_alias() {
    let writer = record(&field("old", r#"{"type":"record","name":"Before","fields":[{"name":"a","type":"int"}]}"#));
    let reader = |aliases: &str| {
        record(&format!(
            r#"{{"name":"new","aliases":["older","old"],"type":
                {{"type":"record","name":"After","aliases":{aliases},
                "fields":[{{"name":"b","aliases":["a"],"type":"int"}}]}}}}"#
        ))
    };
    let wanted = features(&["new.b"]);
    for aliases in [r#"["Before"]"#, r#"["n.Before"]"#, r#"["elsewhere.Before"]"#] {
        let plan = compile(&writer, &reader(aliases), &wanted).unwrap();
        assert_eq!(decode(&plan, &[14]).unwrap().row, [7.0]);
    }
    let message = problem(&writer, &reader(r#"["Other"]"#), &wanted);
    assert_says(&message, &["feature `new.b`", "record n.Before", "record n.After", "names differ"]);
}

#[test]
fn a_field_of_the_same_name_goes_before_an_alias() {
    let writer = record(&[field("old", "\"int\""), field("new", "\"int\"")].join(","));
    let reader = record(r#"{"name":"new","aliases":["old"],"type":"int"}"#);
    let plan = compile(&writer, &reader, &features(&["new"])).unwrap();
    assert_eq!(decode(&plan, &[2, 4]).unwrap().row, [2.0]);
}

#[test]
fn a_field_the_writer_lacks_takes_its_default() {
    let writer = record(&field("a", "\"int\""));
    let with = |kind: &str, default: &str| {
        record(&format!(r#"{},{{"name":"x","type":{kind},"default":{default}}}"#, field("a", "\"int\"")))
    };
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    let enumeration = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    for (kind, default, expected) in [
        ("\"double\"", "1.5", 1.5),
        ("\"boolean\"", "true", 1.0),
        (enumeration, "\"B\"", 1.0),
        (decimal, "\"\\u0001\\u0000\"", 2.56),
        (r#"["null","int"]"#, "null", -1.0),
        (r#"["int","null"]"#, "9", 9.0),
    ] {
        let wanted = wanted(vec![Feature { missing: Some(Missing::Constant(-1.0)), ..feature("x") }, feature("a")]);
        let plan = compile(&writer, &with(kind, default), &wanted).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(decode(&plan, &[6]).unwrap().row, [expected, 3.0], "{kind}");
    }
    let limited = wanted(vec![Feature { max: Some(1.0), ..feature("x") }]);
    let message = problem(&writer, &with("\"double\"", "1.5"), &limited);
    assert_says(&message, &["feature `x`", "default 1.5", "outside"]);
}

#[test]
fn ids_and_times_may_be_missing_in_a_writer_where_null_is_their_default() {
    let writer = record(&field("a", "\"int\""));
    let reader = |default: &str, kind: &str| {
        record(&format!(r#"{},{{"name":"x","type":{kind},"default":{default}}}"#, field("a", "\"int\"")))
    };
    let id = Wanted { transaction_id: Some("x".into()), ..Wanted::default() };
    let time = Wanted { event_time: Some("x".into()), ..Wanted::default() };
    let nullable = reader("null", r#"["null","long"]"#);
    assert_eq!(decode(&compile(&writer, &nullable, &id).unwrap(), &[6]).unwrap().id, TransactionId::Absent);
    assert_eq!(decode(&compile(&writer, &nullable, &time).unwrap(), &[6]).unwrap().event_time_ms, None);
    let micros = reader("5000", r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    assert_eq!(decode(&compile(&writer, &micros, &time).unwrap(), &[6]).unwrap().event_time_ms, Some(5));
    assert_says(&problem(&writer, &reader("7", "\"long\""), &id), &["transaction id (x)", "alike"]);
}

#[test]
fn symbols_are_the_readers() {
    let kind = |symbols: &str, default: &str| {
        record(&field("x", &format!(r#"{{"type":"enum","name":"E","symbols":{symbols}{default}}}"#)))
    };
    let writer = kind(r#"["OLD","A","B"]"#, "");
    let wanted = wanted(vec![feature("x"), Feature { transform: Transform::Equals("B".into()), ..feature("x") }]);
    let strict = compile(&writer, &kind(r#"["B","A"]"#, ""), &wanted).unwrap();
    assert_eq!(decode(&strict, &[2]).unwrap().row, [1.0, 0.0]);
    assert_eq!(decode(&strict, &[4]).unwrap().row, [0.0, 1.0]);
    assert_eq!(decode(&strict, &[0]).unwrap_err(), Reject::UnknownSymbol(0));
    let lenient = compile(&writer, &kind(r#"["B","A","UNKNOWN"]"#, r#","default":"UNKNOWN""#), &wanted).unwrap();
    assert_eq!(decode(&lenient, &[0]).unwrap().row, [2.0, 0.0]);
}

#[test]
fn what_no_feature_needs_may_change_in_any_way() {
    let writer = record(&[field("gone", "\"string\""), field("x", "\"int\""), field("y", "\"string\"")].join(","));
    let reader =
        record(&[field("y", "\"double\""), field("never_written", "\"int\""), field("x", "\"long\"")].join(","));
    let plan = compile(&writer, &reader, &features(&["x"])).unwrap();
    assert_eq!(decode(&plan, &[text("a"), long(5), text("b")].concat()).unwrap().row, [5.0]);
}

#[test]
fn a_missing_field_without_default_is_told_with_its_place() {
    let inner = |name: &str| {
        record(&field("card", &format!(r#"{{"type":"record","name":"Card","fields":[{}]}}"#, field(name, "\"int\""))))
    };
    let message = problem(&inner("age"), &inner("limit"), &features(&["card.limit"]));
    assert_says(&message, &["feature `card.limit` (card.limit)", "record n.Card", "no field `limit`", "no default"]);
}

#[test]
fn types_that_do_not_fit_are_told() {
    let pair = |writer: &str, reader: &str| {
        problem(&record(&field("x", writer)), &record(&field("x", reader)), &features(&["x"]))
    };
    assert_says(&pair("\"double\"", "\"int\""), &["feature `x`", "double", "cannot be read as int"]);
    assert_says(&pair("\"string\"", r#"["int","double"]"#), &["string", "fits no branch", "union of int, double"]);
    assert_says(&pair(r#"["string","null"]"#, "\"int\""), &["string", "cannot be read as int"]);
    let decimal = |scale: u32| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":9,"scale":{scale}}}"#);
    assert_says(&pair(&decimal(2), &decimal(3)), &["scale 2", "scale 3", "mean something else"]);
    let time = |unit: &str| format!(r#"{{"type":"long","logicalType":"timestamp-{unit}"}}"#);
    assert_says(&pair(&time("micros"), &time("millis")), &["timestamp-micros", "timestamp-millis"]);
}

#[test]
fn a_contract_that_does_not_fit_its_own_schema_is_told() {
    let schema = record(
        &[
            field("amount", "\"double\""),
            field("note", "\"string\""),
            field("tip", r#"["null","double"]"#),
            field("kind", r#"{"type":"enum","name":"E","symbols":["A","B"]}"#),
            field("list", r#"{"type":"array","items":"int"}"#),
        ]
        .join(","),
    );
    let told = |feature: Feature| problem(&schema, &schema, &wanted(vec![feature]));
    assert_says(&told(feature("amuont")), &["feature `amuont`", "no field `amuont`", "did you mean `amount`"]);
    assert_says(&told(feature("zzz")), &["amount, note, tip, kind, list"]);
    assert_says(&told(feature("amount.value")), &["`value`", "double", "no fields"]);
    assert_says(&told(feature("note")), &["string", "must be a number"]);
    assert_says(&told(feature("list")), &["array"]);
    assert_says(&told(feature("tip")), &["can be null", "missing policy"]);
    let equals = |path: &str, symbol: &str| Feature { transform: Transform::Equals(symbol.into()), ..feature(path) };
    assert_says(&told(equals("kind", "C")), &["no symbol C", "A, B"]);
    assert_says(&told(equals("amount", "1")), &["an enum or a string"]);
    assert_says(&told(Feature { min: Some(2.0), max: Some(1.0), ..feature("amount") }), &["minimum 2", "maximum 1"]);
    let id = Wanted { transaction_id: Some("amount".into()), ..Wanted::default() };
    assert_says(&problem(&schema, &schema, &id), &["transaction id (amount)", "double"]);
    let time = Wanted { event_time: Some("note".into()), ..Wanted::default() };
    assert_says(&problem(&schema, &schema, &time), &["event time (note)", "string", "timestamp"]);
}

#[test]
fn a_schema_that_explodes_is_refused() {
    // Ten levels of ten fields each: eleven short types, ten thousand million fields.
    let mut kind =
        r#"{"type":"record","name":"L0","fields":[{"name":"s","type":"string"},{"name":"i","type":"int"}]}"#.to_owned();
    for level in 1..=10 {
        let first = field("f0", &kind);
        let rest: Vec<String> = (1..10).map(|at| field(&format!("f{at}"), &format!("\"L{}\"", level - 1))).collect();
        kind = format!(r#"{{"type":"record","name":"L{level}","fields":[{first},{}]}}"#, rest.join(","));
    }
    let schema = record(&[field("x", "\"int\""), field("bomb", &kind)].join(","));
    assert_says(&problem(&schema, &schema, &features(&["x"])), &["operations"]);
}

proptest! {
    #![proptest_config(avro_support::cases(512))]

    #[test]
    fn a_changed_reader_sees_what_avros_rules_say(seed: u64, fields in 0..12usize, depth in 0..4usize) {
        let mut random = Random(seed);
        let mut maker = Maker::new(&mut random);
        let writer = maker.record(fields, depth);
        let reader = evolve(&mut maker, &writer);
        let (mut wanted, places) = oracle::want_some(&mut random, &oracle::places(&reader, 4));
        // An id that the writer does not have is refused on purpose.
        wanted.transaction_id.take_if(|path| path.contains("added"));
        // So is a feature that would be rejected in every record.
        for added in wanted.features.iter_mut().filter(|feature| feature.path.contains("added")) {
            added.missing = added.missing.map(|missing| if missing == Missing::Reject { Missing::Nan } else { missing });
        }
        let (written, read) = (writer.schema().to_string(), reader.schema().to_string());
        let plan = compile(&written, &read, &wanted).unwrap_or_else(|why| panic!("{why}\n{written}\n{read}"));
        for _ in 0..8 {
            let value = Values::record(&mut random, &writer);
            let payload = encode(&value, None);
            let tree = project(&value, &reader);
            match decode(&plan, &payload) {
                Ok(found) => oracle::check(&found, &payload, &tree, &wanted, &places, &reader),
                Err(reject) => {
                    let expected = oracle::row(&tree, &wanted, &places);
                    prop_assert!(expected.is_none(), "{reject:?} for a valid record\n{written}\n{read}");
                }
            }
            for cut in 0..payload.len() {
                prop_assert!(decode(&plan, &payload[..cut]).is_err());
            }
        }
    }
}
