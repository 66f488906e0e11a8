//! Schemas as a planner gets them: from the registry, from the disk while it is away, and never a dead letter for want of an
//! answer.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use scorewire::avro::schemas::{AvroSchema, Lookup, SchemaDirectory, SchemaSource};
use scorewire::observe::registry::RegistryStatus;
use scorewire::registry::client::Client;
use scorewire::registry::kept::Kept;
use scorewire::registry::settings::RegistrySettings;
use scorewire::registry::source::RegistrySource;
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::OnUnknown;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::common::{STEP, wait_for};
use crate::stub::{Said, Stub};

pub const TOPIC: &str = "in";

pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A source with its folder of kept schemas.
pub fn source(url: &str, kept: &Path) -> RegistrySource {
    let mut settings = RegistrySettings::new(url, kept);
    settings.request_timeout = Duration::from_millis(500);
    with(&settings, SchemaDirectory::without_folder(OnUnknown::DeadLetter), OnUnknown::DeadLetter)
}

pub fn with(settings: &RegistrySettings, directory: SchemaDirectory, on_unknown: OnUnknown) -> RegistrySource {
    let client = Arc::new(Client::new(settings).unwrap());
    let kept = Arc::new(Kept::open(settings).unwrap());
    let status = Arc::new(RegistryStatus::default());
    RegistrySource::start(client, kept, TOPIC, directory, on_unknown, status).unwrap()
}

pub fn record(name: &str, fields: &[&str]) -> Json {
    let fields: Vec<Json> = fields.iter().map(|field| json!({ "name": field, "type": "double" })).collect();
    json!({ "type": "record", "name": name, "fields": fields })
}

pub fn answer(schema: &Json) -> Json {
    json!({ "schema": schema.to_string() })
}

/// Asks until there is an answer for good.
#[track_caller]
pub fn settled(source: &mut RegistrySource, key: SchemaKey) -> Lookup {
    wait_for("an answer for good", STEP, || match source.lookup(key) {
        Lookup::Coming | Lookup::Pending => None,
        answer => Some(answer),
    })
}

#[track_caller]
pub fn found(source: &mut RegistrySource, id: u32) -> Arc<AvroSchema> {
    match settled(source, SchemaKey::Id(id)) {
        Lookup::Found(schema) => schema,
        other => panic!("{id}: {other:?}"),
    }
}

