//! The items of arrays and maps, block by block. Those that are walked over for nothing but their ends, as most are in real
//! records, take one loop for all of them instead of a walk for each.

use super::block::{Block, EMPTY_ITEMS_MAX};
use super::ops::Op;
use super::read;
use crate::error::Reject;

/// The operations of an item that [`skip_items`] can do, where those at the front of `ops` are such up to [`Op::End`].
pub(super) fn simple_item(ops: &[Op]) -> Option<&[Op]> {
    let end = ops.iter().position(|op| !is_simple(op))?;
    (ops[end] == Op::End).then(|| &ops[..end])
}

fn is_simple(op: &Op) -> bool {
    matches!(
        op,
        Op::Skip(_)
            | Op::SkipBytes(_)
            | Op::SkipInts(_)
            | Op::SkipLongs(_)
            | Op::SkipBooleans(_)
            | Op::SkipEnum { .. }
            | Op::SkipNullable { .. }
            | Op::SkipNullableBytes { .. }
    )
}

/// Walks over all blocks: item by item with `one`, or in one loop where they are `simple`. Returns what is left, and how many
/// items there were. Where they take no byte, `are_empty`, nothing but a limit bounds their number.
#[inline(always)]
pub(super) fn walk_blocks<'p>(
    mut rest: &'p [u8],
    simple: Option<&[Op]>,
    are_empty: bool,
    mut one: impl FnMut(&'p [u8]) -> Result<&'p [u8], Reject>,
) -> Result<(&'p [u8], u64), Reject> {
    let mut count = 0;
    while let Some(block) = Block::read(&mut rest)? {
        let most = if are_empty { EMPTY_ITEMS_MAX } else { rest.len() as u64 };
        if block.count > most {
            return Err(Reject::BadLength);
        }
        count += block.count;
        match simple {
            Some(item) => rest = skip_items(item, block.count, rest)?,
            None => {
                for _ in 0..block.count {
                    rest = one(rest)?;
                }
            }
        }
        block.check_end(rest)?;
    }
    Ok((rest, count))
}

/// Walks over so many items of these operations.
#[inline(never)]
fn skip_items<'p>(item: &[Op], count: u64, mut rest: &'p [u8]) -> Result<&'p [u8], Reject> {
    if item.is_empty() {
        // Nothing in the payload bounds the number of items without bytes, and there is nothing to walk over.
        return Ok(rest);
    }
    for _ in 0..count {
        for op in item {
            match *op {
                Op::Skip(len) => read::skip(&mut rest, len as usize)?,
                Op::SkipBytes(times) => (0..times).try_for_each(|_| read::bytes(&mut rest).map(drop))?,
                Op::SkipInts(times) => (0..times).try_for_each(|_| read::int(&mut rest).map(drop))?,
                Op::SkipLongs(times) => (0..times).try_for_each(|_| read::long(&mut rest).map(drop))?,
                Op::SkipBooleans(times) => (0..times).try_for_each(|_| read::boolean(&mut rest).map(drop))?,
                Op::SkipEnum { symbols } => read::index(&mut rest, symbols, Reject::BadEnumSymbol).map(drop)?,
                Op::SkipNullable { null, .. } | Op::SkipNullableBytes { null } if read::is_null(&mut rest, null)? => {}
                Op::SkipNullable { len, .. } => read::skip(&mut rest, len as usize)?,
                Op::SkipNullableBytes { .. } => read::bytes(&mut rest).map(drop)?,
                _ => unreachable!("`simple_item` knows what is done here"),
            }
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_items_that_are_skips_to_their_end_are_simple() {
        let item = [Op::SkipBytes(1), Op::Skip(8), Op::SkipLongs(1), Op::End, Op::Double(0), Op::End];
        assert_eq!(simple_item(&item), Some(&item[..3]));
        for other in [Op::UnlessNull { null: 0, target: 0 }, Op::SkipBlocks { next: 0 }, Op::SkipRecursive { start: 0 }]
        {
            assert_eq!(simple_item(&[Op::SkipBytes(1), other, Op::End]), None, "{other:?}");
        }
    }

    #[test]
    fn items_of_every_kind_are_stepped_over_to_their_last_byte_and_not_beyond() {
        let item = [
            Op::SkipBytes(2),
            Op::Skip(3),
            Op::SkipInts(1),
            Op::SkipLongs(2),
            Op::SkipBooleans(1),
            Op::SkipEnum { symbols: 3 },
            Op::SkipNullable { null: 0, len: 2 },
            Op::SkipNullableBytes { null: 2 },
        ];
        // Two items: texts, three bytes, an int, two longs, a boolean, a symbol, and both optional values there and not.
        let full: &[u8] = &[2, b'a', 0, 9, 9, 9, 8, 0x80, 1, 6, 1, 4, 2, 7, 7, 0, 2, b'b'];
        let nulls: &[u8] = &[0, 2, b'c', 9, 9, 9, 8, 6, 6, 0, 0, 0, 2];
        let both = [full, nulls, &[42][..]].concat();
        assert_eq!(skip_items(&item, 2, &both), Ok(&[42][..]));
        for cut in 0..full.len() {
            assert_eq!(skip_items(&item, 1, &full[..cut]), Err(Reject::Truncated), "cut to {cut}");
        }
        let bad = |at: usize, byte: u8| {
            let mut bytes = full.to_vec();
            bytes[at] = byte;
            skip_items(&item, 1, &bytes).map(<[u8]>::len)
        };
        assert_eq!(bad(0, 1), Err(Reject::BadLength));
        assert_eq!(bad(10, 2), Err(Reject::BadBoolean));
        assert_eq!(bad(11, 6), Err(Reject::BadEnumSymbol));
        assert_eq!(bad(12, 4), Err(Reject::BadUnionBranch));
    }
}
