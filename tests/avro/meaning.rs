//! What a schema's text says a number means. A writer whose unit, scale or type would make another number of the same
//! bytes is refused by name, never guessed; one that never gives a feature is told. Right values are those of fastavro
//! and of Avro's Java implementation.

use crate::avro_support::{bytes, compile, decode, feature, features, long, text, wanted};
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::error::Reject;

const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"CardTransaction","namespace":"acme.payments","fields":[{fields}]}}"#)
}

/// A schema with one field `x` of this type, and whatever stands beside the type.
fn one(kind: &str, beside: &str) -> String {
    record(&format!(r#"{{"name":"x","type":{kind}{beside}}}"#))
}

fn refusal(writer: &str, reader: &str, wanted: &Wanted) -> String {
    compile(writer, reader, wanted).map(drop).expect_err("it is taken").to_string()
}

fn number(writer: &str, reader: &str, payload: &[u8]) -> f32 {
    let plan = compile(writer, reader, &features(&["x"])).unwrap_or_else(|why| panic!("{why}"));
    decode(&plan, payload).unwrap().row[0]
}

#[test]
fn a_text_is_no_decimal_and_a_decimal_no_text() {
    let refused = refusal(&one("\"string\"", ""), &one(DECIMAL, ""), &features(&["x"]));
    assert!(refused.contains("feature `x` (x)") && refused.contains("a text is not a decimal's bytes"), "{refused}");
    let equals = Feature { transform: Transform::Equals("12.34".into()), ..feature("x") };
    let refused = refusal(&one(DECIMAL, ""), &one("\"string\"", ""), &wanted(vec![equals]));
    assert!(refused.contains("a text is not a decimal's bytes"), "{refused}");
    // A branch of a union that does not fit is told, and so are its records.
    let union = one(&format!(r#"["null",{DECIMAL},"string"]"#), "");
    let nan = wanted(vec![Feature { missing: Some(Missing::Nan), ..feature("x") }]);
    let plan = compile(&union, &one(&format!(r#"["null",{DECIMAL}]"#), ""), &nan).unwrap();
    assert_eq!(decode(&plan, &[&[2][..], &bytes(&[0x30, 0x39])].concat()).unwrap().row, [123.45]);
    assert_eq!(decode(&plan, &[&[4][..], &text("123.45")].concat()).unwrap_err(), Reject::IncompatibleSchema);
    assert!(plan.remarks()[0].contains("string") && plan.remarks()[0].contains("dead letters"), "{:?}", plan.remarks());
    // It is no way around the rule.
    let refused = refusal(&one(r#"["null","string"]"#, ""), &one(DECIMAL, ""), &features(&["x"]));
    assert!(refused.contains("a text is not a decimal's bytes"), "{refused}");
}

#[test]
fn decimals_that_parsers_drop_keep_the_scale_that_was_written() {
    let reader = one(DECIMAL, "");
    for (writer, scale) in [
        (one(r#"{"type":"bytes","logicalType":"decimal","precision":3,"scale":5}"#, ""), "scale 5"),
        (one(r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":"4"}"#, ""), "scale 4"),
        (one(r#"{"type":"bytes","logicalType":"decimal","scale":4}"#, ""), "scale 4"),
        (one("\"bytes\"", r#","logicalType":"decimal","precision":12,"scale":4"#), "scale 4"),
        (one(r#"["null","bytes"]"#, r#","logicalType":"decimal","precision":12,"scale":4"#), "scale 4"),
        (one(r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":"four"}"#, ""), "unclear"),
        (one(r#"{"type":"bytes","logicalType":"money"}"#, ""), "unclear: money"),
        (
            one(
                r#"{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"4"}}"#,
                "",
            ),
            "scale 4",
        ),
    ] {
        let refused = refusal(&writer, &reader, &features(&["x"]));
        assert!(refused.contains("feature `x`") && refused.contains(scale), "{writer}: {refused}");
        assert!(refused.contains("mean something else"), "{refused}");
    }
    // What agrees is read, however it is spelled: 123.45.
    for writer in [
        one(r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":"2"}"#, ""),
        one("\"bytes\"", r#","logicalType":"decimal","precision":12,"scale":2"#),
        one("\"bytes\"", ""),
    ] {
        assert_eq!(number(&writer, &reader, &bytes(&[0x30, 0x39])), 123.45, "{writer}");
    }
}

#[test]
fn units_beside_the_type_and_in_connect_names_count() {
    let millis = one(r#"{"type":"long","logicalType":"timestamp-millis"}"#, "");
    let micro = r#"{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}"#;
    let time = Wanted { event_time: Some("x".into()), ..Wanted::default() };
    let nullable = format!(r#"["null",{micro}]"#);
    let payload = [long(1), long(1_683_661_733_071_814)].concat();
    let event_time = |writer: &str, payload: &[u8]| {
        decode(&compile(writer, &millis, &time).unwrap(), payload).unwrap().event_time_ms
    };
    assert_eq!(event_time(&one(&nullable, ""), &payload), Some(1_683_661_733_071));
    for writer in [
        one(micro, ""),
        one("\"long\"", r#","logicalType":"timestamp-micros""#),
        one(r#"{"type":"long","logicalType":"timestamp-micros"}"#, ""),
    ] {
        assert_eq!(event_time(&writer, &payload[1..]), Some(1_683_661_733_071), "{writer}");
        // As a feature too the number would mean something else.
        let refused = refusal(&writer, &millis, &features(&["x"]));
        assert!(refused.contains("timestamp-micros") && refused.contains("timestamp-millis"), "{refused}");
    }
    let both = refusal(&one(micro, ""), &millis, &Wanted { event_time: Some("x".into()), ..features(&["x"]) });
    assert!(both.contains("mean something else"), "{both}");
    let unknown = one(r#"{"type":"long","logicalType":"timestamp-seconds"}"#, "");
    assert!(refusal(&unknown, &millis, &time).contains("timestamp-seconds"));
    assert!(refusal(&unknown, &one("\"long\"", ""), &time).contains("is not known"));
    let days = one(r#"{"type":"int","connect.name":"io.debezium.time.Date"}"#, "");
    assert!(refusal(&days, &millis, &time).contains("date"));
}

#[test]
fn a_union_s_branch_is_chosen_by_its_full_name() {
    let payment = |space: &str, symbols: &str, amount: &str| {
        format!(
            r#"{{"type":"record","name":"Payment","namespace":"acme.{space}","fields":[
                {{"name":"amount","type":"{amount}"}},
                {{"name":"channel","type":{{"type":"enum","name":"Channel","symbols":[{symbols}],"default":"UNKNOWN"}}}}]}}"#
        )
    };
    let (v1, v2) = (payment("v1", r#""UNKNOWN","POS""#, "int"), payment("v2", r#""POS","ECOM","UNKNOWN""#, "long"));
    let schema = one(&format!(r#"["null",{v1},{v2}]"#), "");
    let nan = |path: &str| Feature { missing: Some(Missing::Nan), ..feature(path) };
    let index = Transform::Index { symbols: vec!["POS".into(), "UNKNOWN".into()], otherwise: Some(-1.0) };
    let all = vec![nan("x.amount"), nan("x.channel"), Feature { transform: index, ..nan("x.channel") }];
    let plan = compile(&schema, &schema, &wanted(all)).unwrap();
    let row = |payload: &[u8]| decode(&plan, payload).unwrap().row;
    assert_eq!(row(&[4, 10, 2]), [5.0, 1.0, -1.0], "ECOM by the symbols of v2");
    assert_eq!(row(&[4, 10, 0]), [5.0, 0.0, 0.0], "POS");
    assert_eq!(row(&[2, 10, 0]), [5.0, 0.0, 1.0], "UNKNOWN of v1");
    // By the short name alone it cannot be known which.
    let refused = refusal(&one(&payment("v3", r#""POS""#, "int"), ""), &schema, &wanted(vec![nan("x.amount")]));
    assert!(refused.contains("several branches"), "{refused}");
}

#[test]
fn an_alias_never_replaces_a_type_that_exists() {
    let schema = record(
        r#"{"name":"old","type":{"type":"record","name":"Money","fields":[{"name":"minor","type":"long"}]}},
           {"name":"new","type":{"type":"record","name":"Amount","aliases":["Money"],"fields":[{"name":"value","type":"double"}]}},
           {"name":"fee","type":"Money"},
           {"name":"score","type":"double"}"#,
    );
    let payload = [long(10), 1.5f64.to_le_bytes().to_vec(), long(100), 7.0f64.to_le_bytes().to_vec()].concat();
    let plan = compile(&schema, &schema, &features(&["score", "fee.minor"])).unwrap();
    assert_eq!(decode(&plan, &payload).unwrap().row, [7.0, 100.0]);
}

#[test]
fn debezium_s_decimal_of_any_scale_is_a_number() {
    let kind = r#"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data","connect.version":1,
        "connect.name":"io.debezium.data.VariableScaleDecimal",
        "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}]}"#;
    let schema = one(&format!(r#"["null",{kind}]"#), "");
    let limited = Feature { missing: Some(Missing::Nan), max: Some(1e6), ..feature("x") };
    let plan = compile(&schema, &schema, &wanted(vec![limited])).unwrap();
    let value = |scale: i64, unscaled: &[u8]| {
        decode(&plan, &[long(1), long(scale), bytes(unscaled)].concat()).map(|found| found.row[0])
    };
    assert_eq!(value(2, &[0x30, 0x39]), Ok(123.45));
    assert_eq!(value(0, &[0xFF]), Ok(-1.0));
    assert_eq!(value(-3, &[12]), Ok(12_000.0), "scales may be negative");
    assert_eq!(value(-3, &[0x30, 0x39]), Err(Reject::FeatureOutOfRange(0)), "limits hold");
    assert_eq!(value(i64::from(i32::MIN), &[1]), Err(Reject::FeatureOutOfRange(0)), "an absurd scale is not missing");
    assert_eq!(value(2, &[]), Err(Reject::BadLength));
    assert!(decode(&plan, &long(0)).unwrap().row[0].is_nan());
    assert_eq!(decode(&plan, &[long(1), long(2), long(5)].concat()).unwrap_err(), Reject::Truncated);
    // Only by this name: another record of a scale and bytes is a record.
    let other = schema.replace("VariableScaleDecimal", "Other");
    let missing = Feature { missing: Some(Missing::Nan), ..feature("x") };
    assert!(refusal(&other, &other, &wanted(vec![missing])).contains("must be a number"));
}

#[test]
fn a_feature_that_a_writer_never_gives_is_told_and_one_that_may_not_be_missing_refused() {
    let optional = |name: &str| format!(r#"{{"name":"{name}","type":["null","double"],"default":null}}"#);
    let amount = r#"{"name":"amount","type":"double"}"#;
    let writer = record(&format!("{},{amount}", optional("avgAmount7d")));
    let reader = record(&format!("{},{amount}", optional("avg_amount_7d")));
    let with =
        |missing| wanted(vec![Feature { missing: Some(missing), ..feature("avg_amount_7d") }, feature("amount")]);
    let plan = compile(&writer, &reader, &with(Missing::Nan)).unwrap();
    assert_eq!(plan.never_given(), ["feature `avg_amount_7d`"]);
    let payload = [&[2][..], &2.5f64.to_le_bytes(), &3.5f64.to_le_bytes()].concat();
    let row = decode(&plan, &payload).unwrap().row;
    assert!(row[0].is_nan() && row[1] == 3.5, "{row:?}");
    let refused = refusal(&writer, &reader, &with(Missing::Reject));
    assert!(refused.contains("feature `avg_amount_7d`") && refused.contains("never gives it"), "{refused}");
    // A default that is a value, a type that is nothing but null, presence, id and time are told as well.
    let reader = record(&format!(
        r#"{amount},{{"name":"n","type":"int","default":7}},{},{{"name":"t","type":["null","long"],"default":null}}"#,
        optional("o")
    ));
    let writer = record(&format!(r#"{amount},{{"name":"o","type":"null"}}"#));
    let features = vec![
        feature("n"),
        Feature { missing: Some(Missing::Constant(-1.0)), ..feature("o") },
        Feature { transform: Transform::IsPresent, name: "is there".into(), ..feature("o") },
    ];
    let asked = Wanted { features, transaction_id: Some("t".into()), event_time: Some("t".into()) };
    let plan = compile(&writer, &reader, &asked).unwrap();
    assert_eq!(decode(&plan, &3.5f64.to_le_bytes()).unwrap().row, [7.0, -1.0, 0.0]);
    let mut told = plan.never_given().to_vec();
    told.sort();
    assert_eq!(told, ["event time", "feature `is there`", "feature `n`", "feature `o`", "transaction id"]);
    assert_eq!(compile(&reader, &reader, &asked).unwrap().never_given(), [] as [String; 0]);
}

#[test]
fn of_an_enum_that_grew_the_contract_says_what_others_mean() {
    let kind = |symbols: &str, default: &str| {
        one(&format!(r#"{{"type":"enum","name":"Channel","symbols":[{symbols}]{default}}}"#), "")
    };
    let writer = kind(r#""POS","ECOMMERCE","WALLET""#, "");
    let reader = kind(r#""POS","ECOMMERCE""#, "");
    let index = |otherwise| Transform::Index { symbols: vec!["POS".into(), "ECOMMERCE".into()], otherwise };
    let all = |transform| wanted(vec![Feature { transform, ..feature("x") }]);
    let answer =
        |transform| decode(&compile(&writer, &reader, &all(transform)).unwrap(), &[4]).map(|found| found.row[0]);
    assert_eq!(answer(index(Some(-1.0))), Ok(-1.0));
    assert_eq!(answer(Transform::Equals("POS".into())), Ok(0.0));
    assert_eq!(answer(Transform::IsPresent), Ok(1.0));
    assert_eq!(answer(index(None)), Err(Reject::UnknownSymbol(0)), "the reject names the feature");
    assert_eq!(answer(Transform::Number), Err(Reject::UnknownSymbol(0)));
    let told = compile(&writer, &reader, &all(index(Some(-1.0)))).unwrap().remarks().to_vec();
    assert!(told.len() == 1 && told[0].contains("(WALLET)") && told[0].contains("scored as -1"), "{told:?}");
    let told = compile(&writer, &reader, &all(Transform::Number)).unwrap().remarks().to_vec();
    assert!(told[0].contains("feature `x`") && told[0].contains("unknown_symbol"), "{told:?}");
    let lenient = kind(r#""POS","ECOMMERCE""#, r#","default":"ECOMMERCE""#);
    let told = compile(&writer, &lenient, &all(index(None))).unwrap();
    assert_eq!(decode(&told, &[4]).unwrap().row, [1.0], "Avro's own rule goes first");
    assert!(told.remarks()[0].contains("default ECOMMERCE"), "{:?}", told.remarks());
    assert!(compile(&reader, &reader, &all(index(None))).unwrap().remarks().is_empty());
}

#[test]
fn what_is_not_finite_is_missing_only_where_the_contract_takes_nan() {
    for kind in ["double", "float"] {
        let nullable = one(&format!(r#"["null","{kind}"]"#), "");
        let value = |value: f64| match kind {
            "float" => [&[2][..], &(value as f32).to_le_bytes()].concat(),
            _ => [&[2][..], &value.to_le_bytes()].concat(),
        };
        for (limit, missing) in [(None, Missing::Nan), (Some(9.0), Missing::Nan)] {
            let plan = wanted(vec![Feature { missing: Some(missing), max: limit, ..feature("x") }]);
            let plan = compile(&nullable, &nullable, &plan).unwrap();
            for absent in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(decode(&plan, &value(absent)).unwrap().row[0].is_nan(), "{kind} {absent}");
            }
            assert_eq!(decode(&plan, &value(4.5)).unwrap().row, [4.5]);
        }
        let plan = compile(
            &nullable,
            &nullable,
            &wanted(vec![Feature { missing: Some(Missing::Constant(0.0)), ..feature("x") }]),
        );
        assert_eq!(decode(&plan.unwrap(), &value(f64::NAN)).unwrap_err(), Reject::NonFiniteFeature(0));
    }
    // A number that is there and too large for the tensor is no missing one.
    let plan = compile(
        &one(r#"["null","double"]"#, ""),
        &one(r#"["null","double"]"#, ""),
        &wanted(vec![Feature { missing: Some(Missing::Nan), ..feature("x") }]),
    );
    let huge = [&[2][..], &1e300f64.to_le_bytes()].concat();
    assert_eq!(decode(&plan.unwrap(), &huge).unwrap_err(), Reject::FeatureOutOfRange(0));
}

#[test]
fn a_timestamp_as_a_plain_number_is_warned_of() {
    let schema = one(r#"{"type":"long","logicalType":"timestamp-millis"}"#, "");
    let plan = compile(&schema, &schema, &features(&["x"])).unwrap();
    assert!(plan.remarks()[0].contains("exact to two minutes"), "{:?}", plan.remarks());
    let plain = compile(&schema, &one("\"long\"", ""), &features(&["x"])).unwrap();
    assert!(plain.remarks()[0].contains("says timestamp-millis"), "{:?}", plain.remarks());
}

#[test]
fn names_at_the_top_are_not_compared_and_names_below_are() {
    let writer =
        one("\"double\"", "").replace("CardTransaction", "KsqlDataSourceSchema").replace("acme.payments", "io.ksql");
    assert_eq!(number(&writer, &one("\"double\"", ""), &3.5f64.to_le_bytes()), 3.5);
    let inner =
        |name: &str| one(&format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"y","type":"int"}}]}}"#), "");
    assert!(refusal(&inner("A"), &inner("B"), &features(&["x.y"])).contains("their names differ"));
}

#[test]
fn schemas_are_read_as_leniently_as_java_reads_registered_ones() {
    let reader = one("\"double\"", "");
    let amount = r#"{"name":"x","type":"double"}"#;
    let payload = 3.5f64.to_le_bytes();
    for (what, fields, before) in [
        (
            "a default of another type",
            format!(r#"{{"name":"y","type":["int","null"],"default":"null"}},{amount}"#),
            vec![0, 2],
        ),
        ("a default that is null", format!(r#"{{"name":"y","type":"string","default":null}},{amount}"#), text("")),
        ("a name with a dash", format!(r#"{{"name":"merchant-id","type":"string"}},{amount}"#), text("")),
        (
            "an attribute named size",
            format!(r#"{{"name":"pan","type":"string","size":"varchar(19)"}},{amount}"#),
            text(""),
        ),
        ("an attribute named scale", format!(r#"{{"name":"pan","type":"string","scale":2.0}},{amount}"#), text("")),
    ] {
        assert_eq!(number(&record(&fields), &reader, &[&before[..], &payload].concat()), 3.5, "{what}");
    }
    let space = reader.replace("acme.payments", "connect-test.core.Test$1");
    let answer = format!(r#"{{"id":17,"schema":{}}}"#, serde_json::to_string(&reader).unwrap());
    let commented = format!("\u{feff}/* payments */\n{reader} // end");
    for writer in [space, answer, commented] {
        assert_eq!(number(&writer, &reader, &payload), 3.5, "{writer}");
    }
}
