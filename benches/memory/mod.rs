//! A lane between doors in memory, for the benches: records are handed out by reference, outcomes copied and acknowledged with
//! the next poll, and nobody keeps the progress. Everything between the doors is what a node runs.
#![allow(dead_code, reason = "each bench uses its own part")]

pub mod doors;
pub mod lane;
pub mod records;

use scorewire::values::settings::{PayloadPolicy, ReviewSettings};

pub const TOPIC: &str = "enriched-context";
pub const TIMESTAMP_MS: i64 = 1_780_000_000_000;
/// Share of records sampled for review: the configuration's default.
const SAMPLE_PER_MILLION: u32 = 1_000;

pub fn review() -> ReviewSettings {
    ReviewSettings { sample_per_million: SAMPLE_PER_MILLION, payload: PayloadPolicy::Raw }
}
