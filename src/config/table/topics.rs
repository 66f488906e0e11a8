//! `[topics]`: a key for each of [`TOPICS`].

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::Kind;
use crate::config::read::Reader;
use crate::values::topics::{self, Topic};

const KEYS: [Key; topics::TOPICS.len()] = [key(0), key(1), key(2), key(3), key(4), key(5), key(6)];

pub const TOPICS: Section = Section { head: "\n\n[topics]", keys: &KEYS, finish: apart };

const fn key(at: usize) -> Key {
    let topic = &topics::TOPICS[at];
    Key { name: topic.key, kind: topic, given: Given::Default, reread: Reread::AtStart, text: topic.reference }
}

impl Kind for Topic {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        let Some(topic) = reader.text(key) else { return };
        let legal = topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if legal && topic.len() <= 249 && topic != "." && topic != ".." {
            draft.config.topics[self.role] = topic;
        } else {
            let fix = "use up to 249 letters, digits, '.', '_' and '-'";
            reader.problem(key, format!("{topic:?} is not a legal topic name"), fix);
        }
    }

    fn show(&self, draft: &mut Draft) -> serde_json::Value {
        draft.config.topics[self.role].as_str().into()
    }
}
