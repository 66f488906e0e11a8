//! A letter about a record that is to be scored again later: what it says of that record, and when it is due.
//!
//! It has the record's key, value, timestamp and headers, the headers of a dead letter in the style `scorewire`, and two that
//! say when ([`NOT_BEFORE`], [`EXPIRES_AT`]).

use std::ffi::CStr;
use std::str::FromStr;

use crate::doors::SourceRecord;
use crate::error::Reject;
use crate::values::record::{Amends, Position};

/// Wall clock, milliseconds since the epoch, as text: not to be scored before.
pub const NOT_BEFORE: &CStr = c"__scorewire.retry.not_before";

/// The same: a score is of no use from then on.
pub const EXPIRES_AT: &CStr = c"__scorewire.retry.expires_at";

/// Why the record had no score. Of dead letters in the style `scorewire`, as the next ones are.
const REASON: &str = "__scorewire.errors.reason";
const TOPIC: &str = "__scorewire.errors.topic";
const PARTITION: &str = "__scorewire.errors.partition";
const OFFSET: &str = "__scorewire.errors.offset";
pub(super) const ATTEMPT: &str = "__scorewire.errors.attempt";

/// What a letter says of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where the record stands in the input.
    pub origin: Position,
    /// How often it has failed.
    pub attempt: u32,
}

/// A letter, and its times in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub letter: Letter,
    pub not_before_ms: i64,
    pub expires_at_ms: i64,
}

impl Letter {
    /// What a record of the topic of retries says, about one of the topic `input`.
    ///
    /// # Errors
    /// [`Reject::NoLetter`]: it is none, or one about a record of another topic.
    pub fn of(record: &impl SourceRecord, input: &str) -> Result<Due, Reject> {
        let read = || {
            let is_of_input = record.header(TOPIC) == Some(input.as_bytes());
            let origin = Position { partition: number(record, PARTITION)?, offset: number(record, OFFSET)? };
            let letter = Letter { origin, attempt: number(record, ATTEMPT)? };
            let (not_before_ms, expires_at_ms) = (time(record, NOT_BEFORE)?, time(record, EXPIRES_AT)?);
            is_of_input.then_some(Due { letter, not_before_ms, expires_at_ms })
        };
        read().ok_or(Reject::NoLetter)
    }

    /// What a score of the record says of the outcome before it.
    pub fn amends<'r>(&self, record: &'r impl SourceRecord) -> Amends<'r> {
        let cause = record.header(REASON).and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or_default();
        Amends { attempt: i32::try_from(self.attempt).unwrap_or(i32::MAX), cause }
    }
}

/// One of the times of a letter.
pub(super) fn time(record: &impl SourceRecord, name: &CStr) -> Option<i64> {
    number(record, name.to_str().ok()?)
}

fn number<N: FromStr>(record: &impl SourceRecord, name: &str) -> Option<N> {
    std::str::from_utf8(record.header(name)?).ok()?.parse().ok()
}
