//! A schema as a flat list of nodes: named types stand there once, recursion is an edge back, and what the text says of a
//! number's meaning stands at its node.

use serde_json::Value as Json;

use super::logical::Logical;

pub(super) type NodeId = usize;

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
    /// The logical type stands beside the field's type instead of inside it: without meaning to Avro.
    pub misplaced: bool,
    pub names: Option<Names>,
}

#[derive(Debug)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    pub root: NodeId,
}

impl Graph {
    /// Whether all numbers of two schemas of the same canonical form mean the same.
    pub fn means_as(&self, other: &Graph) -> bool {
        self.nodes.iter().map(|node| &node.logical).eq(other.nodes.iter().map(|node| &node.logical))
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
        match &node.logical {
            Logical::None => base,
            logical => format!("{base} ({})", logical.name()),
        }
    }

    /// Records that contain themselves, directly or through others, for every node at once. Tarjan's strongly connected
    /// components (SIAM J. Comput. 1972), without recursion: in time linear in the schema.
    pub fn recursive(&self) -> Vec<bool> {
        const UNSEEN: usize = usize::MAX;
        let mut recursive = vec![false; self.nodes.len()];
        let (mut order, mut low) = (vec![UNSEEN; self.nodes.len()], vec![UNSEEN; self.nodes.len()]);
        let (mut seen, mut open) = (0, Vec::new());
        let mut path: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
        let mut next = Some(self.root);
        loop {
            if let Some(id) = next.take() {
                (order[id], low[id]) = (seen, seen);
                seen += 1;
                open.push(id);
                path.push((id, self.edges(id)));
            }
            let Some((id, edges)) = path.last_mut() else { break };
            let id = *id;
            if let Some(to) = edges.pop() {
                if order[to] == UNSEEN {
                    next = Some(to);
                } else {
                    // Finished components have the largest number there is, and count no more.
                    low[id] = low[id].min(low[to]);
                }
                continue;
            }
            path.pop();
            if let Some((from, _)) = path.last() {
                low[*from] = low[*from].min(low[id]);
            }
            if low[id] == order[id] {
                let first = open.iter().rposition(|&of| of == id).unwrap_or(0);
                let is_cycle = open.len() - first > 1 || self.edges(id).contains(&id);
                for member in open.drain(first..) {
                    recursive[member] = is_cycle && matches!(self.nodes[member].kind, Kind::Record(_));
                    low[member] = UNSEEN;
                }
            }
        }
        recursive
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
