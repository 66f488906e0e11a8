//! A real Apache Kafka for tests, shared by all of them: own topics, raw records, inputs with holes.
//!
//! `scripts/test` starts one (`scripts/kafka up`) and names it in `SCOREWIRE_TEST_KAFKA`. Without it the tests that
//! need it say so on stderr and pass, except where nothing may be left out (`CI=true`, `SCOREWIRE_REQUIRE_KAFKA=1`).

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::producers::{End, OpenTransaction, TransactionalProducer, produce};
use super::records::{ReadRecord, TestRecord};
use super::wait::wait_for;

/// For one answer of the broker. Far above what it takes, so that only a dead broker trips it.
pub const ANSWER: Duration = Duration::from_secs(30);

/// Settings that make the broker compact a topic as soon as a segment is full of nothing but time.
pub const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("segment.ms", "100"),
    ("min.compaction.lag.ms", "0"),
    ("delete.retention.ms", "0"),
];

/// Where the broker is, and what tests do with it.
#[derive(Clone, Debug)]
pub struct RealKafka {
    bootstrap: String,
}

impl RealKafka {
    /// The broker that the environment names. `None` (said loudly) when there is none and tests may do without.
    pub fn connect() -> Option<RealKafka> {
        if let Some(bootstrap) = std::env::var("SCOREWIRE_TEST_KAFKA").ok().filter(|value| !value.is_empty()) {
            return Some(RealKafka::at(bootstrap));
        }
        skip_or_panic();
        None
    }

    /// A broker that the test knows itself, e.g. one of its own ([`super::OwnKafka`]).
    pub fn at(bootstrap: impl Into<String>) -> RealKafka {
        RealKafka { bootstrap: bootstrap.into() }
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Client properties that every client of a test starts with.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        // The default backs off for up to 10 s when a test's own broker was down for a moment.
        config.set("reconnect.backoff.max.ms", "500");
        config
    }

    /// A fresh topic for one test, created and with leaders. Its name starts with `purpose`.
    pub fn topic(&self, purpose: &str, partitions: i32) -> String {
        self.topic_with(purpose, partitions, &[])
    }

    pub fn topic_with(&self, purpose: &str, partitions: i32, config: &[(&str, &str)]) -> String {
        let name = unique_name(purpose);
        self.create_topic(&name, partitions, config);
        name
    }

