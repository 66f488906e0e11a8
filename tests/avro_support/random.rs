//! Random schemas and values. Everything follows from a seed, so a failure names its own reproduction.

use apache_avro::types::Value;
use serde_json::{Value as Json, json};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Integers of every length on the wire.
    pub fn integer(&mut self) -> i64 {
        let shift = self.below(64);
        self.next() as i64 >> shift
    }

    fn real(&mut self) -> f64 {
        (self.integer() >> 20) as f64 / 1024.0
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Uuid,
    Date,
    Millis,
    Micros,
    Fixed(String, usize),
    Enum {
        name: String,
        symbols: Vec<String>,
        default: Option<String>,
    },
    Decimal {
        scale: u32,
    },
    FixedDecimal {
        name: String,
        size: usize,
        scale: u32,
    },
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    Record(Record),
    /// A record around this place.
    Again(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub default: Option<Json>,
    pub kind: Type,
}

/// Makes schemas whose named types all have different names.
pub struct Maker<'r> {
    pub random: &'r mut Random,
    names: usize,
    around: Vec<String>,
}

impl Maker<'_> {
    pub fn new(random: &mut Random) -> Maker<'_> {
        Maker { random, names: 0, around: Vec::new() }
    }

    pub fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    pub fn record(&mut self, fields: usize, depth: usize) -> Record {
        let name = self.name("Record");
        self.around.push(name.clone());
        let fields = (0..fields)
            .map(|place| Field {
                name: format!("f{place}"),
                aliases: Vec::new(),
                default: None,
                kind: self.kind(depth),
            })
            .collect();
        self.around.pop();
        Record { name, fields }
    }

    fn kind(&mut self, depth: usize) -> Type {
        if depth > 0 && self.random.one_in(3) {
            return match self.random.below(7) {
                0 => Type::Array(Box::new(self.kind(depth - 1))),
                1 => Type::Map(Box::new(self.kind(depth - 1))),
                2 | 3 => {
                    let fields = self.random.below(5);
                    Type::Record(self.record(fields, depth - 1))
                }
                4 => {
                    let around = self.random.pick(&self.around);
                    self.nullable(Type::Again(around))
                }
                5 => Type::Union(vec![Type::Null, Type::Int, Type::Text, Type::Double]),
                _ => Type::Union(vec![Type::Long, Type::Null, Type::Float]),
            };
        }
        let plain = self.plain();
        if self.random.one_in(3) { self.nullable(plain) } else { plain }
    }

    fn nullable(&mut self, kind: Type) -> Type {
        match kind {
            Type::Null => Type::Null,
            kind if self.random.one_in(4) => Type::Union(vec![kind, Type::Null]),
            kind => Type::Union(vec![Type::Null, kind]),
        }
    }

    pub fn plain(&mut self) -> Type {
        match self.random.below(18) {
            0 => Type::Boolean,
            1 | 2 => Type::Int,
            3 | 4 => Type::Long,
            5 => Type::Float,
            6 | 7 => Type::Double,
            8 => Type::Bytes,
            9 | 10 => Type::Text,
            11 => Type::Uuid,
            12 => self.random.pick(&[Type::Date, Type::Millis, Type::Micros]),
            13 => Type::Fixed(self.name("Fixed"), self.random.below(20)),
            14 | 15 => {
                let symbols: Vec<String> = (0..1 + self.random.below(4)).map(|place| format!("S{place}")).collect();
                Type::Enum { name: self.name("Enum"), symbols, default: None }
            }
            16 => Type::Decimal { scale: self.random.below(7) as u32 },
            _ => {
                let scale = self.random.below(5) as u32;
                Type::FixedDecimal { name: self.name("Decimal"), size: 8, scale }
            }
        }
    }
}

