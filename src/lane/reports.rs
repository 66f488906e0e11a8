//! How threads tell the conductor that they cannot go on, and that they have ended.

use std::sync::Arc;

use crossbeam::channel::Sender;

use crate::error::{Fatal, exit};
use crate::observe::stats::LaneStats;

/// What the lanes' threads report.
pub(super) enum Report {
    /// Why the lane cannot go on. Its clients are still there.
    Failed { name: String, fatal: Fatal },
    /// The thread's last word, and whether the lane drained and left its group in order. `None`: the thread that serves all
    /// lanes.
    Ended { lane: Option<usize>, in_order: bool },
}

/// A thread's way to the conductor.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) name: Arc<str>,
    pub(super) stats: Option<Arc<LaneStats>>,
    pub(super) sender: Sender<Report>,
}

impl Reporter {
    /// From here on the lane is not ready, and the conductor knows why. The first word counts.
    pub(super) fn fails(&self, fatal: &Fatal) {
        self.stats.iter().for_each(|stats| stats.fails(&fatal.what));
        // Nobody listens any more when the conductor is gone.
        let _ = self.sender.send(Report::Failed { name: self.name.to_string(), fatal: fatal.clone() });
    }
}

/// Reports the thread's end, whichever way it ends.
pub(super) struct LastWord {
    pub(super) lane: Option<usize>,
    pub(super) reporter: Reporter,
    pub(super) result: Option<Result<bool, Fatal>>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        let panicked = || {
            Err(Fatal::new(
                exit::INTERNAL,
                format!("thread {} panicked", self.reporter.name),
                "this is a bug: please report it",
            ))
        };
        let result = self.result.take().unwrap_or_else(panicked);
        let in_order = result.inspect_err(|fatal| self.reporter.fails(fatal)).unwrap_or(false);
        let _ = self.reporter.sender.send(Report::Ended { lane: self.lane, in_order });
    }
}
