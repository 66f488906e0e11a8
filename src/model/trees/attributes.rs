//! A node's attributes, as far as tree ensembles have them.

use std::collections::BTreeMap;

use crate::model::wire::{Fields, Malformed};

mod field {
    pub const NAME: u32 = 1;
    pub const INT: u32 = 3;
    pub const STRING: u32 = 4;
    pub const FLOATS: u32 = 7;
    pub const INTS: u32 = 8;
    pub const STRINGS: u32 = 9;
    /// `doc_string`, `type`: say nothing that the value does not.
    pub const SILENT: [u32; 2] = [13, 20];
}

#[derive(Debug, Default)]
struct Attribute<'a> {
    text: &'a str,
    int: i64,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<&'a str>,
}

#[derive(Debug, Default)]
pub struct Attributes<'a>(BTreeMap<&'a str, Attribute<'a>>);

impl<'a> Attributes<'a> {
    /// Adds one AttributeProto. `Err` when it is malformed, stands there twice, or holds another kind of value.
    pub fn add(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let (mut name, mut attribute) = ("", Attribute::default());
        for part in Fields::new(message) {
            let part = part?;
            match part.number {
                field::NAME => name = part.text()?,
                field::INT => attribute.int = part.varint()? as i64,
                field::STRING => attribute.text = part.text()?,
                field::FLOATS => part.floats(&mut attribute.floats)?,
                field::INTS => part.ints(&mut attribute.ints)?,
                field::STRINGS => attribute.texts.push(part.text()?),
                silent if field::SILENT.contains(&silent) => {}
                _ => return Err(Malformed),
            }
        }
        match self.0.insert(name, attribute) {
            None => Ok(()),
            Some(_) => Err(Malformed),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// Empty when there is no such attribute; so for the others.
    pub fn floats(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], |attribute| &attribute.floats)
    }

    pub fn ints(&self, name: &str) -> &[i64] {
        self.0.get(name).map_or(&[], |attribute| &attribute.ints)
    }

    pub fn texts(&self, name: &str) -> &[&'a str] {
        self.0.get(name).map_or(&[], |attribute| &attribute.texts)
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|attribute| attribute.text)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).map(|attribute| attribute.int)
    }
}
