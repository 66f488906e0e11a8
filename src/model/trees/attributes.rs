//! A node's attributes, as far as tree ensembles have them.

use std::collections::{BTreeMap, HashMap};

use crate::model::fields::{attribute, node};
use crate::model::wire::{Fields, Malformed, put_bytes, put_number};

#[derive(Clone, Debug, Default)]
struct Attribute<'a> {
    kind: u64,
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
                attribute::TYPE => found.kind = part.varint()?,
                attribute::DOC_STRING => {}
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

    /// The attributes of an ensemble cut into several of `part_trees` trees each, as fields of a node; those called
    /// `without` are left out. Trees are counted as they first stand in the list of nodes.
    pub fn cut(&self, part_trees: usize, without: &str) -> Vec<Vec<u8>> {
        let mut parts_of_trees = HashMap::new();
        for id in self.ints("nodes_treeids") {
            let part = parts_of_trees.len() / part_trees;
            parts_of_trees.entry(*id).or_insert(part);
        }
        let parts = parts_of_trees.len().div_ceil(part_trees);
        let parts_of = |role: &'static str| {
            let trees = self.ints(&format!("{role}treeids")).iter();
            (role, trees.map(|id| parts_of_trees.get(id).copied().unwrap_or(0)).collect::<Vec<usize>>())
        };
        let owners = ["nodes_", "class_", "target_"].map(parts_of);
        let mut fields = vec![Vec::new(); parts];
        for (name, attribute) in self.0.iter().filter(|(name, _)| **name != without) {
            let owner = owners.iter().find(|(role, _)| name.starts_with(role)).map_or(&[][..], |(_, parts)| parts);
            for (fields, part) in fields.iter_mut().zip(attribute.cut(parts, owner)) {
                put_bytes(fields, node::ATTRIBUTE, &part.message(name));
            }
        }
        fields
    }
}

impl<'a> Attribute<'a> {
    /// A list with an element for each of `owner` gives each part its own elements; whatever else there is, all have.
    fn cut(&self, parts: usize, owner: &[usize]) -> Vec<Attribute<'a>> {
        fn deal<'a, T: Copy>(
            all: &[T],
            owner: &[usize],
            to: &mut [Attribute<'a>],
            list: for<'p> fn(&'p mut Attribute<'a>) -> &'p mut Vec<T>,
        ) {
            match all.len() == owner.len() {
                true => all.iter().zip(owner).for_each(|(value, part)| list(&mut to[*part]).push(*value)),
                false => to.iter_mut().for_each(|part| list(part).extend_from_slice(all)),
            }
        }
        let empty = Attribute { kind: self.kind, text: self.text, int: self.int, ..Attribute::default() };
        let mut cut = vec![empty; parts];
        deal(&self.floats, owner, &mut cut, |part| &mut part.floats);
        deal(&self.ints, owner, &mut cut, |part| &mut part.ints);
        deal(&self.texts, owner, &mut cut, |part| &mut part.texts);
        cut
    }

    /// As an AttributeProto.
    fn message(&self, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, attribute::NAME, name.as_bytes());
        put_number(&mut out, attribute::TYPE, self.kind);
        match self.kind {
            attribute::kind::INT => put_number(&mut out, attribute::INT, self.int as u64),
            attribute::kind::STRING => put_bytes(&mut out, attribute::STRING, self.text.as_bytes()),
            _ => {}
        }
        let packed: Vec<u8> = self.floats.iter().flat_map(|value| value.to_le_bytes()).collect();
        if !packed.is_empty() {
            put_bytes(&mut out, attribute::FLOATS, &packed);
        }
        self.ints.iter().for_each(|value| put_number(&mut out, attribute::INTS, *value as u64));
        self.texts.iter().for_each(|text| put_bytes(&mut out, attribute::STRINGS, text.as_bytes()));
        out
    }
}
