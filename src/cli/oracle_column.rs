//! One column of a record that Apache Avro decoded, by the contract's words alone: shares nothing with the decode plan.

use apache_avro::Schema;
use apache_avro::schema::DecimalSchema;
use apache_avro::types::Value;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::avro::feature::{Feature, Missing, Step, Transform};

/// One column, by the contract: path, transform, steps, what is missing, range. `None` where the record is rejected.
pub fn column(feature: &Feature, record: &Value, schema: &Schema) -> Option<f32> {
    let found = at(record, &feature.path)?;
    if feature.transform == Transform::IsPresent {
        return Some(if found.is_some() { 1.0 } else { 0.0 });
    }
    let number = match found {
        Some(value) => transformed(feature, value, record, schema)?,
        None => Made::Missing,
    };
    match number {
        Made::Code(code) => Some(code),
        Made::Number(number) => in_column(feature, feature.then.iter().fold(number, step)),
        Made::Missing => match feature.missing? {
            Missing::Reject => None,
            Missing::Nan => Some(f32::NAN),
            Missing::Constant(value) => Some(value),
        },
    }
}

/// What a value becomes.
enum Made {
    /// The column, as it is.
    Code(f32),
    /// What steps and limits are for.
    Number(f64),
    Missing,
}

fn transformed(feature: &Feature, value: &Value, record: &Value, schema: &Schema) -> Option<Made> {
    let scale_of = |path: &str| scale(schema, path);
    Some(match &feature.transform {
        Transform::Hour(zone) => Made::Number(f64::from(local(value, zone)?.hour())),
        Transform::Weekday(zone) => Made::Number(f64::from(local(value, zone)?.weekday().to_monday_zero_offset())),
        Transform::RatioTo(path) | Transform::DifferenceFrom(path) => {
            let Some(other) = at(record, path)? else { return Some(Made::Missing) };
            match (&feature.transform, milliseconds(value), milliseconds(other)) {
                (Transform::DifferenceFrom(_), Some(one), Some(other)) => Made::Number(one - other),
                (transform, ..) => {
                    let (one, other) = (number(value, scale_of(&feature.path))?, number(other, scale_of(path))?);
                    match transform {
                        Transform::DifferenceFrom(_) => Made::Number(one - other),
                        _ if other == 0.0 => Made::Missing,
                        _ => Made::Number(one / other),
                    }
                }
            }
        }
        Transform::Length => Made::Number(match value {
            Value::Array(items) => items.len() as f64,
            Value::Map(entries) => entries.len() as f64,
            _ => return None,
        }),
        Transform::Contains(wanted) => Made::Number(f64::from(u8::from(match value {
            Value::Array(items) => items.iter().any(|item| text(item).is_some_and(|text| text == *wanted)),
            Value::Map(entries) => entries.contains_key(wanted),
            _ => return None,
        }))),
        Transform::Key { key, of } => {
            let Value::Map(entries) = value else { return None };
            match entries.get(key).map(plain) {
                None | Some(Value::Null) => Made::Missing,
                Some(value) => simple(of, value, None)?,
            }
        }
        transform => simple(transform, value, scale_of(&feature.path))?,
    })
}

/// By the value alone. A package in which a transform of texts finds none is refused before this.
fn simple(transform: &Transform, value: &Value, scale: Option<usize>) -> Option<Made> {
    let truth = |holds: bool| Some(Made::Code(if holds { 1.0 } else { 0.0 }));
    match (transform, text(value)) {
        (Transform::Index { symbols, otherwise }, Some(text)) => {
            let place = symbols.iter().position(|symbol| *symbol == text).map(|place| place as f32);
            place.or(*otherwise).map(Made::Code)
        }
        (Transform::Equals(wanted), Some(text)) => truth(*wanted == text),
        (Transform::IsIn(symbols), Some(text)) => truth(symbols.contains(&text)),
        (Transform::OneHot { symbols, rejects_others, .. }, Some(text)) if !symbols.contains(&text) => {
            (!rejects_others).then_some(Made::Code(0.0))
        }
        (Transform::OneHot { symbols, place, .. }, Some(text)) => truth(symbols[*place] == text),
        (Transform::Number, _) => number(value, scale).map(Made::Number),
        _ => None,
    }
}

fn step(value: f64, step: &Step) -> f64 {
    match *step {
        Step::Log1p => value.ln_1p(),
        Step::Clip { min, max } if !value.is_nan() => value.max(min).min(max),
        Step::Clip { .. } => value,
        Step::Scale { offset, scale } => (value - offset) * scale,
        Step::Standard { mean, scale } => (value - mean) / scale,
    }
}

fn in_column(feature: &Feature, number: f64) -> Option<f32> {
    if !number.is_finite() {
        return (feature.missing == Some(Missing::Nan)).then_some(f32::NAN);
    }
    let in_range = feature.min.is_none_or(|min| number >= min) && feature.max.is_none_or(|max| number <= max);
    Some(number as f32).filter(|value| in_range && value.is_finite())
}

