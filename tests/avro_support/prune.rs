//! A reader's schema without what nobody wants, and as forgiving as a contract is: what a second library is given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::random::{Field, Record, Type};

/// A kind's branches, without null.
pub fn present(kind: &Type) -> Vec<&Type> {
    match kind {
        Type::Union(branches) => branches.iter().filter(|kind| **kind != Type::Null).collect(),
        Type::Null => vec![],
        kind => vec![kind],
    }
}

fn is_nullable(kind: &Type) -> bool {
    matches!(kind, Type::Union(branches) if branches.contains(&Type::Null))
}

pub fn writer_field<'w>(writer: &'w Record, field: &Field) -> Option<&'w Field> {
    let named = |name: &String| writer.fields.iter().find(|written| written.name == *name);
    named(&field.name).or_else(|| field.aliases.iter().find_map(named))
}

/// Every record of a schema by its name.
pub fn records(root: &Record) -> BTreeMap<String, &Record> {
    fn of<'t>(kind: &'t Type, found: &mut BTreeMap<String, &'t Record>) {
        match kind {
            Type::Record(record) => {
                found.insert(record.name.clone(), record);
                record.fields.iter().for_each(|field| of(&field.kind, found));
            }
            Type::Array(inner) | Type::Map(inner) => of(inner, found),
            Type::Union(branches) => branches.iter().for_each(|branch| of(branch, found)),
            _ => {}
        }
    }
    let mut found = BTreeMap::from([(root.name.clone(), root)]);
    root.fields.iter().for_each(|field| of(&field.kind, &mut found));
    found
}

/// Notes the fields that a path leads through, by record and name.
pub fn mark(root: &Record, path: &str, needed: &mut BTreeSet<(String, String)>) {
    let mut around = vec![root];
    for name in path.split('.') {
        let record = around[around.len() - 1];
        needed.insert((record.name.clone(), name.to_owned()));
        let field = record.fields.iter().find(|field| field.name == name).expect("the path is the schema's");
        match present(&field.kind)[..] {
            [Type::Record(inner)] => around.push(inner),
            [Type::Again(outer)] => {
                let place = around.iter().rposition(|record| record.name == *outer).expect("it is around");
                around.truncate(place + 1);
            }
            _ => return,
        }
    }
}

pub fn prune(record: &Record, written: &BTreeMap<String, &Record>, needed: &BTreeSet<(String, String)>) -> Record {
    let is_needed = |field: &&Field| needed.contains(&(record.name.clone(), field.name.clone()));
    let fields = record.fields.iter().filter(is_needed).map(|field| {
        let mut kind = prune_kind(&field.kind, written, needed);
        let source = written.get(&record.name).and_then(|writer| writer_field(writer, field));
        if let Some(source) = source {
            grow(&mut kind, &source.kind);
        }
        if source.is_some_and(|source| is_nullable(&source.kind)) && !is_nullable(&kind) && kind != Type::Null {
            kind = Type::Union(vec![Type::Null, kind]);
        }
        let default = field.default.as_ref().map(|default| spelled_out(default, &kind));
        Field { kind, default, ..field.clone() }
    });
    Record { name: record.name.clone(), fields: fields.collect() }
}

fn prune_kind(kind: &Type, written: &BTreeMap<String, &Record>, needed: &BTreeSet<(String, String)>) -> Type {
    match kind {
        Type::Record(record) => Type::Record(prune(record, written, needed)),
        Type::Union(branches) => Type::Union(branches.iter().map(|kind| prune_kind(kind, written, needed)).collect()),
        Type::Array(items) => Type::Array(Box::new(prune_kind(items, written, needed))),
        Type::Map(values) => Type::Map(Box::new(prune_kind(values, written, needed))),
        kind => kind.clone(),
    }
}

/// Adds the writer's symbols to an enum without default.
fn grow(read: &mut Type, written: &Type) {
    let Some(Type::Enum { name: from, symbols: more, .. }) = present(written).first() else { return };
    let branches = match read {
        Type::Union(branches) => branches.as_mut_slice(),
        kind => std::slice::from_mut(kind),
    };
    for branch in branches {
        if let Type::Enum { name, symbols, default: None } = branch
            && name == from
        {
            let unknown: Vec<String> = more.iter().filter(|symbol| !symbols.contains(symbol)).cloned().collect();
            symbols.extend(unknown);
        }
    }
}

fn spelled_out(default: &Json, kind: &Type) -> Json {
    let (Json::Object(given), Type::Record(record)) = (default, kind) else { return default.clone() };
    let fields = record.fields.iter().map(|field| {
        let value = given.get(&field.name).or(field.default.as_ref()).expect("given or its own");
        (field.name.clone(), spelled_out(value, &field.kind))
    });
    Json::Object(fields.collect())
}
