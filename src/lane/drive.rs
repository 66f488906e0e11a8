//! A lane: what it is made of, and the bounded duty cycle that moves records through all stages: collect, score, decide,
//! deliver, commit. All of it runs on one thread; the model alone may have a thread of its own (layout `dedicated`).
//!
//! Each part keeps its state to itself. What concerns several parts at once has a file of its own: what the group says
//! ([`super::group`]), partitions that go back (`recover.rs`) or cannot be read on (`stops.rs`), and the stop of the lane
//! ([`super::shutdown`]).
//!
//! Invariants, in every state: a record counted as received is in exactly one place (parked, in a batch, in
//! flight, finished); only assignments in the ledger are produced for, committed and acknowledged; progress moves only after
//! acknowledgement.

use std::time::Duration;

use crate::doors::{Clock, Group, ScoreError, Sink, Source};
use crate::error::{Fatal, exit};
use crate::failpoint::{self, Point};
use crate::lane::challenge::Taps;
use crate::lane::commit::{Commit, Round};
use crate::lane::decide::Decide;
use crate::lane::deliver::{Deliver, HandedOver};
use crate::lane::fallback::Climbed;
use crate::lane::ingest::{Closed, Decoding, Ingest, Marking, Permission};
use crate::lane::ledger::{Flow, Ledger};
use crate::lane::score::{Desk, Item, Score, ScorerGone, Verdict};
use crate::lane::state::membership::Membership;
use crate::lane::state::shutdown::Shutdown;
use crate::lane::telemetry::Telemetry;
use crate::lane::types::{LaneTypes, RecordOf};
use crate::observe::doing::Doing;
use crate::observe::latency::Step;
use crate::values::limits::{Limits, SINK_WAIT};

/// What a lane is made of; [`Lane::build`] does it.
pub struct Lane<T: LaneTypes> {
    // Field order: whatever holds records is dropped before the source, whose client is freed after the last of them.
    pub(super) score: Score<RecordOf<T>, T::Scorer, T::Clock>,
    pub(super) ingest: Ingest<RecordOf<T>>,
    pub(super) decide: Decide<T::Scorer>,
    pub(super) deliver: Deliver<T::Sink>,
    pub(super) source: T::Source,
    pub(super) commit: T::Commit,
    pub(super) ledger: Ledger,
    pub(super) group: Membership,
    pub(super) shutdown: Shutdown,
    pub(super) telemetry: Telemetry,
    pub(super) limits: Limits,
    pub(super) clock: T::Clock,
}

impl<T: LaneTypes> Lane<T> {
    /// From now on these get copies of its scored records.
    pub fn challenge(&mut self, taps: Taps) {
        self.deliver.challenge(taps);
    }

    /// From now on its records are marked while they are in work.
    pub fn mark(&mut self, marking: Marking) {
        self.ingest.mark(marking);
    }

    /// The model's side of a dedicated lane, once.
    pub fn take_desk(&mut self) -> Option<Desk<T::Scorer, T::Clock>> {
        self.score.take_desk()
    }

    /// One bounded round: events, one batch at most, acknowledgements, commit.
    ///
    /// # Errors
    /// Why the lane cannot go on.
    pub fn duty_cycle(&mut self) -> Result<(), Fatal> {
        let start_ns = self.clock.now_ns();
        self.answer_events(start_ns)?;
        self.recover(start_ns)?;
        let mut acknowledged = false;
        if self.deliver.is_stuck() {
            // First what the broker said meanwhile: a partition that went back gets nothing more of this batch.
            acknowledged = self.settle()?;
            if self.decide.is_holding() {
                self.ask_again()?;
            } else if !self.commit.is_broken() {
                self.hand_over()?;
            }
        }
        self.advance()?;
        self.collect(start_ns)?;
        acknowledged |= self.settle()?;
        let now_ns = self.clock.now_ns();
        self.deliver.heard(acknowledged, now_ns);
        self.commit_if_due(now_ns)?;
        if !self.group.control.is_idle() {
            self.obey(now_ns)?;
        }
        self.finish_revoke(now_ns)?;
        self.keep_awake(now_ns);
        self.deliver.turn(now_ns);
        self.ingest.end_round();
        self.show(now_ns);
        Ok(())
    }

    /// Takes a batch in as far as the limits allow, and sends it on.
    fn collect(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if self.shutdown.is_stopping() {
            return self.serve_clients();
        }
        let in_doubt = self.group.stays_in_doubt(now_ns, || self.source.still_owns());
        let is_closing = !self.commit.takes_outcomes();
        let has_moved = !in_doubt && !self.deliver.is_stuck() && !is_closing && self.serve_parked(now_ns)?;
        let (records, bytes, room) = (self.ledger.open_records(), self.ledger.open_bytes(), self.score.room());
        let closed = if in_doubt {
            Closed::InDoubt
        } else if self.deliver.is_stuck() || !self.commit.takes_outcomes() || room == 0 {
            Closed::Stuck
        } else {
            Closed::Not
        };
        let was_holding = self.ingest.gate().is_holding();
        match self.ingest.gate().ask(now_ns, (records, bytes), closed, room) {
            Permission::Take(room) => {
                self.take(now_ns, room, if has_moved { Duration::ZERO } else { self.limits.idle_wait })
            }
            Permission::Hold => {
                let is_limit = !was_holding && self.commit.takes_outcomes();
                self.telemetry.stats.backpressure_stalls.add(u64::from(is_limit));
                self.serve_clients()
            }
            Permission::Pause => {
                if !in_doubt {
                    self.telemetry.intake_paused(records, bytes, self.clock.wall_us());
                }
                self.telemetry.stats.doing.set(Doing::Consumer);
                self.source.pause(&self.ledger.partitions(Flow::is_open))
            }
            Permission::Resume => {
                self.telemetry.intake_flows();
                self.telemetry.stats.doing.set(Doing::Consumer);
                self.source.resume(&self.ledger.partitions(|flow| flow.is_open() && !flow.is_paused()))
            }
        }
    }

