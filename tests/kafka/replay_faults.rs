//! What a replay finds that is not as it should be: outputs that were altered, lost or doubled, records that are gone, holes in
//! the input.

use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

use crate::common::{Job, Outcome, ReadRecord, RealKafka, STEP, TestRecord, Transactions};
use crate::replay::{count, outputs, replay, report, scored, sentences};

/// As it stands on the topic of outputs, for another topic.
fn again(record: &ReadRecord) -> TestRecord {
    TestRecord {
        partition: record.partition,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
        timestamp_ms: record.timestamp_ms,
    }
}

/// The same output with the last bit of its score flipped, and that score's bits before and after.
fn altered(output: &Outcome) -> (TestRecord, [u64; 2]) {
    let mut record = again(&output.record);
    let bits = output.double("score").to_bits();
    let value = record.value.as_mut().expect("a value");
    let at = value.windows(8).position(|bytes| bytes == bits.to_le_bytes()).expect("the score is in the output");
    value[at] ^= 1;
    (record, [bits, bits ^ 1])
}

#[test]
fn what_was_altered_lost_or_doubled_is_found_by_its_position() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-planted", (2, 1_000), &[]);
    let outputs = outputs(&job);
    let planted = |name: &str, records: &[TestRecord]| {
        let topic = kafka.topic(name, 2);
        kafka.produce(&topic, records);
        topic
    };
    let whole: Vec<TestRecord> = outputs.iter().map(|output| again(&output.record)).collect();
    let place = |number: usize| {
        let (partition, offset) = outputs[number].source();
        format!("partition {partition}, offset {offset}")
    };

    // Bytes of others beside it change nothing.
    let mut noise = whole.clone();
    noise.push(TestRecord::new(0).value(b"{\"score\": 1}".to_vec()));
    noise.push(TestRecord::new(1).key("tombstone"));
    noise.push(TestRecord { value: whole[5].value.as_ref().map(|value| value[..50].to_vec()), ..whole[5].clone() });
    let audit = report(&job, exit::DONE, &["--bit-equal", "--against", &planted("replay-noise", &noise)]);
    assert_eq!((count(&audit, "foreign"), count(&audit, "compared")), (3, outputs.len() as u64));

    let (record, [was, is]) = altered(&outputs[700]);
    let mut spoilt = whole.clone();
    spoilt[700] = record;
    let topic = planted("replay-altered", &spoilt);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &topic]);
    let said = sentences(&audit);
    assert!(
        said.contains(&place(700)) && said.contains(&format!("{is:016x}")) && said.contains(&format!("{was:016x}")),
        "{said}"
    );
    assert_eq!((&audit["scores"]["differing"], count(&audit, "missing")), (&1.into(), 0));
    // A bound on decisions has said what may differ.
    report(&job, exit::DONE, &["--max-flips", "0", "--against", &topic]);

    let mut gaps = whole.clone();
    gaps.remove(400);
    gaps.remove(100);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &planted("replay-gaps", &gaps)]);
    assert_eq!((count(&audit, "missing"), count(&audit, "compared")), (2, outputs.len() as u64 - 2));
    assert!(sentences(&audit).contains(&format!("2 records are without an output, the first at {}", place(100))));

    let mut doubles = whole.clone();
    doubles.extend([whole[3].clone(), whole[9].clone(), whole[9].clone()]);
    let audit = report(&job, exit::DONE, &["--bit-equal", "--against", &planted("replay-doubles", &doubles)]);
    assert_eq!((count(&audit, "doubled"), count(&audit, "doubled otherwise")), (3, 0));
    doubles.push(altered(&outputs[11]).0);
    let topic = planted("replay-doubles-other", &doubles);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &topic]);
    assert_eq!(
        (count(&audit, "doubled"), count(&audit, "doubled otherwise"), count(&audit, "compared")),
        (4, 1, outputs.len() as u64)
    );
    assert!(sentences(&audit).contains(&place(11)), "{}", sentences(&audit));
    report(&job, exit::DONE, &["--max-flips", "0", "--against", &topic]);
}

#[test]
fn a_record_that_is_no_transaction_now_and_has_an_output_fails_the_audit() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-smaller", (1, 500), &[]);
    // As a package with a tighter contract would: no value is small enough.
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--set", "limits.payload_bytes_max=41"]);
    assert_eq!(
        (count(&audit, "dead letters now"), count(&audit, "dead letters"), count(&audit, "compared")),
        (490, 10, 0)
    );
    assert!(sentences(&audit).contains("490 records are with an output and no score now"), "{}", sentences(&audit));
    assert!(audit["provenance"]["dead letters now, by reason"].as_str().unwrap().contains("oversized 490"));
}

