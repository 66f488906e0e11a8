//! Every client setting, written out with its reason.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub mod connection;
pub mod identity;
pub mod secrets;
pub mod trust;

use secrets::Masked;
pub use secrets::{PasswordFiles, SECRET_PROPERTIES, is_secret};

/// Where a group without committed offsets starts. There is no default: both answers are wrong for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    Earliest,
    Latest,
}

/// What happens where a group has no committed offset, and the outputs hold outcomes of its input all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutOffsets {
    /// The process does not start: somebody has to say what is meant.
    #[default]
    Refuse,
    /// The group starts after the last outcomes.
    Resume,
    /// The group starts as a new one, by [`KafkaSettings::start_at`].
    Begin,
}

/// How a group divides its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Its members do, by cooperative-sticky.
    #[default]
    Classic,
    /// The brokers do (KIP-848), who also say how long a session lasts.
    Consumer,
}

/// Whether a member that comes back is known again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// It leaves when it ends, and joins as a new one.
    #[default]
    Dynamic,
    /// It keeps its place and its partitions until its session is over, and takes them up under its name.
    Static,
}

/// The connection as the configuration gives it, already checked. `Debug` masks the properties that are secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    pub bootstrap: String,
    pub group: String,
    /// Names this process in broker logs and outputs.
    pub node: String,
    pub start_at: Option<StartAt>,
    pub without_offsets: WithoutOffsets,
    pub group_protocol: GroupProtocol,
    pub membership: Membership,
    /// librdkafka properties for both clients, then for each; passed through an allow-list by `config/`.
    pub properties: BTreeMap<String, String>,
    pub consumer_properties: BTreeMap<String, String>,
    pub producer_properties: BTreeMap<String, String>,
    pub password_files: PasswordFiles,
}

impl KafkaSettings {
    /// The name that a client with these properties of its own gives the brokers, where it gives one.
    pub fn user_of<'a>(&'a self, own: &'a BTreeMap<String, String>) -> Option<&'a str> {
        let name = "sasl.username";
        own.get(name).or_else(|| self.properties.get(name)).map(String::as_str)
    }

    /// How long a member may be silent before the group gives its partitions away.
    pub fn session_timeout(&self) -> Duration {
        let said = self.consumer_properties.get("session.timeout.ms").map_or(SESSION_TIMEOUT_MS, String::as_str);
        match (self.group_protocol, said.trim().parse()) {
            (GroupProtocol::Classic, Ok(ms)) => Duration::from_millis(ms),
            // The brokers decide, and do not tell: their default. What is no number the client refuses.
            _ => Duration::from_secs(45),
        }
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("group", &self.group)
            .field("node", &self.node)
            .field("start_at", &self.start_at)
            .field("without_offsets", &self.without_offsets)
            .field("group_protocol", &self.group_protocol)
            .field("membership", &self.membership)
            .field("properties", &Masked(&self.properties))
            .field("consumer_properties", &Masked(&self.consumer_properties))
            .field("producer_properties", &Masked(&self.producer_properties))
            .field("password_files", &self.password_files)
            .finish()
    }
}

/// How long after its last good answer a client without one goes back to the brokers of `kafka.bootstrap`. It may also have
/// been told of no broker at all (`kafka::wrapped::rebootstrap`); 5 min, the client's own time, would be long then.
pub const REBOOTSTRAP_AFTER_MS: &str = "10000";

/// What every client needs: where the brokers are, who we are, and what the configuration adds.
pub fn connection_settings(settings: &KafkaSettings) -> Vec<(String, String)> {
    let mut list = owned(&[
        ("bootstrap.servers", &settings.bootstrap),
        ("client.id", &format!("scorewire-{}", settings.node)),
        // Telemetry pushed to the broker (KIP-714) is another's decision; off unless asked for.
        ("enable.metrics.push", "false"),
        // A broker that was away is tried again after 0.1 to 1 s instead of up to 10 s: its records wait for us.
        ("reconnect.backoff.ms", "100"),
        ("reconnect.backoff.max.ms", "1000"),
        ("metadata.recovery.strategy", "rebootstrap"),
        ("metadata.recovery.rebootstrap.trigger.ms", REBOOTSTRAP_AFTER_MS),
        // Small requests must not wait for a full segment.
        ("socket.nagle.disable", "true"),
        ("log.connection.close", "false"),
    ]);
    extend(&mut list, &settings.properties);
    list
}

