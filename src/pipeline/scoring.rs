//! The batch through the model. A batch that fails is tried again row by row, so that one bad row never costs its
//! neighbours.
//!
//! The lane asks in one way ([`Scoring::advance`]) and does not see where the model runs: on the lane's own thread, or
//! at a [`Desk`](crate::pipeline::desk::Desk) of its own, with queues between.

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};

use crate::edge::{Clock, Scorer};
use crate::pipeline::batch::{Batches, Sheet};

/// Batches at a desk: one that the model works on, and a full one behind it, so that it need not wait for the lane.
pub const AT_DESK_MAX: usize = 2;

/// A model, and how it has behaved.
pub struct Model<M> {
    scorer: M,
    /// Calls that failed since the last one that did not. The lane stops the process before this drains the stream
    /// into a side topic.
    failures_in_a_row: u32,
    failures_max: u32,
}

impl<M: Scorer> Model<M> {
    pub fn new(scorer: M, failures_max: u32) -> Model<M> {
        Model { scorer, failures_in_a_row: 0, failures_max }
    }

    /// Features per row.
    pub fn width(&self) -> usize {
        self.scorer.width()
    }

    /// Scores the rows of a sheet and says on it how that went.
    pub fn run(&mut self, sheet: &mut Sheet, clock: &impl Clock) {
        sheet.failed.clear();
        sheet.calls_failed = 0;
        sheet.error = None;
        (sheet.started_ns, sheet.started_us) = (clock.now_ns(), clock.wall_us());
        if sheet.filled > 0 && !self.is_broken() && !self.call(sheet, 0, sheet.filled) {
            self.run_row_by_row(sheet);
        }
        sheet.broken = self.is_broken();
        (sheet.scored_ns, sheet.scored_us) = (clock.now_ns(), clock.wall_us());
    }

    fn run_row_by_row(&mut self, sheet: &mut Sheet) {
        for row in 0..sheet.filled {
            if self.is_broken() {
                return;
            }
            if !self.call(sheet, row, row + 1) {
                sheet.failed.push(row);
            }
        }
    }

    fn call(&mut self, sheet: &mut Sheet, from: usize, to: usize) -> bool {
        // A row the model leaves out must not keep the score of an earlier record.
        sheet.scores[from..to].fill(f64::NAN);
        match self.scorer.score(sheet.rows.view(from, to), &mut sheet.scores[from..to]) {
            Ok(()) => {
                self.failures_in_a_row = 0;
                true
            }
            Err(error) => {
                self.failures_in_a_row += 1;
                sheet.calls_failed += 1;
                sheet.error = Some(error.0);
                false
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.failures_in_a_row >= self.failures_max
    }
}

/// Nobody serves the model any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// Where the lane's model runs.
pub enum Scoring<M> {
    /// On the lane's thread, within the call.
    Inline(Model<M>),
    /// On a thread of its own; batches come back later, in order.
    Dedicated(Queues),
}

impl<M: Scorer> Scoring<M> {
    /// Moves batches on. The open one goes to the model when that has nothing to do, or when it is full and may wait
    /// its turn: while the model is busy, the open batch grows up to its cap. Returns whether a scored batch leaves
    /// now; none may be leaving before.
    pub fn advance<R>(&mut self, batches: &mut Batches<R>, clock: &impl Clock) -> Result<bool, Gone> {
        match self {
            Scoring::Inline(_) if batches.open.items.is_empty() => Ok(false),
            Scoring::Inline(model) => {
                model.run(&mut batches.open.sheet, clock);
                batches.leave_at_once();
                Ok(true)
            }
            Scoring::Dedicated(queues) => {
                let back = queues.take_back()?;
                let leaves = back.is_some();
                if let Some(sheet) = back {
                    batches.receive(sheet);
                }
                if !batches.open.items.is_empty() && queues.wants(batches.open.room() == 0) {
                    queues.send(batches.send())?;
                }
                Ok(leaves)
            }
        }
    }

    /// Batches are at the model, and the end of one can be waited for.
    pub fn is_busy(&self) -> bool {
        matches!(self, Scoring::Dedicated(queues) if queues.away > 0)
    }

    /// Waits until a batch is back from the model, at most so long.
    pub fn wait(&mut self, longest: Duration) {
        if let Scoring::Dedicated(queues) = self
            && queues.back.is_none()
        {
            // Nobody there: the next call of `advance` says so.
            queues.back = queues.from.recv_timeout(longest).ok();
        }
    }
}

/// The lane's ends of the queues to its model. Neither queue is ever full: no more than [`AT_DESK_MAX`] are away.
pub struct Queues {
    to: Sender<Sheet>,
    from: Receiver<Sheet>,
    /// Came while the lane waited.
    back: Option<Sheet>,
    away: usize,
}

/// The model's ends.
pub struct DeskQueues {
    pub from: Receiver<Sheet>,
    pub to: Sender<Sheet>,
}

impl Queues {
    pub fn new() -> (Queues, DeskQueues) {
        let (to_desk, at_desk) = bounded(AT_DESK_MAX);
        let (to_lane, at_lane) = bounded(AT_DESK_MAX);
        (Queues { to: to_desk, from: at_lane, back: None, away: 0 }, DeskQueues { from: at_desk, to: to_lane })
    }

    fn wants(&self, full: bool) -> bool {
        self.away == 0 || full && self.away < AT_DESK_MAX
    }

    fn send(&mut self, sheet: Sheet) -> Result<(), Gone> {
        self.away += 1;
        self.to.send(sheet).map_err(|_| Gone)
    }

    fn take_back(&mut self) -> Result<Option<Sheet>, Gone> {
        let back = match self.back.take() {
            Some(sheet) => Some(sheet),
            None => match self.from.try_recv() {
                Ok(sheet) => Some(sheet),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Err(Gone),
            },
        };
        self.away -= usize::from(back.is_some());
        Ok(back)
    }
}
