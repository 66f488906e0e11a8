//! The load generator and the verifier that reads the outcomes back.
//!
//! ```text
//! simulator | file -> pool -> schedule -> generator -> input topic -> (pipeline) -> output topics -> verifier -> summary
//!                                                       intervals, one a second: verifier -> series -> reports
//! ```
//!
//! Open loop: records are sent when they are due, whatever the pipeline does, and latency counts from the due time. The
//! verifier believes nobody: it knows each record by a header that travels with it ([`simulate::marker`]).
//!
//! Each room imports only those above it, which `tests/tidy/` holds:
//!
//! | room | what it does |
//! |---|---|
//! | [`simulate`] | what is sent: a simulated world or a file, poison, payloads, the marker |
//! | [`send`] | the schedule, the run's clock, and the generator |
//! | [`verify`] | reads back: accounting, an oracle's scores, faults found and faults injected |
//! | [`report`] | the summary, and every report besides |
//! | [`run`](mod@run) | one run from plan to summary: probes, progress, a drain, the review after it |
#![expect(
    clippy::disallowed_methods,
    reason = "beside the node: it measures by clocks and threads of its own, and a line a second needs no bound"
)]

pub mod report;
pub mod run;
pub mod send;
pub mod simulate;
pub mod verify;

pub use report::summary::Summary;
pub use run::plan::LoadPlan;
pub use run::probe::{NodeProbe, PipelineProbe, ProcessProbe};
pub use run::{run, run_with};
