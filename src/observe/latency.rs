//! Where a record's time goes. One HDR histogram per step, owned and written by the lane's thread; a reader asks,
//! and the lane hands over what is new.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// The steps of a record's way, in order. Receipt is when a poll handed the record to the lane. `Journey` is all of it
/// inside the process: from receipt to the broker's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// From the source record's timestamp (milliseconds) to its receipt: time in the topic and in the client.
    Topic,
    /// From receipt to the start of decoding: the wait in the lane, for a batch with room, for a limit to be kept, for
    /// the record's schema.
    Intake,
    /// Decoding of the batch the record came with.
    Decode,
    /// From decoded to the start of the model call.
    BatchWait,
    Inference,
    /// From scored to handed over to the client.
    Emit,
    /// From hand-over to the broker's acknowledgement.
    Ack,
    Journey,
}

impl Step {
    pub const COUNT: usize = 8;
    pub const ALL: [Step; Self::COUNT] = [
        Step::Topic,
        Step::Intake,
        Step::Decode,
        Step::BatchWait,
        Step::Inference,
        Step::Emit,
        Step::Ack,
        Step::Journey,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Step::Topic => "topic",
            Step::Intake => "intake",
            Step::Decode => "decode",
            Step::BatchWait => "batch_wait",
            Step::Inference => "inference",
            Step::Emit => "emit",
            Step::Ack => "ack",
            Step::Journey => "journey",
        }
    }
}

/// Quantiles shown for each step; 1 is the maximum.
pub const QUANTILES: [(&str, f64); 5] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999), ("1", 1.0)];

/// A quantile in microseconds; 0 while nothing was recorded.
pub fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> u64 {
    if histogram.is_empty() { 0 } else { histogram.value_at_quantile(quantile).min(histogram.max()) }
}

/// Highest latency told apart, microseconds: one hour. Longer ones count as this.
pub const LATENCY_US_MAX: u64 = 3_600_000_000;

/// An empty histogram of microseconds with three significant digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("constant bounds are valid")
}

/// One histogram per step, microseconds.
#[derive(Clone, Debug)]
pub struct StepTimes {
    steps: [Histogram<u64>; Step::COUNT],
}

impl Default for StepTimes {
    fn default() -> StepTimes {
        StepTimes { steps: std::array::from_fn(|_| new_histogram()) }
    }
}

impl StepTimes {
    /// Records `count` records that took `ns` nanoseconds each. Allocates nothing.
    pub fn record(&mut self, step: Step, ns: u64, count: u64) {
        // Rounded up: a step that took less than a microsecond still took some time.
        let us = ns.div_ceil(1_000).clamp(1, LATENCY_US_MAX);
        self.steps[step as usize].saturating_record_n(us, count);
    }

    pub fn get(&self, step: Step) -> &Histogram<u64> {
        &self.steps[step as usize]
    }

    /// Adds the times of one step.
    pub fn add_step(&mut self, step: Step, times: &Histogram<u64>) {
        self.steps[step as usize].add(times).expect("all histograms share their bounds");
    }

    pub fn add(&mut self, other: &StepTimes) {
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            mine.add(theirs).expect("all histograms share their bounds");
        }
    }

    /// What was recorded after `earlier`, an older state of the same times.
    pub fn since(&self, earlier: &StepTimes) -> StepTimes {
        let mut rest = self.clone();
        for (mine, theirs) in rest.steps.iter_mut().zip(&earlier.steps) {
            mine.subtract(theirs).expect("all histograms share their bounds, and counts only grow");
        }
        rest
    }

    pub fn clear(&mut self) {
        self.steps.iter_mut().for_each(Histogram::reset);
    }
}

/// From a record's timestamp to its receipt; `None` where it has no timestamp (below 0).
pub fn topic_ns(timestamp_ms: i64, received_us: i64) -> Option<u64> {
    let ms = (received_us / 1_000).saturating_sub(timestamp_ms).max(0).unsigned_abs();
    (timestamp_ms >= 0).then(|| ms.saturating_mul(1_000_000))
}

/// Neighbours for which a step took equally long: they are counted at once.
#[derive(Debug)]
pub struct Alike {
    step: Step,
    ns: u64,
    records: u64,
}

impl Alike {
    pub fn new(step: Step) -> Alike {
        Alike { step, ns: 0, records: 0 }
    }

    pub fn add(&mut self, ns: u64, times: &mut StepTimes) {
        if ns != self.ns {
            self.end(times);
            self.ns = ns;
        }
        self.records += 1;
    }

    /// Counts those that are not counted yet.
    pub fn end(&mut self, times: &mut StepTimes) {
        if self.records > 0 {
            times.record(self.step, self.ns, self.records);
        }
        self.records = 0;
    }
}

/// How long a reader waits for the lane: several idle cycles of it.
const ANSWER_WAIT: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Hands a lane's times to readers. Adding the histograms up walks through megabytes, which a lane that did it by the
/// clock would pay for with its cache and its tail; so it does it when somebody asks, and when it ends.
#[derive(Debug, Default)]
pub struct SharedTimes {
    wanted: AtomicBool,
    /// The lane has handed over its last.
    ended: AtomicBool,
    total: Mutex<StepTimes>,
}

impl SharedTimes {
    /// Whether a reader waits. Asked by the lane with every cycle.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Moves `fresh` into the total and clears it. Gives up and keeps `fresh` when a reader holds the lock, so the
    /// lane never waits.
    pub fn publish(&self, fresh: &mut StepTimes) {
        if let Ok(mut total) = self.total.try_lock() {
            total.add(fresh);
            fresh.clear();
            self.wanted.store(false, Ordering::Release);
        }
    }

    /// The lane's last word.
    pub fn end(&self, fresh: &mut StepTimes) {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).add(fresh);
        fresh.clear();
        self.ended.store(true, Ordering::Release);
        self.wanted.store(false, Ordering::Release);
    }

    /// Lets the lane know that somebody will want the total.
    pub fn ask(&self) {
        if !self.ended.load(Ordering::Acquire) {
            self.wanted.store(true, Ordering::Release);
        }
    }

    /// Everything up to now; of a lane that does not answer because it hangs, what it handed over before.
    #[expect(clippy::disallowed_methods, reason = "whoever asks waits, and no lane does")]
    pub fn total(&self) -> StepTimes {
        self.ask();
        for _ in 0..ANSWER_WAIT.as_millis() / LOOK_EVERY.as_millis() {
            if !self.wanted.load(Ordering::Acquire) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.total.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_took_equally_long_are_counted_as_each_would_be() {
        let (mut one_by_one, mut at_once) = (StepTimes::default(), StepTimes::default());
        let mut alike = Alike::new(Step::Intake);
        for ns in [0, 0, 5_000, 5_000, 5_000, 7_000, 5_000] {
            one_by_one.record(Step::Intake, ns, 1);
            alike.add(ns, &mut at_once);
        }
        alike.end(&mut at_once);
        alike.end(&mut at_once);
        assert_eq!(one_by_one.get(Step::Intake), at_once.get(Step::Intake));
        assert_eq!(at_once.get(Step::Intake).len(), 7);
    }

    #[test]
    fn a_record_without_timestamp_has_no_time_in_its_topic() {
        assert_eq!(topic_ns(-1, 5_000), None);
        assert_eq!(topic_ns(3, 5_999), Some(2_000_000));
        assert_eq!(topic_ns(9, 5_000), Some(0), "the clocks differ");
    }
}
