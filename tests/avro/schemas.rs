//! Where schemas come from and what a record does meanwhile. A schema that is late must make its partition wait, not
//! fill the dead letters; one that will never come must not block a partition for ever.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::avro_support::{features, long};
use scorewire::avro::decoder::{Decoder, Stop};
use scorewire::avro::planner::Planner;
use scorewire::avro::schemas::{AvroSchema, Lookup, SchemaDirectory, SchemaSource};
use scorewire::error::Reject;
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::{OnUnknown, WireForms};

const INT: &str = r#"{"type":"record","name":"T","fields":[{"name":"x","type":"int"}]}"#;
const LONG: &str =
    r#"{"type":"record","name":"T","fields":[{"name":"id","type":"string"},{"name":"x","type":"long"}]}"#;
const READER: &str = r#"{"type":"record","name":"T","fields":[{"name":"x","type":"double"}]}"#;
const OTHER: &str = r#"{"type":"record","name":"T","fields":[{"name":"y","type":"int"}]}"#;
const GUID: &str = "0af3c2d1-1111-2222-3333-444455556666";

fn guid() -> [u8; 16] {
    [0x0a, 0xf3, 0xc2, 0xd1, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66]
}

fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn open(folder: &Path, on_unknown: OnUnknown) -> SchemaDirectory {
    SchemaDirectory::open(folder, on_unknown).unwrap_or_else(|problem| panic!("{problem}"))
}

fn parse(text: &str) -> Arc<AvroSchema> {
    Arc::new(AvroSchema::parse(text, "test").unwrap())
}

fn decoder(source: SchemaDirectory, accept: WireForms) -> Decoder {
    Decoder::new(parse(READER), features(&["x"]), Box::new(source), accept).unwrap()
}

fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

fn single_object(schema: &str, datum: &[u8]) -> Vec<u8> {
    [&[0xC3, 1][..], &parse(schema).fingerprint().to_le_bytes(), datum].concat()
}

fn is_found(lookup: &Lookup) -> bool {
    matches!(lookup, Lookup::Found(_))
}

#[test]
fn files_are_known_by_id_guid_and_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "17.avsc", INT);
    put(folder.path(), "payment-v2.id-18.avsc", LONG);
    put(folder.path(), &format!("payment-{GUID}.avsc"), OTHER);
    put(folder.path(), "reader.avsc", READER);
    put(folder.path(), "99.txt", "not a schema");
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    for key in [SchemaKey::Id(17), SchemaKey::Id(18), SchemaKey::Guid(guid())] {
        assert!(is_found(&source.lookup(key)), "{key:?}");
    }
    for text in [INT, LONG, OTHER, READER] {
        assert!(is_found(&source.lookup(SchemaKey::Fingerprint(parse(text).fingerprint()))), "{text}");
    }
    for key in [SchemaKey::Id(2), SchemaKey::Id(99), SchemaKey::Guid([0; 16]), SchemaKey::Raw] {
        assert!(matches!(source.lookup(key), Lookup::Unknown), "{key:?}");
    }
    assert_eq!(source.known().len(), 7);
}

#[test]
fn the_fingerprint_is_that_of_the_specification() {
    // From the test vectors of Avro's own implementations.
    assert_eq!(parse("\"int\"").fingerprint(), 0x7275_D51A_3F39_5C8F);
    assert_eq!(parse("\"null\"").fingerprint(), 0x63DD_24E7_CC25_8F8A);
    // What the canonical form leaves out makes no difference.
    let dressed =
        r#"{"fields":[{"type":{"type":"int"},"name":"x","doc":"!","default":3}],"doc":"d","name":"T","type":"record"}"#;
    assert_eq!(parse(dressed).fingerprint(), parse(INT).fingerprint());
    assert_ne!(parse(LONG).fingerprint(), parse(INT).fingerprint());
}

