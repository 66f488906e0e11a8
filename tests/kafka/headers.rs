//! The source's headers on a real Kafka: how they name the value's schema, and where they travel. A client that keeps the
//! schema's id in a header (Confluent's `HeaderSchemaIdSerializer`) leaves it on the input; beside a value of ours it makes
//! every consumer read the scores by the input's schema.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::common::kafka::ANSWER;
use crate::common::{self, Job, Outcome, ReadRecord, RealKafka, TestRecord, Transactions, unique_name, wait_until};
use apache_avro::types::Value;
use scorewire::doors::{Destination, Group, Outgoing, Part, SendError, Sink, Source, SourceEvent, SourceRecord};
use scorewire::kafka::client::KafkaRecord;
use scorewire::kafka::consumer::KafkaSource;
use scorewire::kafka::producer::KafkaSink;
use scorewire::kafka::settings::{KafkaSettings, StartAt};
use scorewire::load::simulate::payloads::Framing;
use scorewire::values::record::Tag;
use scorewire::values::settings::ForwardHeaders;
use scorewire::values::topics::{PartitionCounts, Topics};

const GUID: [u8; 17] = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const GUID_TEXT: &str = "00010203-0405-0607-0809-0a0b0c0d0e0f";
const ID: [u8; 5] = [0, 0, 0, 0, 17];
const SCHEMA_ID: &str = "__value_schema_id";
const KEY_SCHEMA_ID: &str = "__key_schema_id";

fn with_headers(record: TestRecord, schema: &[u8]) -> TestRecord {
    let record = record.header("traceparent", "00-ab").header(SCHEMA_ID, schema).header("content-type", "avro/binary");
    record.header(KEY_SCHEMA_ID, ID).header("twice", "1").header("twice", "2").null_header("null")
}

/// Each transaction in every form that names its schema by id or GUID, one form a partition.
fn in_every_form(transactions: &mut Transactions, count: usize) -> Vec<TestRecord> {
    let mut all = Vec::new();
    for _ in 0..count {
        let framed = transactions.next(0);
        let datum = framed.value.as_deref().unwrap()[10..].to_vec();
        let of = |partition: i32, value: Vec<u8>| TestRecord { partition, ..framed.clone() }.value(value);
        all.push(with_headers(of(0, datum.clone()), &GUID));
        all.push(with_headers(of(1, datum.clone()), &ID));
        all.push(of(2, [&GUID[..], &datum].concat()));
        all.push(of(3, [&ID[..], &datum].concat()));
    }
    all
}

fn names(record: &ReadRecord) -> Vec<&str> {
    let ours = |name: &&str| name.starts_with("scorewire.") || name.starts_with("__scorewire.");
    record.headers.iter().map(|(name, _)| name.as_str()).filter(|name| !ours(name)).collect()
}

/// A job whose writers' schema is known by id and GUID, with `forward` as the headers that travel.
fn run(kafka: &RealKafka, forward: &str) -> (Job, Vec<TestRecord>) {
    let job = Job::new(kafka, "headers", 4);
    let schemas = job.folder().join("schemas");
    fs::create_dir(&schemas).unwrap();
    for name in ["17", GUID_TEXT] {
        fs::copy(common::job::package().join("transaction.avsc"), schemas.join(format!("{name}.avsc"))).unwrap();
    }
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut records = in_every_form(&mut transactions, 20);
    let poison = records[0].value.as_ref().map(|value| value[..value.len() - 1].to_vec());
    records.push(with_headers(TestRecord { value: poison, ..TestRecord::new(0) }.key("card"), &GUID));
    kafka.produce(&job.input, &records);
    let directory = format!("schemas.directory={}", schemas.display());
    // Everything is reviewed.
    let settings = [directory.as_str(), forward, "review.sample_per_million=1000000"];
    let finished = job.run_until_end(&settings);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    (job, records)
}

#[test]
fn a_schema_is_found_by_id_and_guid_in_the_header_and_before_the_value_and_its_header_stays_with_it() {
    let Some(kafka) = RealKafka::connect() else { return };
    let (job, records) = run(&kafka, "headers.forward=*");
    let outputs: Vec<Outcome> = kafka.read(&job.outputs).into_iter().map(Outcome::of_output).collect();
    let mut scores: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for output in &outputs {
        let (partition, offset) = output.source();
        scores.entry(offset).or_default().push(output.double("score"));
        match partition {
            0 | 2 => assert_eq!(output.at("schema.guid"), Value::Uuid(GUID_TEXT.parse().unwrap())),
            _ => assert_eq!(output.long("schema.id"), 17),
        }
        let travels = ["traceparent", KEY_SCHEMA_ID, "twice", "twice", "null"];
        assert_eq!(names(&output.record), if partition < 2 { &travels[..] } else { &[] });
    }
    assert_eq!((outputs.len(), scores.len()), (80, 20));
    assert!(scores.values().all(|of_one| of_one.iter().all(|score| score == &of_one[0])), "{scores:?}");

    let reviews = kafka.read(&job.review);
    assert_eq!(reviews.len(), 80);
    for review in reviews.into_iter().map(Outcome::of_review) {
        let expected: &[&str] = if review.source().0 < 2 { &["traceparent", "twice", "twice", "null"] } else { &[] };
        assert_eq!(names(&review.record), expected, "neither its key nor its value is the source's");
    }
    let [letter] = &kafka.read(&job.dead_letters)[..] else { panic!("not one dead letter") };
    let source = records.last().unwrap();
    assert_eq!((&letter.value, &letter.headers[..source.headers.len()]), (&source.value, &source.headers[..]));
    assert_eq!(letter.header_text("__scorewire.errors.schema_id"), Some(GUID_TEXT));
}