/// A crashed node's partitions wait this long; librdkafka's default of 45 s is too long for a payment.
const SESSION_TIMEOUT_MS: &str = "10000";

/// How often the consumer's client says how it is in contact with its group, at most. How long ago it heard of the group is
/// part of what it says, so that this bounds no time but the client's work.
const STATISTICS_EVERY: Duration = Duration::from_secs(2);

/// Properties that the brokers decide under [`GroupProtocol::Consumer`]; the client does not start with them.
pub const CLASSIC_PROPERTIES: [&str; 2] = ["session.timeout.ms", "heartbeat.interval.ms"];

/// How a lane is a member of its group.
fn member_settings(settings: &KafkaSettings, lane: usize) -> Vec<(String, String)> {
    let mut list = owned(&[("group.id", &settings.group)]);
    list.extend(owned(match settings.group_protocol {
        GroupProtocol::Classic => &[
            // Cooperative: partitions that stay keep flowing while others move.
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", SESSION_TIMEOUT_MS),
            // Members learn of a rebalance with a heartbeat's answer: every member's delay adds to the stall.
            ("heartbeat.interval.ms", "200"),
        ],
        GroupProtocol::Consumer => &[("group.protocol", "consumer")],
    }));
    if settings.membership == Membership::Static {
        // The client does not leave the group when it closes, either.
        list.extend(owned(&[("group.instance.id", &instance_id(settings, lane))]));
    }
    list
}

/// The name of a static member: the same after a restart, and no other lane's. Kafka's own rule for such names has no
/// slash; the lane's number is what stands behind the last hyphen.
fn instance_id(settings: &KafkaSettings, lane: usize) -> String {
    format!("{}-{lane}", settings.node)
}

/// A lane's consumer.
pub fn consumer_settings(settings: &KafkaSettings, lane: usize, until_end: bool) -> Vec<(String, String)> {
    let mut list = connection_settings(settings);
    list.extend(member_settings(settings, lane));
    let statistics_every = STATISTICS_EVERY.min(settings.session_timeout() / 3);
    list.extend(owned(&[
        // Read by `contact`: whether the group is heard of, which no event says.
        ("statistics.interval.ms", &statistics_every.as_millis().to_string()),
        // Offsets are committed by the lane, after the acknowledgement of every outcome below them.
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // An offset that is gone stops the partition with an alarm; it never jumps. New groups: kafka.start_at.
        ("auto.offset.reset", "error"),
        // Outcomes of aborted transactions are not transactions.
        ("isolation.level", "read_committed"),
        // A corrupt batch must not be skipped in silence.
        ("check.crcs", "true"),
        ("enable.partition.eof", if until_end { "true" } else { "false" }),
        // A parked partition asks again after 1 ms instead of 1 s when the local queue has room again.
        ("fetch.queue.backoff.ms", "1"),
        // An error of one fetch is retried soon.
        ("fetch.error.backoff.ms", "50"),
        // Read ahead at most so much: bounds memory, and what a rebalance throws away.
        ("queued.max.messages.kbytes", "16384"),
        // Asks for more when fewer than two records wait, so that requests coalesce under load and only then: a lone
        // record passes at once, a burst holds the next fetch off for the millisecond above. At 10,000 records/s this
        // takes a quarter off the CPU time of a record; working off a backlog costs the same either way. Only where a
        // request asks for all partitions all the same (`fetch_all_partitions`): else a busy one would wait for the quiet ones.
        ("queued.min.messages", if cfg!(wrapped_client) { "2" } else { "100000" }),
        // The answer to a fetch comes as soon as there is one record; this is only how long an empty one waits, and at
        // most what a partition waits that joins meanwhile.
        ("fetch.min.bytes", "1"),
        ("fetch.wait.max.ms", "100"),
        // Partitions that are added are found so soon, and read from their first record; the client's own 5 min would leave
        // their records waiting. One small request to one broker, about the input topic alone.
        ("topic.metadata.refresh.interval.ms", "5000"),
    ]));
    // Those for both clients hold for this one too, whichever default stands here.
    extend(&mut list, &settings.properties);
    extend(&mut list, &settings.consumer_properties);
    list
}

