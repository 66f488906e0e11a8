//! Reads a few fields out of Avro records. A decoder of its own, small and slow-witted on purpose: what the pipeline
//! wrote is checked by code that shares nothing with the pipeline.

use std::collections::HashMap;

use serde_json::Value as Json;

/// Where a wanted field's value goes.
type Slot = usize;

/// A schema, ready to be read along.
#[derive(Clone, Debug)]
enum Node {
    /// Bytes of a fixed length: null, boolean, float, double, fixed.
    Fixed(usize),
    Double(Slot),
    /// int, long, enum.
    Varint(Option<Slot>),
    /// bytes, string.
    Bytes,
    Record(Vec<Node>),
    Union(Vec<Node>),
    /// Blocks of an array's items or of a map's entries.
    Blocks {
        map: bool,
        item: Box<Node>,
    },
}

/// One wanted field of one record; enums are their symbol's index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    Absent,
    Long(i64),
    Double(f64),
}

/// Reads the wanted fields of one record schema.
#[derive(Clone, Debug)]
pub struct Projection {
    root: Node,
    wanted: usize,
}

struct Compiler<'a> {
    wanted: &'a [&'a str],
    found: Vec<bool>,
    named: HashMap<String, &'a Json>,
    depth: usize,
}

/// Deeper schemas are not what outcomes look like; also ends recursive ones.
const DEPTH_MAX: usize = 32;

impl Projection {
    /// `wanted` are dotted paths to ints, longs, enums and doubles; they may lead through unions with null.
    ///
    /// # Errors
    /// Says what is wrong with the schema, or which path it lacks.
    pub fn new(schema: &str, wanted: &[&str]) -> Result<Projection, String> {
        let json: Json = serde_json::from_str(schema).map_err(|error| error.to_string())?;
        let mut compiler = Compiler { wanted, found: vec![false; wanted.len()], named: HashMap::new(), depth: 0 };
        let root = compiler.node(&json, "", None)?;
        match compiler.found.iter().position(|found| !found) {
            Some(missing) => Err(format!("the schema has no usable field `{}`", wanted[missing])),
            None => Ok(Projection { root, wanted: wanted.len() }),
        }
    }

    /// Number of wanted paths.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Fills `fields`, one for each wanted path. `false` when the datum is not of this schema, to the last byte.
    pub fn read(&self, datum: &[u8], fields: &mut [Field]) -> bool {
        debug_assert_eq!(fields.len(), self.wanted);
        fields.fill(Field::Absent);
        let mut rest = datum;
        walk(&self.root, &mut rest, fields).is_some() && rest.is_empty()
    }
}

