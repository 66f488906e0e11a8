//! The queues between a lane and the thread of its model ([`super::desk::Desk`]). Neither is ever full: no more than
//! [`AT_DESK_MAX`] batches are away.

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};

use super::batch::RowBatch;
use super::later::{AnswersLater, ScorerGone};

/// Batches at a desk: one that the model works on, and a full one behind it, so that it need not wait for the lane.
pub(super) const AT_DESK_MAX: usize = 2;

/// The lane's ends.
pub(super) struct Queues {
    to: Sender<RowBatch>,
    from: Receiver<RowBatch>,
    /// Came while the lane waited.
    back: Option<RowBatch>,
    away: usize,
}

/// The model's ends.
pub(super) struct DeskQueues {
    pub(super) from: Receiver<RowBatch>,
    pub(super) to: Sender<RowBatch>,
}

impl Queues {
    pub(super) fn new() -> (Queues, DeskQueues) {
        let (to_desk, at_desk) = bounded(AT_DESK_MAX);
        let (to_lane, at_lane) = bounded(AT_DESK_MAX);
        (Queues { to: to_desk, from: at_lane, back: None, away: 0 }, DeskQueues { from: at_desk, to: to_lane })
    }
}

impl AnswersLater for Queues {
    fn wants(&self, full: bool) -> bool {
        self.away == 0 || full && self.away < AT_DESK_MAX
    }

    fn send(&mut self, rows: RowBatch) -> Result<(), ScorerGone> {
        self.away += 1;
        self.to.send(rows).map_err(|_| ScorerGone)
    }

    fn take_back(&mut self) -> Result<Option<RowBatch>, ScorerGone> {
        let back = match self.back.take() {
            Some(rows) => Some(rows),
            None => match self.from.try_recv() {
                Ok(rows) => Some(rows),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Err(ScorerGone),
            },
        };
        self.away -= usize::from(back.is_some());
        Ok(back)
    }

    fn is_busy(&self) -> bool {
        self.away > 0
    }

    fn wait(&mut self, longest: Duration) {
        if self.back.is_none() {
            // Nobody there: the next `take_back` says so.
            self.back = self.from.recv_timeout(longest).ok();
        }
    }
}
