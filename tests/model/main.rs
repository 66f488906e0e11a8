//! Packages and their models: what is refused, what is probed, and what a session answers.

#[path = "../model_support/mod.rs"]
mod model_support;
#[path = "../packages/mod.rs"]
mod packages;

mod classes;
mod examples;
mod fetch;
mod golden_records;
mod hostile;
mod package;
mod probe;
mod session;
