//! The table of keys: one entry each, from which follow its name, how it is read, how it is shown, and its lines of the
//! reference. The order of the table is the order of the reference, of `config show`, and of what is wrong.
//!
//! A new key is an entry here and a field where it is used; `SCOREWIRE_REWRITE_DOCS=1 cargo test --all-features --locked --test config table` then
//! writes the reference's copy anew.

use std::fmt::Write as _;

pub(super) mod challengers;
mod draft;
pub(super) mod fallback;
mod kafka;
mod key;
mod kinds;
mod lanes;
mod limits;
mod model;
mod operations;
mod outcomes;
mod properties;
mod registry;
mod registry_draft;
mod registry_plan;
mod schemas;
mod topics;

pub use draft::Draft;
pub use key::{Given, Key, Reading, Reread, Section};
pub(super) use {kafka::DELIVERY, kinds::word, lanes::LAYOUTS, properties::reread};

use super::plan::Config;
use super::read::Reader;

/// All there is.
pub const SECTIONS: &[Section] = &[
    kafka::TOP,
    kafka::KAFKA,
    properties::BOTH,
    properties::CONSUMER,
    properties::PRODUCER,
    topics::TOPICS,
    lanes::LANES,
    model::MODEL,
    schemas::SCHEMAS,
    registry::REGISTRY,
    registry::BASIC,
    registry::BEARER,
    registry::OAUTH,
    registry::TLS,
    challengers::CHALLENGERS,
    outcomes::THRESHOLDS,
    outcomes::OUTPUTS,
    outcomes::REVIEW,
    outcomes::DEAD_LETTERS,
    outcomes::DEADLINE,
    fallback::FALLBACK,
    fallback::RETRY_LATER,
    outcomes::HEADERS,
    limits::LIMITS,
    operations::NODE,
    operations::ADMIN,
    operations::LOG,
];

const NAMES: [&str; count()] = names();

/// The name of every key.
pub const KEYS: &[&str] = &NAMES;

const fn count() -> usize {
    let (mut section, mut count) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].keys.len();
        section += 1;
    }
    count
}

const fn names() -> [&'static str; count()] {
    let (mut names, mut section, mut at) = ([""; count()], 0, 0);
    while section < SECTIONS.len() {
        let mut key = 0;
        while key < SECTIONS[section].keys.len() {
            names[at] = SECTIONS[section].keys[key].name;
            (key, at) = (key + 1, at + 1);
        }
        section += 1;
    }
    names
}

pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// Reads what is wanted, in the order of the table.
pub fn read(reader: &mut Reader<'_>, draft: &mut Draft, wanted: Reading) {
    for section in SECTIONS {
        let mut keys = section.keys.iter().filter(|key| is_wanted(key.name, wanted)).peekable();
        if keys.peek().is_none() {
            continue;
        }
        for key in keys {
            key.read(reader, draft, wanted);
        }
        (section.finish)(reader, draft);
    }
    if wanted >= Reading::Registry {
        challengers::read(reader, draft);
    }
}

fn is_wanted(key: &str, wanted: Reading) -> bool {
    match wanted {
        Reading::Whole => true,
        Reading::Registry => is_of_connection(key) || key.starts_with("schemas.registry."),
        Reading::Connection => is_of_connection(key),
    }
}

/// Whether [`Reading::Connection`] reads it: what says where Kafka is and how to log, the package whose records `load`
/// makes, and what `load` tells of the node and reads of its outcomes.
fn is_of_connection(key: &str) -> bool {
    let section = key.split_once('.').map_or("", |(section, _)| section);
    ["kafka", "topics", "admin", "log"].contains(&section)
        || ["delivery", "model.package", "model.onnxruntime", "fallback.then"].contains(&key)
}

/// Every key with its value; `null` where nothing is set.
pub fn values(config: &Config) -> Vec<(&'static str, serde_json::Value)> {
    let mut draft = Draft::of(config);
    keys().map(|key| (key.name, key.kind.show(&mut draft))).collect()
}

/// The commented reference.
pub fn reference() -> String {
    let mut defaults = Draft::of(&Config::new("", "", ""));
    let mut text = String::new();
    for section in SECTIONS {
        text.push_str(section.head);
        for key in section.keys {
            text.push_str(key.text);
            let name = key.name.rsplit('.').next().unwrap_or(key.name);
            let _ = match key.given {
                Given::Default => write!(text, "\n{name} = {}", toml(&key.kind.show(&mut defaults))),
                Given::Maybe(example) => write!(text, "\n#{name} = {example}"),
                Given::Required { example, .. } => write!(text, "\n{name} = {example}"),
            };
        }
    }
    text.push('\n');
    text
}

fn toml(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(serde_json::Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}
