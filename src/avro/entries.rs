//! What is wanted of an array or a map: how many items it has, whether a text is among them, the values of some keys.

use super::items::{simple_item, walk_blocks};
use super::ops::Entries;
use super::plan::{Found, Plan};
use super::read;
use crate::error::Reject;

impl Plan {
    /// Walks over an array or a map of which `entries[of]` is wanted; the operations of an item begin at `item`.
    #[inline(never)]
    pub(super) fn entries<'p>(
        &self,
        of: u32,
        item: u32,
        rest: &'p [u8],
        row: &mut [f32],
        found: &mut Found<'_>,
        depth: u32,
    ) -> Result<&'p [u8], Reject> {
        let of = &self.entries[of as usize];
        of.contained.iter().for_each(|(_, place)| found.raw[usize::from(*place)] = 0.0);
        let simple = simple_item(&self.ops[item as usize..]).filter(|_| !of.is_map && !of.reads_texts);
        let (rest, count) =
            walk_blocks(rest, simple, of.are_empty, |rest| self.entry(of, item, rest, row, found, depth))?;
        of.lengths.iter().for_each(|place| found.raw[usize::from(*place)] = count as f64);
        Ok(rest)
    }

    fn entry<'p>(
        &self,
        of: &Entries,
        item: u32,
        mut rest: &'p [u8],
        row: &mut [f32],
        found: &mut Found<'_>,
        depth: u32,
    ) -> Result<&'p [u8], Reject> {
        let mut item = item;
        if of.is_map || of.reads_texts {
            let text = read::bytes(&mut rest)?;
            for (_, place) in of.contained.iter().filter(|(wanted, _)| wanted.as_bytes() == text) {
                found.raw[usize::from(*place)] = 1.0;
            }
            if !of.is_map {
                return Ok(rest);
            }
            if let Some((_, wanted)) = of.keys.iter().find(|(key, _)| key.as_bytes() == text) {
                item = *wanted;
            }
        }
        self.walk(item, rest, row, found, depth)
    }
}
