//! Orders while a lane stands still for its model (`fallback.then` ends in `pause`): one record that the model never scores holds
//! all of its lane, and whoever passes over it need not wait for the others.

use std::sync::atomic::Ordering;

use crate::fakes::{Mode, Payment, Setup, World};
use crate::fallback::falls_back;
use crate::orders::{Operator, SKIP, all, answer_of, delivered, is_committed, offsets, order, turn, turn_until};
use scorewire::doors::Destination;
use scorewire::values::order::{Answer, Moved, Order, Refusal};
use scorewire::values::settings::{FallbackEnd, FallbackStep};

fn paused() -> World {
    let fallback = falls_back(vec![FallbackStep::End(FallbackEnd::Pause)]);
    Setup { fallback, ..Setup::default() }.build()
}

fn put_poison(world: &World) {
    world.source.put(0, Payment::new("poison", 0.5).mode(Mode::Fail).encode());
}

fn stands_still(world: &World) -> bool {
    world.stats.model_paused_since_ms.get() > 0
}

#[test]
fn a_record_that_waits_for_its_model_is_passed_over_and_the_others_are_asked_for_again() {
    let mut world = paused();
    let operator = Operator::of(&mut world);
    world.put_payments(0, 2);
    put_poison(&world);
    world.put_payments(0, 2);
    world.put_payments(1, 3);
    turn_until(&mut world, all, "the pause", stands_still);
    let skip = order(SKIP, 2);
    assert_eq!(answer_of(&mut world, all, &operator.ask(order(SKIP, 0))), Answer::Refused(Refusal::StandsAt(2)));
    let elsewhere = operator.ask(Order { partition: 1, ..skip });
    assert_eq!(answer_of(&mut world, all, &elsewhere), Answer::Refused(Refusal::Flows));
    let done = answer_of(&mut world, all, &operator.ask(skip));
    assert_eq!(done, Answer::Done(Moved { from: 2, to: 3, has_letter: true }));
    turn_until(&mut world, all, "the rest", is_committed([5, 3]));
    assert_eq!(offsets(&delivered(&world, Destination::Outputs), 0), [0, 1, 3, 4]);
    let letters = delivered(&world, Destination::DeadLetters);
    let [letter] = letters.as_slice() else { panic!("one: {letters:?}") };
    assert_eq!(letter.header("__scorewire.errors.reason").as_deref(), Some("skipped"));
    assert!(letter.value.as_ref().is_some_and(|value| !value.is_empty()), "it is at hand");
    assert_eq!((world.stats.skips.get(), world.stats.model_paused_since_ms.get()), (1, 0));
}

/// Two records that are never scored: the letter of the first cannot leave before the second has one. The operator's patience
/// ends, he asks again, it ends again.
#[test]
fn a_skip_that_nobody_waits_for_is_told_of_all_the_same_and_one_that_is_asked_again_is_no_other() {
    let mut world = paused();
    world.put_payments(0, 1);
    put_poison(&world);
    put_poison(&world);
    turn_until(&mut world, all, "the pause", stands_still);
    let answers = [0, 1].map(|_| {
        let operator = Operator::of(&mut world);
        let answers = operator.ask(order(SKIP, 1));
        (0..100).for_each(|_| turn(&mut world, all));
        assert!(answers.is_empty(), "it waits for the other one");
        operator.is_over.store(true, Ordering::Release);
        turn(&mut world, all);
        answers
    });
    assert_eq!(world.stats.skips.get(), 0, "nothing has left");
    let last = Operator::of(&mut world).ask(order(SKIP, 2));
    assert_eq!(answer_of(&mut world, all, &last), Answer::Done(Moved { from: 2, to: 3, has_letter: true }));
    assert!(answers.iter().all(|answers| answers.is_empty()), "nobody is there to be told");
    assert_eq!((world.stats.skips.get(), world.stats.records_skipped.get()), (2, 2), "each once");
    assert_eq!(offsets(&delivered(&world, Destination::DeadLetters), 0), [1, 2]);
    assert_eq!(offsets(&delivered(&world, Destination::Outputs), 0), [0]);
}
