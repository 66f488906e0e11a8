//! What a plan should find, worked out from a generated value, or from what another decoder read.

use std::fmt;

use apache_avro::types::Value;
use scorewire::avro::feature::{Feature, Missing, Step, Transform, Wanted};
use scorewire::values::record::TransactionId;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::random::{Random, Record, Type};
use super::{Found, feature};

/// A decoded value, whoever decoded it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Integer(i64),
    Number(f64),
    Text(String),
    /// A decimal's integer.
    Unscaled(i128),
    /// Neither number nor text: only its presence matters.
    Other,
    /// A symbol that the reader has no place for.
    Unreadable,
    Record(Vec<(String, Tree)>),
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Tree {
        match value {
            Value::Null => Tree::Null,
            Value::Boolean(value) => Tree::Integer((*value).into()),
            Value::Int(value) | Value::Date(value) => Tree::Integer((*value).into()),
            Value::Long(value) | Value::TimestampMillis(value) | Value::TimestampMicros(value) => Tree::Integer(*value),
            Value::Float(value) => Tree::Number((*value).into()),
            Value::Double(value) => Tree::Number(*value),
            Value::String(text) | Value::Enum(_, text) => Tree::Text(text.clone()),
            Value::Uuid(uuid) => Tree::Text(uuid.to_string()),
            Value::Union(_, inner) => Tree::from(&**inner),
            Value::Record(fields) => {
                Tree::Record(fields.iter().map(|(name, value)| (name.clone(), Tree::from(value))).collect())
            }
            Value::Decimal(decimal) => {
                // One of no bytes, as a flipped length leaves it, is read by apache-avro and not given back: it is zero.
                let bytes = Vec::<u8>::try_from(decimal).unwrap_or_else(|why| {
                    assert!(why.to_string().contains("sign extension 0 "), "a decimal keeps its length: {why}");
                    Vec::new()
                });
                let sign = bytes.first().map_or(0, |first| if first & 0x80 == 0 { 0u8 } else { 0xFF });
                // What a flipped length makes longer than this is padding, or else nobody's number.
                let significant = &bytes[bytes.len().saturating_sub(16)..];
                let mut wide = [sign; 16];
                wide[16 - significant.len()..].copy_from_slice(significant);
                Tree::Unscaled(i128::from_be_bytes(wide))
            }
            _ => Tree::Other,
        }
    }
}

/// As serde_avro_fast tells it.
impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        while seq.next_element::<Tree>()?.is_some() {}
        Ok(Tree::Other)
    }

    /// Records and maps look the same here; a path never leads into a map.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry::<String, Tree>()? {
            fields.push(field);
        }
        Ok(Tree::Record(fields))
    }
}

impl Tree {
    /// `None` when the path leads through a null.
    pub fn at(&self, path: &str) -> Option<&Tree> {
        let mut place = self;
        for name in path.split('.') {
            match place {
                Tree::Record(fields) => place = &fields.iter().find(|(field, _)| field == name)?.1,
                _ => return None,
            }
        }
        (*place != Tree::Null).then_some(place)
    }
}

/// A place of a schema that something may be wanted from.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: String,
    /// Without null; several for unions.
    pub kinds: Vec<Type>,
    pub is_nullable: bool,
}

/// Every place that a path of at most `depth` names can lead to.
pub fn places(record: &Record, depth: usize) -> Vec<Place> {
    let mut found = Vec::new();
    collect(&mut vec![record], "", false, depth, &mut found);
    found
}

