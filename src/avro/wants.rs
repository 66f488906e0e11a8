//! What is wanted, as a tree over the reader's schema, checked against it before any writer is looked at.

use std::collections::BTreeMap;

use super::feature::{Feature, Wanted};
use super::fits::check_feature;
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::problem::PlanError;
use super::transform::Transform;

/// What a value at a path is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The column's index in the row.
    Feature(u16),
    /// The place of a number that the column is computed of, when the whole record was read.
    Raw {
        column: u16,
        place: u16,
    },
    TransactionId,
    EventTime,
}

impl Use {
    /// The column that it is for, where it is for one.
    pub fn column(self) -> Option<u16> {
        match self {
            Use::Feature(column) | Use::Raw { column, .. } => Some(column),
            Use::TransactionId | Use::EventTime => None,
        }
    }
}

/// The uses of one place of the reader's schema, and of the fields below it.
#[derive(Debug, Default)]
pub(super) struct Want {
    pub uses: Vec<Use>,
    pub fields: BTreeMap<String, Want>,
    /// Of a map: the uses of some keys' values.
    pub keys: BTreeMap<String, Want>,
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
        let (places, _) = wanted.places();
        for (column, (feature, place)) in wanted.features.iter().zip(places).enumerate() {
            check_feature(reader, feature)?;
            let column = column as u16;
            let Some(place) = place else {
                root.at(&feature.path).uses.push(Use::Feature(column));
                continue;
            };
            let mut at = root.at(&feature.path);
            if let Transform::Key { key, .. } = &feature.transform {
                at = at.keys.entry(key.clone()).or_default();
            }
            at.uses.push(Use::Raw { column, place });
            if let Some(path) = feature.transform.other_path() {
                root.at(path).uses.push(Use::Raw { column, place: place + 1 });
            }
        }
        if let Some(path) = &wanted.transaction_id {
            let place = format!("transaction id ({path})");
            let found = find(reader, path, &place)?;
            check_leaves(reader, &found, &place, is_id, ID)?;
            root.at(path).uses.push(Use::TransactionId);
        }
        if let Some(path) = &wanted.event_time {
            let place = format!("event time ({path})");
            let found = find(reader, path, &place)?;
            check_leaves(reader, &found, &place, is_event_time, EVENT_TIME)?;
            root.at(path).uses.push(Use::EventTime);
        }
        Ok(root)
    }

    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.fields.is_empty() && self.keys.is_empty()
    }

    /// Every use here and below.
    pub fn all_uses(&self) -> Vec<Use> {
        let below = self.fields.values().chain(self.keys.values()).flat_map(Want::all_uses);
        self.uses.iter().copied().chain(below).collect()
    }

    fn at(&mut self, path: &str) -> &mut Want {
        path.split('.').fold(self, |place, name| place.fields.entry(name.to_owned()).or_default())
    }
}

pub(super) fn place_of(feature: &Feature) -> String {
    format!("feature `{}` ({})", feature.name, feature.path)
}

/// Where a path leads: every type that can stand there except null.
pub(super) struct Found {
    pub leaves: Vec<NodeId>,
    pub is_nullable: bool,
}

pub(super) fn find(reader: &Graph, path: &str, place: &str) -> Result<Found, PlanError> {
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

const ID: (&str, &str) =
    ("an int, long, string or uuid written as a string", "choose the path of such a field, or leave it out");
const EVENT_TIME: (&str, &str) =
    ("a timestamp, or a long of milliseconds", "choose the path of such a field, or leave it out");

pub(super) fn check_leaves(
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
                (false, _, Kind::Array(_) | Kind::Map(_)) => {
                    format!(
                        "of an array or a map transform = {}, or {} makes a feature: write one, or choose another path",
                        Transform::OF_ITEMS,
                        Transform::OF_ANYTHING
                    )
                }
                _ => otherwise.to_owned(),
            };
            Err(PlanError::new(place, what, fix))
        }
    }
}

pub(super) fn is_id(reader: &Graph, id: NodeId) -> bool {
    let node = reader.node(id);
    matches!(node.kind, Kind::String) || (matches!(node.kind, Kind::Int | Kind::Long) && node.logical == Logical::None)
}

pub(super) fn is_event_time(reader: &Graph, id: NodeId) -> bool {
    let node = reader.node(id);
    matches!(node.kind, Kind::Long) && (node.logical == Logical::None || node.logical.timestamp().is_some())
}
