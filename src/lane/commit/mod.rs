//! When progress becomes durable, and what happens to it when an outcome does not: offsets behind the acknowledgements of
//! their outcomes ([`AtLeastOnce`]), or outcomes and offsets in one transaction ([`ExactlyOnce`]). Nobody else in the lane
//! knows which of the two it is.

mod at_least_once;
mod door;
mod exactly_once;
mod producer;

pub use self::at_least_once::{AtLeastOnce, State as CommitState};
pub use self::door::{Commit, Round};
pub use self::exactly_once::{ExactlyOnce, State as TransactionState};
pub use self::producer::State as ProducerState;