impl Type {
    pub fn schema(&self) -> Json {
        match self {
            Type::Null => json!("null"),
            Type::Boolean => json!("boolean"),
            Type::Int => json!("int"),
            Type::Long => json!("long"),
            Type::Float => json!("float"),
            Type::Double => json!("double"),
            Type::Bytes => json!("bytes"),
            Type::Text => json!("string"),
            Type::Uuid => json!({"type": "string", "logicalType": "uuid"}),
            Type::Date => json!({"type": "int", "logicalType": "date"}),
            Type::Millis => json!({"type": "long", "logicalType": "timestamp-millis"}),
            Type::Micros => json!({"type": "long", "logicalType": "timestamp-micros"}),
            Type::Fixed(name, size) => json!({"type": "fixed", "name": name, "size": size}),
            Type::Enum { name, symbols, default: None } => json!({"type": "enum", "name": name, "symbols": symbols}),
            Type::Enum { name, symbols, default } => {
                json!({"type": "enum", "name": name, "symbols": symbols, "default": default})
            }
            Type::Decimal { scale } => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": scale})
            }
            Type::FixedDecimal { name, size, scale } => {
                json!({"type": "fixed", "name": name, "size": size, "logicalType": "decimal", "precision": 18,
                    "scale": scale})
            }
            Type::Array(items) => json!({"type": "array", "items": items.schema()}),
            Type::Map(values) => json!({"type": "map", "values": values.schema()}),
            Type::Union(branches) => Json::Array(branches.iter().map(Type::schema).collect()),
            Type::Record(record) => record.schema(),
            Type::Again(name) => json!(name),
        }
    }
}

impl Record {
    pub fn schema(&self) -> Json {
        let fields: Vec<Json> = self
            .fields
            .iter()
            .map(|field| {
                let mut json = json!({"name": field.name, "type": field.kind.schema()});
                if !field.aliases.is_empty() {
                    json["aliases"] = json!(field.aliases);
                }
                if let Some(default) = &field.default {
                    json["default"] = default.clone();
                }
                json
            })
            .collect();
        json!({"type": "record", "name": self.name, "fields": fields})
    }
}

/// Makes values of a type; recursion thins out by itself.
pub struct Values<'t> {
    around: Vec<&'t Record>,
    depth: usize,
}

impl<'t> Values<'t> {
    pub fn record(random: &mut Random, record: &'t Record) -> Value {
        Values { around: Vec::new(), depth: 0 }.of_record(random, record)
    }

    fn of_record(&mut self, random: &mut Random, record: &'t Record) -> Value {
        self.around.push(record);
        self.depth += 1;
        let fields = record.fields.iter().map(|field| (field.name.clone(), self.of(random, &field.kind))).collect();
        self.depth -= 1;
        self.around.pop();
        Value::Record(fields)
    }

    fn of(&mut self, random: &mut Random, kind: &'t Type) -> Value {
        match kind {
            Type::Null => Value::Null,
            Type::Boolean => Value::Boolean(random.one_in(2)),
            Type::Int => Value::Int((random.integer() >> 32) as i32),
            Type::Long => Value::Long(random.integer()),
            Type::Float => Value::Float(random.real() as f32),
            // Some are beyond what the row can hold, and some are not numbers at all.
            Type::Double if random.one_in(200) => Value::Double(random.pick(&[f64::NAN, f64::INFINITY, 1e39, -1e300])),
            Type::Double => Value::Double(random.real()),
            Type::Bytes => Value::Bytes((0..random.below(9)).map(|_| random.next() as u8).collect()),
            Type::Text => {
                Value::String(random.pick(&["", "S0", "S1", "DK", "måned", "a longer text, of no use"]).into())
            }
            Type::Uuid => Value::Uuid(apache_avro::Uuid::from_u128(random.next().into())),
            Type::Date => Value::Date(random.below(40_000) as i32),
            Type::Millis => Value::TimestampMillis(random.integer()),
            Type::Micros => Value::TimestampMicros(random.integer()),
            Type::Fixed(_, size) => Value::Fixed(*size, (0..*size).map(|_| random.next() as u8).collect()),
            Type::Enum { symbols, .. } => {
                let index = random.below(symbols.len());
                Value::Enum(index as u32, symbols[index].clone())
            }
            // Eight bytes in a fixed, nine in bytes: [`encode`] tells them apart by that.
            Type::Decimal { .. } | Type::FixedDecimal { .. } => {
                let unscaled = random.integer() % 1_000_000_000_000_000_000;
                let wide = i128::from(unscaled).to_be_bytes();
                let len = if matches!(kind, Type::Decimal { .. }) { 9 } else { 8 };
                Value::Decimal(apache_avro::Decimal::from(&wide[wide.len() - len..]))
            }
            Type::Array(items) => Value::Array((0..self.some(random)).map(|_| self.of(random, items)).collect()),
            Type::Map(values) => {
                Value::Map((0..self.some(random)).map(|key| (format!("k{key}"), self.of(random, values))).collect())
            }
            Type::Union(branches) => {
                let null = branches.iter().position(|branch| *branch == Type::Null).expect("unions here have a null");
                let is_null = self.depth > 6 || random.one_in(4);
                let index = if is_null { null } else { random.below(branches.len()) };
                Value::Union(index as u32, Box::new(self.of(random, &branches[index])))
            }
            Type::Record(record) => self.of_record(random, record),
            Type::Again(name) => {
                let place = self.around.iter().rposition(|record| record.name == *name).expect("it is around");
                let outside = self.around.split_off(place + 1);
                let record = self.around.pop().expect("the record itself");
                let value = self.of_record(random, record);
                self.around.push(record);
                self.around.extend(outside);
                value
            }
        }
    }

