//! Two kinds of failure, kept apart by type: [`Reject`] is the fate of one record, [`Fatal`] the fate of the process.

use std::fmt;

/// The part of the journey that speaks, in dead-letter headers, metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Intake,
    Decode,
    Score,
    Emit,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Intake => "intake",
            Stage::Decode => "decode",
            Stage::Score => "score",
            Stage::Emit => "emit",
        }
    }
}

/// Why a record leaves as a dead letter instead of a score. Closed, `Copy` and free of heap data, so that
/// rejecting costs nothing on the record's way; it never carries a value from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// No value at all: a delete marker on a compacted topic.
    Tombstone,
    /// The value is larger than `limits.payload_bytes_max`.
    Oversized,
    /// The value starts with no wire form that the configuration accepts.
    UnknownWireForm,
    /// The value is framed for AWS Glue's registry: `03`, a byte for compression, and a UUID.
    GlueWireForm,
    /// The schema id or fingerprint is known to nobody.
    UnknownSchema,
    /// The writer's schema cannot be resolved to the package's reader schema, or lacks a feature.
    IncompatibleSchema,
    /// The payload ends inside a value.
    Truncated,
    /// Bytes are left over after the record.
    TrailingBytes,
    /// A variable-length integer of more than ten bytes, or outside its type's range.
    BadVarint,
    /// A negative or impossible length or block count.
    BadLength,
    /// A union branch index outside the schema.
    BadUnionBranch,
    /// An enum index outside the schema.
    BadEnumSymbol,
    /// A boolean byte other than 0 or 1.
    BadBoolean,
    /// A string that is used, and is not UTF-8.
    BadUtf8,
    /// Nested deeper than 32 levels.
    TooDeep,
    /// A feature without a value, whose policy is `reject`. The index is its place in the contract.
    MissingFeature(u16),
    /// A feature that is present and not finite.
    NonFiniteFeature(u16),
    /// A feature that cannot be held by the tensor's type, or breaks a limit of its declaration.
    FeatureOutOfRange(u16),
    /// The model takes no such row.
    ModelRefused,
    /// The model failed on this row: alone, after its batch failed, or with all others since it is not to be had.
    ModelFailed,
    /// The model did not answer in time.
    ModelTimedOut,
    /// The model's answer is none that its package's contract speaks of.
    BadAnswer,
    /// The model answered NaN or an infinity.
    NonFiniteScore,
    /// The model answered outside 0..=1.
    ScoreOutOfRange,
    /// The encoded outcome is larger than the producer may send.
    OutcomeTooLarge,
    /// The broker takes no such output, whatever is done.
    OutcomeRefused,
    /// A symbol that the writer's enum has and the reader's has not, of a feature whose contract does not say what others
    /// mean.
    UnknownSymbol(u16),
    /// Its deadline had passed before it was scored, and such records are shed.
    Late,
    /// A letter that was to be scored again, whose time was over before.
    RetryExpired,
    /// A record of the topic of retries that is no letter, or one about another topic.
    NoLetter,
    /// The process died at this record, and nothing else, `limits.crashes_max` times.
    CrashedProcess,
    /// An operator passed it over.
    Skipped,
}

impl Reject {
    /// Number of distinct reasons: the size of per-reason counters.
    pub const REASONS: usize = 32;

    /// All reasons in index order, for metrics that must show zeros too.
    pub const ALL: [Reject; Self::REASONS] = [
        Reject::Tombstone,
        Reject::Oversized,
        Reject::UnknownWireForm,
        Reject::UnknownSchema,
        Reject::IncompatibleSchema,
        Reject::Truncated,
        Reject::TrailingBytes,
        Reject::BadVarint,
        Reject::BadLength,
        Reject::BadUnionBranch,
        Reject::BadEnumSymbol,
        Reject::BadBoolean,
        Reject::BadUtf8,
        Reject::TooDeep,
        Reject::MissingFeature(0),
        Reject::NonFiniteFeature(0),
        Reject::FeatureOutOfRange(0),
        Reject::ModelFailed,
        Reject::NonFiniteScore,
        Reject::ScoreOutOfRange,
        Reject::OutcomeTooLarge,
        Reject::UnknownSymbol(0),
        Reject::OutcomeRefused,
        Reject::GlueWireForm,
        Reject::ModelRefused,
        Reject::ModelTimedOut,
        Reject::BadAnswer,
        Reject::Late,
        Reject::RetryExpired,
        Reject::NoLetter,
        Reject::CrashedProcess,
        Reject::Skipped,
    ];

