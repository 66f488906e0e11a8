//! Whether a feature fits the types that its paths lead to in the reader's schema.

use super::feature::{Feature, Missing};
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::problem::PlanError;
use super::transform::{Takes, Transform};
use super::wants::{Found, check_leaves, find, is_event_time, place_of};

/// # Errors
/// What does not fit.
pub(super) fn check_feature(reader: &Graph, feature: &Feature) -> Result<(), PlanError> {
    let place = &place_of(feature);
    let mut found = find(reader, &feature.path, place)?;
    if !feature.then.is_empty() && !feature.transform.gives_measure() {
        let fix = "leave `then` out: its steps are for numbers that are measured or counted";
        return Err(PlanError::new(place, "its transform gives no number that `then` could go on with", fix));
    }
    match feature.transform.takes() {
        Takes::Anything => return Ok(()),
        Takes::Numbers if feature.then.is_empty() => check(reader, &found, place, is_number, NUMBER)?,
        Takes::Numbers => check(reader, &found, place, is_measure, MEASURE)?,
        Takes::Measures => check_both(reader, feature, &mut found, place)?,
        Takes::Texts => {
            check(reader, &found, place, is_text, TEXT)?;
            check_symbols(reader, &found, feature.transform.listed(), place)?;
        }
        Takes::Times => check_time(reader, feature, &found, place)?,
        Takes::Items => check(reader, &found, place, is_array_or_map, ITEMS)?,
        Takes::ItemsOfTexts => check(reader, &found, place, is_map_or_texts, ITEMS_OF_TEXTS)?,
        Takes::MapsOfNumbers => check(reader, &found, place, is_map_of_numbers, MAP_OF_NUMBERS)?,
        Takes::MapsOfTexts => check(reader, &found, place, is_map_of_texts, MAP_OF_TEXTS)?,
    }
    check_limits(feature, found.is_nullable, place)
}

fn check_limits(feature: &Feature, is_nullable: bool, place: &str) -> Result<(), PlanError> {
    if let (Some(min), Some(max)) = (feature.min, feature.max)
        && min > max
    {
        return Err(PlanError::new(place, format!("its minimum {min} is above its maximum {max}"), "swap the limits"));
    }
    if feature.missing.is_none() && (is_nullable || feature.can_always_miss()) {
        let fix = "declare what a missing value means: missing = \"nan\", a constant, or \"reject\"";
        let what = match feature.transform {
            _ if is_nullable => "its path can be null, and it declares no missing policy",
            Transform::RatioTo(_) => {
                "it divides, so it is missing where it divides by 0, and it declares no missing policy"
            }
            _ => "a map may lack its key, and it declares no missing policy",
        };
        return Err(PlanError::new(place, what, fix));
    }
    if matches!(feature.missing, Some(Missing::Constant(value)) if value.is_infinite()) {
        return Err(PlanError::new(place, "its missing constant is not finite", "use a finite constant, or nan"));
    }
    Ok(())
}

/// A ratio's or a difference's two paths: both numbers, or both times. `found` is the first one's place, and can be null
/// afterwards where either can.
fn check_both(reader: &Graph, feature: &Feature, found: &mut Found, place: &str) -> Result<(), PlanError> {
    let other = find(reader, feature.transform.other_path().unwrap_or_default(), place)?;
    for of in [&*found, &other] {
        check(reader, of, place, is_measure, MEASURE)?;
    }
    let are_times = |of: &Found| of.leaves.iter().all(|&leaf| reader.node(leaf).logical.timestamp().is_some());
    let is_time = |of: &Found| of.leaves.iter().any(|&leaf| reader.node(leaf).logical.timestamp().is_some());
    let fits = match feature.transform {
        Transform::DifferenceFrom(_) => are_times(found) && are_times(&other) || !is_time(found) && !is_time(&other),
        _ => !is_time(found) && !is_time(&other),
    };
    if !fits {
        let describe = |of: &Found| of.leaves.first().map_or_else(String::new, |&leaf| reader.describe(leaf));
        let what = format!("its two values are {} and {}", describe(found), describe(&other));
        let fix = "take the difference of two timestamps or of two other numbers, and the ratio of two that are no timestamps";
        return Err(PlanError::new(place, what, fix));
    }
    let are_local = |of: &Found| of.leaves.iter().any(|&leaf| is_local(&reader.node(leaf).logical));
    if are_local(found) != are_local(&other) {
        let what = "one of its times is local and the other is not";
        return Err(PlanError::new(place, what, "take two timestamps of the same kind"));
    }
    found.is_nullable |= other.is_nullable;
    Ok(())
}

