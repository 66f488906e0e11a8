//! A look into an ONNX file before ONNX Runtime opens it: what must not be in there (data in other files, operators
//! from elsewhere), and ZipMap outputs, which are taken off.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::classes::{self, Class};
use crate::model::columns::Origins;
use crate::model::fields::{attribute, function, graph, model, node, sparse_tensor, tensor, value_info};
use crate::model::outlets::Outlet;
use crate::model::problem::{Problems, list};
use crate::model::trees::{Hostile, descent, is_tree_node};
use crate::model::wire::{Field, Fields, Malformed, put_bytes, text_of};

/// Operators that come with every build of ONNX Runtime. Others would have to be loaded from a library beside the
/// model, which the model's hash says nothing about.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Graphs within attributes of nodes (`If`, `Loop`) nest; deeper than this is no model.
const DEPTH_MAX: u32 = 16;

/// A node that turns a tensor of probabilities into a list of maps from class to probability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipMap {
    /// The tensor, `[N, C]`.
    pub input: String,
    /// The list of maps.
    pub output: String,
    /// The node's field within the graph.
    node: Range<usize>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The graph's bytes within the file.
    graph: Range<usize>,
    graph_field: Range<usize>,
    pub zip_maps: Vec<ZipMap>,
    /// Names of the graph's outputs with their fields within the graph.
    pub outputs: BTreeMap<String, Range<usize>>,
    /// As the graph declares them, in its order, without those that have values of their own.
    pub inputs: Vec<Outlet>,
    /// Declarations of the graph's outputs, in its order.
    pub outlets: Vec<Outlet>,
    /// By nodes, in whatever graph or function. What a file imports and no node uses changes nothing: ONNX Runtime's own
    /// optimiser writes the imports of all domains it knows.
    domains_used: BTreeSet<String>,
    /// Domains of functions that the file itself defines: inlined, so no foreign code.
    domains_defined: BTreeSet<String>,
    /// Tensors whose data stand in other files.
    pub external: BTreeSet<String>,
    /// Nodes that hold a compiled blob or a path to one, for one vendor's provider.
    pub compiled_contexts: bool,
    /// Tree nodes that ONNX Runtime would not survive, each by its name or its output's.
    pub hostile_trees: Vec<(String, Hostile)>,
}

/// Reads a file's structure. `Err` when it is not an ONNX model.
pub fn inspect(file: &[u8]) -> Result<Inspection, Malformed> {
    let mut found = Inspection::default();
    let mut graphs = 0;
    for field in Fields::new(file) {
        let field = field?;
        match field.number {
            model::GRAPH => {
                let bytes = field.bytes()?;
                graphs += 1;
                found.graph = field.range.end - bytes.len()..field.range.end;
                found.graph_field = field.range.clone();
                found.top_graph(bytes)?;
                found.walk_graph(bytes, 0)?;
            }
            model::FUNCTIONS => found.walk_function(field.bytes()?)?,
            _ => {}
        }
    }
    // Protobuf would merge several graphs into one; no exporter writes that, and it would hide nodes from a reader.
    if graphs != 1 {
        return Err(Malformed);
    }
    Ok(found)
}

impl Inspection {
    /// Domains that the file needs and that neither ONNX Runtime nor the file itself brings.
    pub fn unknown_domains(&self) -> Vec<&str> {
        let used = self.domains_used.iter().filter(|domain| !self.domains_defined.contains(*domain));
        used.map(String::as_str).filter(|domain| !DOMAINS.contains(domain)).collect()
    }

    /// What ONNX Runtime must not be given.
    pub fn check(&self, place: &str, problems: &mut Problems) {
        if !self.external.is_empty() {
            let names = list(self.external.iter().map(String::as_str));
            let fix = "export with all weights inside: onnx.save(model, path, save_as_external_data=False)";
            problems.add(place, format!("keeps data in other files, which no hash covers: {names}"), fix);
        }
        let unknown = self.unknown_domains();
        if !unknown.is_empty() {
            let fix = "export with standard operators only (ai.onnx, ai.onnx.ml, com.microsoft)";
            problems.add(place, format!("needs operators of unknown domains: {}", list(unknown.into_iter())), fix);
        }
        for (name, hostile) in &self.hostile_trees {
            problems.add(place, format!("its tree ensemble `{name}` {}", hostile.what), hostile.fix);
        }
        if self.compiled_contexts {
            problems.add(place, "holds a compiled context of one provider", "export the plain model instead");
        }
    }

    /// The ZipMap behind a graph output.
    pub fn zip_map(&self, output: &str) -> Option<&ZipMap> {
        self.zip_maps.iter().find(|zip_map| zip_map.output == output)
    }

    /// The names of an output's columns, as far as the graph has some.
    pub fn classes(&self, output: &str, file: &[u8]) -> Vec<Class> {
        classes::of(&file[self.graph.clone()], output).unwrap_or_default()
    }

    /// What is known of the columns of its inputs; nothing where the graph is odd.
    pub fn origins(&self, file: &[u8]) -> Origins {
        Origins::of(&file[self.graph.clone()], &self.inputs).unwrap_or_default()
    }

