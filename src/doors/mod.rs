//! The doors to the world. The pipeline knows these traits only; `kafka/` and `model/` implement them, and the
//! tests implement them with fakes that fail precisely.

mod challenges;
mod commit_refusal;
mod complaint;
mod crash_marks;
mod group;
mod scorer;
mod sink;
mod source;
mod standalone;
mod stop;
mod transactional;

pub use challenges::{Challenges, Delivered};
pub use commit_refusal::CommitRefusal;
pub use complaint::Complaint;
pub use crash_marks::{CrashMarks, MarksOfAll};
pub use group::{Contact, Group};
pub use scorer::{ScoreError, ScoreErrorKind, Scorer};
pub use sink::{Outgoing, Part, SendError, Sink};
pub use source::{PartitionLag, Progress, Source, SourceEvent, SourceRecord, Waker};
pub use standalone::Standalone;
pub use stop::{Stop, Why};
pub use transactional::{TransactionError, Transactional};

pub use crate::values::topics::Destination;

/// Time as a value: read once per stage boundary and batch, and passed in.
pub trait Clock {
    /// Nanoseconds on a clock that never goes back; only differences mean something.
    fn now_ns(&self) -> u64;
    /// Wall clock, microseconds since the Unix epoch.
    fn wall_us(&self) -> i64;
}
