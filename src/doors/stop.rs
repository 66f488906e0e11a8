//! Why a partition is not read on, and the way out of it.

use std::fmt;

/// The kinds of reasons, for metrics and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The log begins behind the next offset: records were removed before they were read.
    OffsetOutOfRange,
    /// The log ends before the next offset, or another history leads there.
    LogTruncated,
    /// The client cannot read what is at the next offset: corrupt, too large, or compressed in a way that it does not know.
    Unreadable,
    /// The broker takes none of the outcomes of the next record.
    OutcomeRefused,
    /// An operator moves it: it goes on when that is done.
    Sought,
}

impl Why {
    pub const ALL: [Why; 5] =
        [Why::OffsetOutOfRange, Why::LogTruncated, Why::Unreadable, Why::OutcomeRefused, Why::Sought];

    /// Metric label and word in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Why::OffsetOutOfRange => "offset_out_of_range",
            Why::LogTruncated => "log_truncated",
            Why::Unreadable => "unreadable",
            Why::OutcomeRefused => "outcome_refused",
            Why::Sought => "sought",
        }
    }
}

/// A partition that is not read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub why: Why,
    /// The offset that would be read next; negative where the client does not know it any more.
    pub next: i64,
    /// The first offset that the broker keeps and the one behind the last, where it said so.
    pub kept: Option<(i64, i64)>,
    /// What happened, in one line.
    pub words: String,
    /// The way out, with its commands.
    pub fix: String,
}

impl Stop {
    /// Offsets that were removed before they were read. Where the log was compacted or holds transactions, some of them
    /// were no records.
    pub fn lost(&self) -> u64 {
        match (self.why, self.kept) {
            (Why::OffsetOutOfRange, Some((first, _))) if self.next >= 0 => {
                u64::try_from(first - self.next).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Where the partition may go on, if removed records are to be passed over: only where they were removed, and never
    /// backwards.
    pub fn first_kept(&self) -> Option<i64> {
        self.kept.map(|(first, _)| first).filter(|_| self.lost() > 0)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Way out: {}", self.words, self.fix)
    }
}
