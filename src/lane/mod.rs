//! The lane: its stages, the parts that own its state, and the threads that run lanes. `docs/design.md` tells how it is built.

mod build;
pub mod challenge;
pub mod clock;
pub mod commit;
pub mod decide;
pub mod deliver;
mod drive;
pub mod fallback;
mod group;
pub mod ingest;
pub mod ledger;
pub mod letter;
mod package;
mod places;
pub mod policy;
mod recover;
pub mod reject_report;
mod reports;
mod run_end;
pub mod schema_desk;
pub mod score;
pub mod scoring;
mod show;
mod shutdown;
pub mod state;
mod stops;
mod telemetry;
pub mod threads;
mod turn;
mod types;

pub use build::{InputSettings, LaneDoors, LanePackages, LaneSettings, OnFailure, OutcomeSettings};
pub use drive::Lane;
pub use ingest::Marking;
pub use package::LanePackage;
pub use turn::Turn;
pub use types::{LaneTypes, Types};
