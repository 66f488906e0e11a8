//! Where a graph's tensors come from: which column of the model's inputs each of their columns is, as far as nodes only pass
//! them on. It says what the graph knows of a column: the texts that its encoders list, and what trees ask of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::columns::node::{Node, PASS};
use crate::model::fields::{attribute, element, graph, tensor};
use crate::model::outlets::Outlet;
use crate::model::wire::{Field, Fields, Malformed, text_of};

/// Nodes that leave the columns of their first input as they are.
const KEEP: [&str; 3] = ["Identity", "Cast", "Flatten"];
/// Those that leave a single column as it is, whatever else they do.
const KEEP_ONE: [&str; 3] = ["Reshape", "Squeeze", "Unsqueeze"];
/// What a tensor is made of.
#[derive(Clone, Debug, PartialEq)]
enum Origin {
    /// The only input, whose width nobody declares, as it is.
    Whole,
    /// By column, that of the inputs, counted over all of them in their order.
    Columns(Vec<usize>),
}

/// What a graph knows of the texts of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownTexts {
    /// In the order of the encoder that lists them.
    pub texts: Vec<String>,
    /// The operator that reads them.
    pub by: &'static str,
    /// Why it takes a text that it does not list, or why not.
    pub others: Result<&'static str, &'static str>,
}

/// What is known of a graph's columns.
#[derive(Debug, Default)]
pub struct Origins {
    inputs: usize,
    tensors: BTreeMap<String, Origin>,
    /// By column; `None` where something other than an encoder reads its texts.
    texts: BTreeMap<usize, Option<KnownTexts>>,
    /// Nodes that fill missing values in, or ask for them.
    filled: Vec<(&'static str, Filled)>,
}

/// Which columns a node looks at.
#[derive(Clone, Debug, PartialEq)]
enum Filled {
    All,
    These(BTreeSet<usize>),
    /// Computed from some column, and nobody knows which.
    Unknown,
}

impl Origins {
    /// # Errors
    /// The bytes are no graph.
    pub fn of(own: &[u8], inputs: &[Outlet]) -> Result<Origins, Malformed> {
        let mut origins = Origins { inputs: inputs.len(), ..Origins::default() };
        let (mut constants, mut next) = (Constants::default(), 0);
        for input in inputs {
            let origin = match input.width_among(inputs.len()) {
                Some(width) => Origin::Columns((next..next + width).collect()),
                None => Origin::Whole,
            };
            next += if let Origin::Columns(columns) = &origin { columns.len() } else { 0 };
            origins.tensors.insert(input.name.clone(), origin);
        }
        let fields = Fields::new(own).collect::<Result<Vec<_>, _>>()?;
        for field in fields.iter().filter(|field| field.number == graph::INITIALIZER) {
            constants.add(&text_of(field.bytes()?, tensor::NAME)?, field.bytes()?)?;
        }
        // A node stands behind those that it reads from: that is ONNX's own rule.
        for field in fields.iter().filter(|field| field.number == graph::NODE) {
            let node = Node::read(field.bytes()?)?;
            constants.add_node(&node)?;
            let passed = origins.passed(&node, &constants)?;
            origins.read(&node, passed.is_some())?;
            if let (Some(origin), Some(output)) = (passed, node.outputs.first()) {
                origins.tensors.insert((*output).to_owned(), origin);
            }
        }
        Ok(origins)
    }

    pub fn are_of_one_input(&self) -> bool {
        self.inputs == 1
    }

    /// The column of the inputs that a tensor's column is.
    pub fn column(&self, tensor: &str, at: usize) -> Option<usize> {
        match self.tensors.get(tensor)? {
            Origin::Whole => Some(at),
            Origin::Columns(columns) => columns.get(at).copied(),
        }
    }

    /// The texts of a column of the inputs, where encoders alone read it.
    pub fn texts(&self, column: usize) -> Option<&KnownTexts> {
        self.texts.get(&column)?.as_ref()
    }

    /// The node that fills missing values of a column in, or asks for them.
    pub fn filled_by(&self, column: usize) -> Option<&'static str> {
        let fills = |filled: &Filled| match filled {
            Filled::All => true,
            Filled::These(columns) => columns.contains(&column),
            Filled::Unknown => false,
        };
        self.filled.iter().find(|(_, filled)| fills(filled)).map(|(name, _)| *name)
    }

