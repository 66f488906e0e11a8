//! Inputs and outputs as a graph declares them, before ONNX Runtime reads it.

use std::fmt;

use crate::model::fields::{element, value_info};
use crate::model::wire::{Fields, Malformed, text_of};

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    pub name: String,
    /// Of the tensor's elements; `None` where it is no tensor, or where nothing is said.
    pub element: Option<u64>,
    /// Sizes; `None` for each that is open. The whole is `None` where nothing is said.
    pub shape: Option<Vec<Option<usize>>>,
}

impl Outlet {
    /// # Errors
    /// The message is no `ValueInfoProto`.
    pub fn read(message: &[u8]) -> Result<Outlet, Malformed> {
        let mut outlet = Outlet { name: text_of(message, value_info::NAME)?, element: None, shape: None };
        for kind in fields_of(message, value_info::TYPE)? {
            for tensor in fields_of(kind, value_info::TENSOR)? {
                for field in Fields::new(tensor) {
                    let field = field?;
                    match field.number {
                        value_info::ELEMENT => outlet.element = Some(field.varint()?),
                        value_info::SHAPE => outlet.shape = Some(shape(field.bytes()?)?),
                        _ => {}
                    }
                }
            }
        }
        Ok(outlet)
    }

    pub fn is_float(&self) -> bool {
        [element::FLOAT, element::DOUBLE].map(Some).contains(&self.element)
    }
}

/// For people: `float32 [N, 2]`.
impl fmt::Display for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.element.map_or("of an unknown type", element::name))?;
        let Some(shape) = &self.shape else { return Ok(()) };
        let size = |size: &Option<usize>| size.map_or("N".to_owned(), |size| size.to_string());
        write!(f, " [{}]", shape.iter().map(size).collect::<Vec<_>>().join(", "))
    }
}

fn fields_of(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    let all = Fields::new(message).collect::<Result<Vec<_>, _>>()?;
    all.into_iter().filter(|field| field.number == number).map(|field| field.bytes()).collect()
}

fn shape(message: &[u8]) -> Result<Vec<Option<usize>>, Malformed> {
    let mut sizes = Vec::new();
    for dimension in fields_of(message, value_info::DIMENSION)? {
        let mut size = None;
        for field in Fields::new(dimension) {
            let field = field?;
            if field.number == value_info::SIZE {
                // Some exporters write -1 or 0 for an open size.
                size = usize::try_from(field.varint()? as i64).ok().filter(|size| *size > 0);
            }
        }
        sizes.push(size);
    }
    Ok(sizes)
}
