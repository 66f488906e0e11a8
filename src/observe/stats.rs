//! Counters of one lane: written by its thread with plain relaxed stores, read by anyone. They partition the input:
//! `received = scored + rejected + handed_back + in_flight`.

use std::sync::atomic::{AtomicBool, Ordering::Acquire};
use std::sync::{Arc, Mutex, OnceLock};

use crate::doors::{Complaint, Contact, PartitionLag, Progress};
use crate::error::Reject;
use crate::observe::cells::{AtEnd, Counter, Mark};
use crate::observe::doing::{Doing, LastStep};
use crate::observe::held_up::HeldUp;
use crate::observe::latency::{SharedTimes, StepTimes};
use crate::observe::reject_examples::RejectExamples;
use crate::observe::table::metrics;
use crate::values::record::{Decision, ReviewReason};

pub use crate::observe::cells::held;

/// Steps of a fallback at most.
pub const FALLBACK_STEPS_MAX: usize = 4;

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

impl ShownPartition {
    /// Records between the position and the end of the partition; `None` while either is unknown.
    pub fn lag_records(&self) -> Option<u64> {
        let PartitionLag { position, high_watermark, .. } = self.lag;
        let known = position >= 0 && high_watermark >= 0;
        known.then(|| u64::try_from(high_watermark - position).unwrap_or(0))
    }
}

macro_rules! lane_stats {
    (
        numbers { $(
            $number:ident: $number_kind:ident $number_help:literal
            $(#[$number_doc:meta])* in $counter:ident $(=> $place:literal $path:literal)?;
        )* }
        families { $(
            $family:ident: $family_kind:ident [$($label:ident)*] $family_help:literal
            $( $(#[$family_doc:meta])* in $field:ident: $type:ty $(=> $at:literal $way:literal by $show:ident)? )?;
        )* }
    ) => {
        /// Everything a lane tells about itself: the fields of [`super::table`] first. A field that counts is one of those,
        /// so it is shown.
        #[derive(Debug, Default)]
        pub struct LaneStats {
            $(
                #[doc = concat!($number_help, ".")]
                $(#[$number_doc])*
                pub $counter: Counter,
            )*
            $($(
                #[doc = concat!($family_help, ".")]
                $(#[$family_doc])*
                pub $field: $type,
            )?)*
            /// Monotonic milliseconds of the last finished duty cycle, for the watchdog.
            pub last_cycle_ms: Mark,
            /// The step it began last, for the watchdog.
            pub doing: LastStep,
            /// Monotonic milliseconds since when the model's own thread has been at a batch; 0: it waits for one.
            pub model_busy_since_ms: Mark,
            /// The lane has joined its group (an empty assignment counts).
            pub joined: AtomicBool,
            /// The lane has left in order, or for good.
            pub ended: AtomicBool,
            /// The steps of its fallback, as outputs name them.
            pub fallback_steps: OnceLock<Vec<String>>,
            /// Why the lane cannot go on, from the moment it knows: its clients may still be there.
            pub failure: OnceLock<String>,
            /// Bounded runs: whether every assigned partition is finished up to its end.
            pub at_end: AtEnd,
            /// Schemas that cannot be used or never give something, in words.
            pub schema_alarms: Mutex<Vec<String>>,
            /// What the source's client complains of, once there is a client.
            pub complaint: OnceLock<Arc<Complaint>>,
            /// Why there is nothing to read, as long as that holds.
            pub no_input: Mutex<Option<String>>,
            /// Partitions that are stopped, and those that wait for a schema.
            pub held_up: Mutex<HeldUp>,
            /// Wall clock, milliseconds, since when intake is paused at a limit; 0: it is not.
            pub intake_paused_since_ms: Mark,
            /// Where records are found that were rejected, one for each reason.
            pub reject_examples: RejectExamples,
            /// The group's offsets of the partitions that the lane had when it left, as far as it knows.
            pub left_at: Mutex<Vec<Progress>>,
            /// The lane's partitions, as of the last publication.
            pub partitions: Mutex<Vec<ShownPartition>>,
            pub times: SharedTimes,
        }
    };
}

metrics!(lane_stats);

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

    /// The steps of the fallback, and the decisions of each.
    pub fn fallbacks_by_step(&self) -> impl Iterator<Item = (&str, u64)> {
        let steps = self.fallback_steps.get().into_iter().flatten();
        steps.map(String::as_str).zip(self.fallbacks.iter().map(Counter::get))
    }

    /// Whether it is at its records themselves: it decodes them, or its model has them.
    pub fn is_at_record(&self) -> bool {
        matches!(self.doing.get(), Doing::Decoding | Doing::Model) || self.model_busy_since_ms.get() > 0
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

    /// Whether the lane has joined its group.
    pub fn has_joined(&self) -> bool {
        self.joined.load(Acquire)
    }

    /// Whether the lane has left, in order or for good.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }
}

/// All lanes' times together.
pub fn merged_times(lanes: &[Arc<LaneStats>]) -> StepTimes {
    let mut merged = StepTimes::default();
    // All are asked before one is waited for.
    lanes.iter().for_each(|lane| lane.times.ask());
    for lane in lanes {
        merged.add(&lane.times.total());
    }
    merged
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_counts_is_in_the_table_so_that_it_is_shown() {
        let mut fields = include_str!("stats.rs").lines().filter_map(|line| line.trim().strip_prefix("pub "));
        // Those of the table stand here as `$counter` and `$field`.
        let counts =
            |field: &&str| !field.starts_with('$') && [": Counter", "[Counter"].iter().any(|at| field.contains(at));
        let forgotten = fields.find(counts);
        assert_eq!(forgotten, None, "a counter that is not in table.rs");
    }
}
