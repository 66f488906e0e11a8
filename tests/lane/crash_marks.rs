//! A record that ends the process. The story: ONNX Runtime aborts at one record, the supervisor restarts the node, and it dies
//! at the same record, for ever; the partition moves, and the next node dies. So records are marked while they are in work, what
//! a dead process was at is suspected, and one that killed too often is not looked at.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::fakes::marks::Written;
use crate::fakes::sink::REFUSED;
use crate::fakes::{FakeMarks, Payment, Setup, World, payload};
use scorewire::doors::{Destination, SourceEvent};
use scorewire::lane::{Marking, Turn};
use scorewire::values::crash::{Mark, Suspect};
use scorewire::values::settings::Layout;

const PLACES: usize = 16;

fn suspect(partition: i32, first: i64, end: i64, crashes: u32) -> Suspect {
    Suspect { partition, first, end, crashes, alone: false }
}

/// The lane marks what it does, and knows these suspects; `turn` where other lanes do.
fn mark_beside(world: &mut World, suspects: &[Suspect], (turn, lane): (&Arc<Turn>, usize)) -> FakeMarks {
    let marks = FakeMarks::new(PLACES, Arc::clone(&world.scorer.calls));
    world.lane.mark(Marking {
        door: Box::new(marks.clone()),
        suspects: suspects.to_vec(),
        crashes_max: 3,
        turn: (!suspects.is_empty()).then(|| turn.of_lane(lane)),
    });
    marks
}

fn mark(world: &mut World, suspects: &[Suspect]) -> FakeMarks {
    mark_beside(world, suspects, (&Arc::new(Turn::new(1)), 0))
}

/// Rows of each call of the model.
fn calls(world: &World) -> Vec<usize> {
    world.scorer.calls_with_rows().iter().map(Vec::len).collect()
}

#[test]
fn records_are_marked_from_before_they_are_decoded_until_their_outcomes_are_handed_over() {
    let mut world = Setup::default().build();
    let marks = mark(&mut world, &[]);
    world.put_payments(0, 3);
    world.put_payments(1, 2);
    world.source.put(1, Some(b"no Avro at all".to_vec()));
    world.by_hand = true;
    world.cycle();
    if world.setup.layout == Layout::Dedicated {
        assert_eq!(marks.standing(), [(0, 0, 3), (1, 0, 3)], "at the model");
    }
    world.by_hand = false;
    world.settle();
    assert_eq!(marks.standing(), []);
    let written = marks.state().written.clone();
    let (before, after) = written.split_at(6);
    assert!(
        before.iter().all(|written| matches!(written, Written::Set(_, 0))),
        "before each record is decoded: {written:?}"
    );
    assert_eq!(after, [Written::Cleared(1), Written::Cleared(1)], "when the model was called");
    assert_eq!((world.outputs().len(), world.dead_letters().len()), (5, 1));
}

#[test]
fn what_waits_for_its_schema_is_not_in_work() {
    let mut world = Setup::default().build();
    let marks = mark(&mut world, &[]);
    world.put_payments(0, 2);
    for index in 0..2 {
        world.source.put(0, Payment::new(format!("w{index}"), 0.5).schema_id(payload::PENDING_ID).encode());
    }
    world.cycles(5);
    assert_eq!((marks.standing(), world.outputs().len()), (vec![], 2));
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    marks.state().written.clear();
    world.settle();
    let last = Mark { partition: 0, first: 2, end: 4, alone: false };
    assert!(marks.state().written.iter().any(|written| matches!(written, Written::Set(mark, _) if *mark == last)));
    assert_eq!((marks.standing(), world.outputs().len()), (vec![], 4));
}

#[test]
fn a_partition_that_goes_back_leaves_no_mark_behind() {
    let mut world = Setup { batch_rows: 12, ..Setup::default() }.build();
    let marks = mark(&mut world, &[]);
    world.put_payments(0, 6);
    world.cycle();
    world.sink.state().answer(Err(REFUSED), |sent| sent.source.offset == 3);
    world.settle();
    assert_eq!(world.source.committed(0), Some(6));
    assert_eq!(marks.standing(), []);
}

/// A lane takes in what finds a place for its mark, and the rest later.
#[test]
fn more_partitions_than_places_are_taken_in_bit_by_bit() {
    let partitions = 3 * PLACES as i32;
    let mut world = Setup { partitions, batch_rows: 128, ..Setup::default() }.build();
    let marks = mark(&mut world, &[]);
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    (0..partitions).for_each(|partition| world.put_payments(partition, 2));
    world.cycles(10);
    world.settle();
    assert_eq!(world.outputs().len(), 2 * partitions as usize);
    assert!(calls(&world).iter().all(|rows| *rows <= 2 * PLACES), "{:?}", calls(&world));
    assert_eq!(marks.standing(), []);
}

