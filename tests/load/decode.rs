//! The load generator says what each bad record's dead letter will say, and training says what the model will see. Both
//! are promises about the product's decoder, kept elsewhere: here they are held against the decoder itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::packages;
use scorewire::avro::decoder::{Decoder, Stop};
use scorewire::avro::schemas::SchemaDirectory;
use scorewire::error::Reject;
use scorewire::load::simulate::payloads::{Framing, Pool};
use scorewire::load::simulate::poison::{Corpus, KINDS};
use scorewire::load::simulate::population::World;
use scorewire::load::simulate::simulator::Simulator;
use scorewire::load::simulate::transaction::{FEATURES, id_of, id_text};
use scorewire::model::Package;
use scorewire::values::record::TransactionId;
use scorewire::values::schemas::{OnUnknown, WireForms};
use tempfile::TempDir;

const SEED: u64 = 21;
const WORLD: World = World { customers: 300, terminals: 300, warm_up_days: 20 };

/// A package's decoder, as the product builds it, and the folder that its schemas come from. Knows the schema by its
/// fingerprint, and by id 17.
fn decoder(folder: &Path) -> (Decoder, TempDir) {
    let package = Package::load(folder).expect("the package holds");
    let reader = Arc::clone(&package.reader);
    let schemas = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("transaction.avsc"), schemas.path().join("transaction.id-17.avsc")).unwrap();
    let source = SchemaDirectory::open(schemas.path(), OnUnknown::DeadLetter).unwrap();
    (Decoder::new(reader, package.wanted, Box::new(source), WireForms::default()).unwrap(), schemas)
}

/// Every package with every framing.
fn cases() -> Vec<(PathBuf, Framing)> {
    let framings = [Framing::SingleObject, Framing::Registry(17)];
    packages::all().into_iter().flat_map(|folder| framings.map(|framing| (folder.clone(), framing))).collect()
}

fn pool(framing: Framing) -> Pool {
    Pool::simulated(2_000, framing, SEED, &WORLD)
}

#[test]
fn the_decoder_makes_the_features_that_the_model_was_trained_on() {
    for (folder, framing) in cases() {
        let ((mut decoder, _schemas), mut pool) = (decoder(&folder), pool(framing));
        for (sequence, transaction) in (0..2_000).zip(Simulator::with_world(SEED, &WORLD)) {
            let value = pool.record(sequence).value;
            let mut row = [0.0; FEATURES.len()];
            let decoded = decoder.decode(None, value, &mut row).unwrap_or_else(|stop| panic!("{sequence}: {stop:?}"));
            let meant = transaction.features();
            for (name, (mine, theirs)) in FEATURES.iter().zip(row.iter().zip(meant)) {
                assert_eq!(mine.to_bits(), theirs.to_bits(), "record {sequence}, {name}: {mine} {theirs}");
            }
            assert_eq!(decoded.event_time_ms, Some(transaction.event_time_ms));
            let TransactionId::Text { start, len } = decoded.id else { panic!("{:?}", decoded.id) };
            assert_eq!(value[start as usize..][..len as usize], id_text(id_of(SEED, sequence)));
        }
    }
}

#[test]
fn every_poison_is_rejected_for_its_own_reason() {
    for (folder, framing) in cases() {
        let ((mut decoder, _schemas), pool) = (decoder(&folder), pool(framing));
        for poison in &pool.poisons {
            let kind = KINDS[usize::from(poison.kind)];
            // A tombstone never reaches the decoder.
            let reason = match &poison.value {
                None => Reject::Tombstone.reason(),
                Some(value) => match decoder.decode(None, value, &mut [0.0; FEATURES.len()]) {
                    Err(Stop::Reject(reject)) => reject.reason(),
                    other => panic!("{}: {other:?}", kind.name),
                },
            };
            assert_eq!(reason, kind.reason, "{}", kind.name);
        }
        let kinds: BTreeSet<u8> = pool.poisons.iter().map(|poison| poison.kind).collect();
        assert_eq!(kinds.len(), KINDS.len(), "every kind of the table is made");
    }
}

#[test]
fn bare_data_cannot_lack_a_prefix() {
    let kinds: Vec<&str> =
        pool(Framing::Raw).poisons.iter().map(|poison| KINDS[usize::from(poison.kind)].name).collect();
    assert!(kinds.contains(&"tombstone") && kinds.contains(&"bytes left over"));
    assert!(!kinds.contains(&"unknown schema") && !kinds.contains(&"empty value"));
}

#[test]
fn poison_falls_where_the_seed_says() {
    let poisons = pool(Framing::Registry(17)).poisons;
    let places = |seed, per_million| -> Vec<(u64, u8)> {
        let corpus = Corpus::new(poisons.clone(), per_million, seed);
        (0..200_000).filter_map(|i| corpus.at(i).map(|poison| (i, poison.kind))).collect()
    };
    let mine = places(1, 1_000);
    assert_eq!(mine, places(1, 1_000));
    assert_ne!(mine, places(2, 1_000));
    assert!((150..250).contains(&mine.len()), "{}", mine.len());
    let kinds: BTreeSet<u8> = mine.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds.len(), KINDS.len(), "all kinds take part");
    assert!(places(1, 0).is_empty());
    assert_eq!(places(1, 1_000_000).len(), 200_000);
}
