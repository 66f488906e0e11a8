//! The lane on fakes that fail precisely: what it promises, and every way in which that could break. `lanes_dedicated.rs`
//! runs most of these files once more, in layout `dedicated`.

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../model_support/mod.rs"]
mod model_support;
#[path = "../packages/mod.rs"]
mod packages;

mod backpressure;
mod challengers;
mod contact;
mod crash_marks;
mod dead_letters;
mod dedicated;
mod delivery;
mod design;
mod doing;
mod drain;
mod exactly_once;
mod exactly_once_property;
mod example_packages;
mod fallback;
mod fingerprints;
mod flow;
mod headers;
mod model_failure;
mod offsets;
mod orders;
mod orders_paused;
mod property;
mod rebalance;
mod receipt;
mod refused;
mod retry;
mod schema_desk;
mod schema_wait;
mod standalone;
mod stopped;
mod threads;
