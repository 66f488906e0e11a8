//! A verifier that cannot find a loss is worse than none: everybody believes it. Here the generator sends to an embedded
//! broker, a trivial pipeline answers, and outcomes are spoiled on purpose: each must be found, counted and fatal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use scorewire::error::{Fatal, exit};
use scorewire::kafka::settings::Topics;
use scorewire::load::marker::{MARKER, Marker};
use scorewire::load::payloads::{Framing, PayloadSource};
use scorewire::load::poison::KINDS;
use scorewire::load::population::World;
use scorewire::load::{LoadPlan, PipelineProbe, ProcessProbe, Summary, dataset, run};
use scorewire::observe::latency::StepTimes;

const PARTITIONS: i32 = 3;

/// The fields that the verifier looks at, among others.
const OUTPUT_SCHEMA: &str = r#"{"type": "record", "name": "Output", "fields": [
    {"name": "note", "type": ["null", "string"]},
    {"name": "score", "type": "double"},
    {"name": "decision", "type": {"type": "enum", "name": "Decision", "symbols": ["APPROVE", "REVIEW", "DECLINE"]}},
    {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
        {"name": "topic", "type": "string"}, {"name": "partition", "type": "int"}, {"name": "offset", "type": "long"}
    ]}}
]}"#;

/// What the trivial pipeline does to a record instead of the right thing.
#[derive(Clone, Copy, PartialEq)]
enum Misbehaviour {
    None,
    /// Answers poison with a score.
    ScoresPoison,
    /// Answers NaN for every hundredth record.
    NanScores,
    /// Gives every tenth record another key.
    LosesKeys,
}

struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    topics: Topics,
}

impl Cluster {
    fn new() -> Cluster {
        let topics = Topics::default();
        let mock = MockCluster::new(1).expect("the mock cluster starts");
        for topic in [&topics.input, &topics.outputs, &topics.review, &topics.dead_letters, &topics.timeouts] {
            mock.create_topic(topic, PARTITIONS, 1).expect("the topic is created");
        }
        Cluster { mock, topics }
    }

    fn plan(&self) -> LoadPlan {
        let mut plan = LoadPlan::new(&self.mock.bootstrap_servers(), self.topics.clone()).for_embedded_broker();
        plan.rate = 2_000.0;
        plan.duration = Duration::from_millis(1_500);
        plan.warm_up = Duration::from_millis(500);
        plan.poison_per_million = 20_000;
        let world = World { customers: 200, terminals: 200, warm_up_days: 8 };
        plan.source = PayloadSource::Simulator { rows: 2_000, world };
        plan.quiet = Duration::from_secs(2);
        plan.progress = false;
        plan
    }

    fn run(&self, plan: &LoadPlan, misbehaviour: Misbehaviour) -> Summary {
        let echo = Echo::start(self, misbehaviour);
        let probe = ProcessProbe::new(std::process::id());
        let summary = run(plan, OUTPUT_SCHEMA, Some(&probe), &AtomicBool::new(false)).expect("the run is carried out");
        echo.stop();
        summary
    }
}

