//! The decode plan against Python's fastavro, on random pairs of schemas that fit, nearly fit and do not: the same
//! features to the bit, or both refuse. Where we answer otherwise on purpose, [`Rule`] says why.
//!
//! `scripts/test --long` runs it with the fastavro it pins; `SCOREWIRE_TEST_FASTAVRO` names another Python that has one,
//! and `SCOREWIRE_TEST_SEED` other pairs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::avro_support::pairs::{Pair, Rule};
use crate::avro_support::{Found, compile, decode};
use scorewire::avro::feature::{Missing, Transform};
use scorewire::error::Reject;
use scorewire::values::record::TransactionId;
use serde_json::Value as Json;

const PAIRS: u64 = 4_000;

/// A Python with fastavro; `None` (said loudly) where there is none.
fn python() -> Option<String> {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/long/venv/bin/python");
    let python = std::env::var("SCOREWIRE_TEST_FASTAVRO").unwrap_or_else(|_| pinned.display().to_string());
    let there = Command::new(&python).args(["-c", "import fastavro"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("SKIPPED: no fastavro in {python}: `scripts/test --long` puts it there");
    }
    there.then_some(python)
}

/// What fastavro says of each payload of each pair.
fn answers(python: &str, pairs: &[Pair]) -> Vec<Vec<Json>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs");
    let mut file = File::create(&path).unwrap();
    pairs.iter().for_each(|pair| writeln!(file, "{}", pair.line()).unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test.d/fastavro_rows.py");
    let done = Command::new(python).arg("-B").arg(script).stdin(File::open(&path).unwrap()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = String::from_utf8(done.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often each kind of answer came.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}

#[test]
#[ignore = "needs Python's fastavro: scripts/test --long"]
fn random_pairs_read_as_fastavro_reads_them() {
    let Some(python) = python() else { return };
    let first = std::env::var("SCOREWIRE_TEST_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let pairs: Vec<Pair> = (first..first + PAIRS).map(Pair::drawn).collect();
    let answers = answers(&python, &pairs);
    assert_eq!(answers.len(), pairs.len());
    let mut tally = Tally::default();
    for ((seed, pair), theirs) in (first..).zip(&pairs).zip(&answers) {
        let context = || format!("seed {seed}\n{}\n{}", pair.writer.schema(), pair.reader.schema());
        match compile(&pair.writer.schema().to_string(), &pair.reader.schema().to_string(), &pair.wanted) {
            Err(why) => refused_as_a_whole(pair, theirs, &mut tally).unwrap_or_else(|| panic!("{why}\n{}", context())),
            Ok(plan) => {
                assert_eq!(theirs.len(), pair.payloads.len());
                for (payload, theirs) in pair.payloads.iter().zip(theirs) {
                    let ours = decode(&plan, payload);
                    if let Err(why) = compare(pair, payload, &ours, theirs, &mut tally) {
                        panic!("{why}\nours: {ours:?}\ntheirs: {theirs}\n{payload:02x?}\n{}", context());
                    }
                }
            }
        }
    }
    println!("{PAIRS} pairs: {:#?}", tally.0);
    let rules = [Rule::TextAndDecimal, Rule::OtherUnit, Rule::AsAWhole].map(|rule| format!("pair refused by {rule:?}"));
    let least = [("same row", 8_000), ("both refuse", 4_000), ("pair refused by both", 400), (&rules[0], 1)];
    for (what, least) in least.into_iter().chain([(rules[1].as_str(), 20), (&rules[2], 50)]) {
        assert!(tally.of(what) >= least, "{what}: {}", tally.of(what));
    }
}

/// `None`: fastavro reads what we refuse, and no rule says why.
fn refused_as_a_whole(pair: &Pair, theirs: &[Json], tally: &mut Tally) -> Option<()> {
    let rejects = |answer: &Json| answer["row"].as_array().is_some_and(|row| row.iter().any(|value| value == "reject"));
    if theirs.iter().all(|answer| !answer["refused"].is_null() || rejects(answer)) {
        tally.add("pair refused by both");
        return Some(());
    }
    let rule = *pair.rules().first()?;
    tally.add(format!("pair refused by {rule:?}"));
    Some(())
}

fn compare(
    pair: &Pair,
    payload: &[u8],
    ours: &Result<Found, Reject>,
    theirs: &Json,
    tally: &mut Tally,
) -> Result<(), String> {
    let row: Vec<&str> = theirs["row"].as_array().map_or(vec![], |row| row.iter().filter_map(Json::as_str).collect());
    let is_refused = !theirs["refused"].is_null() || row.contains(&"reject");
    match ours {
        Err(_) if is_refused => tally.add("both refuse"),
        // A present value that is no number is missing where the policy is NaN, and otherwise a reject.
        Err(_) if pair.rejects_not_finite(&row) => tally.add("not finite"),
        Err(reject) => return Err(format!("only we refuse: {reject:?}")),
        Ok(_) if is_refused => {
            let why = theirs["refused"].as_str().unwrap_or("a feature without a number");
            let (is_text, is_type) = (why.starts_with("UnicodeDecodeError"), why.starts_with("SchemaResolutionError"));
            if is_text && pair.only_asks_for_text() {
                tally.add("text that nobody reads");
            } else if (is_text || is_type) && pair.has_records_in_arrays() {
                tally.add("records in arrays that nobody looks into");
            } else {
                return Err("only fastavro refuses".into());
            }
        }
        Ok(found) => {
            for (column, (value, expected)) in found.row.iter().zip(&row).enumerate() {
                if !is_same(pair, column, *value, expected) {
                    return Err(format!("column {column} is {value}, not {expected}"));
                }
            }
            let ids = (found.id, &theirs["id"]);
            let same_id = match ids {
                (TransactionId::Absent, id) => id.is_null(),
                (TransactionId::Long(found), id) => id.as_i64() == Some(found),
                (TransactionId::Text { start, len }, id) => {
                    id.as_str().map(str::as_bytes) == payload.get(start as usize..(start + len) as usize)
                }
            };
            if !same_id || found.event_time_ms != theirs["time"].as_i64() {
                return Err("another id or time".into());
            }
            tally.add("same row");
        }
    }
    Ok(())
}

fn is_same(pair: &Pair, column: usize, value: f32, expected: &str) -> bool {
    let feature = &pair.wanted.features[column];
    match expected.trim_start_matches("grown ") {
        "nan" => value.is_nan(),
        "not finite" => feature.missing == Some(Missing::Nan) && value.is_nan(),
        hex => {
            let expected = f32::from_bits(u32::from_str_radix(hex, 16).expect("eight digits"));
            let once = feature.transform == Transform::Number && pair.rounds_once(column);
            let neighbours = [expected.next_down(), expected.next_up()];
            value.to_bits() == expected.to_bits() || once && neighbours.contains(&value)
        }
    }
}