    /// Waits for acknowledgements; a source whose partitions are paused is polled too, for the group's sake.
    fn serve_clients(&mut self) -> Result<(), Fatal> {
        self.deliver.sink().hold_copies(Duration::ZERO);
        if self.shutdown.is_stopping() || self.ingest.is_paused() {
            self.telemetry.stats.doing.set(Doing::Polling);
            self.ingest.poll(&mut self.source, &self.clock, (Duration::ZERO, 1))?;
        }
        let is_scoring = !self.deliver.is_stuck()
            && self.commit.takes_outcomes()
            && self.score.wait(SINK_WAIT.min(self.limits.idle_wait));
        self.telemetry.stats.doing.set(Doing::Acks);
        self.deliver.wait::<RecordOf<T>>(if is_scoring { Duration::ZERO } else { SINK_WAIT })
    }

    fn take(&mut self, now_ns: u64, room: usize, wait: Duration) -> Result<(), Fatal> {
        if let Some(poll) = self.ingest.poll_due(now_ns, (wait, room)) {
            self.telemetry.stats.doing.set(Doing::Polling);
            let polled_ns = self.ingest.poll(&mut self.source, &self.clock, poll)?;
            // Before anything of it is looked at: a partition may have been lost with this very poll.
            self.answer_events(polled_ns)?;
        }
        if !self.ingest.is_taken_in() {
            self.take_in(room)?;
        }
        self.advance()?;
        if self.ingest.is_held_back() { self.serve_clients() } else { Ok(()) }
    }

    /// Decodes what was polled into the open batch.
    fn take_in(&mut self, room: usize) -> Result<(), Fatal> {
        let now_ns = self.clock.now_ns();
        if self.group.is_in_doubt(now_ns) {
            return Ok(());
        }
        self.telemetry.stats.doing.set(Doing::Decoding);
        let into = Decoding {
            ledger: &mut self.ledger,
            batch: self.score.open(),
            times: &mut self.telemetry.times,
            stats: &self.telemetry.stats,
            clock: &self.clock,
            now_ns,
        };
        let stops = self.ingest.take_in(room, self.deliver.refusals(), into);
        self.pause_waiting(now_ns)?;
        stops.into_iter().try_for_each(|at| self.stop_before(at))
    }

    /// Takes in the answers on schemas, and tries again what waits for them. Returns whether something of it moved on.
    fn serve_parked(&mut self, now_ns: u64) -> Result<bool, Fatal> {
        let mut has_moved = false;
        if self.ingest.may_retry(now_ns) {
            self.telemetry.stats.doing.set(Doing::Decoding);
            let into = Decoding {
                ledger: &mut self.ledger,
                batch: self.score.open(),
                times: &mut self.telemetry.times,
                stats: &self.telemetry.stats,
                clock: &self.clock,
                now_ns: self.clock.now_ns(),
            };
            let (resume, moved) = self.ingest.retry_parked(into);
            has_moved = moved;
            if !resume.is_empty() {
                tracing::info!(partitions = ?resume, "the schema is there: the partitions flow again");
                self.telemetry.stats.doing.set(Doing::Consumer);
                self.source.resume(&resume)?;
            }
            self.advance()?;
        }
        self.pause_waiting(now_ns)?;
        Ok(has_moved)
    }

    fn pause_waiting(&mut self, now_ns: u64) -> Result<(), Fatal> {
        let pause = self.ingest.pause_waiting(&mut self.ledger, now_ns, &self.clock);
        if pause.is_empty() {
            return Ok(());
        }
        self.telemetry.stats.doing.set(Doing::Consumer);
        self.source.pause(&pause)
    }

    /// Sends to the model what may go, and lets leave what is back. Part of every duty cycle; tests that drive the
    /// model's side by hand call it when that has answered.
    ///
    /// # Errors
    /// Why the lane cannot go on.
    pub fn advance(&mut self) -> Result<(), Fatal> {
        while !self.deliver.is_stuck() && self.commit.takes_outcomes() {
            self.telemetry.stats.doing.set(Doing::Model);
            if self.decide.sheds() && self.score.goes_now() {
                self.decide.shed(self.score.open(), self.clock.wall_us());
            }
            if !self.score.advance(&self.clock).map_err(|ScorerGone| scoring_thread_gone())? {
                break;
            }
            failpoint::pass(Point::AfterScore);
            self.decide_leaving()?;
        }
        Ok(())
    }

