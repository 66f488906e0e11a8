//! The model's side of a lane whose model has a thread of its own: batches of rows come in, are scored in order, and go back.

use std::sync::Arc;

use super::batch::RowBatch;
use super::model::Model;
use super::queues::DeskQueues;
use crate::doors::{Clock, Scorer, Waker};
use crate::observe::stats::LaneStats;

/// Owns the model. Serves one lane, and ends with it.
pub struct Desk<M, C> {
    pub(super) model: Model<M>,
    pub(super) queues: DeskQueues,
    pub(super) clock: C,
    /// The lane may be waiting for records when its batch is done.
    pub(super) waker: Waker,
    pub(super) stats: Arc<LaneStats>,
}

impl<M: Scorer, C: Clock> Desk<M, C> {
    /// Scores until the lane is gone.
    pub fn serve(mut self) {
        while let Ok(rows) = self.queues.from.recv() {
            if !self.answer(rows) {
                return;
            }
        }
    }

    /// Scores the first batch that waits, for a driver that has one thread for both sides. Returns whether one did.
    pub fn serve_one(&mut self) -> bool {
        let waiting = self.queues.from.try_recv();
        waiting.is_ok_and(|rows| self.answer(rows))
    }

    /// Returns whether the lane is still there.
    fn answer(&mut self, mut rows: RowBatch) -> bool {
        // For the watchdog: the lane goes on turning while a call hangs.
        self.stats.model_busy_since_ms.set((self.clock.now_ns() / 1_000_000).max(1));
        self.model.run(&mut rows, &self.clock);
        self.stats.model_busy_since_ms.set(0);
        let taken = self.queues.to.send(rows).is_ok();
        self.waker.wake();
        taken
    }
}