fn collect<'t>(around: &mut Vec<&'t Record>, prefix: &str, is_nullable: bool, depth: usize, found: &mut Vec<Place>) {
    let Some(&record) = around.last() else { return };
    for field in &record.fields {
        let path = format!("{prefix}{}", field.name);
        let branches: Vec<&'t Type> = match &field.kind {
            Type::Union(branches) => branches.iter().collect(),
            kind => vec![kind],
        };
        let kinds: Vec<&'t Type> = branches.iter().copied().filter(|kind| **kind != Type::Null).collect();
        let is_nullable = is_nullable || kinds.len() < branches.len();
        if let (&[kind], true) = (kinds.as_slice(), depth > 1) {
            let inner = match kind {
                Type::Record(record) => Some((around.len(), record)),
                Type::Again(name) => around.iter().rposition(|of| of.name == *name).map(|at| (at, around[at])),
                _ => None,
            };
            if let Some((keep, record)) = inner {
                let mut inside: Vec<&'t Record> = around[..keep].to_vec();
                inside.push(record);
                collect(&mut inside, &format!("{path}."), is_nullable, depth - 1, found);
            }
        }
        let kinds = kinds.into_iter().cloned().collect();
        found.push(Place { path, kinds, is_nullable });
    }
}

fn is_number(kind: &Type) -> bool {
    use Type::{Boolean, Date, Decimal, Double, Enum, FixedDecimal, Float, Int, Long, Micros, Millis};
    matches!(
        kind,
        Boolean
            | Int
            | Long
            | Float
            | Double
            | Date
            | Millis
            | Micros
            | Enum { .. }
            | Decimal { .. }
            | FixedDecimal { .. }
    )
}

/// Wants some of the places, with a policy that fits each.
pub fn want_some(random: &mut Random, places: &[Place]) -> (Wanted, Vec<Place>) {
    let mut wanted = Wanted::default();
    let mut chosen = Vec::new();
    for place in places.iter().filter(|place| !place.kinds.is_empty()) {
        for _ in 0..random.below(3) {
            let missing =
                random.pick(&[Missing::Nan, Missing::Constant(-3.5), Missing::Constant(0.0), Missing::Reject]);
            let missing = place.is_nullable.then_some(missing);
            wanted.features.push(Feature { transform: transform(random, place), missing, ..feature(&place.path) });
            chosen.push(place.clone());
        }
    }
    let path_of = |random: &mut Random, fits: fn(&Type) -> bool| {
        let fitting: Vec<&Place> =
            places.iter().filter(|of| !of.kinds.is_empty() && of.kinds.iter().all(fits)).collect();
        (!fitting.is_empty()).then(|| random.pick(&fitting).path.clone())
    };
    wanted.transaction_id = path_of(random, |kind| matches!(kind, Type::Int | Type::Long | Type::Text | Type::Uuid));
    wanted.event_time = path_of(random, |kind| matches!(kind, Type::Long | Type::Millis | Type::Micros));
    (wanted, chosen)
}

fn transform(random: &mut Random, place: &Place) -> Transform {
    let otherwise = random.pick(&[None, Some(-1.0)]);
    let choices = match place.kinds.as_slice() {
        [Type::Enum { symbols, .. }] => vec![
            Transform::Number,
            Transform::Equals(random.pick(symbols)),
            Transform::Index { symbols: symbols.iter().rev().take(2).cloned().collect(), otherwise },
            Transform::IsIn(symbols.iter().step_by(2).cloned().collect()),
            Transform::OneHot { symbols: symbols.clone(), place: 0, rejects_others: otherwise.is_none() },
        ],
        [Type::Text] => vec![
            Transform::IsIn(vec!["S0".into(), "måned".into()]),
            Transform::OneHot {
                symbols: vec!["S0".into(), "DK".into()],
                place: 1,
                rejects_others: otherwise.is_none(),
            },
            Transform::Equals("S1".into()),
            Transform::Index { symbols: vec!["måned".into(), "DK".into(), "S0".into()], otherwise },
        ],
        kinds if kinds.iter().all(is_number) => vec![Transform::Number; 4],
        _ => vec![],
    };
    random.pick(&[choices, vec![Transform::IsPresent]].concat())
}

