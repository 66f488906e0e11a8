//! Values against each other: each limit against its neighbours, topics, thresholds and client properties.

use std::collections::BTreeMap;

use super::plan::{Config, DeliveryMode};
use super::problem::Problem;
use super::raw::RawConfig;
use super::read::Reader;
use super::security;
use super::table::fallback;
use crate::kafka::settings::{CLASSIC_PROPERTIES, GroupProtocol, Membership};
use crate::values::failure::FailureClass;
use crate::values::settings::Layout;

/// librdkafka's defaults for properties that the checks need when they are not set.
const MESSAGE_BYTES_MAX: u64 = 1_000_000;
const POLL_INTERVAL_MS_MAX: u64 = 300_000;
/// scorewire's own defaults for the session, as in [`crate::kafka::settings::consumer_settings`].
const SESSION_TIMEOUT_MS: u64 = 10_000;
const HEARTBEAT_INTERVAL_MS: u64 = 200;
/// Requests in flight per connection beyond which the idempotent producer cannot keep order.
const IDEMPOTENT_IN_FLIGHT_MAX: u64 = 5;

/// Properties that [`crate::kafka::settings::transaction_settings`] owns.
const TRANSACTION_PROPERTIES: [&str; 2] = ["retry.backoff.ms", "retry.backoff.max.ms"];

