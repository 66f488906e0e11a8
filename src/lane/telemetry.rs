//! The lane's counters and times.

use std::sync::Arc;

use crate::doors::{PartitionLag, Source};
use crate::lane::fallback::Climbed;
use crate::lane::score::{Batch, RowBatch, Verdict};
use crate::observe::cells::Mark;
use crate::observe::latency::{Step, StepTimes};
use crate::observe::stats::LaneStats;
use crate::values::limits::{MODEL_FAILURES_TOLD_EVERY, nanoseconds};

/// The lane's counters and times.
pub(super) struct Telemetry {
    pub(super) stats: Arc<LaneStats>,
    pub(super) times: StepTimes,
    /// Partitions of a session that is over, with the last numbers known: an alarm on a lag must not fall silent just then.
    pub(super) lost: Vec<PartitionLag>,
    next_publish_ns: u64,
    failures: FailureLog,
}

/// Tells of a model that fails: at most once in a while, and when it answers again after it was told.
#[derive(Default)]
struct FailureLog {
    /// Calls that failed since the last line.
    calls: u64,
    /// Monotonic clock of the first failure since the model answered, and of the last line.
    since_ns: Option<u64>,
    told_ns: Option<u64>,
}

impl FailureLog {
    fn note(&mut self, rows: &RowBatch) {
        let now_ns = rows.scored_ns;
        if rows.calls.failed > 0 {
            self.calls += u64::from(rows.calls.failed);
            let since_ns = *self.since_ns.get_or_insert(now_ns);
            let is_due = |told_ns: u64| now_ns.saturating_sub(told_ns) >= nanoseconds(MODEL_FAILURES_TOLD_EVERY);
            if self.told_ns.is_none_or(is_due) {
                let error = rows.calls.error.as_ref().map_or("", |error| &error.text);
                let failing_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
                tracing::warn!(calls = self.calls, failing_ms, error, "the model fails");
                (self.told_ns, self.calls) = (Some(now_ns), 0);
            }
        } else if let Some(since_ns) = self.since_ns
            && rows.filled > 0
            && rows.given_up.is_none()
            && rows.failed.is_empty()
        {
            let failed_ns = now_ns.saturating_sub(since_ns);
            if self.told_ns.is_some_and(|told_ns| told_ns >= since_ns) {
                tracing::info!(failed_ms = failed_ns / 1_000_000, calls = self.calls, "the model answers again");
                self.calls = 0;
            }
            self.since_ns = None;
        }
    }
}

impl Telemetry {
    pub(super) fn new(stats: Arc<LaneStats>) -> Telemetry {
        let (times, lost, failures) = (StepTimes::default(), Vec::new(), FailureLog::default());
        Telemetry { stats, times, lost, next_publish_ns: 0, failures }
    }

    /// Whether the lane's state is to be shown now; the next time comes so much later.
    pub(super) fn is_publish_due(&mut self, now_ns: u64, every_ns: u64) -> bool {
        let is_due = now_ns >= self.next_publish_ns;
        if is_due {
            self.next_publish_ns = now_ns + every_ns;
        }
        is_due
    }

    /// A batch is back from the model, or leaves without its answer.
    pub(super) fn count_scored<R>(&mut self, batch: &Batch<R>) {
        let rows = batch.rows.filled as u64;
        if rows > 0 && batch.rows.given_up.is_none() {
            for decode in batch.decodes.iter().filter(|decode| decode.rows > 0) {
                let waited_ns = batch.rows.started_ns.saturating_sub(decode.decoded_ns);
                self.times.record(Step::BatchWait, waited_ns, decode.rows);
            }
            let inference_ns = batch.rows.scored_ns.saturating_sub(batch.rows.started_ns);
            self.times.record(Step::Inference, inference_ns, rows);
            self.stats.batches.add(1);
            self.stats.batch_rows.add(rows);
            self.stats.batch_rows_max.raise_to(rows);
        }
        self.stats.model_failures.add(u64::from(batch.rows.calls.failed));
        self.failures.note(&batch.rows);
    }

    /// How long the model has not been the one that decides.
    pub(super) fn show_fallback<R>(&mut self, batch: &Batch<R>, climbed: Climbed) {
        let stats = &self.stats;
        let wall_ms = (batch.rows.scored_us / 1_000).max(1).unsigned_abs();
        let begin = |mark: &Mark| {
            if mark.get() == 0 {
                mark.set(wall_ms)
            }
        };
        if climbed == Climbed::Held {
            begin(&stats.model_paused_since_ms);
            return;
        }
        stats.model_paused_since_ms.set(0);
        if stats.fallback_steps.get().is_none_or(Vec::is_empty) {
            return;
        }
        let by = |is: fn(u8) -> bool| {
            let mut verdicts = batch.items.iter().map(|item| item.verdict);
            verdicts.any(|verdict| matches!(verdict, Verdict::Decided(decided) if is(decided.step)))
        };
        if by(|step| step == 0) {
            stats.fallback_since_ms.set(0);
        } else if by(|step| step > 0) {
            begin(&stats.fallback_since_ms);
        }
    }

    /// Intake is paused at a limit.
    pub(super) fn intake_paused(&self, records: usize, bytes: usize, wall_us: i64) {
        self.stats.intake_paused_since_ms.set(wall_us.unsigned_abs() / 1_000);
        tracing::warn!(
            records,
            bytes,
            "intake is paused: outcomes are not acknowledged fast enough (limits.in_flight_records_max, \
             limits.in_flight_bytes_max). Look at the output topics' brokers"
        );
    }

    pub(super) fn intake_flows(&self) {
        self.stats.intake_paused_since_ms.set(0);
        tracing::info!("partitions flow again");
    }

    /// Partitions that are being lost, while the source still knows their numbers.
    pub(super) fn keep_showing<S: Source>(&mut self, partitions: &[i32], source: &mut S) {
        for &partition in partitions {
            self.lost.retain(|lag| lag.partition != partition);
            self.lost.push(source.lag(partition));
        }
    }

    /// A member again: whatever of the lost ones is not ours now is another's.
    pub(super) fn forget_lost(&mut self) {
        self.lost.clear();
    }
}
