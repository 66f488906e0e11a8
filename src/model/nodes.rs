//! Parts of an ONNX graph, written: what is put before or behind a model's own nodes.

use crate::model::fields::{attribute, element, node, tensor, value_info};
use crate::model::wire::{put_bytes, put_number};

/// A tensor's name and type; where `width` is given, its shape `[rows, width]` too, whose rows may be any number.
pub fn value_info(name: &str, element: u64, rows_fixed: Option<usize>, width: Option<usize>) -> Vec<u8> {
    let mut tensor = Vec::new();
    put_number(&mut tensor, value_info::ELEMENT, element);
    if let Some(width) = width {
        let (mut rows, mut columns, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        match rows_fixed {
            Some(fixed) => put_number(&mut rows, value_info::SIZE, fixed as u64),
            None => put_bytes(&mut rows, value_info::SYMBOL, b"rows"),
        }
        put_number(&mut columns, value_info::SIZE, width as u64);
        put_bytes(&mut shape, value_info::DIMENSION, &rows);
        put_bytes(&mut shape, value_info::DIMENSION, &columns);
        put_bytes(&mut tensor, value_info::SHAPE, &shape);
    }
    let (mut kind, mut info) = (Vec::new(), Vec::new());
    put_bytes(&mut kind, value_info::TENSOR, &tensor);
    put_bytes(&mut info, value_info::NAME, name.as_bytes());
    put_bytes(&mut info, value_info::TYPE, &kind);
    info
}

/// A node of ONNX's own operators with one output.
pub fn node(op_type: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    for input in inputs {
        put_bytes(&mut node, node::INPUT, input.as_bytes());
    }
    put_bytes(&mut node, node::OUTPUT, output.as_bytes());
    put_bytes(&mut node, node::NAME, output.as_bytes());
    put_bytes(&mut node, node::OP_TYPE, op_type.as_bytes());
    for attribute in attributes {
        put_bytes(&mut node, node::ATTRIBUTE, attribute);
    }
    node
}

/// An attribute that is an integer.
pub fn integer(name: &str, value: u64) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, attribute::NAME, name.as_bytes());
    put_number(&mut attribute, attribute::INT, value);
    put_number(&mut attribute, attribute::TYPE, attribute::kind::INT);
    attribute
}

/// What a constant holds.
pub enum Values<'a> {
    Numbers(&'a [i64]),
    Floats(&'a [f32]),
    Texts(Vec<&'a str>),
}

/// A node that gives a constant: one value without a dimension, or a list of them.
pub fn constant(output: &str, values: &Values<'_>, is_list: bool) -> Vec<u8> {
    let mut tensor = Vec::new();
    let (len, kind) = match values {
        Values::Numbers(numbers) => (numbers.len(), element::INT64),
        Values::Floats(floats) => (floats.len(), element::FLOAT),
        Values::Texts(texts) => (texts.len(), element::STRING),
    };
    if is_list {
        put_number(&mut tensor, tensor::DIMS, len as u64);
    }
    put_number(&mut tensor, tensor::ELEMENT, kind);
    match values {
        Values::Numbers(numbers) => {
            let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            put_bytes(&mut tensor, tensor::RAW, &raw);
        }
        Values::Floats(floats) => {
            let raw: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
            put_bytes(&mut tensor, tensor::RAW, &raw);
        }
        Values::Texts(texts) => texts.iter().for_each(|text| put_bytes(&mut tensor, tensor::STRINGS, text.as_bytes())),
    }
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, attribute::NAME, b"value");
    put_bytes(&mut attribute, attribute::TENSOR, &tensor);
    put_number(&mut attribute, attribute::TYPE, attribute::kind::TENSOR);
    node("Constant", &[], output, &[attribute])
}
