//! What the cluster is asked before a lane is there: whether topics, rights and settings are right, and where the group begins.

pub mod examine;
pub(super) mod inquiry;
mod inspect;
pub mod last_records;
pub(super) mod offsets;
pub mod starting_offsets;
mod topic_settings;

pub use inspect::{Inspected, inspect, partitions};
pub(super) use inspect::{how_to_create, reach};