fn check_time(reader: &Graph, feature: &Feature, found: &Found, place: &str) -> Result<(), PlanError> {
    check(reader, found, place, is_event_time, TIME)?;
    let zone = match &feature.transform {
        Transform::Hour(zone) | Transform::Weekday(zone) => zone,
        _ => return Ok(()),
    };
    if zone != "UTC" && found.leaves.iter().any(|&leaf| is_local(&reader.node(leaf).logical)) {
        let what = format!("its type is a local timestamp, which has no time zone, and the contract says {zone}");
        return Err(PlanError::new(place, what, "write \"UTC\": its hours are taken as they are"));
    }
    Ok(())
}

type Words = (&'static str, &'static str);

const NUMBER: Words = ("a number, decimal, date, time, timestamp, boolean or enum", "");
const MEASURE: Words = ("a number, decimal, date, time, timestamp or boolean", "");
const TEXT: Words =
    ("an enum or a string", "leave transform out where the value is a number; otherwise choose another path");
const TIME: Words = (
    "a timestamp, or a long of milliseconds",
    "choose the path of such a field; of what is no time, other transforms make features",
);
const ITEMS: Words =
    ("an array or a map", "choose the path of such a field; of other types, other transforms make features");
const ITEMS_OF_TEXTS: Words = ("an array of strings or a map", "choose the path of such a field");
const MAP_OF_NUMBERS: Words = (
    "a map of numbers",
    "where its values are strings, say what they mean: { key = \"A\", index = [\"X\", \"Y\"], otherwise = -1.0 } or { key = \
     \"A\", equals = \"X\" }; otherwise choose the path of such a map",
);
const MAP_OF_TEXTS: Words = ("a map of strings", "leave index, equals and is_in out where its values are numbers");

fn check(
    reader: &Graph,
    found: &Found,
    place: &str,
    fits: fn(&Graph, NodeId) -> bool,
    (expected, otherwise): Words,
) -> Result<(), PlanError> {
    if !otherwise.is_empty() {
        return check_leaves(reader, found, place, fits, (expected, otherwise));
    }
    // Who asks for a number is told what makes one of a text.
    let [texts, anything] = [Transform::OF_TEXTS, Transform::OF_ANYTHING];
    let otherwise = format!(
        "say which number each text is, with transform = {texts}; of what is no text either, only transform = {anything} \
         makes a feature"
    );
    check_leaves(reader, found, place, fits, (expected, &otherwise))
}

/// A symbol that the reader's enum does not have can never match: a slip of the pen.
fn check_symbols(reader: &Graph, found: &Found, wanted: &[String], place: &str) -> Result<(), PlanError> {
    for &leaf in &found.leaves {
        if let Kind::Enum { symbols, .. } = reader.kind(leaf)
            && let Some(unknown) = wanted.iter().find(|&symbol| !symbols.contains(symbol))
        {
            let what = format!("{} has no symbol {unknown}", reader.describe(leaf));
            return Err(PlanError::new(place, what, format!("use its symbols: {}", symbols.join(", "))));
        }
    }
    Ok(())
}

pub(super) fn is_number(reader: &Graph, id: NodeId) -> bool {
    is_measure(reader, id) || matches!(reader.kind(id), Kind::Enum { .. })
}

fn is_measure(reader: &Graph, id: NodeId) -> bool {
    let node = reader.node(id);
    match node.kind {
        Kind::Boolean | Kind::Int | Kind::Long | Kind::Float | Kind::Double => true,
        Kind::Bytes | Kind::Fixed(_) => matches!(node.logical, Logical::Decimal { .. }) && !node.misplaced,
        Kind::Record(_) => node.logical == Logical::VariableScaleDecimal,
        _ => false,
    }
}

pub(super) fn is_text(reader: &Graph, id: NodeId) -> bool {
    matches!(reader.kind(id), Kind::Enum { .. } | Kind::String)
}

fn is_local(logical: &Logical) -> bool {
    matches!(logical, Logical::LocalTimestamp(_))
}

fn is_array_or_map(reader: &Graph, id: NodeId) -> bool {
    matches!(reader.kind(id), Kind::Array(_) | Kind::Map(_))
}

fn is_map_or_texts(reader: &Graph, id: NodeId) -> bool {
    match reader.kind(id) {
        Kind::Map(_) => true,
        Kind::Array(items) => matches!(reader.kind(*items), Kind::String),
        _ => false,
    }
}

fn is_map_of_numbers(reader: &Graph, id: NodeId) -> bool {
    is_map_of(reader, id, is_measure)
}

fn is_map_of_texts(reader: &Graph, id: NodeId) -> bool {
    is_map_of(reader, id, |reader, id| matches!(reader.kind(id), Kind::String))
}

/// Values that are null count as missing.
fn is_map_of(reader: &Graph, id: NodeId, fits: fn(&Graph, NodeId) -> bool) -> bool {
    let Kind::Map(values) = reader.kind(id) else { return false };
    let branches: Vec<NodeId> = reader.branches(*values).into_iter().filter(|&id| !reader.is_null(id)).collect();
    !branches.is_empty() && branches.into_iter().all(|id| fits(reader, id))
}