/// Milliseconds since 1970 of a time.
fn milliseconds(value: &Value) -> Option<f64> {
    Some(match value {
        Value::TimestampMillis(ms) | Value::LocalTimestampMillis(ms) => *ms as f64,
        Value::TimestampMicros(us) | Value::LocalTimestampMicros(us) => *us as f64 / 1e3,
        Value::TimestampNanos(ns) | Value::LocalTimestampNanos(ns) => *ns as f64 / 1e6,
        _ => return None,
    })
}

/// A time in a zone, by the calendar's own library. A plain long is milliseconds.
fn local(value: &Value, zone: &str) -> Option<jiff::ZonedDateTime> {
    let at = match value {
        Value::Long(ms) | Value::TimestampMillis(ms) | Value::LocalTimestampMillis(ms) => {
            Timestamp::from_millisecond(*ms)
        }
        Value::TimestampMicros(us) | Value::LocalTimestampMicros(us) => Timestamp::from_microsecond(*us),
        Value::TimestampNanos(ns) | Value::LocalTimestampNanos(ns) => Timestamp::from_nanosecond(i128::from(*ns)),
        _ => return None,
    };
    let zone = match zone.split_at_checked(1) {
        Some((sign @ ("+" | "-"), clock)) => {
            let (hours, minutes) = clock.split_once(':')?;
            let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
            TimeZone::fixed(Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()?)
        }
        _ => TimeZoneDatabase::bundled().get(zone).ok()?,
    };
    Some(at.ok()?.to_zoned_datetime(zone))
}

/// The value at a path: `Some(None)` when it leads through a null, `None` when it leads nowhere.
fn at<'v>(record: &'v Value, path: &str) -> Option<Option<&'v Value>> {
    let mut value = plain(record);
    for name in path.split('.') {
        value = match value {
            Value::Null => return Some(None),
            Value::Record(fields) => plain(&fields.iter().find(|(field, _)| field == name)?.1),
            _ => return None,
        };
    }
    Some(Some(value).filter(|value| **value != Value::Null))
}

fn plain(value: &Value) -> &Value {
    match value {
        Value::Union(_, inner) => plain(inner),
        other => other,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) | Value::Enum(_, text) => Some(text.clone()),
        Value::Uuid(uuid) => Some(uuid.to_string()),
        _ => None,
    }
}

fn number(value: &Value, scale: Option<usize>) -> Option<f64> {
    Some(match value {
        Value::Boolean(value) => f64::from(u8::from(*value)),
        Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => f64::from(*value),
        Value::Long(value)
        | Value::TimeMicros(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
        | Value::LocalTimestampMillis(value)
        | Value::LocalTimestampMicros(value)
        | Value::LocalTimestampNanos(value) => *value as f64,
        Value::Float(value) => f64::from(*value),
        Value::Double(value) => *value,
        Value::Enum(symbol, _) => f64::from(*symbol),
        Value::Bytes(digits) | Value::Fixed(_, digits) => decimal(digits, scale?)?,
        _ => return None,
    })
}

/// By way of its digits: the nearest double to what it says.
fn decimal(bytes: &[u8], scale: usize) -> Option<f64> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut wide = [if negative { 0xFF } else { 0 }; 16];
    let start = wide.len().checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    format!("{}e-{scale}", i128::from_be_bytes(wide)).parse().ok()
}

/// Digits behind the point of the decimal at a path; `None` where there is no decimal.
fn scale(schema: &Schema, path: &str) -> Option<usize> {
    let mut place = schema;
    for name in path.split('.') {
        let field = branches(place).find_map(|branch| match defined(schema, branch) {
            Schema::Record(record) => record.fields.iter().find(|field| field.name == name),
            _ => None,
        })?;
        place = &field.schema;
    }
    let of = |branch: &Schema| match defined(schema, branch) {
        Schema::Decimal(DecimalSchema { scale, .. }) => Some(*scale),
        _ => None,
    };
    branches(place).find_map(of)
}

/// What a type's name stands for, looked for in the whole schema.
fn defined<'s>(root: &'s Schema, schema: &'s Schema) -> &'s Schema {
    let Schema::Ref { name } = schema else { return schema };
    let mut open = vec![root];
    while let Some(candidate) = open.pop() {
        if candidate.name() == Some(name) && !matches!(candidate, Schema::Ref { .. }) {
            return candidate;
        }
        match candidate {
            Schema::Record(record) => open.extend(record.fields.iter().map(|field| &field.schema)),
            Schema::Union(union) => open.extend(union.variants()),
            Schema::Array(array) => open.push(&array.items),
            Schema::Map(map) => open.push(&map.types),
            _ => {}
        }
    }
    schema
}

