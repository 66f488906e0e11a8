//! What the stages are told by the configuration, already checked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::values::failure::FailureClasses;
use crate::values::record::Decision;

/// Scores at or above `decline` are declined, at or above `review` reviewed, the rest approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    pub review: f64,
    pub decline: f64,
    /// Travels on every output, so that a decision can be explained later.
    pub version: String,
}

impl Thresholds {
    /// `score`: from [`crate::values::record::score_of`].
    pub fn decide(&self, score: f64) -> Decision {
        if score >= self.decline {
            Decision::Decline
        } else if score >= self.review {
            Decision::Review
        } else {
            Decision::Approve
        }
    }
}

/// Whether a copy of the transaction's bytes goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadPolicy {
    Raw,
    Omit,
}

/// Which records people look at, besides every one in the review band (decision REVIEW).
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewSettings {
    /// Share of records sampled by the hash of their id, in millionths.
    pub sample_per_million: u32,
    pub payload: PayloadPolicy,
}

/// What outputs, and copies for review with them, carry besides what they always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSettings {
    /// [`crate::values::fingerprint::Fingerprint`] of the row.
    pub fingerprint: bool,
}

/// Prefix and spelling of a dead letter's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderStyle {
    /// `__scorewire.errors.*`
    Scorewire,
    /// `__connect.errors.*`
    Connect,
    /// `__streams.errors.*` (KIP-1034)
    Streams,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterSettings {
    pub payload: PayloadPolicy,
    pub header_style: HeaderStyle,
    /// Above this share of the last minute's records there is an alarm; a million: never.
    pub alarm_share_per_million: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineFrom {
    SourceTimestamp,
    Receipt,
}

/// What becomes of a late record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenLate {
    /// The model decides, and the output says that it is late.
    #[default]
    Flag,
    /// The model is not asked: it is for those that are not late yet.
    Shed,
}

/// When a decision counts as late, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub limit_ms: u64,
    pub from: DeadlineFrom,
    pub then: WhenLate,
}

/// A step of the fallback: who decides, or what happens, where the model gives no score.
#[derive(Clone, Debug, PartialEq)]
pub enum FallbackStep {
    /// The model of this directory's package, as the configuration spells it. What it gives no score goes on to the next step.
    Package { dir: PathBuf, said: String },
    /// No record goes past it.
    End(FallbackEnd),
}

/// What becomes of a record that no package scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FallbackEnd {
    /// This score, whatever the record says.
    Score(f64),
    /// A letter on the topic of what is scored again later.
    RetryLater,
    /// A dead letter. Those of time-outs and late records have a topic of their own.
    Timeouts,
    /// Nothing: the lane stands still, and asks its model again and again.
    Pause,
    /// A dead letter, and the end of the process after too many in a row.
    Stop,
}

impl fmt::Display for FallbackStep {
    /// As the configuration and outputs spell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FallbackStep::Package { said, .. } => write!(f, "package:{said}"),
            FallbackStep::End(end) => end.fmt(f),
        }
    }
}

impl fmt::Display for FallbackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FallbackEnd::Score(score) => write!(f, "score:{score}"),
            FallbackEnd::RetryLater => f.write_str("retry_later"),
            FallbackEnd::Timeouts => f.write_str("timeouts"),
            FallbackEnd::Pause => f.write_str("pause"),
            FallbackEnd::Stop => f.write_str("stop"),
        }
    }
}

/// The fallback: for which failures, and its steps in order. The last one is an end; without steps there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FallbackSettings {
    pub on: FailureClasses,
    pub then: Vec<FallbackStep>,
}

impl FallbackSettings {
    /// Where records end up that no package scores; `None` where there is no fallback.
    pub fn end(&self) -> Option<FallbackEnd> {
        match self.then.last()? {
            FallbackStep::End(end) => Some(*end),
            FallbackStep::Package { .. } => None,
        }
    }
}

/// What letters say that are scored again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// From the failure to the next try.
    pub delay: Duration,
    /// Tries after the first one.
    pub attempts_max: u32,
    /// From the record's own timestamp to when a score is of no use any more.
    pub expires_after: Duration,
}

impl Default for RetrySettings {
    /// What the configuration reference documents.
    fn default() -> RetrySettings {
        let (delay, expires_after) = (Duration::from_secs(60), Duration::from_secs(3_600));
        RetrySettings { delay, attempts_max: 5, expires_after }
    }
}

/// Which headers of the source record travel to its outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardHeaders {
    All,
    Only(Vec<String>),
}

/// What happens to a partition whose next records were removed before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OutOfRange {
    /// It stops with an alarm; the others go on.
    #[default]
    Stop,
    /// It goes on at the first record that is kept. Said and counted.
    Earliest,
}

/// Which stages of a lane run on which thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// All on one.
    #[default]
    Inline,
    /// The model on one of its own, with queues between: for models that are slow or elsewhere.
    Dedicated,
}

/// The cores that a lane's threads are pinned to; `None` leaves a thread to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cores {
    pub lane: Option<usize>,
    /// Layout `dedicated`: the model's thread.
    pub model: Option<usize>,
}
