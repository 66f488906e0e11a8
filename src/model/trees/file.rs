//! The model file's bytes: tree nodes found, exchanged, and each put into a small model of its own.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::fields::{element, graph, model, node, opset};
use crate::model::nodes::value_info;
use crate::model::trees::alias::{aliases, inputs};
use crate::model::trees::attributes::Attributes;
use crate::model::trees::ensemble::{Ensemble, Unfit};
use crate::model::trees::operator::DOMAIN;
use crate::model::wire::{Fields, Malformed, put_bytes, put_number};

/// The domain of ONNX's own tree nodes.
const ONNX_ML: &str = "ai.onnx.ml";

/// A tree node of the top graph.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its field within the graph.
    range: Range<usize>,
    /// What that field holds.
    pub message: &'a [u8],
    op_type: &'a str,
    /// As far as they are of a kind that is read.
    pub attributes: Attributes<'a>,
    pub input: String,
    /// Others than that one.
    inputs_more: usize,
    pub outputs: Vec<String>,
    /// An attribute is of another kind.
    is_odd: bool,
}

/// A model file, cut where nodes are.
pub struct File<'a> {
    bytes: &'a [u8],
    graph: Range<usize>,
    graph_field: Range<usize>,
    pub found: Vec<Found<'a>>,
}

