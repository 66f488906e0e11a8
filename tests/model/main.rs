//! Packages and their models: what is refused, what is probed, and what a session answers.

#[path = "../model_support/mod.rs"]
mod model_support;
#[path = "../packages/mod.rs"]
mod packages;

mod classes;
mod columns;
mod examples;
mod fetch;
mod forms;
mod golden_records;
mod golden_transforms;
mod hostile;
mod package;
mod probe;
mod roles;
mod session;