/// Wants columns that are computed too, behind the others: of two numbers or times, or in steps.
pub fn compute_some(random: &mut Random, all: &[Place], wanted: &mut Wanted, chosen: &mut Vec<Place>) {
    let of = |fits: fn(&Type) -> bool| -> Vec<&Place> {
        all.iter().filter(|place| !place.kinds.is_empty() && place.kinds.iter().all(fits)).collect()
    };
    let numbers = of(|kind| matches!(kind, Type::Boolean | Type::Int | Type::Long | Type::Float | Type::Double));
    let times = of(|kind| matches!(kind, Type::Millis));
    for _ in 0..random.below(5) {
        let (of, time) = if random.one_in(3) { (&times, true) } else { (&numbers, false) };
        let (Some(place), Some(other)) = (of.first().map(|_| random.pick(of)), of.first().map(|_| random.pick(of)))
        else {
            continue;
        };
        let transform = match (random.below(3), time) {
            (0, false) => Transform::RatioTo(other.path.clone()),
            (0, true) => Transform::Hour("UTC".into()),
            (1, true) => Transform::Weekday("UTC".into()),
            (1, false) => Transform::Number,
            _ => Transform::DifferenceFrom(other.path.clone()),
        };
        let step = random.pick(&[
            Step::Log1p,
            Step::Clip { min: -2.0, max: 300.0 },
            Step::Scale { offset: 1.5, scale: 0.25 },
            Step::Standard { mean: -3.0, scale: 7.0 },
        ]);
        let then = if transform == Transform::Number || random.one_in(2) { vec![step] } else { vec![] };
        let missing = random.pick(&[Missing::Nan, Missing::Constant(-3.5), Missing::Reject]);
        let feature = feature(&place.path);
        wanted.features.push(Feature { transform, then, missing: Some(missing), ..feature });
        chosen.push(place.clone());
    }
}

/// The row, or `None` when some feature must reject.
pub fn row(tree: &Tree, wanted: &Wanted, places: &[Place]) -> Option<Vec<f32>> {
    let column = |(feature, place): (&Feature, &Place)| match feature.operands() {
        0 => value(tree.at(&feature.path), feature, place),
        _ => computed(tree, feature),
    };
    wanted.features.iter().zip(places).map(column).collect()
}

fn computed(tree: &Tree, feature: &Feature) -> Option<f32> {
    let number = |path: &str| tree.at(path).map(|found| number(found, &[]).expect("a number"));
    let one = number(&feature.path);
    // Whole milliseconds since 1970, which began with a Thursday.
    let in_day = |ms: f64| (ms as i128).rem_euclid(86_400_000) / 3_600_000;
    let raw = match &feature.transform {
        Transform::RatioTo(path) => {
            one.zip(number(path)).filter(|(_, other)| *other != 0.0).map(|(one, other)| one / other)
        }
        Transform::DifferenceFrom(path) => one.zip(number(path)).map(|(one, other)| one - other),
        Transform::Hour(_) => one.map(|ms| in_day(ms) as f64),
        Transform::Weekday(_) => one.map(|ms| ((ms as i128).div_euclid(86_400_000) + 3).rem_euclid(7) as f64),
        _ => one,
    };
    let step = |value: f64, step: &Step| match *step {
        Step::Log1p => value.ln_1p(),
        Step::Clip { min, max } => value.clamp(min, max),
        Step::Scale { offset, scale } => (value - offset) * scale,
        Step::Standard { mean, scale } => (value - mean) / scale,
    };
    match (raw.map(|value| feature.then.iter().fold(value, step)), feature.missing?) {
        (None, Missing::Reject) => None,
        (None, Missing::Nan) => Some(f32::NAN),
        (None, Missing::Constant(constant)) => Some(constant),
        (Some(value), Missing::Nan) if !value.is_finite() => Some(f32::NAN),
        (Some(value), _) => in_f32(value),
    }
}

