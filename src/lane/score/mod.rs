//! The batches of a lane and its model. The lane asks in one way ([`Score::advance`]) and does not see where the model
//! runs: on the lane's own thread, or where it answers later, at a [`Desk`] of its own.

mod batch;
mod desk;
mod later;
mod model;
mod queues;

use std::sync::Arc;
use std::time::Duration;

pub use self::batch::{Batch, Decided, DecodeSpan, Item, RowBatch, Rows, Verdict};
pub use self::desk::Desk;
pub use self::later::{AnswersLater, ScorerGone};
pub use self::model::Model;

use self::batch::Batches;
use self::queues::{AT_DESK_MAX, Queues};
use crate::doors::{Clock, Scorer, Waker};
use crate::observe::stats::LaneStats;

/// Where the model runs.
enum Place<M> {
    /// On the lane's thread, within the call.
    Inline(Model<M>),
    /// Elsewhere; batches come back later, in order.
    Later(Box<dyn AnswersLater>),
}

/// The batches of a lane, and its model.
pub struct Score<R, M, C> {
    batches: Batches<R>,
    place: Place<M>,
    /// The model's side, until a thread takes it.
    desk: Option<Desk<M, C>>,
}

impl<R, M: Scorer, C: Clock> Score<R, M, C> {
    /// The lane calls its model itself, `batch_rows` rows at most, and gives up after so many failures in a row.
    pub fn inline(scorer: M, batch_rows: usize, failures_max: u32) -> Score<R, M, C> {
        let model = Model::new(scorer, failures_max);
        Score { batches: Batches::new(model.width(), batch_rows, 0), place: Place::Inline(model), desk: None }
    }

    /// The model has a thread of its own: nothing is scored unless somebody serves [`Score::take_desk`].
    pub fn dedicated(
        scorer: M,
        batch_rows: usize,
        failures_max: u32,
        (clock, waker, stats): (C, Waker, Arc<LaneStats>),
    ) -> Score<R, M, C> {
        let model = Model::new(scorer, failures_max);
        let batches = Batches::new(model.width(), batch_rows, AT_DESK_MAX);
        let (queues, at_desk) = Queues::new();
        let desk = Some(Desk { model, queues: at_desk, clock, waker, stats });
        Score { batches, place: Place::Later(Box::new(queues)), desk }
    }

    /// The model's side of a dedicated lane, once.
    pub fn take_desk(&mut self) -> Option<Desk<M, C>> {
        self.desk.take()
    }

    /// Takes what arrives.
    pub fn open(&mut self) -> &mut Batch<R> {
        &mut self.batches.open
    }

    /// Records that still fit into that.
    pub fn room(&self) -> usize {
        self.batches.open.room()
    }

    /// Scored, and being handed over; empty when that is done.
    pub fn leaving(&mut self) -> &mut Batch<R> {
        &mut self.batches.leaving
    }

    /// The leaving batch was handed over.
    pub fn left(&mut self) {
        self.batches.left();
    }

    /// Moves batches on. The open one goes to the model when that has nothing to do, or when it is full and may wait
    /// its turn: while the model is busy, the open batch grows up to its cap. Returns whether a scored batch leaves
    /// now; none may be leaving before.
    ///
    /// # Errors
    /// When nobody serves the model any more.
    pub fn advance(&mut self, clock: &C) -> Result<bool, ScorerGone> {
        let batches = &mut self.batches;
        match &mut self.place {
            Place::Inline(_) if batches.open.items.is_empty() => Ok(false),
            Place::Inline(model) => {
                model.run(&mut batches.open.rows, clock);
                batches.leave_at_once();
                Ok(true)
            }
            Place::Later(scorer) => {
                let back = scorer.take_back()?;
                let leaves = back.is_some();
                if let Some(rows) = back {
                    batches.receive(rows);
                }
                if !batches.open.items.is_empty() && scorer.wants(batches.open.room() == 0) {
                    scorer.send(batches.send())?;
                }
                Ok(leaves)
            }
        }
    }

    /// Waits for the model, at most so long, where it is at a batch. Returns whether it is.
    pub fn wait(&mut self, longest: Duration) -> bool {
        match &mut self.place {
            Place::Later(scorer) if scorer.is_busy() => {
                scorer.wait(longest);
                true
            }
            _ => false,
        }
    }
}