/// The lane's producer.
pub fn producer_settings(settings: &KafkaSettings) -> Vec<(String, String)> {
    let mut list = connection_settings(settings);
    list.extend(owned(&[
        // Retries neither lose, double nor reorder; an acknowledgement means every in-sync replica has it.
        ("enable.idempotence", "true"),
        ("acks", "all"),
        // Records gather for the next request while these are under way. With five, the client's thread is woken and
        // a request is sent for nearly each record (at 10,000 records/s 36 us of CPU a record instead of 31, at 50,000
        // 10.5 instead of 9); with one, the partitions of a distant broker would take turns, a round trip each.
        ("max.in.flight.requests.per.connection", "2"),
        // Sent at once; bursts still batch, since a batch collects while the requests before it are under way.
        ("linger.ms", "0"),
        // No record may expire: a gap would break the order that offsets stand for. Backpressure waits instead.
        ("message.timeout.ms", "0"),
        ("request.timeout.ms", "30000"),
        // Java's partitioner, so that a key goes where every other producer of the company sends it.
        ("partitioner", "murmur2_random"),
        // Above the lane's own limits, which stop the intake first.
        ("queue.buffering.max.messages", "200000"),
        ("queue.buffering.max.kbytes", "524288"),
        ("delivery.report.only.error", "false"),
    ]));
    extend(&mut list, &settings.producer_properties);
    list
}

/// A challenger's producer: as the lane's, but that its rows may wait for each other, and that little waits for brokers which
/// are away.
pub fn challenge_settings(settings: &KafkaSettings) -> Vec<(String, String)> {
    let mut list = producer_settings(settings);
    let own = owned(&[
        ("linger.ms", "50"),
        ("queue.buffering.max.messages", "20000"),
        ("queue.buffering.max.kbytes", "32768"),
    ]);
    extend(&mut list, &own.into_iter().collect());
    list
}

/// Before the client repeats a request. Long, so that a transaction's end that was sent twice shows by the time it took
/// ([`DOUBT_AFTER`]) where nothing else tells ([`super::wrapped::request_retries`]).
pub const RETRY_BACKOFF_MS: u64 = 500;

/// Ends of transactions take 2 to 5 ms; the client repeats one after its back-off, which it may shorten by a fifth, so that
/// none is repeated sooner than this.
pub const DOUBT_AFTER: Duration = Duration::from_millis(350);

/// The producer of a lane that delivers exactly once, under its own name in the cluster.
pub fn transaction_settings(settings: &KafkaSettings, id: &str, timeout: Duration) -> Vec<(String, String)> {
    let mut list = producer_settings(settings);
    let timeout_ms = timeout.as_millis().max(3);
    let own = owned(&[
        ("transactional.id", id),
        // The broker aborts the transaction of a process that is gone after this long; until then readers at
        // read_committed wait for it.
        ("transaction.timeout.ms", &timeout_ms.to_string()),
        // An outcome may expire, since its transaction is aborted then. The rest of the time is for its end. A failover
        // takes up to 10 s.
        ("message.timeout.ms", &(timeout_ms * 2 / 3).to_string()),
        ("retry.backoff.ms", &RETRY_BACKOFF_MS.to_string()),
        ("retry.backoff.max.ms", "1000"),
    ]);
    extend(&mut list, &own.into_iter().collect());
    list
}