#[test]
fn every_problem_of_a_folder_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", INT);
    put(folder.path(), "2.avsc", "{\"type\":");
    put(folder.path(), "3.avsc", r#"{"type":"record","name":"T","fields":[{"name":"x","type":"Nowhere"}]}"#);
    put(folder.path(), "4294967296.avsc", INT);
    fs::write(folder.path().join("5.avsc"), [0xFF, 0xFE]).unwrap();
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    let texts: Vec<String> = source.problems().map(ToString::to_string).collect();
    for (file, part) in [
        ("2.avsc", "is no JSON: EOF while parsing a value at line 1 column 8"),
        ("3.avsc", "Nowhere"),
        ("4294967296.avsc", "32 bits"),
        ("5.avsc", "UTF-8"),
    ] {
        let told = texts.iter().any(|text| text.contains(file) && text.contains(part) && text.contains("fix: "));
        assert!(told, "{file}: {part} is not in {texts:#?}");
    }
    assert_eq!(texts.len(), 4);
    assert!(is_found(&source.lookup(SchemaKey::Id(1))), "a bad file costs its own id only");
    let none = folder.path().join("nowhere");
    assert!(SchemaDirectory::open(&none, OnUnknown::Wait).unwrap_err().place.contains("nowhere"));
}

#[test]
fn a_late_schema_makes_its_record_wait_and_then_decodes_it() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", INT);
    let mut decoder = decoder(open(folder.path(), OnUnknown::Wait), WireForms::default());
    let (early, late, mut row) = (framed(1, &long(7)), framed(2, &[vec![2, b'a'], long(8)].concat()), [0.0]);
    for _ in 0..3 {
        assert_eq!(decoder.decode(None, &late, &mut row), Err(Stop::Wait(SchemaKey::Id(2))));
        assert!(decoder.decode(None, &early, &mut row).is_ok(), "other schemas go on");
    }
    assert!(decoder.why_waiting(SchemaKey::Id(2)).contains("no .avsc file here has schema id 2"));
    put(folder.path(), "2.avsc", LONG);
    let decoded = decoder.decode(None, &late, &mut row).unwrap();
    assert_eq!((row, decoded.schema), ([8.0], SchemaKey::Id(2)));
}

#[test]
fn an_invalid_new_file_makes_its_id_wait_until_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    put(folder.path(), "7.avsc", "{\"type\":\"record\",\"na");
    assert!(matches!(source.lookup(SchemaKey::Id(7)), Lookup::Pending));
    assert!(source.problem(SchemaKey::Id(7)).unwrap().contains("7.avsc: is no JSON"));
    assert!(matches!(source.lookup(SchemaKey::Id(8)), Lookup::Unknown), "others are not held up");
    put(folder.path(), "7.avsc", INT);
    assert!(is_found(&source.lookup(SchemaKey::Id(7))));
    assert_eq!(source.problem(SchemaKey::Id(7)), None);
    assert_eq!(source.problems().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_read_makes_unknown_ids_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schemas");
    fs::create_dir(&path).unwrap();
    put(&path, "1.avsc", INT);
    let mut source = open(&path, OnUnknown::DeadLetter);
    assert!(matches!(source.lookup(SchemaKey::Id(2)), Lookup::Unknown));
    fs::remove_dir_all(&path).unwrap();
    assert!(matches!(source.lookup(SchemaKey::Id(2)), Lookup::Pending));
    assert!(is_found(&source.lookup(SchemaKey::Id(1))), "what is known stays known");
}

#[test]
fn an_unknown_schema_is_a_dead_letter_and_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), WireForms::default());
    let value = framed(5, &long(7));
    let mut row = [0.0];
    let unknown = Err(Stop::Reject(Reject::UnknownSchema));
    assert_eq!(decoder.decode(None, &value, &mut row), unknown);
    let problem = decoder.take_note().unwrap();
    assert_eq!(problem.key, SchemaKey::Id(5));
    assert!(problem.text.contains("id 5") && problem.text.contains("fix: "), "{}", problem.text);
    put(folder.path(), "5.avsc", INT);
    assert_eq!(decoder.decode(None, &value, &mut row), unknown, "asking for each record would cost too much");
    decoder.retry_unknown();
    assert!(decoder.decode(None, &value, &mut row).is_ok());
    assert_eq!(row, [7.0]);
    assert_eq!(decoder.take_note(), None);
    // Without being told, the decoder asks again after some thousand records.
    let value = framed(6, &long(9));
    assert_eq!(decoder.decode(None, &value, &mut row), unknown);
    put(folder.path(), "6.avsc", INT);
    let records = (0..10_000).take_while(|_| decoder.decode(None, &value, &mut row).is_err()).count();
    assert!(records < 10_000, "it never asked again");
}

