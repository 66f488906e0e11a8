//! What can be seen from outside: latency histograms, counters, and the loopback HTTP that shows them.

pub mod admin;
pub mod connections;
pub mod cpu;
pub mod doing;
pub mod latency;
pub mod latency_log;
pub mod log;
pub mod log_writer;
pub mod metrics;
pub mod stats;
pub mod status;
