//! The Python of docs/reading-outputs.md makes the fingerprints that the product does: those of `scorewire score` for odd
//! numbers, and those on outputs of a topic, whose transactions are scored again from what the input holds.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::Command;

use crate::common::{Job, Outcome, RealKafka, Transactions, scorewire};
use crate::model_support::{Draft, library};
use crate::reading_outputs::said;
use crate::support::{Page, python};
use apache_avro::types::Value;
use scorewire::avro::schemas::AvroSchema;
use scorewire::load::simulate::payloads::Framing;
use serde_json::Value as Json;

/// Behind the page's own lines: a line of `scorewire score` in, the fingerprint out.
const DRIVER: &str = r#"
import json
import sys

for line in sys.stdin:
    row = [float("nan") if value is None else value for value in json.loads(line)["features"].values()]
    print(fingerprint(row, *sys.argv[1:]).hex())
"#;

/// What the command says of these lines, from a file: a pipe may fill up while nobody reads the other one.
#[track_caller]
fn said_of(stdin: &str, command: &mut Command) -> String {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(stdin.as_bytes()).unwrap();
    file.rewind().unwrap();
    said(command.stdin(file))
}

/// Lines of `scorewire score` for values in hexadecimal, and the page's fingerprints of their rows.
#[track_caller]
fn scored(config: &Path, values: &str, (python, sha256, version): (&str, &str, &str)) -> (Vec<Json>, Vec<String>) {
    let mut score = scorewire();
    score.args(["score", "-", "--config"]).arg(config).arg("--onnxruntime").arg(library());
    let lines = said_of(values, score.env("SCOREWIRE__OUTPUTS__FINGERPRINT", "true"));
    let page = Page::read("docs/reading-outputs.md");
    let script = *page.blocks("python").last().unwrap();
    assert!(script.contains("def fingerprint("), "another block: {script}");
    let made = said_of(&lines, Command::new(python).args(["-B", "-c", &format!("{script}{DRIVER}"), sha256, version]));
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, made.lines().map(str::to_owned).collect())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_pages_python_makes_the_fingerprints_of_odd_numbers() {
    let Some(python) = python() else { return };
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    let config = draft.path().join("scorewire.toml");
    let text = format!(
        "[kafka]\nbootstrap = \"127.0.0.1:1\"\ngroup = \"g\"\n[model]\npackage = \"{}\"\n\
         [thresholds]\nreview = 0.2\ndecline = 0.8\nversion = \"möde 7\"\n",
        draft.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let schema = std::fs::read_to_string(draft.path().join("transaction.avsc")).unwrap();
    let prefix = [&[0xC3, 1][..], &AvroSchema::parse(&schema, "test").unwrap().fingerprint().to_le_bytes()].concat();
    let tiny = f64::from(f32::from_bits(1));
    // A NaN is missing however it is spelled; an infinity is too.
    let negative_nan = f64::from_bits(0xFFF8_0000_0000_1234);
    let missing = [None, Some(f64::NAN), Some(negative_nan), Some(f64::INFINITY), Some(f64::NEG_INFINITY)];
    let numbers = [-0.0, 0.0, tiny, -tiny, f64::from(f32::MIN_POSITIVE) / 3.0, f64::from(f32::MAX), 0.1, -1e30, 1.0];
    let odd: Vec<Option<f64>> = missing.into_iter().chain(numbers.map(Some)).collect();
    let mut values = String::new();
    for at in 0..odd.len() * odd.len() {
        let mut value = [&prefix[..], &[2]].concat();
        for place in [at, at / odd.len(), at + 5, at / 3] {
            match odd[place % odd.len()] {
                None => value.push(0),
                Some(number) => value.extend_from_slice(&[&[2][..], &number.to_le_bytes()].concat()),
            }
        }
        values += &format!("{}\n", hexadecimal(&value));
    }
    let (_, rest) = draft.manifest.split_once("sha256 = \"").unwrap();
    let (lines, made) = scored(&config, &values, (&python, &rest[..64], "möde 7"));
    assert_eq!((lines.len(), made.len()), (odd.len() * odd.len(), odd.len() * odd.len()));
    for (line, made) in lines.iter().zip(&made) {
        assert_eq!(line["fingerprint"], made.as_str(), "{line}");
    }
    let has = |wanted: &dyn Fn(&Json) -> bool| lines.iter().any(|line| wanted(&line["features"]["a"]));
    let is = |bits: u32| has(&|value| value.as_f64().is_some_and(|value| (value as f32).to_bits() == bits));
    assert!(has(&Json::is_null) && is((-0.0_f32).to_bits()) && is(1) && is(f32::MAX.to_bits()));
}

#[test]
fn transactions_that_are_scored_again_have_the_fingerprints_of_their_outputs() {
    let (Some(kafka), Some(python)) = (RealKafka::connect(), python()) else { return };
    let job = Job::new(&kafka, "fingerprints", 2);
    let sent = Transactions::new(Framing::SingleObject).spread(60, 2);
    kafka.produce(&job.input, &sent);
    let finished = job.run_until_end(&["outputs.fingerprint=true", "review.sample_per_million=1000000"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);

    let outputs: Vec<Outcome> = kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect();
    let copies: Vec<Outcome> = kafka.read(&job.review).into_iter().map(Outcome::of_review).collect();
    assert_eq!((outputs.len(), copies.len()), (60, 60));
    let values: String = sent.iter().map(|record| hexadecimal(record.value.as_ref().unwrap()) + "\n").collect();
    let (sha256, version) = (outputs[0].text("model.sha256"), outputs[0].text("thresholds.version"));
    let (lines, made) = scored(&job.config(), &values, (&python, &sha256, &version));
    let again = lines.iter().zip(&made).map(|(line, made)| (line["id"].as_str().unwrap(), made.as_str()));
    let again: BTreeMap<&str, &str> = again.collect();
    assert_eq!(again.len(), 60);
    for outcome in outputs.iter().chain(&copies) {
        let Value::Fixed(16, bytes) = outcome.at("fingerprint") else { panic!("{outcome:?}") };
        assert_eq!(again[outcome.text("transaction_id").as_str()], hexadecimal(&bytes), "{outcome:?}");
    }
}
