//! A node beside its caller.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Fatal, exit};
use crate::lane::threads::Conductor;
use crate::observe::admin::{AdminServer, ModelInfo};
use crate::observe::stats::LaneStats;

/// A node whose conductor has a thread of its own.
pub struct RunningNode {
    stats: Vec<Arc<LaneStats>>,
    model: ModelInfo,
    conductor: Conductor,
    _admin: Option<AdminServer>,
}

impl RunningNode {
    pub(super) fn new(
        stats: Vec<Arc<LaneStats>>,
        model: ModelInfo,
        conductor: Conductor,
        admin: Option<AdminServer>,
    ) -> RunningNode {
        RunningNode { stats, model, conductor, _admin: admin }
    }

    /// The model that scores.
    pub fn model(&self) -> &ModelInfo {
        &self.model
    }

    pub fn stats(&self) -> &[Arc<LaneStats>] {
        &self.stats
    }

    /// Waits until the lanes own `partitions` together.
    ///
    /// # Errors
    /// The node's failure, or [`exit::UNAVAILABLE`] when that takes longer than `deadline`.
    #[expect(clippy::disallowed_methods, reason = "whoever started the node waits, on a thread of theirs")]
    pub fn wait_until_assigned(&self, partitions: u64, deadline: Duration) -> Result<(), Fatal> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        for _ in 0..deadline.as_millis() / LOOK_EVERY.as_millis() {
            if let Some(fatal) = self.failure() {
                return Err(fatal);
            }
            if self.stats.iter().map(|stats| stats.assigned_partitions.get()).sum::<u64>() >= partitions {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let what = format!("the group did not hand over {partitions} partitions within {deadline:?}");
        Err(Fatal::new(exit::UNAVAILABLE, what, "try again; with --log-level info the log says how far it got"))
    }

    /// Why the node ended, if it did.
    pub fn failure(&self) -> Option<Fatal> {
        self.conductor.failure()
    }

    /// Drains and ends the node. Returns whether everything taken in was finished and committed.
    ///
    /// # Errors
    /// The first fatal error of a lane.
    pub fn finish(self) -> Result<bool, Fatal> {
        self.conductor.finish()
    }
}