fn branches(schema: &Schema) -> impl Iterator<Item = &Schema> {
    let inner: &[Schema] = match schema {
        Schema::Union(union) => union.variants(),
        other => std::slice::from_ref(other),
    };
    inner.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_the_contract_says() {
        let schema = Schema::parse_str(
            r#"{"type": "record", "name": "T", "fields": [
                {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
                {"name": "card", "type": ["null", {"type": "record", "name": "C", "fields": [
                    {"name": "kind", "type": ["null", "string"]}, {"name": "age", "type": "int"}]}]}]}"#,
        )
        .unwrap();
        let card = |kind: Value| {
            let fields = vec![("kind".to_owned(), kind), ("age".to_owned(), Value::Int(7))];
            Value::Union(1, Box::new(Value::Record(fields)))
        };
        let record = |card: Value| {
            let amount = Value::Bytes(vec![0xFF, 0x85]);
            Value::Record(vec![("amount".to_owned(), amount), ("card".to_owned(), card)])
        };
        let feature = |path: &str, transform, missing| Feature {
            name: "f".into(),
            path: path.into(),
            transform,
            then: Vec::new(),
            missing,
            min: None,
            max: None,
        };
        let visa = record(card(Value::Union(1, Box::new(Value::String("VISA".into())))));
        let none = record(Value::Union(0, Box::new(Value::Null)));
        let index = || Transform::Index { symbols: vec!["AMEX".into(), "VISA".into()], otherwise: Some(-1.0) };
        let of = |feature: &Feature, record| column(feature, record, &schema);
        let amount = feature("amount", Transform::Number, None);
        assert_eq!(of(&amount, &visa), Some(-1.23));
        assert_eq!(of(&Feature { min: Some(0.0), ..amount }, &visa), None);
        assert_eq!(of(&feature("card.kind", index(), None), &visa), Some(1.0));
        assert_eq!(of(&feature("card.kind", Transform::Equals("AMEX".into()), None), &visa), Some(0.0));
        assert_eq!(of(&feature("card.age", Transform::Number, None), &visa), Some(7.0));
        assert_eq!(of(&feature("card.age", Transform::IsPresent, None), &none), Some(0.0));
        assert_eq!(of(&feature("card.age", Transform::Number, Some(Missing::Constant(-2.0))), &none), Some(-2.0));
        assert!(of(&feature("card.age", Transform::Number, Some(Missing::Nan)), &none).unwrap().is_nan());
        assert_eq!(of(&feature("card.age", Transform::Number, Some(Missing::Reject)), &none), None);
        assert_eq!(of(&feature("card.none", Transform::Number, None), &visa), None);
    }

    #[test]
    fn a_computed_column_is_what_the_contract_says() {
        let schema = Schema::parse_str(
            r#"{"type": "record", "name": "T", "fields": [{"name": "a", "type": "double"}, {"name": "b", "type": "double"}]}"#,
        )
        .unwrap();
        let limits = [("key".to_owned(), Value::Union(1, Box::new(Value::Double(2.5))))];
        let record = Value::Record(vec![
            ("a".to_owned(), Value::Double(12.0)),
            ("b".to_owned(), Value::Double(0.0)),
            ("at".to_owned(), Value::TimestampMillis(1_774_746_000_000)),
            ("before".to_owned(), Value::TimestampMillis(1_774_745_999_750)),
            ("tags".to_owned(), Value::Array(vec![Value::String("GIFT".into()), Value::String("NEW".into())])),
            ("limits".to_owned(), Value::Map(limits.into())),
            ("country".to_owned(), Value::String("FR".into())),
        ]);
        let of = |path: &str, transform: Transform, then: &[Step]| {
            let (name, path, then) = ("f".to_owned(), path.to_owned(), then.to_vec());
            let missing = Some(Missing::Constant(-7.0));
            column(&Feature { name, path, transform, then, missing, min: None, max: None }, &record, &schema)
        };
        let key = |key: &str| Transform::Key { key: key.into(), of: Box::new(Transform::Number) };
        let one_hot =
            |place| Transform::OneHot { symbols: vec!["DE".into(), "FR".into()], place, rejects_others: true };
        for (path, transform, then, expected) in [
            ("a", Transform::Number, &[Step::Log1p][..], 13f32.ln()),
            ("a", Transform::RatioTo("b".into()), &[Step::Log1p], -7.0),
            ("b", Transform::RatioTo("a".into()), &[], 0.0),
            ("a", Transform::DifferenceFrom("b".into()), &[Step::Clip { min: 0.0, max: 10.0 }], 10.0),
            ("at", Transform::DifferenceFrom("before".into()), &[Step::Scale { offset: 50.0, scale: 0.5 }], 100.0),
            ("at", Transform::Hour("Europe/Berlin".into()), &[], 3.0),
            ("at", Transform::Hour("-02:30".into()), &[], 22.0),
            ("at", Transform::Weekday("UTC".into()), &[], 6.0),
            ("tags", Transform::Length, &[], 2.0),
            ("tags", Transform::Contains("NEW".into()), &[], 1.0),
            ("limits", Transform::Contains("NEW".into()), &[], 0.0),
            ("limits", key("key"), &[Step::Standard { mean: 0.5, scale: 4.0 }], 0.5),
            ("limits", key("other"), &[], -7.0),
            ("country", one_hot(0), &[], 0.0),
            ("country", one_hot(1), &[], 1.0),
            ("country", Transform::IsIn(vec!["FR".into()]), &[], 1.0),
        ] {
            assert_eq!(of(path, transform.clone(), then), Some(expected), "{path} {transform:?}");
        }
    }
}
