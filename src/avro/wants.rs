//! What is wanted, as a tree over the reader's schema, checked against it before any writer is looked at.

use std::collections::BTreeMap;

use super::feature::{Feature, Missing, Wanted};
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::problem::PlanError;
use super::transform::{Takes, Transform};

/// What a value at a path is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The column's index in the row.
    Feature(u16),
    TransactionId,
    EventTime,
}

/// The uses of one place of the reader's schema, and of the fields below it.
#[derive(Debug, Default)]
pub(super) struct Want {
    pub uses: Vec<Use>,
    pub fields: BTreeMap<String, Want>,
}

impl Want {
    /// # Errors
    /// The first path that the reader's schema does not have, or whose type or nullability does not fit its use.
    pub fn new(reader: &Graph, wanted: &Wanted) -> Result<Want, PlanError> {
        let mut root = Want::default();
        if wanted.features.len() > usize::from(u16::MAX) {
            let what = format!("{} features are more than a row can have", wanted.features.len());
            return Err(PlanError::new("the contract", what, "declare at most 65535 features"));
        }
        for (column, feature) in wanted.features.iter().enumerate() {
            let place = place_of(feature);
            let found = find(reader, &feature.path, &place)?;
            check_feature(reader, feature, &found, &place)?;
            root.insert(&feature.path, Use::Feature(column as u16));
        }
        if let Some(path) = &wanted.transaction_id {
            let place = format!("transaction id ({path})");
            let found = find(reader, path, &place)?;
            check_leaves(reader, &found, &place, is_id, ID)?;
            root.insert(path, Use::TransactionId);
        }
        if let Some(path) = &wanted.event_time {
            let place = format!("event time ({path})");
            let found = find(reader, path, &place)?;
            check_leaves(reader, &found, &place, is_event_time, EVENT_TIME)?;
            root.insert(path, Use::EventTime);
        }
        Ok(root)
    }

    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.fields.is_empty()
    }

    /// Every use here and below.
    pub fn all_uses(&self) -> Vec<Use> {
        let below = self.fields.values().flat_map(Want::all_uses);
        self.uses.iter().copied().chain(below).collect()
    }

    fn insert(&mut self, path: &str, wanted: Use) {
        let mut place = self;
        for name in path.split('.') {
            place = place.fields.entry(name.to_owned()).or_default();
        }
        place.uses.push(wanted);
    }
}

pub(super) fn place_of(feature: &Feature) -> String {
    format!("feature `{}` ({})", feature.name, feature.path)
}

/// Where a path leads: every type that can stand there except null.
struct Found {
    leaves: Vec<NodeId>,
    is_nullable: bool,
}

fn find(reader: &Graph, path: &str, place: &str) -> Result<Found, PlanError> {
    let mut found = Found { leaves: vec![reader.root], is_nullable: false };
    found.flatten(reader);
    for name in path.split('.') {
        let mut next = Vec::new();
        for &node in &found.leaves {
            let Kind::Record(fields) = reader.kind(node) else {
                let what = format!("`{name}` is looked for inside {}, which has no fields", reader.describe(node));
                return Err(PlanError::new(place, what, "correct the path: it goes through records only"));
            };
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                return Err(no_such_field(reader, node, name, place));
            };
            next.push(field.node);
        }
        found.leaves = next;
        found.flatten(reader);
    }
    if found.leaves.is_empty() {
        return Err(PlanError::new(place, "its type is null and nothing else", "give the field a type"));
    }
    Ok(found)
}

impl Found {
    /// Replaces unions by their branches and takes the nulls out.
    fn flatten(&mut self, reader: &Graph) {
        let all: Vec<NodeId> = self.leaves.iter().flat_map(|&node| reader.branches(node)).collect();
        self.is_nullable |= all.iter().any(|&node| reader.is_null(node));
        self.leaves = all.into_iter().filter(|&node| !reader.is_null(node)).collect();
    }
}

fn no_such_field(reader: &Graph, node: NodeId, name: &str, place: &str) -> PlanError {
    let names: Vec<&str> = match reader.kind(node) {
        Kind::Record(fields) => fields.iter().map(|field| field.name.as_str()).collect(),
        _ => Vec::new(),
    };
    let nearest = names.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let fix = match nearest {
        Some(nearest) if strsim::jaro_winkler(nearest, name) > 0.8 => {
            format!("did you mean `{nearest}`? Otherwise add the field to the reader's schema")
        }
        _ => format!("use one of its fields ({}) or add the field to the reader's schema", names.join(", ")),
    };
    let what = format!("the reader's schema has no field `{name}` in {}", reader.describe(node));
    PlanError::new(place, what, fix)
}

