//! The effective configuration as text: every key, where its value comes from, and secrets masked.

use std::fmt::Write as _;

use super::plan::{
    DEADLINE_FROM, DELIVERY, GROUP_PROTOCOLS, HEADER_STYLES, LAYOUTS, LOG_FORMATS, MEMBERSHIPS, ON_UNKNOWN,
    OUT_OF_RANGE, PAYLOAD, PROVIDERS, START_AT, TREES, WITHOUT_OFFSETS,
};
use super::problem::Origin;
use super::secret::MASK;
use super::{Config, Loaded};
use crate::kafka::settings::is_secret;
use crate::pipeline::limits::Limits;
use crate::pipeline::settings::ForwardHeaders;

/// Keys in the order of [`super::keys::KEYS`] with their values; `null` where nothing is set. Client properties
/// follow, the secret ones masked.
pub fn values(config: &Config) -> Vec<(String, serde_json::Value)> {
    let mut all = connection(config);
    all.extend(model(config));
    all.extend(outcomes(config));
    all.extend(limits(&config.limits));
    all.extend([
        pair("admin.listen", config.admin_listen.map_or_else(|| "off".to_owned(), |address| address.to_string())),
        pair("log.format", word(LOG_FORMATS, config.log.format)),
        pair("log.level", config.log.level.as_str()),
    ]);
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

/// The configuration as TOML, each line with its origin.
pub fn toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    let values = values(&loaded.config);
    for (key, value) in &values {
        let property = super::keys::PROPERTY_SECTIONS.iter().find(|name| key.starts_with(&format!("{name}.")));
        let (table, name) = match property {
            Some(table) => (*table, format!("\"{}\"", &key[table.len() + 1..])),
            None => key.split_once('.').map_or(("", key.clone()), |(table, name)| (table, name.to_owned())),
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
    text
}

/// The configuration as nested JSON; client properties keep their dotted names.
pub fn json(config: &Config) -> serde_json::Value {
    let mut root = serde_json::Map::new();
    for (key, value) in values(config) {
        let mut place = &mut root;
        let property = super::keys::PROPERTY_SECTIONS.iter().find(|name| key.starts_with(&format!("{name}.")));
        let (path, name) = match property {
            Some(table) => (*table, &key[table.len() + 1..]),
            None => key.split_once('.').unwrap_or(("", &key)),
        };
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let next = place.entry(step).or_insert_with(|| serde_json::Map::new().into());
            let Some(next) = next.as_object_mut() else { unreachable!("sections hold tables") };
            place = next;
        }
        place.insert(name.to_owned(), value);
    }
    root.into()
}

fn pair(key: &str, value: impl Into<serde_json::Value>) -> (String, serde_json::Value) {
    (key.to_owned(), value.into())
}

/// How a configuration says its delivery.
pub fn delivery(config: &Config) -> &'static str {
    word(DELIVERY, config.delivery)
}

/// How a configuration says its lanes' layout.
pub fn layout(config: &Config) -> &'static str {
    word(LAYOUTS, config.layout)
}

/// The word that stands for `value` in a configuration.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word)
}

fn path(path: &Option<std::path::PathBuf>) -> Option<String> {
    path.as_ref().map(|path| path.display().to_string())
}

fn connection(config: &Config) -> Vec<(String, serde_json::Value)> {
    let (kafka, topics) = (&config.kafka, &config.topics);
    let cores: Vec<usize> =
        config.lanes.iter().flat_map(|lane| [lane.cores.lane, lane.cores.model]).flatten().collect();
    vec![
        pair("delivery", delivery(config)),
        pair("kafka.bootstrap", kafka.bootstrap.as_str()),
        pair("kafka.group", kafka.group.as_str()),
        pair("kafka.node", kafka.node.as_str()),
        pair("kafka.start_at", kafka.start_at.map(|start| word(START_AT, start))),
        pair("kafka.without_offsets", word(WITHOUT_OFFSETS, kafka.without_offsets)),
        pair("kafka.on_offset_out_of_range", word(OUT_OF_RANGE, config.out_of_range)),
        pair("kafka.group_protocol", word(GROUP_PROTOCOLS, kafka.group_protocol)),
        pair("kafka.membership", word(MEMBERSHIPS, kafka.membership)),
        pair("topics.input", topics.input.as_str()),
        pair("topics.outputs", topics.outputs.as_str()),
        pair("topics.review", topics.review.as_str()),
        pair("topics.dead_letters", topics.dead_letters.as_str()),
        pair("topics.timeouts", topics.timeouts.as_str()),
        pair("lanes.count", config.lanes.len()),
        pair("lanes.layout", layout(config)),
        pair("lanes.cores", cores),
    ]
}

