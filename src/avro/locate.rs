//! Where in a payload a reject is: the field, and the byte. Plans do not keep that, so that rejecting costs nothing on a
//! record's way; whoever looks at a single record walks it again here, by the writer's schema alone.

use super::block::EMPTY_ITEMS_MAX;
use super::feature::Wanted;
use super::graph::{Field, Graph, Kind, NodeId};
use super::plan::DEPTH_MAX;
use super::read;
use super::resolve;
use super::schemas::AvroSchema;
use crate::error::Reject;

/// Where a reject is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Field names of the writer from the top, joined by dots, items of arrays and maps in brackets; `None` for what belongs
    /// to no field, as bytes behind the record.
    pub field: Option<String>,
    /// Within the value, its prefix included: where the field begins, or the first byte too many.
    pub byte: usize,
}

/// Where `reject` is in the `value` whose datum begins at `start`; `None` where the payload does not show it.
pub fn locate(
    writer: &AvroSchema,
    reader: &AvroSchema,
    wanted: &Wanted,
    (value, start): (&[u8], usize),
    reject: Reject,
) -> Option<Place> {
    let payload = value.get(start..)?;
    let (writer, reader) = (writer.graph(), reader.graph());
    let sought = reject.feature().and_then(|column| wanted.features.get(usize::from(column)));
    let sought = sought.map(|feature| writers_path(writer, reader, &feature.path));
    let texts = wanted.features.iter().map(|feature| &feature.path).chain(&wanted.transaction_id);
    let texts = match reject {
        Reject::BadUtf8 => texts.map(|path| writers_path(writer, reader, path)).collect(),
        _ => Vec::new(),
    };
    let mut walk =
        Walk { graph: writer, start, len: payload.len(), path: Vec::new(), at: 0, sought, texts, found: None };
    let mut rest = payload;
    let walked = walk.value(writer.root, &mut rest, 0);
    if walk.sought.is_some() {
        return walk.found;
    }
    match (walked, reject) {
        (Ok(()), Reject::TrailingBytes) => Some(Place { field: None, byte: value.len() - rest.len() }),
        (Ok(()), _) => None,
        (Err(_), _) => Some(Place { field: Some(dotted(&walk.path)), byte: start + walk.at }),
    }
}

fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for name in path {
        if !text.is_empty() && !name.starts_with('[') {
            text.push('.');
        }
        text.push_str(name);
    }
    text
}

/// The names that the writer has for a path of the reader, as far as it has some.
fn writers_path(writer: &Graph, reader: &Graph, path: &str) -> Vec<String> {
    let (mut w, mut r, mut names) = (writer.root, reader.root, Vec::new());
    for name in path.split('.') {
        let read = fields(reader, r).and_then(|fields| fields.iter().find(|field| field.name == name));
        let (Some(read), Some(written)) = (read, fields(writer, w)) else { break };
        let Some(source) = resolve::writer_field(read, written) else { break };
        names.push(written[source].name.clone());
        (w, r) = (written[source].node, read.node);
    }
    names
}

/// The fields of a record, or of the first one that a union can be.
fn fields(graph: &Graph, id: NodeId) -> Option<&[Field]> {
    graph.branches(id).into_iter().find_map(|branch| match graph.kind(branch) {
        Kind::Record(fields) => Some(fields.as_slice()),
        _ => None,
    })
}

struct Walk<'a> {
    graph: &'a Graph,
    /// Of the datum in the value.
    start: usize,
    len: usize,
    /// To the value that is read; it stays where it is when that fails.
    path: Vec<String>,
    /// Where that value begins.
    at: usize,
    /// The feature's path, and the deepest field on it so far: a null may end it early.
    sought: Option<Vec<String>>,
    found: Option<Place>,
    /// Paths whose texts are used.
    texts: Vec<Vec<String>>,
}

