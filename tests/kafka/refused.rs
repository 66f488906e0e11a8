//! Outcomes that a real broker never takes. The story: a feed with microseconds for milliseconds, one dead letter of it with
//! a timestamp of the far future, and no node of the group stays up.

use std::time::Duration;

use crate::common::kafka::ANSWER;
use crate::common::{Job, Outcome, ReadRecord, RealKafka, TestRecord, Transactions, unique_name, wait_until};
use crate::headers::hold;
use scorewire::config::Config;
use scorewire::doors::{Destination, Outgoing, Part, Sink, Transactional};
use scorewire::kafka::producer::KafkaSink;
use scorewire::kafka::settings::{KafkaSettings, StartAt};
use scorewire::load::simulate::payloads::Framing;
use scorewire::values::record::{Ack, Hope, Tag};
use scorewire::values::settings::ForwardHeaders;
use scorewire::values::topics::{PartitionCounts, Topics};

/// Larger than the topic of outputs takes.
const LARGE: usize = 20_000;

fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}

/// A job whose topics of outcomes take less than their input's.
fn narrow(kafka: &RealKafka, purpose: &str) -> Job {
    let job = Job::without_topics(kafka, purpose);
    kafka.create_topic(&job.input, 1, &[("message.timestamp.after.max.ms", "9223372036854775807")]);
    kafka.create_topic(&job.outputs, 1, &[("max.message.bytes", "10000")]);
    // No copy is as small as that; the marker of a transaction's end is.
    kafka.create_topic(&job.review, 1, &[("max.message.bytes", "150")]);
    kafka.create_topic(
        &job.dead_letters,
        1,
        &[("cleanup.policy", "compact"), ("message.timestamp.after.max.ms", "60000")],
    );
    kafka.create_topic(&job.timeouts, 1, &[]);
    job
}

fn offset_of(letter: &ReadRecord) -> i64 {
    letter.header_text("__scorewire.errors.offset").unwrap().parse().unwrap()
}

fn each_record_comes_to_the_best_end_that_is_left(delivery: &str) {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = narrow(&kafka, "refused");
    let mut transactions = Transactions::new(Framing::SingleObject);
    let mut good = |count: usize| -> Vec<TestRecord> { (0..count).map(|_| transactions.next(0)).collect() };
    let start_ms = now_ms();
    let poison = || TestRecord::new(0).value("no transaction");
    let odd = [
        good(1).remove(0).key(vec![b'k'; LARGE]),
        poison(),
        poison().key("half an hour ahead").timestamp_ms(start_ms + 30 * 60 * 1_000),
        poison().key("microseconds").timestamp_ms(start_ms * 1_000),
    ];
    kafka.produce(&job.input, &[good(20), odd.to_vec(), good(20)].concat());

    let delivery = format!("delivery={delivery}");
    let finished = job.run_until_end(&["review.sample_per_million=1000000", &delivery]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    job.assert_all_committed();
    let mut scored: Vec<i64> =
        kafka.read(&job.outputs).into_iter().map(|output| Outcome::of_output(output).source().1).collect();
    scored.sort_unstable();
    scored.dedup();
    assert_eq!(scored, (0..20).chain(24..44).collect::<Vec<i64>>());
    assert!(kafka.read(&job.review).is_empty(), "none of the copies is taken");

    let letters = kafka.read(&job.dead_letters);
    let letter = |offset: i64| letters.iter().find(|letter| offset_of(letter) == offset).expect("a dead letter");
    assert_eq!(letters.iter().map(offset_of).max(), Some(23));
    assert_eq!(letter(20).header_text("__scorewire.errors.reason"), Some("outcome_refused"));
    assert_eq!(letter(20).key.as_ref().unwrap().len(), LARGE);
    for offset in [21, 22] {
        let (stub, key) = (letter(offset), format!("{}-0-{offset}", job.input));
        assert_eq!((stub.key.as_deref(), stub.value.as_deref()), (Some(key.as_bytes()), Some(&b""[..])));
        assert_eq!(stub.header_text("__scorewire.errors.reason"), Some("unknown_wire_form"));
    }
    let kept = letter(23);
    assert_eq!(kept.value.as_deref(), Some(b"no transaction".as_slice()), "only its timestamp is another");
    assert_eq!(kept.header_text("__scorewire.errors.source_timestamp"), Some((start_ms * 1_000).to_string().as_str()));
}

#[test]
fn each_record_comes_to_the_best_end_that_is_left_at_least_once() {
    each_record_comes_to_the_best_end_that_is_left("at_least_once");
}

#[test]
fn each_record_comes_to_the_best_end_that_is_left_exactly_once() {
    each_record_comes_to_the_best_end_that_is_left("exactly_once");
}

/// The broker's word on an outcome may come between the lane's last look and the end of the transaction that it spoilt. A lane
/// that did not hear it would send the same outcome again, until it gave up.
#[test]
fn a_refusal_that_comes_while_its_transaction_is_given_up_is_heard() {
    let Some(kafka) = RealKafka::connect() else { return };
    let narrow = [("max.message.bytes", "1000")];
    let topics = Topics::of(|topic| {
        let name = topic.name().replace('_', "-");
        kafka.topic_with(&format!("late-{name}"), 1, if name == "outputs" { &narrow } else { &[] })
    });
    let settings = Config::new(kafka.bootstrap(), &unique_name("late"), "package").kafka;
    let settings = KafkaSettings { start_at: Some(StartAt::Earliest), ..settings };
    kafka.produce(topics.input(), &[TestRecord::new(0).key("k").value("v")]);
    let held = hold(&settings, topics.input());

    let (id, counts) = (unique_name("late-id"), PartitionCounts::of(|_| 1));
    let name = (id.as_str(), ANSWER);
    let mut sink = KafkaSink::transactional(&settings, name, &topics, &counts, &ForwardHeaders::All).unwrap();
    Transactional::begin(&mut sink).unwrap();
    let tag = Tag::new(3, 7);
    let outcome = Outgoing {
        destination: Destination::Outputs,
        tag,
        partition: Some(0),
        key: Part::OfSource,
        value: Part::Own(&[7; 4_000]),
        timestamp_ms: None,
        headers: &[],
        forward: false,
    };
    sink.send(&outcome, Some(&held.record)).unwrap();
    // The client knows, and nobody has asked it.
    wait_until("the client complains", ANSWER, || sink.complaint().is_some());
    Transactional::abort(&mut sink, ANSWER).unwrap();
    let mut acks = Vec::new();
    sink.poll(Duration::ZERO, &mut acks).unwrap();
    let [Ack { tag: of, result: Err(why) }] = acks[..] else { panic!("not one refusal: {acks:?}") };
    assert_eq!((of, why.hope), (tag, Hope::Never), "{why}");
    assert_eq!(sink.in_flight(), 0);
}