fn model(config: &Config) -> Vec<(String, serde_json::Value)> {
    let (model, schemas) = (&config.model, &config.schemas);
    let forms = schemas.wire_forms;
    let accepted = [forms.guid, forms.id, forms.single_object, forms.raw];
    let forms = super::plan::WIRE_FORMS.iter().zip(accepted).filter(|(_, accepted)| *accepted).map(|(name, _)| *name);
    vec![
        pair("model.package", model.package.display().to_string()),
        pair("model.onnxruntime", path(&model.onnxruntime)),
        pair("model.provider", word(PROVIDERS, model.provider)),
        pair("model.trees", word(TREES, model.trees)),
        pair("model.batch_slice_us", model.batch_slice_us),
        pair("model.batch_latency_us_max", model.batch_latency_us_max),
        pair("model.batch_rows", model.batch_rows),
        pair("schemas.directory", path(&schemas.directory)),
        pair("schemas.on_unknown", word(ON_UNKNOWN, schemas.on_unknown)),
        pair("schemas.wire_forms", forms.collect::<Vec<_>>()),
        pair("schemas.raw_schema", path(&schemas.raw_schema)),
    ]
}

fn outcomes(config: &Config) -> Vec<(String, serde_json::Value)> {
    let thresholds = config.thresholds.as_ref();
    let forward = match &config.forward_headers {
        ForwardHeaders::All => vec!["*".to_owned()],
        ForwardHeaders::Only(names) => names.clone(),
    };
    // Without a deadline its start means nothing, and stating it would not read back.
    let from = config.deadline.map(|deadline| word(DEADLINE_FROM, deadline.from));
    vec![
        pair("thresholds.review", thresholds.map(|given| given.review)),
        pair("thresholds.decline", thresholds.map(|given| given.decline)),
        pair("thresholds.version", thresholds.map(|given| given.version.as_str())),
        pair("review.sample_per_million", config.review.sample_per_million),
        pair("review.payload", word(PAYLOAD, config.review.payload)),
        pair("dead_letters.payload", word(PAYLOAD, config.dead_letters.payload)),
        pair("dead_letters.header_style", word(HEADER_STYLES, config.dead_letters.header_style)),
        pair("dead_letters.alarm_share_per_million", config.dead_letters.alarm_share_per_million),
        pair("deadline.limit_ms", config.deadline.map(|deadline| deadline.limit_ms)),
        pair("deadline.from", from),
        pair("headers.forward", forward),
    ]
}

/// The limits by their names within the section.
pub fn limits_json(named: &Limits) -> serde_json::Value {
    let short = |key: String| key.trim_start_matches("limits.").to_owned();
    let map: serde_json::Map<_, _> = limits(named).into_iter().map(|(key, value)| (short(key), value)).collect();
    map.into()
}

fn limits(limits: &Limits) -> Vec<(String, serde_json::Value)> {
    let ms = |span: std::time::Duration| span.as_millis() as u64;
    vec![
        pair("limits.batch_rows_max", limits.batch_rows_max),
        pair("limits.in_flight_records_max", limits.in_flight_records_max),
        pair("limits.in_flight_bytes_max", limits.in_flight_bytes_max),
        pair("limits.payload_bytes_max", limits.payload_bytes_max),
        pair("limits.outcome_bytes_max", limits.outcome_bytes_max),
        pair("limits.commit_interval_ms", ms(limits.commit_interval)),
        pair("limits.commit_timeout_ms", ms(limits.commit_timeout)),
        pair("limits.revoke_timeout_ms", ms(limits.revoke_timeout)),
        pair("limits.drain_timeout_ms", ms(limits.drain_timeout)),
        pair("limits.pause_after_ms", ms(limits.pause_after)),
        pair("limits.idle_wait_ms", ms(limits.idle_wait)),
        pair("limits.model_failures_max", limits.model_failures_max),
        pair("limits.delivery_failures_max", limits.delivery_failures_max),
        pair("limits.schema_retry_ms", ms(limits.schema_retry)),
        pair("limits.watchdog_timeout_ms", ms(limits.watchdog_timeout)),
        pair("limits.sink_stall_unready_ms", ms(limits.sink_stall_unready)),
    ]
}
