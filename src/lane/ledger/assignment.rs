//! One assignment of one partition: what was received, what is finished, what was asked of the group and what it confirmed.
//! When the partition comes back after a rebalance or goes back after a failed delivery, it gets a new assignment, so that
//! late acknowledgements of the old one can never count for the new.

use std::sync::Arc;

use super::acks::AckTracker;
use super::fate::Fate;
use super::held::Open;
use crate::doors::{Progress, Stop};
use crate::failpoint::{Bug, planted};
use crate::lane::state::machine::Machine;
use crate::values::record::Position;

/// Whether records of an assignment are taken in. `docs/design.md` draws it.
#[derive(Clone, Debug)]
pub enum Flow {
    Flowing,
    /// A record waits for its schema, whose answer is on its way, since then (ns): what comes is parked behind it.
    Parking {
        since_ns: u64,
    },
    /// The same, and the source is paused; since then by the wall clock, microseconds.
    Paused {
        since_us: i64,
    },
    /// The group wants the partition back: nothing more is taken in, and it leaves when it is drained and committed.
    Revoking,
    /// It stopped with an alarm, at that time by the wall clock (microseconds). It stays assigned, so that nobody else runs
    /// into the same wall.
    Stopped {
        stop: Arc<Stop>,
        since_us: i64,
    },
}

impl Machine for Flow {
    const NAMES: &'static [&'static str] = &["Flowing", "Parking", "Paused", "Revoking", "Stopped"];
    const STEPS: &'static [(&'static str, &'static str)] = &[
        ("Flowing", "Parking"),
        ("Parking", "Flowing"),
        ("Parking", "Paused"),
        ("Paused", "Flowing"),
        ("Flowing", "Revoking"),
        ("Parking", "Revoking"),
        ("Paused", "Revoking"),
        ("Stopped", "Revoking"),
        ("Flowing", "Stopped"),
        ("Parking", "Stopped"),
        ("Paused", "Stopped"),
    ];

    fn name(&self) -> &'static str {
        match self {
            Flow::Flowing => "Flowing",
            Flow::Parking { .. } => "Parking",
            Flow::Paused { .. } => "Paused",
            Flow::Revoking => "Revoking",
            Flow::Stopped { .. } => "Stopped",
        }
    }
}

impl Flow {
    /// Records are taken in, or will be when their schema is there.
    pub fn is_open(&self) -> bool {
        !matches!(self, Flow::Revoking | Flow::Stopped { .. })
    }

    pub fn is_paused(&self) -> bool {
        matches!(self, Flow::Paused { .. })
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self, Flow::Stopped { .. })
    }
}

/// What the group was asked for and what it said: the highest offset of each; negative before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commits {
    pub(super) requested: i64,
    pub(super) confirmed: i64,
}

impl Commits {
    /// Committed once even before the first record, so that a new group's start cannot move.
    pub(super) const NONE: Commits = Commits { requested: -1, confirmed: -1 };

    pub(super) fn all_at(offset: i64) -> Commits {
        Commits { requested: offset, confirmed: offset }
    }
}

/// Where the source reads.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Records below this were received before; the source never hands one out twice within an assignment.
    next: i64,
    /// Where the source was sent over records that were removed unread.
    jumped_to: Option<i64>,
    /// Bounded runs: the source has shown the end up to this offset.
    end: Option<i64>,
    /// Records were taken from the source and forgotten: its position says nothing about progress any more.
    forgot: bool,
}

#[derive(Debug)]
pub struct Assignment {
    id: u32,
    partition: i32,
    flow: Flow,
    acks: AckTracker,
    pub(super) commits: Commits,
    reading: Reading,
    /// The offset it began at.
    start: i64,
    /// Failed deliveries since the last progress, when it began.
    failures: u32,
}

impl Assignment {
    pub(super) fn new(id: u32, at: Progress) -> Assignment {
        Assignment {
            id,
            partition: at.partition,
            flow: Flow::Flowing,
            acks: AckTracker::new(at.offset),
            commits: Commits::NONE,
            reading: Reading { next: at.offset, jumped_to: None, end: None, forgot: false },
            start: at.offset,
            failures: 0,
        }
    }