    /// The node that fills missing values in, or asks for them, of columns that could not be followed to it.
    pub fn filled_somewhere(&self) -> Option<&'static str> {
        self.filled.iter().find(|(_, filled)| *filled == Filled::Unknown).map(|(name, _)| *name)
    }

    fn columns(&self, tensor: &str) -> Option<&[usize]> {
        match self.tensors.get(tensor) {
            Some(Origin::Columns(columns)) => Some(columns),
            Some(Origin::Whole) | None => None,
        }
    }

    /// Takes down what a node says of the columns that it reads; `is_followed`: what it makes of them is known too.
    fn read(&mut self, node: &Node<'_>, is_followed: bool) -> Result<(), Malformed> {
        let columns: BTreeSet<usize> =
            node.inputs.iter().filter_map(|input| self.columns(input)).flatten().copied().collect();
        if let Some(name) = ["Imputer", "IsNaN"].into_iter().find(|name| *name == node.op_type) {
            let filled = match node.inputs.first().and_then(|input| self.tensors.get(*input)) {
                Some(Origin::Whole) => Filled::All,
                Some(Origin::Columns(_)) => Filled::These(columns.clone()),
                None => Filled::Unknown,
            };
            self.filled.push((name, filled));
        }
        if PASS.contains(&node.op_type) && is_followed {
            return Ok(());
        }
        let known = if node.has_graph { None } else { encoder(node)? };
        for column in columns {
            let texts = match (self.texts.remove(&column), known.clone()) {
                (None, known) => known,
                (Some(Some(before)), Some(known)) => Some(before.and(known)),
                (Some(_), _) => None,
            };
            self.texts.insert(column, texts);
        }
        Ok(())
    }

    /// What a node's first output is made of, where the node only passes columns on.
    fn passed(&self, node: &Node<'_>, constants: &Constants) -> Result<Option<Origin>, Malformed> {
        let Some(first) = node.inputs.first() else { return Ok(None) };
        let (whole, columns) = (self.tensors.get(*first), self.columns(first));
        let on_columns = |axis: Option<i64>| matches!(axis, Some(1 | -1));
        Ok(match (node.op_type, columns) {
            (kept, _) if KEEP.contains(&kept) => whole.cloned(),
            (kept, Some([_])) if KEEP_ONE.contains(&kept) => whole.cloned(),
            ("Concat", _) if on_columns(node.integer("axis")?) => {
                let all: Option<Vec<&[usize]>> = node.inputs.iter().map(|input| self.columns(input)).collect();
                all.map(|all| Origin::Columns(all.concat()))
            }
            ("ArrayFeatureExtractor", Some(columns)) => constants.chosen(node, columns),
            ("Gather", Some(columns)) if on_columns(node.integer("axis")?) => constants.chosen(node, columns),
            ("Slice", Some(columns)) => constants.sliced(node, columns),
            _ => None,
        })
    }
}

impl KnownTexts {
    /// What two encoders of the same column know.
    fn and(mut self, other: KnownTexts) -> KnownTexts {
        let new = other.texts.into_iter().filter(|text| !self.texts.contains(text)).collect::<Vec<_>>();
        self.texts.extend(new);
        self.others = self.others.and(other.others);
        self
    }
}

/// What a node that encodes texts knows; `None` where it is no such node, or lists none.
fn encoder(node: &Node<'_>) -> Result<Option<KnownTexts>, Malformed> {
    let (by, lists): (_, &[&str]) = match node.op_type {
        "OneHotEncoder" => ("OneHotEncoder", &["cats_strings"]),
        "LabelEncoder" => ("LabelEncoder", &["keys_strings", "keys_tensor", "classes_strings"]),
        "CategoryMapper" => ("CategoryMapper", &["cats_strings"]),
        _ => return Ok(None),
    };
    let mut texts: Vec<String> = Vec::new();
    for name in lists {
        if let Some(message) = node.attribute(name)? {
            add_texts(message, &mut texts)?;
        }
    }
    let others = match by {
        // ONNX's default is 1.
        "OneHotEncoder" if node.integer("zeros")? == Some(0) => Err("it fails on others (zeros = 0)"),
        "OneHotEncoder" => Ok("all its columns are 0 then"),
        _ => match has_default(node)? {
            true => Ok("it has a number of its own for others"),
            false => Err("it says no number for others"),
        },
    };
    Ok((!texts.is_empty()).then_some(KnownTexts { texts, by, others }))
}

