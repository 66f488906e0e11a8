//! What an entry of the table says of its key, and sections of them.

use super::draft::Draft;
use super::kinds::Kind;
use crate::config::read::Reader;

/// A key.
pub struct Key {
    /// Dotted.
    pub name: &'static str,
    /// What its values are, and where the plan keeps them.
    pub(super) kind: &'static dyn Kind,
    pub given: Given,
    pub reread: Reread,
    /// Its lines of the reference before its own, each after a line break.
    pub(super) text: &'static str,
}

/// What holds where a key is not given, and so how the reference has it.
#[derive(Clone, Copy, Debug)]
pub enum Given {
    /// The default, which the reference shows.
    Default,
    /// Nothing, or what the reference's text says: the reference has an example, switched off.
    Maybe(Example),
    /// A problem.
    Required { example: Example, by: Reading, fix: &'static str },
}

/// A value as TOML.
pub type Example = &'static str;

/// What is read of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Where Kafka is, for commands that score nothing.
    Connection,
    /// And where schemas are registered.
    Registry,
    /// All of it.
    Whole,
}

/// When a value that was changed holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread {
    /// From the next start on.
    AtStart,
    /// From the next connection on, while the process runs.
    EachConnection,
}

/// Keys that stand together in the reference.
pub struct Section {
    /// Its lines of the reference before those of its keys, the header with them: each after a line break, save the first of
    /// all.
    pub(super) head: &'static str,
    pub keys: &'static [Key],
    /// Puts together what takes more than one of its keys.
    pub(super) finish: fn(&mut Reader<'_>, &mut Draft),
}

impl Key {
    pub(super) fn read(&self, reader: &mut Reader<'_>, draft: &mut Draft, wanted: Reading) {
        if let Given::Required { by, fix, .. } = self.given
            && by <= wanted
        {
            reader.require(self.name, fix);
        }
        self.kind.read(self.name, reader, draft);
    }
}

/// Where the keys of a section have nothing to do with each other.
pub(super) fn apart(_: &mut Reader<'_>, _: &mut Draft) {}
