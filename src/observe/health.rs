//! Whether the process lives and is ready, and why not.

use super::cells::held;
use super::state::AdminState;
use super::stats::LaneStats;

/// An answer of yes, or why not.
///
/// What makes a process unready is what another process of the group would not have: no model, no membership, no contact,
/// no acknowledgements. What is wrong with the data (a partition that is stopped or waits for a schema, many dead letters) is
/// an alarm and keeps it ready: it is the same wherever the partition goes, and would take every process out of rotation
/// one after the other, or hold up the rollout that mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub problems: Vec<String>,
}

impl Health {
    pub fn is_ready(&self) -> bool {
        self.problems.is_empty()
    }
}

impl AdminState {
    /// That a lane's group has been silent for too long, and what the client said of it.
    fn out_of_contact(&self, lane: usize, stats: &LaneStats) -> Option<String> {
        let silent = self.since(&stats.group_contact_ms).filter(|silent| *silent > self.contact_timeout)?;
        let ms = silent.as_millis();
        Some(format!("lane {lane}: nothing was heard from the group for {ms} ms{}", Self::complaint(stats)))
    }

    fn complaint(stats: &LaneStats) -> String {
        let words = stats.complaint.get().and_then(|complaint| complaint.text());
        words.map_or_else(String::new, |words| format!(": {words}"))
    }

    /// Whether every lane still turns. Kafka has no say in it: a restart does not mend a broker.
    pub fn liveness(&self) -> Health {
        let now_ms = self.now_ms();
        let turning = self.lanes.iter().enumerate().filter(|(_, stats)| !stats.has_ended());
        let limit_ms = u64::try_from(self.limits.watchdog_timeout.as_millis()).unwrap_or(u64::MAX);
        let hung =
            turning.filter_map(|(lane, stats)| stats.hung(now_ms, limit_ms).map(|what| format!("lane {lane} {what}")));
        Health { problems: hung.collect() }
    }

    /// Whether records are being scored and delivered, or would be if there were any.
    pub fn readiness(&self) -> Health {
        let mut problems = Vec::new();
        if !self.phase.is_warm() {
            problems.push("the model is not verified and warm yet".to_owned());
        }
        if self.phase.is_stopping() {
            problems.push("stopping".to_owned());
        }
        for (lane, stats) in self.lanes.iter().enumerate() {
            if let Some(why) = stats.failure.get() {
                problems.push(format!("lane {lane} cannot go on: {why}"));
            } else if stats.has_ended() {
                problems.push(format!("lane {lane} has ended"));
            } else if !stats.has_joined() {
                problems.push(format!("lane {lane} has not joined the group{}", Self::complaint(stats)));
            } else {
                problems.extend(self.out_of_contact(lane, stats));
                problems.extend(held(&stats.no_input).as_ref().map(|why| format!("lane {lane}: {why}")));
            }
            let stalled = self.lasts(&stats.sink_stalled_since_ms);
            if stalled > self.limits.sink_stall_unready {
                problems.push(format!("lane {lane}: no outcome acknowledged for {} ms", stalled.as_millis()));
            }
        }
        Health { problems }
    }
}
