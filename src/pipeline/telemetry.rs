//! What a lane shows to readers: counters at once, how its partitions stand a few times a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::edge::{Clock, Group, PartitionLag, Scorer, Sink, Source};
use crate::observe::doing::Doing;
use crate::observe::held_up::{HeldUp, StoppedPartition, WaitingPartition, one_line};
use crate::observe::latency::{Step, StepTimes};
use crate::observe::stats::{LaneStats, PartitionState, ShownPartition};
use crate::pipeline::commit::Commit;
use crate::pipeline::lane::Lane;
use crate::pipeline::ledger::{Assignment, Flow};
use crate::pipeline::score::Batch;
use crate::values::limits::{PUBLISH_EVERY, nanoseconds};

/// Outcomes may be in flight for so long without an acknowledgement before that is shown.
const STALLED_AFTER_NS: u64 = 1_000_000_000;

/// The lane's counters and times.
pub(super) struct Telemetry {
    pub(super) stats: Arc<LaneStats>,
    pub(super) times: StepTimes,
    /// Partitions of a session that is over, with the last numbers known: an alarm on a lag must not fall silent just then.
    lost: Vec<PartitionLag>,
    next_publish_ns: u64,
}

impl Telemetry {
    pub(super) fn new(stats: Arc<LaneStats>) -> Telemetry {
        Telemetry { stats, times: StepTimes::default(), lost: Vec::new(), next_publish_ns: 0 }
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

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source + Group,
    M: Scorer,
    K: Sink<S::Record>,
    D: Commit<S, K>,
    C: Clock,
{
    /// With every cycle, so that the counters add up whenever the lane stands between two.
    pub(super) fn show(&mut self, now_ns: u64) {
        self.count_open();
        if now_ns >= self.telemetry.next_publish_ns {
            self.telemetry.next_publish_ns = now_ns + nanoseconds(PUBLISH_EVERY);
            self.publish(now_ns);
        }
        let Telemetry { stats, times, .. } = &mut self.telemetry;
        if stats.times.is_wanted() {
            stats.times.publish(times);
        }
        stats.last_cycle_ms.set(now_ns / 1_000_000);
    }

    fn count_open(&self) {
        let stats = &self.telemetry.stats;
        stats.in_flight_records.set(self.ledger.open_records() as u64 + self.commit.uncommitted());
        stats.in_flight_bytes.set(self.ledger.open_bytes() as u64);
    }

    /// Shows the lane's state to readers.
    pub(super) fn publish(&mut self, now_ns: u64) {
        self.count_open();
        self.ingest.tell(&self.telemetry.stats);
        self.show_held_up();
        let (contact, stats) = (self.source.contact(), &self.telemetry.stats);
        stats.note_contact(contact, now_ns / 1_000_000);
        stats.assigned_partitions.set(self.ledger.len() as u64);
        stats.failed_partitions.set(self.ledger.partitions(Flow::is_stopped).len() as u64);
        let all_paused = self.ingest.is_paused();
        stats.paused_partitions.set(self.ledger.partitions(|flow| all_paused || flow.is_paused()).len() as u64);
        stats.at_end.store(self.is_at_end(), Ordering::Relaxed);
        let silent_ns = self.deliver.silent_ns::<S::Record>(now_ns);
        let since_ms = self.clock.wall_us() / 1_000 - i64::try_from(silent_ns / 1_000_000).unwrap_or(0);
        let is_stalled = silent_ns > STALLED_AFTER_NS;
        stats.sink_stalled_since_ms.set(if is_stalled { since_ms.max(1).unsigned_abs() } else { 0 });
        stats.doing.set(Doing::Consumer);
        if let Ok(mut shown) = stats.partitions.try_lock() {
            shown.clear();
            for assignment in self.ledger.iter() {
                let lag = self.source.lag(assignment.partition());
                shown.push(ShownPartition { lag, state: state(assignment, all_paused) });
            }
            let lost = self.telemetry.lost.iter();
            shown.extend(lost.map(|&lag| ShownPartition { lag, state: PartitionState::Lost }));
        }
    }

    /// What is held up. Nothing is made where nothing is.
    fn show_held_up(&self) {
        let Ok(mut shown) = self.telemetry.stats.held_up.try_lock() else { return };
        let HeldUp { stopped, waiting } = &mut *shown;
        stopped.clear();
        waiting.clear();
        for assignment in self.ledger.iter() {
            let partition = assignment.partition();
            match assignment.flow() {
                Flow::Stopped { stop, since_us } => {
                    stopped.push(StoppedPartition { partition, since_ms: since_us / 1_000, stop: Arc::clone(stop) });
                }
                Flow::Paused { since_us } => {
                    let Some((schema, why)) = self.ingest.waits_for(assignment.id()) else { continue };
                    let (since_ms, schema, why) = (since_us / 1_000, schema.to_string(), one_line(&why));
                    waiting.push(WaitingPartition { partition, since_ms, schema, why });
                }
                Flow::Flowing | Flow::Parking { .. } | Flow::Revoking => {}
            }
        }
        stopped.sort_unstable_by_key(|of| of.partition);
        waiting.sort_unstable_by_key(|of| of.partition);
    }
}

fn state(assignment: &Assignment, all_paused: bool) -> PartitionState {
    match assignment.flow() {
        Flow::Stopped { .. } => PartitionState::Failed,
        Flow::Revoking => PartitionState::Leaving,
        Flow::Paused { .. } => PartitionState::Paused,
        Flow::Flowing | Flow::Parking { .. } if all_paused => PartitionState::Paused,
        Flow::Flowing | Flow::Parking { .. } => PartitionState::Flowing,
    }
}
