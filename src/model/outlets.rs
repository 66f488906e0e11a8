//! Inputs and outputs as a graph declares them, before ONNX Runtime reads it.

use crate::model::fields::{element, value_info};
use crate::model::wire::{Fields, Malformed, Value, plain};

/// One input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlet {
    pub name: String,
    pub doc: String,
    pub shape: Shape,
}

/// What goes through it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The element type's number, 0 where nothing is said, and the dimensions where they are declared.
    Tensor(u64, Option<Vec<Dimension>>),
    /// A list: of maps from class to probability, mostly.
    List,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Dimension {
    Size(usize),
    /// Any, with the name that the exporter gave it.
    Named(String),
    Any,
}

impl Dimension {
    /// `None`: any.
    fn size(&self) -> Option<usize> {
        match self {
            Dimension::Size(size) => Some(*size),
            Dimension::Named(_) | Dimension::Any => None,
        }
    }
}

impl Outlet {
    /// # Errors
    /// The message is no `ValueInfoProto`.
    pub fn read(message: &[u8]) -> Result<Outlet, Malformed> {
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
                format!("{} {shape}", element::name(*element))
            }
            Shape::List => "a list (ZipMap: one map from class to probability for each row)".to_owned(),
            Shape::Unknown => "of a type that is not declared".to_owned(),
        }
    }

    /// The type of the tensor's elements; `None` where it is no tensor, or where nothing is said.
    pub fn element(&self) -> Option<u64> {
        match &self.shape {
            Shape::Tensor(element, _) => Some(*element).filter(|element| *element != 0),
            Shape::List | Shape::Unknown => None,
        }
    }

    /// The tensor's sizes, `None` for each that is open; the whole is `None` where nothing is said.
    pub fn sizes(&self) -> Option<Vec<Option<usize>>> {
        match &self.shape {
            Shape::Tensor(_, dimensions) => Some(dimensions.as_ref()?.iter().map(Dimension::size).collect()),
            Shape::List | Shape::Unknown => None,
        }
    }

    /// How many columns it has, where it says so.
    pub fn width(&self) -> Option<usize> {
        match self.sizes()?[..] {
            [_, columns] => columns,
            [_] => Some(1),
            _ => None,
        }
    }

    /// The same of one among so many inputs: where there are several, one that says nothing is a column.
    pub fn width_among(&self, inputs: usize) -> Option<usize> {
        self.width().or((inputs > 1).then_some(1))
    }

    /// Whether it is a tensor of floats.
    pub fn is_float(&self) -> bool {
        matches!(self.element(), Some(element::FLOAT | element::DOUBLE))
    }
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
            (value_info::SIZE, Value::Varint(size)) => match usize::try_from(size as i64) {
                Ok(size) if size > 0 => Dimension::Size(size),
                _ => dimension,
            },
            (value_info::SYMBOL, Value::Bytes(name)) if !name.is_empty() => Dimension::Named(plain(name)),
            _ => dimension,
        };
    }
    Ok(dimension)
}
