//! What an operator has asked of the lane: a mailbox with room for one order, and the order that is being carried out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam::channel::Sender;

use crate::observe::cells::held;
use crate::values::order::{Answer, Order, Refusal};
use crate::values::record::{Position, Undelivered};

/// An order, and whoever waits for the answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub order: Order,
    /// Has room for an answer of each lane.
    pub answer: Sender<Answer>,
    /// Nobody waits any more: what has not begun is not begun.
    pub is_over: Arc<AtomicBool>,
}

/// From whoever hears operators to one lane.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// What a lane looks at with every round.
    is_full: AtomicBool,
    asked: Mutex<Option<Asked>>,
}

impl Mailbox {
    /// In place of one that the lane has not taken.
    pub fn put(&self, asked: Asked) {
        *held(&self.0.asked) = Some(asked);
        self.0.is_full.store(true, Ordering::Release);
    }

    /// The lane is not to take it any more.
    pub fn withdraw(&self) {
        self.0.is_full.store(false, Ordering::Release);
        *held(&self.0.asked) = None;
    }

    fn is_full(&self) -> bool {
        self.0.is_full.load(Ordering::Acquire)
    }

    fn take(&self) -> Option<Asked> {
        if !self.is_full() {
            return None;
        }
        self.0.is_full.store(false, Ordering::Release);
        held(&self.0.asked).take()
    }
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Step {
    /// What is in flight of the partition is finished first. `again`: its dead letter was not delivered.
    Finishing { again: bool },
    /// The dead letter of `from..to` is under way, in this assignment.
    Sent { assignment: u32, from: i64, to: i64 },
    /// The broker takes no such dead letter.
    Refused { assignment: u32, why: String },
    /// The partition has begun anew at `to`, which the group does not have yet.
    Committing { from: i64, to: i64 },
    /// It is not carried out: where the partition was stopped for it, that flows again when what is in flight is finished.
    GivenUp { why: Refusal },
    /// The record waited for its model, and leaves as a dead letter with its batch, in this assignment.
    Marked { assignment: u32 },
}

/// An order that is being carried out.
#[derive(Clone, Debug)]
pub(in crate::lane) struct Underway {
    pub(in crate::lane) asked: Asked,
    pub(in crate::lane) step: Step,
}

/// A record that waited for its model and is to leave as a dead letter, for an operator who has not waited for that.
#[derive(Clone, Copy, Debug)]
pub(in crate::lane) struct Marked {
    pub(in crate::lane) order: Order,
    pub(in crate::lane) assignment: u32,
}

/// The lane's end.
#[derive(Debug, Default)]
pub struct Control {
    mailbox: Mailbox,
    underway: Option<Underway>,
    marked: Vec<Marked>,
}

impl Control {
    /// Orders come from there.
    pub(in crate::lane) fn hear(&mut self, mailbox: Mailbox) {
        self.mailbox = mailbox;
    }

    /// There is no order, and none to be told of: as nearly always.
    pub(in crate::lane) fn is_idle(&self) -> bool {
        self.underway.is_none() && self.marked.is_empty() && !self.mailbox.is_full()
    }

    /// The order to go on with, if there is one.
    pub(in crate::lane) fn next(&mut self) -> Option<Underway> {
        let fresh = |asked| Underway { asked, step: Step::Finishing { again: false } };
        self.underway.take().or_else(|| self.mailbox.take().map(fresh))
    }

    /// Nobody waits for it any more, and it is to be told of all the same.
    pub(in crate::lane) fn leave(&mut self, marked: Marked) {
        self.marked.push(marked);
    }

    /// One that was left, which somebody waits for again.
    pub(in crate::lane) fn take_up(&mut self, partition: i32, offset: i64) -> Option<Marked> {
        let is_it = |marked: &Marked| marked.order.partition == partition && marked.order.offset == offset;
        let index = self.marked.iter().position(is_it)?;
        Some(self.marked.swap_remove(index))
    }

    /// Those that were left, of which `is_over` is true.
    pub(in crate::lane) fn ended(&mut self, is_over: impl FnMut(&mut Marked) -> bool) -> Vec<Marked> {
        self.marked.extract_if(.., is_over).collect()
    }

    /// It is not done.
    pub(in crate::lane) fn keep(&mut self, underway: Underway) {
        self.underway = Some(underway);
    }

    /// Notes that the broker refuses what stands at `at` for good. Returns whether that is the dead letter of an order.
    pub(in crate::lane) fn is_refused(&mut self, at: Position, why: &Undelivered) -> bool {
        let Some(underway) = &mut self.underway else { return false };
        let Step::Sent { assignment, to, .. } = underway.step else { return false };
        let is_its = at == Position { partition: underway.asked.order.partition, offset: to - 1 };
        if is_its {
            underway.step = Step::Refused { assignment, why: why.to_string() };
        }
        is_its
    }
}
