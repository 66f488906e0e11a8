//! A compiled pair of schemas: a flat list of operations that walks a payload once, writes the feature row, skips
//! the rest, and rejects whatever does not follow the writer's schema to the last byte.
//!
//! Invariants of the walk:
//! 1. Nothing is read beyond the payload, and success means that every byte of it was accounted for.
//! 2. Nothing is allocated, and no count or length of the payload is believed before it is checked.
//! 3. Arrays, maps and recursive records may be nested [`DEPTH_MAX`] deep; the stack is bounded by that.
//! 4. On success every column of the row was written.

use super::finish::{Computed, MISSING, RAW_MAX};
use super::items::{simple_item, walk_blocks};
use super::ops::{Entries, EnumSink, Meaning, Nullable, Op, Range, Sink, TextSink};
use super::read;
use super::zone::Zone;
use crate::error::Reject;
use crate::values::record::TransactionId;

/// Arrays, maps and recursive records open at once in one payload.
pub const DEPTH_MAX: u32 = 32;

/// Numbers for computed columns that most plans make do with: each record's are cleared before it is read.
const FEW: usize = 32;

/// How to read one writer's records into one reader's row. Immutable, and cheap to share.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) ops: Vec<Op>,
    pub(super) targets: Vec<u32>,
    pub(super) sinks: Vec<Sink>,
    pub(super) enums: Vec<EnumSink>,
    pub(super) meanings: Vec<Meaning>,
    pub(super) texts: Vec<TextSink>,
    pub(super) entries: Vec<Entries>,
    /// Defaults of numbers that columns are computed of.
    pub(super) constants: Vec<f64>,
    /// How many numbers the walk leaves for columns that are computed of them, and those columns.
    pub(super) raw_len: usize,
    pub(super) computed: Vec<Computed>,
    pub(super) zones: Vec<Zone>,
    /// By column.
    pub(super) ranges: Vec<Range>,
    /// What the writer's records never give: features by name, the transaction's id, the event's time.
    pub(super) never_given: Vec<String>,
    /// Other things worth knowing of this pair of schemas, each a sentence.
    pub(super) remarks: Vec<String>,
}

/// What the walk finds beside the row.
pub(super) struct Found<'r> {
    pub id: TransactionId,
    pub event_time_ms: Option<i64>,
    /// Numbers that columns are computed of.
    pub raw: &'r mut [f64],
    /// Length of the whole value: a rest of it tells its own place.
    pub value_len: usize,
}

impl Found<'_> {
    /// Takes the text that comes next as the id.
    #[inline(always)]
    fn read_text_id(&mut self, rest: &mut &[u8]) -> Result<(), Reject> {
        let text = read::text(rest)?;
        self.id = self.text_id(text, rest);
        Ok(())
    }

    /// The id that `text` is, with `rest` behind it.
    #[inline(always)]
    pub fn text_id(&self, text: &[u8], rest: &[u8]) -> TransactionId {
        let start = self.value_len - rest.len() - text.len();
        TransactionId::Text { start: start as u32, len: text.len() as u32 }
    }
}

impl Plan {
    /// Columns of the row.
    pub fn width(&self) -> usize {
        self.ranges.len()
    }

    /// What records of this writer never give, so that every one of them takes a default or counts as missing: names of
    /// features, `transaction id`, `event time`.
    pub fn never_given(&self) -> &[String] {
        &self.never_given
    }