/// The trivial pipeline: copies headers and keys, scores everything 0.5, knows poison by the marker.
struct Echo {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Echo {
    fn start(cluster: &Cluster, misbehaviour: Misbehaviour) -> Echo {
        let bootstrap = cluster.mock.bootstrap_servers();
        let topics = cluster.topics.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || echo(&bootstrap, &topics, misbehaviour, &stopped));
        Echo { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the echo is well");
    }
}

fn echo(bootstrap: &str, topics: &Topics, misbehaviour: Misbehaviour, stop: &AtomicBool) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "echo")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "1")
        .create()
        .unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(&topics.input, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    while !stop.load(Ordering::Relaxed) {
        if let Some(message) = consumer.poll(Duration::from_millis(5)) {
            answer(&producer, topics, &message.unwrap(), misbehaviour);
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(5)).unwrap();
}

fn answer(producer: &BaseProducer, topics: &Topics, message: &BorrowedMessage<'_>, misbehaviour: Misbehaviour) {
    let headers = message.headers().expect("the marker travels");
    let marker = headers.iter().find(|header| header.key == MARKER).and_then(|header| header.value);
    let marker = Marker::from_bytes(marker.unwrap()).unwrap();
    let kind = KINDS.get(usize::from(marker.poison).wrapping_sub(1));
    let strange_key = misbehaviour == Misbehaviour::LosesKeys && marker.sequence.is_multiple_of(10);
    let key = if strange_key { Some(b"?".as_slice()) } else { message.key() };
    let send = |topic: &str, headers: OwnedHeaders, value: Option<&[u8]>| {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(message.partition()).headers(headers);
        record.key = key;
        record.payload = value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    };
    match kind {
        Some(kind) if misbehaviour != Misbehaviour::ScoresPoison => {
            let reason = Header { key: "__scorewire.errors.reason", value: Some(kind.reason) };
            send(&topics.dead_letters, headers.detach().insert(reason), message.payload());
        }
        _ => {
            let nan = misbehaviour == Misbehaviour::NanScores && marker.sequence.is_multiple_of(100);
            let value = output(if nan { f64::NAN } else { 0.5 }, message);
            send(&topics.outputs, headers.detach(), Some(&value));
            if marker.sequence.is_multiple_of(50) {
                send(&topics.review, headers.detach(), Some(&value));
            }
        }
    }
}

/// An output record, framed by `00` + id; every third is to be reviewed.
fn output(score: f64, message: &BorrowedMessage<'_>) -> Vec<u8> {
    use scorewire::load::avro_write::{WireForm, put_double, put_long, put_string};
    let mut value = Vec::new();
    WireForm::Registry(9).put_prefix(&mut value);
    put_long(&mut value, 1);
    put_string(&mut value, "an echo");
    put_double(&mut value, score);
    put_long(&mut value, i64::from(message.offset() % 3 == 0));
    put_string(&mut value, message.topic());
    put_long(&mut value, i64::from(message.partition()));
    put_long(&mut value, message.offset());
    value
}

#[test]
fn a_sound_pipeline_is_found_sound() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::DONE);
    assert_eq!((summary.sent, summary.warm_up_sent), (4_000, 1_000));
    assert!(summary.poison_sent > 20);
    assert_eq!(summary.dead_lettered, summary.poison_sent);
    assert_eq!(summary.scored + summary.dead_lettered, summary.sent);
    let decided: u64 = summary.decisions.0.iter().map(|(_, count)| count).sum();
    assert_eq!(decided, summary.scored);
    assert!(*summary.decisions.get("REVIEW").unwrap() > 500);
    assert!(summary.dead_letters.get("truncated").is_some_and(|count| *count > 0));
    assert!((70..=80).contains(&summary.review_samples), "{}", summary.review_samples);
    assert_eq!(summary.offered_per_s, 2_000.0);
    assert!(summary.latency_ms.p50 > 0.0 && summary.latency_ms.p50 <= summary.latency_ms.max);
    assert!(summary.cpu_us_per_record.is_some());
}

#[test]
fn one_suppressed_one_doubled_one_swapped_outcome_are_found() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.poison_per_million = 0;
    plan.spoil = ["suppress@700", "double@1234", "swap@2000"].map(|text| text.parse().unwrap()).to_vec();
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert_eq!((summary.lost, summary.duplicated, summary.out_of_order), (1, 1, 1), "{}", summary.verdict());
    assert_eq!(summary.first_lost, [700]);
    assert_eq!(summary.exit_code(), exit::FAILED);
    assert_eq!(summary.scored, summary.sent - 1);
    let verdict = summary.verdict();
    assert!(verdict.contains("1 lost, 1 doubled, 1 out of order") && verdict.contains("First lost: 700"), "{verdict}");
}

