//! Blocks, in which the items of arrays and maps come.

use super::read;
use crate::error::Reject;

/// Items of no size (nulls, empty records) that one block may announce: nothing in the payload bounds them.
pub const EMPTY_ITEMS_MAX: u64 = 1 << 16;

/// The head of an array's or a map's block.
pub(super) struct Block {
    pub count: u64,
    /// What must be left of the payload after the block, where the writer said how many bytes it takes.
    left: Option<usize>,
}

impl Block {
    /// `None` is the end of the blocks.
    #[inline(always)]
    pub fn read(rest: &mut &[u8]) -> Result<Option<Block>, Reject> {
        let count = read::long(rest)?;
        if count >= 0 {
            return Ok((count > 0).then_some(Block { count: count as u64, left: None }));
        }
        if count == i64::MIN {
            return Err(Reject::BadLength);
        }
        let bytes = read::length(rest)?;
        let left = rest.len().checked_sub(bytes).ok_or(Reject::Truncated)?;
        Ok(Some(Block { count: count.unsigned_abs(), left: Some(left) }))
    }

    #[inline(always)]
    pub fn check_end(&self, rest: &[u8]) -> Result<(), Reject> {
        match self.left {
            Some(left) if left != rest.len() => Err(Reject::BadLength),
            _ => Ok(()),
        }
    }
}

/// Blocks of items that are `size` bytes each: as fast as one skip.
pub(super) fn skip_fixed_blocks(mut rest: &[u8], size: u64) -> Result<&[u8], Reject> {
    while let Some(block) = Block::read(&mut rest)? {
        if size == 0 && block.count > EMPTY_ITEMS_MAX {
            return Err(Reject::BadLength);
        }
        let bytes = block.count.checked_mul(size).and_then(|bytes| usize::try_from(bytes).ok());
        match bytes.and_then(|bytes| rest.get(bytes..)) {
            Some(tail) => rest = tail,
            None => return Err(Reject::BadLength),
        }
        block.check_end(rest)?;
    }
    Ok(rest)
}
