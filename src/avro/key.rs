//! The text of one field of a datum: what becomes a message's key. Nothing else of the datum is decoded.

use super::feature::{Feature, Missing, Transform, Wanted};
use super::graph::{Graph, Kind, NodeId};
use super::logical::Logical;
use super::plan::Plan;
use super::problem::PlanError;
use super::schemas::AvroSchema;
use crate::error::Reject;
use crate::values::record::TransactionId;

/// How to find the key in a writer's records.
#[derive(Debug)]
pub struct KeyField {
    plan: Plan,
    /// Of an enum: the datum has only their indexes.
    symbols: Vec<String>,
}

impl KeyField {
    /// `path`: field names with dots between them.
    ///
    /// # Errors
    /// When the schema has no such field, or it is neither text, an enum nor a whole number.
    pub fn new(writer: &AvroSchema, path: &str) -> Result<KeyField, PlanError> {
        let leaves = leaves(writer.graph(), path)?;
        let graph = writer.graph();
        let mut wanted = Wanted::default();
        let mut symbols = Vec::new();
        if let [leaf] = leaves[..]
            && let Kind::Enum { symbols: of_enum, .. } = graph.kind(leaf)
        {
            symbols.clone_from(of_enum);
            // Its index, as the plan's only column.
            let (name, path) = (path.to_owned(), path.to_owned());
            let missing = Some(Missing::Nan);
            wanted.features = vec![Feature {
                name,
                path,
                transform: Transform::Number,
                then: Vec::new(),
                missing,
                min: None,
                max: None,
            }];
        } else if let Some(&leaf) = leaves.iter().find(|&&leaf| !is_text_or_whole(graph, leaf)) {
            let what = format!("its type is {}, and a key is text, an enum or a whole number", graph.describe(leaf));
            return Err(PlanError::new(place(path), what, "name another field, or send no keys"));
        } else {
            wanted.transaction_id = Some(path.to_owned());
        }
        Ok(KeyField { plan: Plan::compile(writer, writer, &wanted)?, symbols })
    }

    /// The key of one datum, appended to `key`. `false` where it has none: the field, or what it lies in, is null.
    ///
    /// # Errors
    /// When the datum does not follow the schema, or the text is no UTF-8.
    pub fn put(&self, datum: &[u8], key: &mut Vec<u8>) -> Result<bool, Reject> {
        let mut row = [f32::NAN; 1];
        match self.plan.decode(datum, 0, &mut row[..self.plan.width()])?.0 {
            TransactionId::Text { start, len } => {
                let text = (start as usize)..(start as usize + len as usize);
                key.extend_from_slice(datum.get(text).ok_or(Reject::Truncated)?);
            }
            TransactionId::Long(number) => key.extend_from_slice(number.to_string().as_bytes()),
            TransactionId::Absent if row[0].is_nan() => return Ok(false),
            TransactionId::Absent => {
                let symbol = self.symbols.get(row[0] as usize).ok_or(Reject::BadEnumSymbol)?;
                key.extend_from_slice(symbol.as_bytes());
            }
        }
        Ok(true)
    }
}

fn place(path: &str) -> String {
    format!("the key's field `{path}`")
}

/// Every type that can stand at the path, without null.
fn leaves(graph: &Graph, path: &str) -> Result<Vec<NodeId>, PlanError> {
    let not_null = |id| graph.branches(id).into_iter().filter(|&branch| !graph.is_null(branch));
    let mut leaves: Vec<NodeId> = not_null(graph.root).collect();
    for name in path.split('.') {
        let mut next = Vec::new();
        for &node in &leaves {
            let Kind::Record(fields) = graph.kind(node) else {
                let what = format!("`{name}` is looked for inside {}, which has no fields", graph.describe(node));
                return Err(PlanError::new(place(path), what, "correct the path: it goes through records only"));
            };
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                let what = format!("the file's schema has no field `{name}` in {}", graph.describe(node));
                let fix = format!("name one of its fields by its dotted path: {}", names.join(", "));
                return Err(PlanError::new(place(path), what, fix));
            };
            next.extend(not_null(field.node));
        }
        leaves = next;
    }
    Ok(leaves)
}

fn is_text_or_whole(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    matches!(node.kind, Kind::String) || (matches!(node.kind, Kind::Int | Kind::Long) && node.logical == Logical::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "T", "fields": [
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "card", "type": ["null", {"type": "record", "name": "Card", "fields": [
            {"name": "token", "type": ["null", "string"]}, {"name": "number", "type": "long"},
            {"name": "scheme", "type": ["null", {"type": "enum", "name": "Scheme", "symbols": ["VISA", "AMEX"]}]}]}]},
        {"name": "amount", "type": "double"}]}"#;

    /// No tags, an id that is no uuid, and a card or none.
    fn datum(card: &[u8]) -> Vec<u8> {
        [&[0, 8], &b"none"[..], card, &1.5f64.to_le_bytes()].concat()
    }

    fn key(path: &str, datum: &[u8]) -> Option<String> {
        let writer = AvroSchema::parse(SCHEMA, "the schema").unwrap();
        let mut key = Vec::new();
        let found = KeyField::new(&writer, path).unwrap().put(datum, &mut key).unwrap();
        found.then(|| String::from_utf8(key).unwrap())
    }

    #[test]
    fn text_numbers_and_symbols_are_keys_and_nulls_are_none() {
        let card = datum(&[2, 2, 4, b'c', b'7', 0x53, 2, 2]);
        assert_eq!(key("id", &card).as_deref(), Some("none"));
        assert_eq!(key("card.token", &card).as_deref(), Some("c7"));
        assert_eq!(key("card.number", &card).as_deref(), Some("-42"));
        assert_eq!(key("card.scheme", &card).as_deref(), Some("AMEX"));
        let nulls = datum(&[2, 0, 0x54, 0]);
        assert_eq!((key("card.token", &nulls), key("card.scheme", &nulls)), (None, None));
        assert_eq!(key("card.token", &datum(&[0])), None);
    }

    #[test]
    fn a_field_that_cannot_be_a_key_is_named() {
        let writer = AvroSchema::parse(SCHEMA, "the schema").unwrap();
        for (path, words) in [
            ("card.pan", "the file's schema has no field `pan` in record Card"),
            ("amount", "its type is double"),
            ("amount.cents", "inside double, which has no fields"),
            ("card", "its type is record Card"),
        ] {
            let error = KeyField::new(&writer, path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("the key's field"), "{path}: {error}");
        }
        let fix = KeyField::new(&writer, "card.pan").unwrap_err().fix;
        assert!(fix.contains("token, number, scheme"), "{fix}");
    }
}