fn has_default(node: &Node<'_>) -> Result<bool, Malformed> {
    for name in ["default_int64", "default_float", "default_string", "default_tensor"] {
        if node.attribute(name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The texts of an attribute: a list, or those of a tensor.
fn add_texts(message: &[u8], texts: &mut Vec<String>) -> Result<(), Malformed> {
    let mut add = |field: &Field<'_>| -> Result<(), Malformed> {
        let text = field.text()?;
        if !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
        Ok(())
    };
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            attribute::STRINGS => add(&field)?,
            attribute::TENSOR => {
                for part in Fields::new(field.bytes()?) {
                    let part = part?;
                    if part.number == tensor::STRINGS {
                        add(&part)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whole numbers that the graph holds, by name.
#[derive(Debug, Default)]
struct Constants(BTreeMap<String, Vec<i64>>);

impl Constants {
    fn add_node(&mut self, node: &Node<'_>) -> Result<(), Malformed> {
        let ("Constant", Some(output)) = (node.op_type, node.outputs.first()) else { return Ok(()) };
        for name in ["value", "value_ints", "value_int"] {
            for field in Fields::new(node.attribute(name)?.unwrap_or_default()) {
                let field = field?;
                match field.number {
                    attribute::TENSOR => self.add(output, field.bytes()?)?,
                    attribute::INTS => field.ints(self.0.entry((*output).to_owned()).or_default())?,
                    attribute::INT => drop(self.0.insert((*output).to_owned(), vec![field.varint()? as i64])),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A tensor, where it holds whole numbers.
    fn add(&mut self, name: &str, message: &[u8]) -> Result<(), Malformed> {
        let (mut kind, mut raw, mut numbers): (_, &[u8], _) = (0, &[], Vec::new());
        for part in Fields::new(message) {
            let part = part?;
            match part.number {
                tensor::ELEMENT => kind = part.varint()?,
                tensor::RAW => raw = part.bytes()?,
                tensor::INT32S | tensor::INT64S => part.ints(&mut numbers)?,
                _ => {}
            }
        }
        match kind {
            element::INT64 => numbers.extend(raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes))),
            element::INT32 => {
                numbers.extend(raw.as_chunks().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))))
            }
            _ => return Ok(()),
        }
        self.0.insert(name.to_owned(), numbers);
        Ok(())
    }

    fn input(&self, node: &Node<'_>, at: usize) -> Option<&[i64]> {
        Some(self.0.get(*node.inputs.get(at)?)?)
    }

    /// The columns at the places that the node's second input names.
    fn chosen(&self, node: &Node<'_>, columns: &[usize]) -> Option<Origin> {
        let place = |place: &i64| {
            let from_end = if *place < 0 { columns.len() as i64 } else { 0 };
            columns.get(usize::try_from(*place + from_end).ok()?).copied()
        };
        self.input(node, 1)?.iter().map(place).collect::<Option<Vec<usize>>>().map(Origin::Columns)
    }

    /// The columns between the ends that the node's inputs name.
    fn sliced(&self, node: &Node<'_>, columns: &[usize]) -> Option<Origin> {
        let ([start], [end]) = (self.input(node, 1)?, self.input(node, 2)?) else { return None };
        let steps = if node.inputs.len() > 4 { self.input(node, 4)? } else { &[1] };
        if !matches!(self.input(node, 3)?, [1 | -1]) || steps != [1] {
            return None;
        }
        let len = columns.len() as i64;
        let held = |end: i64| if end < 0 { (len + end).max(0) } else { end.min(len) } as usize;
        columns.get(held(*start)..held(*end)).map(|columns| Origin::Columns(columns.to_vec()))
    }
}

#[cfg(test)]
mod tests;