    /// The one vocabulary: metric label, log field and dead-letter header.
    pub fn reason(self) -> &'static str {
        match self {
            Reject::Tombstone => "tombstone",
            Reject::Oversized => "oversized",
            Reject::UnknownWireForm => "unknown_wire_form",
            Reject::GlueWireForm => "glue_wire_form",
            Reject::UnknownSchema => "unknown_schema",
            Reject::IncompatibleSchema => "incompatible_schema",
            Reject::Truncated => "truncated",
            Reject::TrailingBytes => "trailing_bytes",
            Reject::BadVarint => "bad_varint",
            Reject::BadLength => "bad_length",
            Reject::BadUnionBranch => "bad_union_branch",
            Reject::BadEnumSymbol => "bad_enum_symbol",
            Reject::BadBoolean => "bad_boolean",
            Reject::BadUtf8 => "bad_utf8",
            Reject::TooDeep => "too_deep",
            Reject::MissingFeature(_) => "missing_feature",
            Reject::NonFiniteFeature(_) => "non_finite_feature",
            Reject::FeatureOutOfRange(_) => "feature_out_of_range",
            Reject::ModelRefused => "model_refused",
            Reject::ModelFailed => "model_failed",
            Reject::ModelTimedOut => "model_timed_out",
            Reject::BadAnswer => "bad_answer",
            Reject::NonFiniteScore => "non_finite_score",
            Reject::ScoreOutOfRange => "score_out_of_range",
            Reject::OutcomeTooLarge => "outcome_too_large",
            Reject::UnknownSymbol(_) => "unknown_symbol",
            Reject::OutcomeRefused => "outcome_refused",
            Reject::Late => "late",
            Reject::RetryExpired => "retry_expired",
            Reject::NoLetter => "no_letter",
            Reject::CrashedProcess => "crashed_process",
            Reject::Skipped => "skipped",
        }
    }

    /// What the reason means and where to look, for the log.
    pub fn meaning(self) -> &'static str {
        match self {
            Reject::Tombstone => "the record has no value, as a delete marker of a compacted topic",
            Reject::Oversized => "the value is larger than limits.payload_bytes_max",
            Reject::UnknownWireForm => "the value begins with none of the forms in schemas.wire_forms",
            Reject::GlueWireForm => {
                "the value is framed for AWS Glue's registry, which has another API than Confluent's"
            }
            Reject::UnknownSchema => "neither schemas.directory nor the schema registry has this schema",
            Reject::IncompatibleSchema => "this schema does not fit the model's: the log and /status say why",
            Reject::Truncated => "the value ends too early: its producer and its schema do not agree",
            Reject::TrailingBytes => "bytes are left over: its producer and its schema do not agree",
            Reject::BadVarint
            | Reject::BadLength
            | Reject::BadUnionBranch
            | Reject::BadEnumSymbol
            | Reject::BadBoolean
            | Reject::BadUtf8 => "the value is not Avro of its schema: its producer and its schema do not agree",
            Reject::TooDeep => "the value is nested deeper than 32 levels",
            Reject::MissingFeature(_) => "the model needs a value here: missing = \"reject\" in the package's contract",
            Reject::NonFiniteFeature(_) => "NaN or an infinity, which the package's contract does not take here",
            Reject::FeatureOutOfRange(_) => "the value breaks a limit of the package's contract",
            Reject::ModelRefused => {
                "the model takes no such row: its package's contract lets rows through that it should not"
            }
            Reject::ModelFailed => "the model failed on this row, or was not to be had: the log has its words",
            Reject::ModelTimedOut => "the model did not answer within model.timeout_ms; these go to topics.timeouts",
            Reject::BadAnswer => "the model answered something else than its package's contract says",
            Reject::NonFiniteScore => "the model answered NaN or an infinity",
            Reject::ScoreOutOfRange => "the model answered outside 0 to 1",
            Reject::OutcomeTooLarge => "the output is larger than limits.outcome_bytes_max",
            Reject::OutcomeRefused => "the broker takes no such output: the log says why",
            Reject::UnknownSymbol(_) => "a symbol that the package's contract does not know",
            Reject::Late => "its deadline had passed before it was scored; these go to topics.timeouts",
            Reject::RetryExpired => {
                "its letter expired before it was due or had a score (retry_later.expires_after_ms)"
            }
            Reject::NoLetter => "no letter of this input: who else writes to topics.retry_later?",
            Reject::CrashedProcess => {
                "the process died at this record limits.crashes_max times, so it was neither decoded nor scored"
            }
            Reject::Skipped => "an operator passed it over with `scorewire skip` or `scorewire seek`: the log says who",
        }
    }

    /// Dense index for counters: the place of the reason in [`Reject::ALL`].
    pub fn index(self) -> usize {
        match self {
            Reject::Tombstone => 0,
            Reject::Oversized => 1,
            Reject::UnknownWireForm => 2,
            Reject::UnknownSchema => 3,
            Reject::IncompatibleSchema => 4,
            Reject::Truncated => 5,
            Reject::TrailingBytes => 6,
            Reject::BadVarint => 7,
            Reject::BadLength => 8,
            Reject::BadUnionBranch => 9,
            Reject::BadEnumSymbol => 10,
            Reject::BadBoolean => 11,
            Reject::BadUtf8 => 12,
            Reject::TooDeep => 13,
            Reject::MissingFeature(_) => 14,
            Reject::NonFiniteFeature(_) => 15,
            Reject::FeatureOutOfRange(_) => 16,
            Reject::ModelFailed => 17,
            Reject::NonFiniteScore => 18,
            Reject::ScoreOutOfRange => 19,
            Reject::OutcomeTooLarge => 20,
            Reject::UnknownSymbol(_) => 21,
            Reject::OutcomeRefused => 22,
            Reject::GlueWireForm => 23,
            Reject::ModelRefused => 24,
            Reject::ModelTimedOut => 25,
            Reject::BadAnswer => 26,
            Reject::Late => 27,
            Reject::RetryExpired => 28,
            Reject::NoLetter => 29,
            Reject::CrashedProcess => 30,
            Reject::Skipped => 31,
        }
    }

    pub fn stage(self) -> Stage {
        match self {
            Reject::Tombstone
            | Reject::Oversized
            | Reject::RetryExpired
            | Reject::NoLetter
            | Reject::CrashedProcess
            | Reject::Skipped => Stage::Intake,
            Reject::ModelRefused
            | Reject::ModelFailed
            | Reject::ModelTimedOut
            | Reject::BadAnswer
            | Reject::NonFiniteScore
            | Reject::ScoreOutOfRange
            | Reject::Late => Stage::Score,
            Reject::OutcomeTooLarge | Reject::OutcomeRefused => Stage::Emit,
            _ => Stage::Decode,
        }
    }

    /// The contract's feature this reject is about, if it is about one.
    pub fn feature(self) -> Option<u16> {
        match self {
            Reject::MissingFeature(index)
            | Reject::NonFiniteFeature(index)
            | Reject::FeatureOutOfRange(index)
            | Reject::UnknownSymbol(index) => Some(index),
            _ => None,
        }
    }
}

