//! Where a tree node's scores come out of the graph as they are: exporters put nodes behind them that do nothing, an
//! `Identity` or a multiplication by one.

use std::collections::BTreeSet;

use crate::model::fields::{element, graph, node, tensor, value_info};
use crate::model::wire::{Fields, Malformed, Value, text_of};

/// Names of the tensors that hold the very bits of the one called `name`, which is among them. `bytes`: a graph.
pub fn aliases(bytes: &[u8], name: &str) -> Result<BTreeSet<String>, Malformed> {
    let ones = ones(bytes)?;
    let mut names = BTreeSet::from([name.to_owned()]);
    // A node stands behind those that it reads from: that is ONNX's own rule.
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number == graph::NODE
            && let Some(alias) = alias(field.bytes()?, &names, &ones)?
        {
            names.insert(alias);
        }
    }
    Ok(names)
}

/// Names of the tensors that a graph is given.
pub fn inputs(bytes: &[u8]) -> Result<BTreeSet<String>, Malformed> {
    let mut names = BTreeSet::new();
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number == graph::INPUT {
            names.insert(text_of(field.bytes()?, value_info::NAME)?);
        }
    }
    Ok(names)
}

/// The node's output, where that is one of `names` under a name of its own.
fn alias(bytes: &[u8], names: &BTreeSet<String>, ones: &BTreeSet<String>) -> Result<Option<String>, Malformed> {
    let (mut op_type, mut domain, mut inputs, mut outputs) = ("", "", Vec::new(), Vec::new());
    for part in Fields::new(bytes) {
        let part = part?;
        match part.number {
            node::INPUT => inputs.push(part.text()?),
            node::OUTPUT => outputs.push(part.text()?),
            node::OP_TYPE => op_type = part.text()?,
            node::DOMAIN => domain = part.text()?,
            _ => {}
        }
    }
    let same = match (op_type, &inputs[..]) {
        _ if !["", "ai.onnx"].contains(&domain) => false,
        ("Identity", &[one]) => names.contains(one),
        ("Mul", &[one, other]) => {
            names.contains(one) && ones.contains(other) || ones.contains(one) && names.contains(other)
        }
        _ => false,
    };
    Ok(outputs.first().filter(|_| same).map(|output| (*output).to_owned()))
}

/// Constants that are a single one, of no more dimensions than scores have: multiplied by it, scores keep shape and bits.
fn ones(bytes: &[u8]) -> Result<BTreeSet<String>, Malformed> {
    let mut ones = BTreeSet::new();
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number == graph::INITIALIZER {
            ones.extend(name_of_one(field.bytes()?)?);
        }
    }
    Ok(ones)
}

fn name_of_one(bytes: &[u8]) -> Result<Option<String>, Malformed> {
    const ONE: f32 = 1.0;
    let (mut name, mut element, mut rank, mut single, mut one) = ("", 0, 0, true, false);
    for part in Fields::new(bytes) {
        let part = part?;
        match (part.number, part.value) {
            (tensor::DIMS, Value::Varint(size)) => (rank, single) = (rank + 1, single && size == 1),
            // One byte each, where they are ones.
            (tensor::DIMS, Value::Bytes(sizes)) => {
                (rank, single) = (rank + sizes.len(), single && sizes.iter().all(|size| *size == 1));
            }
            (tensor::ELEMENT, _) => element = part.varint()?,
            (tensor::NAME, _) => name = part.text()?,
            (tensor::FLOATS, Value::Fixed32(bits)) => one = bits == ONE.to_bits(),
            (tensor::FLOATS | tensor::RAW, Value::Bytes(bytes)) => one = bytes == ONE.to_le_bytes(),
            _ => {}
        }
    }
    Ok((element == element::FLOAT && rank <= 2 && single && one).then(|| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wire::{put_bytes, put_number};

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        fields.iter().for_each(|(number, value)| put_bytes(&mut bytes, *number, value));
        bytes
    }

    fn node_of(op_type: &str, inputs: &[&str], output: &str) -> Vec<u8> {
        let mut fields: Vec<(u32, &[u8])> = inputs.iter().map(|input| (node::INPUT, input.as_bytes())).collect();
        fields.extend([(node::OUTPUT, output.as_bytes()), (node::OP_TYPE, op_type.as_bytes())]);
        message(&fields)
    }

    fn constant(name: &str, dims: &[u64], value: f32) -> Vec<u8> {
        let mut bytes = message(&[(tensor::NAME, name.as_bytes()), (tensor::RAW, &value.to_le_bytes())]);
        dims.iter().for_each(|size| put_number(&mut bytes, tensor::DIMS, *size));
        put_number(&mut bytes, tensor::ELEMENT, element::FLOAT);
        bytes
    }

    #[test]
    fn scores_are_followed_through_nodes_that_do_nothing_and_no_others() {
        let nodes = [
            node_of("Identity", &["scores"], "same"),
            node_of("Mul", &["same", "one"], "times one"),
            node_of("Mul", &["one", "times one"], "one times"),
            node_of("Mul", &["same", "two"], "twice"),
            node_of("Mul", &["same", "deep"], "of another shape"),
            node_of("Mul", &["same", "row"], "of another width"),
            node_of("Mul", &["same", "same"], "squared"),
            node_of("Identity", &["label"], "label too"),
            node_of("Neg", &["same"], "negated"),
            node_of("Identity", &["negated"], "negated too"),
        ];
        let constants = [
            constant("one", &[1], 1.0),
            constant("two", &[], 2.0),
            constant("deep", &[1, 1, 1], 1.0),
            constant("row", &[2], 1.0),
        ];
        let mut fields: Vec<(u32, &[u8])> = nodes.iter().map(|node| (graph::NODE, &node[..])).collect();
        fields.extend(constants.iter().map(|constant| (graph::INITIALIZER, &constant[..])));
        let mut bytes = message(&fields);
        put_bytes(&mut bytes, graph::INPUT, &message(&[(value_info::NAME, b"rows")]));
        let found = aliases(&bytes, "scores").unwrap();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["one times", "same", "scores", "times one"]);
        assert_eq!(inputs(&bytes), Ok(BTreeSet::from(["rows".to_owned()])));
    }
}
