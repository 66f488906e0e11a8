//! The decode plan against two other decoders, on random schemas and values: valid input agrees, every truncation and
//! every trailing byte is rejected, and whatever a flipped bit leaves acceptable another decoder accepts too, with the
//! same features.

use crate::avro_support::oracle::{self, Place, Tree};
use crate::avro_support::random::{self, Maker, Random, Record, Values};
use crate::avro_support::{self, decode};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use scorewire::avro::feature::Wanted;
use scorewire::avro::plan::Plan;
use scorewire::error::Reject;

/// A random schema, what is wanted of it, and everything that reads it.
struct Case {
    record: Record,
    schema: Schema,
    fast: serde_avro_fast::Schema,
    wanted: Wanted,
    places: Vec<Place>,
    plan: Plan,
    random: Random,
}

impl Case {
    fn new(seed: u64, fields: usize, depth: usize) -> Case {
        let mut random = Random(seed);
        let record = Maker::new(&mut random).record(fields, depth);
        let text = record.schema().to_string();
        let schema = Schema::parse_str(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let all = oracle::places(&record, 4);
        let (mut wanted, mut places) = oracle::want_some(&mut random, &all);
        oracle::compute_some(&mut random, &all, &mut wanted, &mut places);
        let plan = avro_support::plan(&text, &wanted);
        let fast = text.parse().unwrap_or_else(|why| panic!("{why}\n{text}"));
        Case { record, schema, fast, wanted, places, plan, random }
    }

    fn value(&mut self) -> Value {
        Values::record(&mut self.random, &self.record)
    }

    fn write(&self, value: &Value) -> Vec<u8> {
        let writer = GenericDatumWriter::builder(&self.schema).build().expect("the schema is whole");
        writer.write_value_to_vec(value.clone()).expect("the value follows the schema")
    }

    fn read_fast(&self, payload: &[u8]) -> Result<Tree, String> {
        serde_avro_fast::from_datum_slice(payload, &self.fast).map_err(|why| why.to_string())
    }

    fn read_apache(&self, payload: &[u8]) -> Result<Tree, String> {
        let reader = GenericDatumReader::builder(&self.schema).build().map_err(|why| why.to_string())?;
        reader.read_value(&mut &payload[..]).map(|value| Tree::from(&value)).map_err(|why| why.to_string())
    }

    /// The plan's answer to a payload that is this tree.
    fn check(&self, payload: &[u8], tree: &Tree) {
        let expected = oracle::row(tree, &self.wanted, &self.places);
        match decode(&self.plan, payload) {
            Ok(found) => oracle::check(&found, payload, tree, &self.wanted, &self.places, &self.record),
            Err(reject) => {
                assert!(expected.is_none(), "{reject:?} for a valid record");
                assert!(reject.feature().is_some(), "{reject:?} names no feature");
            }
        }
    }

    /// A payload that may be anything: what the plan takes, somebody else must take too, and alike.
    fn check_spoilt(&self, payload: &[u8]) {
        let Ok(found) = decode(&self.plan, payload) else { return };
        match self.read_fast(payload).or_else(|why| self.read_apache(payload).map_err(|_| why)) {
            Ok(tree) => oracle::check(&found, payload, &tree, &self.wanted, &self.places, &self.record),
            // What is not used is walked over by its length. The others look into it, and have limits of their own: a decimal of 16
            // bytes, and of 96 bits in Rust's form.
            Err(why) => {
                let limits = ["utf-8", "Decimals of size larger than 16", "Number exceeds maximum value"];
                let is_meaning = limits.iter().any(|limit| why.contains(limit));
                assert!(is_meaning, "only the plan takes {payload:02x?}: {why}");
            }
        }
    }
}

proptest! {
    #![proptest_config(avro_support::cases(256))]

    #[test]
    fn valid_records_agree(seed: u64, fields in 0..12usize, depth in 0..4usize) {
        let mut case = Case::new(seed, fields, depth);
        for _ in 0..4 {
            let value = case.value();
            let tree = Tree::from(&value);
            let payload = case.write(&value);
            prop_assert_eq!(&random::encode(&value, None), &payload, "the tests' own encoder");
            case.check(&payload, &tree);
            case.check(&payload, &case.read_fast(&payload).expect("serde_avro_fast reads what apache-avro wrote"));
            let mut split = Random(case.random.next());
            case.check(&random::encode(&value, Some(&mut split)), &tree);
        }
    }

    #[test]
    fn every_truncation_and_every_trailing_byte_is_rejected(seed: u64, fields in 0..12usize, depth in 0..4usize) {
        let mut case = Case::new(seed, fields, depth);
        let value = case.value();
        let mut split = Random(case.random.next());
        for payload in [case.write(&value), random::encode(&value, Some(&mut split))] {
            for cut in 0..payload.len() {
                prop_assert!(decode(&case.plan, &payload[..cut]).is_err(), "cut to {cut} of {}", payload.len());
            }
            if decode(&case.plan, &payload).is_ok() {
                for byte in 0..=255 {
                    let longer = [&payload[..], &[byte]].concat();
                    prop_assert_eq!(decode(&case.plan, &longer), Err(Reject::TrailingBytes));
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_slips_through_alone(seed: u64, fields in 1..12usize, depth in 0..4usize) {
        let mut case = Case::new(seed, fields, depth);
        let value = case.value();
        let mut split = Random(case.random.next());
        for mut payload in [case.write(&value), random::encode(&value, Some(&mut split))] {
            for bit in 0..(payload.len() * 8).min(2_048) {
                payload[bit / 8] ^= 1 << (bit % 8);
                case.check_spoilt(&payload);
                payload[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn noise_never_panics_or_slips_through_alone(seed: u64, fields in 0..12usize, depth in 0..4usize) {
        let mut case = Case::new(seed, fields, depth);
        for _ in 0..64 {
            let len = case.random.below(48);
            let small = case.random.one_in(2);
            let noise: Vec<u8> =
                (0..len).map(|_| case.random.next() as u8 & if small { 0x07 } else { 0xFF }).collect();
            case.check_spoilt(&noise);
        }
    }
}
