//! The load generator and the verifier that reads the outcomes back.
//!
//! ```text
//! simulator | file -> pool -> schedule -> generator -> input topic -> (pipeline) -> output topics -> verifier -> summary
//!                                                       intervals, one a second: verifier -> series -> reports
//! ```
//!
//! Open loop: records are sent when they are due, whatever the pipeline does, and latency counts from the due time. The
//! verifier believes nobody: it knows each record by a header that travels with it ([`marker`]).
#![expect(
    clippy::disallowed_methods,
    reason = "beside the node: it measures by clocks and threads of its own, and a line a second needs no bound"
)]

pub mod accounting;
pub mod avro_write;
pub mod breakdown;
pub mod clock;
pub mod dataset;
pub mod drain;
pub mod faults;
pub mod freeze;
pub mod generator;
mod held;
pub mod http;
pub mod interval;
pub mod marker;
pub mod payloads;
pub mod plan;
pub mod poison;
pub mod population;
pub mod probe;
pub mod progress;
pub mod projection;
pub mod random;
pub mod referee;
pub mod report;
pub mod review;
pub mod run;
pub mod schedule;
pub mod series;
pub mod simulator;
pub mod spoil;
pub mod summary;
mod table;
pub mod transaction;
mod verdict;
pub mod verifier;
mod watch;
pub mod windows;

pub use plan::LoadPlan;
pub use probe::{NodeProbe, PipelineProbe, ProcessProbe};
pub use run::{run, run_with};
pub use summary::Summary;
