//! Inputs with holes and records whose schema comes later. An offset is not a count: aborted transactions, markers and
//! compaction leave holes, and a position that waits for what will never come stands for ever.

use std::fs;
use std::path::Path;

use crate::common::kafka::COMPACTED;
use crate::common::process::http_get;
use crate::common::{self, Job, Outcome, RealKafka, STEP, TestRecord, Transactions, wait_until};
use scorewire::load::simulate::payloads::Framing;

/// Source positions of all outputs, by partition and offset.
fn scored(job: &Job) -> Vec<(i32, i64)> {
    job.kafka.read(&job.outputs).into_iter().map(|record| Outcome::of_output(record).source()).collect()
}

/// Positions of what a reader at `read_committed` sees of the input.
fn visible(job: &Job) -> Vec<(i32, i64)> {
    job.kafka.read(&job.input).iter().map(|record| (record.partition, record.offset)).collect()
}

#[test]
fn aborted_transactions_and_trailing_markers_are_passed() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "aborted", 4);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut some = |partition: i32, count: usize| -> Vec<TestRecord> {
        (0..count).map(|_| transactions.next(partition)).collect()
    };
    kafka.produce(&job.input, &some(0, 3));
    kafka.produce_aborted(&job.input, &some(0, 5));
    kafka.produce_committed(&job.input, &some(0, 2));
    kafka.produce_aborted(&job.input, &some(0, 1));
    // Nothing that anybody will ever see; nothing at all; a committed transaction at the end.
    kafka.produce_aborted(&job.input, &some(1, 4));
    kafka.produce_committed(&job.input, &some(3, 6));

    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(job.input_ends(), [(0, 14), (1, 5), (2, 0), (3, 7)]);
    job.assert_all_committed();
    assert_eq!((scored(&job), scored(&job).len()), (visible(&job), 11));

    // What comes later starts right behind the markers, and the group needs no second look at what is done.
    kafka.produce(&job.input, &[some(0, 1), some(1, 1), some(3, 1)].concat());
    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    assert_eq!((scored(&job), scored(&job).len()), (visible(&job), 14));
}

#[test]
fn a_compacted_topic_is_read_over_its_holes() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::with_input(&kafka, "compacted", 2, COMPACTED);
    let mut transactions = Transactions::new(Framing::SingleObject);
    let records: Vec<TestRecord> =
        (0..40).map(|number: i32| transactions.next(number % 2).key(format!("card-{}", number % 6))).collect();
    kafka.produce(&job.input, &records);
    kafka.compact(&job.input, 2);
    let left = visible(&job);
    assert_eq!(left.len(), 6, "the last of each key: {left:?}");

    let finished = job.run_until_end(&[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    assert_eq!(scored(&job), left);
}

/// A schema comes into the folder whole: a half-written file would be read as a broken one first.
fn put_schema(folder: &Path, id: u32) {
    let source = common::job::package().join("transaction.avsc");
    fs::copy(source, folder.join("coming")).unwrap();
    fs::rename(folder.join("coming"), folder.join(format!("{id}.avsc"))).unwrap();
}

#[test]
fn a_partition_waits_for_its_schema_and_the_others_go_on() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "schema-wait", 3);
    let schemas = job.folder().join("schemas");
    fs::create_dir(&schemas).unwrap();
    put_schema(&schemas, 78);
    let (mut later, mut known) = (Transactions::new(Framing::Registry(77)), Transactions::new(Framing::Registry(78)));
    let mut mixed = |count: usize| -> Vec<TestRecord> {
        (0..count).flat_map(|_| [known.next(0), later.next(1), known.next(1), known.next(2)]).collect()
    };
    kafka.produce(&job.input, &mixed(20));
    let directory = format!("schemas.directory={}", schemas.display());
    let settings = [&directory, "schemas.on_unknown=wait", "limits.schema_retry_ms=50"];
    let mut node = job.start(&settings);
    wait_until("the other partitions are done", STEP, || node.sum("records.scored") == 40);
    wait_until("one partition is paused", STEP, || node.sum("partitions.paused") == 1);
    kafka.produce(&job.input, &mixed(20));
    wait_until("the other partitions go on", STEP, || node.sum("records.scored") == 80);
    assert!(scored(&job).iter().all(|(partition, _)| *partition != 1), "nothing overtakes");

    // A stop meanwhile hands the partition back as it is.
    node.stop();
    assert_eq!(job.committed(), [(0, 40), (1, 0), (2, 40)]);
    let mut node = job.start(&settings);
    wait_until("it waits again", STEP, || node.sum("partitions.paused") == 1);
    put_schema(&schemas, 77);
    wait_until("it flows", STEP, || node.sum("records.scored") == 80);
    wait_until("none is paused", STEP, || node.sum("partitions.paused") == 0);
    node.stop();
    job.assert_all_committed();
    assert_eq!(scored(&job), visible(&job), "all of it once, in source order");
    assert!(kafka.read(&job.dead_letters).is_empty());
}

