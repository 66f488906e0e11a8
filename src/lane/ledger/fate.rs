//! What becomes of records.

use crate::error::Reject;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Scored,
    Rejected(Reject),
    /// It is to be scored again later: a letter says so.
    Deferred,
}
