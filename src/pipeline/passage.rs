//! A batch's passage through the model and out: when it goes, what it says when it is back, and what is counted.

use std::time::Duration;

use crate::edge::{Clock, Delivery, Scorer, SendError, Sink, Source, SourceRecord};
use crate::error::{Fatal, Reject, exit};
use crate::failpoint::{self, Point};
use crate::observe::doing::Doing;
use crate::observe::latency::Step;
use crate::pipeline::batch::{Take, Verdict};
use crate::pipeline::emit::Emitted;
use crate::pipeline::lane::Lane;
use crate::pipeline::scoring::Gone;
use crate::pipeline::transaction::Broken;

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// Sends to the model what may go, and lets leave what is back. Part of every duty cycle; tests that drive the
    /// model's side by hand call it when that has answered.
    pub fn advance(&mut self) -> Result<(), Fatal> {
        while !self.stuck && !self.holds_outcomes() {
            self.stats.doing.set(Doing::Model);
            let leaves = self.scoring.advance(&mut self.batches, &self.clock);
            if !leaves.map_err(|Gone| scoring_thread_gone())? {
                break;
            }
            self.emit_scored()?;
        }
        Ok(())
    }

    /// Waits for the model where it is what the lane waits for, and otherwise for acknowledgements.
    pub(super) fn wait_for_room(&mut self, longest: Duration) -> Result<(), Fatal> {
        let mut wait = longest;
        if !self.stuck && !self.holds_outcomes() && self.scoring.is_busy() {
            self.scoring.wait(longest.min(self.limits.idle_wait));
            wait = Duration::ZERO;
        }
        self.stats.doing.set(Doing::Acks);
        self.sink.poll(wait, &mut self.acks)
    }

    /// Notes when what has just been decoded was: the records of the open batch from `first` on, `rows` before them.
    pub(super) fn count_decoded(&mut self, first: usize, rows: usize) {
        let batch = &mut self.batches.open;
        let fresh = &batch.items[first..];
        if fresh.is_empty() {
            return;
        }
        let take = Take {
            start_ns: self.decode_start_ns,
            decoded_ns: self.clock.now_ns(),
            rows: (batch.sheet.filled - rows) as u64,
        };
        for item in fresh {
            self.times.record(Step::Intake, take.start_ns.saturating_sub(item.received_ns), 1);
        }
        self.times.record(Step::Decode, take.decoded_ns.saturating_sub(take.start_ns), fresh.len() as u64);
        batch.takes.push(take);
    }

    fn emit_scored(&mut self) -> Result<(), Fatal> {
        self.count_scored();
        failpoint::pass(Point::AfterScore);
        let batch = &mut self.batches.leaving;
        let sheet = &batch.sheet;
        if sheet.calls_failed > 0 || sheet.broken {
            let error = sheet.error.as_deref().unwrap_or_default();
            tracing::warn!(calls = sheet.calls_failed, error, "the model failed; rows were tried one by one");
            if sheet.broken {
                return Err(Fatal::new(
                    exit::MODEL,
                    format!("the model failed {} times in a row: {error}", self.limits.model_failures_max),
                    "nothing of the last batch went out; check the model package with `scorewire model check`",
                ));
            }
        }
        for item in &mut batch.items {
            item.late = self.emit.judge().is_late(item.record.timestamp_ms(), item.received_us, sheet.started_us);
            if let Verdict::Row(row) = item.verdict
                && sheet.failed.binary_search(&row).is_ok()
            {
                item.verdict = Verdict::Rejected(Reject::ModelFailed);
            }
        }
        self.emit.begin();
        self.stats.doing.set(Doing::Producing);
        self.delivery.begin(&mut self.sink)?;
        self.hand_over()
    }

    /// Hands the rest of the batch to the sink.
    pub(super) fn hand_over(&mut self) -> Result<(), Fatal> {
        self.stats.doing.set(Doing::Producing);
        if self.emit.refusals.is_active() && !self.hears_of_suspects()? {
            return Ok(());
        }
        self.sink.begin_batch();
        let emitted = self.emit.run(&mut self.batches.leaving, &mut self.slots, &mut self.sink, &self.stats);
        self.sink.end_batch();
        match emitted {
            Ok(Emitted::Full) => {
                self.stuck = true;
                Ok(())
            }
            Ok(Emitted::All) => {
                self.stuck = false;
                failpoint::pass(Point::AfterProduce);
                let (batch, now_ns) = (&self.batches.leaving, self.clock.now_ns());
                let emitted_ns = now_ns.saturating_sub(batch.sheet.scored_ns);
                self.times.record(Step::Emit, emitted_ns, batch.items.len() as u64);
                for item in &batch.items {
                    if let Some(slot) = self.slots.by_id(item.slot) {
                        slot.watermark.sent(item.sequence, now_ns / 1_000);
                    }
                }
                let first_ns = batch.takes.first().map_or(now_ns, |take| take.start_ns);
                // The source's memory is free again: outcomes were copied.
                self.batches.left();
                self.stats.duty_cycle_ns_max.raise_to(self.clock.now_ns().saturating_sub(first_ns));
                Ok(())
            }
            Err(SendError::Fatal(fatal)) => Err(fatal),
            Err(SendError::Aborted) => {
                self.stuck = true;
                self.transaction.fail(Broken::Refused("the producer takes no more outcomes".into()));
                Ok(())
            }
            Err(SendError::Full | SendError::TooLarge) => Err(Fatal::new(
                exit::DELIVERY,
                "a dead letter without payload is still too large for the producer",
                "raise message.max.bytes in [kafka.producer.properties]",
            )),
        }
    }

    fn count_scored(&mut self) {
        let batch = &self.batches.leaving;
        let rows = batch.sheet.filled as u64;
        if rows > 0 {
            for take in batch.takes.iter().filter(|take| take.rows > 0) {
                let waited_ns = batch.sheet.started_ns.saturating_sub(take.decoded_ns);
                self.times.record(Step::BatchWait, waited_ns, take.rows);
            }
            let inference_ns = batch.sheet.scored_ns.saturating_sub(batch.sheet.started_ns);
            self.times.record(Step::Inference, inference_ns, rows);
            self.stats.batches.add(1);
            self.stats.batch_rows.add(rows);
            self.stats.batch_rows_max.raise_to(rows);
        }
        self.stats.model_failures.add(u64::from(batch.sheet.calls_failed));
    }
}

/// All that a lane knows of it; why, its thread says.
pub(super) fn scoring_thread_gone() -> Fatal {
    Fatal::new(exit::INTERNAL, "the model's thread ended before its lane", "this is a bug: please report it")
}
