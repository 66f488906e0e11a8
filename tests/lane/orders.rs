//! Orders of an operator. The story: one record that no topic takes holds its partition for ever, at night, and the only way
//! out stops the whole group; or the way out loses records without a trace, doubles others, or moves a partition that has
//! gone elsewhere meanwhile.

use crossbeam::channel::{Receiver, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fakes::clock::ManualClock;
use crate::fakes::sink::REFUSED;
use crate::fakes::transactions::{ExactlyOnceWorld, assert_atomic};
use crate::fakes::{FakeSink, FakeSource, Sent, Setup, World, cannot_be_read_on, payload};
use scorewire::doors::{Destination, SourceEvent, Why};
use scorewire::lane::commit::{AtLeastOnce, Commit, ExactlyOnce};
use scorewire::lane::{Asked, Mailbox};
use scorewire::values::order::{Answer, Ask, Moved, Order, Refusal};
use scorewire::values::record::{Hope, Undelivered};

const NEVER: Undelivered =
    Undelivered { hope: Hope::Never, code: 87, name: "INVALID_RECORD", text: "Broker: the record is invalid" };

/// Asks a lane, which has not looked yet.
pub struct Operator {
    mailbox: Mailbox,
    pub is_over: Arc<AtomicBool>,
}

impl Operator {
    pub fn of<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) -> Operator {
        let operator = Operator { mailbox: Mailbox::default(), is_over: Arc::default() };
        world.lane.hear(operator.mailbox.clone());
        operator
    }

    pub fn ask(&self, order: Order) -> Receiver<Answer> {
        let (answer, answers) = bounded(1);
        self.mailbox.put(Asked { order, answer, is_over: Arc::clone(&self.is_over) });
        answers
    }
}

pub const SKIP: Ask = Ask::Skip;
const SEEK: Ask = Ask::Seek { forced: false, repeats: false };

pub fn order(ask: Ask, offset: i64) -> Order {
    Order { partition: 0, offset, ask, without_letter: false }
}

/// What the brokers take of outcomes under way.
pub type Takes = fn(&Sent) -> Result<(), Undelivered>;

pub fn all(_: &Sent) -> Result<(), Undelivered> {
    Ok(())
}

fn no_dead_letter(sent: &Sent) -> Result<(), Undelivered> {
    if sent.destination == Destination::DeadLetters { Err(NEVER) } else { Ok(()) }
}

/// One cycle, and the brokers' word on what it sent.
pub fn turn<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>, takes: Takes) {
    world.cycle();
    let mut sink = world.sink.state();
    sink.answer(Err(NEVER), |sent| takes(sent) == Err(NEVER));
    sink.answer(Err(REFUSED), |sent| takes(sent) == Err(REFUSED));
    sink.ack_all();
}

pub fn turn_until<D>(world: &mut World<D>, takes: Takes, what: &str, holds: impl Fn(&World<D>) -> bool)
where
    D: Commit<FakeSource, FakeSink>,
{
    for _ in 0..20_000 {
        if holds(world) {
            return;
        }
        turn(world, takes);
    }
    panic!("never came: {what}");
}

pub fn answer_of<D>(world: &mut World<D>, takes: Takes, answers: &Receiver<Answer>) -> Answer
where
    D: Commit<FakeSource, FakeSink>,
{
    turn_until(world, takes, "an answer", |_| !answers.is_empty());
    answers.recv().unwrap()
}

pub fn is_committed<D: Commit<FakeSource, FakeSink>>(ends: [i64; 2]) -> impl Fn(&World<D>) -> bool {
    move |world| (0..2).all(|partition| world.source.committed(partition) == Some(ends[partition as usize]))
}

/// The first partition has stopped before offset 4, since no topic takes anything of that record.
fn stop_before_4<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) {
    world.put_payments(0, 4);
    world.source.put(0, payload::truncated());
    world.put_payments(1, 6);
    turn_until(world, no_dead_letter, "the stop", |world| is_committed([4, 6])(world) && is_stopped(world));
    // Nothing of these was sent before.
    world.put_payments(0, 5);
}

fn is_stopped<D: Commit<FakeSource, FakeSink>>(world: &World<D>) -> bool {
    world.stats.failed_partitions.get() == 1
}

pub fn delivered<D: Commit<FakeSource, FakeSink>>(world: &World<D>, to: Destination) -> Vec<Sent> {
    world.sink.state().delivered(to).into_iter().cloned().collect()
}

fn visible(world: &ExactlyOnceWorld, to: Destination) -> Vec<Sent> {
    world.sink.state().visible(to).into_iter().cloned().collect()
}

