//! Dead letters brought back, against a real broker. The story: a schema was missing for an hour, 40,000 payments are dead letters,
//! and somebody writes a script that copies them to the input: it loops on those that can never be scored, runs twice after its
//! first crash, and nobody knows what came back.

use std::process::Command;

use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;
use serde_json::Value;

use crate::common::process::{Finished, scorewire};
use crate::common::{Job, ReadRecord, RealKafka, Running, STEP, TestRecord, Transactions};

pub const REDRIVEN: &str = "__scorewire.redrive.attempt";

/// `scorewire dlq ...` of a job.
pub fn command(job: &Job, args: &[&str]) -> Command {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("dlq").args(args).arg("--config").arg(job.config());
    command
}

/// What it said, where it ended with this code.
#[track_caller]
pub fn dlq(job: &Job, code: u8, args: &[&str]) -> Finished {
    let finished = Running::spawn(&mut command(job, args)).wait(STEP);
    assert_eq!(finished.code(), Some(i32::from(code)), "{args:?}\n{}{}", finished.stdout, finished.stderr);
    finished
}

/// Each line of its stdout.
#[track_caller]
pub fn json(job: &Job, code: u8, args: &[&str]) -> Vec<Value> {
    let finished = dlq(job, code, &[args, &["--json"]].concat());
    finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The counts of a replay, and the letters that it told before.
#[track_caller]
pub fn replay(job: &Job, code: u8, args: &[&str]) -> (Value, Vec<Value>) {
    let mut lines = json(job, code, &[&["replay"], args].concat());
    let counts = lines.pop().expect("the last line has the counts");
    (counts, lines)
}

#[track_caller]
pub fn assert_counts(counts: &Value, expected: &[(&str, u64)]) {
    for (name, number) in expected {
        assert_eq!(counts[*name], *number, "{name}: {counts:#}");
    }
}

/// A letter as scorewire writes one of the record at this position of the input.
pub fn letter(job: &Job, (partition, offset): (i32, i64), record: &TestRecord, payload: Option<&str>) -> TestRecord {
    let name = |suffix: &str| format!("__scorewire.errors.{suffix}");
    let mut letter = TestRecord { partition, ..record.clone() };
    letter.headers = record.headers.clone();
    let numbers = [("partition", i64::from(partition)), ("offset", offset), ("attempt", 1), ("timestamp", 1_000)];
    let mut letter =
        numbers.iter().fold(letter, |letter, (suffix, number)| letter.header(&name(suffix), number.to_string()));
    for (suffix, text) in
        [("reason", "unknown_schema"), ("topic", &*job.input), ("schema_id", "17"), ("model_version", "1.4.0")]
    {
        letter = letter.header(&name(suffix), text);
    }
    if let Some(ms) = record.timestamp_ms {
        letter = letter.header(&name("source_timestamp"), ms.to_string());
    }
    payload.map_or(letter.clone(), |payload| letter.header(&name("payload"), payload))
}

/// So many records on the input, and a letter of each.
pub fn with_letters(job: &Job, records: usize, partitions: i32) -> Vec<TestRecord> {
    let record = |number: usize| {
        let (key, value) = (format!("key-{number}"), format!("value-{number}"));
        let record = TestRecord::new(number as i32 % partitions).key(key).value(value);
        record.header("traceparent", format!("00-{number}")).timestamp_ms(1_750_000_000_000 + number as i64)
    };
    let records: Vec<TestRecord> = (0..records).map(record).collect();
    let offsets = job.kafka.produce(&job.input, &records);
    let letters: Vec<TestRecord> = (records.iter().zip(offsets))
        .map(|(record, offset)| letter(job, (record.partition, offset), record, Some("whole")))
        .collect();
    job.kafka.produce(&job.dead_letters, &letters);
    records
}

/// What a replay has written.
pub fn brought_back(job: &Job) -> Vec<ReadRecord> {
    let all = job.kafka.read(&job.input);
    all.into_iter().filter(|record| record.header(REDRIVEN).is_some()).collect()
}

/// Of thirty letters in one partition.
#[track_caller]
fn drops_from_the_beginning_alone(job: &Job) {
    let refused = dlq(job, exit::USAGE, &["drop"]);
    assert!(refused.stderr.contains("--yes"), "nobody can be asked here: {}", refused.stderr);
    let dropped = &json(job, exit::DONE, &["drop", "--dry-run"])[0];
    assert_eq!((&dropped["dropped"], json(job, exit::DONE, &["list"]).len()), (&30.into(), 30));
    let dropped = &json(job, exit::DONE, &["drop", "--to", "0:12", "--yes", "--max", "11"])[0];
    assert_eq!((&dropped["dropped"], &dropped["stay"]), (&11.into(), &1.into()));
    assert_eq!(job.kafka.watermarks(&job.dead_letters, 0).0, 11);
    let dropped = &json(job, exit::DONE, &["drop", "--yes"])[0];
    assert_eq!((&dropped["dropped"], json(job, exit::DONE, &["list"]).len()), (&19.into(), 0));
}

#[test]
fn a_node_s_letters_are_listed_shown_brought_back_until_the_guard_stops_them_and_dropped() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "dlq", 2);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut sent = transactions.spread(40, 2);
    for record in sent.iter_mut().step_by(4) {
        record.value.as_mut().expect("a value").truncate(40);
    }
    kafka.produce(&job.input, &sent);
    let scored = |settings: &[&str]| {
        let finished = job.run_until_end(settings);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    };
    scored(&[]);

    let listed = json(&job, exit::DONE, &["list"]);
    assert_eq!(listed.len(), 10);
    for letter in &listed {
        assert_eq!(
            (&letter["reason"], &letter["attempt"], &letter["payload"]),
            (&"truncated".into(), &1.into(), &"whole".into())
        );
        assert_eq!(letter["source"]["topic"], *job.input);
    }
    let printed = dlq(&job, exit::DONE, &["list", "--limit", "3"]).stdout;
    assert!(printed.starts_with("10 letters of ") && printed.ends_with("7 more: --limit shows them\n"), "{printed}");
    assert!(json(&job, exit::DONE, &["list", "--reason", "oversized"]).is_empty());
    assert!(json(&job, exit::DONE, &["list", "--topic", "timeouts"]).is_empty());
    assert_eq!(json(&job, exit::DONE, &["list", "--partition", "1"]).len(), 0, "every fourth is of partition 0");
    assert_eq!(json(&job, exit::DONE, &["list", "--from", "0:8", "--model-version", "1.0.0"]).len(), 2);

    let card = sent[0].key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned()).expect("a card");
    let shown = dlq(&job, exit::DONE, &["show", "0:0"]).stdout;
    assert!(shown.contains("the whole record") && shown.contains("40 bytes") && !shown.contains(&card), "{shown}");
    let shown = dlq(&job, exit::DONE, &["show", "0:0", "--values"]).stdout;
    assert!(shown.contains(&card) && shown.contains("c301"), "{shown}");
    let shown = &json(&job, exit::DONE, &["show", "0:0"])[0];
    assert_eq!((&shown["key"]["text"], &shown["value"]["bytes"]), (&Value::Null, &40.into()));
    let gone = dlq(&job, exit::FAILED, &["show", "0:99"]);
    assert!(gone.stderr.contains("holds no letter at 0:99"), "{}", gone.stderr);

    let before = job.input_ends();
    let (counts, told) = replay(&job, exit::DONE, &["--dry-run"]);
    assert_counts(&counts, &[("replayed", 10), ("letters", 10)]);
    assert_eq!((told.len(), &told[0]["fate"]), (10, &"from_source".into()));
    assert_eq!(job.input_ends(), before, "a dry run writes nothing");

    // The same records fail again, whatever the style of who rejects them, and are left alone at the third time.
    for (attempt, style) in [(2, "connect"), (3, "streams")] {
        let (counts, _) = replay(&job, exit::DONE, &[]);
        assert_counts(&counts, &[("from_source", 10), ("refused_by_guard", 0)]);
        scored(&[&format!("dead_letters.header_style={style}")]);
        let letters = json(&job, exit::DONE, &["list"]);
        let of = |attempt: u64| letters.iter().filter(|letter| letter["attempt"] == attempt).count();
        assert_eq!((letters.len(), of(attempt)), (10 * attempt as usize, 10));
    }
    let (counts, told) = replay(&job, exit::FAILED, &[]);
    assert_counts(&counts, &[("replayed", 0), ("refused_by_guard", 10), ("letters", 10)]);
    assert!(told.iter().all(|letter| letter["fate"] == "refused_by_guard"), "{told:?}");
    assert_counts(&replay(&job, exit::DONE, &[]).0, &[("letters", 0)]);

    drops_from_the_beginning_alone(&job);
}

