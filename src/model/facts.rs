//! What an ONNX file says of itself: who wrote it, what it takes and answers, what it is made of. Read from its bytes; nothing
//! is opened, so a file that must not be opened is told about too.

use std::collections::BTreeMap;

use crate::model::fields::{element, entry, graph, model, node, opset, tensor, value_info};
use crate::model::wire::{Fields, Malformed, Value, text_of};

/// Entries of metadata that are kept, and characters of each text: what is told must fit a screen.
const ENTRIES_MAX: usize = 256;
const TEXT_CHARS_MAX: usize = 1 << 20;

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

/// An input or output of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlet {
    pub name: String,
    pub doc: String,
    pub shape: Shape,
}

/// What goes through it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The element type's number, and the dimensions where they are declared.
    Tensor(u64, Option<Vec<Dimension>>),
    /// A list: of maps from class to probability, mostly.
    List,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Dimension {
    Size(u64),
    /// Any, with the name that the exporter gave it.
    Named(String),
    Any,
}

impl Outlet {
    /// As people write it: `float32 [N, 15]`.
    pub fn describe(&self) -> String {
        match &self.shape {
            Shape::Tensor(element, dimensions) => {
                let dimension = |dimension: &Dimension| match dimension {
                    Dimension::Size(size) => size.to_string(),
                    Dimension::Named(name) => name.clone(),
                    Dimension::Any => "?".to_owned(),
                };
                let shape = match dimensions {
                    None => "of any shape".to_owned(),
                    Some(all) => format!("[{}]", all.iter().map(dimension).collect::<Vec<_>>().join(", ")),
                };
                format!("{} {shape}", element_name(*element))
            }
            Shape::List => "a list (ZipMap: one map from class to probability for each row)".to_owned(),
            Shape::Unknown => "of a type that is not declared".to_owned(),
        }
    }

    pub fn element(&self) -> Option<u64> {
        match &self.shape {
            Shape::Tensor(element, _) => Some(*element),
            Shape::List | Shape::Unknown => None,
        }
    }

    pub fn dimensions(&self) -> Option<&[Dimension]> {
        match &self.shape {
            Shape::Tensor(_, dimensions) => dimensions.as_deref(),
            Shape::List | Shape::Unknown => None,
        }
    }

    /// Whether it is a tensor of floats.
    pub fn is_float(&self) -> bool {
        matches!(self.element(), Some(element::FLOAT | element::DOUBLE))
    }
}

/// An element type's name, as NumPy has it.
pub fn element_name(element: u64) -> &'static str {
    const NAMES: [&str; 17] = [
        "undefined",
        "float32",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "float64",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    usize::try_from(element).ok().and_then(|element| NAMES.get(element).copied()).unwrap_or("another type")
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
                graph::INPUT => self.inputs.push(outlet(field.bytes()?)?),
                graph::OUTPUT => self.outputs.push(outlet(field.bytes()?)?),
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

/// Text from a file that may hold anything, for a screen.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(TEXT_CHARS_MAX).map(|char| if char.is_control() && char != '\n' { ' ' } else { char }).collect()
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

fn outlet(message: &[u8]) -> Result<Outlet, Malformed> {
    let (mut name, mut doc, mut shape) = (String::new(), String::new(), Shape::Unknown);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            value_info::NAME => name = field.text()?.to_owned(),
            value_info::DOC_STRING => doc = plain(field.bytes()?),
            value_info::TYPE => {
                for kind in Fields::new(field.bytes()?) {
                    let kind = kind?;
                    match kind.number {
                        value_info::TENSOR => shape = read_tensor(kind.bytes()?)?,
                        value_info::SEQUENCE => shape = Shape::List,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Outlet { name, doc, shape })
}

fn read_tensor(message: &[u8]) -> Result<Shape, Malformed> {
    let (mut element, mut dimensions) = (0, None);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            value_info::ELEMENT => element = field.varint()?,
            value_info::SHAPE => {
                let mut all = Vec::new();
                for part in Fields::new(field.bytes()?) {
                    let part = part?;
                    if part.number == value_info::DIMENSION {
                        all.push(read_dimension(part.bytes()?)?);
                    }
                }
                dimensions = Some(all);
            }
            _ => {}
        }
    }
    Ok(Shape::Tensor(element, dimensions))
}

fn read_dimension(message: &[u8]) -> Result<Dimension, Malformed> {
    let mut dimension = Dimension::Any;
    for field in Fields::new(message) {
        let field = field?;
        dimension = match (field.number, field.value) {
            // Exporters write -1 and 0 for any.
            (value_info::SIZE, Value::Varint(size)) if (1..=i64::MAX as u64).contains(&size) => Dimension::Size(size),
            (value_info::SYMBOL, Value::Bytes(name)) if !name.is_empty() => Dimension::Named(plain(name)),
            _ => dimension,
        };
    }
    Ok(dimension)
}