    /// Creates a topic by its full name and waits until every partition has a leader. The replication factor is the
    /// broker's default.
    pub fn create_topic(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let topic =
            config.iter().fold(NewTopic::new(name, partitions, TopicReplication::Fixed(-1)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let results = block_on(admin.create_topics(&[topic], &options)).expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, code)| panic!("cannot create topic {topic}: {code}"));
        }
        wait_for_leaders(&admin, name, partitions);
    }

    /// Gives a topic more partitions, so many in all, and waits until each has a leader.
    pub fn add_partitions(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let more = NewPartitions::new(topic, partitions as usize);
        let results = block_on(admin.create_partitions(&[more], &options)).expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, code)| panic!("cannot add partitions to {topic}: {code}"));
        }
        wait_for_leaders(&admin, topic, partitions);
    }

    /// Changes one setting of a topic.
    pub fn set_of_topic(&self, topic: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let results = block_on(admin.alter_configs(&[change], &options)).expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(of, code)| panic!("cannot set {key} of {of:?}: {code}"));
        }
    }

    /// Deletes a topic, and waits until nobody knows it any more.
    pub fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let results = block_on(admin.delete_topics(&[topic], &options)).expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, code)| panic!("cannot delete topic {topic}: {code}"));
        }
        wait_for("the topic is gone", ANSWER, || {
            let metadata = admin.inner().fetch_metadata(Some(topic), ANSWER).expect("the broker answers");
            metadata.topics().iter().all(|known| known.partitions().is_empty()).then_some(())
        });
    }

    /// Deletes a group and its offsets, as their retention does, once its last member is gone.
    pub fn delete_group(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        wait_for("the group has no members", ANSWER, || {
            let results = block_on(admin.delete_groups(&[group], &options)).expect("the broker answers");
            match results.into_iter().next().expect("one answer") {
                Ok(_) => Some(()),
                Err((_, RDKafkaErrorCode::NonEmptyGroup)) => None,
                Err((group, code)) => panic!("cannot delete group {group}: {code}"),
            }
        });
    }

    /// Writes the records in order and returns the offset of each. Returns only when all are acknowledged by all
    /// replicas in sync.
    pub fn produce(&self, topic: &str, records: &[TestRecord]) -> Vec<i64> {
        produce(self.client_config(), topic, records)
    }

    /// Writes the records in one transaction and commits it: they are visible, and a marker follows them.
    pub fn produce_committed(&self, topic: &str, records: &[TestRecord]) {
        TransactionalProducer::new(self.client_config()).transact(topic, records, End::Commit);
    }

    /// Writes the records in one transaction and aborts it: they take offsets, a marker follows them, and readers at
    /// `read_committed` see a hole.
    pub fn produce_aborted(&self, topic: &str, records: &[TestRecord]) {
        TransactionalProducer::new(self.client_config()).transact(topic, records, End::Abort);
    }

    /// Writes the records in one transaction and leaves it open until [`OpenTransaction::commit`].
    pub fn produce_open(&self, topic: &str, records: &[TestRecord]) -> OpenTransaction {
        OpenTransaction::begin(self.client_config(), topic, records)
    }

    /// Everything visible at `read_committed` from the first offset to the end as of now, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<ReadRecord> {
        let (consumer, partitions) = self.reader(topic);
        let mut ended = HashSet::new();
        let mut records = Vec::new();
        let start = Instant::now();
        while ended.len() < partitions {
            assert!(start.elapsed() < ANSWER, "{topic}: its end not within {ANSWER:?}");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(ReadRecord::from_client(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(error)) => assert!(is_passing(&error), "{topic}: {error}"),
                None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Reads on from the first offset until `enough` says so, in order of arrival (source order per partition). Panics
    /// with what did arrive when `deadline` passes first.
    pub fn read_until(
        &self,
        topic: &str,
        deadline: Duration,
        mut enough: impl FnMut(&[ReadRecord]) -> bool,
    ) -> Vec<ReadRecord> {
        let (consumer, _) = self.reader(topic);
        let mut records = Vec::new();
        let start = Instant::now();
        while !enough(&records) {
            assert!(start.elapsed() < deadline, "{topic}: {} records within {deadline:?}, not enough", records.len());
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(ReadRecord::from_client(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) => assert!(is_passing(&error), "{topic}: {error}"),
            }
        }
        records
    }

    /// Low and high watermark of a partition; markers and aborted records count.
    pub fn watermarks(&self, topic: &str, partition: i32) -> (i64, i64) {
        let consumer: BaseConsumer = self.client_config().create().expect("a consumer");
        consumer.fetch_watermarks(topic, partition, ANSWER).expect("the broker answers")
    }

    /// The group's committed offset of each partition that has one.
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let consumer: BaseConsumer = self.client_config().set("group.id", group).create().expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, self.partitions(&consumer, topic) - 1);
        // A group that nobody has used yet has a coordinator only a moment after the first question.
        let answer =
            wait_for("the coordinator answers", ANSWER, || match consumer.committed_offsets(asked.clone(), ANSWER) {
                Ok(answer) => Some(answer),
                Err(error) if is_passing(&error) => None,
                Err(error) => panic!("committed offsets of {group}: {error}"),
            });
        let elements = answer.elements();
        elements
            .iter()
            .filter_map(|e| e.offset().to_raw().filter(|raw| *raw >= 0).map(|o| (e.partition(), o)))
            .collect()
    }

    /// Waits until the broker has really removed every record of a [`COMPACTED`] topic that a later one with the same
    /// key replaces. What it writes to make segments roll is aborted, so `read_committed` readers never see it.
    pub fn compact(&self, topic: &str, partitions: i32) {
        let filler = TransactionalProducer::new(self.client_config());
        let rolls: Vec<TestRecord> =
            (0..partitions).map(|partition| TestRecord::new(partition).key("filler").value("filler")).collect();
        wait_for("compaction", Duration::from_secs(120), || {
            filler.transact(topic, &rolls, End::Abort);
            let mut seen = HashSet::new();
            let records = self.read(topic);
            records.iter().all(|record| seen.insert((record.partition, record.key.clone()))).then_some(())
        });
    }

    pub fn partition_count(&self, topic: &str) -> i32 {
        let consumer: BaseConsumer = self.client_config().create().expect("a consumer");
        self.partitions(&consumer, topic)
    }

    /// Moves the first offset of a partition: everything before it is gone (DeleteRecords).
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a valid offset");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let answer = block_on(admin.delete_records(&list, &options)).expect("the broker answers");
        for element in answer.elements() {
            element.error().unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        }
        assert_eq!(self.watermarks(topic, partition).0, offset);
    }

    fn partitions(&self, client: &BaseConsumer, topic: &str) -> i32 {
        let metadata = client.fetch_metadata(Some(topic), ANSWER).expect("the broker answers");
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        assert!(count > 0, "topic {topic} does not exist");
        count as i32
    }

    /// A consumer of all partitions from their first offset, outside any group, and their number.
    fn reader(&self, topic: &str) -> (BaseConsumer, usize) {
        let mut config = self.client_config();
        config
            .set("group.id", "never-joined")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let partitions = self.partitions(&consumer, topic);
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        }
        consumer.assign(&assignment).expect("assignable");
        (consumer, partitions as usize)
    }
}

fn wait_for_leaders(admin: &AdminClient<DefaultClientContext>, topic: &str, partitions: i32) {
    wait_for("the topic's partitions have leaders", ANSWER, || {
        let metadata = admin.inner().fetch_metadata(Some(topic), ANSWER).ok()?;
        let found = metadata.topics().first()?.partitions();
        (found.len() == partitions as usize && found.iter().all(|p| p.leader() >= 0)).then_some(())
    });
}

/// A name that no other test, and no other run against the same broker, takes. Good for topics, groups and
/// transactional ids.
pub fn unique_name(purpose: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_micros());
    format!("{purpose}-{:x}-{}-{}", start, process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What the client tells while it reconnects by itself: a broker of a test's own may be down for a moment.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator,
        Resolve,
    };
    let moving = matches!(
        error.rdkafka_error_code(),
        Some(NotCoordinator | CoordinatorLoadInProgress | CoordinatorNotAvailable)
    );
    moving || matches!(error.rdkafka_error_code(), Some(AllBrokersDown | BrokerTransportFailure | Resolve))
}

fn skip_or_panic() {
    let is_set = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    let how = "start one with 'scripts/kafka up' and set SCOREWIRE_TEST_KAFKA=127.0.0.1:PORT, or run scripts/test";
    if is_set("CI", "true") || is_set("SCOREWIRE_REQUIRE_KAFKA", "1") {
        panic!("this test needs a real Kafka, and nothing may be left out: {how}");
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the test harness's capture, which would hide what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no Kafka: {test} ({how})");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
