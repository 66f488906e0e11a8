//! A process that stood still, stopped or starved, for longer than its session lasts has lost its partitions, and wakes up
//! with records in its client that another member has scored by then. The client hands those out before it knows: it hears
//! that its session is over from its clock or with its next heartbeat. So a lane that finds time gone looks at nothing new
//! for as long as that takes, its partitions paused, and asks its source then.

use super::machine::Machine;
use crate::values::limits::{HEARD_OF_LOSS, STOOD_STILL, nanoseconds};

/// Whether the partitions are the lane's, as far as it can know. `docs/design.md` draws it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Sure,
    /// The lane has been moving again since then, after it stood still.
    InDoubt { since_ns: u64 },
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Sure", "InDoubt"];
    const STEPS: &'static [(&'static str, &'static str)] = &[("Sure", "InDoubt"), ("InDoubt", "Sure")];

    fn name(&self) -> &'static str {
        match self {
            State::Sure => "Sure",
            State::InDoubt { .. } => "InDoubt",
        }
    }
}

#[derive(Debug, Default)]
pub(in crate::lane) struct StallGuard {
    state: State,
    /// When the lane was seen last.
    seen_ns: u64,
}

impl StallGuard {
    /// Notes that the lane moves, and answers whether its partitions may have been lost unawares.
    pub(in crate::lane) fn is_in_doubt(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.seen_ns) >= nanoseconds(STOOD_STILL) && self.seen_ns > 0 {
            tracing::warn!("the lane stood still for {} ms", now_ns.saturating_sub(self.seen_ns) / 1_000_000);
            self.state.go(State::InDoubt { since_ns: now_ns });
        }
        self.seen_ns = now_ns;
        self.state != State::Sure
    }

    /// The same, with every cycle; `still_owns` is asked where there is doubt, and may end it. If it does not, the loss of the
    /// lane's partitions comes with one of the next polls.
    pub(in crate::lane) fn stays_in_doubt(&mut self, now_ns: u64, still_owns: impl FnOnce() -> bool) -> bool {
        if !self.is_in_doubt(now_ns) {
            return false;
        }
        if let State::InDoubt { since_ns } = self.state
            && now_ns.saturating_sub(since_ns) >= nanoseconds(HEARD_OF_LOSS)
            && still_owns()
        {
            self.state.go(State::Sure);
        }
        self.state != State::Sure
    }
}
