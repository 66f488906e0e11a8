//! The lane's producer: outcomes go in by copy, acknowledgements come out as tags, in transactions where it is to be
//! exactly once. Beside it those of challengers, and of whoever writes records again.

mod challenges;
mod records;
mod sink;
mod transactions;

pub use challenges::ChallengeSink;
pub use records::{RecordSink, Transactions, Written};
pub use sink::KafkaSink;
