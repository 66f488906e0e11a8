//! The main job through the real program and a real Kafka: every record has exactly one outcome, with everything that
//! was promised in it, and the group's offsets say so.

use std::collections::BTreeMap;
use std::fs;

use crate::common::job::package;
use crate::common::{
    Job, Outcome, ReadRecord, RealKafka, STEP, TestRecord, Transactions, assert_sound, source_of_dead_letter,
};
use scorewire::load::simulate::payloads::Framing;
use sha2::{Digest, Sha256};

#[test]
fn a_stream_with_poison_is_scored_and_a_stop_leaves_nothing_behind() {
    a_stream_is_scored("stream", &[]);
}

/// Two lanes, so that partitions also move while batches are at the models.
#[test]
fn the_same_stream_through_models_on_threads_of_their_own() {
    a_stream_is_scored("dedicated", &["lanes.layout=dedicated", "lanes.count=2"]);
}

fn a_stream_is_scored(purpose: &str, settings: &[&str]) {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, purpose, 12);
    let mut node = job.start(settings);
    node.process.wait_until_ready(node.admin_port, STEP);
    node.wait_until_assigned(12);
    let args = ["--rate", "400", "--seconds", "4", "--warmup", "1", "--poison", "0.05"];
    let pid = node.process.id().to_string();
    let summary = assert_sound(&job.load(&[&args[..], &["--pid", &pid]].concat()).wait(STEP));
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!((count("sent"), count("warm_up_sent")), (2_000, 400));
    assert_eq!(count("scored") + count("dead_lettered"), 2_000);
    assert!(count("poison_sent") > 50, "{summary:#}");
    assert!(summary["cpu_us_per_record"].as_f64().is_some_and(|us| us > 0.0), "{summary:#}");

    assert_eq!(node.sum("records.received"), 2_000);
    assert_eq!(node.sum("records.scored"), count("scored"));
    assert_eq!(node.sum("records.rejected"), count("dead_lettered"));
    node.stop();
    job.assert_all_committed();
}

#[test]
fn a_bounded_run_ends_by_itself_and_a_second_one_scores_nothing_again() {
    a_bounded_run_ends("bounded", &[]);
}

#[test]
fn a_bounded_run_ends_by_itself_with_a_model_on_its_own_thread() {
    a_bounded_run_ends("bounded-dedicated", &["lanes.layout=dedicated", "limits.batch_rows_max=64"]);
}

fn a_bounded_run_ends(purpose: &str, settings: &[&str]) {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, purpose, 12);
    let loaded = job.load(&["--preload", "3000", "--poison", "0.01"]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);

    let first = job.run_until_end(settings);
    assert_eq!((first.code(), first.stdout.as_str()), (Some(0), ""), "{}", first.stderr);
    job.assert_all_committed();
    let outcomes = kafka.read(&job.outputs).len() + kafka.read(&job.dead_letters).len();
    assert_eq!(outcomes, 3_000);

    let second = job.run_until_end(settings);
    assert_eq!(second.code(), Some(0), "{}", second.stderr);
    assert_eq!(kafka.read(&job.outputs).len() + kafka.read(&job.dead_letters).len(), outcomes);
    job.assert_all_committed();
}

/// What a record carries besides its payload.
fn dressed(record: TestRecord, number: usize) -> TestRecord {
    record
        .timestamp_ms(1_750_000_000_000 + number as i64)
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("number", number.to_string())
        .header("twice", "first")
        .header("twice", "second")
        .header("bytes", [0, 255, 1])
        .header("empty", "")
        .null_header("null")
}

