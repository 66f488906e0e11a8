//! The lane: which stages run on which thread, and the stages themselves.

pub mod clock;
pub mod commit;
pub mod decide;
pub mod deliver;
pub mod group;
pub mod ingest;
pub mod lane;
pub mod ledger;
pub mod machine;
mod recover;
pub mod reject_report;
mod reports;
mod run_end;
pub mod schema_desk;
pub mod score;
pub mod shutdown;
pub mod stall_guard;
mod stops;
mod telemetry;
pub mod threads;
