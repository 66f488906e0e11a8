//! Every record's fate, from what was read back.

use crate::load::simulate::poison;
use crate::load::verify::faults::{FaultKind, FirstFaults};
use crate::load::verify::interval::Interval;
use crate::load::verify::outcome::{DECISIONS, Fate, LANES, Outcome};

/// One bit per sequence; grows in steps.
#[derive(Clone, Debug, Default)]
struct Seen(Vec<u64>);

impl Seen {
    fn with_capacity(records: u64) -> Seen {
        // Zeroed pages cost nothing until they are touched.
        Seen(vec![0; (records as usize).div_ceil(64)])
    }

    /// Answers whether it was set before.
    fn set(&mut self, index: u64) -> bool {
        let (word, bit) = ((index / 64) as usize, 1u64 << (index % 64));
        if word >= self.0.len() {
            self.0.resize((word + 1).next_power_of_two(), 0);
        }
        let before = self.0[word] & bit != 0;
        self.0[word] |= bit;
        before
    }

    fn contains(&self, index: u64) -> bool {
        self.0.get((index / 64) as usize).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }
}

/// What the accounting counts. Records of the warm-up are counted like all others; only the latency leaves them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub scored: u64,
    /// Of those: a step of the fallback decided.
    pub fallback: u64,
    /// Dead letters, and those on the topic for time-outs.
    pub dead_lettered: u64,
    pub timed_out: u64,
    /// Letters to be scored again later: the records' one outcome.
    pub put_off: u64,
    /// Records that an operator passed over.
    pub skipped: u64,
    pub duplicated: u64,
    /// Outcomes that came after one of a later record of the same partition and topic. Keys are bound to partitions,
    /// so no key's records can be out of order without this noticing.
    pub out_of_order: u64,
    /// Outcomes under another key than the record's, or in another partition although the counts match.
    pub misplaced: u64,
    /// Scores that are no probability, outputs that cannot be read, outputs that name another source partition.
    pub malformed: u64,
    /// Or put off, which only what can be scored is.
    pub poison_scored: u64,
    /// Poison whose dead letter carries another reason than the expected one.
    pub wrong_reason: u64,
    /// Dead letters of records that were not poison.
    pub sound_rejected: u64,
    pub review: u64,
    pub review_duplicated: u64,
    /// Outputs and dead letters that take a letter's place. Each letter has one in the end.
    pub amended: u64,
    pub amended_duplicated: u64,
    /// Letters of records that were put off before; a record may have several.
    pub put_off_again: u64,
    /// Outcomes of the measured part.
    pub measured: u64,
    pub decisions: [u64; DECISIONS],
    /// By the verifier's index.
    pub reasons: Vec<u64>,
}

/// How the topics are laid out: partitions of the input, and of those that outcomes are in; 0 where one is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub input: i32,
    pub destinations: [i32; LANES],
}

pub struct Accounting {
    layout: Layout,
    seen: Seen,
    in_review: Seen,
    amended: Seen,
    outcomes: u64,
    /// Highest sequence + 1 of each topic, partition out, partition in.
    last: [Vec<u64>; LANES],
    pub tally: Tally,
    /// Records that promises were broken to.
    pub firsts: FirstFaults,
    /// Latencies of the measured outcomes since whoever owns this took the last interval away.
    pub interval: Box<Interval>,
    /// When the latest measured outcome was read, wall clock.
    pub last_measured_us: i64,
}

