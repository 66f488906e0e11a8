//! How long records take, from receipt to acknowledgement. Neighbours that were received with one poll and handed over with
//! one batch share their stamps.

use std::collections::VecDeque;

use crate::lane::places::Places;
use crate::observe::latency::{Step, StepTimes};

/// Neighbours with the same stamps, on the lane's clock in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct StampRun {
    /// Sequence number of the first, and how many there are.
    first: u64,
    records: u64,
    /// Those whose outcome is not acknowledged.
    missing: u64,
    received_ns: u64,
    /// When their batch was scored, until it is handed over.
    sent_ns: u64,
    is_sent: bool,
}

impl StampRun {
    fn end(&self) -> u64 {
        self.first + self.records
    }
}

/// The records of one assignment.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// In order.
    runs: VecDeque<StampRun>,
}

impl Stopwatch {
    /// The outcomes of a record of a batch that was scored at `scored_ns` are about to be handed over. Said once more where
    /// the sink was full.
    pub(super) fn announced(&mut self, sequence: u64, received_ns: u64, scored_ns: u64) {
        if let Some(last) = self.runs.back_mut() {
            if sequence < last.end() {
                return;
            }
            let is_equal = last.received_ns == received_ns && last.sent_ns == scored_ns && !last.is_sent;
            if is_equal && sequence == last.end() {
                last.records += 1;
                last.missing += 1;
                return;
            }
        }
        let run = StampRun { first: sequence, records: 1, missing: 1, received_ns, sent_ns: scored_ns, is_sent: false };
        self.runs.push_back(run);
    }

    fn sent(&mut self, now_ns: u64) {
        for run in self.runs.iter_mut().rev().take_while(|run| !run.is_sent) {
            (run.sent_ns, run.is_sent) = (now_ns, true);
        }
    }

    /// The stamps of a record whose outcome is acknowledged: when it was received and handed over.
    fn acknowledged(&mut self, sequence: u64) -> Option<(u64, u64)> {
        let index = match self.runs.front() {
            Some(front) if sequence < front.end() => 0,
            _ => self.runs.partition_point(|run| run.end() <= sequence),
        };
        let run = self.runs.get_mut(index).filter(|run| run.first <= sequence)?;
        run.missing = run.missing.saturating_sub(1);
        let stamps = (run.received_ns, run.sent_ns);
        while self.runs.front().is_some_and(|front| front.missing == 0 && front.is_sent) {
            self.runs.pop_front();
        }
        Some(stamps)
    }
}

/// Those of all assignments.
#[derive(Debug, Default)]
pub(super) struct Stopwatches {
    of: Vec<(u32, Stopwatch)>,
    places: Places,
    /// Index of the one found last.
    last: usize,
    /// Assignments with records that are announced and not handed over, each once or more.
    announcing: Vec<u32>,
}

impl Stopwatches {
    /// Of an assignment; begun where it is new.
    pub(super) fn of(&mut self, assignment: u32) -> &mut Stopwatch {
        if self.of.get(self.last).is_none_or(|(id, _)| *id != assignment) {
            self.last = self.places.get(assignment).unwrap_or_else(|| {
                self.places.set(assignment, self.of.len());
                self.of.push((assignment, Stopwatch::default()));
                self.of.len() - 1
            });
        }
        &mut self.of[self.last].1
    }

    /// The same, of an assignment whose records are about to be announced.
    pub(super) fn announcing(&mut self, assignment: u32) -> &mut Stopwatch {
        // Said once more with every try where the sink is full.
        if self.announcing.last() != Some(&assignment) {
            self.announcing.push(assignment);
        }
        self.of(assignment)
    }

    /// What was announced is handed over.
    pub(super) fn sent(&mut self, now_ns: u64) {
        for id in self.announcing.drain(..) {
            if let Some(place) = self.places.get(id) {
                self.of[place].1.sent(now_ns);
            }
        }
    }

    /// Keeps those of assignments that are there.
    pub(super) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.of.retain(|(id, _)| is_there(*id));
        self.places.clear();
        self.of.iter().enumerate().for_each(|(place, (id, _))| self.places.set(*id, place));
    }
}

/// Outcomes acknowledged one after the other that took equally long, as those of one batch do: they are counted at once.
#[derive(Debug, Default)]
pub(super) struct Lap {
    stamps: (u64, u64),
    records: u64,
}

impl Lap {
    /// A record's outcome was acknowledged.
    pub(super) fn add(&mut self, of: &mut Stopwatch, sequence: u64, now_ns: u64, times: &mut StepTimes) {
        let Some(stamps) = of.acknowledged(sequence) else { return };
        if stamps != self.stamps {
            self.end(now_ns, times);
            self.stamps = stamps;
        }
        self.records += 1;
    }

    pub(super) fn end(&mut self, now_ns: u64, times: &mut StepTimes) {
        let (received_ns, sent_ns) = self.stamps;
        if self.records > 0 {
            times.record(Step::Ack, now_ns.saturating_sub(sent_ns), self.records);
            times.record(Step::Journey, now_ns.saturating_sub(received_ns), self.records);
        }
        self.records = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_their_stamps_and_each_is_found_by_its_number() {
        let mut stopwatch = Stopwatch::default();
        (0..3).for_each(|sequence| stopwatch.announced(sequence, 10, 20));
        stopwatch.announced(2, 10, 20);
        stopwatch.announced(3, 11, 20);
        stopwatch.sent(30);
        stopwatch.announced(4, 11, 30);
        assert_eq!(stopwatch.runs.len(), 3);
        assert_eq!(stopwatch.acknowledged(4), Some((11, 30)), "scored, and not all of its batch is handed over");
        assert_eq!(stopwatch.acknowledged(3), Some((11, 30)));
        for sequence in [1, 0, 2] {
            assert_eq!(stopwatch.acknowledged(sequence), Some((10, 30)));
        }
        assert_eq!(stopwatch.runs.len(), 1, "the last one may still grow");
        stopwatch.sent(40);
        assert_eq!(stopwatch.acknowledged(9), None);
    }

    #[test]
    fn an_assignment_that_is_gone_takes_its_stamps_along() {
        let mut all = Stopwatches::default();
        all.announcing(1).announced(0, 1, 2);
        all.announcing(2).announced(0, 3, 4);
        all.retain(|id| id == 2);
        all.sent(5);
        assert_eq!(all.of(2).acknowledged(0), Some((3, 5)));
        assert_eq!(all.of(1).acknowledged(0), None);
    }
}
