//! A compiled pair of schemas: a flat list of operations that walks a payload once, writes the feature row, skips
//! the rest, and rejects whatever does not follow the writer's schema to the last byte.
//!
//! Invariants of the walk:
//! 1. Nothing is read beyond the payload, and success means that every byte of it was accounted for.
//! 2. Nothing is allocated, and no count or length of the payload is believed before it is checked.
//! 3. Arrays, maps and recursive records may be nested [`DEPTH_MAX`] deep; the stack is bounded by that.
//! 4. On success every column of the row was written.

use super::decimal;
use super::ops::{EnumSink, Meaning, Op, Range, Sink, TextSink, Wire};
use super::read;
use crate::error::Reject;
use crate::record::TransactionId;

/// Arrays, maps and recursive records open at once in one payload.
pub const DEPTH_MAX: u32 = 32;

/// Items of no size (nulls, empty records) that one block may announce: nothing in the payload bounds them.
pub const EMPTY_ITEMS_MAX: u64 = 1 << 16;

/// How to read one writer's records into one reader's row. Immutable, and cheap to share.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) ops: Vec<Op>,
    pub(super) targets: Vec<u32>,
    pub(super) sinks: Vec<Sink>,
    pub(super) enums: Vec<EnumSink>,
    pub(super) meanings: Vec<Meaning>,
    pub(super) texts: Vec<TextSink>,
    /// By column.
    pub(super) ranges: Vec<Range>,
}

/// What the walk fills in.
struct Found<'r> {
    row: &'r mut [f32],
    id: TransactionId,
    event_time_ms: Option<i64>,
    /// Length of the whole value: a rest of it tells its own place.
    value_len: usize,
}

impl Plan {
    /// Columns of the row.
    pub fn width(&self) -> usize {
        self.ranges.len()
    }

    /// Decodes the datum that begins at `start` of `value` and writes the row's first [`Plan::width`] columns.
    /// Returns the transaction's id, as a place in `value` where it is text, and the event's time in milliseconds.
    ///
    /// # Errors
    /// The first thing that is wrong, in payload order; the row then holds no meaning.
    ///
    /// # Panics
    /// When `row` is shorter than the plan's width: a mistake of the caller, never of the payload.
    pub fn decode(&self, value: &[u8], start: usize, row: &mut [f32]) -> Result<(TransactionId, Option<i64>), Reject> {
        let payload = value.get(start..).ok_or(Reject::Truncated)?;
        if u32::try_from(value.len()).is_err() {
            return Err(Reject::Oversized);
        }
        let row = &mut row[..self.ranges.len()];
        let mut found = Found { row, id: TransactionId::Absent, event_time_ms: None, value_len: value.len() };
        match self.walk(0, payload, &mut found, 0)? {
            [] => Ok((found.id, found.event_time_ms)),
            _ => Err(Reject::TrailingBytes),
        }
    }

