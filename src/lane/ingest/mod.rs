//! What comes in: polled records, those that wait for a schema, and the gate that lets the rest wait in Kafka.
//!
//! Invariant: what was polled is in the inbox, parked, or in the open batch; what is parked or in a batch is in the ledger.

mod decode;
mod gate;
mod in_work;
mod inbox;

use std::time::Duration;

pub use self::decode::{Intake, Waits, log, sentence, show};
pub use self::gate::{Closed, Permission};
pub use self::in_work::Marking;

use self::gate::Gate;
use self::inbox::Inbox;
use crate::doors::{Clock, Source, SourceRecord};
use crate::error::Fatal;
use crate::failpoint::{self, Point};
use crate::lane::deliver::Refusals;
use crate::lane::ledger::{Flow, Ledger};
use crate::lane::score::{Batch, DecodeSpan};
use crate::observe::latency::{Alike, Step, StepTimes, topic_ns};
use crate::observe::stats::LaneStats;
use crate::values::limits::{Limits, SCHEMA_MOMENT, nanoseconds};
use crate::values::record::{Position, SchemaKey};

/// What records are decoded with.
pub(super) struct Decoding<'a, R, C> {
    pub(super) ledger: &'a mut Ledger,
    /// Takes them.
    pub(super) batch: &'a mut Batch<R>,
    pub(super) times: &'a mut StepTimes,
    pub(super) stats: &'a LaneStats,
    pub(super) clock: &'a C,
    /// When it begins.
    pub(super) now_ns: u64,
}

/// When what waits for schemas is tried again.
#[derive(Debug)]
struct SchemaRetry {
    next_ns: u64,
    every_ns: u64,
    /// The batch was too small for all that waited.
    rest: bool,
}

pub struct Ingest<R> {
    inbox: Inbox<R>,
    intake: Intake<R>,
    gate: Gate,
    retry: SchemaRetry,
    bytes_max: usize,
    last_poll_ns: u64,
    /// However much is left of an earlier poll.
    poll_at_least_every_ns: u64,
}

impl<R: SourceRecord> Ingest<R> {
    /// For polls of so many records. What the schemas' answers end is the wait of `source`.
    pub(super) fn new<S>(mut intake: Intake<R>, source: &S, records: usize, limits: &Limits) -> Ingest<R>
    where
        S: Source<Record = R>,
    {
        intake.set_waker(source.waker());
        Ingest {
            inbox: Inbox::with_capacity(records),
            intake,
            gate: Gate::new(limits),
            retry: SchemaRetry { next_ns: 0, every_ns: nanoseconds(limits.schema_retry), rest: false },
            bytes_max: limits.in_flight_bytes_max,
            last_poll_ns: 0,
            poll_at_least_every_ns: nanoseconds(limits.pause_after),
        }
    }

    /// Nothing that was polled waits to be taken in.
    pub(super) fn is_taken_in(&self) -> bool {
        self.inbox.is_empty()
    }

    pub(super) fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// All partitions are paused.
    pub(super) fn is_paused(&self) -> bool {
        self.gate.is_paused()
    }

    /// How long and for how much to poll, if that is to be done now: with nothing left of an earlier poll, or once in a while
    /// all the same, since the group must go on seeing us.
    pub(super) fn poll_due(&self, now_ns: u64, idle: (Duration, usize)) -> Option<(Duration, usize)> {
        if self.inbox.is_empty() {
            return Some(idle);
        }
        let is_due = now_ns.saturating_sub(self.last_poll_ns) >= self.poll_at_least_every_ns;
        is_due.then_some((Duration::ZERO, 1))
    }

    /// Returns when it polled.
    pub(super) fn poll<S: Source<Record = R>>(
        &mut self,
        source: &mut S,
        clock: &impl Clock,
        (wait, room): (Duration, usize),
    ) -> Result<u64, Fatal> {
        self.last_poll_ns = self.inbox.fill(clock, |records| source.poll(wait, room, records))?;
        Ok(self.last_poll_ns)
    }

