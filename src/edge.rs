//! The doors to the world. The pipeline knows these traits only; `kafka/` and `model/` implement them, and the
//! tests implement them with fakes that fail precisely.

use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ndarray::ArrayView2;

mod commit_refusal;
mod complaint;
mod stop;

pub use commit_refusal::CommitRefusal;
pub use complaint::Complaint;
pub use stop::{Stop, Why};

pub use crate::values::topics::Destination;

use crate::error::Fatal;
use crate::record::{Ack, Described, Position, Tag, described_by};

/// Time as a value: read once per stage boundary and batch, and passed in.
pub trait Clock {
    /// Nanoseconds on a clock that never goes back; only differences mean something.
    fn now_ns(&self) -> u64;
    /// Wall clock, microseconds since the Unix epoch.
    fn wall_us(&self) -> i64;
}

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
    /// The group hands these partitions to us; they flow after [`Source::assign`].
    Assigned(Vec<i32>),
    /// The group wants these back; it waits until [`Source::release`].
    Revoked(Vec<i32>),
    /// These are gone already: another member may own them. Nothing of theirs may be produced or committed.
    Lost(Vec<i32>),
    /// The broker's word on a commit, and the partitions it held.
    Committed { partitions: Vec<i32>, result: Result<(), CommitRefusal> },
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

/// What a source has learnt of its group and its input since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// How long ago something was heard from the group, as one of its members.
    pub heard_ago: Option<Duration>,
    /// Why there is nothing to read, as long as that holds.
    pub no_input: Option<String>,
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

    /// Accepts partitions and starts them at the committed offset or, for a new group, where the configuration
    /// says; they flow, whatever was paused when they were ours before. Returns each partition's first offset.
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal>;

    /// Lets partitions go; they must be drained and committed, or lost.
    fn release(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    /// Stops delivery; what the client had fetched ahead is dropped and fetched again after [`Source::resume`].
    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal>;

    /// Goes back to an offset: everything from there on is delivered again.
    fn seek(&mut self, to: Progress) -> Result<(), Fatal>;

    /// The offset after the last record or transaction marker handed out.
    fn position(&mut self, partition: i32) -> Option<i64>;

    fn lag(&mut self, partition: i32) -> PartitionLag;

    /// Whether the partitions are still this source's, by its own clock and without a question to the brokers. Where they
    /// are not, a [`SourceEvent::Lost`] is on its way.
    fn still_owns(&mut self) -> bool {
        true
    }

    /// Asked a few times a second. By default the source is a member that hears of its group all the time.
    fn contact(&mut self) -> Contact {
        Contact { heard_ago: Some(Duration::ZERO), ..Contact::default() }
    }

    /// Where its client's threads leave why there is no connection. By default nobody complains.
    fn complaint(&self) -> Arc<Complaint> {
        Arc::default()
    }

    /// Called all the time, twenty times a second, with records or without: whatever a client does too seldom by itself.
    fn keep_awake(&mut self) {}

    /// Starts a commit; its end comes as [`SourceEvent::Committed`].
    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal>;

    /// Leaves the group within the deadline, without rebalances of its own. Returns whether it got there.
    fn close(&mut self, deadline: Duration) -> bool;
}

/// A batch that the model could not answer, in the runtime's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreError(pub String);

impl fmt::Display for ScoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScoreError {}

/// A model, ready and verified.
pub trait Scorer {
    /// Features per row.
    fn width(&self) -> usize;

    /// Scores `rows` (`[n, width]`, row-major, contiguous) into `scores[..n]`: the probability of fraud, as the model
    /// answers it. The score that an answer stands for, if any, is [`crate::record::score_of`]'s part.
    fn score(&mut self, rows: ArrayView2<'_, f32>, scores: &mut [f64]) -> Result<(), ScoreError>;
}

/// Key or value of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Null,
    /// The source record's own, byte for byte.
    OfSource,
    Own(&'a [u8]),
}

impl<'a> Part<'a> {
    /// The bytes, given the source record's.
    pub fn resolve(self, of_source: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match self {
            Part::Null => None,
            Part::OfSource => of_source,
            Part::Own(bytes) => Some(bytes),
        }
    }
}

/// One outcome, ready for the producer. Key and value are copied by the sink.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    pub destination: Destination,
    pub tag: Tag,
    /// `None`: the sink's partitioner decides by the key.
    pub partition: Option<i32>,
    pub key: Part<'a>,
    pub value: Part<'a>,
    /// Milliseconds since the epoch; `None` lets the client stamp it.
    pub timestamp_ms: Option<i64>,
    /// Headers added after those that travel from the source record.
    pub headers: &'a [(&'a CStr, &'a [u8])],
    /// Whether the source's headers travel along, as configured ([`Outgoing::takes`]).
    pub forward: bool,
    /// No further outcome of this record follows: its headers may be handed on instead of copied.
    pub last: bool,
}

impl Outgoing<'_> {
    /// Whether the source's header of this name travels along. One that describes key or value goes where that part of the
    /// source goes, and nowhere else; of the others those that `chosen` names.
    pub fn takes(&self, name: &[u8], chosen: impl FnOnce(&[u8]) -> bool) -> bool {
        match described_by(name) {
            _ if !self.forward => false,
            Some(Described::Key) => self.key == Part::OfSource,
            Some(Described::Value) => self.value == Part::OfSource,
            None => chosen(name),
        }
    }
}

