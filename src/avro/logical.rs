//! What a schema's text says a number means: a unit, a scale. Kept as it was written, even where the specification
//! tells readers to ignore it, because a number with another unit or scale is a wrong score.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::graph::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    /// The text says nothing.
    None,
    Decimal {
        scale: u32,
    },
    BigDecimal,
    /// Debezium's record of a scale and an unscaled integer: each value has its own scale.
    VariableScaleDecimal,
    Uuid,
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Duration,
    /// The text says something about a number, and what that is cannot be known: an unknown logical type, one on a type
    /// that cannot have it, a scale that is no integer, or two that differ.
    Unclear(Arc<str>),
}

/// Debezium's and Kafka Connect's names for what Avro calls logical types.
const CONNECT: [(&str, Logical); 10] = [
    ("io.debezium.time.Date", Logical::Date),
    ("io.debezium.time.Time", Logical::Time(Unit::Millis)),
    ("io.debezium.time.MicroTime", Logical::Time(Unit::Micros)),
    ("io.debezium.time.NanoTime", Logical::Time(Unit::Nanos)),
    ("io.debezium.time.Timestamp", Logical::Timestamp(Unit::Millis)),
    ("io.debezium.time.MicroTimestamp", Logical::Timestamp(Unit::Micros)),
    ("io.debezium.time.NanoTimestamp", Logical::Timestamp(Unit::Nanos)),
    ("org.apache.kafka.connect.data.Date", Logical::Date),
    ("org.apache.kafka.connect.data.Time", Logical::Time(Unit::Millis)),
    ("org.apache.kafka.connect.data.Timestamp", Logical::Timestamp(Unit::Millis)),
];
const CONNECT_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

impl Logical {
    /// What the attributes beside a `"type"` say of a type of this kind.
    pub fn of(kind: &Kind, attributes: &Map<String, Json>) -> Logical {
        let is_number = matches!(
            kind,
            Kind::Int | Kind::Long | Kind::Float | Kind::Double | Kind::Bytes | Kind::Fixed(_) | Kind::String
        );
        if !is_number {
            return Logical::None;
        }
        both(named(kind, attributes), connect(kind, attributes), attributes)
    }

    /// Whether a record is Debezium's decimal, by its name and its fields.
    pub fn of_record(
        full_name: &str,
        kind_of_fields: [Option<(&str, &Kind)>; 3],
        connect_name: Option<&str>,
    ) -> Logical {
        let named = full_name == VARIABLE_SCALE_DECIMAL || connect_name == Some(VARIABLE_SCALE_DECIMAL);
        match kind_of_fields {
            [Some(("scale", Kind::Int)), Some(("value", Kind::Bytes)), None] if named => Logical::VariableScaleDecimal,
            _ => Logical::None,
        }
    }

    /// One meaning of two that were written for the same value.
    pub fn with(self, other: Logical) -> Logical {
        match (self, other) {
            (Logical::None, said) | (said, Logical::None) => said,
            (one, other) if one == other => one,
            (one, other) => Logical::Unclear(format!("{} and {}", one.name(), other.name()).into()),
        }
    }

    pub fn is_decimal(&self) -> bool {
        matches!(self, Logical::Decimal { .. } | Logical::BigDecimal | Logical::VariableScaleDecimal)
            || matches!(self, Logical::Unclear(text) if text.starts_with("decimal"))
    }

    /// The unit of a timestamp.
    pub fn timestamp(&self) -> Option<Unit> {
        match self {
            Logical::Timestamp(unit) | Logical::LocalTimestamp(unit) => Some(*unit),
            _ => None,
        }
    }

    pub fn name(&self) -> String {
        let unit = |unit: &Unit| match unit {
            Unit::Millis => "millis",
            Unit::Micros => "micros",
            Unit::Nanos => "nanos",
        };
        match self {
            Logical::None => "no logical type".into(),
            Logical::Decimal { scale } => format!("decimal of scale {scale}"),
            Logical::BigDecimal => "big-decimal".into(),
            Logical::VariableScaleDecimal => "decimal of any scale".into(),
            Logical::Uuid => "uuid".into(),
            Logical::Date => "date".into(),
            Logical::Time(of) => format!("time-{}", unit(of)),
            Logical::Timestamp(of) => format!("timestamp-{}", unit(of)),
            Logical::LocalTimestamp(of) => format!("local-timestamp-{}", unit(of)),
            Logical::Duration => "duration".into(),
            Logical::Unclear(text) => format!("unclear: {text}"),
        }
    }
}

