//! Pairs of schemas that may not fit, with records, in the form that a second library is given them; and where that one
//! answers otherwise by a decision of ours, the rule.
//!
//! The second library sees the reader's schema pruned to what is wanted: what nobody wants is not resolved by us. Times
//! and UUIDs go without their logical type: their numbers and texts are compared, not a calendar's idea of them. The
//! reader takes null wherever the writer has it: a null that the reader has no place for is a missing feature. Defaults
//! are spelled out to the last field, since the second library takes them as they stand. An enum without default knows the
//! writer's symbols too: what an unknown one means is the contract's word.

use std::collections::BTreeSet;

use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use serde_json::{Value as Json, json};

use super::evolve::evolve;
use super::oracle::{self, Place};
use super::prune::{mark, present, prune, records, writer_field};
use super::random::{Field, Maker, Random, Record, Type, Values, encode};

pub struct Pair {
    pub writer: Record,
    pub reader: Record,
    pub wanted: Wanted,
    places: Vec<Place>,
    pub payloads: Vec<Vec<u8>>,
}

/// Why a pair is refused as a whole although a second library reads some of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// String and bytes are not read as one another where either is a decimal.
    TextAndDecimal,
    /// Both sides name a unit or a scale, and not the same one: the numbers would mean something else.
    OtherUnit,
    /// A type that fits nothing is refused at once, not with the first record that reaches it.
    AsAWhole,
}

impl Pair {
    /// Whether a value that is there and not finite stands where the contract does not take NaN.
    pub fn rejects_not_finite(&self, row: &[&str]) -> bool {
        let mut values = row.iter().zip(&self.wanted.features);
        values.any(|(value, feature)| *value == "not finite" && feature.missing != Some(Missing::Nan))
    }

    pub fn drawn(seed: u64) -> Pair {
        let mut random = Random(seed);
        let (fields, depth) = (1 + random.below(11), random.below(4));
        let mut maker = Maker::new(&mut random);
        let writer = maker.record(fields, depth);
        let mut reader = evolve(&mut maker, &writer);
        if maker.random.one_in(3) {
            spoil(&mut maker, &mut reader);
        }
        let (mut wanted, places) = oracle::want_some(&mut random, &oracle::places(&reader, 4));
        // An id that the writer does not have is refused on purpose.
        wanted.transaction_id.take_if(|path| path.contains("added"));
        let payloads = (0..6).map(|_| payload(&mut random, &writer)).collect();
        Pair { writer, reader, wanted, places, payloads }
    }

    /// One line for the second library.
    pub fn line(&self) -> Json {
        // The writer's unit counts; a plain long takes the reader's.
        let micros = |path: &str| {
            let place = oracle::places(&self.reader, 4).into_iter().find(|place| place.path == path);
            let read = place.map_or(vec![], |place| place.kinds);
            let written: Vec<Type> =
                self.written_at(path).map_or(vec![], |kind| present(kind).into_iter().cloned().collect());
            let has_unit = written.iter().any(|kind| matches!(kind, Type::Millis | Type::Micros));
            (if has_unit { &written } else { &read }).contains(&Type::Micros)
        };
        let time = self.wanted.event_time.as_ref().map(|path| json!({"path": names(path), "micros": micros(path)}));
        let wants = self.wanted.features.iter().zip(&self.places).map(|(feature, place)| want(feature, place));
        let payloads: Vec<String> = self.payloads.iter().map(|bytes| hex(bytes)).collect();
        json!({
            "writer": without_calendar(self.writer.schema()),
            "reader": without_calendar(self.pruned().schema()),
            "payloads": payloads,
            "wants": wants.collect::<Vec<_>>(),
            "id": self.wanted.transaction_id.as_deref().map(names),
            "time": time,
        })
    }