    /// It goes on in place of another one.
    pub(super) fn carry_on(&mut self, flow: Flow, commits: Commits, failures: u32) {
        (self.flow, self.commits, self.failures) = (flow, commits, failures);
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    pub fn partition(&self) -> i32 {
        self.partition
    }

    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Whether a record is taken in: those that were received before, and those of a partition that does not flow, come
    /// again where they belong.
    pub fn takes(&self, at: Position) -> bool {
        self.flow.is_open() && at.offset >= self.reading.next
    }

    pub(super) fn receive(&mut self, at: Position, bytes: usize) -> u64 {
        self.reading.next = at.offset + 1;
        self.acks.receive(at.offset, bytes)
    }

    /// Notes what will be sent for a record, before the first of its outcomes is handed over.
    pub fn announce(&mut self, sequence: u64, outcomes: u8, fate: Fate) {
        self.acks.announce(sequence, outcomes, fate);
    }

    /// A record whose outcomes are announced already ends otherwise.
    pub fn change_fate(&mut self, sequence: u64, fate: Fate) {
        self.acks.change_fate(sequence, fate);
    }

    pub(super) fn acknowledge(&mut self, sequence: u64) -> Option<Fate> {
        self.acks.acknowledge(sequence)
    }

    /// Where the record of an outcome is found, and what it was to end as; `None` where it is gone.
    pub fn announced(&self, sequence: u64) -> Option<(Position, Fate)> {
        let (offset, fate) = self.acks.announced(sequence)?;
        Some((Position { partition: self.partition, offset }, fate))
    }

    /// Records received and not finished.
    pub fn open(&self) -> usize {
        self.acks.open()
    }

    pub(super) fn load(&self) -> Open {
        Open { records: self.acks.open(), bytes: self.acks.open_bytes() }
    }

    /// What the group may be told: everything below is finished.
    pub(super) fn committable(&self) -> i64 {
        if planted(Bug::CommitBeforeAck) {
            return self.reading.next;
        }
        self.acks.committable() + i64::from(planted(Bug::OffsetOffByOne))
    }

    /// The progress that the group was not told of.
    pub(super) fn unrequested(&self) -> Option<Progress> {
        let offset = self.committable();
        (offset > self.commits.requested).then_some(Progress { partition: self.partition, offset })
    }

    /// Where it goes on when what is unfinished is done again: everything before is finished.
    pub fn finished_to(&self) -> Progress {
        Progress { partition: self.partition, offset: self.acks.committable() }
    }

    /// Nothing of it is under way, and the broker knows.
    pub fn is_settled(&self) -> bool {
        self.acks.open() == 0 && self.commits.confirmed >= self.acks.committable()
    }

    /// The group has this progress, or more.
    pub fn has_committed(&self, offset: i64) -> bool {
        self.commits.confirmed >= offset
    }

    /// Where the group has this partition, as far as this assignment knows; where it began if it committed nothing.
    pub fn last_commit(&self) -> Progress {
        let offset = if self.commits.confirmed >= 0 { self.commits.confirmed } else { self.start };
        Progress { partition: self.partition, offset }
    }

    /// What the commits of its successor are, which begins where the group stands.
    pub(super) fn commits_at(&self, at: Progress) -> Commits {
        let has_committed = self.commits.confirmed >= 0 || at.offset != self.start;
        if has_committed { Commits::all_at(at.offset) } else { Commits::NONE }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Failed deliveries in a row, counting the one that ends this assignment. Neighbours that arrived are no progress:
    /// only what moved the contiguous prefix is.
    pub(super) fn failures_with_this_one(&self) -> u32 {
        if self.acks.committable() > self.start { 1 } else { self.failures.saturating_add(1) }
    }

    /// The source stands at `position`. Moves past what is no record, when all the source handed out was received
    /// and is finished.
    pub(super) fn pass_markers(&mut self, position: Option<i64>) {
        let Some(position) = position.max(self.reading.jumped_to) else { return };
        if !self.flow.is_open() || self.reading.forgot {
            return;
        }
        // librdkafka counts the event that tells a partition's end like a record, and stands one too far then.
        let end = self.reading.end.filter(|&end| self.reading.next <= end);
        self.acks.pass_markers(end.map_or(position, |end| position.min(end)));
    }

    /// A bounded run has seen everything of the partition up to here.
    pub fn see_end(&mut self, offset: i64) {
        self.reading.end = Some(offset);
    }

    /// Whether that is at or behind `end`.
    pub(super) fn has_seen(&self, end: i64) -> bool {
        self.reading.end.is_some_and(|at| at >= end)
    }

    /// The source was sent over records that were removed unread.
    pub fn jump(&mut self, to: i64) {
        self.reading.jumped_to = Some(to);
        // The end that was told before is not where the source stands now.
        self.reading.end = None;
    }

    /// Records that the source handed out were forgotten before they were received.
    pub fn forget_unread(&mut self) {
        self.reading.forgot = true;
    }

    pub(super) fn forget_from(&mut self, sequence: u64) -> usize {
        self.reading.forgot = true;
        self.acks.abandon_from(sequence)
    }

    /// A record waits for a schema; what comes is parked behind it.
    pub fn park(&mut self, since_ns: u64) {
        self.flow.go(Flow::Parking { since_ns });
    }

    /// The source is paused until the schema is there.
    pub fn pause(&mut self, since_us: i64) {
        self.flow.go(Flow::Paused { since_us });
    }

    /// Nothing waits for a schema any more. Returns whether the source was paused for it.
    pub fn flow_again(&mut self) -> bool {
        let was_paused = self.flow.is_paused();
        if self.flow.is_open() {
            self.flow.go(Flow::Flowing);
        }
        was_paused
    }

    /// The group wants it back.
    pub fn revoke(&mut self) {
        self.flow.go(Flow::Revoking);
    }

    /// It cannot go on.
    pub fn stop(&mut self, stop: Stop, since_us: i64) {
        self.flow.go(Flow::Stopped { stop: Arc::new(stop), since_us });
    }
}
