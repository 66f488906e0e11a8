//! The contract's `[[features]]`: one table for each column of the model, or for several that are one text's each.

use std::collections::BTreeSet;

use toml::Value;

use crate::avro::feature::{Feature, Missing, Transform};
use crate::model::problem::Problems;
use crate::model::section::Section;
use crate::model::transform::{read_steps, read_transform};

/// A feature's place is told in 16 bits by a reject.
pub const FEATURES_MAX: usize = u16::MAX as usize;

/// All of them, in order; a list of symbols that is one-hot is as many columns.
pub fn read_features(top: &mut Section<'_>, problems: &mut Problems) -> Vec<Feature> {
    let tables = match top.get("features") {
        Some(Value::Array(tables)) => tables,
        other => {
            let what = if other.is_some() { "is no list of tables" } else { "is missing" };
            problems.add(
                "features",
                what,
                "write a table [[features]], in two brackets, for each column of the model, in order",
            );
            return Vec::new();
        }
    };
    if tables.is_empty() || tables.len() > FEATURES_MAX {
        problems.add("features", format!("has {} entries", tables.len()), format!("1 to {FEATURES_MAX} are possible"));
    }
    let mut names = BTreeSet::new();
    let mut features = Vec::with_capacity(tables.len());
    for (index, value) in tables.iter().enumerate() {
        let place = format!("features[{index}]");
        let Value::Table(table) = value else {
            problems.add(place, "is not a table", "write [[features]] with name and path");
            continue;
        };
        let Some(feature) = read_feature(Section::new(table, place.clone()), problems) else { continue };
        for column in columns(feature) {
            if !names.insert(column.name.clone()) {
                let what = format!("the name `{}` is used twice", column.name);
                problems.add(&place, what, "give each feature its own name");
            }
            features.push(column);
        }
    }
    if features.len() > FEATURES_MAX {
        problems.add("features", format!("are {} columns", features.len()), format!("{FEATURES_MAX} are possible"));
    }
    features
}

fn read_feature(mut section: Section<'_>, problems: &mut Problems) -> Option<Feature> {
    let name = identifier(&mut section, "name", problems);
    let path = section.text("path", "field names from the top of the schema, joined by dots", problems);
    let missing = match section.get("missing") {
        None => Some(None),
        Some(value) => read_missing(value, &section.place("missing"), problems).map(Some),
    };
    let transform = match section.get("transform") {
        None => Some(Transform::Number),
        Some(value) => read_transform(value, &section.place("transform"), problems),
    };
    let then = read_steps(&mut section, problems);
    let min = section.optional_number("min", "a number", problems);
    let max = section.optional_number("max", "a number", problems);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.add(section.place("min"), "is above max: no value would fit", "write a min at or below max");
    }
    if matches!(transform, Some(Transform::OneHot { .. })) && (min.is_some() || max.is_some()) {
        problems.add(section.place("min"), "stands beside one_hot", "leave min and max out: its columns are 0 or 1");
    }
    section.finish(problems);
    Some(Feature { name: name?, path: path?, transform: transform?, then: then?, missing: missing?, min, max })
}

/// The columns of a feature as it stands in the contract: itself, or one for each text of its `one_hot`, named as
/// scikit-learn's `get_feature_names_out` names them.
fn columns(feature: Feature) -> Vec<Feature> {
    let Transform::OneHot { symbols, rejects_others, .. } = &feature.transform else { return vec![feature] };
    let column = |(place, symbol): (usize, &String)| {
        let plain: String = symbol.chars().map(|char| if is_plain(char) { char } else { '_' }).collect();
        let transform = Transform::OneHot { symbols: symbols.clone(), place, rejects_others: *rejects_others };
        Feature { name: format!("{}_{plain}", feature.name), transform, ..feature.clone() }
    };
    symbols.iter().enumerate().map(column).collect()
}

fn read_missing(value: &Value, place: &str, problems: &mut Problems) -> Option<Missing> {
    match value {
        Value::String(text) if text == "reject" => Some(Missing::Reject),
        Value::String(text) if text == "nan" => Some(Missing::Nan),
        Value::Table(table) => {
            let mut section = Section::new(table, place);
            let constant = section.single("constant", problems);
            section.finish(problems);
            constant.map(Missing::Constant)
        }
        _ => {
            problems.add(place, format!("is {value}"), "write \"reject\", \"nan\" or { constant = 0.0 }");
            None
        }
    }
}

/// What a name may be made of that can stand in a CSV header, a metric label and a log line as it is.
pub const IDENTIFIER_CHARS: &str = "use letters, digits, `.`, `_` and `-`";

/// Whether a name may stand in a contract.
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_plain)
}

/// A name as [`is_identifier`] wants it.
pub fn identifier(section: &mut Section<'_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let name = section.text(key, "a name", problems)?;
    if is_identifier(&name) {
        return Some(name);
    }
    problems.add(section.place(key), format!("is {name:?}"), IDENTIFIER_CHARS);
    None
}

fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._-".contains(char)
}
