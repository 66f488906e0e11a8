//! Compiles what is wanted of arrays and maps.

use super::compile::Compiler;
use super::graph::{Kind, NodeId};
use super::ops::{Entries, Op};
use super::problem::PlanError;
use super::transform::Transform;
use super::wants::{Use, Want};

impl Compiler<'_> {
    /// Both types are arrays, or both maps.
    pub(super) fn within(&mut self, w: NodeId, r: NodeId, uses: &[Use], want: &Want) -> Result<(), PlanError> {
        let (item, is_map) = match *self.writer.kind(w) {
            Kind::Array(item) => (item, false),
            Kind::Map(item) => (item, true),
            _ => return self.emit.skip(w),
        };
        let mut entries = Entries { is_map, ..Entries::default() };
        for &wanted in uses {
            let Use::Raw { column, place } = wanted else { continue };
            match &self.feature(column).transform {
                Transform::Contains(text) => entries.contained.push((text.as_str().into(), place)),
                _ => entries.lengths.push(place),
            }
        }
        let is_searched = !is_map && !entries.contained.is_empty();
        if is_searched && !matches!(self.writer.kind(item), Kind::String | Kind::Bytes) {
            let what = format!("the writer's items are {}, not texts", self.writer.describe(item));
            return Err(PlanError::new(self.place(want), what, "write strings there, or leave the feature out"));
        }
        entries.reads_texts = is_searched;
        let start = self.emit.here();
        self.emit.push(Op::Entries { of: self.plan.entries.len() as u32, next: 0 })?;
        let first = self.emit.label();
        if !is_searched {
            self.emit.skip(item)?;
        }
        entries.are_empty = !is_map && !is_searched && self.emit.here() == first;
        self.emit.label();
        self.emit.push(Op::End)?;
        let reader = self.reader;
        if let (Kind::Map(read), true) = (reader.kind(r), is_map) {
            for (key, want) in &want.keys {
                entries.keys.push((key.as_str().into(), self.emit.label()));
                self.value(item, *read, want)?;
                self.emit.label();
                self.emit.push(Op::End)?;
            }
        }
        self.emit.ops[start as usize] = Op::Entries { of: self.plan.entries.len() as u32, next: self.emit.label() };
        self.plan.entries.push(entries);
        Ok(())
    }
}
