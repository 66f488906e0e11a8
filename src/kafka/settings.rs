//! Every client setting, written out with its reason.

use std::collections::BTreeMap;

/// Where a group without committed offsets starts. There is no default: both answers are wrong for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    Earliest,
    Latest,
}

/// The connection as the configuration gives it, already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    pub bootstrap: String,
    pub group: String,
    /// Names this process in broker logs and outputs.
    pub node: String,
    pub start_at: Option<StartAt>,
    /// librdkafka properties for both clients, then for each; passed through an allow-list by `config/`.
    pub properties: BTreeMap<String, String>,
    pub consumer_properties: BTreeMap<String, String>,
    pub producer_properties: BTreeMap<String, String>,
}

/// Names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub input: String,
    pub outputs: String,
    pub review: String,
    pub dead_letters: String,
    pub timeouts: String,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics {
            input: "enriched-context".into(),
            outputs: "model-outputs".into(),
            review: "human-review".into(),
            dead_letters: "model-dead-letters".into(),
            timeouts: "model-timeouts".into(),
        }
    }
}
