//! Who scores a suspected record by itself: the lanes of a process agree that nothing else is in work then, so that a crash has
//! one culprit. Nobody waits within a call: whoever may not begin asks again in its next round.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Nobody's.
const FREE: usize = usize::MAX;

/// Shared by the lanes of a process whose book has suspects.
#[derive(Debug)]
pub struct Turn {
    /// The lane that has the turn, or waits until the others have nothing in work.
    holder: AtomicUsize,
    /// Of each lane: it has records in work.
    busy: Vec<AtomicBool>,
}

impl Turn {
    pub fn new(lanes: usize) -> Turn {
        Turn { holder: AtomicUsize::new(FREE), busy: (0..lanes).map(|_| AtomicBool::new(false)).collect() }
    }

    /// A lane's end of it.
    pub fn of_lane(self: &Arc<Turn>, lane: usize) -> LaneTurn {
        LaneTurn { turn: Arc::clone(self), lane, is_asked: false }
    }
}

/// One lane's end.
///
/// Invariant: a lane says that it is busy before it looks whether it may be, and one that wants the turn says so before it looks
/// whether others are busy. So of two that do it at once, one sees the other.
#[derive(Debug)]
pub struct LaneTurn {
    turn: Arc<Turn>,
    lane: usize,
    /// In this round.
    is_asked: bool,
}

impl LaneTurn {
    /// Whether records of this lane may be in work beside those of others. Where nothing of it is, and it may not, it is not busy.
    pub(super) fn join(&mut self, is_idle: bool) -> bool {
        self.give_up();
        self.turn.busy[self.lane].store(true, SeqCst);
        let may = self.turn.holder.load(SeqCst) == FREE;
        if !may && is_idle {
            self.turn.busy[self.lane].store(false, SeqCst);
        }
        may
    }

    /// Whether this lane, with nothing in work, may have one record in work with nothing beside it. Where others are not done yet,
    /// they begin nothing more until [`LaneTurn::rest`], or a round in which this lane did not ask again.
    pub(super) fn begin_alone(&mut self) -> bool {
        let had = self.turn.holder.compare_exchange(FREE, self.lane, SeqCst, SeqCst);
        if had.is_err_and(|holder| holder != self.lane) {
            return false;
        }
        self.is_asked = true;
        let mut others = self.turn.busy.iter().enumerate().filter(|(lane, _)| *lane != self.lane);
        if others.any(|(_, busy)| busy.load(SeqCst)) {
            return false;
        }
        self.turn.busy[self.lane].store(true, SeqCst);
        true
    }

    /// Nothing of this lane is in work, and it does not want to be alone.
    pub(super) fn rest(&mut self) {
        self.turn.busy[self.lane].store(false, SeqCst);
        self.give_up();
    }

    fn give_up(&mut self) {
        self.is_asked = false;
        // Fails where it is another's.
        let _ = self.turn.holder.compare_exchange(self.lane, FREE, SeqCst, SeqCst);
    }

    /// Part of every round of a lane with nothing in work: what it waited to score alone may be gone.
    pub(super) fn end_round(&mut self) {
        if !std::mem::take(&mut self.is_asked) {
            self.rest();
        }
    }
}

impl Drop for LaneTurn {
    fn drop(&mut self) {
        self.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_alone_when_the_others_are_done_and_they_wait_until_it_is() {
        let turn = Arc::new(Turn::new(3));
        let mut lanes = [0, 1, 2].map(|lane| turn.of_lane(lane));
        assert!(lanes[0].join(true) && lanes[1].join(true), "beside each other");
        assert!(!lanes[2].begin_alone(), "they are not done");
        assert!(!lanes[0].join(false), "and begin nothing more");
        lanes[0].rest();
        assert!(!lanes[2].begin_alone());
        lanes[1].rest();
        assert!(!lanes[1].join(true), "the turn is promised");
        assert!(lanes[2].begin_alone());
        assert!(!lanes[0].join(true) && !lanes[1].begin_alone());
        lanes[2].rest();
        assert!(lanes[1].begin_alone(), "free again");
    }

    #[test]
    fn whoever_does_not_ask_again_loses_the_promise() {
        let turn = Arc::new(Turn::new(2));
        let mut lanes = [0, 1].map(|lane| turn.of_lane(lane));
        assert!(lanes[0].join(true) && !lanes[1].begin_alone());
        lanes[1].end_round();
        assert!(!lanes[0].join(false), "it asked in this round");
        lanes[1].end_round();
        assert!(lanes[0].join(false));
        drop(lanes);
        assert!(turn.of_lane(1).begin_alone(), "a lane that is gone is not busy");
    }
}
