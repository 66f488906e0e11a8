//! The generator and the verifier, which are believed: what they send, what they count, and what they find.

#[path = "../common/mod.rs"]
mod common;
#[path = "../model_support/mod.rs"]
mod model_support;
#[path = "../packages/mod.rs"]
mod packages;

mod accounting;
mod decode;
mod fates;
mod faults;
mod from;
mod kafka;
mod program;
mod report;
mod simulator;
mod summary;
mod support;
