//! ONNX files by hand, for models that no exporter writes. Field numbers are those of `onnx.proto`.

use super::{Draft, data, sha256};

pub fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

pub fn bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A file whose metadata hold an entry more: fields of a message may stand in any order.
pub fn with_metadata(model: &[u8], key: &str, value: &str) -> Vec<u8> {
    let (mut entry, mut file) = (Vec::new(), model.to_vec());
    bytes(&mut entry, 1, key.as_bytes());
    bytes(&mut entry, 2, value.as_bytes());
    bytes(&mut file, 14, &entry);
    file
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An attribute's value.
pub enum Value {
    Int(i64),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<&'static str>),
    /// A tensor of floats.
    Numbers(Vec<f32>),
    /// A tensor of bytes.
    Bytes(Vec<u8>),
    Graph(Vec<u8>),
    /// The attribute of the function around it.
    Of(&'static str, u64),
}

pub type Named = (&'static str, Value);

fn attribute((name, value): &Named) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, name.as_bytes());
    let kind = match value {
        Value::Int(value) => {
            number(&mut out, 3, *value as u64);
            2
        }
        Value::Ints(values) => {
            values.iter().for_each(|value| number(&mut out, 8, *value as u64));
            7
        }
        Value::Floats(values) => {
            bytes(&mut out, 7, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
            6
        }
        Value::Texts(texts) => {
            texts.iter().for_each(|text| bytes(&mut out, 9, text.as_bytes()));
            8
        }
        Value::Numbers(values) => {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            bytes(&mut out, 5, &tensor(1, values.len(), &raw));
            4
        }
        Value::Bytes(values) => {
            bytes(&mut out, 5, &tensor(2, values.len(), values));
            4
        }
        Value::Graph(graph) => {
            bytes(&mut out, 6, graph);
            5
        }
        Value::Of(name, kind) => {
            bytes(&mut out, 21, name.as_bytes());
            *kind
        }
    };
    number(&mut out, 20, kind);
    out
}

fn tensor(element: u64, len: usize, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, 1, len as u64);
    number(&mut out, 2, element);
    bytes(&mut out, 9, raw);
    out
}

pub fn node(domain: &str, op_type: &str, inputs: &[&str], outputs: &[&str], attributes: &[Named]) -> Vec<u8> {
    let mut out = Vec::new();
    inputs.iter().for_each(|name| bytes(&mut out, 1, name.as_bytes()));
    outputs.iter().for_each(|name| bytes(&mut out, 2, name.as_bytes()));
    bytes(&mut out, 4, op_type.as_bytes());
    attributes.iter().for_each(|named| bytes(&mut out, 5, &attribute(named)));
    bytes(&mut out, 7, domain.as_bytes());
    out
}

/// A tensor of floats without a shape.
fn outlet(name: &str) -> Vec<u8> {
    typed(name, 1, None)
}

/// A tensor of some type; of some shape, whose open sizes are `None`.
pub fn typed(name: &str, of: u64, sizes: Option<&[Option<u64>]>) -> Vec<u8> {
    let (mut element, mut kind, mut out) = (Vec::new(), Vec::new(), Vec::new());
    number(&mut element, 1, of);
    if let Some(sizes) = sizes {
        let mut shape = Vec::new();
        for size in sizes {
            let mut dimension = Vec::new();
            match size {
                Some(size) => number(&mut dimension, 1, *size),
                None => bytes(&mut dimension, 2, b"N"),
            }
            bytes(&mut shape, 1, &dimension);
        }
        bytes(&mut element, 2, &shape);
    }
    bytes(&mut kind, 1, &element);
    bytes(&mut out, 1, name.as_bytes());
    bytes(&mut out, 2, &kind);
    out
}

pub fn graph(nodes: &[Vec<u8>], inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let outlets = |names: &[&str]| names.iter().map(|name| outlet(name)).collect::<Vec<_>>();
    graph_of(nodes, &outlets(inputs), &outlets(outputs))
}

/// The same, with what it is given and answers as [`typed`] has it.
pub fn graph_of(nodes: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    nodes.iter().for_each(|node| bytes(&mut out, 1, node));
    bytes(&mut out, 2, b"graph");
    inputs.iter().for_each(|input| bytes(&mut out, 11, input));
    outputs.iter().for_each(|output| bytes(&mut out, 12, output));
    out
}

fn opset(domain: &str, version: u64) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, domain.as_bytes());
    number(&mut out, 2, version);
    out
}

/// A function of the domain `local`, from `x` to `y`, that imports `opsets`.
pub fn function(name: &str, attributes: &[&str], nodes: &[Vec<u8>], opsets: &[(&str, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, name.as_bytes());
    bytes(&mut out, 4, b"x");
    bytes(&mut out, 5, b"y");
    attributes.iter().for_each(|name| bytes(&mut out, 6, name.as_bytes()));
    nodes.iter().for_each(|node| bytes(&mut out, 7, node));
    opsets.iter().for_each(|(domain, version)| bytes(&mut out, 9, &opset(domain, *version)));
    bytes(&mut out, 10, b"local");
    out
}

pub fn model(graph: &[u8], opsets: &[(&str, u64)], functions: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, 1, 9);
    bytes(&mut out, 7, graph);
    opsets.iter().for_each(|(domain, version)| bytes(&mut out, 8, &opset(domain, *version)));
    functions.iter().for_each(|function| bytes(&mut out, 25, function));
    out
}

/// The model with one node more, from a tensor of its graph to a new output.
pub fn put_behind(file: &[u8], input: &str, op_type: &str, output: &str) -> Vec<u8> {
    let mut more = Vec::new();
    bytes(&mut more, 1, &node("", op_type, &[input], &[output], &[]));
    bytes(&mut more, 12, &outlet(output));
    let (mut at, mut out) = (0, Vec::new());
    while at < file.len() {
        let start = at;
        let tag = read_varint(file, &mut at);
        let len = read_varint(file, &mut at) as usize;
        let body = if tag & 7 == 2 { len } else { 0 };
        match tag >> 3 {
            7 => bytes(&mut out, 7, &[&file[at..at + body], &more].concat()),
            _ => out.extend_from_slice(&file[start..at + body]),
        }
        at += body;
    }
    out
}

fn read_varint(file: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = file[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// A package around a model from `input` to `y`, which scores 0.5 whatever it is given.
pub fn package(model: &[u8]) -> Draft {
    let draft = Draft::new("mlp", "y", None);
    let before = sha256(&std::fs::read(data("mlp.onnx")).unwrap());
    std::fs::write(draft.path().join("model.onnx"), model).unwrap();
    std::fs::write(draft.path().join("golden.csv"), "a,b,c,d,score\n1,2,3,4,0.5\n").unwrap();
    draft.replace(&before, &sha256(model))
}
