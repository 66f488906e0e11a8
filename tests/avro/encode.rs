//! The outcome records are encoded by hand. A field out of order or of another width would still be bytes that some
//! consumer reads as something; so every field is read back by apache-avro, by the published schema alone.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use scorewire::avro::encode::{OutcomeEncoder, OutcomeForms, OutcomeIdentity, OutputForm};
use scorewire::avro::schemas::AvroSchema;
use scorewire::avro::written::Written;
use scorewire::values::fingerprint::Fingerprint;
use scorewire::values::model::Provider;
use scorewire::values::record::{Amends, Decision, Decoded, Position, ReviewReason, SchemaKey, Scored, TransactionId};

fn identity() -> OutcomeIdentity {
    OutcomeIdentity {
        review_threshold: 0.25,
        decline_threshold: 0.875,
        thresholds_version: "2026-01 møde".into(),
        node: "node-a".into(),
        lane: 3,
        model_name: "card-fraud".into(),
        model_version: "1.4.0".into(),
        model_sha256: "ab".repeat(32),
        provider: Provider::Cuda,
        topic: "enriched-context".into(),
        fallback_step: None,
    }
}

fn scored(payload: &[u8]) -> Scored<'_> {
    Scored {
        payload,
        position: Position { partition: 11, offset: 9_000_000_000 },
        source_timestamp_ms: 1_700_000_000_123,
        decoded: Decoded {
            id: TransactionId::Text { start: 5, len: 4 },
            event_time_ms: Some(-5),
            schema: SchemaKey::Id(4_000_000_000),
        },
        score: 0.1 + 0.2,
        decision: Decision::Review,
        late: true,
        epoch: 7,
        fingerprint: None,
        amends: None,
        received_us: 1_700_000_000_123_456,
        scored_us: 1_700_000_000_123_999,
    }
}

fn read(bytes: &[u8], schema: &AvroSchema) -> Value {
    let (prefix, mut datum) = bytes.split_at(10);
    assert_eq!(prefix, [&[0xC3, 1][..], &schema.fingerprint().to_le_bytes()].concat());
    let value = datum_value(schema, &mut datum);
    assert!(datum.is_empty(), "{} bytes are left over", datum.len());
    value
}

fn datum_value(schema: &AvroSchema, datum: &mut &[u8]) -> Value {
    let schema = Schema::parse_str(schema.text()).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().expect("the schema is whole");
    reader.read_value(datum).expect("the datum follows the schema")
}

