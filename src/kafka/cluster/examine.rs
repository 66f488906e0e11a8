//! A look at the cluster before anything runs: login, every broker, topics and their settings, rights. All that is wrong is told
//! at once, each point with its fix.
#![expect(clippy::disallowed_methods, reason = "the deadlines of a look that no record waits for")]

use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaRespErr as Err;

use super::inquiry::Inquiry;
use super::inspect::how_to_create;
use super::topic_settings::{Wanted, judge, kept_ms};
use crate::error::Fatal;
use crate::kafka::client::admin::{self, Allowed, Topic};
use crate::kafka::client::causes::Cause;
use crate::kafka::client::describe;
use crate::kafka::client::metadata::{Answer, Broker};
use crate::kafka::failures::retriable::is_retriable;
use crate::kafka::failures::rights::{self, denied_group, denied_topic, denied_transactions, hidden_topic, is_denied};
use crate::kafka::settings::connection::{reader_settings, writer_settings};
use crate::kafka::settings::{KafkaSettings, WithoutOffsets, transactional_id};
use crate::values::finding::{Finding, Verdict};
use crate::values::topics::{Destination, Needs, TopicRole, Topics};

/// How long a look at a broker that has not answered yet takes at first, and at most.
const LOOK: Duration = Duration::from_millis(50);

const LOOK_MAX: Duration = Duration::from_secs(1);

/// How long the brokers may take to say who coordinates transactions the first time that anybody asks.
const TRANSACTIONS_LEAST: Duration = Duration::from_secs(5);

/// What is looked at, and by which measure.
pub struct Plan<'a> {
    pub settings: &'a KafkaSettings,
    pub topics: &'a Topics,
    pub exactly_once: bool,
    /// Which of the topics it writes that only some nodes do.
    pub needs: Needs,
    /// `limits.outcome_bytes_max`.
    pub outcome_bytes: u64,
    /// For each answer.
    pub timeout: Duration,
}

/// One of the two logins.
struct Way {
    /// Of whose client, where the two differ.
    whose: &'static str,
    inquiry: Inquiry,
}

/// Looks at everything.
///
/// # Errors
/// [`crate::error::exit::CONFIG`] where the client does not start with its settings.
pub fn examine(plan: &Plan<'_>) -> Result<Vec<Finding>, Fatal> {
    let (of_reader, of_writer) = (reader_settings(plan.settings), writer_settings(plan.settings));
    let is_one = of_reader == of_writer;
    let reader = Way { whose: if is_one { "" } else { " for the consumer" }, inquiry: Inquiry::begin(&of_reader)? };
    let other = match is_one {
        true => None,
        false => Some(Way { whose: " for the producer", inquiry: Inquiry::begin(&of_writer)? }),
    };
    let (mut findings, mut brokers) = (Vec::new(), Some(0));
    for (way, list) in [(Some(&reader), &of_reader), (other.as_ref(), &of_writer)] {
        let Some(way) = way else { continue };
        match plan.log_in(way, &mut findings) {
            Some(answer) => {
                let reached = dial(list, &answer.brokers, plan.timeout, way.whose, &mut findings)?;
                // Where none is reached, nobody will say anything of topics either.
                brokers = brokers.filter(|_| reached > 0).map(|_| answer.brokers.len());
            }
            None => brokers = None,
        }
    }
    let Some(brokers) = brokers else { return Ok(findings) };
    if brokers == 1 {
        findings.push(Finding::note("the cluster has one broker: what it holds is lost with its disk"));
    }
    let writer = other.as_ref().unwrap_or(&reader);
    let input = plan.topics(&reader, &[TopicRole::Input], &mut findings);
    let written: Vec<TopicRole> = plan.needs.written().collect();
    let outcomes = plan.topics(writer, &written, &mut findings);
    findings.extend(behind(input.iter().chain(&outcomes)));
    plan.settings_of((&reader, &input), (writer, &outcomes), brokers, &mut findings);
    plan.group(&reader, &outcomes, &mut findings);
    if plan.exactly_once {
        plan.transactions(&of_writer, &mut findings)?;
    }
    Ok(findings)
}

