//! A schema as a flat list of nodes: named types are looked up once, recursion is an edge back, and what apache-avro
//! keeps in different places (logical types, misplaced attributes, aliases) stands where the compiler looks for it.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{Aliases, InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use serde_json::Value as Json;

pub(super) type NodeId = usize;

/// Nodes of one schema at most; real ones have some hundreds.
const NODES_MAX: usize = 5_000;
/// A larger `fixed` is a mistake: no payload could hold it.
const FIXED_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(u32),
    Enum { symbols: Vec<String>, default: Option<String> },
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Vec<Field>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub default: Option<Json>,
    pub node: NodeId,
    /// A logical type written beside the type instead of inside it: without meaning to Avro.
    pub misplaced: Logical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    None,
    Decimal { scale: u32 },
    BigDecimal,
    Uuid,
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Duration,
}

/// A named type's full name and aliases.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub full: String,
    pub aliases: Vec<String>,
}

impl Names {
    /// The name without its namespace: what Avro's resolution compares.
    pub fn short(&self) -> &str {
        unqualified(&self.full)
    }
}

pub(super) fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub logical: Logical,
    pub names: Option<Names>,
}

#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    pub root: NodeId,
}

impl Graph {
    /// # Errors
    /// A sentence that names the type that is unknown or too large.
    pub fn new(schema: &Schema) -> Result<Graph, String> {
        let mut builder = Builder { nodes: Vec::new(), named: HashMap::new() };
        let root = builder.add(schema)?;
        Ok(Graph { nodes: builder.nodes, root })
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub fn kind(&self, id: NodeId) -> &Kind {
        &self.nodes[id].kind
    }

    /// The branches of a union, or the node itself.
    pub fn branches(&self, id: NodeId) -> Vec<NodeId> {
        match &self.nodes[id].kind {
            Kind::Union(branches) => branches.clone(),
            _ => vec![id],
        }
    }

    pub fn is_null(&self, id: NodeId) -> bool {
        matches!(self.nodes[id].kind, Kind::Null)
    }

    /// The type in the words of a schema, for messages.
    pub fn describe(&self, id: NodeId) -> String {
        let node = &self.nodes[id];
        let name = node.names.as_ref().map_or("", |names| &names.full);
        let base = match &node.kind {
            Kind::Null => "null".into(),
            Kind::Boolean => "boolean".into(),
            Kind::Int => "int".into(),
            Kind::Long => "long".into(),
            Kind::Float => "float".into(),
            Kind::Double => "double".into(),
            Kind::Bytes => "bytes".into(),
            Kind::String => "string".into(),
            Kind::Fixed(size) => format!("fixed {name} of {size} bytes"),
            Kind::Enum { .. } => format!("enum {name}"),
            Kind::Array(_) => "array".into(),
            Kind::Map(_) => "map".into(),
            Kind::Record(_) => format!("record {name}"),
            Kind::Union(branches) => {
                let branches: Vec<String> = branches.iter().map(|&branch| self.describe(branch)).collect();
                format!("union of {}", branches.join(", "))
            }
        };
        match node.logical {
            Logical::None => base,
            logical => format!("{base} ({})", logical.name()),
        }
    }

    /// Records that contain themselves, directly or through others, for every node at once.
    pub fn recursive(&self) -> Vec<bool> {
        (0..self.nodes.len()).map(|id| matches!(self.nodes[id].kind, Kind::Record(_)) && self.reaches(id, id)).collect()
    }

    fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<NodeId> = self.edges(from);
        while let Some(id) = open.pop() {
            if id == to {
                return true;
            }
            if !std::mem::replace(&mut seen[id], true) {
                open.extend(self.edges(id));
            }
        }
        false
    }

    fn edges(&self, id: NodeId) -> Vec<NodeId> {
        match &self.nodes[id].kind {
            Kind::Array(node) | Kind::Map(node) => vec![*node],
            Kind::Union(branches) => branches.clone(),
            Kind::Record(fields) => fields.iter().map(|field| field.node).collect(),
            _ => Vec::new(),
        }
    }
}

impl Logical {
    pub fn name(self) -> String {
        let unit = |unit: Unit| match unit {
            Unit::Millis => "millis",
            Unit::Micros => "micros",
            Unit::Nanos => "nanos",
        };
        match self {
            Logical::None => "no logical type".into(),
            Logical::Decimal { scale } => format!("decimal of scale {scale}"),
            Logical::BigDecimal => "big-decimal".into(),
            Logical::Uuid => "uuid".into(),
            Logical::Date => "date".into(),
            Logical::Time(of) => format!("time-{}", unit(of)),
            Logical::Timestamp(of) => format!("timestamp-{}", unit(of)),
            Logical::LocalTimestamp(of) => format!("local-timestamp-{}", unit(of)),
            Logical::Duration => "duration".into(),
        }
    }

    /// Those worth knowing when they stand beside a field's type: timestamps, which give an event's time its unit,
    /// and decimals, whose author should be told.
    fn beside_type(name: Option<&Json>) -> Logical {
        match name.and_then(Json::as_str) {
            Some("timestamp-millis") => Logical::Timestamp(Unit::Millis),
            Some("timestamp-micros") => Logical::Timestamp(Unit::Micros),
            Some("timestamp-nanos") => Logical::Timestamp(Unit::Nanos),
            Some("local-timestamp-millis") => Logical::LocalTimestamp(Unit::Millis),
            Some("local-timestamp-micros") => Logical::LocalTimestamp(Unit::Micros),
            Some("local-timestamp-nanos") => Logical::LocalTimestamp(Unit::Nanos),
            Some("decimal") => Logical::Decimal { scale: 0 },
            _ => Logical::None,
        }
    }
}

