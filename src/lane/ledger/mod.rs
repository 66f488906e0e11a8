//! What a lane owns of its topic and how far that is finished. The one place that knows offsets: everybody else names an
//! assignment and a record's sequence number in it, and passes on whole [`Progress`].
//!
//! Invariants: a partition has one assignment at most; progress moves only over records that are acknowledged in full; what
//! was confirmed is at most what was requested, and that at most what is finished.

mod acks;
mod assignment;
mod fate;
mod held;
mod removed;

pub use assignment::{Assignment, Flow};
pub use fate::Fate;
pub use held::Held;

use self::assignment::Commits;
use self::held::Open;
use self::removed::Removed;
use super::places::Places;
use crate::doors::{Progress, Stop};
use crate::failpoint;
use crate::values::record::Tag;

/// Where a partition begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// At its own progress, after a failed delivery that `counts` or does not.
    OwnProgress { counts: bool },
    /// Where the group stands.
    AtCommitted(Progress),
    /// Where an operator moved it: it flows from there, whatever had stopped it.
    Moved(Progress),
}

/// A partition that begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarted {
    pub to: Progress,
    /// Records of the old assignment that were not finished.
    pub handed_back: u64,
    /// Failed deliveries in a row.
    pub failures: u32,
    /// Records are taken in again.
    pub is_open: bool,
    /// The source was paused for this partition alone.
    pub was_paused: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    assignments: Vec<Assignment>,
    next_id: u32,
    /// Index of the assignment found last: records and acknowledgements come partition by partition, mostly.
    last: usize,
    by_id: Places,
    by_partition: Places,
    /// Of all assignments.
    open: Open,
    removed: Removed,
}

impl Ledger {
    pub fn open(&mut self, at: Progress) {
        self.begin(at);
    }

    fn begin(&mut self, at: Progress) -> &mut Assignment {
        debug_assert!(!self.by_partition.has(at.partition.cast_unsigned()));
        let id = self.next_id;
        // Ids come round after a million assignments; none of those is still in flight by then.
        self.next_id = if id == Tag::ASSIGNMENT_MAX { 0 } else { id + 1 };
        self.by_id.set(id, self.assignments.len());
        self.by_partition.set(at.partition.cast_unsigned(), self.assignments.len());
        self.assignments.push(Assignment::new(id, at));
        self.assignments.last_mut().expect("pushed just now")
    }

    /// The partition is not the lane's any more.
    pub fn close(&mut self, partition: i32) -> Option<Assignment> {
        let closed = self.end(partition)?;
        failpoint::commit_late(partition, closed.commits.confirmed);
        Some(closed)
    }

    /// The lane leaves.
    pub fn clear(&mut self) {
        self.assignments.clear();
        self.by_id.clear();
        self.by_partition.clear();
        self.open = Open::default();
    }

    fn end(&mut self, partition: i32) -> Option<Assignment> {
        let index = self.by_partition.remove(partition.cast_unsigned())?;
        let ended = self.assignments.swap_remove(index);
        self.by_id.remove(ended.id());
        if let Some(moved) = self.assignments.get(index) {
            self.by_id.set(moved.id(), index);
            self.by_partition.set(moved.partition().cast_unsigned(), index);
        }
        self.open.change(ended.load(), Open::default());
        Some(ended)
    }

    /// The partition's assignment ends, and the next one begins. One that is asked back or that has stopped stays so; with
    /// `stops_again` it comes to where it stopped once more, and flows until then.
    pub fn restart(&mut self, partition: i32, restart: Restart, stops_again: bool) -> Option<Restarted> {
        let old = self.end(partition)?;
        let (to, commits, failures) = match restart {
            Restart::OwnProgress { counts: true } => (old.finished_to(), old.commits, old.failures_with_this_one()),
            Restart::OwnProgress { counts: false } => (old.finished_to(), old.commits, old.failures()),
            Restart::AtCommitted(to) => (to, old.commits_at(to), 0),
            Restart::Moved(to) if old.commits.confirmed == to.offset => (to, old.commits, 0),
            Restart::Moved(to) => (to, Commits::NONE, 0),
        };
        let was_paused = old.flow().is_paused() || old.flow().is_stopped();
        let flow = match old.flow() {
            Flow::Revoking => Flow::Revoking,
            Flow::Stopped { .. } if !stops_again && !matches!(restart, Restart::Moved(_)) => old.flow().clone(),
            _ => Flow::Flowing,
        };
        let (handed_back, is_open) = (old.open() as u64, flow.is_open());
        self.begin(to).carry_on(flow, commits, failures);
        Some(Restarted { to, handed_back, failures, is_open, was_paused })
    }

