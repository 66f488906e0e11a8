//! Challengers: packages that answer beside the one that decides. The lane copies a sample of its scored records into a
//! bounded queue ([`Tap`]); a thread of the challenger's own decodes and scores them, and writes rows that compare both
//! ([`Challenger`]).
//!
//! Nothing that a challenger does holds the lane up: the queue is one that neither side ever waits for, and where it is full,
//! records are left out for the challenger, and counted. So a row says what a challenger answers, and a missing one nothing.

mod challenger;
mod queue;
mod sampled;
mod tap;

pub use challenger::{Challenger, ChallengerPackage};
pub use tap::{Emptied, Tap, Taps, tap};