    /// What else an operator should know of this pair of schemas, each a sentence.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
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
        match self.raw_len {
            0 => self.read(payload, value.len(), row, &mut []),
            1..=FEW => self.read_and_compute::<FEW>(payload, value.len(), row),
            _ => self.read_and_compute::<RAW_MAX>(payload, value.len(), row),
        }
    }

    #[inline(always)]
    fn read(
        &self,
        payload: &[u8],
        value_len: usize,
        row: &mut [f32],
        raw: &mut [f64],
    ) -> Result<(TransactionId, Option<i64>), Reject> {
        let mut found = Found { id: TransactionId::Absent, event_time_ms: None, raw, value_len };
        match self.walk(0, payload, row, &mut found, 0)? {
            [] => Ok((found.id, found.event_time_ms)),
            _ => Err(Reject::TrailingBytes),
        }
    }

    /// For plans with columns that are computed of several numbers, or in several steps.
    #[inline(never)]
    fn read_and_compute<const N: usize>(
        &self,
        payload: &[u8],
        value_len: usize,
        row: &mut [f32],
    ) -> Result<(TransactionId, Option<i64>), Reject> {
        let mut raw = [MISSING; N];
        let found = self.read(payload, value_len, row, &mut raw)?;
        self.compute(&raw, row)?;
        Ok(found)
    }

    /// Length of the datum that `bytes` begin with, whatever follows it; for a plan that wants nothing.
    ///
    /// # Errors
    /// The first thing that is wrong with the datum.
    ///
    /// # Panics
    /// When the plan has columns: there is no row to write them to.
    pub fn datum_len(&self, bytes: &[u8]) -> Result<usize, Reject> {
        assert_eq!(self.width(), 0, "only a plan without columns measures");
        let (id, event_time_ms) = (TransactionId::Absent, None);
        let mut found = Found { id, event_time_ms, raw: &mut [], value_len: bytes.len() };
        self.walk(0, bytes, &mut [], &mut found, 0).map(|rest| bytes.len() - rest.len())
    }

    /// Runs from `start` to [`Op::End`] and returns what is left of the payload. The common steps are here, on a
    /// slice that stays in registers; the others are a call away, and spelt out so that the choice needs no bounds.
    pub(super) fn walk<'p>(
        &self,
        start: u32,
        payload: &'p [u8],
        row: &mut [f32],
        found: &mut Found<'_>,
        depth: u32,
    ) -> Result<&'p [u8], Reject> {
        let mut rest = payload;
        let mut ops = self.ops[start as usize..].iter();
        while let Some(op) = ops.next() {
            match *op {
                Op::Double(column) => self.put_double(row, column, &mut rest)?,
                Op::Float(column) => self.put_float(row, column, &mut rest)?,
                Op::Int(column) => put_int(row, column, &mut rest)?,
                Op::Long(column) => put_long(row, column, &mut rest)?,
                Op::Boolean(column) => row[usize::from(column)] = f32::from(u8::from(read::boolean(&mut rest)?)),
                Op::NullableDouble(of) => self.put_nullable_double(row, of, &mut rest)?,
                Op::NullableFloat(of) => self.put_nullable_float(row, of, &mut rest)?,
                Op::NullableInt(of) => put_nullable(row, of, &mut rest, put_int)?,
                Op::NullableLong(of) => put_nullable(row, of, &mut rest, put_long)?,
                Op::IntNullableDouble(column, of) => self.put_pair(row, column, of, &mut rest)?,
                Op::UnlessNull { null, target } => {
                    if read::is_null(&mut rest, null)? {
                        ops = self.ops[target as usize..].iter();
                    }
                }
                Op::Symbol { symbols, column, first } => {
                    let symbol = read::index(&mut rest, u32::from(symbols), Reject::BadEnumSymbol)?;
                    row[usize::from(column)] = self.meanings[(first + symbol) as usize].of(column)?;
                }
                Op::TransactionText => found.read_text_id(&mut rest)?,
                Op::EventTimeMillis => found.event_time_ms = Some(read::long(&mut rest)?),
                Op::Skip(len) => read::skip(&mut rest, len as usize)?,
                Op::SkipBytes(count) => repeat(count, || read::bytes(&mut rest).map(drop))?,
                Op::SkipInts(count) => repeat(count, || read::int(&mut rest).map(drop))?,
                Op::SkipLongs(count) => repeat(count, || read::long(&mut rest).map(drop))?,
                Op::SkipBooleans(count) => repeat(count, || read::boolean(&mut rest).map(drop))?,
                Op::SkipEnum { symbols } => read::index(&mut rest, symbols, Reject::BadEnumSymbol).map(drop)?,
                Op::SkipNullable { null, len } => unless_null(&mut rest, null, |rest| read::skip(rest, len as usize))?,
                Op::SkipNullableBytes { null } => unless_null(&mut rest, null, |rest| read::bytes(rest).map(drop))?,
                Op::Constant { column, value } => row[usize::from(column)] = value,
                Op::Jump(target) => ops = self.ops[target as usize..].iter(),
                Op::Branch { count, first } => {
                    let branch = read::index(&mut rest, count, Reject::BadUnionBranch)?;
                    ops = self.ops[self.targets[(first + branch) as usize] as usize..].iter();
                }
                Op::SkipBlocks { next } | Op::Entries { next, .. } => {
                    let item = (self.ops.len() - ops.len()) as u32;
                    rest = self.blocks(op, item, rest, row, found, deeper(depth)?)?;
                    ops = self.ops[next as usize..].iter();
                }
                Op::SkipRecursive { start } => rest = self.walk(start, rest, row, found, deeper(depth)?)?,
                Op::Reject(reject) => return Err(reject),
                Op::End => break,
                Op::Number { .. }
                | Op::Enum { .. }
                | Op::Text { .. }
                | Op::DecimalBytes { .. }
                | Op::DecimalFixed { .. }
                | Op::VariableScaleDecimal { .. }
                | Op::EventTime(_)
                | Op::RawConstant { .. }
                | Op::SkipFixedBlocks { .. } => rest = self.value(op, rest, row, found)?,
            }
        }
        Ok(rest)
    }

    /// Rounding to `f32` makes infinities of what is out of range, and keeps those and NaN: one check finds all three.
    #[inline(always)]
    fn put_double(&self, row: &mut [f32], column: u16, rest: &mut &[u8]) -> Result<(), Reject> {
        let value = read::double(rest)?;
        let rounded = value as f32;
        if !rounded.is_finite() {
            return self.outside(row, column, value);
        }
        row[usize::from(column)] = rounded;
        Ok(())
    }

    #[inline(always)]
    fn put_float(&self, row: &mut [f32], column: u16, rest: &mut &[u8]) -> Result<(), Reject> {
        let value = read::float(rest)?;
        if !value.is_finite() {
            return self.outside(row, column, f64::from(value));
        }
        row[usize::from(column)] = value;
        Ok(())
    }

    #[inline(always)]
    fn put_nullable_double(&self, row: &mut [f32], of: Nullable, rest: &mut &[u8]) -> Result<(), Reject> {
        put_nullable(row, of, rest, |row, column, rest| self.put_double(row, column, rest))
    }

    #[inline(always)]
    fn put_pair(&self, row: &mut [f32], column: u16, of: Nullable, rest: &mut &[u8]) -> Result<(), Reject> {
        put_int(row, column, rest)?;
        self.put_nullable_double(row, of, rest)
    }

    #[inline(always)]
    fn put_nullable_float(&self, row: &mut [f32], of: Nullable, rest: &mut &[u8]) -> Result<(), Reject> {
        put_nullable(row, of, rest, |row, column, rest| self.put_float(row, column, rest))
    }

    /// A value that is in no range: one that is not finite is missing where the contract says NaN for what is missing,
    /// every other is rejected.
    #[cold]
    pub(super) fn outside(&self, row: &mut [f32], column: u16, value: f64) -> Result<(), Reject> {
        if value.is_finite() {
            return Err(Reject::FeatureOutOfRange(column));
        }
        if !self.ranges[usize::from(column)].nan_is_missing {
            return Err(Reject::NonFiniteFeature(column));
        }
        row[usize::from(column)] = f32::NAN;
        Ok(())
    }

    /// Blocks of items whose operations start at `item`, behind `op`.
    fn blocks<'p>(
        &self,
        op: &Op,
        item: u32,
        rest: &'p [u8],
        row: &mut [f32],
        found: &mut Found<'_>,
        depth: u32,
    ) -> Result<&'p [u8], Reject> {
        if let Op::Entries { of, .. } = *op {
            return self.entries(of, item, rest, row, found, depth);
        }
        let simple = simple_item(&self.ops[item as usize..]);
        // Items of no size are skipped as fixed ones: each of these takes a byte at least.
        walk_blocks(rest, simple, false, |rest| self.walk(item, rest, row, found, depth)).map(|(rest, _)| rest)
    }
}

