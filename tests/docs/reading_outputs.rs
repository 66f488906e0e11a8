//! docs/reading-outputs.md as a reader takes it: its Python and Java decode what the program wrote, and the README's
//! transaction comes out as the README shows it. Its tables name every reason, header and field there is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::{Job, RealKafka, Transactions, scorewire};
use crate::support::{Page, python, root};
use scorewire::avro::schemas::AvroSchema;
use scorewire::error::Reject;
use scorewire::lane::deliver::dead_letter::{DeadLetterHeaders, Place};
use scorewire::load::simulate::payloads::Framing;
use scorewire::values::letters::Holds;
use scorewire::values::settings::HeaderStyle;
use serde_json::Value as Json;

const PAGE: &str = "docs/reading-outputs.md";

/// Writes the README's transaction, which is JSON there, to a topic's first partition.
const PRODUCE: &str = r#"
import io, json, sys
from datetime import datetime
from decimal import Decimal
import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

bootstrap, topic, path, text = sys.argv[1:]
schema = json.load(open(path))
record = json.loads(text)
record["event_time"] = datetime.fromisoformat(record["event_time"].replace("Z", "+00:00"))
record["amount"] = Decimal(record["amount"])
out = io.BytesIO(b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")))
out.seek(0, 2)
fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(topic, out.getvalue(), partition=0, on_delivery=lambda error, _: error and sys.exit(str(error)))
sys.exit(producer.flush(30))
"#;

/// What a command says; it must end well.
#[track_caller]
pub fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The folder of Kafka's jars, with Avro's beside them.
pub fn jars() -> String {
    let said = said(Command::new(root().join("scripts/kafka")).arg("fetch"));
    said.lines().last().and_then(|line| line.strip_prefix("libs=")).expect("scripts/kafka names it").to_owned()
}

/// The README's two records.
fn shown() -> [Json; 2] {
    let readme = Page::read("README.md");
    let json: Vec<Json> = readme.blocks("json").iter().map(|block| serde_json::from_str(block).unwrap()).collect();
    json.try_into().expect("one record in and one out")
}

#[test]
fn python_and_java_of_the_page_decode_the_outputs_and_the_readmes_transaction_comes_out_as_shown() {
    let (Some(kafka), Some(python)) = (RealKafka::connect(), python()) else { return };
    let job = Job::new(&kafka, "reading", 2);
    let schema = root().join("models/card-fraud-gbdt/transaction.avsc");
    let [transaction, output] = shown();
    let readmes = transaction.to_string();
    let produce = ["-B", "-c", PRODUCE, kafka.bootstrap(), &job.input, schema.to_str().unwrap(), &readmes];
    said(Command::new(&python).args(produce));
    kafka.produce(&job.input, &Transactions::new(Framing::SingleObject).spread(99, 2));
    let finished = job.run_until_end(&["kafka.node=scoring-1"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);

    let page = Page::read(PAGE);
    let folder = job.folder();
    for (file, args) in [
        ("model_output.avsc", &[][..]),
        ("model_output.1.avsc", &["--version", "1"]),
        ("model_output.jsonl", &["--all"]),
    ] {
        std::fs::write(folder.join(file), said(scorewire().args(["schema", "outputs"]).args(args))).unwrap();
    }
    // The others are for outputs with ids of a registry, and for fingerprints.
    let ([script, ..], [program, _]) = (&page.blocks("python")[..], &page.blocks("java")[..]) else {
        panic!("other blocks")
    };
    let args = [kafka.bootstrap(), &job.input, &job.outputs, schema.to_str().unwrap()];
    let lines = said(Command::new(&python).current_dir(folder).args(["-B", "-c", script]).args(args));
    let pairs: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pairs.len(), 100, "each transaction has its output, once");
    for pair in &pairs {
        assert_eq!(pair["output"]["transaction_id"], pair["transaction"]["transaction_id"], "joined with its own");
    }
    let readmes = pairs.iter().find(|pair| pair["output"]["transaction_id"] == output["transaction_id"]).unwrap();
    assert_shown(&readmes["output"], &output);

    std::fs::write(folder.join("ReadOutputs.java"), program).unwrap();
    let classes = format!("{}/*", jars());
    let args = ["-cp", &classes, "ReadOutputs.java", kafka.bootstrap(), &job.outputs];
    let by_java = said(Command::new("java").current_dir(folder).args(args));
    assert_eq!(by_java.lines().map(java_line).collect::<BTreeSet<_>>(), pairs.iter().map(python_line).collect());
    kcat(&page, &job);
}

/// The README's output but for what differs each time: where it lay and when.
fn assert_shown(found: &Json, shown: &Json) {
    for field in ["score", "decision", "thresholds", "node", "lane", "model", "provider", "schema", "fallback", "late"]
    {
        assert_eq!(found[field], shown[field], "{field}");
    }
    let names = |json: &Json| json.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    // Fields that are planned are null, and not shown.
    let filled: Json = found.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(pair).collect();
    assert_eq!(names(&filled), names(shown));
    assert_eq!(names(&found["source"]), names(&shown["source"]));
}

fn pair((name, value): (&String, &Json)) -> (String, Json) {
    (name.clone(), value.clone())
}

pub fn java_line(line: &str) -> (String, String, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let score: f64 = words[2].parse().unwrap();
    (words[0].to_owned(), words[1].to_owned(), as_answered(score))
}

fn python_line(pair: &Json) -> (String, String, String) {
    place_and_score(&pair["output"])
}

/// Of an output: its source, its decision and its score.
pub fn place_and_score(output: &Json) -> (String, String, String) {
    let source = &output["source"];
    let place = format!("{}-{}-{}", source["topic"].as_str().unwrap(), source["partition"], source["offset"]);
    (place, output["decision"].as_str().unwrap().to_owned(), as_answered(output["score"].as_f64().unwrap()))
}

/// The model's own answer, a float32: JSON is read to the last bit but one.
fn as_answered(score: f64) -> String {
    (score as f32).to_string()
}

/// Its lines of kcat, where there is one: it is no part of what the tests need.
fn kcat(page: &Page, job: &Job) {
    if Command::new("kcat").arg("-V").output().is_err() {
        return;
    }
    let places = [
        ("broker-1:9092", job.kafka.bootstrap()),
        ("model-outputs", &job.outputs),
        ("model-dead-letters", &job.dead_letters),
    ];
    let blocks = page.blocks("sh").into_iter().filter(|block| block.starts_with("kcat "));
    let said: Vec<String> = blocks
        .map(|block| places.iter().fold(block.to_owned(), |text, (shown, real)| text.replace(shown, real)))
        .map(|line| String::from_utf8(Command::new("bash").args(["-c", &line]).output().unwrap().stdout).unwrap())
        .collect();
    assert_eq!(said.iter().map(|text| text.lines().count()).collect::<Vec<_>>(), [100, 0, 0], "{said:?}");
    assert!(said[0].lines().all(|line| line.contains("scorewire.outcome=")), "{}", said[0]);
}

/// First cells of the table whose header begins with this one, without their back quotes.
fn rows(page: &Page, header: &str) -> Vec<String> {
    let table = page.text.lines().skip_while(|line| !line.starts_with(&format!("| {header} |"))).skip(2);
    let cells = table.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap());
    cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[test]
fn the_page_names_every_reason_and_every_header_of_a_dead_letter() {
    let page = Page::read(PAGE);
    let reasons: BTreeSet<String> = Reject::ALL.iter().map(|reject| reject.reason().to_owned()).collect();
    assert_eq!(rows(&page, "reason").into_iter().collect::<BTreeSet<_>>(), reasons);

    let place = Place { node: String::new(), lane: 0 };
    let headers = DeadLetterHeaders::new(HeaderStyle::Scorewire, "t", "1", place, Vec::new());
    let names: Vec<&str> = headers.list(Holds::Whole).iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(rows(&page, "header"), names);
}

#[test]
fn the_page_names_every_field_of_an_output() {
    let schema: Json =
        serde_json::from_str(&std::fs::read_to_string(root().join("src/avro/schemas/model_output.avsc")).unwrap())
            .unwrap();
    let fields = schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
    let told = rows(&Page::read(PAGE), "field");
    let told = told.iter().flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`').to_owned());
    assert_eq!(told.collect::<BTreeSet<_>>(), fields.collect());
}

#[test]
fn the_command_prints_the_schemas_that_are_written_with_and_every_version_with_its_fingerprint() {
    for (name, file) in [("outputs", "model_output.avsc"), ("review", "human_review.avsc")] {
        let printed = said(scorewire().args(["schema", name]));
        assert_eq!(printed, std::fs::read_to_string(Path::new("src/avro/schemas").join(file)).unwrap());
        let first = said(scorewire().args(["schema", name, "--version", "1"]));
        let all: Vec<Json> = said(scorewire().args(["schema", name, "--all"]))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let numbers: Vec<u64> = all.iter().map(|version| version["version"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).rev().collect::<Vec<_>>());
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        assert_eq!(all[0]["schema"], json(&printed));
        assert_eq!(all[all.len() - 1]["schema"], json(&first));
        for version in &all {
            let schema = AvroSchema::parse(&version["schema"].to_string(), "printed").unwrap();
            assert_eq!(version["fingerprint"], format!("{:016x}", schema.fingerprint()));
        }
    }
    for (args, hint) in [(&["dead-letters"][..], "outputs"), (&["outputs", "--version", "99"], "--all")] {
        let wrong = scorewire().arg("schema").args(args).output().unwrap();
        assert_eq!(wrong.status.code(), Some(64));
        let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(told.contains(hint), "{told}");
    }
}