#[test]
fn without_waiting_an_unknown_schema_is_a_dead_letter_and_a_known_one_decodes() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "schema-ids", 1);
    let schemas = job.folder().join("schemas");
    fs::create_dir(&schemas).unwrap();
    put_schema(&schemas, 78);
    let (mut unknown, mut known) = (Transactions::new(Framing::Registry(77)), Transactions::new(Framing::Registry(78)));
    kafka.produce(&job.input, &[known.next(0), unknown.next(0), known.next(0)]);
    let finished = job.run_until_end(&[&format!("schemas.directory={}", schemas.display())]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(scored(&job), [(0, 0), (0, 2)]);
    let letters = kafka.read(&job.dead_letters);
    assert_eq!(letters[0].header_text("__scorewire.errors.reason"), Some("unknown_schema"));
    let output = Outcome::of_output(kafka.read(&job.outputs).remove(0));
    assert_eq!(output.long("schema.id"), 78);
}

/// The package's schema with one word exchanged, as the writer's of this id.
fn put_edited(folder: &Path, id: u32, from: &str, to: &str) {
    let text = fs::read_to_string(common::job::package().join("transaction.avsc")).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(folder.join(format!("payments.id-{id}.avsc")), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_is_wrong_with_schemas_costs_their_records_only_and_is_told_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::new(&kafka, "schema-notes", 1);
    let schemas = job.folder().join("schemas");
    fs::create_dir(&schemas).unwrap();
    put_edited(&schemas, 78, "\"three_ds\"", "\"three_d_secure\"");
    put_edited(&schemas, 79, "\"scale\": 2", "\"scale\": 4");
    fs::write(schemas.join("80.avsc"), "{\n \"type\": \n").unwrap();
    let (mut lacking, mut scaled) =
        (Transactions::new(Framing::Registry(78)), Transactions::new(Framing::Registry(79)));
    kafka.produce(&job.input, &[lacking.next(0), scaled.next(0), lacking.next(0)]);
    let mut node = job.start(&[&format!("schemas.directory={}", schemas.display())]);
    wait_until("all have an outcome", STEP, || node.sum("records.scored") == 2 && node.sum("records.rejected") == 1);
    wait_until("it is counted", STEP, || node.sum("records.incomplete") == 2);
    let alarms = node.status()["alarms"].to_string();
    assert!(alarms.contains("never gives feature `three_ds`") && alarms.contains("schema id 79"), "{alarms}");
    let (_, metrics) = http_get(node.admin_port, "/metrics").unwrap();
    assert!(metrics.contains("scorewire_records_incomplete_total{lane=\"0\"} 2"), "{metrics}");
    node.stop();
    let letters = kafka.read(&job.dead_letters);
    assert_eq!(letters[0].header_text("__scorewire.errors.reason"), Some("incompatible_schema"));
    let log = node.process.stderr();
    for told in [
        "schema id 78 never gives",
        "schema id 79: feature `amount` (amount)",
        "80.avsc: is no JSON",
        "line 3 column 0",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}:\n{log}");
    }
}
