//! The lane's whole suite once more, in layout `dedicated`: what a lane promises does not depend on where its model
//! runs. The harness takes the layout from this binary's name; the model answers within the cycle, except in the
//! random scripts, where it answers whenever the script says so. What only this layout can do wrong is in
//! `lane/dedicated.rs`.

mod fakes;

#[path = "lane/backpressure.rs"]
mod backpressure;
#[path = "lane/challengers.rs"]
mod challengers;
#[path = "lane/contact.rs"]
mod contact;
#[path = "lane/crash_marks.rs"]
mod crash_marks;
#[path = "lane/dead_letters.rs"]
mod dead_letters;
#[path = "lane/delivery.rs"]
mod delivery;
#[path = "lane/drain.rs"]
mod drain;
#[path = "lane/exactly_once.rs"]
mod exactly_once;
#[path = "lane/exactly_once_property.rs"]
mod exactly_once_property;
#[path = "lane/fallback.rs"]
mod fallback;
#[path = "lane/fingerprints.rs"]
mod fingerprints;
#[path = "lane/flow.rs"]
mod flow;
#[path = "lane/headers.rs"]
mod headers;
#[path = "lane/model_failure.rs"]
mod model_failure;
#[path = "lane/offsets.rs"]
mod offsets;
#[path = "lane/orders.rs"]
mod orders;
#[path = "lane/orders_paused.rs"]
mod orders_paused;
#[path = "lane/property.rs"]
mod property;
#[path = "lane/rebalance.rs"]
mod rebalance;
#[path = "lane/receipt.rs"]
mod receipt;
#[path = "lane/refused.rs"]
mod refused;
#[path = "lane/retry.rs"]
mod retry;
#[path = "lane/schema_desk.rs"]
mod schema_desk;
#[path = "lane/schema_wait.rs"]
mod schema_wait;
#[path = "lane/stopped.rs"]
mod stopped;
#[path = "lane/threads.rs"]
mod threads;

#[test]
fn this_is_the_other_layout() {
    assert_eq!(fakes::world::LAYOUT, scorewire::values::settings::Layout::Dedicated);
    let mut world = fakes::Setup::default().build();
    world.by_hand = true;
    world.put_payments(0, 1);
    world.cycles(3);
    assert!(world.outputs().is_empty(), "the model has not answered");
    assert!(world.serve());
    world.cycle();
    assert_eq!(world.outputs().len(), 1);
}
