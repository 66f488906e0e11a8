//! The lane's whole suite once more, in layout `dedicated`: what a lane promises does not depend on where its model
//! runs. The harness takes the layout from this binary's name; the model answers within the cycle, except in the
//! random scripts, where it answers whenever the script says so. What only this layout can do wrong is in
//! `lane_dedicated.rs`.

#![allow(clippy::duplicate_mod, reason = "each suite declares the fakes, as it does on its own")]

mod fakes;

#[path = "lane_backpressure.rs"]
mod backpressure;
#[path = "lane_contact.rs"]
mod contact;
#[path = "lane_dead_letters.rs"]
mod dead_letters;
#[path = "lane_delivery.rs"]
mod delivery;
#[path = "lane_drain.rs"]
mod drain;
#[path = "lane_exactly_once.rs"]
mod exactly_once;
#[path = "lane_exactly_once_property.rs"]
mod exactly_once_property;
#[path = "lane_flow.rs"]
mod flow;
#[path = "lane_headers.rs"]
mod headers;
#[path = "lane_model_failure.rs"]
mod model_failure;
#[path = "lane_offsets.rs"]
mod offsets;
#[path = "lane_property.rs"]
mod property;
#[path = "lane_rebalance.rs"]
mod rebalance;
#[path = "lane_receipt.rs"]
mod receipt;
#[path = "lane_refused.rs"]
mod refused;
#[path = "lane_schema_desk.rs"]
mod schema_desk;
#[path = "lane_schema_wait.rs"]
mod schema_wait;
#[path = "lane_stopped.rs"]
mod stopped;
#[path = "lane_threads.rs"]
mod threads;

#[test]
fn this_is_the_other_layout() {
    assert_eq!(fakes::world::LAYOUT, scorewire::pipeline::settings::Layout::Dedicated);
    let mut world = fakes::Setup::default().build();
    world.by_hand = true;
    world.put_payments(0, 1);
    world.cycles(3);
    assert!(world.outputs().is_empty(), "the model has not answered");
    assert!(world.serve());
    world.cycle();
    assert_eq!(world.outputs().len(), 1);
}