fn value(found: Option<&Tree>, feature: &Feature, place: &Place) -> Option<f32> {
    if feature.transform == Transform::IsPresent {
        return Some(f32::from(u8::from(found.is_some())));
    }
    let Some(found) = found else {
        return match feature.missing? {
            Missing::Reject => None,
            Missing::Nan => Some(f32::NAN),
            Missing::Constant(value) => Some(value),
        };
    };
    match (&feature.transform, found) {
        (Transform::Index { otherwise, .. }, Tree::Unreadable) => *otherwise,
        (Transform::Equals(_) | Transform::IsIn(_), Tree::Unreadable) => Some(0.0),
        (Transform::OneHot { rejects_others, .. }, Tree::Unreadable) => (!rejects_others).then_some(0.0),
        (_, Tree::Unreadable) => None,
        (Transform::Index { symbols, otherwise }, Tree::Text(text)) => {
            symbols.iter().position(|symbol| symbol == text).map(|at| at as f32).or(*otherwise)
        }
        (Transform::Equals(symbol), Tree::Text(text)) => Some(f32::from(u8::from(symbol == text))),
        (Transform::IsIn(symbols), Tree::Text(text)) => Some(f32::from(u8::from(symbols.contains(text)))),
        (Transform::OneHot { symbols, place, rejects_others }, Tree::Text(text)) => {
            let found = symbols.iter().position(|symbol| symbol == text);
            let is_rejected = found.is_none() && *rejects_others;
            (!is_rejected).then(|| f32::from(u8::from(found == Some(*place))))
        }
        _ => match number(found, &place.kinds)? {
            value if !value.is_finite() && feature.missing == Some(Missing::Nan) => Some(f32::NAN),
            value => in_f32(value),
        },
    }
}

fn number(found: &Tree, kinds: &[Type]) -> Option<f64> {
    match (found, kinds) {
        (Tree::Integer(value), _) => Some(*value as f64),
        (Tree::Number(value), _) => Some(*value),
        (Tree::Text(symbol), [Type::Enum { symbols, .. }]) => {
            symbols.iter().position(|of| of == symbol).map(|at| at as f64)
        }
        (Tree::Text(digits), [Type::Decimal { .. } | Type::FixedDecimal { .. }]) => digits.parse().ok(),
        (Tree::Unscaled(digits), [Type::Decimal { scale } | Type::FixedDecimal { scale, .. }]) => {
            format!("{digits}e-{scale}").parse().ok()
        }
        _ => panic!("{found:?} is not a number of {kinds:?}"),
    }
}

fn in_f32(value: f64) -> Option<f32> {
    let value = value as f32;
    value.is_finite().then_some(value)
}

/// Whether a plan found what is to be found.
pub fn check(found: &Found, payload: &[u8], tree: &Tree, wanted: &Wanted, places: &[Place], schema: &Record) {
    let expected = row(tree, wanted, places).expect("a feature is wrong, and the record was taken");
    for ((&found, expected), feature) in found.row.iter().zip(expected).zip(&wanted.features) {
        let is_same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(is_same, "{} is {found}, not {expected} ({:?})", feature.path, feature.transform);
    }
    let id = wanted.transaction_id.as_ref().and_then(|path| tree.at(path));
    match (found.id, id) {
        (TransactionId::Absent, None) => {}
        (TransactionId::Long(found), Some(Tree::Integer(expected))) => assert_eq!(found, *expected),
        (TransactionId::Text { start, len }, Some(Tree::Text(expected))) => {
            assert_eq!(&payload[start as usize..][..len as usize], expected.as_bytes());
        }
        (found, expected) => panic!("the id is {found:?}, not {expected:?}"),
    }
    let time = wanted.event_time.as_ref().and_then(|path| {
        let is_micros = places_of(schema, path).contains(&Type::Micros);
        match tree.at(path) {
            Some(Tree::Integer(time)) if is_micros => Some(time.div_euclid(1_000)),
            Some(Tree::Integer(time)) => Some(*time),
            _ => None,
        }
    });
    assert_eq!(found.event_time_ms, time);
}

fn places_of(schema: &Record, path: &str) -> Vec<Type> {
    places(schema, 4).into_iter().find(|place| place.path == path).map(|place| place.kinds).unwrap_or_default()
}