#[test]
fn outputs_carry_everything_that_was_promised() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "outputs", 3);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut sent: Vec<TestRecord> =
        transactions.spread(300, 3).into_iter().enumerate().map(|(number, record)| dressed(record, number)).collect();
    sent[0].key = None;
    sent[1].key = Some(Vec::new());
    let offsets = kafka.produce(&job.input, &sent);
    let thresholds = ["thresholds.review=0.01", "thresholds.decline=0.3", "thresholds.version=test-7"];
    let finished = job.run_until_end(&[&thresholds[..], &["lanes.count=2", "kafka.node=node-9"]].concat());
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);

    let sources: BTreeMap<(i32, i64), &TestRecord> =
        sent.iter().zip(&offsets).map(|(record, &offset)| ((record.partition, offset), record)).collect();
    let outputs: Vec<Outcome> = kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect();
    assert_eq!(outputs.len(), 300);
    for output in &outputs {
        let (partition, offset) = output.source();
        let source = sources[&(partition, offset)];
        assert_eq!((output.record.partition, output.record.offset), (partition, offset), "in source order");
        assert_eq!(output.record.key, source.key);
        check_headers(&output.record, source, output);
        check_fields(output, &job, source);
    }
    let decisions: BTreeMap<String, usize> = outputs.iter().fold(BTreeMap::new(), |mut all, output| {
        *all.entry(output.text("decision")).or_default() += 1;
        all
    });
    assert!(decisions.len() >= 2, "the thresholds must part the scores: {decisions:?}");
    check_reviews(&kafka.read(&job.review), &outputs, &sources);
    assert!(kafka.read(&job.dead_letters).is_empty() && kafka.read(&job.timeouts).is_empty());
}

fn check_headers(record: &ReadRecord, source: &TestRecord, output: &Outcome) {
    let (theirs, ours) = record.headers.split_at(source.headers.len());
    assert_eq!(theirs, source.headers, "the source's headers, in order, with their doubles");
    let ours: Vec<(&str, &[u8])> =
        ours.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default())).collect();
    let expected = format!("{} 1.0.0", output.text("decision"));
    assert_eq!(ours, [("scorewire.outcome", expected.as_bytes())]);
}

fn check_fields(output: &Outcome, job: &Job, source: &TestRecord) {
    assert_eq!(output.text("transaction_id"), id_of(source));
    assert!(output.long("event_time") > 1_000_000_000_000, "milliseconds: {}", output.long("event_time"));
    let score = output.double("score");
    assert!((0.0..=1.0).contains(&score));
    let expected = match score {
        score if score >= 0.3 => "DECLINE",
        score if score >= 0.01 => "REVIEW",
        _ => "APPROVE",
    };
    assert_eq!(output.text("decision"), expected, "{score}");
    let thresholds = (output.double("thresholds.review"), output.double("thresholds.decline"));
    assert_eq!((thresholds, output.text("thresholds.version").as_str()), ((0.01, 0.3), "test-7"));
    assert_eq!(output.text("node"), "node-9");
    assert!((0..2).contains(&output.long("lane")));
    let model = fs::read(package().join("model.onnx")).unwrap();
    let digest: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(output.text("model.name"), "card-fraud-gbdt");
    assert_eq!((output.text("model.version").as_str(), output.text("model.sha256")), ("1.0.0", digest));
    assert_eq!(output.text("provider"), "CPU");
    assert_eq!(output.text("source.topic"), job.input);
    assert_eq!(Some(output.long("source.timestamp")), source.timestamp_ms);
    let fingerprint = source.value.as_ref().unwrap()[2..10].iter().rev().map(|byte| format!("{byte:02x}"));
    assert_eq!(output.text("schema.fingerprint"), fingerprint.collect::<String>());
    let (received, scored) = (output.long("received_at"), output.long("scored_at"));
    assert!(received > 1_750_000_000_000_000 && received <= scored, "microseconds: {received} {scored}");
    assert_eq!(output.at("fallback"), apache_avro::types::Value::Boolean(false));
    assert_eq!(output.at("late"), apache_avro::types::Value::Boolean(false));
}

/// The simulator writes the id first: a length byte after the wire prefix, then sixteen characters.
fn id_of(source: &TestRecord) -> String {
    String::from_utf8(source.value.as_ref().unwrap()[11..27].to_vec()).unwrap()
}

