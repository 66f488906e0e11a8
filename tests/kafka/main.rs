//! The whole against a real Apache Kafka; each file says what of it. Without one these tests are left out, and say so.

#[path = "../common/mod.rs"]
mod common;

mod bad_start;
mod challengers;
mod dlq;
mod dlq_ends;
mod drain;
mod exactly_once;
mod fallback;
mod headers;
mod orders;
mod passing_errors;
mod properties;
mod ready;
mod record_kills;
mod refused;
mod replay;
mod replay_faults;
mod rights;
mod run;
mod run_faults;
mod run_group;
mod run_inputs;
mod secured;
mod secured_support;
mod smoke;
mod source;
mod starting_offsets;
