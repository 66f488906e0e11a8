//! scorewire: a low-latency embedded fraud-scoring stream processor.
//!
//! This page is the map of the house. Data goes one way:
//!
//! ```text
//! enriched-context -> intake -> decode -> batch -> score -> judge -> emit -> model-outputs
//!                       |         |                  |        |       |----> human-review (sample, band)
//!                       |         '---- Reject ------'--------'-------|----> model-dead-letters (closed reasons)
//!                       '<---- acks: watermark -> committable offset -'
//! ```
//!
//! and imports point one way: `main -> cli -> {demo, load} -> pipeline -> {avro, model, kafka} -> edge ->
//! {record, error}`.

pub mod avro;
pub mod cli;
pub mod config;
pub mod edge;
pub mod error;
pub mod kafka;
pub mod load;
pub mod model;
pub mod node;
pub mod observe;
pub mod pipeline;
pub mod record;
