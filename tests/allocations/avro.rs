//! Nothing on a record's way may allocate: not the decoding of a row, not the encoding of an outcome. A counting
//! allocator holds both to it; an allocation per record would be the first thing to cost throughput, and the last to
//! be noticed.

use std::sync::Arc;

use crate::avro_support::{bytes, feature, long, text};
use crate::counting;
use scorewire::avro::decoder::Decoder;
use scorewire::avro::encode::{OutcomeEncoder, OutcomeIdentity};
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::avro::schemas::{AvroSchema, Lookup, SchemaSource};
use scorewire::values::fingerprint::Fingerprinter;
use scorewire::values::model::Provider;
use scorewire::values::record::{Decision, Position, ReviewReason, SchemaKey, Scored};
use scorewire::values::schemas::WireForms;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = counting::allocations();
    work();
    counting::allocations() - before
}

/// Knows one schema by one id.
struct One(Arc<AvroSchema>);

impl SchemaSource for One {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        if key == SchemaKey::Id(1) { Lookup::Found(self.0.clone()) } else { Lookup::Unknown }
    }
}

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"id","type":"string"},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":30,"scale":2}},
    {"name":"country","type":"string"},
    {"name":"channel","type":["null",{"type":"enum","name":"Channel","symbols":["POS","WEB"]}]},
    {"name":"average","type":["null","double"]},
    {"name":"tags","type":{"type":"map","values":{"type":"array","items":"string"}}}]}"#;

fn wanted() -> Wanted {
    let index = Transform::Index { symbols: vec!["DK".into(), "DE".into()], otherwise: Some(-1.0) };
    Wanted {
        features: vec![
            Feature { min: Some(-1e9), ..feature("amount") },
            Feature { transform: index, ..feature("country") },
            Feature { missing: Some(Missing::Nan), ..feature("channel") },
            Feature { missing: Some(Missing::Constant(0.0)), ..feature("average") },
        ],
        transaction_id: Some("id".into()),
        event_time: Some("time".into()),
    }
}

fn payload(amount: &[u8], country: &str) -> Vec<u8> {
    let tags = [long(1), text("k"), long(2), text("a"), text("b"), long(0), long(0)].concat();
    let head = [vec![0, 0, 0, 0, 1], text("tx-1"), long(1_700_000_000_000_000), bytes(amount), text(country)].concat();
    [head, vec![2, 2], vec![0], tags].concat()
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let schema = Arc::new(AvroSchema::parse(SCHEMA, "test").unwrap());
    let mut decoder = Decoder::new(schema.clone(), wanted(), Box::new(One(schema)), WireForms::default()).unwrap();
    let identity = OutcomeIdentity {
        review_threshold: 0.2,
        decline_threshold: 0.8,
        thresholds_version: "1".into(),
        node: "n".into(),
        lane: 0,
        model_name: "m".into(),
        model_version: "1".into(),
        model_sha256: "00".into(),
        provider: Provider::Cpu,
        topic: "t".into(),
        fallback_step: None,
    };
    let mut encoder = OutcomeEncoder::new(&identity);
    let maker = Fingerprinter::new("00", "1");
    // Small and large decimals take different ways; so do known and unknown countries, good and spoilt payloads.
    let good = [payload(&[0x30, 0x39], "DK"), payload(&[0x7F; 13], "måne")];
    let spoilt = [good[0][..good[0].len() - 1].to_vec(), [&good[1][..], &[0]].concat(), vec![0, 0, 0, 0, 1, 0x80]];
    let (mut row, mut out) = ([0.0; 4], Vec::with_capacity(4_096));
    assert!(decoder.decode(None, &good[0], &mut row).is_ok(), "the first record compiles the plan");
    let counted = allocations(|| {
        for payload in good.iter().cycle().take(1_000) {
            let decoded = decoder.decode(None, payload, &mut row).unwrap();
            let scored = Scored {
                payload,
                position: Position { partition: 3, offset: 77 },
                source_timestamp_ms: 5,
                decoded,
                score: 0.5,
                decision: Decision::Review,
                late: false,
                epoch: 0,
                fingerprint: Some(maker.of(&row)),
                amends: None,
                received_us: 1,
                scored_us: 2,
            };
            encoder.encode_output(&scored, &mut out);
            encoder.encode_review(&scored, ReviewReason::Band, Some(payload), &mut out);
            encoder.write_id_text(&scored, &mut out);
            assert_eq!(out, b"tx-1");
        }
        for payload in spoilt.iter().cycle().take(1_000) {
            assert!(decoder.decode(None, payload, &mut row).is_err());
        }
    });
    assert_eq!(counted, 0, "allocations in 2,000 records");
    assert!(allocations(|| drop(vec![1u8; 9])) > 0, "the counter counts");
}