#[test]
fn a_record_comes_back_as_it_stood_and_where_it_stood() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "dlq-same", 3);
    let sent = with_letters(&job, 30, 3);
    // Far apart from each other, and a tombstone without key and headers.
    let filler: Vec<TestRecord> = (0..900).map(|_| TestRecord::new(1).value("filler")).collect();
    kafka.produce(&job.input, &filler);
    let bare = TestRecord::new(1)
        .timestamp_ms(1_750_000_100_000)
        .null_header("null")
        .header("twice", "1")
        .header("twice", "2");
    let offset = kafka.produce(&job.input, std::slice::from_ref(&bare))[0];
    // The letter holds none of it, and has headers of its own on it.
    let stub = TestRecord { headers: Vec::new(), ..letter(&job, (1, offset), &TestRecord::new(1), None) };
    let stub = TestRecord {
        headers: letter(&job, (1, offset), &bare, Some("stub")).headers,
        ..stub.key("in-1-930").value("")
    };
    kafka.produce(&job.dead_letters, &[stub]);

    let (counts, _) = replay(&job, exit::DONE, &["--reason", "unknown_schema", "--schema-id", "17"]);
    assert_counts(&counts, &[("letters", 31), ("from_source", 31), ("gone_by_retention", 0)]);
    let back = brought_back(&job);
    assert_eq!(back.len(), 31);
    for record in &back {
        assert_eq!(record.header_text(REDRIVEN), Some("1"));
        assert!(record.headers.iter().all(|(name, _)| !name.contains(".errors.")), "{:?}", record.headers);
    }
    for original in sent.iter().chain([&bare]) {
        let same = |record: &&ReadRecord| {
            let headers: Vec<_> = record.headers.iter().filter(|(name, _)| name != REDRIVEN).cloned().collect();
            record.partition == original.partition
                && (&record.key, &record.value, record.timestamp_ms)
                    == (&original.key, &original.value, original.timestamp_ms)
                && headers == original.headers
        };
        assert_eq!(back.iter().filter(same).count(), 1, "{original:?}");
    }
    // In the letters' order.
    for partition in 0..3 {
        let numbers: Vec<i64> = back
            .iter()
            .filter(|record| record.partition == partition)
            .filter_map(|record| record.timestamp_ms)
            .collect();
        assert!(numbers.is_sorted(), "partition {partition}: {numbers:?}");
    }
}

