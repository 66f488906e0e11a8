//! `scorewire score` with a registry: a person sees what a lane would make of ids and GUIDs, also while the registry is away,
//! and needs no right to write where a node keeps its schemas.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use scorewire::avro::container::Container;
use scorewire::values::record::SchemaKey;
use serde_json::{Value as Json, json};

use crate::common::scorewire;
use crate::stub::{Said, Stub};

const GUID: [u8; 16] = [0xab; 16];

/// One without trees, whose kernels take their time to be proven at each start.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-mlp")
}

fn records() -> Container {
    Container::read(&std::fs::read(package().join("golden_records.avro")).unwrap(), "golden").unwrap()
}

/// The answer for the schema that the golden records were written with.
fn answer() -> Json {
    json!({ "schema": records().writer.text() })
}

/// The first golden record behind each of these prefixes, a line of hex each.
fn lines(prefixes: &[&str]) -> String {
    let record = &records().records[0];
    let datum = record.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    prefixes.iter().map(|prefix| format!("{prefix}{datum}\n")).collect()
}

fn of_id(id: u32) -> String {
    format!("00{id:08x}")
}

/// A configuration with this registry.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(url: &str, more: &str) -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let text = format!(
            "[kafka]\nbootstrap = \"nobody:9092\"\ngroup = \"g\"\n[model]\npackage = {:?}\n[schemas]\n{more}\n\
             [schemas.registry]\nurls = [{url:?}]\ncache_dir = {:?}\nrequest_timeout_ms = 1000\n",
            package(),
            desk.kept()
        );
        std::fs::write(desk.path("scorewire.toml"), text).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn kept(&self) -> PathBuf {
        self.path("kept")
    }

    fn with_folder(self) -> Desk {
        std::fs::create_dir(self.kept()).unwrap();
        self
    }

    /// A line for each record, and what was told beside them.
    #[track_caller]
    fn score(&self, lines: &str) -> (Vec<Json>, String) {
        let file = self.path("values.hex");
        std::fs::write(&file, lines).unwrap();
        self.score_file(&file)
    }

    #[track_caller]
    fn score_file(&self, file: &Path) -> (Vec<Json>, String) {
        let mut command = scorewire();
        let output = command.arg("score").arg("-c").arg(self.path("scorewire.toml")).arg(file).output().unwrap();
        let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{told}");
        (said.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), told)
    }
}

#[track_caller]
fn assert_scored(line: &Json) {
    assert!(line["score"].is_f64(), "{line}");
}

#[test]
fn ids_and_guids_are_asked_once_each_and_what_the_registry_does_not_know_is_a_reject() {
    let guid = format!("/schemas/guids/{}", SchemaKey::Guid(GUID));
    let stub = Stub::of_paths([("/schemas/ids/7".to_owned(), answer()), (guid, answer())]);
    let desk = Desk::new(&stub.url(), "").with_folder();
    let cut = |line: &str| format!("{}\n", &line.trim_end()[..line.trim_end().len() - 6]);
    let by_guid = format!("01{}", "ab".repeat(GUID.len()));
    let values = lines(&[&of_id(7), &of_id(7), &by_guid, &of_id(8), &of_id(8)]) + &cut(&lines(&[&of_id(7)]));
    let (found, told) = desk.score(&values);
    (0..3).for_each(|at| assert_scored(&found[at]));
    assert_eq!(found[3]["reject"]["reason"], "unknown_schema", "{}", found[3]);
    assert_eq!(found[4]["reject"]["reason"], "unknown_schema", "{}", found[4]);
    assert!(found[5]["reject"]["reason"] == "truncated" && found[5]["reject"]["field"].is_string(), "{}", found[5]);
    assert_eq!((stub.asked("/schemas/ids/7"), stub.asked("/schemas/guids/"), stub.asked("/schemas/ids/8")), (1, 1, 1));
    assert_eq!(stub.requests().len(), 3, "nothing else is asked: {:?}", stub.requests());
    assert!(told.contains("has no schema id 8") && told.contains("3 would be dead letters"), "{told}");
}

#[test]
fn where_unknown_schemas_are_waited_for_the_record_waits_and_says_why() {
    let stub = Stub::of_ids([]);
    let desk = Desk::new(&stub.url(), "on_unknown = \"wait\"").with_folder();
    let (found, told) = desk.score(&lines(&[&of_id(8), &of_id(8), &of_id(8)]));
    for line in &found {
        let why = line["waits"].as_str().unwrap();
        assert!(why.contains("has no schema id 8") && !why.contains("fix") && !why.contains('\n'), "{line}");
        assert!(line["fix"].as_str().unwrap().contains("do the producers register at this registry"), "{line}");
    }
    assert!(told.contains("3 would wait for a schema"), "{told}");
    assert_eq!(stub.asked("/schemas/ids/8"), 1, "a file may have any number of its records");
}

