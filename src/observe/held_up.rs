//! Partitions that are not read on, and those that wait: what the lane publishes, and the words for people.

use std::sync::Arc;
use std::time::Duration;

use crate::doors::Stop;

/// A partition that stopped with an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedPartition {
    pub partition: i32,
    /// Wall clock, milliseconds.
    pub since_ms: i64,
    pub stop: Arc<Stop>,
}

/// A partition whose records wait for a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPartition {
    pub partition: i32,
    pub since_ms: i64,
    /// Its id, GUID or fingerprint.
    pub schema: String,
    pub why: String,
}

/// Those of one lane, as of the last publication.
#[derive(Debug, Default)]
pub struct HeldUp {
    pub stopped: Vec<StoppedPartition>,
    pub waiting: Vec<WaitingPartition>,
}

/// A message and its fix in one line.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// How long something has lasted, to the second.
pub fn lasted(since_ms: i64, now_ms: i64) -> String {
    let seconds = u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

impl StoppedPartition {
    pub fn alarm(&self, topic: &str, now_ms: i64) -> String {
        let StoppedPartition { partition, since_ms, stop } = self;
        format!("{topic}-{partition} has been stopped for {}: {stop}", lasted(*since_ms, now_ms))
    }
}

impl WaitingPartition {
    pub fn alarm(&self, topic: &str, now_ms: i64) -> String {
        let WaitingPartition { partition, since_ms, why, .. } = self;
        let put = if why.contains("fix: ") { "" } else { ". Put its .avsc into schemas.directory" };
        format!("{topic}-{partition} has been waiting for a schema for {}: {why}{put}", lasted(*since_ms, now_ms))
    }

    pub fn lasted(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(now_ms.saturating_sub(self.since_ms)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_units_that_people_count_in() {
        for (ms, said) in [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min 0 s"), (7_260_000, "2 h 1 min"), (-5, "0 s")] {
            assert_eq!(lasted(1_000, 1_000 + ms), said);
        }
    }
}
