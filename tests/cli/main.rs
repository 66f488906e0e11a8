//! The program as whoever types its commands sees it: flags, messages, exit codes, signals. No broker is needed.

#[path = "../common/mod.rs"]
mod common;
#[path = "../model_support/mod.rs"]
mod model_support;
#[path = "../packages/mod.rs"]
mod packages;

mod checks;
mod demo;
mod forms;
mod init;
mod init_columns;
mod inspect;
mod json;
mod model;
mod place;
mod program;
mod score;
mod start_signals;
mod update;
