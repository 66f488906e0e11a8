//! Where a record's time goes. One HDR histogram per step, owned and written by the lane's thread; a reader sees
//! the snapshot that the lane publishes a few times a second.

use std::sync::Mutex;

use hdrhistogram::Histogram;

/// The steps of a record's way, in order. `Journey` is all of it inside the process: from receipt to the
/// broker's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// From the source record's timestamp (milliseconds) to its receipt: time in the topic and in the client.
    Topic,
    /// From receipt to the start of decoding: waiting behind the records polled with it.
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

/// Hands a lane's times to readers: the lane adds what is new, readers copy the total.
#[derive(Debug, Default)]
pub struct SharedTimes(Mutex<StepTimes>);

impl SharedTimes {
    /// Moves `fresh` into the total and clears it. Called by the lane a few times a second; gives up and keeps
    /// `fresh` when a reader holds the lock, so the lane never waits.
    pub fn publish(&self, fresh: &mut StepTimes) {
        if let Ok(mut total) = self.0.try_lock() {
            total.add(fresh);
            fresh.clear();
        }
    }

    pub fn total(&self) -> StepTimes {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