/// Aborted transactions and markers take offsets, and stand at the ends of ranges too.
#[test]
fn many_threads_share_one_partition_with_holes() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "replay-threads", 1);
    let loaded = job.load(&["--preload", "45000", "--poison", "0.01"]).wait(STEP);
    assert_eq!(loaded.code(), Some(0), "{}", loaded.stderr);
    let mut transactions = Transactions::new(Framing::SingleObject);
    for _ in 0..3 {
        kafka.produce_aborted(&job.input, &transactions.spread(40, 1));
        kafka.produce_committed(&job.input, &transactions.spread(500, 1));
    }
    kafka.produce_aborted(&job.input, &transactions.spread(5, 1));
    let finished = job.run_until_end(&["delivery=exactly_once"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let of = |threads: &str, args: &[&str]| {
        let mut found = report(&job, exit::DONE, &[args, &["--bit-equal", "--threads", threads]].concat());
        for fact in ["command", "started", "took"] {
            found["provenance"].as_object_mut().expect("an object").remove(fact).expect("it is told");
        }
        found
    };
    let (alone, together) = (of("1", &[]), of("4", &[]));
    assert_eq!(count(&alone, "read"), 46_500);
    assert_eq!(alone, together, "who scored what decides nothing");
    // From one marker or hole to another one.
    let end = kafka.watermarks(&job.input, 0).1;
    for (from, to) in [(end - 6, end), (end - 3, end - 1), (44_990, 45_041), (45_000, 45_039)] {
        let records = kafka.read(&job.input).iter().filter(|record| (from..to).contains(&record.offset)).count();
        let (from, to) = (format!("0:{from}"), format!("0:{to}"));
        let code = if records > 0 { exit::DONE } else { exit::FAILED };
        let found = report(&job, code, &["--bit-equal", "--from", &from, "--to", &to]);
        assert_eq!(count(&found, "read"), records as u64, "{from} {to}");
    }
}

#[test]
fn what_retention_took_is_told_and_not_called_a_loss() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-gone", (1, 1_000), &[]);
    let outputs = outputs(&job);
    kafka.delete_before(&job.outputs, 0, 300);
    let (_, first) = outputs[300].source();
    let audit = report(&job, exit::DONE, &["--bit-equal"]);
    assert_eq!((count(&audit, "gone"), count(&audit, "missing"), count(&audit, "compared")), (300, 0, 680));
    assert!(audit["provenance"]["outputs before"].as_str().is_some_and(|fact| fact.contains("retention")));

    // The input is gone where outputs are kept: they are before what can be asked for.
    kafka.delete_before(&job.input, 0, first + 100);
    let fatal = replay(&job, &["--from", "0:5"]);
    assert_eq!(fatal.code(), Some(i32::from(exit::USAGE)), "{}", fatal.stderr);
    assert!(
        fatal.stderr.contains("gone by retention") && fatal.stderr.contains(&format!("0:{}", first + 100)),
        "{}",
        fatal.stderr
    );
    let audit = report(&job, exit::DONE, &["--bit-equal"]);
    assert_eq!((count(&audit, "gone"), count(&audit, "read")), (0, 1_000 - first as u64 - 100));
}

#[test]
fn times_choose_the_records_and_outputs_are_found_by_them() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "replay-times", 2);
    let mut transactions = Transactions::new(Framing::SingleObject);
    // One a second, from 12:00:00 on.
    let start_ms = 1_750_000_000_000_i64 / 3_600_000 * 3_600_000;
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).expect("a time").to_string();
    let sent: Vec<TestRecord> = (transactions.spread(200, 2).into_iter().zip(0..))
        .map(|(record, second)| record.timestamp_ms(start_ms + second * 1_000))
        .collect();
    kafka.produce(&job.input, &sent);
    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let (from, to) = (at(start_ms + 50_000), at(start_ms + 80_000));
    let found = report(&job, exit::DONE, &["--bit-equal", "--from", &from, "--to", &to]);
    assert_eq!((count(&found, "read"), count(&found, "compared")), (30, 30));
    // Outputs since tomorrow: none.
    let tomorrow = at(jiff::Timestamp::now().as_millisecond() + 86_400_000);
    let found = report(&job, exit::FAILED, &["--bit-equal", "--outputs-from", &tomorrow]);
    assert_eq!((count(&found, "missing"), &found["provenance"]["outputs offsets"]), (200, &"none".into()));
    let nothing = replay(&job, &["--from", "1h"]);
    assert_eq!(nothing.code(), Some(i32::from(exit::FAILED)), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("no record between --from and --to"), "{}", nothing.stderr);
}

/// Whether a score differs by the model's doing or by that of its inputs, the fingerprints say.
#[test]
fn fingerprints_tell_whether_the_inputs_were_the_same() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = scored(&kafka, "replay-prints", (2, 1_000), &["outputs.fingerprint=true"]);
    let outputs = outputs(&job);
    let all = outputs.len();
    let inputs = |report: &serde_json::Value, name: &str| report["scores"]["inputs"][name].as_u64().expect("a number");
    let audit = report(&job, exit::DONE, &["--bit-equal"]);
    assert_eq!((inputs(&audit, "same"), inputs(&audit, "other"), inputs(&audit, "unknown")), (all as u64, 0, 0));
    // The row is the same one for whatever model it is asked.
    let package = crate::replay::other_package();
    let other = report(&job, exit::DONE, &["--package", package.to_str().expect("a path")]);
    assert_eq!((inputs(&other, "same"), inputs(&other, "differing_same") > 0), (all as u64, true));

    let mut spoilt: Vec<TestRecord> = outputs.iter().map(|output| again(&output.record)).collect();
    spoilt[300] = altered(&outputs[300]).0;
    // The score of one record with the inputs of another one.
    let print = |output: &Outcome| match output.at("fingerprint") {
        apache_avro::types::Value::Fixed(16, bytes) => bytes,
        other => panic!("a fingerprint: {other:?}"),
    };
    let (theirs, ours) = (print(&outputs[9]), print(&outputs[500]));
    spoilt[500] = altered(&outputs[500]).0;
    let value = spoilt[500].value.as_mut().expect("a value");
    let at = value.windows(16).position(|bytes| bytes == ours).expect("the fingerprint is in the output");
    value[at..at + 16].copy_from_slice(&theirs);
    let topic = kafka.topic("replay-prints-spoilt", 2);
    kafka.produce(&topic, &spoilt);
    let audit = report(&job, exit::FAILED, &["--bit-equal", "--against", &topic]);
    assert_eq!((inputs(&audit, "differing_same"), inputs(&audit, "differing_other")), (1, 1));
    assert!(sentences(&audit).contains("from the same inputs"), "{}", sentences(&audit));
}
