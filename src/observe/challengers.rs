//! What challengers tell: counts, and the comparison with the champion so far.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Value, json};

use super::cells::{Counter, Mark, held};
use crate::compare::Comparison;
use crate::error::Reject;
use crate::values::challenge::SCHEMA_NOT_THERE;
use crate::values::limits::CHALLENGER_HANGS;

/// One challenger on one lane.
#[derive(Debug, Default)]
pub struct ChallengerStats {
    /// Written by the lane: records that were sampled, and those of them that the queue had no room for.
    pub sampled: Counter,
    pub shed: Counter,
    /// Written by the challenger's thread, as is all that follows: records that it gave no score for, by [`Reject::index`].
    pub failed: [Counter; Reject::REASONS],
    /// Those whose schema was not there.
    pub without_schema: Counter,
    /// Rows that the broker has, and rows that were given up.
    pub written: Counter,
    pub lost: Counter,
    /// Monotonic milliseconds since when it has been at a block of records; 0: it waits for one.
    pub busy_since_ms: Mark,
    /// Blocks that it has finished.
    pub blocks: Counter,
    /// What both have scored.
    pub comparison: Mutex<Comparison>,
    /// Why it has ended before its lane.
    pub failure: Mutex<Option<String>>,
}

/// A challenger as the endpoints show it.
#[derive(Clone, Debug)]
pub struct ShownChallenger {
    pub package: ChallengerInfo,
    /// One for each lane.
    pub lanes: Vec<Arc<ChallengerStats>>,
}

/// The package of a challenger, as it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChallengerInfo {
    /// As the configuration names it.
    pub name: String,
    pub model: String,
    pub version: String,
    pub sha256: String,
    pub provider: String,
    pub sample_per_million: u32,
    /// How much the heap grew when its sessions were loaded.
    pub native_bytes: u64,
}

impl ChallengerStats {
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().chain([&self.without_schema]).map(Counter::get).sum()
    }

    /// For how long it has been at one block, where that is longer than it may.
    fn hangs_ms(&self, now_ms: u64) -> Option<u64> {
        let since_ms = self.busy_since_ms.get();
        let busy_ms = (since_ms > 0).then(|| now_ms.saturating_sub(since_ms))?;
        (u128::from(busy_ms) > CHALLENGER_HANGS.as_millis()).then_some(busy_ms)
    }
}

impl ShownChallenger {
    /// Of all lanes together.
    pub fn comparison(&self) -> Comparison {
        let mut all = Comparison::new();
        for lane in &self.lanes {
            let part = held(&lane.comparison).clone();
            all.merge(part);
        }
        all
    }

    pub fn sum(&self, of: impl Fn(&ChallengerStats) -> u64) -> u64 {
        self.lanes.iter().map(|lane| of(lane)).sum()
    }

    /// Records that it gave no score for, by reason; those that occurred.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let of = |reject: Reject| (reject.reason(), self.sum(|lane| lane.failed[reject.index()].get()));
        let without_schema = (SCHEMA_NOT_THERE, self.sum(|lane| lane.without_schema.get()));
        Reject::ALL.into_iter().map(of).chain([without_schema]).filter(|(_, count)| *count > 0)
    }

    /// What an operator should look at. Nothing of it concerns the champion.
    pub fn alarms(&self, now_ms: u64) -> Vec<String> {
        let name = &self.package.name;
        let mut alarms = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            if let Some(why) = &*held(&lane.failure) {
                alarms.push(format!("challenger {name} of lane {number} has ended, and compares nothing more: {why}"));
            } else if let Some(ms) = lane.hangs_ms(now_ms) {
                let seconds = ms / 1_000;
                alarms.push(format!(
                    "challenger {name} of lane {number} has been at the same records for {seconds} s: further ones are left out"
                ));
            }
        }
        alarms
    }

    pub(super) fn shown(&self, now_ms: u64) -> Value {
        let comparison = self.comparison();
        let psi = comparison.psi_of_scores();
        let failed: serde_json::Map<String, Value> =
            self.failures().map(|(reason, count)| (reason.to_owned(), count.into())).collect();
        json!({
            "name": self.package.name,
            "model": self.package.model,
            "version": self.package.version,
            "sha256": self.package.sha256,
            "sample_per_million": self.package.sample_per_million,
            "sampled": self.sum(|lane| lane.sampled.get()),
            "shed": self.sum(|lane| lane.shed.get()),
            "compared": comparison.compared(),
            "failed": failed,
            "rows_written": self.sum(|lane| lane.written.get()),
            "rows_lost": self.sum(|lane| lane.lost.get()),
            "differing_bits": comparison.differing(),
            "agreement": comparison.agreement(),
            "flips_stricter": comparison.stricter(),
            "flips_milder": comparison.milder(),
            "difference_mean": comparison.mean_difference(),
            "difference_mean_absolute": comparison.mean_absolute_difference(),
            "difference_largest": comparison.difference_quantiles().map(|of| of.max),
            "psi_of_scores": psi.as_ref().map(|psi| psi.value),
            "psi_critical": psi.as_ref().map(|psi| psi.critical),
            "alarms": self.alarms(now_ms),
        })
    }
}
