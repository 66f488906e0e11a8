//! The door to transactions: a sink whose outcomes become visible together with the progress they stand for.

use std::time::Duration;

use super::{Progress, Sink, Source};
use crate::error::Fatal;

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
