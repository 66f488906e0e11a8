//! What the Avro tests share: short ways to say schemas, wants and payloads.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod evolve;
pub mod oracle;
pub mod pairs;
pub mod prune;
pub mod random;

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use scorewire::avro::feature::{Feature, Transform, Wanted};
use scorewire::avro::plan::Plan;
use scorewire::avro::problem::PlanError;
use scorewire::avro::schemas::AvroSchema;
use scorewire::error::Reject;
use scorewire::values::record::TransactionId;

/// The same cases in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore others.
pub fn cases(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1_917);
        config.cases = cases;
    }
    config
}

pub fn schema(text: &str) -> AvroSchema {
    AvroSchema::parse(text, "the test's schema").unwrap_or_else(|why| panic!("{why}\n{text}"))
}

pub fn compile(writer: &str, reader: &str, wanted: &Wanted) -> Result<Plan, PlanError> {
    Plan::compile(&schema(writer), &schema(reader), wanted)
}

/// A plan whose writer and reader are the same.
pub fn plan(schema: &str, wanted: &Wanted) -> Plan {
    compile(schema, schema, wanted).unwrap_or_else(|why| panic!("{why}"))
}

/// A number at a path, named by it.
pub fn feature(path: &str) -> Feature {
    Feature {
        name: path.into(),
        path: path.into(),
        transform: Transform::Number,
        then: Vec::new(),
        missing: None,
        min: None,
        max: None,
    }
}

pub fn wanted(features: Vec<Feature>) -> Wanted {
    Wanted { features, ..Wanted::default() }
}

pub fn features(paths: &[&str]) -> Wanted {
    wanted(paths.iter().map(|path| feature(path)).collect())
}

#[derive(Debug, PartialEq)]
pub struct Found {
    pub row: Vec<f32>,
    pub id: TransactionId,
    pub event_time_ms: Option<i64>,
}

/// Decodes a bare datum. The row starts as rubbish, so that a column that is never written shows.
pub fn decode(plan: &Plan, payload: &[u8]) -> Result<Found, Reject> {
    let mut row = vec![f32::MAX; plan.width()];
    plan.decode(payload, 0, &mut row).map(|(id, event_time_ms)| Found { row, id, event_time_ms })
}

/// Zigzag, seven bits a byte.
pub fn long(value: i64) -> Vec<u8> {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    bytes.push(raw as u8);
    bytes
}

pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}
