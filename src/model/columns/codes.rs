//! A model's encoders of texts, made to take numbers: then no text is made for any record. Each text of all columns gets one
//! number, nodes that only pass texts on pass numbers on, and encoders (`OneHotEncoder`, `LabelEncoder`) list the numbers of
//! their texts. Where anything else reads a text, the graph keeps its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::columns::input::{Input, UNKNOWN};
use crate::model::columns::node::{Node, PASS};
use crate::model::fields::{attribute, element, graph, node, value_info};
use crate::model::wire::{Fields, Malformed, put_bytes, put_number, text_of};

/// Texts and their numbers.
pub struct Codes(BTreeMap<String, i64>);

impl Codes {
    /// Of all texts that the columns have; the unknown one among them.
    fn of(inputs: &[Input]) -> Codes {
        let mut codes = Codes(BTreeMap::new());
        for text in inputs.iter().flat_map(|input| input.texts.iter().flatten()) {
            codes.number(text);
        }
        codes.number(UNKNOWN);
        codes
    }

    /// A text's number; a new one where no column has it.
    pub fn number(&mut self, text: &str) -> i64 {
        let next = self.0.len() as i64;
        *self.0.entry(text.to_owned()).or_insert(next)
    }
}

/// What replaces parts of the graph.
pub struct Recoded {
    pub codes: Codes,
    /// Fields of the graph, each with what stands there instead; nothing for those that go.
    pub changes: Vec<(Range<usize>, Option<Vec<u8>>)>,
}

/// The graph's parts that change when texts become numbers; `None` where something needs the texts themselves.
///
/// # Errors
/// The bytes are no graph.
pub fn recode(own: &[u8], inputs: &[Input]) -> Result<Option<Recoded>, Malformed> {
    let of_texts = inputs.iter().filter(|input| input.element == element::STRING);
    let mut texts: BTreeSet<String> = of_texts.map(|input| input.name.clone()).collect();
    let mut recoded = Recoded { codes: Codes::of(inputs), changes: Vec::new() };
    // A node stands behind those that it reads from: that is ONNX's own rule.
    for field in Fields::new(own) {
        let field = field?;
        if field.number == graph::NODE {
            let read = Node::read(field.bytes()?)?;
            if read.has_graph {
                return Ok(None);
            }
            let of_text = |input: &&str| texts.contains(*input);
            if !read.inputs.iter().any(of_text) {
                continue;
            }
            let all = read.inputs.iter().all(of_text);
            let first_alone = !read.inputs.iter().skip(1).any(of_text);
            match read.op_type {
                "OneHotEncoder" | "LabelEncoder" => match encoder(&read, &mut recoded.codes)? {
                    Some(encoder) => recoded.changes.push((field.range, Some(encoder))),
                    None => return Ok(None),
                },
                pass if PASS.contains(&pass) && (all || pass != "Concat" && first_alone) => {
                    texts.extend(read.outputs.iter().map(|output| (*output).to_owned()));
                }
                _ => return Ok(None),
            }
        }
    }
    for field in Fields::new(own) {
        let field = field?;
        if [graph::OUTPUT, graph::VALUE_INFO].contains(&field.number)
            && texts.contains(&text_of(field.bytes()?, value_info::NAME)?)
        {
            if field.number == graph::OUTPUT {
                return Ok(None);
            }
            // It says that the tensor holds texts.
            recoded.changes.push((field.range, None));
        }
    }
    recoded.changes.sort_by_key(|(range, _)| range.start);
    Ok(Some(recoded))
}

