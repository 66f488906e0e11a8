//! One outcome, as it was read back.

use crate::load::simulate::marker::Marker;

/// Decisions told apart: the symbols of the output schema, in its order.
pub const DECISIONS: usize = 3;

/// Topics of which each record has one outcome: outputs, dead letters, time-outs, and letters that are scored again later.
pub const LANES: usize = 4;

/// Which outcome a record had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// With the index of the decision.
    Scored { decision: u8, score: f64 },
    /// Index of the reason in the verifier's list.
    DeadLettered { reason: u8 },
    /// On the topic for model failures and missed deadlines.
    TimedOut { reason: u8 },
    /// A letter on the topic of those that are scored again later: the record has no decision yet.
    PutOff,
    /// A dead letter of what an operator passed over.
    Skipped,
    /// A copy for people to look at, beside the record's outcome.
    Review,
    /// An output or a dead letter that takes the place of a record's letter, beside the record's outcome.
    Amended,
    /// The next letter of a record that was put off and has failed again, beside the record's outcome.
    PutOffAgain,
    /// On the outputs' topic, and not a record of the output schema.
    Unreadable,
    /// On the outputs' topic, and nobody looked at its value.
    Unread,
}

impl Fate {
    /// Beside the record's one outcome.
    pub fn is_extra(&self) -> bool {
        matches!(self, Fate::Review | Fate::Amended | Fate::PutOffAgain)
    }

    /// Outcomes are ordered within a topic, not between topics.
    pub(super) fn lane(&self) -> usize {
        match self {
            Fate::Scored { .. } | Fate::Unreadable | Fate::Unread => 0,
            Fate::DeadLettered { .. } | Fate::Skipped => 1,
            Fate::TimedOut { .. } => 2,
            Fate::PutOff => 3,
            Fate::Review | Fate::Amended | Fate::PutOffAgain => LANES,
        }
    }
}

/// One record of an output topic that carries this run's marker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub marker: Marker,
    pub fate: Fate,
    /// Where it was read.
    pub partition: i32,
    /// The hash of the key it was read with; 0 without a key.
    pub key_hash: u32,
    /// A dead letter of which only why and where is left: it has a key of its own, and is counted behind what came after it.
    pub is_stub: bool,
    /// Not the model's own: nobody computes this score again.
    pub by_fallback: bool,
    /// The source partition that the output record names, where it was decoded.
    pub claimed_partition: Option<i64>,
    /// Wall clock when it was read, microseconds since the epoch.
    pub read_us: i64,
    /// What a scored record's output says of its way.
    pub stamps: Option<Stamps>,
}

/// Wall clock of the scoring node, microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    pub received_us: i64,
    pub scored_us: i64,
}

impl Outcome {
    /// Whether the two must come in the order in which they were sent: same topic, same partition in and out.
    pub fn same_order(&self, other: &Outcome) -> bool {
        self.fate.lane() == other.fate.lane()
            && self.partition == other.partition
            && self.marker.partition == other.marker.partition
    }
}
