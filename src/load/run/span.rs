//! How long a run sends, and what of it counts.

use crate::load::run::plan::LoadPlan;
use crate::load::send::schedule::Arrival;
use crate::load::simulate::payloads::Pool;

/// When sending starts to count and when it ends.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub arrival: Arrival,
    pub measure_from_ns: u64,
    pub until_ns: u64,
    pub count_max: u64,
    pub rows_max: u64,
}

impl Span {
    pub fn of(plan: &LoadPlan, pool: &Pool) -> Span {
        let rows_max = if pool.repeat { u64::MAX } else { pool.len() as u64 };
        match plan.preload {
            Some(count) => {
                Span { arrival: Arrival::AtOnce, measure_from_ns: 0, until_ns: u64::MAX, count_max: count, rows_max }
            }
            None => Span {
                arrival: plan.arrival,
                measure_from_ns: plan.warm_up.as_nanos() as u64,
                until_ns: (plan.warm_up + plan.duration).as_nanos() as u64,
                count_max: u64::MAX,
                rows_max,
            },
        }
    }

    /// About how many records, for sizing tables.
    pub fn expected(&self, plan: &LoadPlan) -> u64 {
        let by_time = self.until_ns as f64 / 1e9 * plan.rate * 1.05;
        (by_time as u64).min(self.count_max).min(self.rows_max.saturating_add(self.rows_max / 8)).min(1 << 32)
    }

    /// How much of it is over.
    pub fn share(&self, elapsed_ns: u64, sent: u64) -> f64 {
        let by_count = sent as f64 / self.count_max.min(self.rows_max) as f64;
        if self.until_ns == u64::MAX { by_count } else { by_count.max(elapsed_ns as f64 / self.until_ns as f64) }
    }
}