    /// The rules that explain why this pair is refused.
    pub fn rules(&self) -> BTreeSet<Rule> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let written = records(&self.writer);
        let mut open = vec![(&self.writer, self.pruned())];
        while let Some((writer, reader)) = open.pop() {
            for field in &reader.fields {
                let Some(source) = writer_field(writer, field) else { continue };
                found.extend(rules_of(&source.kind, &field.kind));
                let inner = present(&field.kind).into_iter().filter_map(|kind| match kind {
                    Type::Record(record) if seen.insert(record.name.clone()) => Some(record),
                    _ => None,
                });
                open.extend(inner.filter_map(|record| Some((*written.get(&record.name)?, record.clone()))));
            }
        }
        found
    }

    /// Columns in which a long becomes a float: we round once, by way of a double it is rounded twice.
    pub fn rounds_once(&self, column: usize) -> bool {
        self.places[column].kinds.contains(&Type::Float)
    }

    /// Something is read as text that was written as bytes, and only for its presence: nobody looks at the text.
    pub fn only_asks_for_text(&self) -> bool {
        let from_bytes = |path: &str| self.written_at(path).is_some_and(|kind| present(kind).contains(&&Type::Bytes));
        let is_text = |place: &Place| place.kinds.iter().any(|kind| matches!(kind, Type::Text | Type::Uuid));
        let wants = self.wanted.features.iter().zip(&self.places);
        let mut of_text = wants.filter(|(feature, place)| is_text(place) && from_bytes(&feature.path)).peekable();
        of_text.peek().is_some()
            && of_text.all(|(feature, _)| feature.transform == Transform::IsPresent)
            && !self.wanted.transaction_id.as_deref().is_some_and(from_bytes)
    }

    /// Records stand in an array or a map that is asked for: nobody looks into those, and the second library resolves them.
    pub fn has_records_in_arrays(&self) -> bool {
        fn names_record(kind: &Type, inside: bool) -> bool {
            match kind {
                Type::Again(_) => inside,
                Type::Record(record) => inside || record.fields.iter().any(|field| names_record(&field.kind, false)),
                Type::Array(inner) | Type::Map(inner) => names_record(inner, true),
                Type::Union(branches) => branches.iter().any(|branch| names_record(branch, inside)),
                _ => false,
            }
        }
        names_record(&Type::Record(self.pruned()), false)
    }

    /// What was written where a path of the reader leads.
    fn written_at(&self, path: &str) -> Option<&Type> {
        let (read, written) = (records(&self.reader), records(&self.writer));
        let (mut reader, mut writer, mut found) = (&self.reader, &self.writer, None);
        for name in path.split('.') {
            let field = reader.fields.iter().find(|field| field.name == name)?;
            let source = writer_field(writer, field)?;
            found = Some(&source.kind);
            if let [Type::Record(Record { name, .. }) | Type::Again(name)] = present(&field.kind)[..] {
                (reader, writer) = (read.get(name)?, written.get(name)?);
            }
        }
        found
    }

    fn pruned(&self) -> Record {
        let features = self.wanted.features.iter().map(|feature| &feature.path);
        let others = self.wanted.transaction_id.iter().chain(&self.wanted.event_time);
        let mut needed = BTreeSet::new();
        features.chain(others).for_each(|path| mark(&self.reader, path, &mut needed));
        prune(&self.reader, &records(&self.writer), &needed)
    }
}

/// A record; one in ten is cut, and one in ten has a byte behind it.
fn payload(random: &mut Random, writer: &Record) -> Vec<u8> {
    let value = Values::record(random, writer);
    let mut split = Random(random.next());
    let mut bytes = encode(&value, random.one_in(2).then_some(&mut split));
    match random.below(10) {
        0 if !bytes.is_empty() => bytes.truncate(random.below(bytes.len())),
        1 => bytes.push(random.next() as u8),
        _ => {}
    }
    bytes
}

/// Changes one field of the reader in a way that may not fit what was written.
fn spoil(maker: &mut Maker, reader: &mut Record) {
    let mut count = 0;
    each_field(reader, &mut |_| count += 1);
    if count == 0 {
        return;
    }
    let (chosen, plain) = (maker.random.below(count), maker.plain());
    let nullable = maker.random.one_in(3);
    let mut at = 0;
    each_field(reader, &mut |field| {
        if at == chosen {
            field.kind = match &field.kind {
                Type::Millis => Type::Micros,
                Type::Micros => Type::Date,
                Type::Decimal { scale } if *scale > 2 => Type::Decimal { scale: scale - 1 },
                Type::Decimal { .. } => Type::Text,
                Type::FixedDecimal { name, size, scale } => {
                    Type::FixedDecimal { name: name.clone(), size: *size, scale: scale + 1 }
                }
                Type::Fixed(name, size) => Type::Fixed(name.clone(), size + 1),
                Type::Record(record) if field.default.is_none() => {
                    let mut renamed = field.kind.clone();
                    rename(&mut renamed, &record.name);
                    renamed
                }
                _ if nullable => Type::Union(vec![Type::Null, plain.clone()]),
                _ => plain.clone(),
            };
            field.default = None;
        }
        at += 1;
    });
}

/// A record under another name, for those inside that name it too.
fn rename(kind: &mut Type, from: &str) {
    match kind {
        Type::Record(Record { name, fields }) => {
            if name == from {
                *name = format!("Other{from}");
            }
            fields.iter_mut().for_each(|field| rename(&mut field.kind, from));
        }
        Type::Again(name) if name == from => *name = format!("Other{from}"),
        Type::Array(inner) | Type::Map(inner) => rename(inner, from),
        Type::Union(branches) => branches.iter_mut().for_each(|branch| rename(branch, from)),
        _ => {}
    }
}

fn each_field(record: &mut Record, visit: &mut impl FnMut(&mut Field)) {
    for field in &mut record.fields {
        visit(field);
        let inner = match &mut field.kind {
            Type::Record(record) => Some(record),
            Type::Union(branches) => branches.iter_mut().find_map(|kind| match kind {
                Type::Record(record) => Some(record),
                _ => None,
            }),
            _ => None,
        };
        if let Some(record) = inner.filter(|_| field.default.is_none()) {
            each_field(record, visit);
        }
    }
}

