//! The lane: which stages run on which thread, and the stages themselves.

pub mod backpressure;
pub mod batch;
pub mod clock;
pub mod commit;
pub mod dead_letter;
pub mod desk;
pub mod emit;
pub mod ending;
pub mod exactly_once;
pub mod inbox;
pub mod intake;
pub mod judge;
pub mod lane;
pub mod limits;
pub mod passage;
pub mod rebalance;
pub mod schema_desk;
pub mod scoring;
pub mod settings;
pub mod slots;
mod stood_still;
pub mod threads;
pub mod transaction;
mod waiting;
pub mod watermark;