/// By Avro's own attribute.
fn named(kind: &Kind, attributes: &Map<String, Json>) -> Logical {
    use Logical as L;
    let name = match attributes.get("logicalType") {
        None | Some(Json::Null) => return L::None,
        Some(Json::String(name)) => name.as_str(),
        Some(_) => return unclear(kind, "a logicalType that is no text"),
    };
    match (name, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => match attributes.get("scale").map_or(Some(0), scale) {
            Some(scale) => L::Decimal { scale },
            None => unclear(kind, &format!("decimal of scale {}", attributes["scale"])),
        },
        ("big-decimal", Kind::Bytes) => L::BigDecimal,
        ("uuid", Kind::String | Kind::Bytes | Kind::Fixed(16)) => L::Uuid,
        ("date", Kind::Int) => L::Date,
        ("time-millis", Kind::Int) => L::Time(Unit::Millis),
        ("time-micros", Kind::Long) => L::Time(Unit::Micros),
        ("timestamp-millis", Kind::Long) => L::Timestamp(Unit::Millis),
        ("timestamp-micros", Kind::Long) => L::Timestamp(Unit::Micros),
        ("timestamp-nanos", Kind::Long) => L::Timestamp(Unit::Nanos),
        ("local-timestamp-millis", Kind::Long) => L::LocalTimestamp(Unit::Millis),
        ("local-timestamp-micros", Kind::Long) => L::LocalTimestamp(Unit::Micros),
        ("local-timestamp-nanos", Kind::Long) => L::LocalTimestamp(Unit::Nanos),
        ("duration", Kind::Fixed(12)) => L::Duration,
        _ => unclear(kind, name),
    }
}

/// By the attributes that Kafka Connect's Avro converter writes. It spells a decimal's scale as text.
fn connect(kind: &Kind, attributes: &Map<String, Json>) -> Logical {
    let Some(name) = attributes.get("connect.name").and_then(Json::as_str) else { return Logical::None };
    if name == CONNECT_DECIMAL && matches!(kind, Kind::Bytes) {
        let parameters = attributes.get("connect.parameters").and_then(|parameters| parameters.get("scale"));
        return parameters.and_then(scale).map_or(Logical::None, |scale| Logical::Decimal { scale });
    }
    let known = CONNECT.into_iter().find(|(known, _)| *known == name);
    match (known, kind) {
        (Some((_, logical @ (Logical::Date | Logical::Time(Unit::Millis)))), Kind::Int) => logical,
        (Some((_, logical @ (Logical::Timestamp(_) | Logical::Time(_)))), Kind::Long) => logical,
        (Some(_), _) => unclear(kind, name),
        (None, _) => Logical::None,
    }
}

/// A text is a text, whatever it is said to mean.
fn unclear(kind: &Kind, what: &str) -> Logical {
    if matches!(kind, Kind::String) { Logical::None } else { Logical::Unclear(what.into()) }
}

/// A scale, also where it is spelled as text or with a point.
fn scale(value: &Json) -> Option<u32> {
    match value {
        Json::Number(number) => {
            let float = number.as_f64().filter(|scale| scale.fract() == 0.0 && (0.0..=1e6).contains(scale));
            float.map(|scale| scale as u32)
        }
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Connect writes its decimals with Avro's logical type as well: both must agree. Without a `logicalType` a scale beside
/// it has no meaning, with one and without `scale` Connect's own counts.
fn both(named: Logical, connect: Logical, attributes: &Map<String, Json>) -> Logical {
    match (&named, &connect) {
        (Logical::Decimal { scale: 0 }, Logical::Decimal { .. }) if !attributes.contains_key("scale") => connect,
        _ => named.with(connect),
    }
}
