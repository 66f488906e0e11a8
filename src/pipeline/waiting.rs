//! Partitions whose records wait for a schema's plan: looked at again when an answer has come, and once in a while.

use crate::edge::{Clock, Delivery, Scorer, Sink, Source};
use crate::error::Fatal;
use crate::observe::doing::Doing;
use crate::pipeline::lane::Lane;
use crate::pipeline::limits::{SCHEMA_MOMENT, nanoseconds};
use crate::pipeline::slots::{Phase, Waiting};

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// Takes in what was answered, and tries what waits again where it may have a plan now. Whatever the limits say: what
    /// waits counts as in flight already, and may be all that does. Returns whether something of it moved on.
    pub(super) fn serve_waiting(&mut self, now_ns: u64) -> Result<bool, Fatal> {
        let mut is_due = self.intake.take_news() || self.retry_rest;
        if now_ns >= self.next_retry_ns {
            self.next_retry_ns = now_ns + nanoseconds(self.limits.schema_retry);
            self.intake.ask_again();
            is_due = true;
        }
        if !self.intake.has_parked() {
            return Ok(false);
        }
        let (first, rows) = (self.batches.open.items.len(), self.batches.open.sheet.filled);
        let mut has_moved = false;
        if is_due {
            self.retry_parked()?;
            has_moved = self.batches.open.items.len() > first;
            self.count_decoded(first, rows);
            self.advance()?;
        }
        self.pause_waiting(now_ns)?;
        Ok(has_moved)
    }

    fn retry_parked(&mut self) -> Result<(), Fatal> {
        self.stats.doing.set(Doing::Decoding);
        self.decode_start_ns = self.clock.now_ns();
        let (first, room) = (self.batches.open.items.len(), self.batches.open.room());
        let mut resume = Vec::new();
        for id in self.intake.retry(room, &mut self.batches.open) {
            let Some(slot) = self.slots.by_id(id) else { continue };
            let waited = std::mem::replace(&mut slot.waiting, Waiting::No);
            if waited == Waiting::Paused && slot.phase == Phase::Flowing && !self.gate.is_paused() {
                resume.push(slot.partition);
            }
        }
        // The batch was too small for all of them, or had no room at all.
        self.retry_rest = self.batches.open.items.len() - first == room;
        if resume.is_empty() {
            return Ok(());
        }
        tracing::info!(partitions = ?resume, "the schema is there: the partitions flow again");
        self.stats.doing.set(Doing::Consumer);
        self.source.resume(&resume)
    }

    /// Pauses partitions whose schema is not there, or whose answer takes longer than a moment.
    pub(super) fn pause_waiting(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if !self.intake.has_parked() {
            return Ok(());
        }
        let mut pause = Vec::new();
        for slot in self.slots.iter_mut() {
            let Waiting::Moment(since_ns) = slot.waiting else { continue };
            let Some((schema, is_coming)) = self.intake.waits_for(slot.id) else { continue };
            if is_coming && now_ns.saturating_sub(since_ns) < nanoseconds(SCHEMA_MOMENT) {
                continue;
            }
            slot.waiting = Waiting::Paused;
            slot.waits_since_us = self.clock.wall_us();
            let why = self.intake.why_waiting(schema);
            tracing::warn!(
                partition = slot.partition,
                %schema,
                "the partition waits for a schema, and the others go on: {why}"
            );
            pause.push(slot.partition);
        }
        if pause.is_empty() {
            return Ok(());
        }
        self.stats.doing.set(Doing::Consumer);
        self.source.pause(&pause)
    }
}
