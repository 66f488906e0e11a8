//! What is written against what is there: the pages' commands and files, and the advice in the program's own texts.

#[path = "../common/mod.rs"]
mod common;
#[path = "../model_support/mod.rs"]
mod model_support;
#[allow(dead_code, reason = "the page needs the port alone")]
#[path = "../observe/support.rs"]
mod observe_support;

mod commands;
mod evolution;
mod fingerprints;
mod hints;
mod metrics;
mod model_package;
mod packages;
mod reading_by_id;
mod reading_outputs;
mod support;
mod walk_through;
