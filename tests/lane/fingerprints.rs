//! Fingerprints on outputs. The story: one is made of the neighbour's row, or of one that a later record has overwritten; the
//! output looks the same, and nobody notices until somebody asks for proof of a decision.

use std::sync::atomic::Ordering;

use crate::fakes::world::{LAYOUT, MODEL_SHA256, THRESHOLDS_VERSION};
use crate::fakes::{Mode, Outcome, Payment, Setup, World};
use scorewire::values::fingerprint::Fingerprinter;
use scorewire::values::settings::Layout;

fn world(fingerprint: bool) -> World {
    let mut world = Setup { batch_rows: 4, review_threshold: 0.5, fingerprint, ..Setup::default() }.build();
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    // While batches are at the model, the next records are decoded.
    world.by_hand = LAYOUT == Layout::Dedicated;
    world
}

/// Puts records of every kind, each with a score of its own, and lets them through.
fn run(world: &mut World) {
    for round in 0..8_i32 {
        let risk = |place: i32| f64::from(8 * round + place) / 64.0;
        let payment = |place| Payment::new(format!("{round}/{place}"), risk(place));
        let payments = [
            payment(0),
            Payment { bonus: None, ..payment(1) },
            Payment { must: None, ..payment(2) },
            payment(3).mode(Mode::NotANumber),
            Payment { bonus: Some(-0.0), must: Some(1e-45), ..payment(4) },
            payment(5).mode(if round % 2 == 0 { Mode::Fail } else { Mode::Score }),
        ];
        for payment in payments {
            world.source.put(round % 2, payment.encode());
        }
        world.cycle();
    }
    while world.serve() {
        world.cycle();
    }
    world.by_hand = false;
    world.settle();
}

/// Of the one row with this score that the model was given.
fn expected(world: &World, outcome: &Outcome) -> Vec<u8> {
    let calls = world.scorer.calls_with_rows();
    let row = calls.iter().flatten().find(|row| f64::from(row[0]) == outcome.score).expect("the model was given it");
    Fingerprinter::new(MODEL_SHA256, THRESHOLDS_VERSION).of(row).0.to_vec()
}

#[test]
fn each_output_and_its_copy_have_the_fingerprint_of_the_row_that_the_model_was_given() {
    let mut world = world(true);
    run(&mut world);
    let (outputs, copies) = (world.outputs(), world.reviews());
    // Of six a round, one misses a feature and one has no score; every other round the model fails on one.
    assert_eq!((outputs.len(), world.dead_letters().len()), (28, 20));
    for outcome in outputs.iter().chain(&copies) {
        assert_eq!(outcome.fingerprint, Some(expected(&world, outcome)), "{outcome:?}");
    }
    assert!(copies.len() > 10, "{}", copies.len());
    let different: std::collections::BTreeSet<_> = outputs.iter().map(|outcome| &outcome.fingerprint).collect();
    assert_eq!(different.len(), outputs.len());
}

/// By the Python of docs/reading-outputs.md.
#[test]
fn a_row_whose_fingerprint_is_known_has_it_on_its_output() {
    let mut world = world(true);
    world.source.put(0, Payment::new("known", 0.25).encode());
    world.cycle();
    while world.serve() {
        world.cycle();
    }
    let found = world.outputs()[0].fingerprint.clone().expect("fingerprints are on");
    let hexadecimal: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hexadecimal, "d4573b04ba0ec61f044445b39e1eb3f9");
}

#[test]
fn without_fingerprints_outputs_and_copies_have_null() {
    let mut world = world(false);
    run(&mut world);
    let (outputs, copies) = (world.outputs(), world.reviews());
    assert!(outputs.len() == 28 && !copies.is_empty());
    assert!(outputs.iter().chain(&copies).all(|outcome| outcome.fingerprint.is_none()));
}
