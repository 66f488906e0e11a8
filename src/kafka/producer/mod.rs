//! The lane's producer: outcomes go in by copy, acknowledgements come out as tags, in transactions where it is to be
//! exactly once.

mod challenges;
mod sink;
mod transactions;

pub use challenges::ChallengeSink;
pub use sink::KafkaSink;
