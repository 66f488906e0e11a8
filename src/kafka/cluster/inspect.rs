//! Questions to the cluster before the first record: is it there, are the topics there, how many partitions.

use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Code;

use super::inquiry::Inquiry;
use crate::error::{Fatal, exit};
use crate::kafka::client::describe;
use crate::kafka::client::metadata::Answer;
use crate::kafka::failures::retriable::{self, SinceStart};
use crate::kafka::failures::rights;
use crate::kafka::settings::connection::{reader_settings, writer_settings};
use crate::kafka::settings::{KafkaSettings, value_of};
use crate::kafka::wrapped;
use crate::values::topics::{Needs, PartitionCounts, TopicRole, Topics};

/// What is there of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub partitions: PartitionCounts,
    pub brokers: usize,
}

/// Asks the brokers for all topics of a node with these needs, for so long each; the others have no partitions. A broker that
/// does not answer in time, a topic that is not there and one that may not be looked at are told apart, and every missing
/// topic is named at once.
///
/// # Errors
/// [`exit::CONFIG`] when the client refuses its settings; [`exit::UNAVAILABLE`] with the reason otherwise.
pub fn inspect(settings: &KafkaSettings, topics: &Topics, needs: Needs, timeout: Duration) -> Result<Inspected, Fatal> {
    let (reader, writer) = (reader_settings(settings), writer_settings(settings));
    let of_reader = Inquiry::begin(&reader)?;
    let inputs = find(&of_reader, &[wanted(topics, TopicRole::Input)], timeout)?;
    // A connection and a login of its own only where the producer comes another way.
    let of_writer = if reader == writer { None } else { Some(Inquiry::begin(&writer)?) };
    let written: Vec<TopicRole> = needs.written().collect();
    let asked: Vec<_> = written.iter().map(|role| wanted(topics, *role)).collect();
    let found = find(of_writer.as_ref().unwrap_or(&of_reader), &asked, timeout)?;
    wrapped::check()?;
    if let Some(fatal) = missing(settings, inputs.missing.iter().chain(&found.missing)) {
        return Result::Err(fatal);
    }
    let mut partitions = PartitionCounts::of(|_| 0);
    for (role, count) in [TopicRole::Input].into_iter().chain(written).zip(inputs.counts.iter().chain(&found.counts)) {
        partitions[role] = *count;
    }
    Ok(Inspected { partitions, brokers: found.brokers })
}

fn wanted(topics: &Topics, role: TopicRole) -> (&str, &'static str) {
    (&topics[role], role.operation())
}

/// The partitions of each of these topics, with the operation that they are wanted for.
struct Found {
    counts: Vec<i32>,
    brokers: usize,
    missing: Vec<String>,
}

fn find(inquiry: &Inquiry, topics: &[(&str, &str)], timeout: Duration) -> Result<Found, Fatal> {
    let mut found = Found { counts: Vec::new(), brokers: 0, missing: Vec::new() };
    for &(name, operation) in topics {
        let passing = |trouble: &Trouble| retriable::words(trouble.code()).filter(|_| !inquiry.is_hopeless());
        let what = format!("find topic {name}");
        let asked = retriable::ask_until(&SinceStart::now(), timeout, passing, &what, |left| {
            let answer = inquiry.ask(Some(name), left).map_err(Trouble::Cluster)?;
            found.brokers = answer.brokers.len();
            partitions_of(&answer)
        });
        let partitions = asked.map_err(|trouble| trouble.told(inquiry, name, operation))?;
        if partitions == 0 {
            found.missing.push(name.to_owned());
        }
        found.counts.push(partitions);
    }
    Ok(found)
}

fn missing<'a>(settings: &KafkaSettings, topics: impl Iterator<Item = &'a String>) -> Option<Fatal> {
    let names: Vec<&str> = topics.map(String::as_str).collect();
    (!names.is_empty()).then(|| missing_topics(&settings.bootstrap, &names))
}

/// The command that creates a topic.
pub(in crate::kafka) fn how_to_create(bootstrap: &str, topic: &str) -> String {
    let broker = bootstrap.split(',').next().unwrap_or_default();
    format!("create it: kafka-topics.sh --bootstrap-server {broker} --create --topic {topic} --partitions N")
}

/// What is said of topics that are not there.
pub(in crate::kafka) fn missing_topics(bootstrap: &str, names: &[&str]) -> Fatal {
    let name = if let [one] = names { one } else { "NAME" };
    Fatal::new(
        exit::UNAVAILABLE,
        format!("missing on {bootstrap}: topic {}", names.join(", topic ")),
        format!("{}, or name an existing one in [topics]", how_to_create(bootstrap, name)),
    )
}