#[test]
fn while_the_registry_is_away_what_is_kept_counts_and_the_rest_waits() {
    let mut stub = Stub::of_ids([(7, answer())]);
    let desk = Desk::new(&stub.url(), "").with_folder();
    assert_scored(&desk.score(&lines(&[&of_id(7)])).0[0]);
    stub.stop();
    let (found, told) = desk.score(&lines(&[&of_id(7), &of_id(8), &of_id(9), &of_id(7)]));
    (0..4).filter(|at| at % 3 == 0).for_each(|at| assert_scored(&found[at]));
    for waits in &found[1..3] {
        let why = waits["waits"].as_str().unwrap_or_else(|| panic!("{waits}"));
        assert!(why.contains("gives no answer") && why.contains("refused") && !why.contains('\n'), "{why}");
        assert!(waits["fix"].is_string(), "{waits}");
    }
    assert_eq!(told.matches("what is kept counts").count(), 1, "{told}");
    stub.start();
    stub.say(|_| Said::not_found());
    let (found, told) = desk.score(&lines(&[&of_id(7)]));
    assert_scored(&found[0]);
    assert!(told.contains("no longer has schema id 7"), "{told}");
}

#[test]
fn an_answer_that_does_not_count_is_asked_for_again_and_a_right_that_is_lacking_is_told() {
    let (times, good) = (AtomicUsize::new(0), answer());
    let stub = Stub::new(move |request| match request.path.as_str() {
        "/schemas/ids/7" if times.fetch_add(1, Ordering::SeqCst) < 2 => Said::Answer(503, String::new()),
        "/schemas/ids/7" => Said::json(200, good.clone()),
        _ => Said::json(403, json!({ "error_code": 40301, "message": "User is denied" })),
    });
    let (found, told) = Desk::new(&stub.url(), "").with_folder().score(&lines(&[&of_id(7), &of_id(8), &of_id(8)]));
    assert_scored(&found[0]);
    for line in &found[1..] {
        assert!(line["waits"].as_str().unwrap().contains("User is denied"), "{line}");
    }
    assert_eq!((stub.asked("/schemas/ids/7"), stub.asked("/schemas/ids/8")), (3, 1), "{told}");
}

/// `score` may run as somebody whose files the node may not read.
#[test]
fn what_a_node_has_kept_stays_as_it_is() {
    let stub = Stub::of_ids([(7, answer())]);
    let desk = Desk::new(&stub.url(), "").with_folder();
    assert_scored(&desk.score(&lines(&[&of_id(7)])).0[0]);
    let file = desk.kept().join("id-7.json");
    let written = || std::fs::metadata(&file).unwrap().modified().unwrap();
    let before = written();
    assert_scored(&desk.score(&lines(&[&of_id(7)])).0[0]);
    assert_eq!((written(), stub.asked("/schemas/ids/7")), (before, 2));
    std::fs::write(&file, "spoilt").unwrap();
    assert_scored(&desk.score(&lines(&[&of_id(7)])).0[0]);
    assert!(std::fs::read_to_string(&file).unwrap().contains("id 7"), "what nobody can use is written anew");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_once_and_stops_nobody() {
    let stub = Stub::of_ids([(7, answer()), (9, answer())]);
    let desk = Desk::new(&stub.url(), "");
    let (found, told) = desk.score(&lines(&[&of_id(7), &of_id(9)]));
    found.iter().for_each(assert_scored);
    assert_eq!(told.matches("not kept for an outage").count(), 1, "{told}");
    assert!(told.contains("schemas.registry.cache_dir") && !desk.kept().exists(), "the folder is a node's to make");
}

#[test]
fn what_a_container_file_or_the_folder_says_is_asked_of_nobody() {
    let stub = Stub::of_ids([]);
    let schemas = tempfile::tempdir().unwrap();
    std::fs::write(schemas.path().join("7.avsc"), records().writer.text()).unwrap();
    let desk = Desk::new(&stub.url(), &format!("directory = {:?}", schemas.path())).with_folder();
    assert!(desk.score_file(&package().join("golden_records.avro")).0.iter().all(|line| line["score"].is_f64()));
    assert_scored(&desk.score(&lines(&[&of_id(7)])).0[0]);
    assert!(stub.requests().is_empty(), "{:?}", stub.requests());
}