/// The name of a lane's transactions: the same after a restart, and no other lane's. A node's name has no slash, so no
/// two of these are the same by chance.
pub fn transactional_id(settings: &KafkaSettings, lane: usize) -> String {
    format!("{}/{}/{lane}", settings.group, settings.node)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Later values of a key replace earlier ones.
/// What a list of settings says of a property: the last one counts.
pub fn value_of<'a>(list: &'a [(String, String)], name: &str) -> Option<&'a str> {
    list.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn extend(list: &mut Vec<(String, String)>, more: &BTreeMap<String, String>) {
    list.retain(|(key, _)| !more.contains_key(key));
    list.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn settings() -> KafkaSettings {
        KafkaSettings {
            bootstrap: "127.0.0.1:1".into(),
            group: "g/h".into(),
            node: "n".into(),
            start_at: None,
            without_offsets: Default::default(),
            group_protocol: GroupProtocol::Classic,
            membership: Membership::Dynamic,
            properties: BTreeMap::new(),
            consumer_properties: BTreeMap::new(),
            producer_properties: BTreeMap::from([("linger.ms".to_owned(), "1".to_owned())]),
            password_files: Default::default(),
        }
    }

    #[test]
    fn a_transactional_producer_expires_its_outcomes_before_its_transaction_and_shows_what_it_repeats() {
        let settings = settings();
        assert_eq!(transactional_id(&settings, 3), "g/h/n/3");
        let list = transaction_settings(&settings, "g/h/n/3", Duration::from_secs(30));
        let value = |name: &str| {
            let found: Vec<&str> =
                list.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            found[0]
        };
        let expires: [u64; 2] =
            ["message.timeout.ms", "transaction.timeout.ms"].map(|name| value(name).parse().unwrap());
        assert_eq!(expires, [20_000, 30_000], "a failover takes up to 10 s");
        assert_eq!((value("enable.idempotence"), value("acks"), value("linger.ms")), ("true", "all", "1"));
        // The client shortens its back-off by a fifth at most.
        let repeated_after = Duration::from_millis(RETRY_BACKOFF_MS * 8 / 10);
        assert!(repeated_after > DOUBT_AFTER && value("retry.backoff.ms") == RETRY_BACKOFF_MS.to_string());
    }

    /// The client takes the last value of a name.
    fn value(list: &[(String, String)], name: &str) -> Option<String> {
        list.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn added_partitions_are_found_within_seconds_unless_the_configuration_says_otherwise() {
        let name = "topic.metadata.refresh.interval.ms";
        let mut said = settings();
        assert_eq!(value(&consumer_settings(&said, 0, false), name).as_deref(), Some("5000"));
        said.properties.insert(name.into(), "1000".into());
        assert_eq!(value(&consumer_settings(&said, 0, false), name).as_deref(), Some("1000"), "for both clients");
        said.consumer_properties.insert(name.into(), "700".into());
        assert_eq!(value(&consumer_settings(&said, 0, false), name).as_deref(), Some("700"), "for the consumer");
    }

    #[test]
    fn each_lane_is_a_member_of_its_own_and_only_says_what_its_protocol_takes() {
        let said = |group_protocol, membership| {
            let settings = KafkaSettings { group_protocol, membership, ..settings() };
            let list = consumer_settings(&settings, 3, false);
            let names = ["partition.assignment.strategy", "session.timeout.ms", "group.protocol", "group.instance.id"];
            names.map(|name| {
                list.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
            })
        };
        use {
            GroupProtocol::{Classic, Consumer},
            Membership::{Dynamic, Static},
        };
        assert_eq!(said(Classic, Dynamic), ["cooperative-sticky", "10000", "", ""]);
        assert_eq!(said(Classic, Static), ["cooperative-sticky", "10000", "", "n-3"]);
        assert_eq!(said(Consumer, Dynamic), ["", "", "consumer", ""]);
        assert_eq!(said(Consumer, Static), ["", "", "consumer", "n-3"]);
    }
}
