//! A lane: its partitions, its clients, its watermarks, and the bounded duty cycle that moves records through all
//! stages on one thread; the model call alone may have a thread of its own (layout `dedicated`).
//!
//! Invariants, in every state: a record counted as received is in exactly one place (parked, in a batch, in
//! flight, finished); only slots in the table are produced for, committed and acknowledged; progress moves only after
//! acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use crate::edge::{Clock, Delivery, Scorer, Sink, Source, SourceRecord};
use crate::error::Fatal;
use crate::failpoint::{self, Point};
use crate::observe::doing::Doing;
use crate::observe::latency::StepTimes;
use crate::observe::stats::LaneStats;
use crate::pipeline::backpressure::{Closed, Gate, Permission};
use crate::pipeline::batch::Batches;
use crate::pipeline::commit::CommitClock;
use crate::pipeline::desk::Desk;
use crate::pipeline::emit::Emit;
use crate::pipeline::inbox::Inbox;
use crate::pipeline::intake::Intake;
use crate::pipeline::limits::{KEEP_AWAKE_EVERY, Limits, PUBLISH_EVERY, SINK_WAIT, nanoseconds};
use crate::pipeline::rebalance::Revoke;
use crate::pipeline::scoring::{AT_DESK_MAX, Model, Queues, Scoring};
use crate::pipeline::settings::OutOfRange;
use crate::pipeline::showing::Shown;
use crate::pipeline::slots::{Phase, Slots, Waiting};
use crate::pipeline::stood_still::Alive;
use crate::pipeline::stopping::Lost;
use crate::pipeline::transaction::Transaction;
use crate::record::Ack;

/// The parts a lane is made of.
pub struct Parts<S: Source, M, K, D, C> {
    pub source: S,
    pub scorer: M,
    pub sink: K,
    pub delivery: D,
    pub clock: C,
    pub intake: Intake<S::Record>,
    pub emit: Emit,
    /// Rows of one batch.
    pub batch_rows: usize,
    pub limits: Limits,
    pub stats: Arc<LaneStats>,
    pub out_of_range: OutOfRange,
    /// End offset per partition where the run is bounded: reached, finished and committed, the lane is at its end.
    pub until: Option<Vec<i64>>,
}