fn check_feature(reader: &Graph, feature: &Feature, found: &Found, place: &str) -> Result<(), PlanError> {
    match feature.transform.takes() {
        Takes::Anything => return Ok(()),
        Takes::Numbers => {
            let (expected, otherwise) = number();
            check_leaves(reader, found, place, is_number, (expected, &otherwise))?;
        }
        Takes::Texts => {
            check_leaves(reader, found, place, is_text, TEXT)?;
            check_symbols(reader, found, feature.transform.listed(), place)?;
        }
    }
    if let (Some(min), Some(max)) = (feature.min, feature.max)
        && min > max
    {
        return Err(PlanError::new(place, format!("its minimum {min} is above its maximum {max}"), "swap the limits"));
    }
    if found.is_nullable && feature.missing.is_none() {
        let fix = "declare what a missing value means: missing = \"nan\", a constant, or \"reject\"";
        return Err(PlanError::new(place, "its path can be null, and it declares no missing policy", fix));
    }
    if matches!(feature.missing, Some(Missing::Constant(value)) if value.is_infinite()) {
        return Err(PlanError::new(place, "its missing constant is not finite", "use a finite constant, or nan"));
    }
    Ok(())
}

/// What a use takes, and what to do where the type is another.
fn number() -> (&'static str, String) {
    let [texts, anything] = [Transform::OF_TEXTS, Transform::OF_ANYTHING];
    let otherwise = format!(
        "say which number each text is, with transform = {texts}; of what is no text either, only transform = {anything} \
         makes a feature"
    );
    ("a number, decimal, date, time, timestamp, boolean or enum", otherwise)
}

const TEXT: (&str, &str) =
    ("an enum or a string", "leave transform out where the value is a number; otherwise choose another path");
const ID: (&str, &str) =
    ("an int, long, string or uuid written as a string", "choose the path of such a field, or leave it out");
const EVENT_TIME: (&str, &str) =
    ("a timestamp, or a long of milliseconds", "choose the path of such a field, or leave it out");

fn check_leaves(
    reader: &Graph,
    found: &Found,
    place: &str,
    fits: fn(&Graph, NodeId) -> bool,
    (expected, otherwise): (&str, &str),
) -> Result<(), PlanError> {
    match found.leaves.iter().find(|&&leaf| !fits(reader, leaf)) {
        None => Ok(()),
        Some(&leaf) => {
            let what = format!("its type is {}, and it must be {expected}", reader.describe(leaf));
            let fix = match (reader.node(leaf).misplaced, &reader.node(leaf).logical, reader.kind(leaf)) {
                (true, _, _) => {
                    "move logicalType inside the field's type: beside it, it has no meaning in Avro".to_owned()
                }
                (false, Logical::Unclear(_), _) => {
                    "correct the field's logicalType and its attributes, or leave them out".to_owned()
                }
                (false, _, Kind::Record(fields)) => {
                    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                    format!("let the path go on to one of its fields, behind a dot: {}", names.join(", "))
                }
                (false, _, Kind::Array(_) | Kind::Map(_)) => format!(
                    "choose another path: of an array or a map only transform = {} makes a feature",
                    Transform::OF_ANYTHING
                ),
                _ => otherwise.to_owned(),
            };
            Err(PlanError::new(place, what, fix))
        }
    }
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
    let node = reader.node(id);
    match node.kind {
        Kind::Boolean | Kind::Int | Kind::Long | Kind::Float | Kind::Double | Kind::Enum { .. } => true,
        Kind::Bytes | Kind::Fixed(_) => matches!(node.logical, Logical::Decimal { .. }) && !node.misplaced,
        Kind::Record(_) => node.logical == Logical::VariableScaleDecimal,
        _ => false,
    }
}

pub(super) fn is_text(reader: &Graph, id: NodeId) -> bool {
    matches!(reader.kind(id), Kind::Enum { .. } | Kind::String)
}

pub(super) fn is_id(reader: &Graph, id: NodeId) -> bool {
    let node = reader.node(id);
    matches!(node.kind, Kind::String) || (matches!(node.kind, Kind::Int | Kind::Long) && node.logical == Logical::None)
}

pub(super) fn is_event_time(reader: &Graph, id: NodeId) -> bool {
    let node = reader.node(id);
    matches!(node.kind, Kind::Long) && (node.logical == Logical::None || node.logical.timestamp().is_some())
}
