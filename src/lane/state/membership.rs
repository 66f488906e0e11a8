//! The lane as a member of its group: what is asked back, and whether its partitions may have been lost unawares.

use super::control::Control;
use super::machine::Machine;
use super::stall_guard::StallGuard;
use crate::values::settings::OutOfRange;

/// Where the lane stands in its group. `docs/design.md` draws it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has what the ledger holds; that may be nothing.
    Owning,
    /// The group waits for these partitions.
    Revoking { partitions: Vec<i32>, since_ns: u64, deadline_ns: u64 },
    /// It has left.
    Gone,
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Owning", "Revoking", "Gone"];
    const STEPS: &'static [(&'static str, &'static str)] =
        &[("Owning", "Revoking"), ("Revoking", "Owning"), ("Owning", "Gone"), ("Revoking", "Gone")];

    fn name(&self) -> &'static str {
        match self {
            State::Owning => "Owning",
            State::Revoking { .. } => "Revoking",
            State::Gone => "Gone",
        }
    }
}

/// The lane as a member of its group.
#[derive(Debug)]
pub struct Membership {
    state: State,
    guard: StallGuard,
    out_of_range: OutOfRange,
    next_wake_ns: u64,
    /// What an operator asks of its partitions.
    pub(in crate::lane) control: Control,
}

impl Membership {
    pub(in crate::lane) fn new(out_of_range: OutOfRange) -> Membership {
        let (guard, control) = (StallGuard::default(), Control::default());
        Membership { state: State::Owning, guard, out_of_range, next_wake_ns: 0, control }
    }

    pub(in crate::lane) fn is_revoking(&self) -> bool {
        matches!(self.state, State::Revoking { .. })
    }

    pub(in crate::lane) fn out_of_range(&self) -> OutOfRange {
        self.out_of_range
    }

    /// Whether the partitions may have been lost unawares.
    pub(in crate::lane) fn is_in_doubt(&mut self, now_ns: u64) -> bool {
        self.guard.is_in_doubt(now_ns)
    }

    /// The same, with every cycle.
    pub(in crate::lane) fn stays_in_doubt(&mut self, now_ns: u64, still_owns: impl FnOnce() -> bool) -> bool {
        self.guard.stays_in_doubt(now_ns, still_owns)
    }

    pub(in crate::lane) fn state(&self) -> &State {
        &self.state
    }

    /// The group asks for partitions back, and waits until then.
    pub(in crate::lane) fn revoke(&mut self, partitions: Vec<i32>, since_ns: u64, deadline_ns: u64) {
        self.state.go(State::Revoking { partitions, since_ns, deadline_ns });
    }

    /// What was asked back goes. Returns the partitions.
    pub(in crate::lane) fn give_back(&mut self) -> Vec<i32> {
        let State::Revoking { partitions, .. } = self.state.clone() else { return Vec::new() };
        self.state.go(State::Owning);
        partitions
    }

    /// Whether the source is to be kept awake now; the next time comes so much later.
    pub(in crate::lane) fn is_wake_due(&mut self, now_ns: u64, every_ns: u64) -> bool {
        let is_due = now_ns >= self.next_wake_ns;
        if is_due {
            self.next_wake_ns = now_ns + every_ns;
        }
        is_due
    }

    /// The lane has left.
    pub(in crate::lane) fn leave(&mut self) {
        self.state.go(State::Gone);
    }

    /// The group waits for these no more: they are lost.
    pub(in crate::lane) fn forget(&mut self, lost: &[i32]) {
        let State::Revoking { partitions, .. } = &mut self.state else { return };
        partitions.retain(|partition| !lost.contains(partition));
        if partitions.is_empty() {
            self.state.go(State::Owning);
        }
    }
}