pub struct Lane<S: Source, M, K, D, C> {
    // Field order: whatever holds records is dropped before the source, whose client is freed after the last of them.
    pub(super) scoring: Scoring<M>,
    /// The model's side, until a thread takes it.
    desk: Option<Desk<M, C>>,
    pub(super) batches: Batches<S::Record>,
    /// The leaving batch is not handed over completely: the sink was full.
    pub(super) stuck: bool,
    pub(super) inbox: Inbox<S::Record>,
    pub(super) intake: Intake<S::Record>,
    pub(super) emit: Emit,
    pub(super) sink: K,
    pub(super) source: S,
    pub(super) delivery: D,
    pub(super) clock: C,
    pub(super) gate: Gate,
    pub(super) slots: Slots,
    pub(super) acks: Vec<Ack>,
    pub(super) commits: CommitClock,
    /// Exactly-once delivery; as new in every other lane.
    pub(super) transaction: Transaction,
    pub(super) revoke: Option<Revoke>,
    /// Stopping: nothing more is taken in.
    pub(super) draining: bool,
    /// Stopping: a partition went before all that was taken in of it was finished.
    pub(super) unfinished: bool,
    pub(super) limits: Limits,
    pub(super) stats: Arc<LaneStats>,
    pub(super) shown: Shown,
    pub(super) times: StepTimes,
    pub(super) until: Option<Vec<i64>>,
    pub(super) out_of_range: OutOfRange,
    pub(super) lost: Lost,
    /// Since when outcomes have been in flight without an acknowledgement.
    pub(super) silent_since_ns: u64,
    /// When decoding began last.
    pub(super) decode_start_ns: u64,
    alive: Alive,
    last_poll_ns: u64,
    /// However much is left of an earlier poll.
    poll_at_least_every_ns: u64,
    pub(super) next_retry_ns: u64,
    /// The batch was too small for all that waited for schemas.
    pub(super) retry_rest: bool,
    next_publish_ns: u64,
    next_wake_ns: u64,
}

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// A lane that calls its model itself.
    pub fn new(parts: Parts<S, M, K, D, C>) -> Lane<S, M, K, D, C> {
        Lane::build(parts, 0, |model| (Scoring::Inline(model), None))
    }

    /// A lane whose model has a thread of its own: nothing is scored unless somebody serves [`Lane::take_desk`].
    pub fn dedicated(parts: Parts<S, M, K, D, C>) -> Lane<S, M, K, D, C>
    where
        C: Clone,
    {
        let (clock, stats, waker) = (parts.clock.clone(), Arc::clone(&parts.stats), parts.source.waker());
        Lane::build(parts, AT_DESK_MAX, |model| {
            let (queues, at_desk) = Queues::new();
            (Scoring::Dedicated(queues), Some(Desk { model, queues: at_desk, clock, waker, stats }))
        })
    }

    fn build(
        parts: Parts<S, M, K, D, C>,
        at_model_max: usize,
        place: impl FnOnce(Model<M>) -> (Scoring<M>, Option<Desk<M, C>>),
    ) -> Lane<S, M, K, D, C> {
        let cap = parts.batch_rows.min(parts.limits.batch_rows_max).max(1);
        let poll_at_least_every_ns = nanoseconds(parts.limits.pause_after);
        let model = Model::new(parts.scorer, parts.limits.model_failures_max);
        let batches = Batches::new(model.width(), cap, at_model_max);
        let (scoring, desk) = place(model);
        parts.stats.complaint.get_or_init(|| parts.source.complaint());
        let mut intake = parts.intake;
        intake.set_waker(parts.source.waker());
        Lane {
            scoring,
            desk,
            batches,
            stuck: false,
            inbox: Inbox::with_capacity(cap),
            intake,
            emit: parts.emit,
            sink: parts.sink,
            source: parts.source,
            delivery: parts.delivery,
            clock: parts.clock,
            gate: Gate::new(&parts.limits),
            slots: Slots::default(),
            acks: Vec::with_capacity(1024),
            commits: CommitClock::new(&parts.limits),
            transaction: Transaction::default(),
            revoke: None,
            draining: false,
            unfinished: false,
            limits: parts.limits,
            stats: parts.stats,
            shown: Shown::default(),
            times: StepTimes::default(),
            until: parts.until,
            out_of_range: parts.out_of_range,
            lost: Lost::default(),
            silent_since_ns: 0,
            decode_start_ns: 0,
            alive: Alive::default(),
            last_poll_ns: 0,
            poll_at_least_every_ns,
            next_retry_ns: 0,
            retry_rest: false,
            next_publish_ns: 0,
            next_wake_ns: 0,
        }
    }

    /// The model's side of a dedicated lane, once.
    pub fn take_desk(&mut self) -> Option<Desk<M, C>> {
        self.desk.take()
    }

    /// One bounded round: events, one batch at most, acknowledgements, commit.
    pub fn duty_cycle(&mut self) -> Result<(), Fatal> {
        let start_ns = self.clock.now_ns();
        self.answer_events(start_ns)?;
        if D::ATOMIC {
            self.abort_if_broken(start_ns)?;
        }
        let mut acknowledged = false;
        if self.stuck {
            // First what the broker said meanwhile: a partition that went back gets nothing more of this batch.
            acknowledged = self.settle()?;
            if !self.transaction.is_broken() {
                self.hand_over()?;
            }
        }
        self.advance()?;
        self.move_records(start_ns)?;
        acknowledged |= self.settle()?;
        let now_ns = self.clock.now_ns();
        if acknowledged || self.sink.in_flight() == 0 {
            self.silent_since_ns = now_ns;
        }
        self.commit_if_due(now_ns)?;
        self.finish_revoke(now_ns)?;
        self.count_open();
        if now_ns >= self.next_wake_ns {
            self.next_wake_ns = now_ns + nanoseconds(KEEP_AWAKE_EVERY);
            self.stats.doing.set(Doing::Consumer);
            self.source.keep_awake();
        }
        if now_ns >= self.next_publish_ns {
            self.next_publish_ns = now_ns + nanoseconds(PUBLISH_EVERY);
            self.publish(now_ns);
        }
        if self.stats.times.is_wanted() {
            self.stats.times.publish(&mut self.times);
        }
        self.stats.last_cycle_ms.set(now_ns / 1_000_000);
        Ok(())
    }

    /// Takes a batch in and through all stages, as far as the limits allow.
    fn move_records(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if self.draining {
            return self.serve_clients(SINK_WAIT);
        }
        let was_holding = self.gate.is_holding();
        let in_doubt = self.alive.stays_in_doubt(now_ns, || self.source.still_owns());
        let may_decode = !in_doubt && !self.stuck && !self.holds_outcomes();
        let has_moved = may_decode && self.serve_waiting(now_ns)?;
        let (records, bytes) = (self.slots.open_records(), self.slots.open_bytes());
        let (room, closing) = (self.batches.open.room(), self.holds_outcomes());
        let closed = if in_doubt {
            Closed::InDoubt
        } else if self.stuck || closing || room == 0 {
            Closed::Stuck
        } else {
            Closed::Not
        };
        match self.gate.ask(now_ns, records, bytes, closed, room) {
            Permission::Take(room) => {
                self.take(now_ns, room, if has_moved { Duration::ZERO } else { self.limits.idle_wait })
            }
            Permission::Hold => {
                self.stats.backpressure_stalls.add(u64::from(!was_holding && !closing));
                self.serve_clients(SINK_WAIT)
            }
            Permission::Pause => {
                if !in_doubt {
                    self.stats.intake_paused_since_ms.set(self.clock.wall_us().unsigned_abs() / 1_000);
                    tracing::warn!(
                        records,
                        bytes,
                        "intake is paused: outcomes are not acknowledged fast enough (limits.in_flight_records_max, \
                         limits.in_flight_bytes_max). Look at the output topics' brokers"
                    );
                }
                self.stats.doing.set(Doing::Consumer);
                self.source.pause(&self.slots.partitions(Phase::Flowing))
            }
            Permission::Resume => {
                self.stats.intake_paused_since_ms.set(0);
                tracing::info!("partitions flow again");
                let flowing =
                    self.slots.iter().filter(|slot| slot.phase == Phase::Flowing && slot.waiting != Waiting::Paused);
                let flowing: Vec<i32> = flowing.map(|slot| slot.partition).collect();
                self.stats.doing.set(Doing::Consumer);
                self.source.resume(&flowing)
            }
        }
    }

    /// Waits for acknowledgements; a source whose partitions are paused is polled too, for the group's sake.
    fn serve_clients(&mut self, wait: Duration) -> Result<(), Fatal> {
        self.sink.hold_copies(Duration::ZERO);
        if self.draining || self.gate.is_paused() {
            self.fill_inbox(Duration::ZERO, 1)?;
        }
        self.wait_for_room(wait)
    }

    fn take(&mut self, now_ns: u64, room: usize, wait: Duration) -> Result<(), Fatal> {
        let (first, rows) = (self.batches.open.items.len(), self.batches.open.sheet.filled);
        if self.batches.open.items.len() == first && self.inbox.is_empty() {
            // What is open already waits for the model, which ends this wait.
            self.poll_source(wait, room)?;
        } else if now_ns.saturating_sub(self.last_poll_ns) >= self.poll_at_least_every_ns {
            // What is left of an earlier poll comes first, but the group must go on seeing us.
            self.poll_source(Duration::ZERO, 1)?;
        }
        if !self.inbox.is_empty() {
            self.admit_inbox(room)?;
        }
        self.count_decoded(first, rows);
        self.advance()
    }

    fn poll_source(&mut self, wait: Duration, room: usize) -> Result<(), Fatal> {
        self.fill_inbox(wait, room)?;
        // Before anything of it is looked at: a partition may have been lost with this very poll.
        self.answer_events(self.last_poll_ns)
    }

    fn fill_inbox(&mut self, wait: Duration, room: usize) -> Result<(), Fatal> {
        self.stats.doing.set(Doing::Polling);
        self.last_poll_ns = self.inbox.fill(&self.clock, |records| self.source.poll(wait, room, records))?;
        Ok(())
    }

    /// Decodes what arrived into the batch. Records of partitions that are not ours any more, or that were seen
    /// before a rewind, are dropped: they are below no commit and come again where they belong.
    fn admit_inbox(&mut self, room: usize) -> Result<(), Fatal> {
        let now_ns = self.clock.now_ns();
        if self.alive.is_in_doubt(now_ns) {
            return Ok(());
        }
        self.decode_start_ns = now_ns;
        self.stats.doing.set(Doing::Decoding);
        let room = room.min(self.batches.open.room());
        let mut left = self.inbox.fitting(room, self.slots.open_bytes(), self.limits.in_flight_bytes_max);
        let mut stop = Vec::new();
        let mut received = 0;
        while left > 0 {
            let (receipt, records) = self.inbox.take(left);
            left -= records.len();
            for record in records {
                let at = record.position();
                let Some(slot) = self.slots.by_partition(at.partition) else { continue };
                if slot.phase != Phase::Flowing || at.offset < slot.next_offset {
                    continue;
                }
                if self.emit.refusals.stops_before(at) {
                    stop.push(at);
                    continue;
                }
                received += 1;
                self.times.record_topic(record.timestamp_ms(), receipt.us);
                self.intake.admit(record, slot, receipt, &mut self.batches.open);
            }
        }
        self.stats.received.add(received);
        if received > 0 {
            self.stats.received_ms.set(now_ns / 1_000_000);
            failpoint::pass(Point::AfterReceive);
        }
        self.pause_waiting(now_ns)?;
        // The first of each partition.
        stop.sort_unstable();
        stop.dedup_by_key(|at| at.partition);
        stop.into_iter().try_for_each(|at| self.stop_before(at))
    }

    /// With every cycle, so that the counters add up whenever the lane stands between two.
    pub(super) fn count_open(&self) {
        let uncommitted = if D::ATOMIC { self.transaction.uncommitted() } else { 0 };
        self.stats.in_flight_records.set(self.slots.open_records() as u64 + uncommitted);
        self.stats.in_flight_bytes.set(self.slots.open_bytes() as u64);
    }
}