/// The encoder with numbers in its texts' place; `None` where it is of an unusual kind, or makes other texts.
fn encoder(node: &Node<'_>, codes: &mut Codes) -> Result<Option<Vec<u8>>, Malformed> {
    let (listed, numbers) = match node.op_type {
        "OneHotEncoder" => ("cats_strings", "cats_int64s"),
        _ => ("keys_strings", "keys_int64s"),
    };
    let (mut changed, mut is_found) = (Vec::new(), false);
    for part in Fields::new(node.message) {
        let part = part?;
        let name = match part.number {
            node::ATTRIBUTE => text_of(part.bytes()?, attribute::NAME)?,
            _ => String::new(),
        };
        match name.as_str() {
            name if name == listed => {
                let mut list = Vec::new();
                put_bytes(&mut list, attribute::NAME, numbers.as_bytes());
                for field in Fields::new(part.bytes()?) {
                    let field = field?;
                    if field.number == attribute::STRINGS {
                        put_number(&mut list, attribute::INTS, codes.number(field.text()?) as u64);
                        is_found = true;
                    }
                }
                put_number(&mut list, attribute::TYPE, attribute::kind::INTS);
                put_bytes(&mut changed, node::ATTRIBUTE, &list);
            }
            "values_strings" | "classes_strings" | "keys_tensor" => return Ok(None),
            // Beside texts it has no meaning, and with numbers it would.
            name if name == numbers => {}
            _ => changed.extend_from_slice(&node.message[part.range]),
        }
    }
    Ok(is_found.then_some(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::nodes;

    fn strings(name: &str, texts: &[&str]) -> Vec<u8> {
        let mut attribute = Vec::new();
        put_bytes(&mut attribute, attribute::NAME, name.as_bytes());
        texts.iter().for_each(|text| put_bytes(&mut attribute, attribute::STRINGS, text.as_bytes()));
        attribute
    }

    fn of(nodes: &[Vec<u8>]) -> Option<Recoded> {
        let mut own = Vec::new();
        nodes.iter().for_each(|node| put_bytes(&mut own, graph::NODE, node));
        put_bytes(&mut own, graph::VALUE_INFO, &nodes::value_info("both", element::STRING, None, None));
        let texts = vec![vec!["DE".to_owned(), "FR".to_owned()]];
        let (name, columns, others) = ("c".to_owned(), vec![0], vec![true]);
        let input = Input { name, element: element::STRING, is_flat: false, rows: None, columns, texts, others };
        recode(&own, &[input]).unwrap()
    }

    #[test]
    fn encoders_behind_nodes_that_pass_texts_on_list_numbers() {
        let both = nodes::node("Concat", &["c", "c"], "both", &[]);
        let encoder = nodes::node("OneHotEncoder", &["both"], "hot", &[strings("cats_strings", &["FR", "NL", "DE"])]);
        let Recoded { codes, changes } = of(&[both.clone(), encoder]).unwrap();
        // The list's own texts, the unknown one, and one that no column has.
        assert_eq!(
            codes.0.iter().map(|(text, code)| (text.as_str(), *code)).collect::<Vec<_>>(),
            [("DE", 0), ("FR", 1), ("NL", 3), (UNKNOWN, 2)]
        );
        let [(_, Some(encoder)), (_, None)] = &changes[..] else { panic!("{changes:?}") };
        let list = Fields::new(encoder).flatten().find(|field| field.number == node::ATTRIBUTE).unwrap();
        let mut numbers = Vec::new();
        for field in Fields::new(list.bytes().unwrap()).flatten() {
            if field.number == attribute::INTS {
                field.ints(&mut numbers).unwrap();
            }
        }
        assert_eq!(
            (text_of(list.bytes().unwrap(), attribute::NAME).unwrap().as_str(), numbers),
            ("cats_int64s", vec![1, 3, 0])
        );
    }

    #[test]
    fn what_else_reads_a_text_keeps_them() {
        let encoder = |texts: Vec<u8>| nodes::node("LabelEncoder", &["c"], "place", &[texts]);
        assert!(of(&[encoder(strings("keys_strings", &["DE"]))]).is_some());
        assert!(of(&[encoder(strings("classes_strings", &["DE"]))]).is_none(), "the first version's");
        assert!(of(&[nodes::node("StringNormalizer", &["c"], "lower", &[])]).is_none());
        assert!(of(&[nodes::node("Gather", &["other", "c"], "x", &[])]).is_none());
        assert!(of(&[nodes::node("Identity", &["other"], "x", &[])]).unwrap().changes.is_empty());
    }
}