impl Accounting {
    /// `expected` records at most, as far as is known.
    pub fn new(layout: Layout, expected: u64) -> Accounting {
        let last = layout.destinations.map(|partitions| vec![0; (partitions * layout.input) as usize]);
        Accounting {
            layout,
            seen: Seen::with_capacity(expected),
            in_review: Seen::with_capacity(expected),
            amended: Seen::default(),
            outcomes: 0,
            last,
            tally: Tally::default(),
            firsts: FirstFaults::default(),
            interval: Box::default(),
            last_measured_us: 0,
        }
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Records with an outcome.
    pub fn accounted(&self) -> u64 {
        self.outcomes
    }

    /// Records below `sent` without an outcome, and the first few of them.
    pub fn lost(&self, sent: u64) -> (u64, Vec<u64>) {
        let mut lost = 0;
        let mut first = Vec::new();
        for sequence in (0..sent).filter(|sequence| !self.seen.contains(*sequence)) {
            lost += 1;
            if first.len() < 10 {
                first.push(sequence);
            }
        }
        (lost, first)
    }

    /// Counts one outcome. `reason_is` says whether an index of the verifier's list is that reason.
    pub fn count(&mut self, outcome: &Outcome, reason_is: &dyn Fn(u8, &str) -> bool) {
        let marker = &outcome.marker;
        if outcome.fate.is_extra() {
            return self.count_extra(outcome.fate, marker.sequence);
        }
        if self.seen.set(marker.sequence) {
            self.tally.duplicated += 1;
            self.firsts.note(FaultKind::Duplicated, marker.sequence);
            return;
        }
        self.outcomes += 1;
        self.check_order_and_place(outcome);
        self.check_fate(outcome, reason_is);
        if marker.measured != 0 {
            self.tally.measured += 1;
            self.interval.record(outcome);
            self.last_measured_us = self.last_measured_us.max(outcome.read_us);
        }
    }

    fn count_extra(&mut self, fate: Fate, sequence: u64) {
        let tally = &mut self.tally;
        match fate {
            Fate::Review => {
                tally.review += 1;
                tally.review_duplicated += u64::from(self.in_review.set(sequence));
            }
            Fate::Amended => {
                tally.amended += 1;
                tally.amended_duplicated += u64::from(self.amended.set(sequence));
            }
            _ => tally.put_off_again += 1,
        }
    }

    fn check_order_and_place(&mut self, outcome: &Outcome) {
        let marker = &outcome.marker;
        let lane = outcome.fate.lane();
        let source = i32::from(marker.partition);
        let counts_match = self.layout.destinations[lane] == self.layout.input;
        let moved = counts_match && outcome.partition != source;
        if moved || outcome.key_hash != marker.key_hash && !outcome.is_stub {
            self.tally.misplaced += 1;
            self.firsts.note(FaultKind::Misplaced, marker.sequence);
        }
        if outcome.is_stub {
            return;
        }
        let slot = (outcome.partition * self.layout.input + source) as usize;
        if let Some(last) = self.last[lane].get_mut(slot) {
            if marker.sequence < *last {
                self.tally.out_of_order += 1;
                self.firsts.note(FaultKind::OutOfOrder, marker.sequence);
            } else {
                *last = marker.sequence + 1;
            }
        }
    }

    fn check_fate(&mut self, outcome: &Outcome, reason_is: &dyn Fn(u8, &str) -> bool) {
        let marker = &outcome.marker;
        let malformed = self.tally.malformed;
        let tally = &mut self.tally;
        let expected = poison::KINDS.get(usize::from(marker.poison).wrapping_sub(1));
        match outcome.fate {
            Fate::Scored { decision, score } => {
                tally.scored += 1;
                tally.fallback += u64::from(outcome.by_fallback);
                tally.poison_scored += u64::from(expected.is_some());
                let claim_right = outcome.claimed_partition.is_none_or(|claim| claim == i64::from(marker.partition));
                match tally.decisions.get_mut(usize::from(decision)) {
                    Some(count) if (0.0..=1.0).contains(&score) && claim_right => *count += 1,
                    _ => tally.malformed += 1,
                }
            }
            Fate::Unread => tally.scored += 1,
            Fate::PutOff => {
                tally.put_off += 1;
                tally.poison_scored += u64::from(expected.is_some());
            }
            // Poison or not: nobody has looked at it.
            Fate::Skipped => tally.skipped += 1,
            Fate::Unreadable => {
                tally.scored += 1;
                tally.malformed += 1;
            }
            Fate::DeadLettered { reason } | Fate::TimedOut { reason } => {
                tally.dead_lettered += 1;
                tally.timed_out += u64::from(matches!(outcome.fate, Fate::TimedOut { .. }));
                match expected {
                    Some(kind) => {
                        let or = kind.or_reason.is_some_and(|other| reason_is(reason, other));
                        tally.wrong_reason += u64::from(!or && !reason_is(reason, kind.reason));
                    }
                    None => tally.sound_rejected += 1,
                }
                let index = usize::from(reason);
                if index >= tally.reasons.len() {
                    tally.reasons.resize(index + 1, 0);
                }
                tally.reasons[index] += 1;
            }
            // Counted before anything else.
            Fate::Review | Fate::Amended | Fate::PutOffAgain => {}
        }
        if tally.malformed > malformed {
            self.firsts.note(FaultKind::Malformed, marker.sequence);
        }
    }
}
