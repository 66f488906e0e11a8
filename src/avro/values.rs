//! The steps of a walk that are worth a call: values with several uses or limits, texts, decimals, and containers.

use super::block::skip_fixed_blocks;
use super::decimal;
use super::ops::{Meaning, Op, Sink, TextSink, Wire};
use super::plan::{Found, Plan};
use super::read;
use crate::error::Reject;
use crate::values::record::TransactionId;

impl Plan {
    /// Takes one step that reads a value, and returns what is left of the payload.
    #[inline(never)]
    pub(super) fn value<'p>(
        &self,
        op: &Op,
        mut rest: &'p [u8],
        row: &mut [f32],
        found: &mut Found<'_>,
    ) -> Result<&'p [u8], Reject> {
        match *op {
            Op::Number { wire, first, count } => {
                let (integer, value) = number(wire, &mut rest)?;
                for sink in &self.sinks[first as usize..(first + count) as usize] {
                    match *sink {
                        Sink::Column(column) => self.put(row, column, value)?,
                        Sink::Raw { place, divisor: 1, .. } => found.raw[usize::from(place)] = value,
                        Sink::Raw { place, divisor, .. } => found.raw[usize::from(place)] = value / f64::from(divisor),
                        Sink::TransactionId => found.id = TransactionId::Long(integer),
                        Sink::EventTime(1) => found.event_time_ms = Some(integer),
                        Sink::EventTime(divisor) => found.event_time_ms = Some(integer.div_euclid(divisor)),
                    }
                }
            }
            Op::Enum { symbols, first, count } => {
                let symbol = read::index(&mut rest, symbols, Reject::BadEnumSymbol)?;
                for sink in &self.enums[first as usize..(first + count) as usize] {
                    let meaning = self.meanings[(sink.first + symbol) as usize];
                    row[usize::from(sink.column)] = meaning.of(sink.column)?;
                }
            }
            Op::Text { first, count } => {
                let text = read::text(&mut rest)?;
                let id = found.text_id(text, rest);
                self.text(text, id, first..first + count, row, found)?;
            }
            Op::DecimalBytes { scale, first, count } => {
                self.decimal(read::bytes(&mut rest)?, i32::from(scale), first..first + count, row, found)?;
            }
            Op::DecimalFixed { size, scale, first, count } => {
                let (bytes, tail) = rest.split_at_checked(usize::from(size)).ok_or(Reject::Truncated)?;
                rest = tail;
                self.decimal(bytes, i32::from(scale), first..first + count, row, found)?;
            }
            Op::VariableScaleDecimal { first, count } => {
                let scale = read::int(&mut rest)?;
                self.decimal(read::bytes(&mut rest)?, scale, first..first + count, row, found)?;
            }
            Op::EventTime(ms) => found.event_time_ms = Some(ms),
            Op::RawConstant { place, index } => found.raw[usize::from(place)] = self.constants[index as usize],
            Op::SkipFixedBlocks { size } => rest = skip_fixed_blocks(rest, u64::from(size))?,
            ref other => unreachable!("{other:?} is a step of the walk itself"),
        }
        Ok(rest)
    }

    #[inline]
    fn put(&self, row: &mut [f32], column: u16, value: f64) -> Result<(), Reject> {
        if !self.ranges[usize::from(column)].holds(value) {
            return self.outside(row, column, value);
        }
        row[usize::from(column)] = value as f32;
        Ok(())
    }

    fn decimal(
        &self,
        bytes: &[u8],
        scale: i32,
        sinks: std::ops::Range<u32>,
        row: &mut [f32],
        found: &mut Found<'_>,
    ) -> Result<(), Reject> {
        if bytes.is_empty() {
            return Err(Reject::BadLength);
        }
        let value = decimal::unscaled(bytes).map(|unscaled| decimal::scaled(unscaled, scale));
        for sink in &self.sinks[sinks.start as usize..sinks.end as usize] {
            let (Sink::Column(column) | Sink::Raw { column, .. }) = *sink else { continue };
            // A scale that the payload chose may be absurd.
            let value = value.filter(|value| value.is_finite()).ok_or(Reject::FeatureOutOfRange(column))?;
            match *sink {
                Sink::Raw { place, .. } => found.raw[usize::from(place)] = value,
                _ => self.put(row, column, value)?,
            }
        }
        Ok(())
    }

    /// `id` is the text as an id.
    fn text(
        &self,
        text: &[u8],
        id: TransactionId,
        sinks: std::ops::Range<u32>,
        row: &mut [f32],
        found: &mut Found<'_>,
    ) -> Result<(), Reject> {
        for sink in &self.texts[sinks.start as usize..sinks.end as usize] {
            match sink {
                TextSink::TransactionId => found.id = id,
                TextSink::Column { column, known, otherwise } => {
                    row[usize::from(*column)] = known.meaning(text).unwrap_or(*otherwise).of(*column)?;
                }
                TextSink::Raw { place, column, known, otherwise } => {
                    let value = known.meaning(text).unwrap_or(*otherwise).of(*column)?;
                    found.raw[usize::from(*place)] = f64::from(value);
                }
                TextSink::OneHot { first, count, known, otherwise } => {
                    let columns = &mut row[usize::from(*first)..usize::from(first + count)];
                    columns.fill(0.0);
                    match known.meaning(text) {
                        Some(place) => columns[place.of(*first)? as usize] = 1.0,
                        None => drop(otherwise.of(*first)?),
                    }
                }
            }
        }
        Ok(())
    }
}

/// The integer, where it is one, and the number as the reader's type has it.
fn number(wire: Wire, rest: &mut &[u8]) -> Result<(i64, f64), Reject> {
    let integer = match wire {
        Wire::Boolean => i64::from(read::boolean(rest)?),
        Wire::Int | Wire::IntAsFloat => i64::from(read::int(rest)?),
        Wire::Long | Wire::LongAsFloat => read::long(rest)?,
        Wire::Float => return Ok((0, f64::from(read::float(rest)?))),
        Wire::Double => return Ok((0, read::double(rest)?)),
    };
    Ok(match wire {
        Wire::IntAsFloat | Wire::LongAsFloat => (integer, f64::from(integer as f32)),
        _ => (integer, integer as f64),
    })
}

impl Meaning {
    /// The column's value, or why there is none.
    #[inline(always)]
    pub(super) fn of(self, column: u16) -> Result<f32, Reject> {
        match self {
            Meaning::Value(value) => Ok(value),
            Meaning::UnknownSymbol => Err(Reject::UnknownSymbol(column)),
            Meaning::OutOfRange => Err(Reject::FeatureOutOfRange(column)),
        }
    }
}