/// The value at a path of field names, with unions unwrapped.
fn at(value: &Value, path: &str) -> Value {
    let mut place = value;
    for name in path.split('.') {
        if let Value::Union(_, inner) = place {
            place = inner;
        }
        let Value::Record(fields) = place else { panic!("{path} goes through {place:?}") };
        place = &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {path}")).1;
    }
    match place {
        Value::Union(_, inner) => (**inner).clone(),
        other => other.clone(),
    }
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn check_common_fields(value: &Value) {
    let expected = [
        ("transaction_id", text("tx-1")),
        ("event_time", Value::TimestampMillis(-5)),
        ("score", Value::Double(0.1 + 0.2)),
        ("decision", Value::Enum(1, "REVIEW".into())),
        ("thresholds.review", Value::Double(0.25)),
        ("thresholds.decline", Value::Double(0.875)),
        ("thresholds.version", text("2026-01 møde")),
        ("node", text("node-a")),
        ("lane", Value::Int(3)),
        ("model.name", text("card-fraud")),
        ("model.version", text("1.4.0")),
        ("model.sha256", text(&"ab".repeat(32))),
        ("provider", Value::Enum(1, "CUDA".into())),
        ("source.topic", text("enriched-context")),
        ("source.partition", Value::Int(11)),
        ("source.offset", Value::Long(9_000_000_000)),
        ("source.timestamp", Value::TimestampMillis(1_700_000_000_123)),
        ("schema.id", Value::Long(4_000_000_000)),
        ("schema.fingerprint", Value::Null),
        ("schema.guid", Value::Null),
        ("received_at", Value::TimestampMicros(1_700_000_000_123_456)),
        ("scored_at", Value::TimestampMicros(1_700_000_000_123_999)),
        ("fallback", Value::Boolean(false)),
        ("late", Value::Boolean(true)),
        ("epoch", Value::Long(7)),
        ("fingerprint", Value::Null),
        ("reasons", Value::Null),
        ("fallback_step", Value::Null),
        ("amendment", Value::Null),
        ("remote", Value::Null),
        ("challenger", Value::Null),
    ];
    for (path, expected) in expected {
        assert_eq!(at(value, path), expected, "{path}");
    }
}

#[test]
fn every_field_of_an_output_is_where_the_schema_says() {
    let mut out = vec![0xEE; 3];
    OutcomeEncoder::new(&identity()).encode_output(&scored(b"\0\0\0\0\x01tx-1..."), &mut out);
    let value = read(&out, &Written::Outputs.schema());
    check_common_fields(&value);
    let Value::Record(fields) = value else { panic!("no record") };
    assert_eq!(fields.len(), 22, "a field of the schema is not checked here");
}

#[test]
fn a_review_record_adds_its_reason_and_the_payload() {
    let mut encoder = OutcomeEncoder::new(&identity());
    let payload = b"\0\0\0\0\x01tx-1...";
    let mut out = Vec::new();
    encoder.encode_review(&scored(payload), ReviewReason::Band, Some(payload), &mut out);
    let value = read(&out, &Written::Review.schema());
    check_common_fields(&value);
    assert_eq!(at(&value, "reason"), Value::Enum(1, "BAND".into()));
    assert_eq!(at(&value, "payload"), Value::Bytes(payload.to_vec()));
    encoder.encode_review(&scored(payload), ReviewReason::Sample, None, &mut out);
    let value = read(&out, &Written::Review.schema());
    assert_eq!(at(&value, "reason"), Value::Enum(0, "SAMPLE".into()));
    assert_eq!(at(&value, "payload"), Value::Null);
}

#[test]
fn a_fingerprint_is_sixteen_bytes_in_outputs_and_copies_and_nothing_else_changes() {
    let payload = b"\0\0\0\0\x01tx-1...";
    let fingerprint = Fingerprint(*b"\x00\xff0123456789abcd");
    let with = Scored { fingerprint: Some(fingerprint), ..scored(payload) };
    let mut encoder = OutcomeEncoder::new(&identity());
    let mut encode = |of: Written, scored: &Scored<'_>| {
        let mut out = Vec::new();
        match of {
            Written::Outputs => encoder.encode_output(scored, &mut out),
            Written::Review => encoder.encode_review(scored, ReviewReason::Band, Some(payload), &mut out),
            Written::Challenges => unreachable!("those have an encoder of their own"),
        }
        read(&out, &of.schema())
    };
    for of in [Written::Outputs, Written::Review] {
        let Value::Record(mut fields) = encode(of, &with) else { panic!("no record") };
        let found = fields.iter_mut().find(|(name, _)| name == "fingerprint").map(|(_, value)| value).unwrap();
        let expected = Value::Union(1, Box::new(Value::Fixed(16, fingerprint.0.to_vec())));
        assert_eq!(std::mem::replace(found, Value::Union(0, Box::new(Value::Null))), expected);
        assert_eq!(Value::Record(fields), encode(of, &scored(payload)));
    }
}

#[test]
fn what_is_absent_is_null() {
    let mut record = scored(b"");
    record.decoded = Decoded { id: TransactionId::Absent, event_time_ms: None, schema: SchemaKey::Raw };
    record.source_timestamp_ms = -1;
    record.late = false;
    let mut out = Vec::new();
    OutcomeEncoder::new(&identity()).encode_output(&record, &mut out);
    let value = read(&out, &Written::Outputs.schema());
    for path in ["transaction_id", "event_time", "source.timestamp", "schema.id", "schema.fingerprint", "schema.guid"] {
        assert_eq!(at(&value, path), Value::Null, "{path}");
    }
    for path in ["reasons", "fallback_step", "amendment", "remote", "challenger"] {
        assert_eq!(at(&value, path), Value::Null, "{path}");
    }
    assert_eq!(at(&value, "fallback"), Value::Boolean(false));
    assert_eq!(at(&value, "late"), Value::Boolean(false));
}

#[test]
fn a_step_of_the_fallback_and_an_amendment_stand_where_readers_look_for_them() {
    let step = "package:models/small";
    let mut encoder = OutcomeEncoder::new(&OutcomeIdentity { fallback_step: Some(step.into()), ..identity() });
    let payload = b"\0\0\0\0\x01tx-1";
    for amends in [None, Some(Amends { attempt: 300, cause: "model_timed_out" })] {
        let record = Scored { amends, ..scored(payload) };
        let mut out = Vec::new();
        encoder.encode_output(&record, &mut out);
        let value = read(&out, &Written::Outputs.schema());
        assert_eq!((at(&value, "fallback"), at(&value, "fallback_step")), (Value::Boolean(true), text(step)));
        match amends {
            None => assert_eq!(at(&value, "amendment"), Value::Null),
            Some(_) => {
                assert_eq!(at(&value, "amendment.attempt"), Value::Int(300));
                assert_eq!(at(&value, "amendment.cause"), text("model_timed_out"));
            }
        }
        encoder.encode_review(&record, ReviewReason::Band, Some(payload), &mut out);
        let copy = read(&out, &Written::Review.schema());
        assert_eq!(at(&copy, "fallback_step"), text(step));
        assert_eq!(at(&copy, "amendment"), at(&value, "amendment"));
    }
}