fn check_reviews(reviews: &[ReadRecord], outputs: &[Outcome], sources: &BTreeMap<(i32, i64), &TestRecord>) {
    let by_source: BTreeMap<(i32, i64), &Outcome> = outputs.iter().map(|output| (output.source(), output)).collect();
    let in_band = outputs.iter().filter(|output| output.text("decision") == "REVIEW").count();
    let mut band = 0;
    for review in reviews.iter().cloned().map(Outcome::of_review) {
        let (source, output) = (sources[&review.source()], by_source[&review.source()]);
        assert_eq!(review.record.key.as_deref(), Some(output.text("transaction_id").as_bytes()), "keyed by the id");
        assert_eq!(review.at("payload"), apache_avro::types::Value::Bytes(source.value.clone().unwrap()));
        assert_eq!(review.double("score"), output.double("score"));
        assert_eq!(review.text("decision"), output.text("decision"));
        let reason = review.text("reason");
        assert_eq!(reason == "BAND", output.text("decision") == "REVIEW", "{reason}");
        band += usize::from(reason == "BAND");
    }
    assert!(in_band > 0, "the thresholds were chosen so that some are");
    assert_eq!(band, in_band, "everything in the band, once");
}

#[test]
fn dead_letters_keep_the_record_and_say_why() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "letters", 2);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let good = transactions.next(0);
    let value = good.value.clone().unwrap();
    let fingerprint: String = value[2..10].iter().rev().map(|byte| format!("{byte:02x}")).collect();
    let of_id = [&[0, 0, 0, 0, 77][..], &value[10..]].concat();
    let bad = |bytes: Option<Vec<u8>>| TestRecord { value: bytes, ..TestRecord::new(1).key("card-9") };
    let tried_before = bad(Some(Vec::new())).header("__scorewire.errors.attempt", "2");
    let cases: Vec<(TestRecord, &str, &str, &str, &str)> = vec![
        (bad(None), "tombstone", "intake", "", "1"),
        (bad(Some(vec![7; 40_000])), "oversized", "intake", "", "1"),
        (bad(Some(b"{\"amount\": 1}".to_vec())), "unknown_wire_form", "decode", "", "1"),
        (bad(Some(of_id)), "unknown_schema", "decode", "77", "1"),
        (bad(Some(value[..value.len() - 1].to_vec())), "truncated", "decode", &fingerprint, "1"),
        (bad(Some([&value[..], &[0]].concat())), "trailing_bytes", "decode", &fingerprint, "1"),
        (tried_before, "unknown_wire_form", "decode", "", "3"),
    ];
    // Each between two good ones: neighbours are scored.
    let records: Vec<TestRecord> = cases
        .iter()
        .enumerate()
        .flat_map(|(number, (record, ..))| [dressed(record.clone(), number), transactions.next(1)])
        .collect();
    kafka.produce(&job.input, &records);
    let finished = job.run_until_end(&["limits.payload_bytes_max=30000"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    assert_eq!(kafka.read(&job.outputs).len(), cases.len(), "the neighbours");

    let letters = kafka.read(&job.dead_letters);
    assert_eq!(letters.len(), cases.len());
    for (index, (letter, (_, reason, stage, schema, attempt))) in letters.iter().zip(&cases).enumerate() {
        let source = &records[2 * index];
        assert_eq!((letter.partition, letter.offset), (1, index as i64));
        assert_eq!(source_of_dead_letter(letter), (1, 2 * index as i64));
        assert_eq!((&letter.key, &letter.value), (&source.key, &source.value), "{reason}: as it came");
        assert_eq!(letter.timestamp_ms, source.timestamp_ms);
        // What an earlier dead letter said does not stand beside what this one says.
        let own = |name: &String| name.starts_with("__scorewire.");
        let forwarded: Vec<_> = source.headers.iter().filter(|(name, _)| !own(name)).collect();
        let (before, ours) = letter.headers.split_at(forwarded.len());
        assert_eq!(before.iter().collect::<Vec<_>>(), forwarded, "{reason}");
        assert!(ours.iter().all(|(name, _)| own(name)), "{reason}: {ours:?}");
        let error = |name: &str| letter.header_text(&format!("__scorewire.errors.{name}")).unwrap_or("(none)");
        assert_eq!((error("reason"), error("stage"), error("schema_id")), (*reason, *stage, *schema));
        assert_eq!((error("topic"), error("model_version"), error("attempt")), (job.input.as_str(), "1.0.0", *attempt));
        assert_eq!((error("node"), error("lane")), ("test", "0"));
        assert!(error("epoch").parse::<u32>().is_ok());
        assert!(error("message").contains(reason) && error("timestamp").parse::<i64>().is_ok_and(|ms| ms > 0));
    }
}