    /// Runs from `at` to [`Op::End`] and returns what is left of the payload.
    fn walk<'p>(&self, at: u32, rest: &'p [u8], found: &mut Found, depth: u32) -> Result<&'p [u8], Reject> {
        let mut at = at as usize;
        let mut rest = rest;
        loop {
            let op = self.ops[at];
            at += 1;
            match op {
                Op::Skip(len) => read::skip(&mut rest, len as usize)?,
                Op::Double(column) => self.put(found, column, read::double(&mut rest)?)?,
                Op::Float(column) => self.put(found, column, f64::from(read::float(&mut rest)?))?,
                Op::Int(column) => self.put(found, column, f64::from(read::int(&mut rest)?))?,
                Op::Long(column) => self.put(found, column, read::long(&mut rest)? as f64)?,
                Op::Boolean(column) => self.put(found, column, f64::from(u8::from(read::boolean(&mut rest)?)))?,
                Op::UnlessNull { null, target } => {
                    if read::index(&mut rest, 2, Reject::BadUnionBranch)? == u32::from(null) {
                        at = target as usize;
                    }
                }
                Op::SkipBytes(count) => repeat(count, || read::bytes(&mut rest).map(drop))?,
                Op::SkipInts(count) => repeat(count, || read::int(&mut rest).map(drop))?,
                Op::SkipLongs(count) => repeat(count, || read::long(&mut rest).map(drop))?,
                Op::SkipBooleans(count) => repeat(count, || read::boolean(&mut rest).map(drop))?,
                Op::SkipEnum { symbols } => {
                    read::index(&mut rest, symbols, Reject::BadEnumSymbol)?;
                }
                Op::Enum { symbols, first, count } => {
                    let symbol = read::index(&mut rest, symbols, Reject::BadEnumSymbol)?;
                    self.put_symbol(found, symbol, first, count)?;
                }
                Op::Text { first, count } => {
                    let text = read::bytes(&mut rest)?;
                    self.put_text(found, text, found.value_len - rest.len() - text.len(), first, count)?;
                }
                Op::Number { wire, first, count } => self.put_number(found, &mut rest, wire, first, count)?,
                Op::DecimalBytes { scale, first, count } => {
                    self.put_decimal(found, read::bytes(&mut rest)?, scale, first, count)?;
                }
                Op::DecimalFixed { size, scale, first, count } => {
                    let (bytes, tail) = rest.split_at_checked(usize::from(size)).ok_or(Reject::Truncated)?;
                    rest = tail;
                    self.put_decimal(found, bytes, scale, first, count)?;
                }
                Op::Constant { column, value } => found.row[usize::from(column)] = value,
                Op::EventTime(ms) => found.event_time_ms = Some(ms),
                Op::Jump(target) => at = target as usize,
                Op::Branch { count, first } => {
                    let branch = read::index(&mut rest, count, Reject::BadUnionBranch)?;
                    at = self.targets[(first + branch) as usize] as usize;
                }
                Op::SkipFixedBlocks { size } => skip_fixed_blocks(&mut rest, u64::from(size))?,
                Op::SkipBlocks { next } => {
                    rest = self.skip_blocks(at as u32, rest, found, deeper(depth)?)?;
                    at = next as usize;
                }
                Op::SkipRecursive { start } => rest = self.walk(start, rest, found, deeper(depth)?)?,
                Op::Reject(reject) => return Err(reject),
                Op::End => return Ok(rest),
            }
        }
    }

    #[inline(always)]
    fn put(&self, found: &mut Found, column: u16, value: f64) -> Result<(), Reject> {
        let range = self.ranges[usize::from(column)];
        // Not a number is in no range.
        if value >= range.min && value <= range.max {
            found.row[usize::from(column)] = value as f32;
            return Ok(());
        }
        Err(outside(column, value))
    }

    fn put_number(
        &self,
        found: &mut Found,
        rest: &mut &[u8],
        wire: Wire,
        first: u32,
        count: u32,
    ) -> Result<(), Reject> {
        let (integer, value) = match wire {
            Wire::Boolean => (0, f64::from(u8::from(read::boolean(rest)?))),
            Wire::Int => integer(i64::from(read::int(rest)?), |value| value as f64),
            Wire::IntAsFloat => integer(i64::from(read::int(rest)?), |value| f64::from(value as f32)),
            Wire::Long => integer(read::long(rest)?, |value| value as f64),
            Wire::LongAsFloat => integer(read::long(rest)?, |value| f64::from(value as f32)),
            Wire::Float => (0, f64::from(read::float(rest)?)),
            Wire::Double => (0, read::double(rest)?),
        };
        for sink in &self.sinks[first as usize..(first + count) as usize] {
            match *sink {
                Sink::Column(column) => self.put(found, column, value)?,
                Sink::TransactionId => found.id = TransactionId::Long(integer),
                Sink::EventTime(divisor) => found.event_time_ms = Some(integer.div_euclid(divisor)),
            }
        }
        Ok(())
    }

    fn put_decimal(&self, found: &mut Found, bytes: &[u8], scale: u16, first: u32, count: u32) -> Result<(), Reject> {
        if bytes.is_empty() {
            return Err(Reject::BadLength);
        }
        let value = decimal::unscaled(bytes).map(|unscaled| decimal::scaled(unscaled, u32::from(scale)));
        for sink in &self.sinks[first as usize..(first + count) as usize] {
            if let Sink::Column(column) = *sink {
                self.put(found, column, value.ok_or(Reject::FeatureOutOfRange(column))?)?;
            }
        }
        Ok(())
    }

    fn put_symbol(&self, found: &mut Found, symbol: u32, first: u32, count: u32) -> Result<(), Reject> {
        for sink in &self.enums[first as usize..(first + count) as usize] {
            put_meaning(found, sink.column, self.meanings[(sink.first + symbol) as usize])?;
        }
        Ok(())
    }

    fn put_text(&self, found: &mut Found, text: &[u8], start: usize, first: u32, count: u32) -> Result<(), Reject> {
        let text = std::str::from_utf8(text).map_err(|_| Reject::BadUtf8)?;
        for sink in &self.texts[first as usize..(first + count) as usize] {
            match sink {
                TextSink::TransactionId => {
                    found.id = TransactionId::Text { start: start as u32, len: text.len() as u32 };
                }
                TextSink::Column { column, known, otherwise } => {
                    let meaning =
                        known.iter().find(|(symbol, _)| **symbol == *text).map_or(*otherwise, |known| known.1);
                    put_meaning(found, *column, meaning)?;
                }
            }
        }
        Ok(())
    }

    /// Blocks of items whose operations start at `item`.
    fn skip_blocks<'p>(
        &self,
        item: u32,
        mut rest: &'p [u8],
        found: &mut Found,
        depth: u32,
    ) -> Result<&'p [u8], Reject> {
        while let Some(block) = Block::read(&mut rest)? {
            // Every item here takes a byte at least: items of no size are skipped as fixed ones.
            if block.count > rest.len() as u64 {
                return Err(Reject::BadLength);
            }
            for _ in 0..block.count {
                rest = self.walk(item, rest, found, depth)?;
            }
            block.check_end(rest)?;
        }
        Ok(rest)
    }
}

