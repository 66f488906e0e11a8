//! What a lane shows to readers, a few times a second: how its partitions stand, how long it is since something came.

use crate::edge::{Clock, Delivery, PartitionLag, Scorer, Sink, Source};
use crate::observe::doing::Doing;
use crate::observe::stats::{PartitionState, ShownPartition};
use crate::pipeline::lane::Lane;
use crate::pipeline::slots::{Phase, Slot, Waiting};

/// What is shown beside what the lane holds.
#[derive(Debug, Default)]
pub struct Shown {
    /// Partitions of a session that is over, with the last numbers known: an alarm on a lag must not fall silent just then.
    pub(super) lost: Vec<PartitionLag>,
}

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// Partitions that are being lost, while the source still knows their numbers.
    pub(super) fn keep_showing(&mut self, partitions: &[i32]) {
        for &partition in partitions {
            self.shown.lost.retain(|lag| lag.partition != partition);
            self.shown.lost.push(self.source.lag(partition));
        }
    }

    /// Shows the lane's state to readers. A few times a second.
    pub(super) fn publish(&mut self, now_ns: u64) {
        self.count_open();
        self.intake.tell(&self.stats);
        self.show_held_up();
        let contact = self.source.contact();
        let stats = &self.stats;
        stats.note_contact(contact, now_ns / 1_000_000);
        stats.assigned_partitions.set(self.slots.len() as u64);
        stats.failed_partitions.set(self.slots.partitions(Phase::Failed).len() as u64);
        let paused = self.slots.iter().filter(|slot| self.gate.is_paused() || slot.waiting == Waiting::Paused).count();
        stats.paused_partitions.set(paused as u64);
        let at_end = self.is_at_end();
        stats.at_end.store(at_end, std::sync::atomic::Ordering::Relaxed);
        let stalled_ns = now_ns.saturating_sub(self.silent_since_ns);
        let stalled = self.sink.in_flight() > 0 && stalled_ns > 1_000_000_000;
        let since_ms = self.clock.wall_us() / 1_000 - i64::try_from(stalled_ns / 1_000_000).unwrap_or(0);
        stats.sink_stalled_since_ms.set(if stalled { since_ms.max(1).unsigned_abs() } else { 0 });
        stats.doing.set(Doing::Consumer);
        if let Ok(mut shown) = stats.partitions.try_lock() {
            shown.clear();
            let is_held_up = self.gate.is_paused();
            for slot in self.slots.iter() {
                shown.push(ShownPartition { lag: self.source.lag(slot.partition), state: state(slot, is_held_up) });
            }
            shown.extend(self.shown.lost.iter().map(|&lag| ShownPartition { lag, state: PartitionState::Lost }));
        }
    }
}

fn state(slot: &Slot, is_held_up: bool) -> PartitionState {
    match slot.phase {
        Phase::Failed => PartitionState::Failed,
        Phase::Revoking => PartitionState::Leaving,
        Phase::Flowing if is_held_up || slot.waiting == Waiting::Paused => PartitionState::Paused,
        Phase::Flowing => PartitionState::Flowing,
    }
}
