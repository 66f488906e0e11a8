//! Two packages on the same record: the champion, which decides, and a challenger, which is only compared with it.

use super::fingerprint::Fingerprint;
use super::record::{Decision, Position, TransactionId};
use super::settings::Thresholds;
use crate::error::Reject;

/// A package, and by which thresholds its scores are decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    pub model_name: String,
    pub model_version: String,
    /// Of the model's file, lower-case hexadecimal.
    pub model_sha256: String,
    pub thresholds: Thresholds,
}

/// Why a challenger has no score: a dead letter's reason; `None` where the schema of its record was not there.
pub type NoScore = Option<Reject>;

/// What a row and a metric say in place of a reason where the schema was not there.
pub const SCHEMA_NOT_THERE: &str = "schema_not_there";

/// What the champion made of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ruling {
    pub score: f64,
    pub decision: Decision,
    pub late: bool,
    /// Of what it scored, where outputs carry fingerprints.
    pub fingerprint: Option<Fingerprint>,
}

/// A record that both have answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Challenged<'a> {
    pub position: Position,
    pub source_timestamp_ms: i64,
    /// The record's value as it came, which a text id is a part of.
    pub payload: &'a [u8],
    /// As the champion's package decoded it.
    pub id: TransactionId,
    pub answer: Result<(f64, Decision), NoScore>,
    pub champion: Ruling,
    /// The assignment that it was received in.
    pub epoch: u32,
    /// Wall clock, microseconds: polled, scored by the champion, scored by the challenger.
    pub received_us: i64,
    pub scored_us: i64,
    pub challenged_us: i64,
}
