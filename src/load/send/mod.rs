//! Sending: when records are due, and that they leave then whatever the pipeline does.

pub mod clock;
pub mod generator;
mod held;
pub mod schedule;
pub mod threads;
