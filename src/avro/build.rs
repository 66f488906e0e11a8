//! From a schema's JSON to its graph, as leniently as Java reads a schema that is registered: names may hold any
//! character, a writer's defaults are not judged, and attributes that the specification does not define may have any
//! value.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::graph::{Field, Graph, Kind, Names, Node, NodeId};
use super::logical::Logical;

/// Types of one schema at most, each mention and each alias of one counted; real schemas have some hundreds.
const TYPES_MAX: usize = 100_000;
/// Bytes of a type's full name at most: its namespace is repeated with each of them.
const NAME_BYTES_MAX: usize = 512;
/// Types within each other at most; the JSON's own depth is bounded too, and references add to it.
const DEPTH_MAX: usize = 256;
/// A larger `fixed` is a mistake: no payload could hold it.
const FIXED_BYTES_MAX: u64 = 1 << 30;

/// Finds the definition of a type that a schema only names, by its full name.
pub(super) type Elsewhere<'a> = dyn Fn(&str) -> Result<Option<Json>, String> + 'a;

/// # Errors
/// A sentence that names the type or the field.
pub(super) fn graph(json: &Json, elsewhere: &Elsewhere<'_>) -> Result<Graph, String> {
    let (nodes, named, path) = (Vec::new(), HashMap::new(), Vec::new());
    let mut builder = Builder { nodes, named, types: 0, path, depth: 0, elsewhere };
    let root = builder.add(json, "").map_err(|what| match &builder.path[..] {
        [] => what,
        path => format!("{what} (at {})", path.join(".")),
    })?;
    Ok(Graph { nodes: builder.nodes, root })
}

struct Builder<'a> {
    nodes: Vec<Node>,
    /// By full name. Aliases name types of other schemas, never one of this.
    named: HashMap<String, NodeId>,
    /// Mentions and aliases so far.
    types: usize,
    /// Names of records and fields down to the place that is read, for messages: not undone on the way out of an error.
    path: Vec<String>,
    depth: usize,
    elsewhere: &'a Elsewhere<'a>,
}

