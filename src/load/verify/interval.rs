//! Latencies of one second of a run, and how they are handed from the verifier, which only records, to the thread that
//! reports: filled intervals go one way, emptied ones come back.

use std::sync::mpsc::{Receiver, Sender, channel};

use hdrhistogram::Histogram;

use crate::load::verify::outcome::Outcome;
use crate::observe::latency::new_histogram;

/// Length of an interval, microseconds.
pub const INTERVAL_US: i64 = 1_000_000;

/// A stamp this far before the one it must follow is no rounding and no slewed clock any more.
const SKEW_US_MAX: i64 = 1_000;

/// The parts of a scored record's way that stamps on the record itself tell apart. They follow each other without a gap:
/// their sum is the whole, record by record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From due to received by the lane, which is when it polled the record.
    InTopic,
    /// From received to scored.
    Inside,
    /// From scored to read back.
    Out,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::InTopic, Part::Inside, Part::Out];

    pub fn name(self) -> &'static str {
        match self {
            Part::InTopic => "in_topic",
            Part::Inside => "inside",
            Part::Out => "out",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Part::InTopic => "due to received",
            Part::Inside => "received to scored",
            Part::Out => "scored to read back",
        }
    }
}

/// Times of some records: a histogram for quantiles, and the exact sum, because means of parts must add up.
#[derive(Clone, Debug)]
pub struct Times {
    pub us: Histogram<u64>,
    /// Signed: a stamp of another machine's clock may be ahead.
    pub sum_us: i64,
}

impl Default for Times {
    fn default() -> Times {
        Times { us: new_histogram(), sum_us: 0 }
    }
}

impl Times {
    pub fn record(&mut self, us: i64) {
        self.us.saturating_record(us.max(0) as u64);
        self.sum_us += us;
    }

    /// Microseconds; 0 without records.
    pub fn mean_us(&self) -> f64 {
        if self.us.is_empty() { 0.0 } else { self.sum_us as f64 / self.us.len() as f64 }
    }

    pub fn add(&mut self, other: &Times) {
        self.us.add(&other.us).expect("all histograms share their bounds");
        self.sum_us += other.sum_us;
    }

    fn clear(&mut self) {
        self.us.reset();
        self.sum_us = 0;
    }
}

/// Measured outcomes that were read back within one second, or within all of them.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Seconds from the start of the measured part to the start of this one.
    pub index: u64,
    /// From due to read back, of all outcomes.
    pub latency: Times,
    /// Of the scored ones that carry stamps, by [`Part`].
    pub parts: [Times; 3],
    /// Scored records with a stamp that is before the one it must follow: the clocks do not agree.
    pub skewed: u64,
}

impl Interval {
    pub fn record(&mut self, outcome: &Outcome) {
        let (due_us, read_us) = (outcome.marker.due_us, outcome.read_us);
        self.latency.record(read_us - due_us);
        if let Some(stamps) = outcome.stamps {
            let parts =
                [stamps.received_us - due_us, stamps.scored_us - stamps.received_us, read_us - stamps.scored_us];
            for (times, us) in self.parts.iter_mut().zip(parts) {
                times.record(us);
            }
            self.skewed += u64::from(parts.iter().any(|us| *us < -SKEW_US_MAX));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.latency.us.is_empty()
    }

    pub fn part(&self, part: Part) -> &Times {
        &self.parts[part as usize]
    }

    /// Scored records with stamps.
    pub fn stamped(&self) -> u64 {
        self.parts[0].us.len()
    }

    /// Adds the records of another interval; the index stays.
    pub fn add(&mut self, other: &Interval) {
        self.latency.add(&other.latency);
        for (mine, theirs) in self.parts.iter_mut().zip(&other.parts) {
            mine.add(theirs);
        }
        self.skewed += other.skewed;
    }

    fn clear(&mut self) {
        self.latency.clear();
        self.parts.iter_mut().for_each(Times::clear);
        self.skewed = 0;
    }
}

/// The verifier's end: swaps the interval being filled once a second. Costs a comparison per look at the clock.
#[derive(Debug)]
pub struct IntervalSender {
    /// Wall clock of the start of the measured part, microseconds.
    origin_us: i64,
    ends_us: i64,
    full: Sender<Box<Interval>>,
    empty: Receiver<Box<Interval>>,
}

/// The reporter's end.
#[derive(Debug)]
pub struct IntervalReceiver {
    full: Receiver<Box<Interval>>,
    empty: Sender<Box<Interval>>,
}

/// Connects a verifier with a reporter. `origin_us` is the wall clock of the start of the measured part.
pub fn intervals(origin_us: i64) -> (IntervalSender, IntervalReceiver) {
    let (full, filled) = channel();
    let (emptied, empty) = channel();
    let sender = IntervalSender { origin_us, ends_us: origin_us + INTERVAL_US, full, empty };
    (sender, IntervalReceiver { full: filled, empty: emptied })
}

impl IntervalSender {
    /// Sends `current` on when its second is over at `now_us`, and puts an empty one in its place. A second in which
    /// nothing came is not sent.
    pub fn turn(&mut self, now_us: i64, current: &mut Box<Interval>) {
        if now_us >= self.ends_us {
            let index = (now_us - self.origin_us) / INTERVAL_US;
            self.ends_us = self.origin_us + (index + 1) * INTERVAL_US;
            self.send(current);
            current.index = index.unsigned_abs();
        }
    }

    /// Sends what `current` holds.
    pub fn send(&mut self, current: &mut Box<Interval>) {
        if current.is_empty() {
            return;
        }
        // A reporter that has left needs nothing more; one that is behind costs a new interval.
        let next = self.empty.try_recv().unwrap_or_default();
        let _ = self.full.send(std::mem::replace(current, next));
    }
}

impl IntervalReceiver {
    /// Shows every interval that has arrived.
    pub fn receive(&self, mut visit: impl FnMut(&Interval)) {
        while let Ok(mut interval) = self.full.try_recv() {
            visit(&interval);
            interval.clear();
            // The verifier may have left.
            let _ = self.empty.send(interval);
        }
    }
}
