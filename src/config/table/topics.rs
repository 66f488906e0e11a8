//! `[topics]`.

use super::kinds::{Place, Text};
use super::{Given, Key, Reread, Section, apart};
use crate::config::read::Reader;

pub const TOPICS: Section = Section {
    head: "\n\n[topics]",
    keys: &[
        Key {
            name: "topics.input",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.topics.input), check: topic },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Avro transactions come in here. Deleted and made again under a running job, the topic is another one, and offsets of the
# first may have been committed for it: stop the job before, and forget the group's offsets (kafka-consumer-groups.sh --group
# GROUP --topic TOPIC --delete-offsets) before it starts again with start_at = "earliest" and, once, without_offsets = "begin"."#,
        },
        Key {
            name: "topics.outputs",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.topics.outputs), check: topic },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# One Avro record per scored transaction, with its score and decision.",
        },
        Key {
            name: "topics.review",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.topics.review), check: topic },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Copies for people: a sample, and every record in the review band.",
        },
        Key {
            name: "topics.dead_letters",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.topics.dead_letters), check: topic },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Records that cannot be scored, with reason, stage and source position.",
        },
        Key {
            name: "topics.timeouts",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.topics.timeouts), check: topic },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Records that the model itself failed on, apart from poison.",
        },
    ],
    finish: apart,
};

fn topic(reader: &mut Reader<'_>, key: &'static str, topic: &str) -> bool {
    let legal = topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let is_name = legal && topic.len() <= 249 && topic != "." && topic != "..";
    if !is_name {
        let fix = "use up to 249 letters, digits, '.', '_' and '-'";
        reader.problem(key, format!("{topic:?} is not a legal topic name"), fix);
    }
    is_name
}