impl Builder<'_> {
    /// `space` is the namespace around.
    fn add(&mut self, json: &Json, space: &str) -> Result<NodeId, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("its types are nested deeper than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let id = match json {
            Json::String(name) => self.name(name, space),
            Json::Array(branches) => self.union(branches, space),
            Json::Object(attributes) => self.object(attributes, space),
            other => Err(format!("{other} is no type")),
        }?;
        self.depth -= 1;
        Ok(id)
    }

    /// A primitive type, or one that is defined before, around or elsewhere.
    fn name(&mut self, name: &str, space: &str) -> Result<NodeId, String> {
        if let Some(kind) = primitive(name) {
            return self.push(kind, Logical::None);
        }
        let full = qualified(name, space)?;
        self.count(1)?;
        // Java looks without the namespace too.
        for full in [full.as_str(), name] {
            if let Some(&id) = self.named.get(full) {
                return Ok(id);
            }
            if let Some(definition) = (self.elsewhere)(full)? {
                return self.add(&definition, "");
            }
        }
        Err(format!("type {full} is used and nowhere defined"))
    }

    fn union(&mut self, branches: &[Json], space: &str) -> Result<NodeId, String> {
        let ids = branches.iter().map(|branch| self.add(branch, space)).collect::<Result<Vec<_>, _>>()?;
        if ids.iter().any(|&id| matches!(self.nodes[id].kind, Kind::Union(_))) {
            return Err("a union stands directly within a union".into());
        }
        self.push(Kind::Union(ids), Logical::None)
    }

    fn object(&mut self, attributes: &Map<String, Json>, space: &str) -> Result<NodeId, String> {
        let name = match attributes.get("type") {
            None => return Err("a type has no attribute \"type\"".into()),
            Some(Json::String(name)) => name.as_str(),
            // {"type": {"type": "long"}, ...}
            Some(inner) => {
                let id = self.add(inner, space)?;
                self.beside(id, inner, attributes);
                return Ok(id);
            }
        };
        match name {
            "record" | "error" => self.record(attributes, space),
            "enum" => {
                let symbols = texts(attributes.get("symbols")).ok_or("an enum's \"symbols\" are no list of texts")?;
                let default = attributes.get("default").and_then(Json::as_str).map(str::to_owned);
                self.define(attributes, space, Kind::Enum { symbols, default })
            }
            "fixed" => {
                let size = attributes.get("size").and_then(size).ok_or("a fixed's \"size\" is no number of bytes")?;
                let bytes = u32::try_from(size).ok().filter(|_| size <= FIXED_BYTES_MAX);
                let bytes = bytes.ok_or_else(|| format!("a fixed of {size} bytes is larger than any payload"))?;
                self.define(attributes, space, Kind::Fixed(bytes))
            }
            "array" => {
                let items = self.add(attributes.get("items").ok_or("an array has no \"items\"")?, space)?;
                self.push(Kind::Array(items), Logical::None)
            }
            "map" => {
                let values = self.add(attributes.get("values").ok_or("a map has no \"values\"")?, space)?;
                self.push(Kind::Map(values), Logical::None)
            }
            name => match primitive(name) {
                Some(kind) => {
                    let logical = Logical::of(&kind, attributes);
                    self.push(kind, logical)
                }
                None => self.name(name, space),
            },
        }
    }

    fn record(&mut self, attributes: &Map<String, Json>, space: &str) -> Result<NodeId, String> {
        // The name must be known before the fields are: they may refer to it.
        let id = self.define(attributes, space, Kind::Null)?;
        let full = self.nodes[id].names.as_ref().map_or_else(String::new, |names| names.full.clone());
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        let written = attributes.get("fields").and_then(Json::as_array);
        let written = written.ok_or_else(|| format!("record {full} has no list of \"fields\""))?;
        let depth = self.path.len();
        let mut fields = Vec::with_capacity(written.len());
        for (place, field) in written.iter().enumerate() {
            let name = field.get("name").and_then(Json::as_str);
            let name = name.ok_or_else(|| format!("field {} of record {full} has no name", place + 1))?;
            if depth == 0 {
                self.path.push(full.clone());
            }
            self.path.push(name.to_owned());
            fields.push(self.field(name, field, space)?);
            self.path.truncate(depth);
        }
        let kinds = [0, 1, 2].map(|at| fields.get(at).map(|of| (of.name.as_str(), &self.nodes[of.node].kind)));
        let connect_name = attributes.get("connect.name").and_then(Json::as_str);
        self.nodes[id].logical = Logical::of_record(&full, kinds, connect_name);
        self.nodes[id].kind = Kind::Record(fields);
        Ok(id)
    }

    fn field(&mut self, name: &str, field: &Json, space: &str) -> Result<Field, String> {
        let kind = field.get("type").ok_or("the field has no \"type\"")?;
        let node = self.add(kind, space)?;
        if let Some(attributes) = field.as_object() {
            self.beside(node, kind, attributes);
        }
        let aliases = texts(field.get("aliases")).unwrap_or_default();
        Ok(Field { name: name.to_owned(), aliases, default: field.get("default").cloned(), node })
    }

    /// What is written beside a type instead of inside it. Its author meant it, so it has to agree with what the other
    /// schema says. A type that is only named here is not touched: others name it too.
    fn beside(&mut self, id: NodeId, written: &Json, attributes: &Map<String, Json>) {
        let (id, written) = match (&self.nodes[id].kind, written) {
            (Kind::Union(branches), Json::Array(written)) => {
                let mut others = (0..branches.len()).filter(|&at| !matches!(self.nodes[branches[at]].kind, Kind::Null));
                let (Some(at), None) = (others.next(), others.next()) else { return };
                (branches[at], &written[at])
            }
            _ => (id, written),
        };
        let node = &mut self.nodes[id];
        let is_reference = node.names.is_some() && !written.is_object();
        let said = Logical::of(&node.kind, attributes);
        if is_reference || said == Logical::None {
            return;
        }
        node.misplaced = node.logical == Logical::None;
        let inside = std::mem::replace(&mut node.logical, Logical::None);
        node.logical = inside.with(said);
    }

    /// A named type.
    fn define(&mut self, attributes: &Map<String, Json>, space: &str, kind: Kind) -> Result<NodeId, String> {
        let name = attributes.get("name").and_then(Json::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or("a record, enum or fixed has no name")?;
        let space = attributes.get("namespace").and_then(Json::as_str).unwrap_or(space);
        let full = qualified(name, space)?;
        if self.named.contains_key(&full) {
            return Err(format!("type {full} is defined twice"));
        }
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        let aliases = texts(attributes.get("aliases")).unwrap_or_default();
        self.count(aliases.len())?;
        let aliases = aliases.iter().map(|alias| qualified(alias, space)).collect::<Result<_, _>>()?;
        let logical = Logical::of(&kind, attributes);
        let id = self.push(kind, logical)?;
        self.named.insert(full.clone(), id);
        self.nodes[id].names = Some(Names { full, aliases });
        Ok(id)
    }

    fn push(&mut self, kind: Kind, logical: Logical) -> Result<NodeId, String> {
        self.count(1)?;
        self.nodes.push(Node { kind, logical, misplaced: false, names: None });
        Ok(self.nodes.len() - 1)
    }

    fn count(&mut self, types: usize) -> Result<(), String> {
        self.types += types;
        if self.types > TYPES_MAX {
            return Err(format!("the schema has more than {TYPES_MAX} types"));
        }
        Ok(())
    }
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// A name with a dot in it is a full one.
fn qualified(name: &str, space: &str) -> Result<String, String> {
    if name.len() + space.len() > NAME_BYTES_MAX {
        return Err(format!("a type's name is longer than {NAME_BYTES_MAX} bytes"));
    }
    Ok(match name.strip_prefix('.') {
        Some(bare) if !bare.contains('.') => bare.to_owned(),
        _ if name.contains('.') || space.is_empty() => name.to_owned(),
        _ => format!("{space}.{name}"),
    })
}

fn texts(value: Option<&Json>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A number of bytes; some writers spell it as text.
fn size(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
