//! What symbols, texts and defaults mean to a feature: decided when a plan is compiled.

use serde_json::Value as Json;

use super::decimal;
use super::feature::{Feature, Transform};
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::ops::{Meaning, Range, TextSink, Texts};

/// A symbol's meaning; `known` are the reader's symbols, whose order gives the number.
pub(super) fn meaning(feature: &Feature, symbol: &str, known: &[String]) -> Meaning {
    in_range(feature, feature.transform.of_text(symbol, known))
}

/// What a symbol means that the reader's enum does not have: what the contract says of all others, where it does.
pub(super) fn of_unknown(feature: &Feature) -> Meaning {
    feature.transform.of_others().map_or(Meaning::UnknownSymbol, |value| in_range(feature, Some(value)))
}

fn in_range(feature: &Feature, value: Option<f32>) -> Meaning {
    match value {
        Some(value) if Range::of(feature).holds(f64::from(value)) => Meaning::Value(value),
        // A stand-in for the unknown that is no number was chosen on purpose.
        Some(value) if value.is_nan() => Meaning::Value(value),
        _ => Meaning::OutOfRange,
    }
}

/// A string's column: the texts it knows, and what all others mean.
pub(super) fn of_text(column: u16, feature: &Feature) -> TextSink {
    let listed = feature.transform.listed().iter();
    let known = Texts::new(listed.map(|text| (text.as_str(), meaning(feature, text, &[]))));
    TextSink::Column { column, known, otherwise: in_range(feature, feature.transform.of_others()) }
}

/// A string of a map's key: what is computed of it.
pub(super) fn of_raw_text(column: u16, place: u16, feature: &Feature) -> TextSink {
    match of_text(column, feature) {
        TextSink::Column { column, known, otherwise } => TextSink::Raw { place, column, known, otherwise },
        other => other,
    }
}

/// The columns of a string from `column` on, where they are one text's each: one sink for all of them, and how many they
/// are.
pub(super) fn one_hot(column: u16, features: &[Feature]) -> Option<(TextSink, usize)> {
    let columns = &features[usize::from(column)..];
    let Transform::OneHot { symbols, place: 0, rejects_others } = &columns.first()?.transform else { return None };
    let columns = columns.get(..symbols.len())?;
    let is_of_it = |(at, feature): (usize, &Feature)| {
        let transform = Transform::OneHot { symbols: symbols.clone(), place: at, rejects_others: *rejects_others };
        let has_limits = feature.min.is_some() || feature.max.is_some();
        feature.path == columns[0].path && feature.transform == transform && !has_limits
    };
    if !columns.iter().enumerate().all(is_of_it) {
        return None;
    }
    let place = |(at, text): (usize, &'_ String)| (text.clone(), Meaning::Value(at as f32));
    let known: Vec<(String, Meaning)> = symbols.iter().enumerate().map(place).collect();
    let known = Texts::new(known.iter().map(|(text, meaning)| (text.as_str(), *meaning)));
    let otherwise = if *rejects_others { Meaning::OutOfRange } else { Meaning::Value(0.0) };
    Some((TextSink::OneHot { first: column, count: symbols.len() as u16, known, otherwise }, symbols.len()))
}

/// Whether a default can be of this type: what tells the branches of a union apart.
pub(super) fn fits_json(reader: &Graph, id: NodeId, default: &Json) -> bool {
    match reader.kind(id) {
        Kind::Null => default.is_null(),
        Kind::Boolean => default.is_boolean(),
        Kind::Int | Kind::Long => default.is_i64(),
        Kind::Float | Kind::Double => default.is_number(),
        Kind::Enum { symbols, .. } => default.as_str().is_some_and(|text| symbols.iter().any(|symbol| symbol == text)),
        Kind::String | Kind::Bytes | Kind::Fixed(_) => default.is_string(),
        Kind::Array(_) => default.is_array(),
        Kind::Map(_) | Kind::Record(_) => default.is_object(),
        Kind::Union(branches) => branches.iter().any(|&branch| fits_json(reader, branch, default)),
    }
}

/// The feature's value when its field takes the default.
///
/// # Errors
/// Why the default cannot be the feature's value.
pub(super) fn of_default(feature: &Feature, reader: &Graph, id: NodeId, default: &Json) -> Result<f32, String> {
    if let Some(value) = feature.transform.of_presence(true) {
        return Ok(value);
    }
    let known: &[String] = match reader.kind(id) {
        Kind::Enum { symbols, .. } => symbols,
        _ => &[],
    };
    let meant = match (reader.kind(id), default) {
        (Kind::Enum { .. } | Kind::String, Json::String(text)) => meaning(feature, text, known),
        _ => {
            let value = number(reader, id, default).ok_or_else(|| format!("the default {default} is not a number"))?;
            let holds = Range::of(feature).holds(value);
            if holds { Meaning::Value(value as f32) } else { Meaning::OutOfRange }
        }
    };
    match meant {
        Meaning::Value(value) => Ok(value),
        _ => Err(format!("the default {default} is outside what the feature accepts")),
    }
}

/// What a column is computed of, where its field takes the default.
///
/// # Errors
/// As [`of_default`].
pub(super) fn raw_of_default(feature: &Feature, reader: &Graph, id: NodeId, default: &Json) -> Result<f64, String> {
    let holds = |text: &str| match default {
        Json::Array(items) => items.iter().any(|item| item.as_str() == Some(text)),
        Json::Object(entries) => entries.contains_key(text),
        _ => false,
    };
    match &feature.transform {
        Transform::Contains(text) => Ok(f64::from(u8::from(holds(text)))),
        Transform::Length => {
            let of_map = default.as_object().map_or(0, |entries| entries.len());
            Ok(default.as_array().map_or(of_map, Vec::len) as f64)
        }
        _ if matches!(reader.kind(id), Kind::String) => of_default(feature, reader, id, default).map(f64::from),
        _ => number(reader, id, default).ok_or_else(|| format!("the default {default} is not a number")),
    }
}

fn number(reader: &Graph, id: NodeId, default: &Json) -> Option<f64> {
    match (default, &reader.node(id).logical) {
        (Json::Bool(value), _) => Some(f64::from(u8::from(*value))),
        (Json::Number(value), _) => value.as_f64(),
        // Defaults of bytes are text whose code points are the bytes.
        (Json::String(text), Logical::Decimal { scale }) => {
            let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect();
            Some(decimal::scaled(decimal::unscaled(&bytes?)?, i32::try_from(*scale).ok()?))
        }
        _ => None,
    }
}
