//! The fields of a schema that a contract's paths can lead to, for whoever proposes a contract.

use super::fits::{is_number, is_text};
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::schemas::AvroSchema;
use super::wants::{is_event_time, is_id};

/// Places of one schema that are looked at: types that are named again and again expand without end.
const PLACES_MAX: usize = 40_000;
/// Records within each other at most.
const DEPTH_MAX: usize = 32;

/// A place of the schema that is no record.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaField {
    /// Field names from the top, joined by dots.
    pub path: String,
    /// In the words of a schema: `double`, `enum Channel`, `bytes (decimal of scale 2)`.
    pub type_name: String,
    pub holds: Holds,
    /// Its path can lead through a null.
    pub is_nullable: bool,
    /// It can be the transaction's id.
    pub is_id: bool,
    pub time: Time,
}

/// What a field can give a feature.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    /// A number, also one that counts days or milliseconds.
    Number,
    Boolean,
    /// Its symbols in the schema's order.
    Enum(Vec<String>),
    Text,
    /// Nothing but whether it is there.
    Other,
}

/// What a field can tell of the event's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// A timestamp by its logical type.
    Timestamp,
    /// A long that says nothing about itself: it would be read as milliseconds.
    PlainLong,
    No,
}

impl AvroSchema {
    /// The fields in the schema's order, those of records within records too.
    pub fn fields(&self) -> Vec<SchemaField> {
        let graph = self.graph();
        let mut walk = Walk { graph, path: Vec::new(), open: Vec::new(), places: 0, found: Vec::new() };
        walk.value(graph.root, false);
        walk.found
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    path: Vec<&'a str>,
    /// Records around this place: one that contains itself has no end.
    open: Vec<NodeId>,
    places: usize,
    found: Vec<SchemaField>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: NodeId, around_is_nullable: bool) {
        if self.places == PLACES_MAX {
            return;
        }
        self.places += 1;
        let graph = self.graph;
        let branches = graph.branches(id);
        let is_nullable = around_is_nullable || branches.iter().any(|&branch| graph.is_null(branch));
        let values: Vec<NodeId> = branches.into_iter().filter(|&branch| !graph.is_null(branch)).collect();
        if let [only] = values[..]
            && let Kind::Record(fields) = graph.kind(only)
            && graph.node(only).logical == Logical::None
        {
            if self.open.contains(&only) || self.open.len() == DEPTH_MAX {
                return;
            }
            self.open.push(only);
            for field in fields {
                self.path.push(&field.name);
                self.value(field.node, is_nullable);
                self.path.pop();
            }
            self.open.pop();
        } else if !self.path.is_empty() && !values.is_empty() {
            self.found.push(self.field(id, &values, is_nullable));
        }
    }

    fn field(&self, id: NodeId, values: &[NodeId], is_nullable: bool) -> SchemaField {
        let graph = self.graph;
        let all = |fits: fn(&Graph, NodeId) -> bool| values.iter().all(|&value| fits(graph, value));
        let is_timestamp = |&value: &NodeId| graph.node(value).logical.timestamp().is_some();
        let time = match all(is_event_time) {
            true if values.iter().all(is_timestamp) => Time::Timestamp,
            true => Time::PlainLong,
            false => Time::No,
        };
        let only = match values {
            [only] => Some(graph.kind(*only)),
            _ => None,
        };
        let holds = match only {
            Some(Kind::Boolean) => Holds::Boolean,
            Some(Kind::Enum { symbols, .. }) => Holds::Enum(symbols.clone()),
            _ if all(is_number) => Holds::Number,
            _ if all(is_text) => Holds::Text,
            _ => Holds::Other,
        };
        let type_name = match values {
            [only] => graph.describe(*only),
            _ => graph.describe(id),
        };
        SchemaField { path: self.path.join("."), type_name, holds, is_nullable, is_id: all(is_id), time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_with_what_they_can_give() {
        let schema = AvroSchema::parse(
            r#"{"type": "record", "name": "T", "fields": [
                {"name": "id", "type": "string"},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
                {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
                {"name": "card", "type": ["null", {"type": "record", "name": "Card", "fields": [
                    {"name": "age", "type": "int"}, {"name": "twin", "type": ["null", "Card"]}]}]},
                {"name": "tags", "type": {"type": "array", "items": "long"}},
                {"name": "either", "type": ["int", "double"]},
                {"name": "mixed", "type": ["int", "string"]},
                {"name": "nothing", "type": "null"}]}"#,
            "test",
        )
        .unwrap();
        let fields = schema.fields();
        let told: Vec<_> = fields.iter().map(|field| (field.path.as_str(), field.is_nullable)).collect();
        assert_eq!(
            told,
            [
                ("id", false),
                ("at", false),
                ("amount", false),
                ("kind", false),
                ("card.age", true),
                ("tags", false),
                ("either", false),
                ("mixed", false)
            ],
            "a record within itself is left out, and so is what is always null"
        );
        let holds: Vec<_> = fields.iter().map(|field| field.holds.clone()).collect();
        assert_eq!(holds[..3], [Holds::Text, Holds::Number, Holds::Number]);
        assert_eq!(holds[3], Holds::Enum(vec!["A".to_owned(), "B".to_owned()]));
        assert_eq!(holds[4..], [Holds::Number, Holds::Other, Holds::Number, Holds::Other]);
        assert_eq!((fields[0].is_id, fields[1].time, fields[4].is_id), (true, Time::Timestamp, true));
        assert_eq!(fields[2].type_name, "bytes (decimal of scale 2)");
    }

    /// Twenty names of records, each twice within the one before: a million places.
    #[test]
    fn a_schema_that_expands_without_end_is_told_in_part() {
        let mut inner = r#"{"type": "record", "name": "R0", "fields": [{"name": "x", "type": "int"}]}"#.to_owned();
        for number in 1..20 {
            let before = number - 1;
            inner = format!(
                r#"{{"type": "record", "name": "R{number}", "fields": [{{"name": "a", "type": {inner}}}, {{"name": "b", "type": "R{before}"}}]}}"#
            );
        }
        let fields = AvroSchema::parse(&inner, "test").unwrap().fields();
        assert!((1..PLACES_MAX).contains(&fields.len()), "{}", fields.len());
    }
}