    /// Decides the leaving batch and hands it over, unless it waits for the model.
    fn decide_leaving(&mut self) -> Result<(), Fatal> {
        let batch = self.score.leaving();
        self.telemetry.count_scored(batch);
        let is_broken = batch.rows.calls.broken;
        let climbed =
            if is_broken { Climbed::Broken } else { self.decide.batch(batch, self.deliver.encoder(), &self.clock) };
        if climbed == Climbed::Broken {
            return Err(model_failed(self.limits.model_failures_max, batch.rows.calls.error.as_ref()));
        }
        self.telemetry.show_fallback(batch, climbed);
        self.deliver.stick(climbed == Climbed::Held);
        if climbed == Climbed::Held {
            // However long it waits, none of its records is what ends the process then.
            self.ingest.left_work(batch);
            return Ok(());
        }
        self.let_leave()
    }

    /// The leaving batch is decided.
    fn let_leave(&mut self) -> Result<(), Fatal> {
        self.deliver.begin();
        self.telemetry.stats.doing.set(Doing::Producing);
        self.commit.begin(self.deliver.sink())?;
        self.hand_over()
    }

    /// The leaving batch waits for its model: that is asked once more, when it is time.
    fn ask_again(&mut self) -> Result<(), Fatal> {
        if !self.score.is_asking_again() {
            let (batch, ledger) = (self.score.leaving(), &self.ledger);
            let waits =
                |item: &Item<RecordOf<T>>| matches!(item.verdict, Verdict::Row(_)) && ledger.has(item.assignment);
            if !batch.items.iter().any(waits) {
                // Its partitions went meanwhile, and with them whoever waits.
                self.decide.let_go();
                self.telemetry.stats.model_paused_since_ms.set(0);
                self.deliver.stick(false);
                return self.let_leave();
            }
            if !self.decide.asks_now(self.clock.now_ns()) {
                return Ok(());
            }
        }
        self.telemetry.stats.doing.set(Doing::Model);
        if self.score.ask_again(&self.clock).map_err(|ScorerGone| scoring_thread_gone())? {
            self.decide_leaving()?;
        }
        Ok(())
    }

    /// Hands the rest of the leaving batch to the sink.
    fn hand_over(&mut self) -> Result<(), Fatal> {
        self.telemetry.stats.doing.set(Doing::Producing);
        if self.deliver.refusals().is_active() && !self.hears_of_suspects()? {
            return Ok(());
        }
        let batch = self.score.leaving();
        let handed_over = self.deliver.hand_over(batch, &mut self.ledger, &self.telemetry.stats)?;
        self.ingest.left_work(batch);
        match handed_over {
            HandedOver::Part => return Ok(()),
            HandedOver::Refused => return self.commit.refused(),
            HandedOver::All => {}
        }
        failpoint::pass(Point::AfterProduce);
        let now_ns = self.clock.now_ns();
        let emitted_ns = now_ns.saturating_sub(batch.rows.scored_ns);
        self.telemetry.times.record(Step::Emit, emitted_ns, batch.items.len() as u64);
        self.deliver.handed_over(batch, now_ns);
        let first_ns = batch.decodes.first().map_or(now_ns, |decode| decode.start_ns);
        // The source's memory is free again: outcomes were copied.
        self.score.left();
        self.telemetry.stats.duty_cycle_ns_max.raise_to(self.clock.now_ns().saturating_sub(first_ns));
        Ok(())
    }

    fn commit_if_due(&mut self, now_ns: u64) -> Result<(), Fatal> {
        let (commit, round) = self.commit_round(now_ns);
        commit.commit_if_due(round)
    }

    /// What a commit is made with now.
    pub(super) fn commit_round(&mut self, now_ns: u64) -> (&mut T::Commit, Round<'_, T::Source, T::Sink>) {
        let round = Round {
            // Nothing of a batch that waits for its model is handed over yet.
            is_handed_over: !self.deliver.is_stuck() || self.decide.is_holding(),
            is_taken_in: self.ingest.is_taken_in(),
            is_awaited: self.group.is_revoking() || self.shutdown.is_stopping(),
            source: &mut self.source,
            sink: self.deliver.sink(),
            ledger: &mut self.ledger,
            stats: &self.telemetry.stats,
            now_ns,
        };
        (&mut self.commit, round)
    }
}

/// All that a lane knows of it; why, its thread says.
pub(super) fn scoring_thread_gone() -> Fatal {
    Fatal::new(exit::INTERNAL, "the model's thread ended before its lane", "this is a bug: please report it")
}

/// The model failed too often in a row: nothing of the batch goes out.
fn model_failed(times: u32, error: Option<&ScoreError>) -> Fatal {
    let error = error.map_or("no answer in time", |error| &error.text);
    Fatal::new(
        exit::MODEL,
        format!("the model failed {times} times in a row: {error}"),
        "nothing of the last batch went out; check the model package with `scorewire model check`; [fallback] says who \
         decides while a model fails",
    )
}
