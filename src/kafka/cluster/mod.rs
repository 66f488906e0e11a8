//! What the cluster is asked before a lane is there: whether topics, rights and settings are right, and where the group begins.

mod delete;
pub mod examine;
mod group_progress;
pub(super) mod inquiry;
mod inspect;
pub mod last_records;
pub(super) mod offsets;
pub mod starting_offsets;
mod topic_settings;

pub use delete::delete_before;
pub use group_progress::GroupProgress;
pub use inspect::{Inspected, inspect, partitions, partitions_if_there, partitions_to_write};
pub(super) use inspect::{how_to_create, reach};
