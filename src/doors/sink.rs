//! The door to the output topics.

use std::ffi::CStr;
use std::time::Duration;

use super::{Destination, SourceRecord};
use crate::error::Fatal;
use crate::values::record::{Ack, Described, Tag, described_by};

/// How names of headers begin that dead letters and letters to be scored again have.
const OF_AN_EARLIER_OUTCOME: &[u8] = b"__scorewire.";

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

/// One outcome, ready for the producer. Key, value and headers are copied by the sink.
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
}

impl Outgoing<'_> {
    /// Whether the source's header of this name travels along. One that describes key or value goes where that part of the
    /// source goes, and nowhere else; of the others those that `chosen` names.
    pub fn takes(&self, name: &[u8], chosen: impl FnOnce(&[u8]) -> bool) -> bool {
        match described_by(name) {
            // What an earlier outcome of the record said of itself.
            _ if !self.forward || name.starts_with(OF_AN_EARLIER_OUTCOME) => false,
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
    /// Without a source the outcome has no [`Part::OfSource`].
    fn send(&mut self, outcome: &Outgoing<'_>, source: Option<&R>) -> Result<(), SendError>;

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