#[test]
fn a_schema_that_does_not_fit_is_told_once_and_its_records_are_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", OTHER);
    put(folder.path(), "2.avsc", INT);
    let mut decoder = decoder(open(folder.path(), OnUnknown::Wait), WireForms::default());
    let mut row = [0.0];
    for _ in 0..3 {
        let value = framed(1, &long(7));
        assert_eq!(decoder.decode(None, &value, &mut row), Err(Stop::Reject(Reject::IncompatibleSchema)));
        assert!(decoder.decode(None, &framed(2, &long(7)), &mut row).is_ok());
    }
    let problem = decoder.take_note().unwrap();
    assert!(problem.text.starts_with("schema id 1: feature `x` (x): "), "{}", problem.text);
    assert_eq!(decoder.take_note(), None);
}

#[test]
fn a_contract_that_its_own_reader_cannot_fill_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let source = Box::new(open(folder.path(), OnUnknown::Wait));
    let refused = Decoder::new(parse(READER), features(&["amount"]), source, WireForms::default());
    let Err(problem) = refused else { panic!("it is taken") };
    assert!(problem.to_string().contains("feature `amount` (amount): the reader's schema has no field"), "{problem}");
}

#[test]
fn every_wire_form_finds_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "3.avsc", LONG);
    put(folder.path(), &format!("t-{GUID}.avsc"), INT);
    put(folder.path(), "raw.avsc", INT);
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    source.set_raw(&folder.path().join("raw.avsc")).unwrap();
    source.add(parse(READER));
    let mut decoder = decoder(source, WireForms { raw: true, ..WireForms::default() });
    assert!(decoder.needs_header());
    let header = [&[1][..], &guid()].concat();
    let mut row = [0.0];
    for (header, value, expected) in [
        (None, framed(3, &[vec![2, b'a'], long(8)].concat()), 8.0),
        (Some(header.as_slice()), long(9), 9.0),
        (Some(&[0, 0, 0, 0, 3]), [vec![2, b'a'], long(12)].concat(), 12.0),
        (None, [header.clone(), long(13)].concat(), 13.0),
        (None, single_object(INT, &long(10)), 10.0),
        (None, single_object(READER, &2.5f64.to_le_bytes()), 2.5),
        (None, long(11), 11.0),
    ] {
        assert!(decoder.decode(header, &value, &mut row).is_ok(), "{value:02x?}");
        assert_eq!(row, [expected]);
    }
    let truncated = Err(Stop::Reject(Reject::Truncated));
    assert_eq!(decoder.decode(None, &single_object(INT, &[0x80]), &mut row), truncated);
}

#[test]
fn a_schema_that_nobody_knows_is_told_once_however_often_somebody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), WireForms::default());
    let mut row = [0.0];
    let mut told = 0;
    for _ in 0..3 {
        assert_eq!(decoder.decode(None, &framed(7, &[0]), &mut row), Err(Stop::Reject(Reject::UnknownSchema)));
        told += std::iter::from_fn(|| decoder.take_note()).count();
        decoder.retry_unknown();
    }
    assert_eq!(told, 1);
    put(folder.path(), "7.avsc", INT);
    assert!(decoder.decode(None, &framed(7, &long(7)), &mut row).is_ok(), "it is not asked for again");
}

#[test]
fn poison_ids_do_not_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), WireForms::default());
    for id in 0..5_000 {
        assert_eq!(decoder.decode(None, &framed(id, &[0]), &mut [0.0]), Err(Stop::Reject(Reject::UnknownSchema)));
    }
    decoder.retry_unknown();
    let told: Vec<String> = std::iter::from_fn(|| decoder.take_note()).map(|note| note.text).collect();
    assert!(told.len() == 9 && told[8].starts_with("4992 more schemas"), "{told:?}");
}

/// A payment whose amount has this scale: the fingerprint is the same for all.
fn scaled(scale: u32) -> String {
    format!(
        r#"{{"type":"record","name":"T","fields":[{{"name":"id","type":"string"}},
        {{"name":"x","type":{{"type":"bytes","logicalType":"decimal","precision":12,"scale":{scale}}}}}]}}"#
    )
}

/// And what was told of it.
fn scaled_decoder(source: SchemaDirectory) -> (Decoder, Vec<String>) {
    let mut source = source;
    source.add(parse(&scaled(2)));
    let mut planner = Planner::new(parse(&scaled(2)), features(&["x"]), Box::new(source)).unwrap();
    let notes = planner.preload().notes;
    let decoder = Decoder::with(planner.known(), Box::new(planner), WireForms::default());
    (decoder, notes.into_iter().map(|note| note.text).collect())
}

