//! Load of a test's own: records at a steady rate from one producer, and a reader that notes when each one's outcome came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use scorewire::avro::outcome::{Origin, OriginReader};
use scorewire::avro::written::Written;

use crate::common::kafka::ANSWER;
use crate::common::{Job, ReadRecord, STEP, TestRecord, source_of_dead_letter, wait_for};

/// Partition and offset.
pub type Place = (i32, i64);

#[derive(Default)]
struct Delivered(Mutex<HashMap<u64, Place>>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let message = result.as_ref().unwrap_or_else(|(error, _)| panic!("not delivered: {error}"));
        self.0.lock().unwrap().insert(*number, (message.partition(), message.offset()));
    }
}

/// Writes to the input of a job, from any thread.
pub struct Producing {
    producer: ThreadedProducer<Delivered>,
    topic: String,
    sent: Mutex<u64>,
}

impl Producing {
    pub fn new(job: &Job) -> Producing {
        let mut config = job.kafka.client_config();
        config.set("enable.idempotence", "true").set("linger.ms", "0");
        let producer = config.create_with_context(Delivered::default()).expect("a producer");
        Producing { producer, topic: job.input.clone(), sent: Mutex::new(0) }
    }

    /// Returns the record's number, and when it was handed over.
    pub fn send(&self, record: &TestRecord) -> (u64, Instant) {
        let mut sent = self.sent.lock().unwrap();
        *sent += 1;
        let unsent = BaseRecord::with_opaque_to(&self.topic, Box::new(*sent)).partition(record.partition);
        let unsent = unsent.key(record.key.as_deref().unwrap()).payload(record.value.as_deref().unwrap());
        let at = Instant::now();
        self.producer.send(unsent).unwrap_or_else(|(error, _)| panic!("{error}"));
        (*sent, at)
    }

    pub fn place_of(&self, number: u64) -> Place {
        let delivered = &self.producer.context().0;
        wait_for("the record is acknowledged", STEP, || delivered.lock().unwrap().get(&number).copied())
    }

    /// Waits until everything is acknowledged, and returns how much that is.
    pub fn finish(&self) -> u64 {
        self.producer.flush(ANSWER).unwrap();
        *self.sent.lock().unwrap()
    }
}

/// Sends what `next` makes, so many a second, until it is stopped.
pub struct Flow {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flow {
    pub fn start(to: &Arc<Producing>, per_second: u32, mut next: impl FnMut() -> TestRecord + Send + 'static) -> Flow {
        let (stop, to) = (Arc::new(AtomicBool::new(false)), Arc::clone(to));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let start = Instant::now();
            for number in 0_u32.. {
                let due = Duration::from_secs(1) * number / per_second;
                thread::sleep(due.saturating_sub(start.elapsed()));
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                to.send(&next());
            }
        });
        Flow { stop, thread: Some(thread) }
    }

    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// What became of a record.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub at: Instant,
    pub times: u32,
    /// Of a dead letter.
    pub reason: Option<String>,
}

/// Reads outputs and dead letters as they come.
pub struct Outcomes {
    seen: Arc<Mutex<HashMap<Place, Arrived>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Outcomes {
    pub fn watch(job: &Job) -> Outcomes {
        let (seen, stop) = (Arc::<Mutex<HashMap<Place, Arrived>>>::default(), Arc::new(AtomicBool::new(false)));
        let mut config = job.kafka.client_config();
        config.set("group.id", "never-joined").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut topics = TopicPartitionList::new();
        for topic in [&job.outputs, &job.dead_letters] {
            for partition in 0..job.kafka.partition_count(topic) {
                topics.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&topics).unwrap();
        let (outputs, input) = (job.outputs.clone(), job.input.clone());
        let (to, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut reader = None;
            while !stopped.load(Ordering::Relaxed) {
                let Some(polled) = consumer.poll(Duration::from_millis(50)) else { continue };
                let (message, at) = (polled.expect("the broker stays"), Instant::now());
                let (place, reason) = if message.topic() == outputs {
                    let value = message.payload().unwrap();
                    (source_of_output(reader.get_or_insert_with(|| reader_of(value, &input)), value), None)
                } else {
                    let record = ReadRecord::from_client(&message);
                    let reason = record.header_text("__scorewire.errors.reason").unwrap().to_owned();
                    (source_of_dead_letter(&record), Some(reason))
                };
                let mut seen = to.lock().unwrap();
                seen.entry(place).or_insert(Arrived { at, times: 0, reason }).times += 1;
            }
        });
        Outcomes { seen, stop, thread: Some(thread) }
    }

    pub fn all(&self) -> HashMap<Place, Arrived> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn dead_letters(&self) -> usize {
        self.seen.lock().unwrap().values().filter(|arrived| arrived.reason.is_some()).count()
    }

    pub fn of(&self, place: Place) -> Option<Arrived> {
        self.seen.lock().unwrap().get(&place).cloned()
    }

    #[track_caller]
    pub fn wait_for(&self, place: Place) -> Arrived {
        wait_for("the record's outcome", STEP, || self.of(place))
    }

    /// Scored records of these partitions whose outputs came between the two, a second.
    pub fn rate(&self, partitions: &[i32], from: Instant, until: Instant) -> f64 {
        let seen = self.seen.lock().unwrap();
        let counts = |(place, arrived): &(&Place, &Arrived)| {
            partitions.contains(&place.0) && arrived.reason.is_none() && (from..until).contains(&arrived.at)
        };
        seen.iter().filter(counts).count() as f64 / (until - from).as_secs_f64()
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All outputs of a run have one id.
fn reader_of(value: &[u8], input: &str) -> OriginReader {
    assert_eq!(value[0], 0, "00 + id");
    let id = u32::from_be_bytes(value[1..5].try_into().unwrap());
    let newest = Written::Outputs.versions()[0].number;
    OriginReader::new(Written::Outputs, input).unwrap().with_ids(&[(newest, id)])
}

fn source_of_output(reader: &OriginReader, value: &[u8]) -> Place {
    match reader.origin(value) {
        Origin::Record { partition, offset } => (partition, offset),
        other => panic!("{other:?}"),
    }
}
