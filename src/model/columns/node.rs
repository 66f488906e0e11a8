//! A node of a graph, looked at.

use crate::model::fields::{attribute, node};
use crate::model::wire::{Fields, Malformed, text_of};

/// Nodes that pass their first input's elements on as they are; of the first two, all inputs.
pub const PASS: [&str; 10] = [
    "Concat",
    "Identity",
    "ArrayFeatureExtractor",
    "Gather",
    "Slice",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
];

#[derive(Debug)]
pub struct Node<'a> {
    pub message: &'a [u8],
    pub op_type: &'a str,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    /// An attribute is a graph, which may read any tensor.
    pub has_graph: bool,
}

impl<'a> Node<'a> {
    pub fn read(message: &'a [u8]) -> Result<Node<'a>, Malformed> {
        let mut read = Node { message, op_type: "", inputs: Vec::new(), outputs: Vec::new(), has_graph: false };
        for part in Fields::new(message) {
            let part = part?;
            match part.number {
                node::INPUT => read.inputs.push(part.text()?),
                node::OUTPUT => read.outputs.push(part.text()?),
                node::OP_TYPE => read.op_type = part.text()?,
                node::ATTRIBUTE => {
                    for field in Fields::new(part.bytes()?) {
                        read.has_graph |= [attribute::GRAPH, attribute::GRAPHS].contains(&field?.number);
                    }
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// An attribute's message.
    pub fn attribute(&self, name: &str) -> Result<Option<&'a [u8]>, Malformed> {
        for part in Fields::new(self.message) {
            let part = part?;
            if part.number == node::ATTRIBUTE && text_of(part.bytes()?, attribute::NAME)? == name {
                return Ok(Some(part.bytes()?));
            }
        }
        Ok(None)
    }

    /// An attribute that is an integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Malformed> {
        let Some(message) = self.attribute(name)? else { return Ok(None) };
        let mut value = 0;
        for field in Fields::new(message) {
            let field = field?;
            if field.number == attribute::INT {
                value = field.varint()? as i64;
            }
        }
        Ok(Some(value))
    }
}
