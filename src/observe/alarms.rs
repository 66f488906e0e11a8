//! What needs an operator though the process is ready, in words.

use super::cells::held;
use super::held_up::{lasted, one_line};
use super::state::AdminState;
use super::stats::LaneStats;

impl AdminState {
    /// All alarms, those that stop something first. Each is one line: what, since when, and the way out.
    pub fn alarms(&self) -> Vec<String> {
        let (topic, now_ms) = (self.topics.input(), self.wall_ms());
        let mut alarms = Vec::new();
        for stats in &self.lanes {
            let held_up = held(&stats.held_up);
            alarms.extend(held_up.stopped.iter().map(|stopped| stopped.alarm(topic, now_ms)));
        }
        for stats in &self.lanes {
            let held_up = held(&stats.held_up);
            alarms.extend(held_up.waiting.iter().map(|waiting| waiting.alarm(topic, now_ms)));
        }
        alarms.extend(self.registry.as_ref().and_then(|registry| registry.alarm(now_ms)));
        let has = |partition| {
            self.lanes.iter().any(|stats| held(&stats.partitions).iter().any(|of| of.lag.partition == partition))
        };
        alarms.extend(self.crashes.as_ref().and_then(|crashes| crashes.alarm(topic, has)));
        let each = |of_lane: &dyn Fn(&LaneStats) -> Option<String>| -> Vec<String> {
            let lanes = self.lanes.iter().enumerate();
            lanes.filter_map(|(lane, stats)| Some(format!("lane {lane}: {}", of_lane(stats)?))).collect()
        };
        alarms.extend(each(&|stats| self.model_paused(stats)));
        alarms.extend(each(&|stats| self.falls_back(stats)));
        alarms.extend(each(&|stats| self.intake_paused(stats)));
        alarms.extend(held(&self.dead_letter_share).alarm.clone());
        alarms.extend(each(&|stats| {
            let count = Some(stats.copies_refused.get()).filter(|count| *count > 0)?;
            Some(format!("the broker refused {count} copies for review for good; the log has the reason"))
        }));
        alarms.extend(self.challengers.iter().flat_map(|of| of.alarms(self.now_ms())));
        // The lanes read the same schemas.
        for stats in &self.lanes {
            let of_lane = held(&stats.schema_alarms);
            let of_lane = of_lane.iter().map(|alarm| one_line(alarm)).filter(|alarm| !alarms.contains(alarm));
            alarms.extend(of_lane.collect::<Vec<_>>());
        }
        alarms
    }

    fn intake_paused(&self, stats: &LaneStats) -> Option<String> {
        let since_ms = i64::try_from(stats.intake_paused_since_ms.get()).ok().filter(|since| *since > 0)?;
        Some(format!(
            "intake has been paused for {}: {} records and {} bytes wait for the brokers to acknowledge outcomes \
             (limits.in_flight_records_max = {}, limits.in_flight_bytes_max = {}); check the output topics' brokers",
            lasted(since_ms, self.wall_ms()),
            stats.in_flight_records.get(),
            stats.in_flight_bytes.get(),
            self.limits.in_flight_records_max,
            self.limits.in_flight_bytes_max
        ))
    }

    fn model_paused(&self, stats: &LaneStats) -> Option<String> {
        let since_ms = i64::try_from(stats.model_paused_since_ms.get()).ok().filter(|since| *since > 0)?;
        Some(format!(
            "the lane has been standing still for {}: its model gives no scores, and fallback.then says \"pause\"; the log \
             has the model's words",
            lasted(since_ms, self.wall_ms())
        ))
    }

    fn falls_back(&self, stats: &LaneStats) -> Option<String> {
        let since_ms = i64::try_from(stats.fallback_since_ms.get()).ok().filter(|since| *since > 0)?;
        let steps = stats.fallbacks_by_step().filter(|(_, decisions)| *decisions > 0);
        let steps: Vec<String> = steps.map(|(step, decisions)| format!("{step} {decisions}")).collect();
        Some(format!(
            "the model has scored nothing for {}, and the fallback decides (decisions since start: {}); the log has the \
             model's words",
            lasted(since_ms, self.wall_ms()),
            if steps.is_empty() { "none".to_owned() } else { steps.join(", ") }
        ))
    }
}