pub fn offsets(sent: &[Sent], partition: i32) -> Vec<i64> {
    sent.iter().filter(|sent| sent.source.partition == partition).map(|sent| sent.source.offset).collect()
}

/// What readers see of a topic.
type Seen<'a, D> = &'a dyn Fn(&World<D>, Destination) -> Vec<Sent>;

/// Both deliveries.
fn in_both(
    setup: &dyn Fn() -> Setup,
    at_least_once: fn(World, Seen<'_, AtLeastOnce>),
    exactly_once: fn(ExactlyOnceWorld, Seen<'_, ExactlyOnce<ManualClock>>),
) {
    at_least_once(setup().build(), &delivered);
    exactly_once(setup().build_exactly_once(), &visible);
}

fn skipped_record<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    stop_before_4(&mut world);
    assert_eq!(answer_of(&mut world, all, &operator.ask(order(SKIP, 3))), Answer::Refused(Refusal::StandsAt(4)));
    let done = answer_of(&mut world, all, &operator.ask(order(SKIP, 4)));
    assert_eq!(done, Answer::Done(Moved { from: 4, to: 5, has_letter: true }));
    assert_eq!(world.source.committed(0), Some(5), "the group has it");
    turn_until(&mut world, all, "the rest", is_committed([10, 6]));
    let letters = seen(&world, Destination::DeadLetters);
    let [letter] = letters.as_slice() else { panic!("one: {letters:?}") };
    let header = |name: &str| letter.header(&format!("__scorewire.errors.{name}")).unwrap();
    assert_eq!([header("reason"), header("stage")], ["skipped", "intake"]);
    assert_eq!([header("partition"), header("offset"), header("last_offset")], ["0", "4", "4"]);
    assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"enriched-context-0-4"[..]), Some(&b""[..])));
    assert_eq!(offsets(&seen(&world, Destination::Outputs), 0), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    let stats = &world.stats;
    assert_eq!((stats.skips.get(), stats.seeks.get(), stats.records_skipped.get()), (1, 0, 1));
}

#[test]
fn a_record_that_no_topic_takes_is_passed_over_with_one_dead_letter_and_the_rest_is_scored() {
    in_both(&Setup::default, skipped_record, |world, seen| {
        let check = |world: &ExactlyOnceWorld, to| {
            assert_atomic(world);
            seen(world, to)
        };
        skipped_record(world, &check);
    });
}

#[test]
fn a_skip_that_does_not_fit_moves_nothing_and_says_why() {
    let mut world = Setup::default().build();
    let operator = Operator::of(&mut world);
    world.put_payments(0, 3);
    world.put_payments(1, 1);
    turn_until(&mut world, all, "all", is_committed([3, 1]));
    let skip = order(SKIP, 3);
    assert_eq!(answer_of(&mut world, all, &operator.ask(skip)), Answer::Refused(Refusal::Flows));
    assert_eq!(answer_of(&mut world, all, &operator.ask(order(SEEK, 3))), Answer::Refused(Refusal::Flows));
    let elsewhere = operator.ask(Order { partition: 7, ..skip });
    assert_eq!(answer_of(&mut world, all, &elsewhere), Answer::NotHeld { held: vec![0, 1] });
    world.source.tell(cannot_be_read_on(0, 3, Why::Unreadable, None));
    turn_until(&mut world, all, "the stop", is_stopped);
    let refused = Answer::Refused(Refusal::NothingRead { why: "unreadable", next: 3 });
    assert_eq!(answer_of(&mut world, all, &operator.ask(skip)), refused);
    let back = answer_of(&mut world, all, &operator.ask(order(SEEK, 1)));
    assert_eq!(back, Answer::Refused(Refusal::Backwards { from: 3 }));
    assert_eq!((world.source.committed(0), world.stats.rejected_total()), (Some(3), 0));
    assert!(is_stopped(&world) && world.source.is_paused(0));
}

fn letter_that_is_refused<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    stop_before_4(&mut world);
    let refused = answer_of(&mut world, no_dead_letter, &operator.ask(order(SKIP, 4)));
    assert!(
        matches!(&refused, Answer::Refused(Refusal::LetterRefused { why }) if why.contains("invalid")),
        "{refused:?}"
    );
    turn_until(&mut world, no_dead_letter, "the stop once more", is_stopped);
    assert_eq!(world.source.committed(0), Some(4), "nothing is moved");
    let without = Order { without_letter: true, ..order(SKIP, 4) };
    let done = answer_of(&mut world, no_dead_letter, &operator.ask(without));
    assert_eq!(done, Answer::Done(Moved { from: 4, to: 5, has_letter: false }));
    turn_until(&mut world, no_dead_letter, "the rest", is_committed([10, 6]));
    assert_eq!(offsets(&seen(&world, Destination::Outputs), 0), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert!(seen(&world, Destination::DeadLetters).is_empty());
    assert_eq!((world.stats.skips.get(), world.stats.rejected_total()), (1, 0));
}