/// Exit codes, documented in `--help`. The numbers above 63 are those of BSD's `sysexits.h`.
pub mod exit {
    pub const DONE: u8 = 0;
    /// A promise was broken or a check failed (`demo`, `load`).
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 64;
    /// A model package that does not hold: hash, contract, golden rows, golden records.
    pub const MODEL: u8 = 65;
    /// Kafka, a topic or the schema registry cannot be reached, or may not be used.
    pub const UNAVAILABLE: u8 = 69;
    /// A broken assumption inside scorewire: report it.
    pub const INTERNAL: u8 = 70;
    /// The machine lacks something: ONNX Runtime, a thread, a port.
    pub const SYSTEM: u8 = 71;
    /// Outcomes cannot be delivered, or a partition cannot be read on.
    pub const DELIVERY: u8 = 74;
    /// The drain deadline passed, or partitions were lost, at shutdown: what was in flight will be scored again.
    pub const DRAIN: u8 = 75;
    pub const CONFIG: u8 = 78;
}

/// Why the process ends. Latched once, logged once, and its code is the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    pub code: u8,
    /// What went wrong and where, in one line; never a payload value or a secret.
    pub what: String,
    /// What the operator can do about it.
    pub fix: String,
}

impl Fatal {
    pub fn new(code: u8, what: impl Into<String>, fix: impl Into<String>) -> Fatal {
        Fatal { code, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.fix.is_empty() {
            write!(f, "\n  fix: {}", self.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fatal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_index_and_name() {
        let mut names = std::collections::BTreeSet::new();
        for (index, reject) in Reject::ALL.iter().enumerate() {
            assert_eq!(reject.index(), index);
            assert!(names.insert(reject.reason()), "{} is used twice", reject.reason());
        }
    }
}
