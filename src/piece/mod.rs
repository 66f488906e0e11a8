//! Bounded pieces of topics: where they begin and end, how they are read, and how far that is. Whoever reads one joins no group
//! and moves no offset.

pub mod places;
pub mod progress;
pub mod ranges;
pub mod reader;