#[test]
fn where_the_dead_letter_is_refused_too_nothing_is_moved_unless_it_is_to_go_without() {
    in_both(&Setup::default, letter_that_is_refused, letter_that_is_refused);
}

/// A failure that passes.
fn letter_that_comes_late<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    stop_before_4(&mut world);
    let answers = operator.ask(order(SEEK, 7));
    let failures = world.stats.delivery_failures.get();
    let fails: Takes = |sent| if sent.destination == Destination::DeadLetters { Err(REFUSED) } else { Ok(()) };
    turn_until(&mut world, fails, "a failure", |world| world.stats.delivery_failures.get() > failures);
    // Whoever asked does not wait for it any more: what has begun is done all the same.
    operator.is_over.store(true, Ordering::Release);
    // The record's own dead letter is refused until the partition stops before it again.
    let own: Takes = |sent| match sent.header("__scorewire.errors.reason").as_deref() {
        Some("truncated") => Err(NEVER),
        _ => Ok(()),
    };
    let done = answer_of(&mut world, own, &answers);
    assert_eq!(done, Answer::Done(Moved { from: 4, to: 7, has_letter: true }));
    turn_until(&mut world, all, "the rest", is_committed([10, 6]));
    let letters = seen(&world, Destination::DeadLetters);
    let [letter] = letters.as_slice() else { panic!("one: {letters:?}") };
    let header = |name: &str| letter.header(&format!("__scorewire.errors.{name}")).unwrap();
    assert_eq!([header("reason"), header("offset"), header("last_offset")], ["skipped", "4", "6"]);
    assert_eq!(offsets(&seen(&world, Destination::Outputs), 0), [0, 1, 2, 3, 7, 8, 9]);
    assert_eq!((world.stats.seeks.get(), world.stats.records_skipped.get()), (1, 3));
}

#[test]
fn a_dead_letter_of_a_range_that_is_not_delivered_is_sent_again() {
    in_both(&Setup::default, letter_that_comes_late, letter_that_comes_late);
}

fn tried_again<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    stop_before_4(&mut world);
    let done = answer_of(&mut world, all, &operator.ask(order(SEEK, 4)));
    assert_eq!(done, Answer::Done(Moved { from: 4, to: 4, has_letter: false }));
    turn_until(&mut world, all, "the rest", is_committed([10, 6]));
    let letters = seen(&world, Destination::DeadLetters);
    let reasons: Vec<_> = letters.iter().filter_map(|letter| letter.header("__scorewire.errors.reason")).collect();
    assert_eq!(reasons, ["truncated"], "the record's own, now that the topic takes it");
    assert!(letters[0].value.as_ref().is_some_and(|value| !value.is_empty()), "what was learned is forgotten");
}

#[test]
fn a_seek_to_where_it_stands_tries_again() {
    in_both(&Setup::default, tried_again, tried_again);
}

fn sent_back<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: &dyn Fn(&World<D>, Destination) -> Vec<Sent>) {
    let operator = Operator::of(&mut world);
    world.source.state().moves_back = true;
    world.put_payments(0, 6);
    world.put_payments(1, 2);
    turn_until(&mut world, all, "all", is_committed([6, 2]));
    let forced = Ask::Seek { forced: true, repeats: false };
    let refused = answer_of(&mut world, all, &operator.ask(order(forced, 2)));
    assert_eq!(refused, Answer::Refused(Refusal::Backwards { from: 6 }));
    world.put_payments(0, 1);
    turn_until(&mut world, all, "it flows on", is_committed([7, 2]));
    let repeats = Ask::Seek { forced: true, repeats: true };
    let done = answer_of(&mut world, all, &operator.ask(order(repeats, 2)));
    assert_eq!(done, Answer::Done(Moved { from: 7, to: 2, has_letter: false }));
    turn_until(&mut world, all, "again", is_committed([7, 2]));
    let outputs = seen(&world, Destination::Outputs);
    assert_eq!(offsets(&outputs, 0), [0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6]);
    assert_eq!(offsets(&outputs, 1), [0, 1]);
    assert!(seen(&world, Destination::DeadLetters).is_empty());
}

#[test]
fn a_partition_goes_back_only_where_repetitions_are_allowed() {
    in_both(&Setup::default, sent_back, sent_back);
}