    /// Decodes what arrived into the batch, at most `room` records. Records of partitions that are not ours any more, or
    /// that were seen before a rewind, are dropped: they are below no commit and come again where they belong.
    /// Returns those before which their partitions stop, the first of each.
    pub(super) fn take_in(
        &mut self,
        room: usize,
        refusals: &Refusals,
        into: Decoding<'_, R, impl Clock>,
    ) -> Vec<Position> {
        let Decoding { ledger, batch, times, stats, clock, now_ns } = into;
        let (items, rows) = (batch.items.len(), batch.rows.filled);
        let fitting = self.inbox.fitting(room.min(batch.room()), ledger.open_bytes(), self.bytes_max);
        let mut left = match self.intake.in_work() {
            Some(in_work) => in_work.room(fitting, self.inbox.positions()),
            None => fitting,
        };
        let (mut received, mut stops, mut in_topic) = (0, Vec::new(), Alike::new(Step::Topic));
        while left > 0 {
            let (receipt, records) = self.inbox.take(left);
            self.intake.set_time(receipt.us);
            left -= records.len();
            // Neighbours of one partition share a look-up.
            let (mut run, mut assigned) = (None, None);
            for record in records {
                let at = record.position();
                if run != Some(at.partition) {
                    run = Some(at.partition);
                    assigned = ledger.of_partition(at.partition);
                }
                let Some(assignment) = assigned.as_mut().filter(|assignment| assignment.takes(at)) else {
                    continue;
                };
                if refusals.stops_before(at) {
                    stops.push(at);
                    continue;
                }
                received += 1;
                if let Some(ns) = topic_ns(record.timestamp_ms(), receipt.us) {
                    in_topic.add(ns, times);
                }
                self.intake.admit(record, assignment, receipt, batch);
            }
        }
        in_topic.end(times);
        note_decoded(batch, (items, rows), now_ns, clock, times);
        self.settle_marks();
        stats.received.add(received);
        if received > 0 {
            stats.received_ms.set(now_ns / 1_000_000);
            failpoint::pass(Point::AfterReceive);
        }
        stops.sort_unstable();
        stops.dedup_by_key(|at| at.partition);
        stops
    }

    /// From now on records are marked while they are in work.
    pub(super) fn mark(&mut self, marking: Marking) {
        self.intake.mark(marking);
    }

    /// Whether records wait for others that are in work: a suspect to be alone, or all others until it was.
    pub(super) fn is_held_back(&mut self) -> bool {
        self.intake.in_work().is_some_and(|in_work| in_work.is_held_back())
    }

    /// The outcomes of a batch are handed over, or wait for room at the producer: none of its records ends the process any more.
    pub(super) fn left_work(&mut self, batch: &Batch<R>) {
        if let Some(in_work) = self.intake.in_work() {
            in_work.leave(&batch.items);
        }
    }

    fn settle_marks(&mut self) {
        if let Some(in_work) = self.intake.in_work() {
            in_work.settle();
        }
    }

    /// Part of every round.
    pub(super) fn end_round(&mut self) {
        if let Some(in_work) = self.intake.in_work() {
            in_work.end_round();
        }
    }

    /// Suspects below what the group has are forgotten.
    pub(super) fn forget_suspects(&mut self, ledger: &Ledger) {
        let Some(in_work) = self.intake.in_work().filter(|in_work| in_work.has_suspects()) else { return };
        in_work.finished(ledger.last_commits());
    }

    /// Whether what waits for schemas is to be tried again now: an answer came, or it is time to ask once more.
    pub(super) fn may_retry(&mut self, now_ns: u64) -> bool {
        let mut is_due = self.intake.take_news() || self.retry.rest;
        if now_ns >= self.retry.next_ns {
            self.retry.next_ns = now_ns + self.retry.every_ns;
            self.intake.ask_again();
            is_due = true;
        }
        is_due && self.intake.has_parked()
    }

