//! The batches of a lane and its model. The lane asks in one way ([`Score::advance`]) and does not see where the model
//! runs: on the lane's own thread, or where it answers later, at a [`Desk`] of its own.

mod batch;
mod batches;
mod desk;
mod later;
mod model;
mod queues;

use std::sync::Arc;
use std::time::Duration;

pub use self::batch::{Batch, Decided, DecodeSpan, Item, RowBatch, Rows, Verdict};
pub use self::desk::Desk;
pub use self::later::{AnswersLater, ScorerGone};
pub use self::model::{Model, Patience};

use self::batches::{Batches, Moment};
use self::queues::{AT_DESK_MAX, Queues};
use crate::doors::{Clock, Scorer, Waker};
use crate::observe::stats::LaneStats;
use crate::values::failure::FailureClass;
use crate::values::limits::nanoseconds;

/// Where the model runs.
enum Place<M> {
    /// On the lane's thread, within the call.
    Inline(Model<M>),
    /// Elsewhere; batches come back later, in order.
    Later(Elsewhere),
}

/// A model that answers later.
struct Elsewhere {
    scorer: Box<dyn AnswersLater>,
    /// A batch that has had its turn for so long leaves without an answer.
    timeout_ns: Option<u64>,
    /// Batches at the model that nobody waits for any more: the first ones that come back.
    overdue: usize,
    /// The leaving batch is at the model once more, behind all others.
    is_again: bool,
}

/// The batches of a lane, and its model.
pub struct Score<R, M, C> {
    batches: Batches<R>,
    place: Place<M>,
    /// The model's side, until a thread takes it.
    desk: Option<Desk<M, C>>,
}

impl<R, M: Scorer, C: Clock> Score<R, M, C> {
    /// The lane calls its model itself, `batch_rows` rows at most.
    pub fn inline(model: Model<M>, batch_rows: usize) -> Score<R, M, C> {
        Score { batches: Batches::new(model.width(), batch_rows, 0), place: Place::Inline(model), desk: None }
    }

    /// The model has a thread of its own: nothing is scored unless somebody serves [`Score::take_desk`]. A batch leaves
    /// without an answer after `timeout`.
    pub fn dedicated(
        model: Model<M>,
        batch_rows: usize,
        timeout: Option<Duration>,
        (clock, waker, stats): (C, Waker, Arc<LaneStats>),
    ) -> Score<R, M, C> {
        let batches = Batches::new(model.width(), batch_rows, AT_DESK_MAX);
        let (queues, at_desk) = Queues::new();
        let desk = Some(Desk { model, queues: at_desk, clock, waker, stats });
        let timeout_ns = timeout.map(nanoseconds);
        let elsewhere = Elsewhere { scorer: Box::new(queues), timeout_ns, overdue: 0, is_again: false };
        Score { batches, place: Place::Later(elsewhere), desk }
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

    /// Whether the open batch would go with [`Score::advance`].
    pub fn goes_now(&self) -> bool {
        !self.batches.open.items.is_empty()
            && match &self.place {
                Place::Inline(_) => true,
                Place::Later(elsewhere) => elsewhere.scorer.wants(self.room() == 0) || elsewhere.overdue > 0,
            }
    }

    /// Moves batches on. The open one goes to the model when that has nothing to do, or when it is full and may wait
    /// its turn: while the model is busy, the open batch grows up to its cap. While a call takes too long, what arrives
    /// leaves unscored. Returns whether a batch leaves now; none may be leaving before.
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
            Place::Later(elsewhere) => elsewhere.advance(batches, now(clock)),
        }
    }

    /// Asks the model about the leaving batch once more. Returns whether it has answered.
    ///
    /// # Errors
    /// When nobody serves the model any more.
    pub fn ask_again(&mut self, clock: &C) -> Result<bool, ScorerGone> {
        match &mut self.place {
            Place::Inline(model) => {
                model.run(&mut self.batches.leaving.rows, clock);
                Ok(true)
            }
            Place::Later(elsewhere) => elsewhere.ask_again(&mut self.batches),
        }
    }

    /// The model has been asked about the leaving batch once more, and has not answered.
    pub fn is_asking_again(&self) -> bool {
        matches!(&self.place, Place::Later(elsewhere) if elsewhere.is_again)
    }

    /// Waits for the model, at most so long, where it is at a batch. Returns whether it is.
    pub fn wait(&mut self, longest: Duration) -> bool {
        match &mut self.place {
            Place::Later(elsewhere) if elsewhere.scorer.is_busy() => {
                elsewhere.scorer.wait(longest);
                true
            }
            _ => false,
        }
    }
}

impl Elsewhere {
    fn advance<R>(&mut self, batches: &mut Batches<R>, now: Moment) -> Result<bool, ScorerGone> {
        while self.overdue > 0 {
            let Some(rows) = self.scorer.take_back()? else { break };
            self.overdue -= 1;
            batches.restore(rows);
        }
        let mut back = batches.take_early();
        if back.is_none() && self.overdue == 0 {
            back = self.scorer.take_back()?;
        }
        let mut leaves = back.is_some();
        if let Some(rows) = back {
            batches.receive(rows, now);
        } else if self.is_too_late(batches.waited_ns(now)) {
            batches.give_up(FailureClass::TimedOut, now);
            self.overdue += 1;
            leaves = true;
        }
        if batches.open.items.is_empty() {
            return Ok(leaves);
        }
        if self.overdue > 0 {
            // What comes while the model is late would only be late as well.
            if !leaves && batches.is_model_free() {
                batches.open.rows.time_out(now.ns, now.us);
                batches.leave_at_once();
                leaves = true;
            }
        } else if self.scorer.wants(batches.open.room() == 0) {
            self.scorer.send(batches.send(now))?;
        }
        Ok(leaves)
    }

    fn is_too_late(&self, waited_ns: Option<u64>) -> bool {
        self.timeout_ns.zip(waited_ns).is_some_and(|(timeout_ns, waited_ns)| waited_ns >= timeout_ns)
    }

    /// The rows of the leaving batch go behind whatever is at the model; where they are there yet, their answer is waited for.
    fn ask_again<R>(&mut self, batches: &mut Batches<R>) -> Result<bool, ScorerGone> {
        while let Some(rows) = self.scorer.take_back()? {
            if self.overdue > 0 {
                self.overdue -= 1;
                let Some(rows) = batches.restore(rows) else { continue };
                batches.leaving.rows = rows;
                return Ok(true);
            }
            let Some(rows) = batches.keep_early(rows) else { continue };
            batches.leaving.rows = rows;
            self.is_again = false;
            return Ok(true);
        }
        if !self.is_again && !batches.leaving.rows.is_bare() && self.scorer.wants(true) {
            self.scorer.send(std::mem::take(&mut batches.leaving.rows))?;
            self.is_again = true;
        }
        Ok(false)
    }
}

fn now(clock: &impl Clock) -> Moment {
    Moment { ns: clock.now_ns(), us: clock.wall_us() }
}
