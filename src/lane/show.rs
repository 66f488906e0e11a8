//! What a lane shows to readers: counters with every round, how its partitions stand a few times a second.

use std::sync::Arc;

use crate::doors::{Clock, Group, Source};
use crate::lane::commit::Commit;
use crate::lane::drive::Lane;
use crate::lane::ledger::{Assignment, Flow};
use crate::lane::telemetry::Telemetry;
use crate::lane::types::{LaneTypes, RecordOf};
use crate::observe::doing::Doing;
use crate::observe::held_up::{HeldUp, StoppedPartition, WaitingPartition, one_line};
use crate::observe::stats::{PartitionState, ShownPartition};
use crate::values::limits::{PUBLISH_EVERY, nanoseconds};

/// Outcomes may be in flight for so long without an acknowledgement before that is shown.
const STALLED_AFTER_NS: u64 = 1_000_000_000;

impl<T: LaneTypes> Lane<T> {
    /// With every cycle, so that the counters add up whenever the lane stands between two.
    pub(super) fn show(&mut self, now_ns: u64) {
        self.count_open();
        if self.telemetry.is_publish_due(now_ns, nanoseconds(PUBLISH_EVERY)) {
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
        self.ingest.forget_suspects(&self.ledger);
        let (contact, stats) = (self.source.contact(), &self.telemetry.stats);
        stats.note_contact(contact, now_ns / 1_000_000);
        stats.assigned_partitions.set(self.ledger.len() as u64);
        stats.failed_partitions.set(self.ledger.partitions(Flow::is_stopped).len() as u64);
        let all_paused = self.ingest.is_paused();
        stats.paused_partitions.set(self.ledger.partitions(|flow| all_paused || flow.is_paused()).len() as u64);
        stats.at_end.set(self.ledger.len() as u64, self.is_at_end());
        let silent_ns = self.deliver.silent_ns::<RecordOf<T>>(now_ns);
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
