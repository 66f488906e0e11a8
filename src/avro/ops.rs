//! The operations of a plan, and the tables they point into. All of it is decided when the plan is compiled.

use super::feature::{Feature, Missing};
use crate::error::Reject;

/// One step. Targets are places in the list of operations. No step holds another enum: the compiler would put that one's tag in
/// place of this one's, and to tell the steps apart would cost 16 % of a decode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    /// Bytes whose content does not matter: runs of floats, doubles and fixed.
    Skip(u32),
    SkipBooleans(u32),
    SkipInts(u32),
    SkipLongs(u32),
    /// Strings and bytes.
    SkipBytes(u32),
    SkipEnum {
        symbols: u32,
    },
    /// Array items that are `size` bytes each, 0 included.
    SkipFixedBlocks {
        size: u32,
    },
    /// Array or map: the operations of one item follow, up to [`Op::End`]; then the walk goes on at `next`.
    SkipBlocks {
        next: u32,
    },
    /// A record that contains itself.
    SkipRecursive {
        start: u32,
    },
    End,
    Jump(u32),
    /// Union of null and one other type: the other one follows, null is handled at `target`. `null` is the byte that
    /// encodes its branch: 0 or 2.
    UnlessNull {
        null: u8,
        target: u32,
    },
    /// The same, with a value that is not wanted.
    SkipNullable {
        null: u8,
        len: u32,
    },
    SkipNullableBytes {
        null: u8,
    },
    /// The same, with one number for one column and a constant for null: most of a model's nullable features.
    NullableDouble(Nullable),
    NullableFloat(Nullable),
    NullableInt(Nullable),
    NullableLong(Nullable),
    /// How often and how much: the usual pair of a time window.
    IntNullableDouble(u16, Nullable),
    /// Any other union: the branch's index chooses among `targets[first..]`.
    Branch {
        count: u32,
        first: u32,
    },
    /// A default, a missing policy's constant, or presence.
    Constant {
        column: u16,
        value: f32,
    },
    /// The default of an event's time, in milliseconds.
    EventTime(i64),
    /// The default of a number that a column is computed of: `constants[index]`.
    RawConstant {
        place: u16,
        index: u32,
    },
    /// An id that is text, and a time that is a long of milliseconds: what nearly every record has.
    TransactionText,
    EventTimeMillis,
    Reject(Reject),
    /// One number into one column without limits of its own.
    Double(u16),
    Float(u16),
    Int(u16),
    Long(u16),
    Boolean(u16),
    /// Any number for all `sinks[first..first + count]`.
    Number {
        wire: Wire,
        first: u32,
        count: u32,
    },
    /// One enum into one column; `meanings[first..]` by symbol.
    Symbol {
        symbols: u16,
        column: u16,
        first: u32,
    },
    Enum {
        symbols: u32,
        first: u32,
        count: u32,
    },
    Text {
        first: u32,
        count: u32,
    },
    DecimalBytes {
        scale: u16,
        first: u32,
        count: u32,
    },
    DecimalFixed {
        size: u16,
        scale: u16,
        first: u32,
        count: u32,
    },
    /// A record of a scale and an unscaled integer.
    VariableScaleDecimal {
        first: u32,
        count: u32,
    },
    /// An array or a map that something is wanted of: `entries[of]` says what. The operations of an item that nobody asks
    /// for follow, then those of wanted ones; then the walk goes on at `next`.
    Entries {
        of: u32,
        next: u32,
    },
}

/// A number that may be null, for one column without limits of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nullable {
    /// The byte that encodes null's branch: 0 or 2.
    pub null: u8,
    pub column: u16,
    pub missing: f32,
}

/// How a number is written, and where the reader's `float` rounds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire {
    Boolean,
    Int,
    IntAsFloat,
    Long,
    LongAsFloat,
    Float,
    Double,
}

/// Where a number goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sink {
    Column(u16),
    /// The place of a number that a column is computed of, and the divisor that makes milliseconds of a time, or 1.
    Raw {
        place: u16,
        divisor: u32,
        column: u16,
    },
    TransactionId,
    /// The divisor that makes milliseconds.
    EventTime(i64),
}

/// What a symbol or a text means to a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Value(f32),
    /// Unknown to the reader's enum, which has no default.
    UnknownSymbol,
    /// Not in the contract's list, or outside its limits.
    OutOfRange,
}