    /// Looks once for a run of neighbours.
    pub fn of_id(&mut self, id: u32) -> Option<Held<'_>> {
        if self.assignments.get(self.last).is_none_or(|assignment| assignment.id() != id) {
            self.last = self.by_id.get(id)?;
        }
        Some(Held::new(&mut self.assignments[self.last], &mut self.open))
    }

    /// The same by partition.
    pub fn of_partition(&mut self, partition: i32) -> Option<Held<'_>> {
        if self.assignments.get(self.last).is_none_or(|assignment| assignment.partition() != partition) {
            self.last = self.by_partition.get(partition.cast_unsigned())?;
        }
        Some(Held::new(&mut self.assignments[self.last], &mut self.open))
    }

    pub fn has(&self, id: u32) -> bool {
        self.by_id.has(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter()
    }

    /// Whose records may not be counted anew this way: that is what [`Ledger::of_id`] is for.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Assignment> {
        self.assignments.iter_mut()
    }

    pub fn len(&self) -> usize {
        self.assignments.len()
    }

    pub fn is_empty(&self) -> bool {
        self.assignments.is_empty()
    }

    /// Partitions whose flow is as asked.
    pub fn partitions(&self, is: impl Fn(&Flow) -> bool) -> Vec<i32> {
        let found = self.assignments.iter().filter(|assignment| is(assignment.flow()));
        found.map(Assignment::partition).collect()
    }

    /// All of them, in order.
    pub fn held(&self) -> Vec<i32> {
        let mut held = self.partitions(|_| true);
        held.sort_unstable();
        held
    }

    /// Records received and not finished, and their bytes.
    pub fn open_records(&self) -> usize {
        self.open.records
    }

    pub fn open_bytes(&self) -> usize {
        self.open.bytes
    }

    /// Moves idle partitions past what is no record. `position`: where the source stands, with nothing of what it handed
    /// out still on its way here.
    pub fn pass_markers(&mut self, mut position: impl FnMut(i32) -> Option<i64>) {
        for assignment in self.assignments.iter_mut().filter(|assignment| assignment.open() == 0) {
            let position = position(assignment.partition());
            assignment.pass_markers(position);
        }
    }

    /// Whether there is progress that the group was not told of.
    pub fn has_progress(&self) -> bool {
        self.assignments.iter().any(|assignment| assignment.unrequested().is_some())
    }

    /// All of that; it counts as requested from here on, until [`Ledger::confirm`] or [`Ledger::refuse`].
    pub fn take_progress(&mut self) -> Vec<Progress> {
        let mut progress = Vec::new();
        for assignment in &mut self.assignments {
            if let Some(to) = assignment.unrequested() {
                assignment.commits.requested = to.offset;
                progress.push(to);
            }
        }
        progress.extend(failpoint::late_commits().map(|(partition, offset)| Progress { partition, offset }));
        progress
    }

    /// The group holds this progress. What was requested since then, or of an assignment before, is not confirmed by it.
    pub fn confirm(&mut self, progress: &[Progress]) {
        for &to in progress {
            let assignment = self.of_partition(to.partition);
            if let Some(mut assignment) = assignment.filter(|assignment| to.offset <= assignment.commits.requested) {
                assignment.commits.confirmed = assignment.commits.confirmed.max(to.offset);
            }
        }
    }

    /// It does not: all that is not confirmed is to be requested again.
    pub fn refuse(&mut self, progress: &[Progress]) {
        for to in progress {
            if let Some(mut assignment) = self.of_partition(to.partition) {
                assignment.commits.requested = assignment.commits.confirmed;
            }
        }
    }

    /// Where the group has the lane's partitions, as far as the lane knows.
    pub fn last_commits(&self) -> Vec<Progress> {
        self.assignments.iter().map(Assignment::last_commit).collect()
    }

    /// Nothing is under way, and the group knows it: of partitions whose flow is as asked.
    pub fn is_settled(&self, of: impl Fn(&Flow) -> bool) -> bool {
        self.assignments.iter().filter(|assignment| of(assignment.flow())).all(Assignment::is_settled)
    }

    /// Bounded runs: every partition is finished and committed up to the end seen at start. One that has stopped has no end:
    /// the run says so by its exit code.
    pub fn is_at_end(&self, until: &[i64]) -> bool {
        self.assignments.iter().all(|assignment| {
            let index = usize::try_from(assignment.partition()).ok();
            let end = index.and_then(|index| until.get(index)).copied().unwrap_or(0);
            assignment.flow().is_stopped() || assignment.has_seen(end) && assignment.is_settled()
        })
    }

    /// Counts what `stop` says was removed unread. Returns how many of the offsets were not counted before.
    pub fn count_removed(&mut self, partition: i32, stop: &Stop) -> u64 {
        stop.first_kept().map_or(0, |first| self.removed.note(partition, stop.next, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::record::Position;

    /// A ledger of one partition that is finished up to `offset`.
    fn finished_to(ledger: &mut Ledger, offset: i64) {
        if ledger.is_empty() {
            ledger.open(Progress { partition: 0, offset: 0 });
        }
        let mut assignment = ledger.of_partition(0).unwrap();
        for offset in assignment.finished_to().offset..offset {
            let sequence = assignment.receive(Position { partition: 0, offset }, 1);
            assignment.announce(sequence, 1, Fate::Scored);
            assignment.acknowledge(sequence);
        }
    }

    /// An answer that came late confirmed what was requested meanwhile, and a lane left with offsets that nobody held.
    #[test]
    fn an_answer_confirms_the_progress_it_is_for_and_no_other() {
        let mut ledger = Ledger::default();
        finished_to(&mut ledger, 5);
        let first = ledger.take_progress();
        finished_to(&mut ledger, 9);
        let second = ledger.take_progress();
        assert_eq!((first[0].offset, second[0].offset), (5, 9));
        ledger.confirm(&first);
        assert!(!ledger.is_settled(|_| true), "the group holds 5, and 9 is not answered");
        ledger.confirm(&second);
        ledger.confirm(&first);
        assert!(ledger.is_settled(|_| true));
        ledger.close(0);
        ledger.open(Progress { partition: 0, offset: 9 });
        ledger.confirm(&second);
        assert!(!ledger.is_settled(|_| true), "of the assignment before");
        assert_eq!(ledger.take_progress(), second);
        ledger.refuse(&second);
        assert_eq!(ledger.take_progress(), second, "once more");
    }
    #[test]
    fn what_is_open_is_the_sum_over_partitions_whatever_happens_to_them() {
        let mut ledger = Ledger::default();
        let assert_sum = |ledger: &Ledger, open: (usize, usize)| {
            let loads = ledger.iter().map(Assignment::load);
            let sum = loads.fold((0, 0), |sum, load| (sum.0 + load.records, sum.1 + load.bytes));
            assert_eq!(((ledger.open_records(), ledger.open_bytes()), sum), (open, open));
        };
        for partition in 0..5 {
            ledger.open(Progress { partition, offset: 0 });
            let mut held = ledger.of_partition(partition).unwrap();
            for offset in 0..3 {
                let sequence = held.receive(Position { partition, offset }, 10);
                held.announce(sequence, 1, Fate::Scored);
            }
        }
        assert_sum(&ledger, (15, 150));
        assert_eq!(ledger.of_partition(3).unwrap().acknowledge(1), Some(Fate::Scored));
        assert_sum(&ledger, (14, 140));
        assert_eq!(ledger.of_partition(4).unwrap().forget_from(2), 1);
        assert_sum(&ledger, (13, 130));
        assert_eq!(ledger.close(0).map(|closed| closed.open()), Some(3));
        assert_sum(&ledger, (10, 100));
        let restarted = ledger.restart(1, Restart::OwnProgress { counts: true }, false).unwrap();
        assert_eq!((restarted.handed_back, restarted.to.offset), (3, 0));
        assert_sum(&ledger, (7, 70));
        // Those that moved in the list are found where they are now.
        for partition in 1..5 {
            let id = ledger.of_partition(partition).unwrap().id();
            assert_eq!(ledger.of_id(id).map(|held| held.partition()), Some(partition));
        }
        assert!(ledger.of_partition(0).is_none() && !ledger.has(0) && !ledger.has(1));
        ledger.clear();
        assert_sum(&ledger, (0, 0));
        assert!(ledger.of_partition(2).is_none());
    }
}