#[inline(always)]
fn repeat(count: u32, mut step: impl FnMut() -> Result<(), Reject>) -> Result<(), Reject> {
    for _ in 0..count {
        step()?;
    }
    Ok(())
}

#[inline(always)]
fn deeper(depth: u32) -> Result<u32, Reject> {
    if depth == DEPTH_MAX { Err(Reject::TooDeep) } else { Ok(depth + 1) }
}

#[inline(always)]
fn unless_null(rest: &mut &[u8], null: u8, skip: impl Fn(&mut &[u8]) -> Result<(), Reject>) -> Result<(), Reject> {
    if read::is_null(rest, null)? { Ok(()) } else { skip(rest) }
}

#[inline(always)]
fn put_nullable(
    row: &mut [f32],
    of: Nullable,
    rest: &mut &[u8],
    put: impl Fn(&mut [f32], u16, &mut &[u8]) -> Result<(), Reject>,
) -> Result<(), Reject> {
    if read::is_null(rest, of.null)? {
        row[usize::from(of.column)] = of.missing;
        return Ok(());
    }
    put(row, of.column, rest)
}

#[inline(always)]
fn put_int(row: &mut [f32], column: u16, rest: &mut &[u8]) -> Result<(), Reject> {
    row[usize::from(column)] = read::int(rest)? as f32;
    Ok(())
}

/// Through `f64`, as every number goes: what a consumer computes from the decoded value is the same to the bit.
#[inline(always)]
fn put_long(row: &mut [f32], column: u16, rest: &mut &[u8]) -> Result<(), Reject> {
    row[usize::from(column)] = read::long(rest)? as f64 as f32;
    Ok(())
}
