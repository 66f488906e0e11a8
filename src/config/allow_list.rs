//! Which librdkafka properties may pass, and why the others may not.

use super::nearest::nearest;

/// Which client a property belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Both,
    Consumer,
    Producer,
}

impl Side {
    fn section(self) -> &'static str {
        match self {
            Side::Both => "kafka.properties",
            Side::Consumer => "kafka.consumer.properties",
            Side::Producer => "kafka.producer.properties",
        }
    }

    /// The client that a property section speaks to.
    pub fn of_section(section: &str) -> Side {
        match section {
            "kafka.consumer.properties" => Side::Consumer,
            "kafka.producer.properties" => Side::Producer,
            _ => Side::Both,
        }
    }
}

const BOTH: &[&str] = &[
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.ssl.certificate.verification",
    "log.connection.close",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

const CONSUMER: &[&str] = &[
    "coordinator.query.interval.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

const PRODUCER: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "compression.level",
    "compression.type",
    "linger.ms",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.timeout.ms",
    "sticky.partitioning.linger.ms",
];

const NO_KERBEROS: &str = "Kerberos (GSSAPI) is not compiled into this program's Kafka client";
const NO_OIDC: &str = "OAUTHBEARER (OIDC) is not compiled into this program's Kafka client";
const INSTEAD: &str =
    "log in with SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN over SASL_SSL, or with a client certificate over SSL";

/// Mechanisms that Kafka knows and the client of this program does not.
const NOT_COMPILED: [(&str, &str); 2] = [("GSSAPI", NO_KERBEROS), ("OAUTHBEARER", NO_OIDC)];

const BOOLEAN: &[&str] = &["true", "false", "t", "f", "1", "0"];

/// Properties that take one of a few values.
const VALUES: &[(&str, &[&str])] = &[
    ("broker.address.family", &["any", "v4", "v6"]),
    ("client.dns.lookup", &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
    ("compression.type", &["none", "gzip", "snappy", "lz4", "zstd"]),
    ("enable.ssl.certificate.verification", BOOLEAN),
    ("log.connection.close", BOOLEAN),
    ("sasl.mechanism", &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
    ("security.protocol", &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
    ("socket.keepalive.enable", BOOLEAN),
    ("socket.nagle.disable", BOOLEAN),
    ("ssl.endpoint.identification.algorithm", &["none", "https"]),
    ("topic.metadata.refresh.sparse", BOOLEAN),
];

/// Properties refused by name: scorewire's promises stand on them, or they are a way into the process.
const REFUSED: &[(&[&str], &str, &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "it has its own key", "say kafka.bootstrap"),
    (&["client.id"], "it has its own key", "say kafka.node"),
    (&["group.id"], "it has its own key", "say kafka.group"),
    (
        &["auto.offset.reset"],
        "an offset out of range stops its partition instead of jumping",
        "say kafka.start_at for a new group",
    ),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
        "offsets move only after every outcome is acknowledged, so scorewire commits itself",
        "remove it; limits.commit_interval_ms says how often",
    ),
    (
        &["group.instance.id"],
        "each lane is a member of its own, under a name of its own",
        "say kafka.membership = \"static\"",
    ),
    (&["group.protocol"], "it has its own key", "say kafka.group_protocol"),
    (
        &["partition.assignment.strategy", "group.protocol.type", "group.remote.assignor"],
        "draining and committing at a rebalance rely on partitions that move one by one",
        "remove it",
    ),
    (
        &["metadata.recovery.strategy", "metadata.recovery.rebootstrap.trigger.ms"],
        "a client that has lost all its brokers finds them again by it",
        "remove it; it goes back to kafka.bootstrap",
    ),
    (&["isolation.level"], "records of aborted transactions must not be scored", "remove it; input is read_committed"),
    (&["enable.partition.eof"], "scorewire finds the end of a bounded run itself", "remove it; use run --until-end"),
    (&["check.crcs"], "a corrupt batch must be noticed, never skipped", "remove it; checks are on"),
    (
        &["enable.idempotence", "acks", "request.required.acks", "enable.gapless.guarantee", "queuing.strategy"],
        "no outcome may be lost, doubled or out of order on the way to the broker",
        "remove it; the producer is idempotent with acks=all",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms", "retries", "message.send.max.retries"],
        "an outcome that expires in the client leaves a gap, so it is retried until it is acknowledged",
        "remove it; limits.sink_stall_unready_ms says when a stall shows",
    ),
    (&["transactional.id", "transaction.timeout.ms"], "the delivery mode owns it", "say delivery"),
    (&["partitioner"], "outcomes keep the partition or, where counts differ, Java's hash of the key", "remove it"),
    (
        &["delivery.report.only.error", "produce.offset.report", "enabled_events", "log.queue", "opaque"],
        "acknowledgements travel through it",
        "remove it",
    ),
    // One name per thing: of two names with two values the client would take either.
    (&["max.in.flight"], "a second name", "say max.in.flight.requests.per.connection"),
    (&["queue.buffering.max.ms"], "a second name", "say linger.ms"),
    (&["compression.codec"], "a second name", "say compression.type"),
    (&["fetch.message.max.bytes"], "a second name", "say max.partition.fetch.bytes"),
    (&["sasl.mechanisms"], "a second name", "say sasl.mechanism"),
    (
        &["statistics.interval.ms"],
        "scorewire tells by the client's statistics whether its group is silent",
        "remove it",
    ),
    (&["log_level", "log.thread.name"], "the client logs through scorewire", "say log.level"),
    (&["enable.metrics.push"], "nothing is sent to the broker about this process", "remove it"),
    (&["allow.auto.create.topics"], "a misspelt topic would come to life", "create the topics beforehand"),
    (&["topic.blacklist", "max.poll.records", "consume.callback.max.messages"], "it has no use here", "remove it"),
    (&["ssl.ca.certificate.stores"], "it is of Windows alone", "say ssl.ca.location"),
    (
        &["plugin.library.paths", "interceptors", "ssl.engine.location", "ssl.engine.id", "ssl.providers"],
        "it loads foreign code into the process",
        "remove it",
    ),
    (
        &[
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.keytab",
            "sasl.kerberos.min.time.before.relogin",
            "sasl.kerberos.principal",
            "sasl.kerberos.service.name",
        ],
        NO_KERBEROS,
        INSTEAD,
    ),
    (
        &[
            "enable.sasl.oauthbearer.unsecure.jwt",
            "https.ca.location",
            "https.ca.pem",
            "sasl.oauthbearer.assertion.algorithm",
            "sasl.oauthbearer.assertion.claim.aud",
            "sasl.oauthbearer.assertion.claim.exp.seconds",
            "sasl.oauthbearer.assertion.claim.iss",
            "sasl.oauthbearer.assertion.claim.jti.include",
            "sasl.oauthbearer.assertion.claim.nbf.seconds",
            "sasl.oauthbearer.assertion.claim.sub",
            "sasl.oauthbearer.assertion.file",
            "sasl.oauthbearer.assertion.jwt.template.file",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.client.credentials.client.id",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.extensions",
            "sasl.oauthbearer.grant.type",
            "sasl.oauthbearer.metadata.authentication.type",
            "sasl.oauthbearer.method",
            "sasl.oauthbearer.scope",
            "sasl.oauthbearer.token.endpoint.url",
        ],
        NO_OIDC,
        INSTEAD,
    ),
];

/// Why a property does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    pub fix: String,
}

/// Every property that may pass, in any section.
pub fn allowed() -> impl Iterator<Item = (&'static str, Side)> {
    let with = |names: &'static [&'static str], side: Side| names.iter().map(move |name| (*name, side));
    with(BOTH, Side::Both).chain(with(CONSUMER, Side::Consumer)).chain(with(PRODUCER, Side::Producer))
}

/// Says whether `property` may be set in a section that speaks to `client`.
pub fn check(property: &str, client: Side) -> Result<(), Refusal> {
    if let Some((_, why, fix)) = REFUSED.iter().find(|(names, ..)| names.contains(&property)) {
        return Err(Refusal { what: format!("refused: {why}"), fix: (*fix).to_owned() });
    }
    match allowed().find(|(name, _)| *name == property) {
        Some((_, side)) if side == Side::Both || side == client => Ok(()),
        Some((_, side)) => Err(Refusal {
            what: format!("not a property of {}", if client == Side::Both { "both clients" } else { "this client" }),
            fix: format!("move it to [{}]", side.section()),
        }),
        None => Err(Refusal {
            what: "not on the list of properties that pass".to_owned(),
            fix: match nearest(property, allowed().map(|(name, _)| name)) {
                Some(name) => format!("did you mean {name}?"),
                None => "use librdkafka's dotted names; the reference lists what passes".to_owned(),
            },
        }),
    }
}

/// The properties that take one of a few values, and these.
pub fn choices() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    VALUES.iter().copied()
}

