//! What can be seen from outside: latency histograms, counters, and the loopback HTTP that shows them.

pub mod admin;
pub mod alarms;
pub mod cells;
mod challenger_readings;
pub mod challengers;
pub mod connections;
pub mod cpu;
pub mod crashes;
pub mod dead_letter_share;
pub mod doing;
mod exposition;
pub mod health;
pub mod held_up;
mod lane_status;
pub mod latency;
pub mod latency_log;
pub mod log;
pub mod log_writer;
pub mod metrics;
mod readings;
pub mod registry;
pub mod reject_examples;
pub mod state;
pub mod stats;
pub mod status;
mod table;
pub mod terminal;