    fn some(&self, random: &mut Random) -> usize {
        if self.depth > 4 { 0 } else { random.below(4) }
    }
}

/// Writes a value by its type, as apache-avro does, or with the blocks of arrays and maps split at random and
/// sized, which apache-avro never does.
pub fn encode(value: &Value, random: Option<&mut Random>) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut random.map(|random| Random(random.next())), &mut out);
    out
}

fn write(value: &Value, random: &mut Option<Random>, out: &mut Vec<u8>) {
    use super::{bytes, long, text};
    match value {
        Value::Null => {}
        Value::Boolean(value) => out.push(u8::from(*value)),
        Value::Int(value) | Value::Date(value) => out.extend(long(i64::from(*value))),
        Value::Long(value) | Value::TimestampMillis(value) | Value::TimestampMicros(value) => out.extend(long(*value)),
        Value::Float(value) => out.extend(value.to_le_bytes()),
        Value::Double(value) => out.extend(value.to_le_bytes()),
        Value::Bytes(value) => out.extend(bytes(value)),
        Value::String(value) => out.extend(text(value)),
        Value::Uuid(value) => out.extend(text(&value.to_string())),
        Value::Fixed(_, value) => out.extend(value),
        Value::Enum(index, _) => out.extend(long(i64::from(*index))),
        Value::Union(index, inner) => {
            out.extend(long(i64::from(*index)));
            write(inner, random, out);
        }
        Value::Record(fields) => fields.iter().for_each(|(_, value)| write(value, random, out)),
        Value::Array(items) => blocks(items.iter().map(|item| (None, item)).collect(), random, out),
        Value::Map(items) => blocks(items.iter().map(|(key, item)| (Some(key), item)).collect(), random, out),
        Value::Decimal(value) => {
            let unscaled = Vec::<u8>::try_from(value).expect("a decimal keeps its length");
            out.extend(if unscaled.len() == 8 { unscaled } else { bytes(&unscaled) });
        }
        other => panic!("{other:?} is not made here"),
    }
}

fn blocks(items: Vec<(Option<&String>, &Value)>, random: &mut Option<Random>, out: &mut Vec<u8>) {
    let mut rest = items.as_slice();
    while !rest.is_empty() {
        let count = random.as_mut().map_or(rest.len(), |random| 1 + random.below(rest.len()));
        let (block, tail) = rest.split_at(count);
        rest = tail;
        let mut body = Vec::new();
        for (key, item) in block {
            body.extend(key.map(|key| super::text(key)).unwrap_or_default());
            write(item, random, &mut body);
        }
        if random.as_mut().is_some_and(|random| random.one_in(2)) {
            out.extend([super::long(-(count as i64)), super::long(body.len() as i64)].concat());
        } else {
            out.extend(super::long(count as i64));
        }
        out.extend(body);
    }
    out.push(0);
}
