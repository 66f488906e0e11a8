//! What any client can be asked of its cluster.

pub mod admin;
pub mod metadata;
mod offsets;
