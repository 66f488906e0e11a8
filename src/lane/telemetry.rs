//! The lane's counters and times.

use std::sync::Arc;

use crate::doors::{PartitionLag, Source};
use crate::lane::score::Batch;
use crate::observe::latency::{Step, StepTimes};
use crate::observe::stats::LaneStats;

/// The lane's counters and times.
pub(super) struct Telemetry {
    pub(super) stats: Arc<LaneStats>,
    pub(super) times: StepTimes,
    /// Partitions of a session that is over, with the last numbers known: an alarm on a lag must not fall silent just then.
    pub(super) lost: Vec<PartitionLag>,
    next_publish_ns: u64,
}

impl Telemetry {
    pub(super) fn new(stats: Arc<LaneStats>) -> Telemetry {
        Telemetry { stats, times: StepTimes::default(), lost: Vec::new(), next_publish_ns: 0 }
    }

    /// Whether the lane's state is to be shown now; the next time comes so much later.
    pub(super) fn is_publish_due(&mut self, now_ns: u64, every_ns: u64) -> bool {
        let is_due = now_ns >= self.next_publish_ns;
        if is_due {
            self.next_publish_ns = now_ns + every_ns;
        }
        is_due
    }

    /// A batch is back from the model.
    pub(super) fn count_scored<R>(&mut self, batch: &Batch<R>) {
        let rows = batch.rows.filled as u64;
        if rows > 0 {
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
        self.stats.model_failures.add(u64::from(batch.rows.calls_failed));
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