/// The head of an array's or a map's block.
struct Block {
    count: u64,
    /// What must be left of the payload after the block, where the writer said how many bytes it takes.
    left: Option<usize>,
}

impl Block {
    /// `None` is the end of the blocks.
    #[inline(always)]
    fn read(rest: &mut &[u8]) -> Result<Option<Block>, Reject> {
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
    fn check_end(&self, rest: &[u8]) -> Result<(), Reject> {
        match self.left {
            Some(left) if left != rest.len() => Err(Reject::BadLength),
            _ => Ok(()),
        }
    }
}

fn skip_fixed_blocks(rest: &mut &[u8], size: u64) -> Result<(), Reject> {
    while let Some(block) = Block::read(rest)? {
        if size == 0 && block.count > EMPTY_ITEMS_MAX {
            return Err(Reject::BadLength);
        }
        let bytes = block.count.checked_mul(size).and_then(|bytes| usize::try_from(bytes).ok());
        match bytes.and_then(|bytes| rest.get(bytes..)) {
            Some(tail) => *rest = tail,
            None => return Err(Reject::BadLength),
        }
        block.check_end(rest)?;
    }
    Ok(())
}

#[inline(always)]
fn repeat(count: u32, mut step: impl FnMut() -> Result<(), Reject>) -> Result<(), Reject> {
    for _ in 0..count {
        step()?;
    }
    Ok(())
}

#[inline(always)]
fn integer(value: i64, number: impl Fn(i64) -> f64) -> (i64, f64) {
    (value, number(value))
}

#[inline(always)]
fn deeper(depth: u32) -> Result<u32, Reject> {
    if depth == DEPTH_MAX { Err(Reject::TooDeep) } else { Ok(depth + 1) }
}

#[inline(always)]
fn put_meaning(found: &mut Found, column: u16, meaning: Meaning) -> Result<(), Reject> {
    match meaning {
        Meaning::Value(value) => {
            found.row[usize::from(column)] = value;
            Ok(())
        }
        Meaning::UnknownSymbol => Err(Reject::BadEnumSymbol),
        Meaning::OutOfRange => Err(Reject::FeatureOutOfRange(column)),
    }
}

#[cold]
fn outside(column: u16, value: f64) -> Reject {
    if value.is_finite() { Reject::FeatureOutOfRange(column) } else { Reject::NonFiniteFeature(column) }
}
