//! The topics of a node: one table, and what there is for each of them.

use std::ops::{Index, IndexMut};

use crate::error::Reject;

/// Which output topic an outcome is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Outputs,
    Review,
    DeadLetters,
    /// What the model did not answer in time and, where such records are shed, what came too late for it.
    Timeouts,
    /// Letters to be scored again: of nodes whose fallback has them.
    RetryLater,
}

impl Destination {
    /// In the order of [`TOPICS`].
    pub const ALL: [Destination; 5] = [
        Destination::Outputs,
        Destination::Review,
        Destination::DeadLetters,
        Destination::Timeouts,
        Destination::RetryLater,
    ];

    /// Where the dead letter of such a record goes.
    pub fn of(reject: Reject) -> Destination {
        match reject {
            Reject::ModelTimedOut | Reject::Late => Destination::Timeouts,
            _ => Destination::DeadLetters,
        }
    }
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicRole {
    Input,
    For(Destination),
    /// What challengers answer: of nodes that have some.
    Challenges,
}

impl From<Destination> for TopicRole {
    fn from(destination: Destination) -> TopicRole {
        TopicRole::For(destination)
    }
}

impl TopicRole {
    /// Its place in [`TOPICS`].
    const fn place(self) -> usize {
        match self {
            TopicRole::Input => 0,
            TopicRole::For(destination) => 1 + destination as usize,
            TopicRole::Challenges => 1 + Destination::ALL.len(),
        }
    }

    pub fn topic(self) -> &'static Topic {
        &TOPICS[self.place()]
    }

    /// The key that names it.
    pub fn key(self) -> &'static str {
        self.topic().key
    }

    /// What a node does with it, as access rules call it.
    pub fn operation(self) -> &'static str {
        match self {
            TopicRole::Input => "Read",
            TopicRole::For(_) | TopicRole::Challenges => "Write",
        }
    }
}

/// Those of the topics that only some nodes need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub retry_later: bool,
    pub challenges: bool,
}

impl Needs {
    /// The topics that a node with these needs writes, in the order of [`TOPICS`].
    pub fn written(self) -> impl Iterator<Item = TopicRole> {
        TOPICS.iter().map(|topic| topic.role).filter(move |role| match role {
            TopicRole::Input => false,
            TopicRole::For(Destination::RetryLater) => self.retry_later,
            TopicRole::For(_) => true,
            TopicRole::Challenges => self.challenges,
        })
    }
}

/// A topic of a node.
pub struct Topic {
    pub role: TopicRole,
    /// The key that names it.
    pub key: &'static str,
    /// Its name unless the key says another.
    pub default: &'static str,
    /// What it is called in reports.
    pub words: &'static str,
    /// What it is for: its lines of the configuration's reference, each after a line break.
    pub reference: &'static str,
}

impl Topic {
    /// The key without its section, as `/status` has it.
    pub fn name(&self) -> &'static str {
        self.key.strip_prefix("topics.").unwrap_or(self.key)
    }
}

/// Every topic of a node; [`Needs`] says which of them it uses.
pub const TOPICS: &[Topic; 7] = &[
    Topic {
        role: TopicRole::Input,
        key: "topics.input",
        default: "enriched-context",
        words: "input",
        reference: r#"
# Avro transactions come in here. Deleted and made again under a running job, the topic is another one, and offsets of the
# first may have been committed for it: stop the job before, and forget the group's offsets (kafka-consumer-groups.sh --group
# GROUP --topic TOPIC --delete-offsets) before it starts again with start_at = "earliest" and, once, without_offsets = "begin"."#,
    },
    Topic {
        role: TopicRole::For(Destination::Outputs),
        key: "topics.outputs",
        default: "model-outputs",
        words: "outputs",
        reference: "\n# One Avro record per scored transaction, with its score and decision.",
    },
    Topic {
        role: TopicRole::For(Destination::Review),
        key: "topics.review",
        default: "human-review",
        words: "review",
        reference: "\n# Copies for people: a sample, and every record in the review band.",
    },
    Topic {
        role: TopicRole::For(Destination::DeadLetters),
        key: "topics.dead_letters",
        default: "model-dead-letters",
        words: "dead letters",
        reference: "\n# Records that cannot be scored, with reason, stage and source position.",
    },
    Topic {
        role: TopicRole::For(Destination::Timeouts),
        key: "topics.timeouts",
        default: "model-timeouts",
        words: "time-outs",
        reference: "
# Records that the model did not answer in time (model.timeout_ms) and, where deadline.then = \"shed\", late ones.",
    },
    Topic {
        role: TopicRole::For(Destination::RetryLater),
        key: "topics.retry_later",
        default: "retry-later",
        words: "retry later",
        reference: "
# Letters that `scorewire retry` scores again after their delay. Needed only where fallback.then ends in \"retry_later\".",
    },
    Topic {
        role: TopicRole::Challenges,
        key: "topics.challenges",
        default: "model-challenges",
        words: "challenges",
        reference: "
# What challengers answer, beside what the champion decided: one Avro record per sampled transaction and challenger. Needed
# only where there are [[challengers]].",
    },
];

/// One of something for each topic, told apart by [`TopicRole`] or [`Destination`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerTopic<T>([T; TOPICS.len()]);

/// Names of the topics.
pub type Topics = PerTopic<String>;

/// Partitions of each topic.
pub type PartitionCounts = PerTopic<i32>;

impl<T> PerTopic<T> {
    /// What `of` says of each.
    pub fn of(of: impl FnMut(&'static Topic) -> T) -> PerTopic<T> {
        PerTopic(TOPICS.each_ref().map(of))
    }

    /// In the order of [`TOPICS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static Topic, &T)> {
        TOPICS.iter().zip(&self.0)
    }

    pub fn input(&self) -> &T {
        &self[TopicRole::Input]
    }
}

impl<T, R: Into<TopicRole>> Index<R> for PerTopic<T> {
    type Output = T;

    fn index(&self, role: R) -> &T {
        &self.0[role.into().place()]
    }
}

impl<T, R: Into<TopicRole>> IndexMut<R> for PerTopic<T> {
    fn index_mut(&mut self, role: R) -> &mut T {
        &mut self.0[role.into().place()]
    }
}

impl Default for Topics {
    fn default() -> Topics {
        PerTopic::of(|topic| topic.default.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_stands_where_its_role_says() {
        for (place, topic) in TOPICS.iter().enumerate() {
            assert_eq!((topic.role.place(), topic.role.key()), (place, topic.key));
            assert_ne!(topic.name(), topic.key);
        }
        assert_eq!(Destination::ALL.map(|to| TopicRole::from(to).place()), [1, 2, 3, 4, 5]);
        assert_eq!(TopicRole::Challenges.place(), 6);
        assert_eq!(Needs::default().written().count(), 4);
        assert_eq!(Needs { retry_later: true, challenges: true }.written().count(), 6);
    }
}