    /// Tries what waits for schemas again. Whatever the limits say: it counts as in flight already, and may be all that
    /// does. Returns the partitions that were paused for it and flow again, and whether something moved on.
    pub(super) fn retry_parked(&mut self, into: Decoding<'_, R, impl Clock>) -> (Vec<i32>, bool) {
        let Decoding { ledger, batch, times, clock, now_ns, .. } = into;
        let (items, rows, room) = (batch.items.len(), batch.rows.filled, batch.room());
        let mut resume = Vec::new();
        self.intake.set_time(clock.wall_us());
        for id in self.intake.retry(room, batch) {
            let Some(mut assignment) = ledger.of_id(id) else { continue };
            if assignment.flow_again() && !self.gate.is_paused() {
                resume.push(assignment.partition());
            }
        }
        // The batch was too small for all of them, or had no room at all; or one waits to be alone.
        let moved = batch.items.len() - items;
        self.retry.rest = moved == room || self.is_held_back();
        self.settle_marks();
        note_decoded(batch, (items, rows), now_ns, clock, times);
        (resume, moved > 0)
    }

    /// Marks partitions as paused whose schema is not there, or whose answer takes longer than a moment, and returns them.
    pub(super) fn pause_waiting(&mut self, ledger: &mut Ledger, now_ns: u64, clock: &impl Clock) -> Vec<i32> {
        if !self.intake.has_parked() {
            return Vec::new();
        }
        let mut pause = Vec::new();
        for assignment in ledger.iter_mut() {
            let &Flow::Parking { since_ns } = assignment.flow() else { continue };
            let Some((waits, is_coming)) = self.intake.waits_for(assignment.id()) else { continue };
            if is_coming && now_ns.saturating_sub(since_ns) < nanoseconds(SCHEMA_MOMENT) {
                continue;
            }
            assignment.pause(clock.wall_us());
            let partition = assignment.partition();
            match waits {
                Waits::Schema(schema) => {
                    let why = self.intake.why_waiting(schema);
                    tracing::warn!(partition, %schema, "the partition waits for a schema, and the others go on: {why}");
                }
                Waits::Due(not_before_ms) => {
                    tracing::debug!(partition, not_before_ms, "the partition waits until its next letter is due");
                }
            }
            pause.push(partition);
        }
        pause
    }

    /// The schema that an assignment waits for, and why that is not there.
    pub(super) fn waits_for(&self, assignment: u32) -> Option<(SchemaKey, String)> {
        let (Waits::Schema(schema), _) = self.intake.waits_for(assignment)? else { return None };
        Some((schema, self.intake.why_waiting(schema)))
    }

    /// Drops what was taken from the source of a partition and not yet sent: polled records, and those parked behind a
    /// schema. Returns how many of these were received.
    pub(super) fn forget(&mut self, partition: i32, ledger: &mut Ledger) -> usize {
        let was_in_inbox = self.inbox.forget(partition);
        let Some(mut assignment) = ledger.of_partition(partition) else { return 0 };
        if was_in_inbox {
            assignment.forget_unread();
        }
        let first = self.intake.drop_parked(assignment.id());
        first.map_or(0, |sequence| assignment.forget_from(sequence))
    }

    /// Tells what there is to tell of schemas, each once.
    pub(super) fn tell(&mut self, stats: &LaneStats) {
        self.intake.tell(stats);
    }
}

/// Notes when what has just been decoded was: the records of the open batch from `items` on, `rows` before them.
fn note_decoded<R>(
    batch: &mut Batch<R>,
    (items, rows): (usize, usize),
    start_ns: u64,
    clock: &impl Clock,
    times: &mut StepTimes,
) {
    let fresh = &batch.items[items..];
    if fresh.is_empty() {
        return;
    }
    let span = DecodeSpan { start_ns, decoded_ns: clock.now_ns(), rows: (batch.rows.filled - rows) as u64 };
    let mut waited = Alike::new(Step::Intake);
    for item in fresh {
        waited.add(span.start_ns.saturating_sub(item.receipt.ns), times);
    }
    waited.end(times);
    times.record(Step::Decode, span.decoded_ns.saturating_sub(span.start_ns), fresh.len() as u64);
    batch.decodes.push(span);
}