#[test]
fn a_fingerprint_of_two_meanings_is_refused_by_name_whoever_else_has_it() {
    // The payloads of both look alike: 12.3456 of scale 4 would be read as 1234.56 of scale 2.
    let datum = [vec![2, b'a'], vec![6, 1, 0xE2, 0x40]].concat();
    let payload = single_object(&scaled(2), &datum);
    let refused = Err(Stop::Reject(Reject::IncompatibleSchema));
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "writer.avsc", &scaled(4));
    let (mut decoder, told) = scaled_decoder(open(folder.path(), OnUnknown::DeadLetter));
    let mut row = [0.0];
    assert_eq!(decoder.decode(None, &payload, &mut row), refused);
    let told = &told[0];
    assert!(told.contains("writer.avsc") && told.contains("the package's reader schema"), "{told}");
    // Two files, one of which means what the package means.
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.avsc", &scaled(2));
    let (mut decoder, _) = scaled_decoder(open(folder.path(), OnUnknown::DeadLetter));
    assert!(decoder.decode(None, &payload, &mut row).is_ok());
    assert_eq!(row, [1234.56]);
    // The second appears while the first is in use; the folder is read for an id that nobody knows.
    put(folder.path(), "b.avsc", &scaled(4));
    assert!(decoder.decode(None, &framed(9, &datum), &mut row).is_err());
    assert_eq!(decoder.decode(None, &payload, &mut row), refused);
    let (mut decoder, told) = scaled_decoder(open(folder.path(), OnUnknown::DeadLetter));
    assert_eq!(decoder.decode(None, &payload, &mut row), refused);
    assert!(told[0].contains(".avsc"));
}

#[test]
fn an_id_that_two_files_claim_is_refused_unless_they_mean_the_same() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", INT);
    put(folder.path(), "same.id-1.avsc", &INT.replace("\"int\"", "{\"type\":\"int\"}"));
    put(folder.path(), "2.avsc", INT);
    put(folder.path(), "other.id-2.avsc", LONG);
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    assert!(is_found(&source.lookup(SchemaKey::Id(1))));
    let refused = |why: &str| why.contains("other.id-2.avsc") && why.contains("2.avsc");
    assert!(matches!(source.lookup(SchemaKey::Id(2)), Lookup::Refused(why) if refused(&why)));
}

#[test]
fn a_name_that_only_looks_like_an_id_is_none_and_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["payments-v2", "card-2026-01-15", "iso8583", "t-17-draft", "cards-v1", "transaction-17"] {
        put(folder.path(), &format!("{name}.avsc"), INT);
    }
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    for id in [1, 2, 15, 17, 8583] {
        assert!(matches!(source.lookup(SchemaKey::Id(id)), Lookup::Unknown), "{id}");
    }
    let remarks = source.remarks();
    assert!(remarks[1].contains("transaction-17.avsc") && remarks[1].contains("NAME.id-17.avsc"), "{remarks:?}");
    assert_eq!(remarks.len(), 2, "and card-2026-01-15: {remarks:?}");
}

#[test]
fn types_of_other_files_are_found_by_their_names() {
    let uses =
        r#"{"type":"record","name":"T","fields":[{"name":"m","type":"acme.Merchant"},{"name":"x","type":"int"}]}"#;
    let merchant = r#"{"type":"record","name":"Merchant","namespace":"acme","fields":[{"name":"mcc","type":"int"}]}"#;
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "17.avsc", uses);
    let mut source = open(folder.path(), OnUnknown::DeadLetter);
    assert!(
        source.problem(SchemaKey::Id(17)).unwrap().contains("type acme.Merchant is used and nowhere defined (at T.m)")
    );
    put(folder.path(), "Merchant.avsc", merchant);
    let Lookup::Found(schema) = source.lookup(SchemaKey::Id(17)) else { panic!("it is not found") };
    let whole = uses.replace("\"acme.Merchant\"", merchant);
    assert_eq!(schema.fingerprint(), parse(&whole).fingerprint());
    put(folder.path(), "Merchant-old.avsc", &merchant.replace("\"int\"", "\"long\""));
    put(folder.path(), "18.avsc", &uses.replace("\"T\"", "\"U\""));
    source.lookup(SchemaKey::Id(18));
    let problem = source.problem(SchemaKey::Id(18)).unwrap();
    assert!(problem.contains("defined differently in"), "{problem}");
}