#[test]
fn suspects_are_scored_one_by_one_and_the_others_together() {
    let mut world = Setup::default().build();
    let marks = mark(&mut world, &[suspect(0, 2, 5, 2), suspect(1, 0, 9, 1)]);
    world.scorer.keep_rows.store(true, Ordering::Relaxed);
    world.put_payments(0, 8);
    world.cycles(10);
    world.settle();
    assert_eq!(calls(&world), [2, 1, 1, 1, 3]);
    assert_eq!(world.offsets(Destination::Outputs, 0), (0..8).collect::<Vec<_>>(), "in their order");
    let alone: Vec<(i64, i64)> = marks
        .state()
        .written
        .iter()
        .filter_map(|written| match written {
            Written::Set(Mark { first, end, alone: true, .. }, _) => Some((*first, *end)),
            _ => None,
        })
        .collect();
    assert_eq!(alone, [(2, 3), (3, 4), (4, 5)]);
    world.cycles(300);
    assert!(marks.state().finished.contains(&(0, 8)), "what is finished is forgotten: {:?}", marks.state().finished);
    assert_eq!(marks.standing(), []);
}

#[test]
fn a_record_that_killed_too_often_is_a_dead_letter_and_is_not_looked_at() {
    let killer = Suspect { alone: true, ..suspect(0, 3, 4, 3) };
    let mut world = Setup::default().build();
    let marks = mark(&mut world, &[killer, suspect(0, 1, 4, 1)]);
    world.put_payments(0, 3);
    // Whatever its bytes are: its reason is none of the decoder's.
    world.source.put(0, Some(b"no Avro at all".to_vec()));
    world.put_payments(0, 2);
    world.cycles(2);
    world.settle();
    assert_eq!(world.offsets(Destination::Outputs, 0), [0, 1, 2, 4, 5]);
    let letters = world.dead_letters();
    assert_eq!((letters.len(), letters[0].source.offset), (1, 3));
    assert_eq!(letters[0].header("__scorewire.errors.reason").as_deref(), Some("crashed_process"));
    assert_eq!(letters[0].header("__scorewire.errors.stage").as_deref(), Some("intake"));
    assert_eq!(
        letters[0].value.as_deref(),
        Some(&b"no Avro at all"[..]),
        "the whole record, for whoever looks into it"
    );
    assert!(marks.state().written.iter().all(|written| !matches!(written, Written::Set(mark, _) if mark.end == 4)));
    assert_eq!((marks.standing(), world.source.committed(0)), (vec![], Some(6)));
}

/// Whoever kills the process while it waits for its brokers means no record.
#[test]
fn what_waits_for_room_at_the_producer_is_not_in_work() {
    let mut world = Setup::default().build();
    let marks = mark(&mut world, &[]);
    world.put_payments(0, 5);
    world.sink.state().capacity = 2;
    world.cycles(3);
    assert_eq!((world.sink.state().sent.len(), marks.standing()), (2, vec![]));
    world.sink.state().capacity = usize::MAX;
    world.put_payments(0, 2);
    world.settle();
    assert_eq!((world.outputs().len(), marks.standing()), (7, vec![]));
}

/// Two lanes of one process whose models answer when they are told to, and a suspect in the first one's partition 0.
fn two_lanes() -> [(World, FakeMarks); 2] {
    let turn = Arc::new(Turn::new(2));
    [0, 1].map(|lane| {
        let mut world = Setup { layout: Layout::Dedicated, ..Setup::default() }.build();
        world.by_hand = true;
        let marks = mark_beside(&mut world, &[suspect(0, 0, 1, 2)], (&turn, lane));
        (world, marks)
    })
}

/// The one crash that counts must have one culprit: while a suspect is alone, no other lane has anything in work.
#[test]
fn a_suspect_has_the_whole_process_for_itself() {
    let [(mut one, marks), (mut other, others)] = two_lanes();
    other.put_payments(1, 3);
    other.cycle();
    assert_eq!(others.standing(), [(1, 0, 3)], "at its model");
    one.put_payments(0, 2);
    one.cycles(5);
    assert_eq!(marks.standing(), [], "the other lane is not done");
    assert!(other.serve());
    other.put_payments(1, 2);
    other.cycles(2);
    assert_eq!((others.standing(), other.outputs().len()), (vec![], 3), "it is done, and begins nothing more");
    one.cycles(2);
    assert_eq!(marks.standing(), [(0, 0, 1)]);
    assert!(marks.state().standing.values().all(|mark| mark.alone));
    other.cycles(5);
    assert_eq!(others.standing(), [], "until the suspect is through");
    assert!(one.serve());
    one.cycles(2);
    other.cycles(2);
    assert_eq!((marks.standing(), others.standing()), (vec![(0, 1, 2)], vec![(1, 3, 5)]), "both go on");
    assert!(one.serve() && other.serve());
    one.cycles(2);
    other.cycles(2);
    assert_eq!((one.outputs().len(), other.outputs().len()), (2, 5));
}

/// Whoever waits to be alone, and loses what it waited with, holds nobody up.
#[test]
fn a_partition_that_goes_takes_its_wish_to_be_alone_along() {
    let [(mut one, marks), (mut other, others)] = two_lanes();
    other.put_payments(1, 3);
    other.cycle();
    one.put_payments(0, 2);
    one.cycles(2);
    one.source.tell(SourceEvent::Lost(vec![0]));
    // It hears of that when it polls, as whoever has records left does once in a while.
    one.clock.advance(one.setup.limits.pause_after);
    one.cycles(3);
    other.put_payments(1, 3);
    other.cycle();
    assert!(other.serve());
    other.cycles(2);
    assert_eq!((marks.standing(), others.standing()), (vec![], vec![(1, 3, 6)]));
}
