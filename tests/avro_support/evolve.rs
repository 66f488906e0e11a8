//! A reader's schema that differs from the writer's in every way Avro allows, and what reading through it yields.

use apache_avro::types::Value;
use serde_json::{Value as Json, json};

use super::oracle::Tree;
use super::random::{Field, Maker, Random, Record, Type};

/// Drops, reorders, renames, promotes and adds fields.
pub fn evolve(maker: &mut Maker, writer: &Record) -> Record {
    let mut fields = Vec::new();
    for field in &writer.fields {
        if maker.random.one_in(8) {
            continue;
        }
        let mut field = Field { kind: evolve_kind(maker, &field.kind), ..field.clone() };
        if maker.random.one_in(5) {
            field.aliases = vec!["never_written".into(), field.name.clone()];
            field.name = format!("renamed_{}", field.name);
        }
        fields.push(field);
    }
    for number in 0..maker.random.below(3) {
        let (kind, default) = added(maker);
        fields.push(Field { name: format!("added{number}"), aliases: Vec::new(), default: Some(default), kind });
    }
    for place in (1..fields.len()).rev() {
        let other = maker.random.below(place + 1);
        fields.swap(place, other);
    }
    Record { name: writer.name.clone(), fields }
}

fn evolve_kind(maker: &mut Maker, writer: &Type) -> Type {
    let random = &mut *maker.random;
    match writer {
        Type::Int => random.pick(&[Type::Int, Type::Long, Type::Float, Type::Double, nullable(Type::Long)]),
        Type::Long => random.pick(&[Type::Long, Type::Float, Type::Double, nullable(Type::Double)]),
        Type::Float => random.pick(&[Type::Float, Type::Double]),
        Type::Text => random.pick(&[Type::Text, Type::Text, Type::Bytes, nullable(Type::Text)]),
        Type::Enum { name, symbols, .. } => evolve_enum(random, name, symbols),
        Type::Record(record) => Type::Record(evolve(maker, record)),
        Type::Union(branches) => {
            let kinds: Vec<&Type> = branches.iter().filter(|kind| **kind != Type::Null).collect();
            match kinds.as_slice() {
                // Null without a place in the reader: records that use it have no value there.
                [kind @ (Type::Int | Type::Double | Type::Record(_))] if random.one_in(3) => evolve_kind(maker, kind),
                [kind] => match evolve_kind(maker, kind) {
                    already @ Type::Union(_) => already,
                    kind => nullable(kind),
                },
                _ => writer.clone(),
            }
        }
        other => other.clone(),
    }
}

fn nullable(kind: Type) -> Type {
    Type::Union(vec![Type::Null, kind])
}

/// Symbols in another order, one more, and perhaps one less, which the default then stands for.
fn evolve_enum(random: &mut Random, name: &str, symbols: &[String]) -> Type {
    let mut symbols = symbols.to_vec();
    symbols.reverse();
    symbols.insert(random.below(symbols.len() + 1), "NEW".into());
    let default = random.one_in(2).then(|| "NEW".to_owned());
    if symbols.len() > 2 && random.one_in(2) {
        let dropped = symbols.iter().position(|symbol| symbol != "NEW").unwrap_or(0);
        symbols.remove(dropped);
    }
    Type::Enum { name: name.into(), symbols, default }
}

fn added(maker: &mut Maker) -> (Type, Json) {
    match maker.random.below(8) {
        0 => (Type::Int, json!(7)),
        1 => (Type::Double, json!(-2.5)),
        2 => (Type::Text, json!("S0")),
        3 => (Type::Boolean, json!(true)),
        4 => (nullable(Type::Double), json!(null)),
        5 => (Type::Union(vec![Type::Long, Type::Null]), json!(11)),
        6 => {
            let symbols = vec!["A".to_owned(), "B".to_owned()];
            (Type::Enum { name: maker.name("Added"), symbols, default: None }, json!("B"))
        }
        _ => {
            let field =
                |name: &str, default| Field { name: name.into(), aliases: Vec::new(), default, kind: Type::Int };
            let fields = vec![field("given", None), field("own", Some(json!(5)))];
            (Type::Record(Record { name: maker.name("Added"), fields }), json!({"given": 4}))
        }
    }
}

/// What a reader of `record` sees in a value: Avro's rules once more, written as simply as they can be.
pub fn project(value: &Value, record: &Record) -> Tree {
    of_record(value, &mut vec![record.clone()])
}

fn of_record(value: &Value, around: &mut Vec<Record>) -> Tree {
    let Value::Record(written) = value else { panic!("{value:?} is no record") };
    let record = around.last().cloned().expect("a record is around its fields");
    let named = |name: &String| written.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let fields = record.fields.iter().map(|field| {
        let source = named(&field.name).or_else(|| field.aliases.iter().find_map(named));
        let tree = match source {
            Some(value) => of(value, &field.kind, around),
            None => of_default(field.default.as_ref().expect("added fields have defaults"), &field.kind),
        };
        (field.name.clone(), tree)
    });
    Tree::Record(fields.collect())
}

fn of(value: &Value, kind: &Type, around: &mut Vec<Record>) -> Tree {
    match (value, kind) {
        (Value::Union(_, inner), _) => of(inner, kind, around),
        (Value::Null, _) => Tree::Null,
        (_, Type::Union(branches)) => match branches.iter().filter(|kind| **kind != Type::Null).collect::<Vec<_>>()[..]
        {
            [kind] => of(value, kind, around),
            _ => Tree::from(value),
        },
        (_, Type::Record(record)) => {
            around.push(record.clone());
            let tree = of_record(value, around);
            around.pop();
            tree
        }
        (_, Type::Again(name)) => {
            let place = around.iter().rposition(|record| record.name == *name).expect("it is around");
            of_record(value, &mut around[..=place].to_vec())
        }
        (Value::Enum(_, symbol), Type::Enum { symbols, .. }) if symbols.contains(symbol) => Tree::Text(symbol.clone()),
        (Value::Enum(..), Type::Enum { default: Some(default), .. }) => Tree::Text(default.clone()),
        (Value::Enum(..), Type::Enum { default: None, .. }) => Tree::Unreadable,
        (Value::Int(value), Type::Float) => Tree::Number((*value as f32).into()),
        (Value::Long(value), Type::Float) => Tree::Number((*value as f32).into()),
        (Value::String(_), Type::Bytes) => Tree::Other,
        _ => Tree::from(value),
    }
}

fn of_default(default: &Json, kind: &Type) -> Tree {
    match (default, kind) {
        (Json::Null, _) => Tree::Null,
        (Json::Bool(value), _) => Tree::Integer((*value).into()),
        (Json::Number(value), Type::Double) => Tree::Number(value.as_f64().expect("a number")),
        (Json::Number(value), _) => Tree::Integer(value.as_i64().expect("an integer")),
        (Json::String(text), _) => Tree::Text(text.clone()),
        (Json::Object(given), Type::Record(record)) => {
            let field = |field: &Field| {
                let default = given.get(&field.name).or(field.default.as_ref()).expect("given or its own");
                (field.name.clone(), of_default(default, &field.kind))
            };
            Tree::Record(record.fields.iter().map(field).collect())
        }
        other => panic!("{other:?} is no default made here"),
    }
}
