//! Orders of an operator. The story: one record that no topic takes holds its partition for ever, at night, and the only way
//! out stops the whole group; or the way out loses records without a trace, doubles others, or moves a partition that has
//! gone elsewhere meanwhile.

use crossbeam::channel::{Receiver, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fakes::sink::REFUSED;
use crate::fakes::transactions::{ExactlyOnceWorld, assert_atomic};
use crate::fakes::{FakeSink, FakeSource, Payment, Sent, Setup, World, cannot_be_read_on, payload};
use scorewire::doors::{Destination, SourceEvent, Why};
use scorewire::lane::commit::Commit;
use scorewire::lane::{Asked, Mailbox};
use scorewire::values::order::{Answer, Ask, Moved, Order, Refusal};
use scorewire::values::record::{Hope, Undelivered};

const NEVER: Undelivered =
    Undelivered { hope: Hope::Never, code: 87, name: "INVALID_RECORD", text: "Broker: the record is invalid" };

/// Asks a lane, which has not looked yet.
struct Operator {
    mailbox: Mailbox,
    is_over: Arc<AtomicBool>,
}

impl Operator {
    fn of<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) -> Operator {
        let operator = Operator { mailbox: Mailbox::default(), is_over: Arc::default() };
        world.lane.hear(operator.mailbox.clone());
        operator
    }

    fn ask(&self, order: Order) -> Receiver<Answer> {
        let (answer, answers) = bounded(1);
        self.mailbox.put(Asked { order, answer, is_over: Arc::clone(&self.is_over) });
        answers
    }
}

const SKIP: Ask = Ask::Skip;
const SEEK: Ask = Ask::Seek { forced: false, repeats: false };

fn order(ask: Ask, offset: i64) -> Order {
    Order { partition: 0, offset, ask, without_letter: false }
}

/// What the brokers take of outcomes under way.
type Takes = fn(&Sent) -> Result<(), Undelivered>;

fn all(_: &Sent) -> Result<(), Undelivered> {
    Ok(())
}

fn no_dead_letter(sent: &Sent) -> Result<(), Undelivered> {
    if sent.destination == Destination::DeadLetters { Err(NEVER) } else { Ok(()) }
}

/// One cycle, and the brokers' word on what it sent.
fn turn<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>, takes: Takes) {
    world.cycle();
    let mut sink = world.sink.state();
    sink.answer(Err(NEVER), |sent| takes(sent) == Err(NEVER));
    sink.answer(Err(REFUSED), |sent| takes(sent) == Err(REFUSED));
    sink.ack_all();
}

fn turn_until<D>(world: &mut World<D>, takes: Takes, what: &str, holds: impl Fn(&World<D>) -> bool)
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

fn answer_of<D>(world: &mut World<D>, takes: Takes, answers: &Receiver<Answer>) -> Answer
where
    D: Commit<FakeSource, FakeSink>,
{
    turn_until(world, takes, "an answer", |_| !answers.is_empty());
    answers.recv().unwrap()
}

fn is_committed<D: Commit<FakeSource, FakeSink>>(ends: [i64; 2]) -> impl Fn(&World<D>) -> bool {
    move |world| (0..2).all(|partition| world.source.committed(partition) == Some(ends[partition as usize]))
}

/// The first partition has stopped before offset 4, since no topic takes anything of that record.
fn stop_before_4<D: Commit<FakeSource, FakeSink>>(world: &mut World<D>) {
    world.put_payments(0, 4);
    world.source.put(0, payload::truncated());
    world.put_payments(1, 6);
    turn_until(world, no_dead_letter, "the stop", |world| {
        is_committed([4, 6])(world) && world.lane_is_stopped()
    });
    // Nothing of these was sent before.
    world.put_payments(0, 5);
}

impl<D: Commit<FakeSource, FakeSink>> World<D> {
    fn lane_is_stopped(&self) -> bool {
        self.stats.failed_partitions.get() == 1
    }
}

fn delivered<D: Commit<FakeSource, FakeSink>>(world: &World<D>, to: Destination) -> Vec<Sent> {
    world.sink.state().delivered(to).into_iter().cloned().collect()
}

fn visible(world: &ExactlyOnceWorld, to: Destination) -> Vec<Sent> {
    world.sink.state().visible(to).into_iter().cloned().collect()
}

fn offsets(sent: &[Sent], partition: i32) -> Vec<i64> {
    sent.iter().filter(|sent| sent.source.partition == partition).map(|sent| sent.source.offset).collect()
}

/// Both deliveries, with what readers see of a topic.
fn in_both(
    setup: &dyn Fn() -> Setup,
    at_least_once: fn(World, &dyn Fn(&World, Destination) -> Vec<Sent>),
    exactly_once: fn(ExactlyOnceWorld, &dyn Fn(&ExactlyOnceWorld, Destination) -> Vec<Sent>),
) {
    at_least_once(setup().build(), &delivered);
    exactly_once(setup().build_exactly_once(), &visible);
}

fn skipped_record<D: Commit<FakeSource, FakeSink>>(
    mut world: World<D>,
    seen: &dyn Fn(&World<D>, Destination) -> Vec<Sent>,
) {
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
