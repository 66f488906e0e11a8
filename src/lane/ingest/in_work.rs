//! Which records are in work, as the next process is to know it when this one dies, and what earlier ones died at: a record that
//! killed too often is not looked at, and one that is suspected has the process for itself.
//!
//! Invariant: a record is marked from before it is decoded until its outcomes are handed over, or wait for room at the producer:
//! who ends the process then, means no record. One that is marked as alone has nothing beside it in any lane.

use std::collections::HashMap;

use crate::doors::{CrashMarks, Progress, SourceRecord};
use crate::lane::places::Places;
use crate::lane::score::Item;
use crate::lane::turn::LaneTurn;
use crate::values::crash::{Mark, Standing, Suspect};
use crate::values::record::Position;
use crate::values::scatter::Scattered;

/// What a lane is given for it, where its node has a state directory.
pub struct Marking {
    pub door: Box<dyn CrashMarks>,
    pub suspects: Vec<Suspect>,
    pub crashes_max: u32,
    /// Where there are suspects.
    pub turn: Option<LaneTurn>,
}

/// Records of one assignment in work.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    assignment: u32,
    mark: Mark,
}

/// All of a lane.
pub(super) struct InWork {
    door: Box<dyn CrashMarks>,
    /// By their place in the file.
    stretches: Vec<Stretch>,
    free: Vec<usize>,
    /// Of assignments in `stretches`.
    places: Places,
    /// The place that was found last: neighbours are of one assignment, mostly.
    last: usize,
    known: Known,
    turn: Option<LaneTurn>,
    /// What is in work, or may begin now, is one record that is suspected.
    is_alone: bool,
    held_back: bool,
}

impl InWork {
    pub(super) fn new(Marking { door, suspects, crashes_max, turn }: Marking) -> InWork {
        let places = door.places();
        let mark = Mark { partition: 0, first: 0, end: 0, alone: false };
        InWork {
            door,
            stretches: vec![Stretch { assignment: u32::MAX, mark }; places],
            free: (0..places).rev().collect(),
            places: Places::default(),
            last: 0,
            known: Known::of(suspects, crashes_max),
            turn,
            is_alone: false,
            held_back: false,
        }
    }

    /// How many of the records at `positions`, the first `room` at most, may be begun now.
    pub(super) fn room(&mut self, room: usize, positions: impl Iterator<Item = Position>) -> usize {
        let room = room.min(self.free.len());
        let Some(turn) = &mut self.turn else { return room };
        if room == 0 {
            return 0;
        }
        let is_idle = self.free.len() == self.stretches.len();
        let before = positions.take(room).take_while(|at| self.known.standing(*at) != Standing::Alone).count();
        let room = if self.is_alone {
            0
        } else if before > 0 {
            if turn.join(is_idle) { before } else { 0 }
        } else {
            self.is_alone = is_idle && turn.begin_alone();
            usize::from(self.is_alone)
        };
        self.held_back = room == 0;
        room
    }

    /// Whether the last ones that were asked for had to wait for others.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// The process died at it so often that it is not looked at.
    pub(super) fn is_killer(&self, at: Position) -> bool {
        self.known.standing(at) == Standing::Killer
    }

    /// From now on it may end the process.
    pub(super) fn enter(&mut self, assignment: u32, at: Position) {
        let place = match self.place(assignment) {
            Some(place) => place,
            None => {
                let place = self.free.pop().expect("no more is begun than there are places for");
                let mark = Mark { partition: at.partition, first: at.offset, end: at.offset, alone: self.is_alone };
                self.stretches[place] = Stretch { assignment, mark };
                self.places.set(assignment, place);
                self.last = place;
                place
            }
        };
        let mark = &mut self.stretches[place].mark;
        mark.end = at.offset + 1;
        self.door.set(place, *mark);
    }

    /// It is not begun after all: it waits for its schema.
    pub(super) fn withdraw(&mut self, assignment: u32, at: Position) {
        if let Some(place) = self.place(assignment) {
            self.stretches[place].mark.end = at.offset;
            self.show(place);
        }
    }

    /// The outcomes of a batch are handed over, or wait for room at the producer. Said again it means nothing more.
    pub(super) fn leave<R: SourceRecord>(&mut self, items: &[Item<R>]) {
        for run in items.chunk_by(|one, next| one.assignment == next.assignment) {
            let (Some(last), Some(place)) = (run.last(), self.place(run[0].assignment)) else { continue };
            let mark = &mut self.stretches[place].mark;
            mark.first = mark.first.max(last.record.position().offset + 1);
            self.show(place);
        }
        self.settle();
    }

    /// Where nothing is in work, nobody has to wait for it.
    pub(super) fn settle(&mut self) {
        if self.free.len() == self.stretches.len()
            && let Some(turn) = &mut self.turn
            && !self.held_back
        {
            self.is_alone = false;
            turn.rest();
        }
    }

    /// Part of every round.
    pub(super) fn end_round(&mut self) {
        if let Some(turn) = &mut self.turn
            && self.free.len() == self.stretches.len()
        {
            self.is_alone = false;
            self.held_back = false;
            turn.end_round();
        }
    }

    /// Everything of these partitions below these offsets is finished.
    pub(super) fn finished(&mut self, mut progress: Vec<Progress>) {
        progress.retain(|to| self.known.forget(to.partition, to.offset));
        if !progress.is_empty() {
            self.door.finished(&progress);
        }
    }

    /// Whether there is anything to be forgotten.
    pub(super) fn has_suspects(&self) -> bool {
        !self.known.0.is_empty()
    }

    fn show(&mut self, place: usize) {
        let Stretch { assignment, mark } = self.stretches[place];
        if mark.first < mark.end {
            self.door.set(place, mark);
            return;
        }
        self.door.clear(place);
        self.places.remove(assignment);
        self.stretches[place].assignment = u32::MAX;
        self.free.push(place);
    }

    fn place(&mut self, assignment: u32) -> Option<usize> {
        if self.stretches[self.last].assignment != assignment {
            self.last = self.places.get(assignment)?;
        }
        Some(self.last)
    }
}

/// Suspects by partition, each with what is done about it. Few, if any.
struct Known(HashMap<i32, Vec<(Suspect, Standing)>, Scattered>);

impl Known {
    fn of(suspects: Vec<Suspect>, crashes_max: u32) -> Known {
        let mut known: HashMap<i32, Vec<_>, Scattered> = HashMap::default();
        for suspect in suspects {
            known.entry(suspect.partition).or_default().push((suspect, suspect.standing(crashes_max)));
        }
        Known(known)
    }

    /// Of a record; one that is condemned is so whatever else is suspected around it.
    fn standing(&self, at: Position) -> Standing {
        let of_partition = self.0.get(&at.partition).map_or(&[][..], Vec::as_slice);
        let holding = of_partition.iter().filter(|(suspect, _)| suspect.holds(at)).map(|(_, standing)| *standing);
        holding.fold(Standing::Watched, |worst, standing| match (worst, standing) {
            (Standing::Killer, _) | (_, Standing::Killer) => Standing::Killer,
            (Standing::Alone, _) | (_, Standing::Alone) => Standing::Alone,
            (Standing::Watched, Standing::Watched) => Standing::Watched,
        })
    }

    /// Returns whether something was.
    fn forget(&mut self, partition: i32, offset: i64) -> bool {
        let Some(of_partition) = self.0.get_mut(&partition) else { return false };
        let before = of_partition.len();
        of_partition.retain(|(suspect, _)| suspect.end > offset);
        let is_less = of_partition.len() < before;
        if of_partition.is_empty() {
            self.0.remove(&partition);
        }
        is_less
    }
}
