//! How far the stop of a lane is.

use super::machine::Machine;

/// How far the lane's stop is. `docs/design.md` draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// Nothing more is taken in.
    Draining,
    /// The same, and a partition went before all that was taken in of it was finished.
    Unfinished,
    /// It has left.
    Closed,
}

impl Machine for State {
    const NAMES: &'static [&'static str] = &["Running", "Draining", "Unfinished", "Closed"];
    const STEPS: &'static [(&'static str, &'static str)] = &[
        ("Running", "Draining"),
        ("Draining", "Unfinished"),
        ("Running", "Closed"),
        ("Draining", "Closed"),
        ("Unfinished", "Closed"),
    ];

    fn name(&self) -> &'static str {
        match self {
            State::Running => "Running",
            State::Draining => "Draining",
            State::Unfinished => "Unfinished",
            State::Closed => "Closed",
        }
    }
}

/// The stop of a lane.
#[derive(Debug)]
pub struct Shutdown {
    state: State,
    /// Bounded runs: the end offset of each partition.
    until: Option<Vec<i64>>,
}

impl Shutdown {
    pub(in crate::lane) fn new(until: Option<Vec<i64>>) -> Shutdown {
        Shutdown { state: State::Running, until }
    }

    pub(in crate::lane) fn is_stopping(&self) -> bool {
        self.state != State::Running
    }

    /// Nothing more is taken in.
    pub(in crate::lane) fn drain(&mut self) {
        self.state.go(State::Draining);
    }

    /// The lane leaves. Returns whether every partition was finished before it went.
    pub(in crate::lane) fn close(&mut self) -> bool {
        let finished = self.state != State::Unfinished;
        self.state.go(State::Closed);
        finished
    }

    /// Bounded runs: the end offset of each partition.
    pub(in crate::lane) fn until(&self) -> Option<&[i64]> {
        self.until.as_deref()
    }

    /// An assignment went, finished and committed or not.
    pub(in crate::lane) fn left(&mut self, is_settled: bool) {
        if self.state == State::Draining && !is_settled {
            self.state.go(State::Unfinished);
        }
    }
}
