//! The names of everything that can be configured.

use super::nearest::nearest;
pub use super::table::KEYS;
use super::table::{self, Reread, challengers};

/// Sections whose keys are librdkafka's own property names.
pub const PROPERTY_SECTIONS: &[&str] = &["kafka.properties", "kafka.consumer.properties", "kafka.producer.properties"];

/// Sections that may be given several times, as `[[challengers]]`; the keys of each. A path names one by its number, from 0.
pub const LISTS: &[(&str, &[&str])] = &[(challengers::SECTION, &challengers::KEYS)];

/// Keys whose values are never shown.
pub const SECRET_KEYS: &[&str] = &[
    "schemas.registry.basic.password",
    "schemas.registry.bearer.token",
    "schemas.registry.headers",
    "schemas.registry.oauth.client_secret",
];

/// What a dotted path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    Key,
    /// A table that holds keys or further tables.
    Section,
    /// One of [`PROPERTY_SECTIONS`], and the property's own name.
    Property(&'static str, &'a str),
    /// One of [`LISTS`]: in a file an array of tables.
    List,
    Unknown,
}

pub fn name(path: &str) -> Named<'_> {
    if KEYS.contains(&path) {
        return Named::Key;
    }
    if let Some(named) = LISTS.iter().find_map(|(section, keys)| of_list(path, section, keys)) {
        return named;
    }
    for section in PROPERTY_SECTIONS {
        if let Some(property) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
            return Named::Property(section, property);
        }
    }
    let holds = |key: &&str| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    if PROPERTY_SECTIONS.contains(&path) || KEYS.iter().any(holds) || PROPERTY_SECTIONS.iter().any(holds) {
        return Named::Section;
    }
    Named::Unknown
}

/// What a path names within a list.
fn of_list(path: &str, section: &str, keys: &[&str]) -> Option<Named<'static>> {
    let rest = path.strip_prefix(section)?;
    if rest.is_empty() {
        return Some(Named::List);
    }
    let rest = rest.strip_prefix('.')?;
    let (number, key) = rest.split_once('.').map_or((rest, None), |(number, key)| (number, Some(key)));
    number.parse::<u32>().ok()?;
    match key {
        None => Some(Named::Section),
        Some(key) => keys.contains(&key).then_some(Named::Key),
    }
}

/// The key or section that was probably meant.
pub fn nearest_key(path: &str) -> Option<&'static str> {
    let sections = KEYS.iter().filter_map(|key| key.split_once('.').map(|(section, _)| section));
    let within = KEYS.iter().filter_map(|key| key.rsplit_once('.').map(|(section, _)| section));
    let sections = sections.chain(within);
    nearest(path, KEYS.iter().copied().chain(sections).chain(PROPERTY_SECTIONS.iter().copied()))
}

/// When another value of this key or client property holds; `None` where it names neither.
pub fn reread(path: &str) -> Option<Reread> {
    match name(path) {
        // What a list holds is read at the start.
        Named::Key => Some(table::keys().find(|key| key.name == path).map_or(Reread::AtStart, |key| key.reread)),
        Named::Property(_, name) => Some(table::reread(name)),
        Named::Section | Named::List | Named::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_a_slip_of_the_finger_or_a_section_away() {
        assert_eq!(nearest_key("lanes.cuont"), Some("lanes.count"));
        assert_eq!(nearest_key("limit"), Some("limits"));
        assert_eq!(nearest_key("kafka.start"), Some("kafka.start_at"));
        assert_eq!(nearest_key("kafka.input"), Some("topics.input"));
        assert_eq!(nearest_key("limits.batch_row_max"), Some("limits.batch_rows_max"));
        assert_eq!(nearest_key("kafka.property"), Some("kafka.properties"));
        assert_eq!(nearest_key("completely.different.thing"), None);
    }

    #[test]
    fn paths_are_told_apart() {
        assert_eq!(name("lanes.count"), Named::Key);
        assert_eq!(name("lanes"), Named::Section);
        assert_eq!(name("kafka.consumer"), Named::Section);
        assert_eq!(name("kafka.consumer.properties"), Named::Section);
        assert_eq!(name("kafka.properties.sasl.password"), Named::Property("kafka.properties", "sasl.password"));
        assert_eq!(name("challengers"), Named::List);
        assert_eq!((name("challengers.0"), name("challengers.3.package")), (Named::Section, Named::Key));
        for unknown in
            ["challengers.x.package", "challengers.0.model", "challengers.package", "challengers.0.package.x"]
        {
            assert_eq!(name(unknown), Named::Unknown, "{unknown}");
        }
        assert_eq!(name("lane"), Named::Unknown);
        assert_eq!(name("lanes.count.more"), Named::Unknown);
    }
}