/// An enum's column: what each of the writer's symbols means stands in `meanings[first..]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EnumSink {
    pub column: u16,
    pub first: u32,
}

/// Where a text goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextSink {
    TransactionId,
    Column {
        column: u16,
        known: Texts,
        otherwise: Meaning,
    },
    /// What a column is computed of.
    Raw {
        place: u16,
        column: u16,
        known: Texts,
        otherwise: Meaning,
    },
    /// Columns `first` to `first + count`, each for one text: known ones mean their own place among them.
    OneHot {
        first: u16,
        count: u16,
        known: Texts,
        otherwise: Meaning,
    },
}

/// What is wanted of an array or a map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entries {
    pub is_map: bool,
    /// Items are texts, which are read to be compared: no operations follow for them.
    pub reads_texts: bool,
    /// Items take no byte, so nothing in the payload bounds their number.
    pub are_empty: bool,
    /// Places that get the number of items.
    pub lengths: Vec<u16>,
    /// Places that get 1 where this text is an item, or this key is there, else 0.
    pub contained: Vec<(Box<str>, u16)>,
    /// Keys whose values are wanted, and where the operations of each begin.
    pub keys: Vec<(Box<str>, u32)>,
}

/// Texts and their meanings. Codes of up to seven bytes, as those of countries, currencies and merchants are, are compared
/// as one number each: a call to compare texts takes longer than all of them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    short: Vec<(u64, Meaning)>,
    long: Vec<(Box<str>, Meaning)>,
}

impl Texts {
    /// A text that stands there twice means what it means first.
    pub(super) fn new<'t>(all: impl Iterator<Item = (&'t str, Meaning)>) -> Texts {
        let mut texts = Texts::default();
        for (text, meaning) in all {
            match packed(text.as_bytes()) {
                Some(number) => texts.short.push((number, meaning)),
                None => texts.long.push((text.into(), meaning)),
            }
        }
        texts
    }

    #[inline]
    pub(super) fn meaning(&self, text: &[u8]) -> Option<Meaning> {
        match packed(text) {
            Some(number) => self.short.iter().find(|known| known.0 == number).map(|known| known.1),
            None => self.long.iter().find(|known| known.0.as_bytes() == text).map(|known| known.1),
        }
    }
}

/// The bytes of a short text, and how many they are, as one number.
#[inline]
fn packed(text: &[u8]) -> Option<u64> {
    if text.len() > 7 {
        return None;
    }
    let bytes = text.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    Some((text.len() as u64) << 56 | bytes)
}

/// The range a column accepts: the contract's limits and those of `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub min: f64,
    pub max: f64,
    /// A value that is there and not finite is missing, and so NaN.
    pub nan_is_missing: bool,
}

impl Range {
    /// The largest number that rounds to a finite `f32`: just below the middle between the largest `f32`,
    /// 2^128 - 2^104, and 2^128, which ties to even, that is to infinity.
    const F32_MAX: f64 = (f32::MAX as f64 + 10_141_204_801_825_835_211_973_625_643_008.0).next_down();

    pub(super) fn of(feature: &Feature) -> Range {
        Range {
            min: feature.min.unwrap_or(f64::MIN).max(-Range::F32_MAX),
            max: feature.max.unwrap_or(f64::MAX).min(Range::F32_MAX),
            nan_is_missing: feature.missing == Some(Missing::Nan),
        }
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        value >= self.min && value <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_told_apart() {
        let known = ["", "\0", "a", "a\0", "\0a", "b", "abcdefg", "abcdefgh", "abcdefgi", "a rather long text"];
        let value = |place: usize| Meaning::Value(place as f32);
        let texts = Texts::new(known.iter().enumerate().map(|(place, text)| (*text, value(place))));
        for (place, text) in known.iter().enumerate() {
            assert_eq!(texts.meaning(text.as_bytes()), Some(value(place)), "{text:?}");
        }
        for unknown in ["\0\0", "c", "ab", "abcdefh", "abcdef", "abcdefgj", "a rather long tex"] {
            assert_eq!(texts.meaning(unknown.as_bytes()), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_text_that_stands_there_twice_means_what_it_means_first() {
        for text in ["DE", "a rather long text"] {
            let texts = Texts::new([(text, Meaning::Value(1.0)), (text, Meaning::Value(2.0))].into_iter());
            assert_eq!(texts.meaning(text.as_bytes()), Some(Meaning::Value(1.0)));
        }
    }
}
