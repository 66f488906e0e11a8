//! The effective configuration as text: every key, where its value comes from, and secrets masked.

use std::fmt::Write as _;
use std::sync::Arc;

use super::keys::PROPERTY_SECTIONS;
use super::load::Loaded;
use super::plan::{ChallengerConfig, Config};
use super::problem::Origin;
use super::secret::MASK;
use super::table::{self, DELIVERY, LAYOUTS, word};
use crate::doors::Clock;
use crate::kafka::settings::is_secret;
use crate::observe::admin::{AdminState, CONTACT_GRACE, ModelInfo, Phase};
use crate::observe::stats::LaneStats;

/// Keys in the order of the table with their values; `null` where nothing is set. Client properties
/// follow, the secret ones masked.
pub fn values(config: &Config) -> Vec<(String, serde_json::Value)> {
    let keys = table::values(config).into_iter();
    let mut all: Vec<(String, serde_json::Value)> = keys.map(|(key, value)| (key.to_owned(), value)).collect();
    let kafka = &config.kafka;
    for (section, properties) in [
        ("kafka.properties", &kafka.properties),
        ("kafka.consumer.properties", &kafka.consumer_properties),
        ("kafka.producer.properties", &kafka.producer_properties),
    ] {
        for (name, value) in properties {
            let shown = if is_secret(name) { MASK } else { value };
            all.push((format!("{section}.{name}"), shown.into()));
        }
    }
    all
}

/// A challenger's keys and values.
fn challenger(of: &ChallengerConfig) -> [(&'static str, serde_json::Value); 3] {
    let package = of.package.display().to_string();
    [("name", (*of.name).into()), ("package", package.into()), ("sample_per_million", of.sample_per_million.into())]
}

/// The configuration as TOML, each line with its origin.
pub fn toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    let values = values(&loaded.config);
    for (key, value) in &values {
        let property = PROPERTY_SECTIONS.iter().find(|name| key.starts_with(&format!("{name}.")));
        let (table, name) = match property {
            Some(table) => (*table, format!("\"{}\"", &key[table.len() + 1..])),
            None => key.rsplit_once('.').map_or(("", key.clone()), |(table, name)| (table, name.to_owned())),
        };
        if table != section {
            section = table;
            let _ = write!(text, "\n[{table}]\n");
        }
        let origin = match loaded.origin(key) {
            Origin::Default if property.is_some() => loaded.origin(&format!("{key}_file")),
            origin => origin,
        };
        let _ = match value {
            serde_json::Value::Null => writeln!(text, "# {name} is not set"),
            value => writeln!(text, "{name} = {value}  # {origin}"),
        };
    }
    for (number, of) in loaded.config.challengers.iter().enumerate() {
        text.push_str("\n[[challengers]]\n");
        for (name, value) in challenger(of) {
            let origin = loaded.origin(&format!("challengers.{number}.{name}"));
            let _ = writeln!(text, "{name} = {value}  # {origin}");
        }
    }
    text
}

/// The configuration as nested JSON; client properties keep their dotted names.
pub fn json(config: &Config) -> serde_json::Value {
    let mut root = serde_json::Map::new();
    for (key, value) in values(config) {
        let mut place = &mut root;
        let property = PROPERTY_SECTIONS.iter().find(|name| key.starts_with(&format!("{name}.")));
        let (path, name) = match property {
            Some(table) => (*table, &key[table.len() + 1..]),
            None => key.rsplit_once('.').unwrap_or(("", &key)),
        };
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let next = place.entry(step).or_insert_with(|| serde_json::Map::new().into());
            let Some(next) = next.as_object_mut() else { unreachable!("sections hold tables") };
            place = next;
        }
        place.insert(name.to_owned(), value);
    }
    let of = |of: &ChallengerConfig| challenger(of).map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let challengers: Vec<serde_json::Value> =
        config.challengers.iter().map(of).map(serde_json::Value::Object).collect();
    root.insert("challengers".to_owned(), challengers.into());
    root.into()
}

/// How a configuration says its delivery.
pub fn delivery(config: &Config) -> &'static str {
    word(DELIVERY, config.delivery)
}

/// How a configuration says its lanes' layout.
pub fn layout(config: &Config) -> &'static str {
    word(LAYOUTS, config.layout)
}

/// The limits by their names within the section.
pub fn limits_json(config: &Config) -> serde_json::Value {
    let limits = table::values(config).into_iter();
    let limits = limits.filter_map(|(key, value)| Some((key.strip_prefix("limits.")?.to_owned(), value)));
    limits.collect::<serde_json::Map<_, _>>().into()
}

impl Config {
    /// What the HTTP endpoints show of a process that runs this plan from now on.
    pub fn admin_state(
        &self,
        lanes: Vec<Arc<LaneStats>>,
        model: ModelInfo,
        phase: Arc<Phase>,
        clock: Arc<dyn Clock + Send + Sync>,
    ) -> AdminState {
        AdminState {
            node: self.kafka.node.clone(),
            group: self.kafka.group.clone(),
            topics: self.topics.clone(),
            lanes,
            model,
            limits: self.limits.clone(),
            contact_timeout: self.kafka.session_timeout() + CONTACT_GRACE,
            limits_shown: limits_json(self),
            phase,
            dead_letter_share: Default::default(),
            challengers: Vec::new(),
            registry: None,
            crashes: None,
            started_ns: clock.now_ns(),
            clock,
        }
    }
}
