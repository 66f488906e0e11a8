//! What is told of schemas. The story: a start with a hundred bad files tells of the last sixty-four, and nobody looks for
//! the others; or a flood of new ones fills the memory with notes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::avro_support::{features, long};
use scorewire::avro::decoder::{Decoder, Stop};
use scorewire::avro::planner::Planner;
use scorewire::avro::schemas::{AvroSchema, SchemaDirectory};
use scorewire::error::Reject;
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::{OnUnknown, WireForms};

const INT: &str = r#"{"type":"record","name":"T","fields":[{"name":"x","type":"int"}]}"#;
const READER: &str = r#"{"type":"record","name":"T","fields":[{"name":"x","type":"double"}]}"#;
const OTHER: &str = r#"{"type":"record","name":"T","fields":[{"name":"y","type":"int"}]}"#;

fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn planner(folder: &Path) -> Planner {
    let reader = Arc::new(AvroSchema::parse(READER, "test").unwrap());
    let source = SchemaDirectory::open(folder, OnUnknown::Wait).unwrap();
    Planner::new(reader, features(&["x"]), Box::new(source)).unwrap()
}

fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

#[test]
fn preloading_tells_what_does_not_fit_before_the_first_record() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.avsc", OTHER);
    put(folder.path(), "2.avsc", INT);
    let mut planner = planner(folder.path());
    let found = planner.preload();
    assert_eq!(found.usable.len(), 1);
    let keys: Vec<SchemaKey> = found.notes.iter().map(|note| note.key).collect();
    assert_eq!(keys, [SchemaKey::Id(1)], "its fingerprint is another key of the same schema");
    let again = planner.preload();
    assert_eq!((again.usable, again.notes.len()), (found.usable, 0));
}

/// A start that tells of a hundred bad schemas tells of each.
#[test]
fn preloading_leaves_no_note_out_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for id in 0..200 {
        put(folder.path(), &format!("{id}.avsc"), &OTHER.replace("\"y\"", &format!("\"y{id}\"")));
    }
    let mut planner = planner(folder.path());
    let mut told: Vec<SchemaKey> = planner.preload().notes.into_iter().map(|note| note.key).collect();
    told.sort_by_key(|key| if let SchemaKey::Id(id) = key { *id } else { u32::MAX });
    assert_eq!(told, (0..200).map(SchemaKey::Id).collect::<Vec<_>>());
}

/// While running nobody may take them for long: they are bounded, and what is left out is told as a number.
#[test]
fn running_notes_are_bounded_and_say_how_many_were_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let planner = planner(folder.path());
    let mut decoder = Decoder::with(planner.known(), Box::new(planner), WireForms::default());
    for id in 0..200 {
        put(folder.path(), &format!("{id}.avsc"), &OTHER.replace("\"y\"", &format!("\"y{id}\"")));
        let refused = Err(Stop::Reject(Reject::IncompatibleSchema));
        assert_eq!(decoder.decode(None, &framed(id, &long(7)), &mut [0.0]), refused);
    }
    let told: Vec<String> = std::iter::from_fn(|| decoder.take_note()).map(|note| note.text).collect();
    assert_eq!(told.len(), 65);
    assert!(told[0].starts_with("schema id 0: ") && told[64].starts_with("136 more notes"), "{told:?}");
}