/// Why the sink did not take an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The queue is full: try the same outcome again after serving the sink. Nothing was lost.
    Full,
    /// This outcome can never be sent: too large for the client or the broker.
    TooLarge,
    /// The transaction that it belongs to can only be aborted. Never said by a sink without transactions.
    Aborted,
    /// The producer cannot go on.
    Fatal(Fatal),
}

/// Where outcomes go.
pub trait Sink<R: SourceRecord> {
    /// Hands one outcome over; the source record's headers travel with it as configured and as [`Outgoing::takes`] says.
    /// When it is not taken, the source record is as it was.
    fn send(&mut self, outcome: &Outgoing<'_>, source: &mut R) -> Result<(), SendError>;

    /// Serves delivery reports without waiting longer than `wait`, and appends them to `acks`.
    fn poll(&mut self, wait: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal>;

    /// Outcomes handed over and not yet acknowledged.
    fn in_flight(&self) -> usize;

    /// What the client complained of last: why it gave outcomes back that nobody refused.
    fn complaint(&self) -> Option<String> {
        None
    }

    /// Number of partitions of a destination, for keeping the source's partition where counts match.
    fn partitions(&self, destination: Destination) -> i32;

    /// What is sent until [`Sink::end_batch`] belongs together, and may wait for each other.
    fn begin_batch(&mut self) {}

    /// The batch is handed over, or as much of it as is taken now.
    fn end_batch(&mut self) {}

    /// Copies for review may wait for each other for so long from now on; zero ends the wait of those that do.
    fn hold_copies(&mut self, _wait: Duration) {}

    /// Throws away what has not been sent yet; each comes back as a failed [`Ack`].
    fn purge(&mut self);
}

/// What became of a transaction's step that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionError {
    /// Nothing is decided: ask again.
    Retry(String),
    /// This transaction can only be aborted; the next one may succeed.
    Abort(String),
    /// This producer can do nothing more; a new one under the same name can.
    Renew(String),
    /// Another producer has the name now: whatever this one does is refused.
    Fenced(String),
}

/// A sink whose outcomes become visible together with the progress they stand for, or not at all. Its name is its own
/// in the whole cluster: whoever takes it over ends the open transaction of whoever had it before. Every call but
/// [`Transactional::begin`] waits for the cluster, for no longer than its limit.
pub trait Transactional<S: Source>: Sink<S::Record> {
    /// Opens a transaction, which every outcome sent from now on belongs to.
    fn begin(&mut self) -> Result<(), TransactionError>;

    /// Puts progress into the open transaction, as the member of the group that `source` is now.
    fn send_offsets(&mut self, source: &S, progress: &[Progress], limit: Duration) -> Result<(), TransactionError>;

    /// Ends the open transaction. Every outcome of it must have been acknowledged.
    fn commit(&mut self, limit: Duration) -> Result<(), TransactionError>;

    /// Gives the open transaction up. Nothing of it is in flight afterwards, and no [`Ack`] of it comes any more.
    fn abort(&mut self, limit: Duration) -> Result<(), TransactionError>;

    /// Goes on with a new producer under the same name. What the old one left open is aborted, nothing is in flight,
    /// and whatever is still under way from the old one is refused from here on.
    fn renew(&mut self, limit: Duration) -> Result<(), TransactionError>;

    /// Whether the client reported a lost connection or a time-out, or repeated a request, since it was asked last.
    fn take_trouble(&mut self) -> bool;

    /// A transaction's end that takes longer may have been sent twice, for all that the client says.
    fn doubt_after(&self) -> Duration;

    /// The group's committed offsets of partitions; one without any keeps the offset that is given.
    fn committed(&self, source: &S, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal>;
}

/// What a commit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committing {
    /// Its end comes as [`SourceEvent::Committed`].
    Started,
    /// The progress is durable.
    Done,
    /// Nothing of it is (or nobody knows), for this reason; [`Delivery::abort`] comes next.
    Refused(String),
}

/// How outcomes and progress become durable together: offsets after the acknowledgements (at-least-once), or both in
/// one transaction (exactly-once).
pub trait Delivery<S: Source, K: Sink<S::Record>> {
    /// A commit covers exactly the outcomes since [`Delivery::begin`], and an abort undoes them. Then nothing may be
    /// in flight when a commit starts, and a delivery that failed gives all of them up.
    const ATOMIC: bool;

    /// Called before outcomes are handed over, each batch.
    fn begin(&mut self, sink: &mut K) -> Result<(), Fatal>;

    /// Outcomes were handed over since the last commit. Always false where delivery is not atomic.
    fn is_open(&self) -> bool;

    /// Makes `progress` durable. Every outcome below it has been acknowledged.
    fn commit(&mut self, source: &mut S, sink: &mut K, progress: &[Progress]) -> Result<Committing, Fatal>;

    /// Called before the group's offsets of new partitions are read, with nothing handed over: what an earlier commit may
    /// still have under way must not hold them back, or move them afterwards.
    fn before_offsets(&mut self, _sink: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    /// Gives up everything since the last commit. Takes where each partition stood then, as far as the lane knows, and
    /// returns where it goes on.
    fn abort(&mut self, source: &mut S, sink: &mut K, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal>;

    /// Moves to `acks` what the sink said of outcomes while the last abort was under way.
    fn hear(&mut self, _acks: &mut Vec<Ack>) {}
}
