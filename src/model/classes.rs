//! The names of a model's classes, as its file has them: in the ZipMap that stands behind an output, or in the classifier
//! whose scores the output is. With them a contract can name the class of fraud instead of counting columns.

use std::fmt;

use crate::model::fields::{attribute, graph, node};
use crate::model::wire::{Fields, Malformed};

/// One class: what the training's labels were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    Number(i64),
    Text(String),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Number(number) => write!(f, "{number}"),
            Class::Text(text) => write!(f, "'{text}'"),
        }
    }
}

/// Classes in a row, in the order of the columns.
pub fn list(classes: &[Class]) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = classes.iter().take(SHOWN).map(Class::to_string).collect();
    match classes.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Nodes between a classifier and an output that are followed; converters put two or three there.
const STEPS_MAX: usize = 16;

/// Nodes that leave each column where it is; the last two with a constant beside the scores.
const KEEP_COLUMNS: [&str; 8] = ["Identity", "Cast", "Normalizer", "Clip", "Softmax", "Sigmoid", "Mul", "Div"];

#[derive(Debug, Default)]
struct Node<'a> {
    op_type: &'a str,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    classes: Vec<Class>,
}

/// The classes that are the columns of `tensor`, or of the list of maps that it is; empty where the graph names none.
///
/// # Errors
/// The bytes are no graph.
pub fn of(graph: &[u8], tensor: &str) -> Result<Vec<Class>, Malformed> {
    let mut nodes = Vec::new();
    for field in Fields::new(graph) {
        let field = field?;
        if field.number == graph::NODE {
            nodes.push(read(field.bytes()?)?);
        }
    }
    let mut tensor = tensor;
    for _ in 0..STEPS_MAX {
        let of_zip_map = |node: &&Node<'_>| {
            node.op_type == "ZipMap" && (node.inputs.first() == Some(&tensor) || node.outputs.first() == Some(&tensor))
        };
        if let Some(node) = nodes.iter().find(of_zip_map) {
            return Ok(node.classes.clone());
        }
        let Some(maker) = nodes.iter().find(|node| node.outputs.contains(&tensor)) else { break };
        let is_made =
            |input: &&&str| nodes.iter().any(|node| node.op_type != "Constant" && node.outputs.contains(input));
        match (maker.op_type, maker.inputs.iter().find(is_made)) {
            // The first output is the label, the second one the scores.
            ("TreeEnsembleClassifier" | "LinearClassifier" | "SVMClassifier", _)
                if maker.outputs.get(1) == Some(&tensor) =>
            {
                return Ok(maker.classes.clone());
            }
            (kept, Some(input)) if KEEP_COLUMNS.contains(&kept) => tensor = *input,
            _ => break,
        }
    }
    Ok(Vec::new())
}

fn read(node: &[u8]) -> Result<Node<'_>, Malformed> {
    let mut found = Node::default();
    for field in Fields::new(node) {
        let field = field?;
        match field.number {
            node::OP_TYPE => found.op_type = field.text()?,
            node::INPUT => found.inputs.push(field.text()?),
            node::OUTPUT => found.outputs.push(field.text()?),
            node::ATTRIBUTE => found.classes.extend(labels(field.bytes()?)?),
            _ => {}
        }
    }
    Ok(found)
}

/// The classes that an attribute lists: `classlabels_int64s`, `classlabels_ints`, `classlabels_strings`.
fn labels(attribute: &[u8]) -> Result<Vec<Class>, Malformed> {
    let (mut name, mut numbers, mut texts) = ("", Vec::new(), Vec::new());
    for field in Fields::new(attribute) {
        let field = field?;
        match field.number {
            attribute::NAME => name = field.text()?,
            attribute::INTS => field.ints(&mut numbers)?,
            attribute::STRINGS => texts.push(String::from_utf8_lossy(field.bytes()?).into_owned()),
            _ => {}
        }
    }
    Ok(match name.starts_with("classlabels_") {
        true => numbers.into_iter().map(Class::Number).chain(texts.into_iter().map(Class::Text)).collect(),
        false => Vec::new(),
    })
}

/// The class that was probably meant, as TOML writes it; all of them where none is near.
pub fn nearest(class: &Class, known: &[Class]) -> String {
    let bare = |class: &Class| match class {
        Class::Number(number) => number.to_string(),
        Class::Text(text) => text.to_lowercase(),
    };
    let toml = |class: &Class| match class {
        Class::Number(number) => number.to_string(),
        Class::Text(text) => format!("{text:?}"),
    };
    let near =
        |other: &&Class| strsim::damerau_levenshtein(&bare(class), &bare(other)) <= bare(other).chars().count() / 3;
    match known.iter().find(|other| bare(other) == bare(class)).or_else(|| known.iter().find(near)) {
        Some(other) => toml(other),
        None => known.iter().map(toml).collect::<Vec<_>>().join(" or "),
    }
}
