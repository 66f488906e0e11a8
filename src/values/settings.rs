//! What the stages are told by the configuration, already checked.

/// Scores at or above `decline` are declined, at or above `review` reviewed, the rest approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    pub review: f64,
    pub decline: f64,
    /// Travels on every output, so that a decision can be explained later.
    pub version: String,
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

/// When a decision counts as late. Late records are flagged; shedding them is a later, separate choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub limit_ms: u64,
    pub from: DeadlineFrom,
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