impl Plan<'_> {
    fn log_in(&self, way: &Way, findings: &mut Vec<Finding>) -> Option<Answer> {
        let (words, whose) = (way.inquiry.identity().words(), way.whose);
        match way.inquiry.ask(None, self.timeout) {
            Ok(answer) => {
                findings.push(Finding::ok(format!("Kafka answers at {}{whose} ({words})", self.settings.bootstrap)));
                Some(answer)
            }
            Result::Err(code) => {
                let Fatal { what, fix, .. } = way.inquiry.no_answer(code);
                findings.push(Finding::problem(format!("{what}{whose}"), fix));
                None
            }
        }
    }

    /// Each topic that is there, with its role.
    fn topics(&self, way: &Way, roles: &[TopicRole], findings: &mut Vec<Finding>) -> Vec<(TopicRole, Topic)> {
        let names: Vec<&str> = roles.iter().map(|role| self.topics[*role].as_str()).collect();
        let said = match admin::topics(&way.inquiry.client, &names, self.timeout) {
            Ok(said) => said,
            Result::Err(code) => {
                let list = names.join(", ");
                let what = format!("nobody says anything of topic {list}: {}", describe(code));
                findings.push(Finding::problem(what, self.reach_fix(&way.inquiry)));
                return Vec::new();
            }
        };
        let user = way.inquiry.identity().user.as_deref();
        let mut found = Vec::new();
        for ((&role, name), topic) in roles.iter().zip(&names).zip(said) {
            match topic {
                Ok(topic) => {
                    findings.push(self.topic(role, &topic, user));
                    found.push((role, topic));
                }
                Result::Err(code) => findings.push(self.no_topic(role, name, code, user)),
            }
        }
        found
    }

    fn topic(&self, role: TopicRole, topic: &Topic, user: Option<&str>) -> Finding {
        let (name, key, operation) = (&topic.name, role.key(), role.operation());
        if topic.allowed.lacks(operation) {
            let doing = if role == TopicRole::Input { "score its records" } else { "deliver outcomes there" };
            return problem(denied_topic(name, user, operation, doing));
        }
        let leaderless = topic.partitions.iter().filter(|copies| copies.leader < 0).count();
        let (partitions, least) = (topic.partitions.len(), topic.partitions.iter().map(|copies| copies.replicas).min());
        if leaderless > 0 {
            return Finding::problem(
                format!("topic {name} ({key}): {leaderless} of {partitions} partitions have no leader"),
                "bring their brokers back: kafka-topics.sh --describe --unavailable-partitions names them",
            );
        }
        let may = if topic.allowed.is_told() { format!(", {operation} is allowed") } else { String::new() };
        Finding::ok(format!("topic {name} ({key}): {partitions} partitions, {} replicas{may}", least.unwrap_or(0)))
    }

    fn no_topic(&self, role: TopicRole, name: &str, code: i32, user: Option<&str>) -> Finding {
        let key = role.key();
        if code == Err::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as i32 {
            let create = how_to_create(&self.settings.bootstrap, name);
            return Finding::problem(
                format!("topic {name} ({key}) does not exist"),
                format!("correct {key}, or {create}"),
            );
        }
        if is_denied(code) {
            return problem(hidden_topic(name, user, role.operation()));
        }
        Finding::problem(format!("topic {name} ({key}): {}", describe(code)), format!("correct {key}"))
    }

    fn settings_of(
        &self,
        of_reader: (&Way, &[(TopicRole, Topic)]),
        of_writer: (&Way, &[(TopicRole, Topic)]),
        brokers: usize,
        findings: &mut Vec<Finding>,
    ) {
        let (outcome_bytes, batch_bytes) = (self.outcome_bytes, self.batch_bytes());
        let mut wanted = Wanted { outcome_bytes, batch_bytes, brokers, input_kept_ms: None };
        let mut hidden = Vec::new();
        for (way, topics) in [of_reader, of_writer] {
            let names: Vec<&str> = topics.iter().map(|(_, topic)| topic.name.as_str()).collect();
            if names.is_empty() {
                continue;
            }
            let said = match admin::settings(&way.inquiry.client, &names, self.timeout) {
                Ok(said) => said,
                Result::Err(code) => names.iter().map(|_| Result::Err(code)).collect(),
            };
            for ((role, topic), settings) in topics.iter().zip(said) {
                match settings {
                    Ok(settings) => {
                        if *role == TopicRole::Input {
                            wanted.input_kept_ms = kept_ms(&settings);
                        }
                        findings.extend(judge(*role, &topic.name, &settings, &topic.partitions, wanted));
                    }
                    Result::Err(code) => hidden.push((topic.name.clone(), code)),
                }
            }
        }
        let Some((_, code)) = hidden.first() else { return };
        let names: Vec<&str> = hidden.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        let why = match is_denied(*code) {
            true => "DescribeConfigs on it is not allowed".to_owned(),
            false => describe(*code),
        };
        findings.push(Finding::note(format!(
            "the settings of topic {names} were not looked at (cleanup.policy, min.insync.replicas, max.message.bytes): {why}"
        )));
    }

    /// The client's own defaults are a million for both.
    fn batch_bytes(&self) -> u64 {
        let settings = self.settings;
        let number = |name: &str| {
            let said = settings.producer_properties.get(name).or_else(|| settings.properties.get(name));
            said.and_then(|value| value.trim().parse().ok()).unwrap_or(1_000_000)
        };
        number("batch.size").min(number("message.max.bytes"))
    }

    fn group(&self, way: &Way, outcomes: &[(TopicRole, Topic)], findings: &mut Vec<Finding>) {
        let (name, user) = (self.settings.group.as_str(), way.inquiry.identity().user.as_deref());
        let allowed = match self.group_said(way) {
            Ok(Some((members, allowed))) if allowed.lacks("Read") => {
                findings.push(problem(denied_group(name, user, "join it and commit offsets")));
                return self.reads_outputs(outcomes, members, user, findings);
            }
            Ok(Some((members, allowed))) => {
                let may = if allowed.is_told() { ", Read is allowed" } else { "" };
                findings.push(Finding::ok(format!("group {name}: {members} members now{may}")));
                members
            }
            Ok(None) => {
                findings.push(Finding::ok(format!("group {name}: nobody has used it yet")));
                0
            }
            Result::Err(code) if is_denied(code) => {
                findings.push(problem(denied_group(name, user, "join it and commit offsets")));
                0
            }
            Result::Err(code) => {
                let what = format!("nobody says anything of group {name}: {}", describe(code));
                findings.push(Finding::problem(what, self.reach_fix(&way.inquiry)));
                return;
            }
        };
        self.reads_outputs(outcomes, allowed, user, findings);
    }

    /// A group that the brokers do not know is none yet. A coordinator that loads is waited for.
    fn group_said(&self, way: &Way) -> Result<Option<(usize, Allowed)>, i32> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match admin::group(&way.inquiry.client, &self.settings.group, self.timeout) {
                Ok(group) => return Ok(Some((group.members, group.allowed))),
                Result::Err(code) if code == Err::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND as i32 => return Ok(None),
                Result::Err(code) if is_retriable(code) && Instant::now() < deadline => std::thread::sleep(LOOK),
                Result::Err(code) => return Result::Err(code),
            }
        }
    }

    /// Where a group has no offsets, its last outcomes say how far it was.
    fn reads_outputs(
        &self,
        outcomes: &[(TopicRole, Topic)],
        members: usize,
        user: Option<&str>,
        findings: &mut Vec<Finding>,
    ) {
        if members > 0 || self.settings.without_offsets == WithoutOffsets::Begin {
            return;
        }
        for (_, topic) in outcomes
            .iter()
            .filter(|(role, topic)| *role == TopicRole::For(Destination::Outputs) && topic.allowed.lacks("Read"))
        {
            let Fatal { what, fix, .. } = denied_topic(&topic.name, user, "Read", "see how far the group was");
            findings.push(Finding::warning(
                format!("{what}, where it has no committed offsets"),
                format!("{fix}; or set kafka.without_offsets = \"begin\" if nothing was scored before"),
            ));
        }
    }

    /// Asked by a name that no lane has: a lane that runs would be fenced.
    fn transactions(&self, writer: &[(String, String)], findings: &mut Vec<Finding>) -> Result<(), Fatal> {
        let id = transactional_id(self.settings, 0);
        let prefix = id.rsplit_once('/').map_or(id.as_str(), |(prefix, _)| prefix);
        let probe = format!("{prefix}/check");
        let inquiry = Inquiry::with(writer, &[("transactional.id", &probe), ("transaction.timeout.ms", "10000")])?;
        let user = inquiry.identity().user.clone();
        match admin::transactions(&inquiry.client, self.timeout.max(TRANSACTIONS_LEAST)) {
            Ok(()) => findings.push(Finding::ok(format!("transactions: {prefix}/0 and so on may be used"))),
            Result::Err((code, _)) if rights::is_transactional(code) => {
                let Fatal { what, fix, .. } = denied_transactions(prefix, user.as_deref());
                // Of a right that is granted name by name the brokers say nothing here.
                let fix = format!("{fix}. Asked by the name {probe}: ids that are granted one by one are not seen");
                findings.push(Finding::problem(what, fix));
            }
            Result::Err((code, words)) => findings.push(Finding::problem(
                format!("transactions do not start ({probe}): {words} ({})", describe(code)),
                self.reach_fix(&inquiry),
            )),
        }
        Ok(())
    }

    fn reach_fix(&self, inquiry: &Inquiry) -> String {
        match inquiry.causes().last() {
            Some(Cause { broker, what, fix, .. }) => format!("broker {broker}: {what}; {fix}"),
            None => "try again with a longer --timeout; if it stays so, see the brokers' logs".to_owned(),
        }
    }
}

