//! An embedded broker and a trivial pipeline on it, for tests of generator and verifier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fates;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use scorewire::load::simulate::marker::{MARKER, Marker};
use scorewire::load::simulate::payloads::{PayloadSource, Pool};
use scorewire::load::simulate::poison::{Corpus, KINDS};
use scorewire::load::simulate::population::World;
use scorewire::load::{LoadPlan, ProcessProbe, Summary, run};
use scorewire::values::topics::{Destination, Topics};

pub const PARTITIONS: i32 = 3;

/// The fields that the verifier looks at, among others.
pub const OUTPUT_SCHEMA: &str = r#"{"type": "record", "name": "Output", "fields": [
    {"name": "note", "type": ["null", "string"]},
    {"name": "score", "type": "double"},
    {"name": "decision", "type": {"type": "enum", "name": "Decision", "symbols": ["APPROVE", "REVIEW", "DECLINE"]}},
    {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
        {"name": "topic", "type": "string"}, {"name": "partition", "type": "int"}, {"name": "offset", "type": "long"}
    ]}}
]}"#;

/// What the trivial pipeline does to a record instead of the right thing.
#[derive(Clone, Copy, PartialEq)]
pub enum Misbehaviour {
    None,
    /// Answers poison with a score.
    ScoresPoison,
    /// Answers NaN for every hundredth record.
    NanScores,
    /// Gives every tenth record another key.
    LosesKeys,
    /// Copies every value as it is, poison too.
    Copies,
    /// Puts off what is sound, and goes on with the letters as `scorewire retry` does.
    PutsOff,
    /// Leaves some records to an operator, and writes stubs of poison.
    PassesOver,
}

pub struct Cluster {
    pub mock: MockCluster<'static, DefaultProducerContext>,
    pub topics: Topics,
}

impl Cluster {
    pub fn new() -> Cluster {
        let topics = Topics::default();
        let mock = MockCluster::new(1).expect("the mock cluster starts");
        for (_, topic) in topics.iter() {
            mock.create_topic(topic, PARTITIONS, 1).expect("the topic is created");
        }
        Cluster { mock, topics }
    }

    pub fn plan(&self) -> LoadPlan {
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

    /// The poison that a run by this plan sends.
    pub fn corpus(&self, plan: &LoadPlan) -> Corpus {
        let pool = Pool::load(&plan.source, plan.framing, plan.seed, plan.rows_max()).expect("simulated");
        Corpus::new(pool.poisons.clone(), plan.poison_per_million, plan.seed)
    }

    pub fn run(&self, plan: &LoadPlan, misbehaviour: Misbehaviour) -> Summary {
        let echo = Echo::start(self, misbehaviour);
        let probe = ProcessProbe::new(std::process::id());
        let summary =
            run(plan, &[OUTPUT_SCHEMA], Some(&probe), &AtomicBool::new(false)).expect("the run is carried out");
        echo.stop();
        summary
    }
}

/// The trivial pipeline: copies headers and keys, scores everything 0.5, knows poison by the marker.
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Echo {
    pub fn start(cluster: &Cluster, misbehaviour: Misbehaviour) -> Echo {
        let bootstrap = cluster.mock.bootstrap_servers();
        let topics = cluster.topics.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || echo(&bootstrap, &topics, misbehaviour, &stopped));
        Echo { stop, thread }
    }

    pub fn stop(self) {
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
        assignment.add_partition_offset(topics.input(), partition, Offset::Beginning).unwrap();
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
    let sound = kind.is_none();
    let strange_key = misbehaviour == Misbehaviour::LosesKeys && marker.sequence.is_multiple_of(10);
    let key = if strange_key { Some(b"?".as_slice()) } else { message.key() };
    let send_keyed = |topic: &str, headers: OwnedHeaders, key: Option<&[u8]>, value: Option<&[u8]>| {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(message.partition()).headers(headers);
        record.key = key;
        record.payload = value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    };
    let send = |topic: &str, headers: OwnedHeaders, value: Option<&[u8]>| send_keyed(topic, headers, key, value);
    match kind {
        _ if misbehaviour == Misbehaviour::Copies => {
            send(&topics[Destination::Outputs], headers.detach(), message.payload())
        }
        _ if misbehaviour == Misbehaviour::PutsOff && sound => {
            for (to, headers) in fates::of_put_off(headers.detach(), marker.sequence) {
                send(&topics[to], headers, message.payload());
            }
        }
        _ if misbehaviour == Misbehaviour::PassesOver
            && fates::is_left(message.partition(), message.offset(), sound) =>
        {
            for (headers, is_stub) in fates::of_left(message, kind.map(|kind| kind.reason)) {
                let (key, value) =
                    if is_stub { (Some(&b"where"[..]), Some(&b""[..])) } else { (key, message.payload()) };
                send_keyed(&topics[Destination::DeadLetters], headers, key, value);
            }
        }
        Some(kind) if misbehaviour != Misbehaviour::ScoresPoison => {
            let reason = Header { key: "__scorewire.errors.reason", value: Some(kind.reason) };
            send(&topics[Destination::DeadLetters], headers.detach().insert(reason), message.payload());
        }
        _ => {
            let nan = misbehaviour == Misbehaviour::NanScores && marker.sequence.is_multiple_of(100);
            let value = output(if nan { f64::NAN } else { 0.5 }, message);
            send(&topics[Destination::Outputs], headers.detach(), Some(&value));
            if marker.sequence.is_multiple_of(50) {
                send(&topics[Destination::Review], headers.detach(), Some(&value));
            }
        }
    }
}

/// An output record, framed by `00` + id; every third is to be reviewed.
fn output(score: f64, message: &BorrowedMessage<'_>) -> Vec<u8> {
    use scorewire::load::simulate::avro_write::{WireForm, put_double, put_long, put_string};
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
