//! `docs/design.md` draws the lane's state machines as they are.

use scorewire::lane::commit::{CommitState, ProducerState, TransactionState};
use scorewire::lane::ledger::Flow;
use scorewire::lane::state::machine::Machine;
use scorewire::lane::state::membership::State as GroupState;
use scorewire::lane::state::shutdown::State as ShutdownState;
use scorewire::lane::state::stall_guard::State as DoubtState;

/// The arrows of a drawing: from, to.
type Arrows = Vec<(String, String)>;

/// Every drawing of the page.
fn drawings() -> Vec<Arrows> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/design.md")).unwrap();
    let blocks = page.split("```mermaid\nstateDiagram-v2\n").skip(1);
    blocks.map(|block| arrows(block.split("```").next().unwrap())).collect()
}

fn arrows(drawing: &str) -> Arrows {
    let arrow = |line: &str| {
        let (from, rest) = line.split_once("-->").unwrap_or_else(|| panic!("an arrow: {line}"));
        let (to, why) = rest.split_once(':').unwrap_or((rest, "the beginning"));
        assert!(!why.trim().is_empty(), "an arrow says why: {line}");
        (from.trim().to_owned(), to.trim().to_owned())
    };
    drawing.lines().filter(|line| !line.trim().is_empty()).map(arrow).collect()
}

/// Every machine has its drawing, with its states, its steps and its beginning, and no other.
fn assert_drawn<M: Machine>(drawings: &mut Vec<Arrows>) {
    let mut steps: Arrows = M::STEPS.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect();
    assert!(M::STEPS.iter().all(|(from, to)| M::NAMES.contains(from) && M::NAMES.contains(to)), "{:?}", M::STEPS);
    steps.push(("[*]".to_owned(), M::NAMES[0].to_owned()));
    steps.sort();
    let is_it = |drawing: &Arrows| {
        let mut drawn = drawing.clone();
        drawn.sort();
        drawn == steps
    };
    let found = drawings.iter().position(is_it);
    let found = found.unwrap_or_else(|| panic!("docs/design.md draws no machine with the steps {steps:#?}"));
    drawings.remove(found);
}

#[test]
fn the_page_draws_every_machine_as_it_is() {
    let mut drawings = drawings();
    assert_drawn::<CommitState>(&mut drawings);
    assert_drawn::<TransactionState>(&mut drawings);
    assert_drawn::<ProducerState>(&mut drawings);
    assert_drawn::<GroupState>(&mut drawings);
    assert_drawn::<DoubtState>(&mut drawings);
    assert_drawn::<Flow>(&mut drawings);
    assert_drawn::<ShutdownState>(&mut drawings);
    assert_eq!(drawings, Vec::<Arrows>::new(), "drawings of nothing");
}

#[test]
#[should_panic(expected = "no step of the machine")]
#[cfg(debug_assertions)]
fn a_step_that_is_in_no_list_is_a_mistake() {
    let mut state = ShutdownState::Closed;
    state.go(ShutdownState::Running);
}