/// A broker that is down leaves the list of brokers, and shows by its replicas alone.
fn behind<'a>(topics: impl Iterator<Item = &'a (TopicRole, Topic)>) -> Option<Finding> {
    let is_behind = |topic: &Topic| topic.partitions.iter().any(|copies| copies.in_sync < copies.replicas);
    let names: Vec<&str> = topics.filter(|(_, topic)| is_behind(topic)).map(|(_, topic)| topic.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            format!("replicas of topic {} are not in sync: a broker is down or behind", names.join(", ")),
            "kafka-topics.sh --describe --under-replicated-partitions names partitions and brokers",
        )
    })
}

fn problem(fatal: Fatal) -> Finding {
    Finding::problem(fatal.what, fatal.fix)
}

/// Each broker by a connection of its own, all at the same time. Answers how many were reached.
fn dial(
    settings: &[(String, String)],
    brokers: &[Broker],
    timeout: Duration,
    whose: &str,
    findings: &mut Vec<Finding>,
) -> Result<usize, Fatal> {
    let begin = |broker: &Broker| Inquiry::with(settings, &[("bootstrap.servers", &broker.address)]);
    let mut open: Vec<(&Broker, Inquiry)> = Vec::with_capacity(brokers.len());
    for broker in brokers {
        open.push((broker, begin(broker)?));
    }
    let (mut said, mut wait, deadline) = (Vec::new(), LOOK, Instant::now() + timeout);
    while !open.is_empty() {
        let is_late = Instant::now() >= deadline;
        open.retain(|(broker, inquiry)| {
            let answer = inquiry.client.metadata(None, wait);
            let finding = match answer {
                Ok(_) => Finding::ok(format!("broker {} at {}{whose}", broker.id, broker.address)),
                Result::Err(code) if is_late || inquiry.is_hopeless() => unreachable(broker, inquiry, code, whose),
                Result::Err(_) => return true,
            };
            said.push((broker.id, finding));
            false
        });
        // A broker far away must have the time to answer.
        wait = (wait * 2).min(LOOK_MAX);
    }
    said.sort_by_key(|(id, _)| *id);
    let reached = said.iter().filter(|(_, finding)| finding.verdict == Verdict::Ok).count();
    findings.extend(said.into_iter().map(|(_, finding)| finding));
    Ok(reached)
}

fn unreachable(broker: &Broker, inquiry: &Inquiry, code: i32, whose: &str) -> Finding {
    let Broker { id, address } = broker;
    let (why, fix) = match inquiry.causes().pop() {
        Some(Cause { what, fix, .. }) => (what, fix),
        None => (describe(code), "check firewalls and routes between this machine and the broker".to_owned()),
    };
    Finding::problem(
        format!("broker {id} is advertised at {address} and cannot be reached there{whose}: {why}"),
        format!("let advertised.listeners of broker {id} name an address that this machine reaches; {fix}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::metadata::Copies;

    #[test]
    fn replicas_that_are_not_in_sync_are_told_once_for_all_topics() {
        let topic = |name: &str, in_sync| {
            let partitions = vec![Copies { leader: 1, replicas: 3, in_sync }];
            (
                TopicRole::For(Destination::Outputs),
                Topic { name: name.to_owned(), partitions, allowed: Allowed::default() },
            )
        };
        assert_eq!(behind([topic("a", 3)].iter()), None);
        let told = behind([topic("a", 2), topic("b", 3), topic("c", 1)].iter()).unwrap();
        assert!(told.verdict == Verdict::Warning && told.what.contains("topic a, c are not in sync"), "{told:?}");
    }
}