#[test]
fn a_pipeline_that_scores_poison_is_found() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::ScoresPoison);
    assert_eq!((summary.lost, summary.duplicated, summary.out_of_order, summary.dead_lettered), (0, 0, 0, 0));
    assert_eq!(summary.unexpected, summary.poison_sent);
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn scores_that_are_no_probability_are_found() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.poison_per_million = 0;
    let summary = cluster.run(&plan, Misbehaviour::NanScores);
    assert_eq!((summary.malformed, summary.lost), (40, 0), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn outcomes_under_another_key_are_found() {
    let cluster = Cluster::new();
    let summary = cluster.run(&cluster.plan(), Misbehaviour::LosesKeys);
    assert_eq!((summary.misplaced, summary.lost), (400, 0), "{}", summary.verdict());
    assert_eq!(summary.exit_code(), exit::FAILED);
}

#[test]
fn a_file_is_sent_once_and_its_scores_are_kept() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.avro");
    dataset::export(&path, 1_500, 5, dataset::Format::Avro).unwrap();
    let mut plan = cluster.plan();
    plan.source = PayloadSource::File { path: path.clone(), key: Some("card.token".to_owned()), repeat: false };
    plan.framing = Framing::Registry(7);
    plan.preload = Some(1_000_000);
    plan.poison_per_million = 20_000;
    plan.scores_to = Some(folder.path().join("scores.csv"));
    let summary = cluster.run(&plan, Misbehaviour::None);
    assert!(summary.kept_its_promises(), "{}", summary.verdict());
    assert!(summary.poison_sent > 0, "poison comes between the rows, not instead of one");
    assert_eq!((summary.sent - summary.poison_sent, summary.scored, summary.warm_up_sent), (1_500, 1_500, 0));
    let scores = std::fs::read_to_string(folder.path().join("scores.csv")).unwrap();
    let lines: Vec<&str> = scores.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (1_501, "row,score", "0,0.5"));

    plan.source = PayloadSource::File { path: folder.path().join("none.avro"), key: None, repeat: false };
    let error = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(false)).unwrap_err();
    assert!(error.what.contains("none.avro"), "{error}");
    plan.source = PayloadSource::File { path, key: Some("card.number".to_owned()), repeat: false };
    let error = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::USAGE);
    assert!(error.what.contains("card.number"), "{error}");
}

#[test]
fn without_reading_back_a_topic_is_only_filled() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.preload = Some(3_000);
    plan.verify = false;
    let summary = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(false)).unwrap();
    assert_eq!((summary.sent, summary.verified, summary.scored), (3_000, false, 0));
    assert!(summary.offered_per_s > 0.0);
    assert_eq!(summary.exit_code(), exit::DONE);
}

/// A pipeline that ends while it is being loaded.
struct Failing(AtomicBool);

impl PipelineProbe for Failing {
    fn step_times(&self) -> Option<StepTimes> {
        None
    }

    fn cpu_us(&self) -> Option<u64> {
        None
    }

    fn failure(&self) -> Option<Fatal> {
        self.0.store(true, Ordering::Relaxed);
        Some(Fatal::new(exit::DELIVERY, "the sink is gone", ""))
    }
}

#[test]
fn a_failing_pipeline_ends_the_run_with_its_own_reason() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.duration = Duration::from_secs(600);
    let probe = Failing(AtomicBool::new(false));
    let error = run(&plan, OUTPUT_SCHEMA, Some(&probe), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.what, "the sink is gone");
    assert!(probe.0.load(Ordering::Relaxed));
}

#[test]
fn a_stop_ends_the_sending_and_what_was_sent_is_accounted_for() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.duration = Duration::from_secs(600);
    let echo = Echo::start(&cluster, Misbehaviour::None);
    // Set before the start: the sending ends at the first look.
    let summary = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(true)).unwrap();
    echo.stop();
    assert!(summary.interrupted && summary.kept_its_promises(), "{}", summary.verdict());
    assert!(summary.sent < 10_000);
}

#[test]
fn a_missing_topic_is_named_before_anything_is_sent() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.topics.timeouts = "nobody-made-this".to_owned();
    let error = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::UNAVAILABLE);
    assert!(error.what.contains("nobody-made-this"), "{error}");
}

#[test]
fn a_refused_property_is_named_without_its_value() {
    let cluster = Cluster::new();
    let mut plan = cluster.plan();
    plan.properties = BTreeMap::from([("sasl.passwrod".to_owned(), "hunter2".to_owned())]);
    let error = run(&plan, OUTPUT_SCHEMA, None, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.code, exit::CONFIG);
    assert!(error.what.contains("sasl.passwrod") && !error.to_string().contains("hunter2"), "{error}");
}