/// `small` must not exceed `large`, for this reason. Values share their unit.
struct Rule {
    small: (&'static str, u64),
    large: (&'static str, u64),
    why: &'static str,
}

/// Notes every contradiction.
pub fn check(reader: &mut Reader<'_>, config: &Config) {
    for Rule { small, large, why } in rules(config) {
        if small.1 > large.1 {
            // Blame what was written; the other one may be a default.
            let (key, fix) = match reader.raw.get(small.0) {
                Some(_) => (small.0, format!("give at most {}, or raise {}", large.1, large.0)),
                None => (large.0, format!("give at least {}, or lower {}", small.1, small.0)),
            };
            reader.problem(key, format!("{} = {} exceeds {} = {}: {why}", small.0, small.1, large.0, large.1), fix);
        }
    }
    distinct_topics(reader, config);
    thresholds(reader, config);
    schemas(reader, config);
    membership(reader, config);
    producer(reader, config);
    security::check(reader, config);
    if config.delivery == DeliveryMode::ExactlyOnce {
        exactly_once(reader, config);
    }
    for key in ["deadline.from", "deadline.then"] {
        if reader.raw.get(key).is_some() && config.deadline.is_none() {
            reader.problem(key, "has no effect without deadline.limit_ms", "set deadline.limit_ms, or remove it");
        }
    }
    fallback::check(reader, config);
    timeout(reader, config);
}

/// Time-outs of the model take a thread of its own.
fn timeout(reader: &mut Reader<'_>, config: &Config) {
    const KEY: &str = "model.timeout_ms";
    if config.model.timeout.is_some() && config.layout != Layout::Dedicated {
        let what = "a lane that calls its model itself cannot interrupt it";
        reader.problem(KEY, what, "give lanes.layout = \"dedicated\", or remove it");
    }
    if config.fallback.on.has(FailureClass::TimedOut) && config.model.timeout.is_none() {
        let what = "\"timed_out\" without model.timeout_ms: nothing times out";
        reader.problem("fallback.on", what, "give model.timeout_ms and lanes.layout = \"dedicated\", or leave it out");
    }
}

fn rules(config: &Config) -> Vec<Rule> {
    let limits = &config.limits;
    let ms = |span: std::time::Duration| span.as_millis() as u64;
    let rows = ("limits.batch_rows_max", limits.batch_rows_max as u64);
    let in_flight = ("limits.in_flight_records_max", limits.in_flight_records_max as u64);
    let watchdog = ("limits.watchdog_timeout_ms", ms(limits.watchdog_timeout));
    let commit_timeout = ("limits.commit_timeout_ms", ms(limits.commit_timeout));
    let revoke = ("limits.revoke_timeout_ms", ms(limits.revoke_timeout));
    let pause = ("limits.pause_after_ms", ms(limits.pause_after));
    let poll_interval =
        property_number(&config.kafka.consumer_properties, "max.poll.interval.ms").unwrap_or(POLL_INTERVAL_MS_MAX);
    let poll_interval = ("kafka.consumer.properties.max.poll.interval.ms", poll_interval);
    let rule = |small, large, why| Rule { small, large, why };
    let mut rules = vec![
        rule(rows, in_flight, "a batch must fit into what may be in flight"),
        rule(
            ("limits.payload_bytes_max", limits.payload_bytes_max as u64),
            ("limits.in_flight_bytes_max", limits.in_flight_bytes_max as u64),
            "the largest record must fit into what may be in flight",
        ),
        rule(
            ("limits.commit_interval_ms", ms(limits.commit_interval)),
            commit_timeout,
            "a commit must not be late before the next is due",
        ),
        rule(
            ("limits.commit_interval_ms", ms(limits.commit_interval)),
            ("limits.drain_timeout_ms", ms(limits.drain_timeout)),
            "a drain must have time for its commit",
        ),
        rule(commit_timeout, watchdog, "the watchdog must not end a process that still waits for its commit"),
        rule(revoke, watchdog, "the watchdog must not end a process that still drains a partition"),
        rule(("limits.idle_wait_ms", ms(limits.idle_wait)), watchdog, "an idle lane must not look hung"),
        rule(
            ("the least", 10),
            ("limits.schema_retry_ms", ms(limits.schema_retry)),
            "between two looks at a folder the file system's clock must have gone on",
        ),
        rule(revoke, poll_interval, "the group gives a member no longer than this to hand partitions back"),
        rule(pause, poll_interval, "partitions must be paused before the group expels the member"),
        rule(
            ("model.batch_slice_us", config.model.batch_slice_us),
            ("model.batch_latency_us_max", config.model.batch_latency_us_max),
            "the slice is the target, the latency its bound",
        ),
        rule(
            ("model.batch_latency_us_max", config.model.batch_latency_us_max),
            ("limits.watchdog_timeout_ms (in microseconds)", watchdog.1.saturating_mul(1_000)),
            "a model call must not look like a hung lane",
        ),
    ];
    if config.delivery == DeliveryMode::ExactlyOnce {
        rules.push(rule(
            ("limits.commit_timeout_ms + 20000", ms(limits.offsets_timeout())),
            watchdog,
            "the watchdog must not end a process that waits for the open transaction of one that was killed",
        ));
    }
    if let Some(timeout) = config.model.timeout {
        let why = "the watchdog must not end a process whose model is only slow";
        rules.push(rule(("model.timeout_ms", ms(timeout)), watchdog, why));
    }
    if let Some(batch_rows) = config.model.batch_rows {
        rules.push(rule(("model.batch_rows", batch_rows as u64), rows, "the override stays within the limit"));
    }
    rules
}

fn distinct_topics(reader: &mut Reader<'_>, config: &Config) {
    let named: Vec<(&str, &String)> = config.topics.iter().map(|(topic, name)| (topic.key, name)).collect();
    for (index, (key, topic)) in named.iter().enumerate() {
        let Some((other, _)) = named[..index].iter().find(|(_, earlier)| earlier == topic) else { continue };
        let (blamed, other) = if reader.raw.get(key).is_some() { (*key, *other) } else { (*other, *key) };
        reader.problem(blamed, format!("{topic:?} is also {other}"), "give each its own topic");
    }
}

/// The package's directory is not there. Told beside other problems only: alone it is the package's problem, which `model
/// check` tells in the same words.
pub fn missing_package(raw: &RawConfig, config: &Config) -> Option<Problem> {
    let package = &config.model.package;
    let is_missing = !package.as_os_str().is_empty() && !package.is_dir();
    is_missing.then(|| Problem {
        origin: raw.origin("model.package"),
        key: "model.package".to_owned(),
        what: format!("{} is not a directory", package.display()),
        fix: "name the directory of a model package".to_owned(),
    })
}

fn thresholds(reader: &mut Reader<'_>, config: &Config) {
    const KEYS: [&str; 3] = ["thresholds.review", "thresholds.decline", "thresholds.version"];
    let given: Vec<&str> = KEYS.into_iter().filter(|key| reader.raw.get(key).is_some()).collect();
    if !given.is_empty() && given.len() < KEYS.len() {
        let missing: Vec<&str> = KEYS.into_iter().filter(|key| !given.contains(key)).collect();
        let what = format!("given without {}", missing.join(" and "));
        reader.problem(given[0], what, "thresholds are overridden together, with a version that outputs can name");
    }
    if let Some(thresholds) = config.thresholds.as_ref().filter(|given| given.review > given.decline) {
        let what = format!("review = {} lies above decline = {}", thresholds.review, thresholds.decline);
        reader.problem("thresholds.review", what, "give a review threshold at or below the decline threshold");
    }
}

fn schemas(reader: &mut Reader<'_>, config: &Config) {
    let schemas = &config.schemas;
    match (schemas.wire_forms.raw, reader.raw.get("schemas.raw_schema").is_some()) {
        (true, false) => reader.problem(
            "schemas.wire_forms",
            "\"raw\" without a schema: a bare datum does not say what it is",
            "name its writer's schema in schemas.raw_schema",
        ),
        (false, true) => reader.problem(
            "schemas.raw_schema",
            "has no effect: schemas.wire_forms does not accept \"raw\"",
            "add \"raw\" to schemas.wire_forms, or remove the key",
        ),
        _ => {}
    }
    let has_source = schemas.directory.is_some() || schemas.registry.is_some();
    if !has_source && (schemas.wire_forms.id || schemas.wire_forms.guid) && !schemas.wire_forms.raw {
        let fate = "records that name their schema by id will not be decoded";
        reader.warnings.push(format!("schemas.directory and schemas.registry.urls: not given, so {fate}"));
    }
}

fn session(reader: &mut Reader<'_>, config: &Config) {
    let properties = &config.kafka.consumer_properties;
    let mut number = |name: &str, default: u64| match properties.get(name) {
        Some(text) => text.trim().parse::<u64>().unwrap_or_else(|_| {
            reader.problem(&consumer_property(name), "expected milliseconds", "give a whole number");
            default
        }),
        None => default,
    };
    let session = number("session.timeout.ms", SESSION_TIMEOUT_MS);
    let heartbeat = number("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS);
    let poll_interval = number("max.poll.interval.ms", POLL_INTERVAL_MS_MAX);
    let session_given = properties.contains_key("session.timeout.ms");
    if heartbeat.saturating_mul(3) > session {
        let key = consumer_property(if session_given { "session.timeout.ms" } else { "heartbeat.interval.ms" });
        let what = format!("three heartbeats of {heartbeat} ms do not fit into a session of {session} ms");
        reader.problem(&key, what, "set heartbeat.interval.ms to at most a third of session.timeout.ms");
    }
    if session > poll_interval {
        let key = consumer_property(if session_given { "session.timeout.ms" } else { "max.poll.interval.ms" });
        let what = format!("a session of {session} ms exceeds max.poll.interval.ms = {poll_interval}");
        reader.problem(&key, what, "lower session.timeout.ms, or raise max.poll.interval.ms");
    }
}

/// How the lanes are members of the group.
fn membership(reader: &mut Reader<'_>, config: &Config) {
    let kafka = &config.kafka;
    let is_static = kafka.membership == Membership::Static;
    if is_static && reader.raw.get("kafka.node").is_none() {
        reader.problem(
            "kafka.node",
            "not given, and with kafka.membership = \"static\" it names the members of this process",
            "give a name that stays the same over restarts and that no other process of the group has",
        );
    }
    if kafka.group_protocol == GroupProtocol::Classic {
        return session(reader, config);
    }
    for name in CLASSIC_PROPERTIES.iter().filter(|name| kafka.consumer_properties.contains_key(**name)) {
        let fix = format!("remove it; kafka-configs.sh --entity-type groups sets consumer.{name}");
        let what = "with kafka.group_protocol = \"consumer\" the brokers decide it, for the whole group";
        reader.problem(&consumer_property(name), what, fix);
    }
    if is_static {
        let fate = "a process that crashed is refused (exit code 69) until its session at the brokers is over";
        reader.warnings.push(format!("kafka.membership: static, with kafka.group_protocol = \"consumer\": {fate}"));
    }
}

fn consumer_property(name: &str) -> String {
    format!("kafka.consumer.properties.{name}")
}

fn producer(reader: &mut Reader<'_>, config: &Config) {
    for (section, properties) in [
        ("kafka.producer.properties", &config.kafka.producer_properties),
        ("kafka.properties", &config.kafka.properties),
    ] {
        let in_flight = "max.in.flight.requests.per.connection";
        if property_number(properties, in_flight).is_some_and(|count| count > IDEMPOTENT_IN_FLIGHT_MAX) {
            let what = "more than 5 requests in flight: the idempotent producer could not keep order";
            reader.problem(&format!("{section}.{in_flight}"), what, "give 1 to 5");
        }
    }
    let kafka = &config.kafka;
    let largest = property_number(&kafka.producer_properties, "message.max.bytes")
        .or_else(|| property_number(&kafka.properties, "message.max.bytes"))
        .unwrap_or(MESSAGE_BYTES_MAX);
    let outcome = config.limits.outcome_bytes_max as u64;
    if outcome > largest {
        let what = format!("limits.outcome_bytes_max = {outcome} exceeds the producer's message.max.bytes = {largest}");
        let fix = format!("give at most {largest}, or raise message.max.bytes in [kafka.producer.properties]");
        reader.problem("limits.outcome_bytes_max", what, fix);
    }
}

/// A transaction's name must come back after a restart, and be nobody else's meanwhile.
fn exactly_once(reader: &mut Reader<'_>, config: &Config) {
    if reader.raw.get("kafka.node").is_none() {
        reader.problem(
            "kafka.node",
            "not given, and with delivery = \"exactly_once\" it names the transactions of this process",
            "give a name that stays the same over restarts and that no other process of the group has",
        );
    }
    let ms = |span: std::time::Duration| span.as_millis() as u64;
    let (interval, timeout) = (ms(config.limits.commit_interval), ms(config.limits.commit_timeout));
    if interval.saturating_mul(3) > timeout {
        let key = match reader.raw.get("limits.commit_interval_ms") {
            Some(_) => "limits.commit_interval_ms",
            None => "limits.commit_timeout_ms",
        };
        let what = format!("an interval of {interval} ms is more than a third of limits.commit_timeout_ms = {timeout}");
        let fix = "leave a transaction the time to be delivered (another third) and committed (the last one)";
        reader.problem(key, what, fix);
    }
    let kafka = &config.kafka;
    for (section, properties) in
        [("kafka.properties", &kafka.properties), ("kafka.producer.properties", &kafka.producer_properties)]
    {
        for name in TRANSACTION_PROPERTIES.iter().filter(|name| properties.contains_key(**name)) {
            let what = "with delivery = \"exactly_once\" scorewire tells by it whether the end of a transaction was \
                        sent twice";
            reader.problem(&format!("{section}.{name}"), what, "remove it");
        }
    }
}

fn property_number(properties: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    properties.get(name)?.trim().parse().ok()
}