#[track_caller]
fn refused(source: &mut RegistrySource, id: u32) -> String {
    match settled(source, SchemaKey::Id(id)) {
        Lookup::Refused(why) => why,
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn a_schema_is_fetched_once_and_read_from_the_disk_when_the_registry_is_away() {
    let mut stub = Stub::of_ids([(7, answer(&record("R", &["x"])))]);
    let kept = folder();
    let mut first = source(&stub.url(), kept.path());
    assert!(matches!(first.lookup(SchemaKey::Id(7)), Lookup::Coming), "nobody waits within the call");
    let schema = found(&mut first, 7);
    assert!((0..9).all(|_| Arc::ptr_eq(&found(&mut first, 7), &schema)));
    assert_eq!(stub.asked("/schemas/ids/7"), 1);
    drop(first);
    stub.stop();
    let mut second = source(&stub.url(), kept.path());
    assert!(!second.settle(STEP), "the registry did not answer");
    assert_eq!(found(&mut second, 7).text(), schema.text());
    assert_eq!(second.known(), [SchemaKey::Id(7)], "so that its plan is made before the first record");
}

#[test]
fn an_outage_is_never_an_answer_and_ends_by_itself() {
    let mut stub = Stub::of_ids([(7, answer(&record("R", &["x"])))]);
    stub.stop();
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    let why = wait_for("the outage is noticed", STEP, || match source.lookup(SchemaKey::Id(7)) {
        Lookup::Coming => None,
        Lookup::Pending => source.problem(SchemaKey::Id(7)),
        other => panic!("{other:?}"),
    });
    assert!(why.contains("refused") && why.contains("fix:"), "{why}");
    // Each of the others is in the client's own tests: rests grow with every failure.
    stub.start();
    for (status, body) in [(503, ""), (404, "<html>")] {
        stub.say(move |_| Said::Answer(status, body.into()));
        let before = stub.asked("/schemas/ids/7");
        wait_for("it is asked again", STEP, || (stub.asked("/schemas/ids/7") > before).then_some(()));
        assert!(matches!(source.lookup(SchemaKey::Id(7)), Lookup::Pending), "{status}");
    }
    let good = answer(&record("R", &["x"]));
    stub.say(move |_| Said::json(200, good.clone()));
    let bell = source.bell().unwrap();
    wait_for("it arrives", STEP, || {
        let _ = bell.recv_timeout(Duration::from_millis(50));
        source
            .take_arrived()
            .contains(&SchemaKey::Id(7))
            .then(|| source.lookup(SchemaKey::Id(7)))
            .filter(|answer| matches!(answer, Lookup::Found(_)))
    });
}

#[test]
fn an_id_that_is_there_a_moment_later_is_no_dead_letter_and_one_that_never_comes_is_unknown() {
    let times = AtomicUsize::new(0);
    let good = answer(&record("R", &["x"]));
    let stub = Stub::new(move |request| match request.path.as_str() {
        "/schemas/ids/7" if times.fetch_add(1, Ordering::SeqCst) > 0 => Said::json(200, good.clone()),
        _ => Said::not_found(),
    });
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    found(&mut source, 7);
    assert!(matches!(settled(&mut source, SchemaKey::Id(8)), Lookup::Unknown));
    assert_eq!(stub.asked("/schemas/ids/8"), 2);
    let why = source.problem(SchemaKey::Id(8)).unwrap();
    assert!(why.contains("has no schema id 8") && why.contains(&stub.url()), "{why}");
    assert!(matches!(source.lookup(SchemaKey::Id(8)), Lookup::Unknown) && stub.asked("/schemas/ids/8") == 2);
}

#[test]
fn where_unknown_schemas_are_waited_for_a_not_found_is_one_more_reason_to_wait() {
    let stub = Stub::of_ids([]);
    let kept = folder();
    let settings = RegistrySettings::new(&stub.url(), kept.path());
    let mut source = with(&settings, SchemaDirectory::without_folder(OnUnknown::DeadLetter), OnUnknown::Wait);
    source.lookup(SchemaKey::Id(8));
    wait_for("the registry is asked", STEP, || (stub.asked("/schemas/ids/8") >= 2).then_some(()));
    assert!(!matches!(source.lookup(SchemaKey::Id(8)), Lookup::Unknown));
}

/// Half a second for each of them would hold up their partition for an hour.
#[test]
fn a_flood_of_ids_that_nobody_knows_is_answered_at_the_rate_of_look_ups() {
    let stub = Stub::of_ids([(7, answer(&record("R", &["x"])))]);
    let kept = folder();
    let mut settings = RegistrySettings::new(&stub.url(), kept.path());
    settings.lookups_per_second_max = 10_000;
    let mut source = with(&settings, SchemaDirectory::without_folder(OnUnknown::DeadLetter), OnUnknown::DeadLetter);
    let keys: Vec<SchemaKey> = (1_000..3_000).map(SchemaKey::Id).collect();
    keys.iter().for_each(|key| drop(source.lookup(*key)));
    found(&mut source, 7);
    keys.iter().for_each(|key| assert!(matches!(settled(&mut source, *key), Lookup::Unknown), "{key}"));
    assert!(stub.asked("/schemas/ids/") < 2_100, "a second look is for a few of them");
}

#[test]
fn one_right_that_is_lacking_holds_up_nobody_else() {
    let good = answer(&record("R", &["x"]));
    let stub = Stub::new(move |request| match request.path.as_str() {
        "/schemas/ids/8" => Said::json(403, json!({ "error_code": 40301, "message": "User is denied" })),
        _ => Said::json(200, good.clone()),
    });
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    source.lookup(SchemaKey::Id(8));
    found(&mut source, 7);
    let why = wait_for("the refusal", STEP, || match source.lookup(SchemaKey::Id(8)) {
        Lookup::Pending => source.problem(SchemaKey::Id(8)),
        _ => None,
    });
    assert!(why.contains("User is denied") && why.contains("right"), "{why}");
}

#[test]
fn references_are_followed_and_what_they_lack_or_circle_is_told() {
    let base = record("a.Base", &["x"]);
    let middle = json!({ "type": "record", "name": "a.Middle", "fields": [{ "name": "base", "type": "a.Base" }] });
    let top = json!({ "type": "record", "name": "Top", "fields": [{ "name": "m", "type": "a.Middle" }, { "name": "b", "type": "a.Base" }] });
    let refers = |schema: &Json, to: &[(&str, u32)]| {
        let references: Vec<Json> = to
            .iter()
            .map(|(subject, version)| json!({ "name": "n", "subject": subject, "version": version }))
            .collect();
        json!({ "schema": schema.to_string(), "references": references })
    };
    let stub = Stub::of_paths([
        ("/schemas/ids/1".to_owned(), refers(&top, &[("middle", 2), ("base/x", 1)])),
        ("/subjects/middle/versions/2".to_owned(), refers(&middle, &[("base/x", 1)])),
        ("/subjects/base%2Fx/versions/1".to_owned(), refers(&base, &[("middle", 2)])),
        ("/schemas/ids/2".to_owned(), refers(&top, &[("gone", 1)])),
    ]);
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    let whole = found(&mut source, 1);
    assert!(whole.canonical_form().contains(r#""name":"a.Base","type":"record""#), "{}", whole.canonical_form());
    let why = refused(&mut source, 2);
    assert!(why.contains("version 1 of subject gone"), "{why}");
    drop(source);
    assert_eq!(stub.asked("/subjects/base%2Fx"), 1, "each once, however it is reached");
}

#[test]
fn what_is_no_avro_or_ciphertext_says_so_and_a_good_schema_beside_it_is_read() {
    let encrypted = json!({ "ruleSet": { "encodingRules": [{ "name": "all", "type": "ENCRYPT_PAYLOAD" }] },
        "schema": record("R", &["x"]).to_string() });
    let fields = json!({ "type": "record", "name": "R", "fields": [{ "name": "x", "type": "double" },
        { "name": "pan", "type": "string", "confluent:tags": ["PII"] }] });
    let of_fields = json!({ "schema": fields.to_string(), "ruleSet": { "domainRules": [
        { "name": "pii", "kind": "TRANSFORM", "type": "ENCRYPT", "mode": "WRITEREAD", "tags": ["PII"] }] } });
    let stub = Stub::of_ids([
        (1, json!({ "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\";" })),
        (2, json!({ "schema": "{\"type\":\"record\"}" })),
        (3, encrypted),
        (4, of_fields),
    ]);
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    assert!(refused(&mut source, 1).contains("type PROTOBUF: only Avro is read"));
    assert!(refused(&mut source, 2).contains("no name"));
    assert!(refused(&mut source, 3).contains("encrypts the whole record"));
    assert!(found(&mut source, 4).text().contains("pan (encrypted)"));
    assert_eq!(source.known(), [SchemaKey::Id(4)], "nothing bad is kept");
}

#[test]
fn many_ids_of_one_text_are_one_schema() {
    let same = record("R", &["x"]);
    let stub = Stub::of_ids((1..=300).map(|id| (id, answer(&same))));
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    (1..=300).for_each(|id| drop(source.lookup(SchemaKey::Id(id))));
    let first = found(&mut source, 1);
    assert!((2..=300).all(|id| Arc::ptr_eq(&found(&mut source, id), &first)));
    assert_eq!(Kept::open(&RegistrySettings::new("http://unused:1", kept.path())).unwrap().schemas().0.len(), 300);
}

#[test]
fn a_guid_has_a_path_of_its_own_and_a_context_goes_with_each_id() {
    let guid = SchemaKey::Guid([0xab; 16]);
    let stub = Stub::of_paths([
        (format!("/schemas/guids/{guid}"), answer(&record("R", &["x"]))),
        ("/schemas/ids/7".to_owned(), answer(&record("S", &["x"]))),
    ]);
    let kept = folder();
    let mut settings = RegistrySettings::new(&stub.url(), kept.path());
    settings.context = Some(".risk".into());
    let mut source = with(&settings, SchemaDirectory::without_folder(OnUnknown::DeadLetter), OnUnknown::DeadLetter);
    assert!(matches!(settled(&mut source, guid), Lookup::Found(_)));
    found(&mut source, 7);
    assert_eq!(stub.asked("/schemas/ids/7?subject=%3A.risk%3Ain-value"), 1);
    assert_eq!(stub.asked("/subjects/%3A.risk%3Ain-value/versions/latest"), 1);
}

#[test]
fn a_file_goes_before_the_registry() {
    let stub = Stub::of_ids([(7, answer(&record("OfRegistry", &["x"])))]);
    let (kept, files) = (folder(), folder());
    std::fs::write(files.path().join("7.avsc"), record("OfFile", &["x"]).to_string()).unwrap();
    let directory = SchemaDirectory::open(files.path(), OnUnknown::DeadLetter).unwrap();
    let settings = RegistrySettings::new(&stub.url(), kept.path());
    let mut source = with(&settings, directory, OnUnknown::DeadLetter);
    assert!(found(&mut source, 7).text().contains("OfFile"));
    assert!(matches!(source.lookup(SchemaKey::Fingerprint(1)), Lookup::Unknown));
    assert_eq!(stub.asked("/schemas/ids/7"), 0);
}

#[test]
fn what_the_producers_registered_last_is_there_before_its_first_record() {
    let newest = json!({ "subject": "in-value", "version": 3, "id": 12, "schema": record("R", &["x"]).to_string() });
    let stub = Stub::of_paths([("/subjects/in-value/versions/latest".to_owned(), newest)]);
    let kept = folder();
    let mut source = source(&stub.url(), kept.path());
    assert!(source.settle(STEP));
    assert!(matches!(source.lookup(SchemaKey::Id(12)), Lookup::Found(_)));
    assert_eq!(stub.asked("/schemas/"), 0);
}

/// A registry that was restored gives an old id another schema.
#[test]
fn kept_ids_are_asked_for_again_at_start_and_changes_are_used() {
    let now = Arc::new(Mutex::new(answer(&record("Old", &["x"]))));
    let said = Arc::clone(&now);
    let stub = Stub::new(move |request| match request.path.as_str() {
        "/schemas/ids/7" => Said::json(200, said.lock().unwrap().clone()),
        _ => Said::not_found(),
    });
    let kept = folder();
    found(&mut source(&stub.url(), kept.path()), 7);
    *now.lock().unwrap() = answer(&record("New", &["x"]));
    let mut second = source(&stub.url(), kept.path());
    assert!(second.settle(STEP));
    assert!(found(&mut second, 7).text().contains("New"));
    assert_eq!(second.take_refused(), [SchemaKey::Id(7)], "whoever knew the old one hears it");
    drop(second);
    stub.say(|_| Said::not_found());
    let mut third = source(&stub.url(), kept.path());
    assert!(third.settle(STEP));
    assert!(found(&mut third, 7).text().contains("New"), "a good schema is never forgotten");
}

#[test]
fn what_is_kept_is_bounded_and_nothing_is_forgotten_while_the_registry_is_away() {
    let mut stub = Stub::of_ids((1..=4).map(|id| (id, answer(&record(&format!("R{id}"), &["x"])))));
    let kept = folder();
    let settings = RegistrySettings::new("http://unused:1", kept.path());
    let old = Kept::open(&settings).unwrap();
    for id in 1..=5 {
        let schema = AvroSchema::parse(&record(&format!("R{id}"), &["x"]).to_string(), "test").unwrap();
        old.keep(SchemaKey::Id(id), &schema).unwrap();
        let file = std::fs::File::options().write(true).open(kept.path().join(format!("id-{id}.json"))).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * u64::from(id))).unwrap();
    }
    let left = |source: &RegistrySource| -> Vec<SchemaKey> { source.known() };
    let ids = |ids: &[u32]| ids.iter().map(|id| SchemaKey::Id(*id)).collect::<Vec<_>>();
    stub.stop();
    let away = source(&stub.url(), kept.path());
    assert!(!away.settle(STEP));
    away.bound_kept(3);
    assert_eq!((left(&away), old.schemas().0.len()), (ids(&[1, 2, 3, 4, 5]), 5));
    drop(away);
    stub.start();
    let mut there = source(&stub.url(), kept.path());
    assert!(there.settle(STEP));
    there.bound_kept(3);
    assert_eq!((left(&there), old.schemas().0.len()), (ids(&[2, 3, 4]), 3), "5 is gone, and 1 is the oldest");
    found(&mut there, 1);
    assert_eq!(old.schemas().0.len(), 4, "whoever is named again is kept again");
}
