//! Where schemas come from and what a record does meanwhile. A schema that is late must make its partition wait, not
//! fill the dead letters; one that will never come must not block a partition for ever.

mod avro_support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use avro_support::{features, long};
use scorewire::avro::decoder::{Decoder, Stop};
use scorewire::avro::schemas::{AvroSchema, Lookup, OnUnknown, SchemaDirectory, SchemaSource};
use scorewire::avro::wire::Accept;
use scorewire::error::Reject;
use scorewire::record::SchemaKey;

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
    SchemaDirectory::open(folder, on_unknown).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn parse(text: &str) -> Arc<AvroSchema> {
    Arc::new(AvroSchema::parse(text, "test").unwrap())
}

fn decoder(source: SchemaDirectory, accept: Accept) -> Decoder {
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
    put(folder.path(), "payment-v2-18.avsc", LONG);
    put(folder.path(), &format!("payment-{GUID}.avsc"), OTHER);
    put(folder.path(), "reader.avsc", READER);
    put(folder.path(), "notes-99.txt", "not a schema");
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
    put(folder.path(), "a-1.avsc", INT);
    put(folder.path(), "2.avsc", "{\"type\":");
    put(folder.path(), "3.avsc", r#"{"type":"record","name":"T","fields":[{"name":"x","type":"Nowhere"}]}"#);
    put(folder.path(), "4294967296.avsc", INT);
    fs::write(folder.path().join("5.avsc"), [0xFF, 0xFE]).unwrap();
    let problems = SchemaDirectory::open(folder.path(), OnUnknown::Wait).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (file, part) in [
        ("a-1.avsc", "claims the same schema id as"),
        ("2.avsc", "no Avro schema"),
        ("3.avsc", "Nowhere"),
        ("4294967296.avsc", "32 bits"),
        ("5.avsc", "UTF-8"),
    ] {
        let told = texts.iter().any(|text| text.contains(file) && text.contains(part) && text.contains("fix: "));
        assert!(told, "{file}: {part} is not in {texts:#?}");
    }
    assert_eq!(problems.len(), 5);
    let missing = SchemaDirectory::open(&folder.path().join("nowhere"), OnUnknown::Wait).unwrap_err();
    assert!(missing[0].to_string().contains("nowhere"));
}

#[test]
fn a_late_schema_makes_its_record_wait_and_then_decodes_it() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", INT);
    let mut decoder = decoder(open(folder.path(), OnUnknown::Wait), Accept::default());
    let (early, late) = (framed(1, &long(7)), framed(2, &[vec![2, b'a'], long(8)].concat()));
    let mut row = [0.0];
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
    assert!(source.problem(SchemaKey::Id(7)).unwrap().contains("7.avsc: no Avro schema"));
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
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), Accept::default());
    let value = framed(5, &long(7));
    let mut row = [0.0];
    let unknown = Err(Stop::Reject(Reject::UnknownSchema));
    assert_eq!(decoder.decode(None, &value, &mut row), unknown);
    let problem = decoder.take_problem().unwrap();
    assert_eq!(problem.key, SchemaKey::Id(5));
    assert!(problem.text.contains("id 5") && problem.text.contains("fix: "), "{}", problem.text);
    put(folder.path(), "5.avsc", INT);
    assert_eq!(decoder.decode(None, &value, &mut row), unknown, "asking for each record would cost too much");
    decoder.retry_unknown();
    assert!(decoder.decode(None, &value, &mut row).is_ok());
    assert_eq!(row, [7.0]);
    assert_eq!(decoder.take_problem(), None);
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
    let mut decoder = decoder(open(folder.path(), OnUnknown::Wait), Accept::default());
    let mut row = [0.0];
    for _ in 0..3 {
        let value = framed(1, &long(7));
        assert_eq!(decoder.decode(None, &value, &mut row), Err(Stop::Reject(Reject::IncompatibleSchema)));
        assert!(decoder.decode(None, &framed(2, &long(7)), &mut row).is_ok());
    }
    let problem = decoder.take_problem().unwrap();
    assert!(problem.text.starts_with("schema id 1: feature `x` (x): "), "{}", problem.text);
    assert_eq!(decoder.take_problem(), None);
}

#[test]
fn preloading_tells_what_does_not_fit_before_the_first_record() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", OTHER);
    put(folder.path(), "2.avsc", INT);
    let mut decoder = decoder(open(folder.path(), OnUnknown::Wait), Accept::default());
    let keys: Vec<SchemaKey> = decoder.preload().iter().map(|problem| problem.key).collect();
    assert_eq!(keys, [SchemaKey::Id(1)], "its fingerprint is another key of the same schema");
    assert_eq!(decoder.take_problem(), None);
    assert_eq!(decoder.preload(), []);
}

#[test]
fn a_contract_that_its_own_reader_cannot_fill_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let source = Box::new(open(folder.path(), OnUnknown::Wait));
    let refused = Decoder::new(parse(READER), features(&["amount"]), source, Accept::default());
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
    let mut decoder = decoder(source, Accept { raw: true, ..Accept::default() });
    assert!(decoder.needs_header());
    let header = [&[1][..], &guid()].concat();
    let id_header = [0, 0, 0, 0, 3];
    let double = 2.5f64.to_le_bytes();
    let mut row = [0.0];
    for (header, value, expected) in [
        (None, framed(3, &[vec![2, b'a'], long(8)].concat()), 8.0),
        (Some(header.as_slice()), long(9), 9.0),
        (Some(id_header.as_slice()), [vec![2, b'a'], long(12)].concat(), 12.0),
        (None, [header.clone(), long(13)].concat(), 13.0),
        (None, single_object(INT, &long(10)), 10.0),
        (None, single_object(READER, &double), 2.5),
        (None, long(11), 11.0),
    ] {
        assert!(decoder.decode(header, &value, &mut row).is_ok(), "{value:02x?}");
        assert_eq!(row, [expected]);
    }
    let spoilt = single_object(INT, &[0x80]);
    assert_eq!(decoder.decode(None, &spoilt, &mut row), Err(Stop::Reject(Reject::Truncated)));
}

#[test]
fn a_schema_that_nobody_knows_is_told_once_however_often_somebody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), Accept::default());
    let mut row = [0.0];
    let mut told = 0;
    for _ in 0..3 {
        assert_eq!(decoder.decode(None, &framed(7, &[0]), &mut row), Err(Stop::Reject(Reject::UnknownSchema)));
        told += std::iter::from_fn(|| decoder.take_problem()).count();
        decoder.retry_unknown();
    }
    assert_eq!(told, 1);
    put(folder.path(), "7.avsc", INT);
    assert!(decoder.decode(None, &framed(7, &long(7)), &mut row).is_ok(), "it is not asked for again");
}

#[test]
fn poison_ids_do_not_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = decoder(open(folder.path(), OnUnknown::DeadLetter), Accept::default());
    let mut row = [0.0];
    for id in 0..2_000 {
        assert_eq!(decoder.decode(None, &framed(id, &[0]), &mut row), Err(Stop::Reject(Reject::UnknownSchema)));
    }
    let told = std::iter::from_fn(|| decoder.take_problem()).count();
    assert!((1..=64).contains(&told), "{told} problems are kept for the log");
}
