//! All batches of a lane, and where each is: open for what arrives, at the model, or leaving. There are always as many as
//! there were at first; one that left without its rows, since the model was too slow, waits for them.

use std::collections::VecDeque;

use super::batch::{Batch, RowBatch};
use crate::values::failure::FailureClass;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) ns: u64,
    pub(super) us: i64,
}

/// All batches of a lane. There are always as many as there were at first.
#[derive(Debug)]
pub struct Batches<R> {
    /// Takes what arrives.
    pub open: Batch<R>,
    /// Scored, and being handed over; empty when that is done.
    pub leaving: Batch<R>,
    /// In the order they went; each without its rows.
    at_model: VecDeque<Batch<R>>,
    /// Answers to the first of those that came while another batch was leaving.
    early: VecDeque<RowBatch>,
    /// Since when the first of those at the model has had its turn.
    turn: Moment,
    /// Left before the model answered, in the order they went: their rows come back one day.
    bare: VecDeque<Batch<R>>,
    free: Vec<Batch<R>>,
}

impl<R> Batches<R> {
    /// `at_model_max`: how many may be at the model apart from the open one and the one that leaves.
    pub fn new(width: usize, cap: usize, at_model_max: usize) -> Batches<R> {
        Batches {
            open: Batch::new(width, cap),
            leaving: Batch::new(width, cap),
            at_model: VecDeque::with_capacity(at_model_max),
            early: VecDeque::with_capacity(at_model_max),
            turn: Moment { ns: 0, us: 0 },
            bare: VecDeque::with_capacity(at_model_max),
            free: (0..at_model_max).map(|_| Batch::new(width, cap)).collect(),
        }
    }

    /// The open batch was scored where it is, and leaves.
    pub fn leave_at_once(&mut self) {
        debug_assert!(self.leaving.items.is_empty(), "one batch leaves at a time");
        std::mem::swap(&mut self.open, &mut self.leaving);
    }

    /// The open batch goes to the model; what arrives next has another one.
    pub(super) fn send(&mut self, now: Moment) -> RowBatch {
        let next = self.free.pop().expect("fewer are at the model than were made for it");
        let mut sent = std::mem::replace(&mut self.open, next);
        let rows = std::mem::take(&mut sent.rows);
        if self.at_model.is_empty() {
            self.turn = now;
        }
        self.at_model.push_back(sent);
        rows
    }

    /// The first batch that went to the model is back, and leaves.
    pub(super) fn receive(&mut self, rows: RowBatch, now: Moment) {
        self.leave_model(rows, now);
    }

    /// The first batch that went to the model leaves without an answer.
    pub(super) fn give_up(&mut self, class: FailureClass, now: Moment) {
        let turn = self.turn;
        self.leave_model(RowBatch::without_rows(class, (turn.ns, turn.us), (now.ns, now.us)), now);
    }

    fn leave_model(&mut self, rows: RowBatch, now: Moment) {
        debug_assert!(self.leaving.items.is_empty(), "one batch leaves at a time");
        let mut back = self.at_model.pop_front().expect("the model gives back what it was given");
        back.rows = rows;
        self.turn = now;
        self.free.push(std::mem::replace(&mut self.leaving, back));
    }

    /// For how long the first batch at the model has had its turn, where one is.
    pub(super) fn waited_ns(&self, now: Moment) -> Option<u64> {
        (!self.at_model.is_empty() && self.early.is_empty()).then(|| now.ns.saturating_sub(self.turn.ns))
    }

    /// Nothing is at the model that somebody waits for.
    pub(super) fn is_model_free(&self) -> bool {
        self.at_model.is_empty()
    }

    /// An answer to the next batch at the model that has none, while another one is leaving. Given back where each has one.
    pub(super) fn keep_early(&mut self, rows: RowBatch) -> Option<RowBatch> {
        if self.early.len() == self.at_model.len() {
            return Some(rows);
        }
        self.early.push_back(rows);
        None
    }

    pub(super) fn take_early(&mut self) -> Option<RowBatch> {
        self.early.pop_front()
    }

    /// Rows come back that nobody waited for any more. They are given back where the leaving batch is the one that they are of.
    pub(super) fn restore(&mut self, mut rows: RowBatch) -> Option<RowBatch> {
        let Some(mut bare) = self.bare.pop_front() else { return Some(rows) };
        rows.clear();
        bare.rows = rows;
        self.free.push(bare);
        None
    }

    /// The leaving batch was handed over. Its buffers, warm as they are, are the next to be filled.
    pub fn left(&mut self) {
        if self.leaving.rows.is_bare() {
            let whole = self.free.pop().expect("a batch whose rows are away has left one free");
            let mut bare = std::mem::replace(&mut self.leaving, whole);
            bare.clear();
            self.bare.push_back(bare);
        }
        self.leaving.clear();
        if self.open.items.is_empty() {
            std::mem::swap(&mut self.open, &mut self.leaving);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { ns: 1, us: 1 };

    #[test]
    fn batches_come_back_in_order_and_none_is_lost_or_made() {
        let mut batches: Batches<u8> = Batches::new(2, 4, 2);
        let sent = |batches: &mut Batches<u8>, mark: f64| {
            batches.open.rows.scores[0] = mark;
            batches.send(NOW)
        };
        for round in 0..5 {
            let first = sent(&mut batches, f64::from(round));
            let second = sent(&mut batches, f64::from(round) + 0.5);
            assert_eq!((batches.at_model.len(), batches.free.len()), (2, 0));
            assert!(batches.at_model.iter().all(|batch| batch.room() == 0), "nothing is written beside its rows");
            for (rows, mark) in [(first, f64::from(round)), (second, f64::from(round) + 0.5)] {
                batches.receive(rows, NOW);
                assert_eq!((batches.leaving.rows.scores[0], batches.leaving.room()), (mark, 4));
                batches.left();
            }
            assert_eq!((batches.at_model.len(), batches.free.len(), batches.open.room()), (0, 2, 4));
        }
    }

    #[test]
    fn a_batch_that_left_without_its_rows_is_whole_again_when_they_come() {
        let mut batches: Batches<u8> = Batches::new(2, 4, 2);
        batches.open.rows.scores[0] = 0.5;
        let rows = batches.send(NOW);
        assert_eq!(batches.waited_ns(Moment { ns: 8, us: 8 }), Some(7));
        batches.give_up(FailureClass::TimedOut, NOW);
        assert_eq!(batches.leaving.rows.failure_of(3), Some(FailureClass::TimedOut));
        let rows = batches.restore(rows).expect("it is the leaving batch's");
        batches.left();
        assert_eq!((batches.bare.len(), batches.free.len()), (1, 1));
        assert!(batches.restore(rows).is_none());
        assert_eq!((batches.bare.len(), batches.free.len()), (0, 2));
        assert_eq!((batches.open.room(), batches.leaving.room()), (4, 4));
    }
}
