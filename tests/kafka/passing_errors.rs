//! Errors that pass (a leader, a coordinator or a controller that moves or loads, a broker that starts) end no start: the
//! question is asked again. Those that do not pass are told at once, by name. The brokers here are librdkafka's mock, which
//! gives the errors that a test asks for.

use std::io::Write;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Err};
use scorewire::config::Config;
use scorewire::error::{Fatal, exit};
use scorewire::kafka::cluster::starting_offsets::{self, GroupOffsets, Kept};
use scorewire::kafka::cluster::{self, Inspected};
use scorewire::kafka::producer::KafkaSink;
use scorewire::kafka::settings::KafkaSettings;
use scorewire::values::settings::ForwardHeaders;
use scorewire::values::topics::{Destination, Needs, Topics};

/// Far above what an answer takes, so that a test that passes never waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// More in a row than the client asks by itself.
const OFTEN: usize = 4;

struct Bench {
    cluster: MockCluster<'static, DefaultProducerContext>,
    settings: KafkaSettings,
    topics: Topics,
}

impl Bench {
    fn new() -> Bench {
        let topics = Topics::default();
        let cluster = MockCluster::new(1).unwrap();
        for (_, name) in topics.iter() {
            cluster.create_topic(name, 2, 1).unwrap();
        }
        let mut settings = Config::new(&cluster.bootstrap_servers(), "group", "package").kafka;
        for (name, ms) in [("retry.backoff.ms", "10"), ("retry.backoff.max.ms", "20"), ("reconnect.backoff.ms", "10")] {
            settings.properties.insert(name.to_owned(), ms.to_owned());
        }
        Bench { cluster, settings, topics }
    }

    fn inspect(&self) -> Result<Inspected, Fatal> {
        cluster::inspect(&self.settings, &self.topics, Needs::default(), LIMIT)
    }

    fn kept(&self) -> Result<Vec<Kept>, Fatal> {
        starting_offsets::kept(&self.settings, self.topics.input(), 2)
    }

    fn held(&self) -> Result<Vec<Option<i64>>, Fatal> {
        GroupOffsets::of(&self.settings, self.topics.input(), 2, LIMIT)?.held()
    }
}

/// Gives `error` to the next requests of a kind.
fn give(bench: &Bench, kind: RDKafkaApiKey, error: Err) {
    bench.cluster.request_errors(kind, &[error; OFTEN]);
}

#[test]
fn first_and_last_offsets_are_asked_for_again_while_leaders_move() {
    let bench = Bench::new();
    let empty = vec![Kept { first: 0, end: 0 }; 2];
    for error in [
        Err::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Err::RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        give(&bench, RDKafkaApiKey::ListOffsets, error);
        assert_eq!(bench.kept().unwrap_or_else(|fatal| panic!("{error:?}: {fatal}")), empty);
    }
}

#[test]
fn committed_offsets_are_asked_for_again_while_coordinators_move_and_load() {
    let bench = Bench::new();
    for (kind, error) in [
        (RDKafkaApiKey::OffsetFetch, Err::RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
        (RDKafkaApiKey::OffsetFetch, Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        (RDKafkaApiKey::OffsetFetch, Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT),
        (RDKafkaApiKey::OffsetFetch, Err::RD_KAFKA_RESP_ERR__TRANSPORT),
    ] {
        give(&bench, kind, error);
        assert_eq!(bench.held().unwrap_or_else(|fatal| panic!("{kind:?} {error:?}: {fatal}")), [None, None]);
        bench.cluster.clear_request_errors(kind);
    }
}

#[test]
fn what_does_not_pass_is_told_at_once_by_its_name() {
    let bench = Bench::new();
    give(&bench, RDKafkaApiKey::OffsetFetch, Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    let fatal = bench.held().unwrap_err();
    assert_eq!(fatal.code, exit::UNAVAILABLE);
    assert!(fatal.what.starts_with("READ on group group is denied"), "{fatal}");

    give(&bench, RDKafkaApiKey::ListOffsets, Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let fatal = bench.kept().unwrap_err();
    assert!(fatal.what.starts_with(&format!("READ on topic {} is denied", bench.topics.input())), "{fatal}");

    bench
        .cluster
        .topic_error(&bench.topics[Destination::Review], Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        .unwrap();
    let fatal = bench.inspect().unwrap_err();
    assert!(
        fatal.what.starts_with(&format!("WRITE on topic {} is denied", bench.topics[Destination::Review])),
        "{fatal}"
    );
}

#[test]
fn a_commit_that_is_refused_for_good_is_told_at_once() {
    let bench = Bench::new();
    let group = GroupOffsets::of(&bench.settings, bench.topics.input(), 2, LIMIT).unwrap();
    let start = |kept: &[Kept]| Ok(kept.iter().map(|kept| kept.first).collect());
    // More than are asked for by then; were it asked on, the last one would be taken after them.
    bench.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 2]);
    let fatal = group.fix(start).unwrap_err();
    assert!(fatal.what.starts_with("READ on group group is denied"), "{fatal}");
    bench.cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    bench
        .cluster
        .request_errors(RDKafkaApiKey::OffsetCommit, &[Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 2]);
    assert_eq!(group.fix(start).unwrap(), [Some(0), Some(0)]);
}

/// Hands what is logged to whoever waits for it.
#[derive(Clone)]
struct Told(Sender<String>);

impl Write for Told {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // Nobody waits any more when the test is over.
        let _ = self.0.send(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_topic_that_has_no_leader_yet_is_asked_for_again_and_that_is_said() {
    let bench = Bench::new();
    bench
        .cluster
        .topic_error(&bench.topics[Destination::Outputs], Err::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        .unwrap();
    let (tell, told) = channel();
    let lines = tracing_subscriber::fmt().with_writer(move || Told(tell.clone())).finish();
    std::thread::scope(|scope| {
        let (settings, topics) = (&bench.settings, &bench.topics);
        let inspect = || cluster::inspect(settings, topics, Needs::default(), LIMIT);
        let asking = scope.spawn(move || tracing::subscriber::with_default(lines, inspect));
        let line = told.recv_timeout(LIMIT).expect("the start says what it waits for");
        assert!(line.contains("LEADER_NOT_AVAILABLE") && line.contains(&bench.topics[Destination::Outputs]), "{line}");
        bench.cluster.topic_error(&bench.topics[Destination::Outputs], Err::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
        let inspected = asking.join().unwrap().unwrap();
        assert_eq!((inspected.partitions[Destination::Outputs], inspected.brokers), (2, 1));
    });
}

#[test]
fn a_name_for_transactions_is_taken_over_in_the_end() {
    let bench = Bench::new();
    let counts = bench.inspect().unwrap().partitions;
    for error in [
        Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Err::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Err::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    ] {
        bench.cluster.request_errors(RDKafkaApiKey::InitProducerId, &[error; 3]);
        let forward = &ForwardHeaders::All;
        let sink = KafkaSink::transactional(&bench.settings, ("name", LIMIT), &bench.topics, &counts, forward);
        assert!(sink.is_ok(), "{error:?}: {}", sink.err().unwrap());
    }
}
