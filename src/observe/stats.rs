//! Counters of one lane: written by its thread with plain relaxed stores, read by anyone. They partition the input:
//! `received = scored + rejected + handed_back + in_flight`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::edge::{Complaint, Contact, PartitionLag, Progress};
use crate::error::Reject;
use crate::observe::doing::LastStep;
use crate::observe::held_up::HeldUp;
use crate::observe::latency::SharedTimes;
use crate::observe::reject_examples::RejectExamples;
use crate::record::{Decision, ReviewReason};

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One writer, so a load and a store do: no locked instruction on the record's way.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub fn raise_to(&self, n: u64) {
        if n > self.0.load(Relaxed) {
            self.set(n);
        }
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How a partition of a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionState {
    Flowing,
    /// Nothing is taken in: at a limit, or a schema is waited for.
    Paused,
    /// The group has asked for it: what was taken in is being finished.
    Leaving,
    /// Stopped with an alarm.
    Failed,
    /// The session is over: another member may own it. Its numbers are the last ones known, until this lane is a member
    /// again.
    Lost,
}

impl PartitionState {
    pub const ALL: [PartitionState; 5] = [
        PartitionState::Flowing,
        PartitionState::Paused,
        PartitionState::Leaving,
        PartitionState::Failed,
        PartitionState::Lost,
    ];

    /// Metric label and word in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            PartitionState::Flowing => "flowing",
            PartitionState::Paused => "paused",
            PartitionState::Leaving => "leaving",
            PartitionState::Failed => "failed",
            PartitionState::Lost => "lost",
        }
    }
}

/// A partition as readers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownPartition {
    pub lag: PartitionLag,
    pub state: PartitionState,
}

/// Whoever panicked with it left a whole value behind.
pub fn held<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything a lane tells about itself.
#[derive(Debug, Default)]
pub struct LaneStats {
    /// Records taken from the source.
    pub received: Counter,
    /// Records whose score was acknowledged by the broker.
    pub scored: Counter,
    /// Records whose dead letter was acknowledged, by [`Reject::index`].
    pub rejected: [Counter; Reject::REASONS],
    /// Records given back unfinished: revoked, lost or rewound. They will be received again, here or elsewhere.
    pub handed_back: Counter,
    /// Records received whose outcomes are not all acknowledged or, exactly-once, not committed.
    pub in_flight_records: Counter,
    pub in_flight_bytes: Counter,
    /// Decisions made, by [`Decision::index`] (counted when handed to the sink).
    pub decisions: [Counter; Decision::ALL.len()],
    /// Review copies made, by [`ReviewReason::index`].
    pub reviews: [Counter; ReviewReason::ALL.len()],
    /// Copies for review that the broker refuses for good.
    pub copies_refused: Counter,
    pub late: Counter,
    pub batches: Counter,
    pub batch_rows: Counter,
    pub batch_rows_max: Counter,
    /// Batches that failed in the model and were retried row by row.
    pub model_failures: Counter,
    /// Times the lane stopped its intake because a limit was reached.
    pub backpressure_stalls: Counter,
    /// Partitions paused now, for whatever reason.
    pub paused_partitions: Counter,
    pub assigned_partitions: Counter,
    /// Partitions that stopped with an alarm.
    pub failed_partitions: Counter,
    pub rebalances: Counter,
    pub commits: Counter,
    pub commit_failures: Counter,
    /// Exactly-once: new producers under the lane's name, because the one before was in doubt or broken.
    pub producers_replaced: Counter,
    pub delivery_failures: Counter,
    /// Longest way of a batch since start, nanoseconds: from the first look at its first record to the hand-over of its
    /// last outcome. Where the lane calls its model itself this is its longest duty cycle.
    pub duty_cycle_ns_max: Counter,
    /// Monotonic milliseconds of the last finished duty cycle, for the watchdog.
    pub last_cycle_ms: Counter,
    /// The step it began last, for the watchdog.
    pub doing: LastStep,
    /// Monotonic milliseconds since when the model's own thread has been at a batch; 0: it waits for one.
    pub model_busy_since_ms: Counter,
    /// The lane has joined its group (an empty assignment counts).
    pub joined: AtomicBool,
    /// The lane has left in order, or for good.
    pub ended: AtomicBool,
    /// Why the lane cannot go on, from the moment it knows: its clients may still be there.
    pub failure: OnceLock<String>,
    /// Bounded runs: every assigned partition is finished up to its end.
    pub at_end: AtomicBool,
    /// Wall clock, milliseconds, since when no outcome is being acknowledged though some are in flight; 0: all well.
    pub sink_stalled_since_ms: Counter,
    /// Records whose writer's schema never gives something that the model asks for.
    pub incomplete_records: Counter,
    /// Schemas that cannot be used or never give something, in words.
    pub schema_alarms: Mutex<Vec<String>>,
    /// Monotonic milliseconds of the last time that something was heard from the group, as one of its members; 0: never.
    pub group_contact_ms: Counter,
    /// The same of the last commit that the broker confirmed, and of the last record received.
    pub committed_ms: Counter,
    pub received_ms: Counter,
    /// What the source's client complains of, once there is a client.
    pub complaint: OnceLock<Arc<Complaint>>,
    /// Why there is nothing to read, as long as that holds.
    pub no_input: Mutex<Option<String>>,
    /// Offsets that were removed before they were read: a partition stopped at them, or went on behind them.
    pub records_lost: Counter,
    /// Partitions that are stopped, and those that wait for a schema.
    pub held_up: Mutex<HeldUp>,
    /// Wall clock, milliseconds, since when intake is paused at a limit; 0: it is not.
    pub intake_paused_since_ms: Counter,
    /// Where records are found that were rejected, one for each reason.
    pub reject_examples: RejectExamples,
    /// The group's offsets of the partitions that the lane had when it left, as far as it knows.
    pub left_at: Mutex<Vec<Progress>>,
    /// The lane's partitions, as of the last publication.
    pub partitions: Mutex<Vec<ShownPartition>>,
    pub times: SharedTimes,
}

impl LaneStats {
    /// What has taken longer than it may, at this monotonic time: a duty cycle, or the model's own thread with a batch.
    /// A lane that has not begun is not hung: it may still be warming its model.
    pub fn hung(&self, now_ms: u64, limit_ms: u64) -> Option<String> {
        let silent =
            |since_ms: u64| (since_ms > 0).then(|| now_ms.saturating_sub(since_ms)).filter(|ms| *ms > limit_ms);
        if let Some(ms) = silent(self.last_cycle_ms.get()) {
            return Some(format!("has finished no duty cycle for {ms} ms: it is {}", self.doing.get().words()));
        }
        silent(self.model_busy_since_ms.get()).map(|ms| format!("has had a batch at its model for {ms} ms"))
    }

    /// The lane cannot go on. Its first reason stays.
    pub fn fails(&self, why: &str) {
        self.failure.get_or_init(|| why.to_owned());
    }

    /// Notes what the source says of its group and its input.
    pub fn note_contact(&self, contact: Contact, now_ms: u64) {
        if let Some(ago) = contact.heard_ago {
            let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            self.group_contact_ms.raise_to(now_ms.saturating_sub(ago_ms));
            self.complaint.get().into_iter().for_each(|complaint| complaint.hear());
        }
        *held(&self.no_input) = contact.no_input;
    }

    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().map(Counter::get).sum()
    }
}