fn names(path: &str) -> Vec<&str> {
    path.split('.').collect()
}

fn rules_of(written: &Type, read: &Type) -> Vec<Rule> {
    let all: Vec<(&Type, &Type)> =
        present(written).into_iter().flat_map(|from| present(read).into_iter().map(move |to| (from, to))).collect();
    let is_decimal = |kind: &Type| matches!(kind, Type::Decimal { .. } | Type::FixedDecimal { .. });
    let is_text = |kind: &Type| matches!(kind, Type::Text | Type::Uuid);
    let mut rules = Vec::new();
    if all.iter().any(|(from, to)| is_decimal(from) && is_text(to) || is_text(from) && is_decimal(to)) {
        rules.push(Rule::TextAndDecimal);
    }
    if all.iter().any(|(from, to)| matches!((unit(from), unit(to)), (Some(from), Some(to)) if from != to)) {
        rules.push(Rule::OtherUnit);
    }
    if !all.is_empty() && !all.iter().any(|(from, to)| fits(from, to)) {
        rules.push(Rule::AsAWhole);
    }
    rules
}

/// What a number's unit or scale is called, where its type names one.
fn unit(kind: &Type) -> Option<String> {
    match kind {
        Type::Date | Type::Millis | Type::Micros => Some(format!("{kind:?}")),
        Type::Decimal { scale } | Type::FixedDecimal { scale, .. } => Some(format!("scale {scale}")),
        _ => None,
    }
}

/// Avro's table of what may be read as what, once more.
fn fits(from: &Type, to: &Type) -> bool {
    use Type::{Array, Boolean, Bytes, Date, Decimal, Double, Fixed, FixedDecimal, Float, Int, Long, Map};
    let rank = |kind: &Type| match kind {
        Int | Date => Some(0),
        Long | Type::Millis | Type::Micros => Some(1),
        Float => Some(2),
        Double => Some(3),
        _ => None,
    };
    let name = |kind: &Type| match kind {
        Fixed(name, size) | FixedDecimal { name, size, .. } => Some(format!("{name}, {size} bytes")),
        Type::Enum { name, .. } | Type::Again(name) => Some(name.clone()),
        Type::Record(record) => Some(record.name.clone()),
        _ => None,
    };
    let is_bytes = |kind: &Type| matches!(kind, Bytes | Decimal { .. } | Type::Text | Type::Uuid);
    let both = |is: fn(&Type) -> bool| is(from) && is(to);
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if from <= to)
        || (is_bytes(from) && is_bytes(to))
        || matches!((name(from), name(to)), (Some(from), Some(to)) if from == to)
        || both(|kind| *kind == Boolean)
        || both(|kind| matches!(kind, Array(_)))
        || both(|kind| matches!(kind, Map(_)))
}

fn want(feature: &Feature, place: &Place) -> Json {
    let (transform, listed, otherwise) = match &feature.transform {
        Transform::Number => ("number", vec![], None),
        Transform::IsPresent => ("present", vec![], None),
        Transform::Equals(text) => ("equals", vec![text.clone()], None),
        Transform::Index { symbols, otherwise } => ("listed", symbols.clone(), *otherwise),
        Transform::IsIn(symbols) => ("is_in", symbols.clone(), None),
        Transform::OneHot { symbols, place, rejects_others } => {
            // The place stands first, what others mean is -1 or nothing.
            let mut symbols = symbols.clone();
            let own = symbols.remove(*place);
            symbols.insert(0, own);
            ("one_hot", symbols, (!rejects_others).then_some(0.0))
        }
        other => unreachable!("the oracle does not draw {other:?}"),
    };
    let symbols = match &place.kinds[..] {
        [Type::Enum { symbols, .. }] => symbols.clone(),
        _ => vec![],
    };
    let scale = match &place.kinds[..] {
        [Type::Decimal { scale } | Type::FixedDecimal { scale, .. }] => *scale,
        _ => 0,
    };
    let missing = match feature.missing {
        None | Some(Missing::Reject) => json!("reject"),
        Some(Missing::Nan) => json!("nan"),
        Some(Missing::Constant(value)) => json!(value),
    };
    json!({
        "path": names(&feature.path), "transform": transform, "listed": listed, "otherwise": otherwise,
        "symbols": symbols, "scale": scale, "missing": missing,
    })
}

fn without_calendar(mut schema: Json) -> Json {
    match &mut schema {
        Json::Object(parts) => {
            if parts.get("logicalType").is_some_and(|kind| kind != "decimal") {
                parts.remove("logicalType");
            }
            parts.values_mut().for_each(|part| *part = without_calendar(part.take()));
        }
        Json::Array(parts) => parts.iter_mut().for_each(|part| *part = without_calendar(part.take())),
        _ => {}
    }
    schema
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
