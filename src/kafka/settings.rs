//! Every client setting, written out with its reason.

use std::collections::BTreeMap;
use std::fmt;

/// Where a group without committed offsets starts. There is no default: both answers are wrong for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    Earliest,
    Latest,
}

/// The connection as the configuration gives it, already checked. `Debug` masks the properties that are secret.
#[derive(Clone, PartialEq, Eq)]
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

/// Properties whose values are never shown: logs, errors and `config show` mask them.
pub const SECRET_PROPERTIES: &[&str] = &[
    "sasl.password",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

pub fn is_secret(property: &str) -> bool {
    SECRET_PROPERTIES.contains(&property)
}

/// Prints properties with the secret ones masked.
struct Masked<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value.as_str() }));
        f.debug_map().entries(shown).finish()
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("group", &self.group)
            .field("node", &self.node)
            .field("start_at", &self.start_at)
            .field("properties", &Masked(&self.properties))
            .field("consumer_properties", &Masked(&self.consumer_properties))
            .field("producer_properties", &Masked(&self.producer_properties))
            .finish()
    }
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