fn moved_by_force<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    world.put_payments(0, 40);
    world.put_payments(1, 3);
    turn_until(&mut world, all, "some", |world| world.stats.received.get() > 8);
    let forced = Ask::Seek { forced: true, repeats: false };
    let done = answer_of(&mut world, all, &operator.ask(order(forced, 38)));
    let Answer::Done(Moved { from, to: 38, has_letter: true }) = done else { panic!("{done:?}") };
    turn_until(&mut world, all, "the rest", is_committed([40, 3]));
    let letters = seen(&world, Destination::DeadLetters);
    let [letter] = letters.as_slice() else { panic!("one: {letters:?}") };
    assert_eq!(letter.header("__scorewire.errors.offset"), Some(from.to_string()));
    assert_eq!(letter.header("__scorewire.errors.last_offset").as_deref(), Some("37"));
    let outputs = offsets(&seen(&world, Destination::Outputs), 0);
    assert_eq!(outputs, (0..from).chain(38..40).collect::<Vec<_>>(), "what was in flight is finished, once");
}

#[test]
fn a_partition_that_flows_is_drained_and_moved() {
    in_both(&Setup::default, moved_by_force, moved_by_force);
}

fn not_begun<D: Commit<FakeSource, FakeSink>>(mut world: World<D>, seen: Seen<'_, D>) {
    let operator = Operator::of(&mut world);
    world.put_payments(0, 3);
    world.put_payments(1, 1);
    world.cycles(2);
    let forced = Ask::Seek { forced: true, repeats: false };
    let answers = operator.ask(order(forced, 40));
    world.cycles(20);
    assert!(answers.is_empty() && world.source.is_paused(0), "what is in flight is not acknowledged");
    operator.is_over.store(true, Ordering::Release);
    world.cycles(20);
    assert!(world.source.is_paused(0), "begun anew now, what is in flight would be done twice");
    assert_eq!(answer_of(&mut world, all, &answers), Answer::Refused(Refusal::TooLate));
    world.put_payments(0, 2);
    turn_until(&mut world, all, "it flows as before", is_committed([5, 1]));
    assert_eq!(offsets(&seen(&world, Destination::Outputs), 0), [0, 1, 2, 3, 4]);
    assert!(seen(&world, Destination::DeadLetters).is_empty());
    operator.is_over.store(false, Ordering::Release);

    world.put_payments(0, 2);
    world.cycles(2);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(2);
    let answers = operator.ask(order(forced, 40));
    world.cycles(2);
    assert_eq!(answers.try_recv(), Ok(Answer::Refused(Refusal::Leaves)));
    turn_until(&mut world, all, "it goes", |world| !world.source.is_assigned(0));
    assert_eq!(world.source.committed(0), Some(7));
}

#[test]
fn an_order_that_nobody_waits_for_is_not_begun_and_one_for_a_partition_that_leaves_is_refused() {
    in_both(&Setup::default, not_begun, not_begun);
}

/// Backwards, as shows only when all of it is finished.
#[test]
fn a_partition_that_was_stopped_for_an_order_that_does_not_fit_flows_on_without_repetition() {
    let mut world = Setup::default().build_exactly_once();
    let operator = Operator::of(&mut world);
    world.put_payments(0, 6);
    world.put_payments(1, 1);
    world.cycles(2);
    let forced = Ask::Seek { forced: true, repeats: false };
    let refused = answer_of(&mut world, all, &operator.ask(order(forced, 4)));
    assert_eq!(refused, Answer::Refused(Refusal::Backwards { from: 6 }));
    world.put_payments(0, 2);
    turn_until(&mut world, all, "it flows on", is_committed([8, 1]));
    assert_atomic(&world);
    assert_eq!(offsets(&visible(&world, Destination::Outputs), 0), (0..8).collect::<Vec<_>>());
}

/// The group asks for the partition while its dead letter is under way: both are finished before it goes.
#[test]
fn a_partition_that_is_asked_back_meanwhile_leaves_behind_its_dead_letter() {
    let mut world = Setup::default().build();
    let operator = Operator::of(&mut world);
    stop_before_4(&mut world);
    let answers = operator.ask(order(SKIP, 4));
    world.cycle_until("the dead letter is under way", |world| world.sink.state().in_flight() > 0);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycles(3);
    let done = answer_of(&mut world, all, &answers);
    assert_eq!(done, Answer::Done(Moved { from: 4, to: 5, has_letter: true }));
    turn_until(&mut world, all, "it goes", |world| !world.source.is_assigned(0));
    assert_eq!((world.source.committed(0), world.stats.rejected_total()), (Some(5), 1));
}
