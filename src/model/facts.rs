//! What an ONNX file says of itself: who wrote it, what it takes and answers, what it is made of. Read from its bytes; nothing
//! is opened, so a file that must not be opened is told about too.

use std::collections::BTreeMap;

use crate::model::fields::{entry, graph, model, node, opset, tensor};
use crate::model::outlets::Outlet;
use crate::model::wire::{Fields, Malformed, plain, text_of};

/// Entries of metadata that are kept.
const ENTRIES_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The exporter's name and version; empty where it says none.
    pub exporter: String,
    pub ir_version: u64,
    /// Domain and version; the empty domain is ONNX's own.
    pub opsets: Vec<(String, i64)>,
    pub doc: String,
    pub graph_doc: String,
    pub metadata: Vec<(String, String)>,
    /// Those that a caller gives: weights that the file lists as inputs too are left out.
    pub inputs: Vec<Outlet>,
    pub outputs: Vec<Outlet>,
    /// Operators of the graph with how often they stand there.
    pub operators: BTreeMap<String, usize>,
}

impl Facts {
    /// # Errors
    /// The bytes are no ONNX model.
    pub fn read(file: &[u8]) -> Result<Facts, Malformed> {
        let (mut facts, mut name, mut version) = (Facts::default(), String::new(), String::new());
        for field in Fields::new(file) {
            let field = field?;
            match field.number {
                model::IR_VERSION => facts.ir_version = field.varint()?,
                model::PRODUCER_NAME => name = plain(field.bytes()?),
                model::PRODUCER_VERSION => version = plain(field.bytes()?),
                model::DOC_STRING => facts.doc = plain(field.bytes()?),
                model::GRAPH => facts.graph(field.bytes()?)?,
                model::OPSET_IMPORT => facts.opsets.push(read_opset(field.bytes()?)?),
                model::METADATA if facts.metadata.len() < ENTRIES_MAX => {
                    let [key, value] = [entry::KEY, entry::VALUE].map(|number| bytes_of(field.bytes()?, number));
                    facts.metadata.push((plain(key?), plain(value?)));
                }
                _ => {}
            }
        }
        facts.exporter = format!("{name} {}", short_version(&version)).trim().to_owned();
        Ok(facts)
    }

    fn graph(&mut self, graph: &[u8]) -> Result<(), Malformed> {
        let mut weights = Vec::new();
        for field in Fields::new(graph) {
            let field = field?;
            match field.number {
                graph::NODE => {
                    let name = operator(field.bytes()?)?;
                    *self.operators.entry(name).or_default() += 1;
                }
                graph::DOC_STRING => self.graph_doc = plain(field.bytes()?),
                graph::INITIALIZER => weights.push(text_of(field.bytes()?, tensor::NAME)?),
                graph::INPUT => self.inputs.push(Outlet::read(field.bytes()?)?),
                graph::OUTPUT => self.outputs.push(Outlet::read(field.bytes()?)?),
                _ => {}
            }
        }
        weights.sort_unstable();
        self.inputs.retain(|input| weights.binary_search(&input.name).is_err());
        Ok(())
    }

    /// Whether an operator of this name stands in the graph.
    pub fn has_operator(&self, name: &str) -> bool {
        self.operators.contains_key(name)
    }

    /// The operators in a line, the most frequent first.
    pub fn operators_in_words(&self) -> String {
        let mut all: Vec<(&String, usize)> = self.operators.iter().map(|(name, count)| (name, *count)).collect();
        all.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        let words = |(name, count): (&String, usize)| match count {
            1 => name.clone(),
            many => format!("{name} ({many})"),
        };
        all.into_iter().map(words).collect::<Vec<_>>().join(", ")
    }

    /// The opsets in a line.
    pub fn opsets_in_words(&self) -> String {
        let words = |(domain, version): &(String, i64)| match domain.as_str() {
            "" | "ai.onnx" => format!("ONNX {version}"),
            other => format!("{other} {version}"),
        };
        self.opsets.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

/// CatBoost tells its whole history in the place of a version: the release is in it.
fn short_version(version: &str) -> &str {
    const WORDS_MAX: usize = 60;
    let release = version.split_whitespace().find_map(|word| word.strip_prefix("tags/v"));
    let first = version.trim().lines().next().unwrap_or_default();
    let end = first.char_indices().nth(WORDS_MAX).map_or(first.len(), |(at, _)| at);
    release.unwrap_or(&first[..end])
}

fn bytes_of(message: &[u8], number: u32) -> Result<&[u8], Malformed> {
    let mut found: &[u8] = &[];
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            found = field.bytes()?;
        }
    }
    Ok(found)
}

fn read_opset(message: &[u8]) -> Result<(String, i64), Malformed> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            opset::DOMAIN => domain = plain(field.bytes()?),
            opset::VERSION => version = field.varint()? as i64,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn operator(message: &[u8]) -> Result<String, Malformed> {
    let (domain, name) = (bytes_of(message, node::DOMAIN)?, bytes_of(message, node::OP_TYPE)?);
    Ok(match domain {
        b"" | b"ai.onnx" | b"ai.onnx.ml" => plain(name),
        other => format!("{}.{}", plain(other), plain(name)),
    })
}
