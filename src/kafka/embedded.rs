//! A broker inside the process: librdkafka's mock cluster, for the demo and for quick tests. It keeps the last
//! 5 MiB per partition in memory and knows nothing of aborted transactions, so it proves nothing about delivery
//! under faults; the tests that do run against Apache Kafka.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::error::{Fatal, exit};
use crate::values::topics::Topics;

/// Runs until dropped.
pub struct EmbeddedBroker(MockCluster<'static, DefaultProducerContext>);

impl EmbeddedBroker {
    /// One broker on a free loopback port, with all topics at the same number of partitions.
    pub fn start(topics: &Topics, partitions: i32) -> Result<EmbeddedBroker, Fatal> {
        let failed = |error: rdkafka::error::KafkaError| {
            Fatal::new(
                exit::SYSTEM,
                format!("the embedded broker does not start: {error}"),
                "check that loopback ports can be opened",
            )
        };
        let cluster = MockCluster::new(1).map_err(failed)?;
        for (_, name) in topics.iter() {
            cluster.create_topic(name, partitions, 1).map_err(failed)?;
        }
        Ok(EmbeddedBroker(cluster))
    }

    pub fn bootstrap(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Consumer properties that fit it. An empty fetch waits its whole time there, even when records arrive meanwhile. And a
    /// fetch returns one record batch per partition however many there are, so that one which waits a millisecond for the
    /// last one's records to be taken comes slower than batches go in.
    pub fn consumer_properties() -> [(&'static str, &'static str); 2] {
        [("fetch.wait.max.ms", "0"), ("queued.min.messages", "1000")]
    }

    /// Producer properties that fit it: for the same reason batches of one or two records would come out slower than they go
    /// in; a millisecond makes them larger.
    pub fn producer_properties() -> [(&'static str, &'static str); 1] {
        [("linger.ms", "1")]
    }
}