#[test]
fn headers_that_are_named_travel_alone_and_those_that_describe_a_part_go_with_it() {
    let Some(kafka) = RealKafka::connect() else { return };
    let (job, records) = run(&kafka, "headers.forward=traceparent");
    for output in kafka.read(&job.outputs) {
        let expected: &[&str] = if output.partition < 2 { &["traceparent", KEY_SCHEMA_ID] } else { &[] };
        assert_eq!(names(&output), expected);
    }
    let [letter] = &kafka.read(&job.dead_letters)[..] else { panic!("not one dead letter") };
    assert_eq!(names(letter), ["traceparent", SCHEMA_ID, "content-type", KEY_SCHEMA_ID]);
    assert_eq!(letter.header(SCHEMA_ID), Some(&GUID[..]));
    assert_eq!(letter.value, records.last().unwrap().value);
}

/// The only record of a topic, in a consumer's hands. Field order: the record before its client.
pub struct Held {
    pub record: KafkaRecord,
    _source: KafkaSource,
}

pub fn hold(settings: &KafkaSettings, topic: &str) -> Held {
    let mut source = KafkaSource::subscribe(settings, 0, topic, false, ANSWER).expect("the group is there");
    let mut records = Vec::new();
    wait_until("the record", ANSWER, || {
        source.poll(Duration::from_millis(10), 10, &mut records).expect("the source is well");
        while let Some(event) = source.next_event() {
            if let SourceEvent::Assigned(partitions) = event {
                source.assign(&partitions).expect("the broker answers");
            }
        }
        !records.is_empty()
    });
    Held { record: records.remove(0), _source: source }
}

fn headers_of(record: &impl SourceRecord) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    record.each_header(&mut |name, value| all.push((name.to_owned(), value.map(<[u8]>::to_vec))));
    all
}

#[test]
fn an_outcome_that_is_refused_leaves_the_records_headers_as_they_were() {
    let Some(kafka) = RealKafka::connect() else { return };
    let topics = Topics::of(|topic| kafka.topic(&format!("refused-{}", topic.name().replace('_', "-")), 1));
    let settings = KafkaSettings {
        bootstrap: kafka.bootstrap().to_owned(),
        group: unique_name("refused"),
        node: "test".to_owned(),
        without_offsets: Default::default(),
        start_at: Some(StartAt::Earliest),
        group_protocol: Default::default(),
        membership: Default::default(),
        properties: BTreeMap::new(),
        consumer_properties: BTreeMap::new(),
        producer_properties: BTreeMap::from([("message.max.bytes".to_owned(), "2000".to_owned())]),
        password_files: Default::default(),
    };
    let source = with_headers(TestRecord::new(0).key("k").value("v"), &GUID);
    kafka.produce(topics.input(), std::slice::from_ref(&source));
    let held = hold(&settings, topics.input());
    let counts = PartitionCounts::of(|_| 1);
    let mut sink = KafkaSink::new(&settings, &topics, &counts, &ForwardHeaders::All).unwrap();
    let too_large = [7; 4_000];
    let mut outcome = Outgoing {
        destination: Destination::Outputs,
        tag: Tag::new(0, 0),
        partition: Some(0),
        key: Part::OfSource,
        value: Part::Own(&too_large),
        timestamp_ms: None,
        headers: &[(c"ours", b"1")],
        forward: true,
    };
    for _ in 0..2 {
        assert_eq!(sink.send(&outcome, Some(&held.record)), Err(SendError::TooLarge));
        assert_eq!(headers_of(&held.record), source.headers);
    }
    outcome.value = Part::Own(b"score");
    assert_eq!(sink.send(&outcome, Some(&held.record)), Ok(()));
    let mut acks = Vec::new();
    wait_until("the acknowledgement", ANSWER, || {
        sink.poll(Duration::from_millis(10), &mut acks).unwrap();
        !acks.is_empty()
    });
    let [output] = &kafka.read(&topics[Destination::Outputs])[..] else { panic!("not one output") };
    let travels = ["traceparent", KEY_SCHEMA_ID, "twice", "twice", "null", "ours"];
    assert_eq!((names(output), output.value.as_deref()), (travels.to_vec(), Some(&b"score"[..])));
}
