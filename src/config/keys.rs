//! The names of everything that can be configured.

pub use super::table::KEYS;

/// Sections whose keys are librdkafka's own property names.
pub const PROPERTY_SECTIONS: &[&str] = &["kafka.properties", "kafka.consumer.properties", "kafka.producer.properties"];

/// What a dotted path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    Key,
    /// A table that holds keys or further tables.
    Section,
    /// One of [`PROPERTY_SECTIONS`], and the property's own name.
    Property(&'static str, &'a str),
    Unknown,
}

pub fn name(path: &str) -> Named<'_> {
    if KEYS.contains(&path) {
        return Named::Key;
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

/// The key or section that was probably meant.
pub fn nearest_key(path: &str) -> Option<&'static str> {
    let sections = KEYS.iter().filter_map(|key| key.split_once('.').map(|(section, _)| section));
    nearest(path, KEYS.iter().copied().chain(sections).chain(PROPERTY_SECTIONS.iter().copied()))
}

/// The candidate closest to `path`: the same last word in another section, one that begins so, or few letters away.
pub fn nearest<'a>(path: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance_max = (path.len() / 4).max(2);
    candidates
        .map(|name| {
            let distance = strsim::damerau_levenshtein(path, name);
            let moved = path.contains('.') && last(path) == last(name);
            let cut = path.contains('.') && name.strip_prefix(path).is_some_and(|rest| rest.starts_with('_'));
            (if moved || cut { distance.min(distance_max) } else { distance }, name)
        })
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
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
        assert_eq!(name("lane"), Named::Unknown);
        assert_eq!(name("lanes.count.more"), Named::Unknown);
    }
}
