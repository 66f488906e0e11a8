//! The names in a dead letter: those of its headers, in the styles that there are, and of what it holds. The lane writes them,
//! and whoever brings letters back reads them.

/// Prefixes of the headers that say why and where, of each style.
pub const SCOREWIRE_PREFIX: &str = "__scorewire.errors.";
pub const CONNECT_PREFIX: &str = "__connect.errors.";
pub const STREAMS_PREFIX: &str = "__streams.errors.";

/// Prefix of the headers of letters that are scored again later, beside those of a dead letter.
pub const RETRY_PREFIX: &str = "__scorewire.retry.";

/// On a record that was brought back from a dead letter: how often it had failed by then, in digits. It has one name in every
/// style, so that a letter's attempts are counted whatever style it is written in.
pub const REDRIVEN: &str = "__scorewire.redrive.attempt";

/// What a dead letter holds of its record, as its header `payload` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Key and value, byte for byte.
    Whole,
    /// The key, and no value: by `dead_letters.payload`, or since the record was too large.
    NoValue,
    /// Neither: only why, and where the record is found.
    Stub,
}

impl Holds {
    pub const ALL: [Holds; 3] = [Holds::Whole, Holds::NoValue, Holds::Stub];

    pub fn word(self) -> &'static str {
        match self {
            Holds::Whole => "whole",
            Holds::NoValue => "no_value",
            Holds::Stub => "stub",
        }
    }
}