#[test]
fn what_is_gone_by_retention_comes_back_from_letters_that_hold_it_and_from_no_other() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "dlq-gone", 1);
    let sent = with_letters(&job, 10, 1);
    // What letters say that do not hold their record, that do not say so, and that are none.
    let further = |payload: Option<&str>| letter(&job, (0, 3), &sent[3], payload);
    let stranger = TestRecord::new(0).value("no letter");
    kafka.produce(&job.dead_letters, &[further(Some("no_value")), further(Some("stub")), further(None), stranger]);
    let elsewhere = kafka.topic("dlq-elsewhere", 1);
    let connect = |name: &str, value: &str| (format!("__connect.errors.{name}"), Some(value.as_bytes().to_vec()));
    let foreign = TestRecord {
        headers: vec![connect("topic", &elsewhere), connect("partition", "0"), connect("offset", "5")],
        ..TestRecord::new(0).key("k").value("foreign")
    };
    kafka.produce(&job.dead_letters, &[foreign]);
    kafka.delete_before(&job.input, 0, 6);

    let (counts, told) = replay(&job, exit::FAILED, &["--dry-run"]);
    let expected = [
        ("letters", 15),
        ("from_source", 4),
        ("from_letter", 6),
        ("not_whole", 3),
        ("unknown", 1),
        ("other_topic", 1),
        ("gone_by_retention", 9),
    ];
    assert_counts(&counts, &expected);
    assert_eq!((told.len(), &told[0]["fate"], &told[12]["fate"]), (15, &"from_letter".into(), &"not_whole".into()));
    let printed = dlq(&job, exit::FAILED, &["replay"]).stdout;
    assert!(printed.contains("gone by retention: from the letter\n"), "{printed}");
    let back = brought_back(&job);
    let numbers: Vec<Option<i64>> = back.iter().map(|record| record.timestamp_ms).collect();
    assert_eq!(
        numbers,
        sent.iter().map(|record| record.timestamp_ms).collect::<Vec<_>>(),
        "timestamps of the source too"
    );
    for (record, original) in back.iter().zip(&sent) {
        assert_eq!((&record.key, &record.value), (&original.key, &original.value));
        let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["traceparent", REDRIVEN], "nothing of the letter's own");
    }
    // Another system's letter goes where somebody says, without its topic.
    let (counts, _) = replay(&job, exit::DONE, &["--into", &elsewhere, "--from", "0:14"]);
    assert_counts(&counts, &[("letters", 1), ("from_letter", 1)]);
    assert_eq!(kafka.read(&elsewhere)[0].value.as_deref(), Some(b"foreign".as_slice()));
}