    /// The file without `zip_map`: its node and its output leave, the tensor it read becomes the output.
    pub fn without(&self, zip_map: &ZipMap, file: &[u8]) -> Vec<u8> {
        let graph = &file[self.graph.clone()];
        let mut kept = Vec::with_capacity(graph.len() + 64);
        let mut left_out = vec![zip_map.node.clone()];
        left_out.extend(self.outputs.get(&zip_map.output).cloned());
        left_out.sort_by_key(|range| range.start);
        let mut at = 0;
        for range in left_out {
            kept.extend_from_slice(&graph[at..range.start]);
            at = range.end;
        }
        kept.extend_from_slice(&graph[at..]);
        if !self.outputs.contains_key(&zip_map.input) {
            let mut output = Vec::new();
            put_bytes(&mut output, value_info::NAME, zip_map.input.as_bytes());
            put_bytes(&mut kept, graph::OUTPUT, &output);
        }
        let mut without = file[..self.graph_field.start].to_vec();
        put_bytes(&mut without, model::GRAPH, &kept);
        without.extend_from_slice(&file[self.graph_field.end..]);
        without
    }

    fn top_graph(&mut self, graph: &[u8]) -> Result<(), Malformed> {
        let mut given = BTreeSet::new();
        for field in Fields::new(graph) {
            let field = field?;
            match field.number {
                graph::NODE => self.zip_maps.extend(zip_map(&field)?),
                graph::OUTPUT => {
                    self.outlets.push(Outlet::read(field.bytes()?)?);
                    self.outputs.insert(text_of(field.bytes()?, value_info::NAME)?, field.range);
                }
                graph::INPUT => self.inputs.push(Outlet::read(field.bytes()?)?),
                graph::INITIALIZER => drop(given.insert(text_of(field.bytes()?, tensor::NAME)?)),
                _ => {}
            }
        }
        self.inputs.retain(|input| !given.contains(&input.name));
        Ok(())
    }

    fn walk_graph(&mut self, graph: &[u8], depth: u32) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        for field in Fields::new(graph) {
            let field = field?;
            match field.number {
                graph::NODE => self.walk_node(field.bytes()?, depth)?,
                graph::INITIALIZER => self.walk_tensor(field.bytes()?)?,
                graph::SPARSE_INITIALIZER => self.walk_sparse(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn walk_function(&mut self, function: &[u8]) -> Result<(), Malformed> {
        for field in Fields::new(function) {
            let field = field?;
            match field.number {
                function::NODE => self.walk_node(field.bytes()?, 0)?,
                function::DOMAIN => {
                    self.domains_defined.insert(field.text()?.to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn walk_node(&mut self, node: &[u8], depth: u32) -> Result<(), Malformed> {
        let (mut domain, mut op_type, mut name, mut output) = ("", "", "", "");
        for field in Fields::new(node) {
            let field = field?;
            match field.number {
                node::ATTRIBUTE => self.walk_attribute(field.bytes()?, depth)?,
                node::DOMAIN => domain = field.text()?,
                node::OP_TYPE => op_type = field.text()?,
                node::NAME => name = field.text()?,
                node::OUTPUT => output = field.text()?,
                _ => {}
            }
        }
        self.domains_used.insert(domain.to_owned());
        self.compiled_contexts |= op_type == "EPContext";
        if is_tree_node(domain, op_type)
            && let Some(hostile) = descent::check(op_type, node)?
        {
            let name = if name.is_empty() { output } else { name };
            self.hostile_trees.push((name.to_owned(), hostile));
        }
        Ok(())
    }

    fn walk_attribute(&mut self, attribute: &[u8], depth: u32) -> Result<(), Malformed> {
        for field in Fields::new(attribute) {
            let field = field?;
            match field.number {
                attribute::TENSOR | attribute::TENSORS => self.walk_tensor(field.bytes()?)?,
                attribute::GRAPH | attribute::GRAPHS => self.walk_graph(field.bytes()?, depth + 1)?,
                attribute::SPARSE_TENSOR | attribute::SPARSE_TENSORS => self.walk_sparse(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn walk_sparse(&mut self, sparse: &[u8]) -> Result<(), Malformed> {
        for field in Fields::new(sparse) {
            let field = field?;
            if [sparse_tensor::VALUES, sparse_tensor::INDICES].contains(&field.number) {
                self.walk_tensor(field.bytes()?)?;
            }
        }
        Ok(())
    }

    fn walk_tensor(&mut self, tensor: &[u8]) -> Result<(), Malformed> {
        let (mut name, mut external) = ("", false);
        for field in Fields::new(tensor) {
            let field = field?;
            match field.number {
                tensor::NAME => name = field.text()?,
                tensor::EXTERNAL_DATA => external = true,
                tensor::DATA_LOCATION => external |= field.varint()? != 0,
                _ => {}
            }
        }
        if external {
            self.external.insert(name.to_owned());
        }
        Ok(())
    }
}

fn zip_map(field: &Field<'_>) -> Result<Option<ZipMap>, Malformed> {
    let (mut op_type, mut input, mut output) = ("", String::new(), String::new());
    for part in Fields::new(field.bytes()?) {
        let part = part?;
        match part.number {
            node::INPUT => input = part.text()?.to_owned(),
            node::OUTPUT => output = part.text()?.to_owned(),
            node::OP_TYPE => op_type = part.text()?,
            _ => {}
        }
    }
    Ok((op_type == "ZipMap").then(|| ZipMap { input, output, node: field.range.clone() }))
}
