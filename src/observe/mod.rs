//! What can be seen from outside: latency histograms, counters, and the loopback HTTP that shows them.

pub mod latency;
pub mod stats;