/// Dials the cluster as a client with these settings, and counts the partitions of each of these topics, which are wanted for
/// an operation.
///
/// # Errors
/// Those of [`inspect`].
pub(in crate::kafka) fn reach(
    list: &[(String, String)],
    topics: &[(&str, &str)],
    timeout: Duration,
) -> Result<Vec<i32>, Fatal> {
    let inquiry = Inquiry::begin(list)?;
    if topics.is_empty() {
        inquiry.ask(None, timeout).map_err(|code| inquiry.no_answer(code))?;
    }
    let found = find(&inquiry, topics, timeout)?;
    if !found.missing.is_empty() {
        let bootstrap = value_of(list, "bootstrap.servers").unwrap_or_default();
        let names: Vec<&str> = found.missing.iter().map(String::as_str).collect();
        return Result::Err(missing_topics(bootstrap, &names));
    }
    Ok(found.counts)
}

/// How many partitions each of these topics has, for somebody who reads them and does nothing else.
///
/// # Errors
/// Those of [`inspect`].
pub fn partitions(settings: &KafkaSettings, topics: &[&str], timeout: Duration) -> Result<Vec<i32>, Fatal> {
    let read: Vec<_> = topics.iter().map(|topic| (*topic, "Read")).collect();
    reach(&reader_settings(settings), &read, timeout)
}

/// How many partitions this topic has, for somebody who writes it and does nothing else.
///
/// # Errors
/// Those of [`inspect`].
pub fn partitions_to_write(settings: &KafkaSettings, topic: &str, timeout: Duration) -> Result<i32, Fatal> {
    Ok(reach(&writer_settings(settings), &[(topic, "Write")], timeout)?.first().copied().unwrap_or_default())
}

/// How many partitions a topic has, for somebody who reads it if it is there; `None` where it is not.
///
/// # Errors
/// Those of [`inspect`], but for a missing topic.
pub fn partitions_if_there(settings: &KafkaSettings, topic: &str, timeout: Duration) -> Result<Option<i32>, Fatal> {
    let found = find(&Inquiry::begin(&reader_settings(settings))?, &[(topic, "Read")], timeout)?;
    Ok(found.counts.first().copied().filter(|partitions| *partitions > 0))
}

/// Why a topic's partitions cannot be told.
#[derive(Clone, Copy)]
enum Trouble {
    /// Nobody answered, or for another reason than the topic.
    Cluster(i32),
    /// What the brokers say of the topic.
    Topic(i32),
}

impl Trouble {
    fn code(self) -> i32 {
        let (Trouble::Cluster(code) | Trouble::Topic(code)) = self;
        code
    }

    fn told(self, inquiry: &Inquiry, topic: &str, operation: &str) -> Fatal {
        match self {
            Trouble::Cluster(code) => inquiry.no_answer(code),
            Trouble::Topic(code) if rights::is_denied(code) => {
                rights::hidden_topic(topic, inquiry.identity().user.as_deref(), operation)
            }
            Trouble::Topic(code) => Fatal::new(
                exit::UNAVAILABLE,
                format!("topic {topic}: {}", describe(code)),
                "check that the topic's name is one that Kafka takes, and that the brokers with its partitions run",
            ),
        }
    }
}

/// None where there is no such topic.
fn partitions_of(answer: &Answer) -> Result<i32, Trouble> {
    // A broker that its controller has fenced, as at its start, knows of none.
    if answer.brokers.is_empty() {
        return Err(Trouble::Cluster(Code::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE as i32));
    }
    match &answer.topic {
        None => Ok(0),
        Some(Ok(partitions)) => Ok(i32::try_from(partitions.len()).unwrap_or(i32::MAX)),
        Some(Result::Err(code)) if *code == Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as i32 => Ok(0),
        Some(Result::Err(code)) => Err(Trouble::Topic(*code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_lacks_one_topic_gets_its_command_and_whoever_lacks_several_one_for_each() {
        let fix = |names: &[&str]| missing_topics("a:1,b:2", names).fix;
        assert!(fix(&["in"]).contains("--bootstrap-server a:1 --create --topic in --partitions N"), "{}", fix(&["in"]));
        let several = missing_topics("a:1", &["in", "out"]);
        assert!(several.what.ends_with("topic in, topic out") && several.fix.contains("--topic NAME "), "{several}");
    }
}