/// Says whether a property that passes may have this value.
pub fn check_value(property: &str, value: &str) -> Result<(), Refusal> {
    let Some((_, values)) = choices().find(|(name, _)| *name == property) else { return Ok(()) };
    // The client takes the names of mechanisms as they are written, and the others in any case.
    let is_mechanism = property == "sasl.mechanism";
    let matches = |known: &&&str| if is_mechanism { **known == value } else { known.eq_ignore_ascii_case(value) };
    if values.iter().any(|known| matches(&known)) {
        return Ok(());
    }
    let unknown = NOT_COMPILED.iter().find(|(name, _)| is_mechanism && name.eq_ignore_ascii_case(value));
    Err(match unknown {
        Some((_, why)) => Refusal { what: format!("refused: {why}"), fix: INSTEAD.to_owned() },
        None => Refusal {
            what: format!("{value:?} is none of its values"),
            fix: format!("give one of: {}", values.join(", ")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_property_is_both_allowed_and_refused_or_listed_twice() {
        let mut seen = std::collections::BTreeSet::new();
        let refused = REFUSED.iter().flat_map(|(names, ..)| names.iter().copied());
        for name in allowed().map(|(name, _)| name).chain(refused) {
            assert!(seen.insert(name), "{name} is listed twice");
        }
    }

    #[test]
    fn what_the_product_owns_is_refused_with_the_reason() {
        for owned in ["enable.auto.commit", "group.id", "enable.idempotence", "acks", "partition.assignment.strategy"] {
            for client in [Side::Both, Side::Consumer, Side::Producer] {
                let refusal = check(owned, client).unwrap_err();
                assert!(refusal.what.starts_with("refused: ") && !refusal.fix.is_empty(), "{owned}: {refusal:?}");
            }
        }
    }

    #[test]
    fn what_is_not_compiled_in_is_refused_with_what_to_use_instead() {
        for name in ["sasl.kerberos.keytab", "sasl.oauthbearer.token.endpoint.url", "https.ca.location"] {
            let refusal = check(name, Side::Both).unwrap_err();
            assert!(refusal.what.contains("not compiled into") && refusal.fix.contains("SCRAM-SHA-512"), "{refusal:?}");
        }
        for mechanism in ["GSSAPI", "OAUTHBEARER"] {
            let refusal = check_value("sasl.mechanism", mechanism).unwrap_err();
            assert!(refusal.what.contains(mechanism) && refusal.fix.contains("SCRAM-SHA-512"), "{refusal:?}");
        }
    }

    #[test]
    fn a_value_that_is_none_gets_those_that_are() {
        let refusal = check_value("security.protocol", "SSLL").unwrap_err();
        assert_eq!((refusal.what.as_str(), refusal.fix.contains("SASL_SSL")), ("\"SSLL\" is none of its values", true));
        assert!(check_value("sasl.mechanism", "scram-sha-512").is_err(), "the client takes capitals only");
        assert_eq!(check_value("security.protocol", "sasl_ssl"), Ok(()));
        assert_eq!(check_value("linger.ms", "anything"), Ok(()), "numbers are the client's to check");
    }

    #[test]
    fn what_runs_foreign_code_is_refused() {
        for dangerous in ["plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location"] {
            assert!(check(dangerous, Side::Both).unwrap_err().what.starts_with("refused: "), "{dangerous}");
        }
    }

    #[test]
    fn a_property_in_the_wrong_section_is_sent_to_the_right_one() {
        assert_eq!(check("linger.ms", Side::Producer), Ok(()));
        assert_eq!(check("linger.ms", Side::Consumer).unwrap_err().fix, "move it to [kafka.producer.properties]");
        assert_eq!(check("session.timeout.ms", Side::Both).unwrap_err().fix, "move it to [kafka.consumer.properties]");
        assert_eq!(check("security.protocol", Side::Producer), Ok(()));
    }

    #[test]
    fn a_misspelt_property_gets_the_nearest() {
        assert_eq!(check("sasl.pasword", Side::Both).unwrap_err().fix, "did you mean sasl.password?");
    }
}