impl<'a> Compiler<'a> {
    fn node(&mut self, schema: &'a Json, path: &str, namespace: Option<&str>) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the schema is recursive or too deep".to_owned());
        }
        let node = match schema {
            Json::String(name) => self.named_type(name, path, namespace),
            Json::Array(branches) => {
                let nodes: Result<Vec<Node>, String> =
                    branches.iter().map(|branch| self.node(branch, path, namespace)).collect();
                nodes.map(Node::Union)
            }
            Json::Object(_) => self.complex(schema, path, namespace),
            _ => Err(format!("not a schema at `{path}`")),
        };
        self.depth -= 1;
        node
    }

    fn named_type(&mut self, name: &str, path: &str, namespace: Option<&str>) -> Result<Node, String> {
        Ok(match name {
            "null" => Node::Fixed(0),
            "boolean" => Node::Fixed(1),
            "float" => Node::Fixed(4),
            "double" => self.slot(path).map_or(Node::Fixed(8), Node::Double),
            "int" | "long" => Node::Varint(self.slot(path)),
            "bytes" | "string" => Node::Bytes,
            other => {
                let full = full_name(other, namespace);
                let schema = self.named.get(&full).or_else(|| self.named.get(other)).copied();
                let schema = schema.ok_or_else(|| format!("unknown type `{other}`"))?;
                return self.complex(schema, path, namespace);
            }
        })
    }

    fn complex(&mut self, schema: &'a Json, path: &str, namespace: Option<&str>) -> Result<Node, String> {
        let text = |key: &str| schema.get(key).and_then(Json::as_str);
        let part = |key: &str| schema.get(key).ok_or_else(|| format!("no `{key}` at `{path}`"));
        let namespace = text("namespace").or(namespace);
        if let Some(name) = text("name") {
            self.named.insert(full_name(name, namespace), schema);
        }
        match part("type")? {
            Json::String(kind) => match kind.as_str() {
                "record" => {
                    let fields = part("fields")?.as_array().ok_or("`fields` is no list")?;
                    let mut nodes = Vec::with_capacity(fields.len());
                    for field in fields {
                        let name = field.get("name").and_then(Json::as_str).ok_or("a field has no name")?;
                        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                        let kind = field.get("type").ok_or_else(|| format!("`{inner}` has no type"))?;
                        nodes.push(self.node(kind, &inner, namespace)?);
                    }
                    Ok(Node::Record(nodes))
                }
                "enum" => Ok(Node::Varint(self.slot(path))),
                "fixed" => Ok(Node::Fixed(part("size")?.as_u64().ok_or("`size` is no number")? as usize)),
                "array" => self.blocks(part("items")?, false, namespace),
                "map" => self.blocks(part("values")?, true, namespace),
                other => self.named_type(other, path, namespace),
            },
            inner => self.node(inner, path, namespace),
        }
    }

    fn blocks(&mut self, item: &'a Json, map: bool, namespace: Option<&str>) -> Result<Node, String> {
        // No wanted field lies inside: a path cannot name an item.
        Ok(Node::Blocks { map, item: Box::new(self.node(item, "[]", namespace)?) })
    }

    fn slot(&mut self, path: &str) -> Option<Slot> {
        let slot = self.wanted.iter().position(|wanted| *wanted == path)?;
        self.found[slot] = true;
        Some(slot)
    }
}

fn full_name(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

fn walk(node: &Node, rest: &mut &[u8], fields: &mut [Field]) -> Option<()> {
    match node {
        Node::Fixed(length) => skip(rest, *length as u64),
        Node::Double(slot) => {
            let (bytes, tail) = rest.split_first_chunk()?;
            *rest = tail;
            fields[*slot] = Field::Double(f64::from_le_bytes(*bytes));
            Some(())
        }
        Node::Varint(slot) => {
            let value = long(rest)?;
            if let Some(slot) = slot {
                fields[*slot] = Field::Long(value);
            }
            Some(())
        }
        Node::Bytes => {
            let length = u64::try_from(long(rest)?).ok()?;
            skip(rest, length)
        }
        Node::Record(nodes) => nodes.iter().try_for_each(|node| walk(node, rest, fields)),
        Node::Union(branches) => {
            let branch = usize::try_from(long(rest)?).ok()?;
            walk(branches.get(branch)?, rest, fields)
        }
        Node::Blocks { map, item } => blocks(*map, item, rest, fields),
    }
}

fn blocks(map: bool, item: &Node, rest: &mut &[u8], fields: &mut [Field]) -> Option<()> {
    loop {
        let count = long(rest)?;
        if count == 0 {
            return Some(());
        }
        if count < 0 {
            // A negative count is followed by the block's length in bytes.
            let length = u64::try_from(long(rest)?).ok()?;
            skip(rest, length)?;
            continue;
        }
        // Items take at least a byte each, except in arrays of nothing, which no outcome has.
        if count as u64 > rest.len() as u64 {
            return None;
        }
        for _ in 0..count {
            if map {
                walk(&Node::Bytes, rest, fields)?;
            }
            walk(item, rest, fields)?;
        }
    }
}

fn skip(rest: &mut &[u8], length: u64) -> Option<()> {
    *rest = rest.get(usize::try_from(length).ok()?..)?;
    Some(())
}

fn long(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// The datum behind the wire prefix, if there is one.
pub fn without_prefix(value: &[u8]) -> &[u8] {
    match value {
        [0, _, _, _, _, datum @ ..] => datum,
        [0xC3, 0x01, _, _, _, _, _, _, _, _, datum @ ..] => datum,
        datum => datum,
    }
}