struct Builder {
    nodes: Vec<Node>,
    named: HashMap<String, NodeId>,
}

impl Builder {
    fn add(&mut self, schema: &Schema) -> Result<NodeId, String> {
        use Logical as L;
        match schema {
            Schema::Null => self.push(Kind::Null, L::None),
            Schema::Boolean => self.push(Kind::Boolean, L::None),
            Schema::Int => self.push(Kind::Int, L::None),
            Schema::Long => self.push(Kind::Long, L::None),
            Schema::Float => self.push(Kind::Float, L::None),
            Schema::Double => self.push(Kind::Double, L::None),
            Schema::Bytes => self.push(Kind::Bytes, L::None),
            Schema::String => self.push(Kind::String, L::None),
            Schema::BigDecimal => self.push(Kind::Bytes, L::BigDecimal),
            Schema::Date => self.push(Kind::Int, L::Date),
            Schema::TimeMillis => self.push(Kind::Int, L::Time(Unit::Millis)),
            Schema::TimeMicros => self.push(Kind::Long, L::Time(Unit::Micros)),
            Schema::TimestampMillis => self.push(Kind::Long, L::Timestamp(Unit::Millis)),
            Schema::TimestampMicros => self.push(Kind::Long, L::Timestamp(Unit::Micros)),
            Schema::TimestampNanos => self.push(Kind::Long, L::Timestamp(Unit::Nanos)),
            Schema::LocalTimestampMillis => self.push(Kind::Long, L::LocalTimestamp(Unit::Millis)),
            Schema::LocalTimestampMicros => self.push(Kind::Long, L::LocalTimestamp(Unit::Micros)),
            Schema::LocalTimestampNanos => self.push(Kind::Long, L::LocalTimestamp(Unit::Nanos)),
            Schema::Uuid(UuidSchema::String) => self.push(Kind::String, L::Uuid),
            Schema::Uuid(UuidSchema::Bytes) => self.push(Kind::Bytes, L::Uuid),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => self.fixed(&fixed.name, &fixed.aliases, fixed.size, L::Uuid),
            Schema::Duration(fixed) => self.fixed(&fixed.name, &fixed.aliases, fixed.size, L::Duration),
            Schema::Fixed(fixed) => self.fixed(&fixed.name, &fixed.aliases, fixed.size, L::None),
            Schema::Decimal(decimal) => {
                let scale = u32::try_from(decimal.scale).map_err(|_| "a decimal's scale is too large".to_owned())?;
                match &decimal.inner {
                    InnerDecimalSchema::Bytes => self.push(Kind::Bytes, L::Decimal { scale }),
                    InnerDecimalSchema::Fixed(fixed) => {
                        self.fixed(&fixed.name, &fixed.aliases, fixed.size, L::Decimal { scale })
                    }
                }
            }
            Schema::Enum(schema) => {
                let kind = Kind::Enum { symbols: schema.symbols.clone(), default: schema.default.clone() };
                self.named(&schema.name, &schema.aliases, kind, L::None)
            }
            Schema::Array(array) => {
                let items = self.add(&array.items)?;
                self.push(Kind::Array(items), L::None)
            }
            Schema::Map(map) => {
                let values = self.add(&map.types)?;
                self.push(Kind::Map(values), L::None)
            }
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch)).collect::<Result<_, _>>()?;
                self.push(Kind::Union(branches), L::None)
            }
            Schema::Record(record) => self.record(record),
            Schema::Ref { name } => {
                let name = name.fullname(None);
                self.named.get(&name).copied().ok_or_else(|| format!("type {name} is used and nowhere defined"))
            }
        }
    }

    fn record(&mut self, record: &RecordSchema) -> Result<NodeId, String> {
        // The name must be known before the fields are: they may refer to it.
        let id = self.named(&record.name, &record.aliases, Kind::Null, Logical::None)?;
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push(Field {
                name: field.name.clone(),
                aliases: field.aliases.clone(),
                default: field.default.clone(),
                node: self.add(&field.schema)?,
                misplaced: Logical::beside_type(field.custom_attributes.get("logicalType")),
            });
        }
        self.nodes[id].kind = Kind::Record(fields);
        Ok(id)
    }

    fn fixed(&mut self, name: &Name, aliases: &Aliases, size: usize, logical: Logical) -> Result<NodeId, String> {
        match u32::try_from(size) {
            Ok(bytes) if size <= FIXED_BYTES_MAX => self.named(name, aliases, Kind::Fixed(bytes), logical),
            _ => Err(format!("fixed {} of {size} bytes is larger than any payload", name.fullname(None))),
        }
    }

    fn named(&mut self, name: &Name, aliases: &Aliases, kind: Kind, logical: Logical) -> Result<NodeId, String> {
        let id = self.push(kind, logical)?;
        let aliases: Vec<String> =
            aliases.iter().flatten().map(|alias| alias.fully_qualified_name(name.namespace()).fullname(None)).collect();
        let full = name.fullname(None);
        for name in aliases.iter().chain([&full]) {
            self.named.insert(name.clone(), id);
        }
        self.nodes[id].names = Some(Names { full, aliases });
        Ok(id)
    }

    fn push(&mut self, kind: Kind, logical: Logical) -> Result<NodeId, String> {
        if self.nodes.len() == NODES_MAX {
            return Err(format!("the schema has more than {NODES_MAX} types"));
        }
        self.nodes.push(Node { kind, logical, names: None });
        Ok(self.nodes.len() - 1)
    }
}
