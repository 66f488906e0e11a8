//! Fakes that fail precisely: a source, a sink, a model, a clock and a schema source that do what a test says and
//! nothing else, and a lane built on them with the real decoder and encoder between.
//!
//! The fakes keep the promises of the doors in `src/doors/` as librdkafka keeps them, and panic where the lane breaks
//! its own: a commit beside another one, a partition released that was not assigned, a wrong acknowledgement.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code, unused_imports, reason = "each test binary uses another part")]

pub mod challenges;
pub mod clock;
pub mod journal;
pub mod marks;
pub mod outcome;
pub mod payload;
pub mod record;
pub mod schemas;
pub mod scorer;
pub mod sink;
pub mod source;
pub mod transactions;
pub mod world;

pub use challenges::{FakeChallenges, Row};
pub use clock::ManualClock;
pub use journal::{Entry, Journal};
pub use marks::FakeMarks;
pub use outcome::Outcome;
pub use payload::Payment;
pub use record::FakeRecord;
pub use schemas::FakeSchemas;
pub use scorer::{FakeScorer, Mode};
pub use sink::{FakeSink, Sent, SinkState};
pub use source::{FakeSource, SourceState, cannot_be_read_on};
pub use world::{FakeLane, Setup, World};