impl Walk<'_> {
    fn value(&mut self, id: NodeId, rest: &mut &[u8], depth: u32) -> Result<(), Reject> {
        self.at = self.len - rest.len();
        match self.graph.kind(id) {
            Kind::Null => {}
            Kind::Boolean => read::boolean(rest).map(drop)?,
            Kind::Int => read::int(rest).map(drop)?,
            Kind::Long => read::long(rest).map(drop)?,
            Kind::Float => read::skip(rest, 4)?,
            Kind::Double => read::skip(rest, 8)?,
            Kind::Bytes => read::bytes(rest).map(drop)?,
            Kind::String if self.texts.contains(&self.path) => read::text(rest).map(drop)?,
            Kind::String => read::bytes(rest).map(drop)?,
            Kind::Fixed(size) => read::skip(rest, *size as usize)?,
            Kind::Enum { symbols, .. } => {
                read::index(rest, symbols.len() as u32, Reject::BadEnumSymbol).map(drop)?;
            }
            Kind::Union(branches) => {
                let branch = read::index(rest, branches.len() as u32, Reject::BadUnionBranch)?;
                self.value(branches[branch as usize], rest, depth)?;
            }
            Kind::Array(item) => self.blocks(*item, false, rest, depth)?,
            Kind::Map(item) => self.blocks(*item, true, rest, depth)?,
            Kind::Record(fields) => self.record(fields, rest, depth)?,
        }
        Ok(())
    }

    /// Deeper by one, whether the record is within itself or not: what is counted bounds this walk's stack.
    fn record(&mut self, fields: &[Field], rest: &mut &[u8], depth: u32) -> Result<(), Reject> {
        if depth == DEPTH_MAX * 8 {
            return Err(Reject::TooDeep);
        }
        for field in fields {
            self.path.push(field.name.clone());
            if self.sought.as_ref().is_some_and(|sought| sought.starts_with(&self.path)) {
                let byte = self.start + self.len - rest.len();
                self.found = Some(Place { field: Some(dotted(&self.path)), byte });
            }
            self.value(field.node, rest, depth + 1)?;
            self.path.pop();
        }
        Ok(())
    }

    fn blocks(&mut self, item: NodeId, is_map: bool, rest: &mut &[u8], depth: u32) -> Result<(), Reject> {
        let mut number = 0u64;
        loop {
            self.at = self.len - rest.len();
            let count = read::long(rest)?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's length in bytes, which only skipping needs.
                read::length(rest)?;
            }
            let count = count.unsigned_abs();
            // Items of no size are not bounded by the bytes.
            if count > rest.len() as u64 && count > EMPTY_ITEMS_MAX {
                return Err(Reject::BadLength);
            }
            for _ in 0..count {
                self.path.push(format!("[{number}]"));
                number += 1;
                self.at = self.len - rest.len();
                if is_map {
                    read::bytes(rest)?;
                }
                self.value(item, rest, depth + 8)?;
                self.path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::feature::{Feature, Missing, Transform};
    use crate::avro::plan::Plan;

    const WRITER: &str = r#"{"type": "record", "name": "T", "fields": [
        {"name": "id", "type": "string"},
        {"name": "tags", "type": {"type": "array", "items": "int"}},
        {"name": "card", "type": ["null", {"type": "record", "name": "Card", "fields": [
            {"name": "days", "type": ["null", "int"]},
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}}]}]},
        {"name": "amount", "type": "double"}]}"#;
    const READER: &str = r#"{"type": "record", "name": "T", "fields": [
        {"name": "id", "type": "string"},
        {"name": "card", "type": ["null", {"type": "record", "name": "Card", "fields": [
            {"name": "age_days", "aliases": ["days"], "type": ["null", "int"]}]}]},
        {"name": "amount", "type": "double"}]}"#;

    fn feature(path: &str, missing: Option<Missing>, max: Option<f64>) -> Feature {
        let (name, path, transform) = (path.to_owned(), path.to_owned(), Transform::Number);
        Feature { name, path, transform, then: Vec::new(), missing, min: None, max }
    }

    /// The plan's reject of a datum behind two bytes of something else, and where it is.
    fn located(datum: &[u8]) -> (Reject, Option<(String, usize)>) {
        let wanted = Wanted {
            features: vec![feature("card.age_days", Some(Missing::Reject), None), feature("amount", None, Some(100.0))],
            transaction_id: Some("id".into()),
            event_time: None,
        };
        let [writer, reader] = [WRITER, READER].map(|text| AvroSchema::parse(text, "test").unwrap());
        let plan = Plan::compile(&writer, &reader, &wanted).unwrap();
        let value = [&[9, 9], datum].concat();
        let reject = plan.decode(&value, 2, &mut [0.0; 2]).unwrap_err();
        let place = locate(&writer, &reader, &wanted, (&value, 2), reject);
        (reject, place.map(|place| (place.field.unwrap_or_default(), place.byte)))
    }

    fn at(field: &str, byte: usize) -> Option<(String, usize)> {
        Some((field.to_owned(), byte))
    }

    #[test]
    fn a_reject_is_told_with_its_field_and_byte() {
        let amount = |value: f64| value.to_le_bytes();
        // An id of one letter, two tags, a card of 3 days and of kind B, an amount.
        let good = [&[2, b'x', 4, 2, 4, 0, 2, 2, 6, 2][..], &amount(7.0)].concat();
        let with = |byte: usize, value: u8| {
            let mut bad = good.clone();
            bad[byte] = value;
            located(&bad)
        };
        assert_eq!(located(&[&good[..], &[0]].concat()), (Reject::TrailingBytes, at("", 20)));
        assert_eq!(located(&good[..14]), (Reject::Truncated, at("amount", 12)));
        assert_eq!(with(6, 4), (Reject::BadUnionBranch, at("card", 8)));
        assert_eq!(with(9, 4), (Reject::BadEnumSymbol, at("card.kind", 11)));
        assert_eq!(with(1, 0xFF), (Reject::BadUtf8, at("id", 2)));
        // The feature's path ends at a null: of the days, and of the card.
        let null_days = [&[2, b'x', 0, 2, 0, 2][..], &amount(7.0)].concat();
        assert_eq!(located(&null_days), (Reject::MissingFeature(0), at("card.days", 6)));
        let null_card = [&[2, b'x', 0, 0][..], &amount(7.0)].concat();
        assert_eq!(located(&null_card), (Reject::MissingFeature(0), at("card", 5)));
        let large = [&[2, b'x', 0, 2, 2, 6, 2][..], &amount(101.0)].concat();
        assert_eq!(located(&large), (Reject::FeatureOutOfRange(1), at("amount", 9)));
        let cut_tag = [2, b'x', 4, 2, 0x80];
        assert_eq!(located(&cut_tag), (Reject::Truncated, at("tags[1]", 6)));
    }
}