#[test]
fn schema_keys_are_told_in_their_usual_spelling() {
    let mut encoder = OutcomeEncoder::new(&identity());
    let mut guid = [0; 16];
    for (place, byte) in guid.iter_mut().enumerate() {
        *byte = 0xA0 + place as u8;
    }
    let mut out = Vec::new();
    let mut record = scored(b"\0\0\0\0\x01tx-1");
    record.decoded.schema = SchemaKey::Guid(guid);
    encoder.encode_output(&record, &mut out);
    let told = at(&read(&out, &Written::Outputs.schema()), "schema.guid");
    let Value::Uuid(told) = told else { panic!("{told:?} is no uuid") };
    assert_eq!(told.to_string(), "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
    record.decoded.schema = SchemaKey::Fingerprint(0x00FF_0102_0304_0506);
    encoder.encode_output(&record, &mut out);
    assert_eq!(at(&read(&out, &Written::Outputs.schema()), "schema.fingerprint"), text("00ff010203040506"));
}

#[test]
fn decisions_and_long_ids_are_written_as_text_and_symbols() {
    let mut encoder = OutcomeEncoder::new(&identity());
    let mut out = Vec::new();
    for decision in Decision::ALL {
        for id in [0, 7, -1, i64::MAX, i64::MIN, 1_234_567_890] {
            let mut record = scored(b"");
            record.decision = decision;
            record.decoded.id = TransactionId::Long(id);
            encoder.encode_output(&record, &mut out);
            let value = read(&out, &Written::Outputs.schema());
            assert_eq!(at(&value, "decision"), Value::Enum(decision.index() as u32, decision.name().into()));
            assert_eq!(at(&value, "transaction_id"), text(&id.to_string()));
            encoder.write_id_text(&record, &mut out);
            assert_eq!(out, id.to_string().as_bytes());
        }
    }
}

#[test]
fn a_review_key_is_never_null() {
    let encoder = OutcomeEncoder::new(&identity());
    let mut key = Vec::new();
    encoder.write_id_text(&scored(b"\0\0\0\0\x01tx-1"), &mut key);
    assert_eq!(key, b"tx-1");
    let mut record = scored(b"");
    record.decoded.id = TransactionId::Absent;
    encoder.write_id_text(&record, &mut key);
    assert_eq!(key, b"enriched-context-11-9000000000");
    record.decoded.id = TransactionId::Text { start: 0, len: 0 };
    encoder.write_id_text(&record, &mut key);
    assert_eq!(key, b"enriched-context-11-9000000000");
}

#[test]
fn a_registry_id_is_framed_as_registries_do() {
    let mut encoder = OutcomeEncoder::new(&identity()).with_forms(OutcomeForms {
        outputs: OutputForm::RegistryId(0x0102_0304),
        review: OutputForm::RegistryId(5),
        ..OutcomeForms::default()
    });
    let mut out = Vec::new();
    encoder.encode_output(&scored(b"\0\0\0\0\x01tx-1"), &mut out);
    assert_eq!(out[..5], [0, 1, 2, 3, 4]);
    let mut datum = &out[5..];
    let value = datum_value(&Written::Outputs.schema(), &mut datum);
    check_common_fields(&value);
    encoder.encode_review(&scored(b"\0\0\0\0\x01tx-1"), ReviewReason::Sample, None, &mut out);
    assert_eq!(out[..5], [0, 0, 0, 0, 5]);
}

#[test]
fn the_schema_symbols_are_the_enums_names() {
    for (name, schema) in [("ModelOutput", Written::Outputs.schema()), ("HumanReview", Written::Review.schema())] {
        let json = serde_json::from_str::<serde_json::Value>(schema.text()).unwrap();
        assert_eq!(json["name"], name);
        let symbols = |field: &str| {
            let fields = json["fields"].as_array().unwrap();
            let field = fields.iter().find(|of| of["name"] == field).unwrap();
            field["type"]["symbols"].clone()
        };
        let begin_with = |field: &str, names: &[&str]| {
            let symbols = symbols(field);
            let symbols: Vec<&str> =
                symbols.as_array().unwrap().iter().map(|symbol| symbol.as_str().unwrap()).collect();
            assert!(symbols.starts_with(names), "{field}: {symbols:?}");
        };
        begin_with("decision", &Decision::ALL.map(Decision::name));
        begin_with("provider", &Provider::ALL.map(Provider::name));
        if name == "HumanReview" {
            begin_with("reason", &ReviewReason::ALL.map(ReviewReason::name));
        }
    }
}
