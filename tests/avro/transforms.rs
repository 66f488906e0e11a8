//! Transforms beyond plain numbers and texts: times in a zone, two fields, steps, arrays and maps, one-hot columns. Right
//! values are those of Python (`datetime`, NumPy in float64, rounded once to float32).

use crate::avro_support::{self, bytes, compile, decode, feature, long, plan, text, wanted};
use scorewire::avro::feature::{Feature, Missing, Step, Transform};
use scorewire::avro::plan::Plan;
use scorewire::error::Reject;

const MILLIS: &str = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
const MICROS: &str = r#"{"type":"long","logicalType":"timestamp-micros"}"#;

fn record(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, kind)| format!(r#"{{"name":"{name}","type":{kind}}}"#)).collect();
    format!(r#"{{"type":"record","name":"T","fields":[{}]}}"#, fields.join(","))
}

fn double(value: f64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn with(path: &str, transform: Transform) -> Feature {
    Feature { transform, ..feature(path) }
}

fn nan(feature: Feature) -> Feature {
    Feature { missing: Some(Missing::Nan), ..feature }
}

fn row(plan: &Plan, payload: &[u8]) -> Vec<f32> {
    decode(plan, payload).unwrap().row
}

fn refusal(schema: &str, feature: Feature) -> String {
    compile(schema, schema, &wanted(vec![feature])).map(drop).expect_err("it is taken").to_string()
}

#[test]
fn hours_and_weekdays_are_those_of_the_zone() {
    let hour = |zone: &str| with("at", Transform::Hour(zone.into()));
    let weekday = |zone: &str| with("at", Transform::Weekday(zone.into()));
    let all = || wanted(vec![hour("Europe/Berlin"), weekday("Europe/Berlin"), hour("UTC"), hour("-03:30")]);
    let fields = [("at", MILLIS)];
    let plan_of = |kind: &str| plan(&record(&[("at", kind)]), &all());
    // 2026-03-29 00:59:59.999 UTC, a Sunday; a millisecond later Berlin's clocks go forward.
    assert_eq!(row(&plan_of(fields[0].1), &long(1_774_745_999_999)), [1.0, 6.0, 0.0, 21.0]);
    assert_eq!(row(&plan_of(MILLIS), &long(1_774_746_000_000)), [3.0, 6.0, 1.0, 21.0]);
    assert_eq!(row(&plan_of(MICROS), &long(1_774_746_000_000_000)), [3.0, 6.0, 1.0, 21.0]);
    // A plain long is milliseconds, and what lies before 1970 has a weekday too.
    assert_eq!(row(&plan_of("\"long\""), &long(-1)), [0.0, 3.0, 23.0, 20.0]);
    // The writer's unit counts where the reader says nothing.
    let plan = compile(&record(&[("at", MICROS)]), &record(&[("at", "\"long\"")]), &all()).unwrap();
    assert_eq!(row(&plan, &long(1_774_746_000_000_000)), [3.0, 6.0, 1.0, 21.0]);
    assert!(plan_of(MILLIS).remarks().is_empty(), "it is no plain number");
}

#[test]
fn a_zone_or_a_type_that_does_not_fit_is_refused_with_what_to_write() {
    let at = record(&[("at", MILLIS)]);
    let told = refusal(&at, with("at", Transform::Hour("Europe/Berln".into())));
    assert!(told.contains("\"Europe/Berln\" is not known") && told.contains("\"Europe/Berlin\""), "{told}");
    let local = record(&[("at", r#"{"type":"long","logicalType":"local-timestamp-millis"}"#)]);
    let told = refusal(&local, with("at", Transform::Hour("Europe/Berlin".into())));
    assert!(told.contains("local timestamp") && told.contains("\"UTC\""), "{told}");
    assert!(compile(&local, &local, &wanted(vec![with("at", Transform::Hour("UTC".into()))])).is_ok());
    let told = refusal(&record(&[("at", "\"double\"")]), with("at", Transform::Weekday("UTC".into())));
    assert!(told.contains("must be a timestamp"), "{told}");
}

#[test]
fn ratios_and_differences_are_of_one_record_whatever_its_order() {
    let reader = record(&[("a", "\"double\""), ("b", "\"double\"")]);
    let all = || {
        wanted(vec![
            nan(with("a", Transform::RatioTo("b".into()))),
            with("a", Transform::DifferenceFrom("b".into())),
            with("b", Transform::DifferenceFrom("a".into())),
            feature("a"),
        ])
    };
    let plan = plan(&reader, &all());
    assert_eq!(row(&plan, &[double(1.0), double(3.0)].concat()), [1.0f32 / 3.0, -2.0, 2.0, 1.0]);
    // As float32 both are 1e9.
    assert_eq!(row(&plan, &[double(1e9 + 0.25), double(1e9)].concat())[1], 0.25);
    let other_order = compile(&record(&[("b", "\"double\""), ("a", "\"double\"")]), &reader, &all()).unwrap();
    assert_eq!(row(&other_order, &[double(3.0), double(1.0)].concat()), [1.0f32 / 3.0, -2.0, 2.0, 1.0]);
    // Division by zero is a missing ratio, and 0 of something is 0.
    assert!(row(&plan, &[double(1.0), double(0.0)].concat())[0].is_nan());
    assert_eq!(row(&plan, &[double(0.0), double(2.0)].concat())[0], 0.0);
    // Ints, decimals and longs are numbers too.
    let mixed =
        record(&[("a", r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#), ("b", "\"int\"")]);
    let ratio = wanted(vec![nan(with("a", Transform::RatioTo("b".into())))]);
    assert_eq!(row(&avro_support::plan(&mixed, &ratio), &[bytes(&[0x30, 0x39]), long(3)].concat()), [41.15]);
}

#[test]
fn what_is_missing_of_two_follows_the_policy() {
    let nullable = r#"["null","double"]"#;
    let schema = record(&[("a", nullable), ("b", nullable)]);
    let there = |value: f64| [&[2][..], &value.to_le_bytes()].concat();
    let ratio = |missing| Feature { missing: Some(missing), ..with("a", Transform::RatioTo("b".into())) };
    for (missing, expected) in
        [(Missing::Constant(-1.0), Ok(vec![-1.0])), (Missing::Reject, Err(Reject::MissingFeature(0)))]
    {
        let plan = plan(&schema, &wanted(vec![ratio(missing)]));
        let of = |payload: Vec<u8>| decode(&plan, &payload).map(|found| found.row);
        assert_eq!(of([there(6.0), there(3.0)].concat()), Ok(vec![2.0]));
        assert_eq!(of([vec![0], there(3.0)].concat()), expected);
        assert_eq!(of([there(6.0), vec![0]].concat()), expected);
        assert_eq!(of([there(6.0), there(0.0)].concat()), expected);
        assert_eq!(of(vec![0, 0]), expected);
    }
    // A number that is there and not finite is missing where NaN is, as everywhere.
    let plan = plan(&schema, &wanted(vec![ratio(Missing::Nan)]));
    assert!(row(&plan, &[there(f64::INFINITY), there(3.0)].concat())[0].is_nan());
    let constant = avro_support::plan(&schema, &wanted(vec![ratio(Missing::Constant(0.0))]));
    let infinite = decode(&constant, &[there(f64::INFINITY), there(3.0)].concat()).unwrap_err();
    assert_eq!(infinite, Reject::NonFiniteFeature(0));
    // It divides, so it can always be missing; a difference of what is always there cannot.
    let plain = record(&[("a", "\"double\""), ("b", "\"double\"")]);
    let told = refusal(&plain, with("a", Transform::RatioTo("b".into())));
    assert!(told.contains("missing where it divides by 0") && told.contains("no missing policy"), "{told}");
    assert!(compile(&plain, &plain, &wanted(vec![with("a", Transform::DifferenceFrom("b".into()))])).is_ok());
    let half = record(&[("a", "\"double\""), ("b", nullable)]);
    let told = refusal(&half, with("a", Transform::DifferenceFrom("b".into())));
    assert!(told.contains("can be null"), "{told}");
}

#[test]
fn a_difference_of_times_is_in_milliseconds_and_exact() {
    let schema = record(&[("at", MICROS), ("before", MILLIS), ("amount", "\"double\"")]);
    let all = wanted(vec![with("at", Transform::DifferenceFrom("before".into()))]);
    let payload = [long(1_774_746_000_123_456), long(1_774_746_000_000), double(1.0)].concat();
    // As float32 each is good to two minutes; their difference is good to the millisecond and beyond.
    assert!((row(&plan(&schema, &all), &payload)[0] - 123.456).abs() < 1e-3);
    for other in
        [with("at", Transform::DifferenceFrom("amount".into())), nan(with("at", Transform::RatioTo("before".into())))]
    {
        let told = refusal(&schema, other);
        assert!(told.contains("two timestamps"), "{told}");
    }
    let told = refusal(&schema, with("at", Transform::DifferenceFrom("befor".into())));
    assert!(told.contains("did you mean `before`"), "{told}");
}

#[test]
fn steps_go_on_in_64_bits_and_limits_hold_for_what_they_leave() {
    let schema = record(&[("a", r#"["null","double"]"#)]);
    let there = |value: f64| [&[2][..], &value.to_le_bytes()].concat();
    let of = |then: &[Step]| {
        let missing = Some(Missing::Constant(-7.0));
        plan(&schema, &wanted(vec![Feature { then: then.to_vec(), missing, max: Some(100.0), ..feature("a") }]))
    };
    let log = of(&[Step::Log1p]);
    assert_eq!(row(&log, &there(12.5)), [2.602_689_7]);
    assert_eq!(row(&log, &[0]), [-7.0], "no step is applied to what stands for a missing value");
    assert_eq!(decode(&log, &there(-1.0)).unwrap_err(), Reject::NonFiniteFeature(0));
    let chain = of(&[Step::Clip { min: 0.0, max: 1e6 }, Step::Standard { mean: 10.0, scale: 4.0 }]);
    assert_eq!([-5.0, 30.0].map(|value| row(&chain, &there(value))[0]), [-2.5, 5.0]);
    assert_eq!(decode(&chain, &there(1e6)).unwrap_err(), Reject::FeatureOutOfRange(0));
    let scaled = of(&[Step::Scale { offset: 1.0, scale: 0.5 }]);
    assert_eq!(row(&scaled, &there(4.0)), [1.5]);
    let text = record(&[("a", "\"string\"")]);
    let index = Transform::Index { symbols: vec!["A".into()], otherwise: None };
    let told = refusal(&text, Feature { then: vec![Step::Log1p], ..with("a", index) });
    assert!(told.contains("no number that `then` could go on with"), "{told}");
}

fn one_hot(path: &str, symbols: &[&str], rejects_others: bool) -> Vec<Feature> {
    let symbols: Vec<String> = symbols.iter().map(|symbol| (*symbol).into()).collect();
    let column = |place| Transform::OneHot { symbols: symbols.clone(), place, rejects_others };
    (0..symbols.len()).map(|place| with(path, column(place))).collect()
}

#[test]
fn one_hot_columns_have_a_one_in_the_column_of_the_text() {
    for kind in ["\"string\"", r#"{"type":"enum","name":"E","symbols":["DE","FR","a longer one","X"]}"#] {
        let value = |value: &str| match kind {
            "\"string\"" => text(value),
            _ => long(["DE", "FR", "a longer one", "X"].iter().position(|symbol| *symbol == value).unwrap() as i64),
        };
        let schema = record(&[("x", kind), ("n", "\"int\"")]);
        let mut features = one_hot("x", &["FR", "a longer one", "DE"], false);
        features.push(feature("n"));
        let lenient = plan(&schema, &wanted(features));
        let of = |plan: &Plan, found: &str| decode(plan, &[value(found), long(7)].concat()).map(|found| found.row);
        assert_eq!(of(&lenient, "FR"), Ok(vec![1.0, 0.0, 0.0, 7.0]), "{kind}");
        assert_eq!(of(&lenient, "a longer one"), Ok(vec![0.0, 1.0, 0.0, 7.0]));
        assert_eq!(of(&lenient, "DE"), Ok(vec![0.0, 0.0, 1.0, 7.0]));
        assert_eq!(of(&lenient, "X"), Ok(vec![0.0, 0.0, 0.0, 7.0]));
        let strict = plan(&schema, &wanted(one_hot("x", &["FR", "DE"], true)));
        assert_eq!(of(&strict, "DE"), Ok(vec![0.0, 1.0]));
        assert_eq!(of(&strict, "X"), Err(Reject::FeatureOutOfRange(0)));
    }
    // Columns that are not all of a list's have their own answers.
    let schema = record(&[("x", "\"string\"")]);
    let some = plan(&schema, &wanted(one_hot("x", &["A", "B", "C"], false)[1..].to_vec()));
    assert_eq!(row(&some, &text("C")), [0.0, 1.0]);
    let nullable = record(&[("x", r#"["null","string"]"#)]);
    let missing = |feature| Feature { missing: Some(Missing::Constant(0.0)), ..feature };
    let plan = plan(&nullable, &wanted(one_hot("x", &["A", "B"], true).into_iter().map(missing).collect()));
    assert_eq!(row(&plan, &[0]), [0.0, 0.0]);
    assert_eq!(row(&plan, &[vec![2], text("B")].concat()), [0.0, 1.0]);
}

#[test]
fn a_text_is_among_some_or_not() {
    let is_in = with("x", Transform::IsIn(vec!["DE".into(), "FR".into()]));
    let plan = plan(&record(&[("x", "\"string\"")]), &wanted(vec![is_in]));
    assert_eq!(["DE", "FR", "US"].map(|value| row(&plan, &text(value))[0]), [1.0, 1.0, 0.0]);
}

#[test]
fn arrays_and_maps_are_counted_and_searched() {
    let schema = record(&[
        ("tags", r#"{"type":"array","items":"string"}"#),
        ("sums", r#"{"type":"array","items":"double"}"#),
        ("limits", r#"{"type":"map","values":"double"}"#),
        ("last", "\"int\""),
    ]);
    let all = wanted(vec![
        with("tags", Transform::Length),
        with("tags", Transform::Contains("GIFT".into())),
        with("sums", Transform::Length),
        with("limits", Transform::Length),
        with("limits", Transform::Contains("day".into())),
        nan(with("limits", Transform::Key { key: "month".into(), of: Box::new(Transform::Number) })),
        feature("last"),
    ]);
    let plan = plan(&schema, &all);
    // Two blocks of tags, the second with its length in bytes.
    let tags = [long(1), text("NEW"), long(-2), long(8), text("GIFT"), text("AB"), vec![0]].concat();
    let sums = [long(3), double(1.0), double(2.0), double(3.0), vec![0]].concat();
    let limits = [long(2), text("day"), double(5.0), text("month"), double(9.5), vec![0]].concat();
    let payload = [tags, sums, limits, long(4)].concat();
    assert_eq!(row(&plan, &payload), [3.0, 1.0, 3.0, 2.0, 1.0, 9.5, 4.0]);
    let empty = row(&plan, &[vec![0, 0, 0], long(4)].concat());
    assert_eq!((&empty[..5], empty[5].is_nan(), empty[6]), (&[0.0; 5][..], true, 4.0));
    for cut in 0..payload.len() {
        assert!(decode(&plan, &payload[..cut]).is_err(), "cut to {cut}");
    }
    let absurd = [long(1 << 40), text("A")].concat();
    assert_eq!(decode(&plan, &absurd).unwrap_err(), Reject::BadLength);
    let other_length = [long(-1), long(9), text("GIFT"), vec![0]].concat();
    assert!(decode(&plan, &other_length).is_err());
}

#[test]
fn a_key_of_a_map_of_texts_is_what_its_text_means() {
    let schema = record(&[("more", r#"["null",{"type":"map","values":["null","string"]}]"#)]);
    let key = |of| Transform::Key { key: "channel".into(), of: Box::new(of) };
    let index = Transform::Index { symbols: vec!["POS".into(), "ECOM".into()], otherwise: Some(-1.0) };
    let all = wanted(vec![
        Feature { missing: Some(Missing::Constant(-2.0)), ..with("more", key(index)) },
        Feature { missing: Some(Missing::Constant(0.5)), ..with("more", key(Transform::Equals("POS".into()))) },
        nan(Feature { then: vec![Step::Log1p], ..with("more", Transform::Length) }),
    ]);
    let plan = plan(&schema, &all);
    let of = |value: Vec<u8>| {
        let map = [long(1), text("other"), vec![0], long(1), text("channel"), value, vec![0]].concat();
        row(&plan, &[vec![2], map].concat())
    };
    let two = 2f64.ln_1p() as f32;
    assert_eq!(of([vec![2], text("ECOM")].concat()), [1.0, 0.0, two]);
    assert_eq!(of([vec![2], text("POS")].concat()), [0.0, 1.0, two]);
    assert_eq!(of([vec![2], text("ATM")].concat()), [-1.0, 0.0, two]);
    assert_eq!(of(vec![0]), [-2.0, 0.5, two], "a null is missing");
    let null = row(&plan, &[0]);
    assert_eq!((&null[..2], null[2].is_nan()), (&[-2.0, 0.5][..], true));
    let told = refusal(&schema, with("more", key(Transform::Equals("POS".into()))));
    assert!(told.contains("no missing policy"), "{told}");
    let told = refusal(&schema, nan(with("more", key(Transform::Number))));
    assert!(told.contains("a map of numbers"), "{told}");
}

#[test]
fn defaults_of_the_reader_are_computed_with() {
    let writer = record(&[("a", "\"double\"")]);
    let reader = r#"{"type":"record","name":"T","fields":[
        {"name":"a","type":"double"},
        {"name":"b","type":"double","default":4.0},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"},"default":3600000000},
        {"name":"tags","type":{"type":"array","items":"string"},"default":["X","Y"]},
        {"name":"more","type":{"type":"map","values":"double"},"default":{"k":2.5}}]}"#;
    let key = Transform::Key { key: "k".into(), of: Box::new(Transform::Number) };
    let all = wanted(vec![
        nan(with("a", Transform::RatioTo("b".into()))),
        with("at", Transform::Hour("UTC".into())),
        with("tags", Transform::Length),
        with("tags", Transform::Contains("Y".into())),
        nan(with("more", key)),
    ]);
    let plan = compile(&writer, reader, &all).unwrap();
    assert_eq!(row(&plan, &double(6.0)), [1.5, 1.0, 2.0, 1.0, 2.5]);
    assert_eq!(plan.never_given().len(), 4, "{:?}", plan.never_given());
    // Where the policy rejects what is missing, a writer that never gives it is refused.
    let optional = r#"{"type":"record","name":"T","fields":[{"name":"a","type":"double"},
        {"name":"b","type":["null","double"],"default":null}]}"#;
    let strict = Feature { missing: Some(Missing::Reject), ..with("a", Transform::RatioTo("b".into())) };
    let told = compile(&writer, optional, &wanted(vec![strict])).map(drop).unwrap_err().to_string();
    assert!(told.contains("never gives it"), "{told}");
}

#[test]
fn many_computed_columns_find_their_numbers() {
    let names: Vec<String> = (0..60).map(|at| format!("f{at}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "\"double\"")).collect();
    let difference = |at: usize| with(&names[at], Transform::DifferenceFrom(names[(at + 1) % 60].clone()));
    let plan = plan(&record(&fields), &wanted((0..60).map(difference).collect()));
    let payload: Vec<u8> = (0..60).flat_map(|at| double(f64::from(at * at))).collect();
    let expected: Vec<f32> = (0..60).map(|at: i32| (at * at - ((at + 1) % 60).pow(2)) as f32).collect();
    assert_eq!(row(&plan, &payload), expected);
    let too_many = vec![with("f0", Transform::DifferenceFrom("f1".into())); 513];
    let told = compile(&record(&fields), &record(&fields), &wanted(too_many)).map(drop).unwrap_err().to_string();
    assert!(told.contains("need 1026 numbers"), "{told}");
}
