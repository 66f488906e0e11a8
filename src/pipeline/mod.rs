//! The lane: which stages run on which thread, and the stages themselves.

pub mod limits;
pub mod settings;
