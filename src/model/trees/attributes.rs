//! A node's attributes, as far as tree ensembles have them.

use std::collections::BTreeMap;

use crate::model::fields::attribute;
use crate::model::wire::{Fields, Malformed};

/// They say nothing that the value does not.
const SILENT: [u32; 2] = [attribute::DOC_STRING, attribute::TYPE];

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
        let (mut name, mut found) = ("", Attribute::default());
        for part in Fields::new(message) {
            let part = part?;
            match part.number {
                attribute::NAME => name = part.text()?,
                attribute::INT => found.int = part.varint()? as i64,
                attribute::STRING => found.text = part.text()?,
                attribute::FLOATS => part.floats(&mut found.floats)?,
                attribute::INTS => part.ints(&mut found.ints)?,
                attribute::STRINGS => found.texts.push(part.text()?),
                silent if SILENT.contains(&silent) => {}
                _ => return Err(Malformed),
            }
        }
        match self.0.insert(name, found) {
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
