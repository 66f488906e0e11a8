//! What an operator asks a running node to do with one partition, and what becomes of it; and the two lines in which that
//! travels.

use serde::{Deserialize, Serialize};

/// Bytes of a line at most.
pub const LINE_BYTES_MAX: usize = 4_096;

/// Of what follows: a node says so where it knows another.
pub const VERSION: u32 = 1;

/// How long an operator waits at most, seconds.
pub const WAIT_S_MAX: u64 = 600;

/// The operator's line, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub version: u32,
    /// It must be the node's input.
    pub topic: String,
    pub order: Order,
    /// Seconds to wait for the end of it, [`WAIT_S_MAX`] at most.
    pub wait_s: u64,
}

/// The node's line, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// An exit code.
    pub code: u8,
    pub what: String,
    /// Empty where it is done.
    pub fix: String,
}

/// The partition, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub partition: i32,
    /// Skip: of the record that is passed over. Seek: of the first record that is read.
    pub offset: i64,
    pub ask: Ask,
    /// Nothing is written of what is passed over.
    pub without_letter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// One record, before which the partition stopped or which waits for a model.
    Skip,
    /// Go on elsewhere. `forced`: a partition that flows too. `repeats`: backwards too.
    Seek { forced: bool, repeats: bool },
}

/// The lane's word on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done(Moved),
    /// The partition is another lane's, or another node's; this lane has these.
    NotHeld {
        held: Vec<i32>,
    },
    Refused(Refusal),
}

/// A partition that goes on at `to`, and stood at `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub from: i64,
    pub to: i64,
    /// A dead letter names what was passed over.
    pub has_letter: bool,
}

/// Why an order is not carried out. Nothing was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It takes records in, and its model is not waited for.
    Flows,
    /// The group has asked for it back.
    Leaves,
    /// Nobody waits for it any more.
    TooLate,
    /// It was lost on the way.
    Lost,
    /// It stands before another record.
    StandsAt(i64),
    /// It stopped at an offset of which no record was read, for this reason.
    NothingRead { why: &'static str, next: i64 },
    /// It stands at a later offset: records would be scored once more.
    Backwards { from: i64 },
    /// The brokers do not take the dead letter.
    LetterRefused { why: String },
}