impl<'a> File<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<File<'a>, Malformed> {
        let mut file = File { bytes, graph: 0..0, graph_field: 0..0, found: Vec::new() };
        for field in Fields::new(bytes) {
            let field = field?;
            if field.number == model::GRAPH {
                file.graph = field.range.end - field.bytes()?.len()..field.range.end;
                file.graph_field = field.range;
            }
        }
        for field in Fields::new(&bytes[file.graph.clone()]) {
            let field = field?;
            if field.number == graph::NODE {
                file.found.extend(read_node(field.bytes()?, field.range)?);
            }
        }
        Ok(file)
    }

    /// Names under which a node's scores, and nothing but them, can be asked of the graph; none where its rows are not the
    /// graph's own.
    pub fn names_of_scores(&self, found: &Found<'_>) -> Result<BTreeSet<String>, Malformed> {
        let graph = &self.bytes[self.graph.clone()];
        match found.outputs.last() {
            Some(scores) if inputs(graph)?.contains(&found.input) => aliases(graph, scores),
            _ => Ok(BTreeSet::new()),
        }
    }

    /// Whether a node's rows are those that the graph is given, as they are.
    pub fn reads_input(&self, found: &Found<'_>) -> Result<bool, Malformed> {
        let graph = &self.bytes[self.graph.clone()];
        for name in inputs(graph)? {
            if aliases(graph, &name)?.contains(&found.input) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The file with some nodes exchanged for operators of [`DOMAIN`]; each with its operator's name.
    pub fn exchange(&self, exchanged: &[(&Found<'_>, &str)]) -> Vec<u8> {
        let graph = &self.bytes[self.graph.clone()];
        let mut changed = Vec::with_capacity(graph.len());
        let mut at = 0;
        for (found, operator) in exchanged {
            changed.extend_from_slice(&graph[at..found.range.start]);
            put_bytes(&mut changed, graph::NODE, &found.as_operator(operator));
            at = found.range.end;
        }
        changed.extend_from_slice(&graph[at..]);
        let mut file = self.bytes[..self.graph_field.start].to_vec();
        put_bytes(&mut file, model::GRAPH, &changed);
        file.extend_from_slice(&self.bytes[self.graph_field.end..]);
        put_opset(&mut file);
        file
    }

    /// A model that is one node alone, on rows of `width` values: `node` stands in for `found`, or is its own message.
    pub fn alone(&self, found: &Found<'_>, width: usize, node: &[u8]) -> Vec<u8> {
        let mut inner = Vec::new();
        put_bytes(&mut inner, graph::NODE, node);
        put_bytes(&mut inner, graph::NAME, b"trees");
        let rows = value_info(&found.input, element::FLOAT, None, Some(width));
        put_bytes(&mut inner, graph::INPUT, &rows);
        for (index, output) in found.outputs.iter().enumerate() {
            let is_label = index + 1 < found.outputs.len();
            let element = if is_label { element::INT64 } else { element::FLOAT };
            put_bytes(&mut inner, graph::OUTPUT, &value_info(output, element, None, None));
        }
        let mut file = Vec::new();
        for field in Fields::new(self.bytes).flatten() {
            if [model::IR_VERSION, model::OPSET_IMPORT].contains(&field.number) {
                file.extend_from_slice(&self.bytes[field.range]);
            }
        }
        put_opset(&mut file);
        put_bytes(&mut file, model::GRAPH, &inner);
        file
    }
}

impl Found<'_> {
    fn head(&self, op_type: &str, domain: &str) -> Vec<u8> {
        let mut node = Vec::new();
        put_bytes(&mut node, node::INPUT, self.input.as_bytes());
        for output in &self.outputs {
            put_bytes(&mut node, node::OUTPUT, output.as_bytes());
        }
        put_bytes(&mut node, node::OP_TYPE, op_type.as_bytes());
        put_bytes(&mut node, node::DOMAIN, domain.as_bytes());
        node
    }

    /// The node's trees. A large forest's take seconds to read: it is asked for once.
    pub fn ensemble(&self) -> Result<Ensemble, Unfit> {
        if self.is_odd {
            return Err(Unfit("has an attribute of an unexpected kind".to_owned()));
        }
        let ensemble = Ensemble::read(self.op_type, &self.attributes)?;
        let wanted = if self.op_type == "TreeEnsembleClassifier" { 2 } else { 1 };
        let (outputs, has_input) = (&self.outputs, !self.input.is_empty() && self.inputs_more == 0);
        match has_input && outputs.len() == wanted && outputs.iter().all(|output| !output.is_empty()) {
            true => Ok(ensemble),
            false => Err(Unfit("has other inputs and outputs than usual".to_owned())),
        }
    }

    /// The node as an operator of [`DOMAIN`].
    pub fn as_operator(&self, operator: &str) -> Vec<u8> {
        self.head(operator, DOMAIN)
    }

    /// The node cut into several of `part_trees` trees each, whose scores are their bare sums.
    pub fn cut(&self, part_trees: usize) -> Vec<Vec<u8>> {
        let mut parts = self.attributes.cut(part_trees, "post_transform");
        for part in &mut parts {
            part.extend_from_slice(&self.head(self.op_type, ONNX_ML));
        }
        parts
    }
}

/// Whether a node is one of ONNX's own tree ensembles.
pub fn is_tree_node(domain: &str, op_type: &str) -> bool {
    domain == ONNX_ML && op_type.starts_with("TreeEnsemble")
}

fn read_node(bytes: &[u8], range: Range<usize>) -> Result<Option<Found<'_>>, Malformed> {
    let (mut op_type, mut domain, mut inputs, mut outputs) = ("", "", Vec::new(), Vec::new());
    let mut messages = Vec::new();
    for part in Fields::new(bytes) {
        let part = part?;
        match part.number {
            node::INPUT => inputs.push(part.text()?.to_owned()),
            node::OUTPUT => outputs.push(part.text()?.to_owned()),
            node::OP_TYPE => op_type = part.text()?,
            node::DOMAIN => domain = part.text()?,
            node::ATTRIBUTE => messages.push(part.bytes()?),
            _ => {}
        }
    }
    if !is_tree_node(domain, op_type) {
        return Ok(None);
    }
    let mut attributes = Attributes::default();
    let is_odd = messages.into_iter().filter(|message| attributes.add(message).is_err()).count() > 0;
    let inputs_more = inputs.len().saturating_sub(1);
    let input = inputs.into_iter().next().unwrap_or_default();
    Ok(Some(Found { range, message: bytes, op_type, attributes, input, inputs_more, outputs, is_odd }))
}

fn put_opset(file: &mut Vec<u8>) {
    let mut opset = Vec::new();
    put_bytes(&mut opset, opset::DOMAIN, DOMAIN.as_bytes());
    put_number(&mut opset, opset::VERSION, 1);
    put_bytes(file, model::OPSET_IMPORT, &opset);
}
