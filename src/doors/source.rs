//! The door to records.

use std::sync::Arc;
use std::time::Duration;

use super::{CommitRefusal, Complaint, Stop};
use crate::error::Fatal;
use crate::values::record::Position;

/// One record as the source delivered it. The bytes live as long as the value does.
pub trait SourceRecord {
    fn position(&self) -> Position;
    /// Milliseconds since the epoch; negative when the record has no timestamp.
    fn timestamp_ms(&self) -> i64;
    fn key(&self) -> Option<&[u8]>;
    fn value(&self) -> Option<&[u8]>;
    /// The last header of that name; parsing headers costs, so ask only where an answer is needed.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// Calls `visit` for each header in order; a null value is `None`.
    fn each_header(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>));
    /// Bytes this record keeps alive: key, value and a fixed share for the client's own bookkeeping.
    fn size(&self) -> usize {
        self.key().map_or(0, <[u8]>::len) + self.value().map_or(0, <[u8]>::len) + 64
    }
}

/// What the source has to say besides records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// The group hands these partitions to us; they flow after [`super::Group::assign`].
    Assigned(Vec<i32>),
    /// The group wants these back; it waits until [`super::Group::release`].
    Revoked(Vec<i32>),
    /// These are gone already: another member may own them. Nothing of theirs may be produced or committed.
    Lost(Vec<i32>),
    /// The broker's word on a commit, and the progress it held.
    Committed { progress: Vec<Progress>, result: Result<(), CommitRefusal> },
    /// A bounded run has seen everything of a partition up to this offset.
    EndReached { partition: i32, offset: i64 },
    /// This partition cannot be read on.
    PartitionFailed { partition: i32, stop: Box<Stop> },
}

/// A partition's next offset to commit (last finished + 1, or past trailing markers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub partition: i32,
    pub offset: i64,
}

/// How far behind a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PartitionLag {
    pub partition: i32,
    /// Offset after the last record handed to the pipeline; negative while unknown.
    pub position: i64,
    /// The broker's high watermark as last fetched; negative while unknown.
    pub high_watermark: i64,
}

/// Ends a wait of [`Source::poll`] from another thread. A wake that comes just before the wait ends it too, so that
/// none is missed; it may also end a later wait too early, and never more than one.
#[derive(Clone, Default)]
pub struct Waker(Option<Arc<dyn Fn() + Send + Sync>>);

impl Waker {
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker(Some(Arc::new(wake)))
    }

    pub fn wake(&self) {
        if let Some(wake) = &self.0 {
            wake();
        }
    }
}

/// Where records come from. All calls are made by the one thread that owns the lane.
pub trait Source {
    type Record: SourceRecord;

    /// Appends at most `room` records to `out`. Returns at once when some are there, otherwise waits at most `wait`.
    /// Serves the client's callbacks as well. `room` is at least 1.
    fn poll(&mut self, wait: Duration, room: usize, out: &mut Vec<Self::Record>) -> Result<(), Fatal>;

    /// For another thread that has something for the one that polls. By default it does nothing, which suits a source
    /// that never waits.
    fn waker(&self) -> Waker {
        Waker::default()
    }

    fn next_event(&mut self) -> Option<SourceEvent>;

    /// Stops delivery; what the client had fetched ahead is dropped and fetched again after [`Source::resume`].
    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    /// Goes back to an offset: everything from there on is delivered again.
    fn seek(&mut self, to: Progress) -> Result<(), Fatal>;

    /// The offset after the last record or transaction marker handed out.
    fn position(&mut self, partition: i32) -> Option<i64>;

    fn lag(&mut self, partition: i32) -> PartitionLag;

    /// Where its client's threads leave why there is no connection. By default nobody complains.
    fn complaint(&self) -> Arc<Complaint> {
        Arc::default()
    }
}
