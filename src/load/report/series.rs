//! A run second by second: what the reporter keeps of the intervals it receives.

use std::collections::VecDeque;
use std::io;

use serde::Serialize;

use crate::load::report::figures::Quantiles;
use crate::load::send::schedule::{Arrival, Schedule};
use crate::load::verify::interval::{Interval, Part};

/// Longest gap between outcomes that is filled with empty seconds: a day.
const GAP_SECONDS_MAX: u64 = 86_400;
/// Seconds that the live view looks back.
pub const RECENT: usize = 40;

/// One second of the measured part, by when outcomes were read back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// From the start of the measured part.
    pub second: u64,
    /// Records that were due in this second; `null` after the last one, and where all are due at once.
    pub due: Option<u64>,
    /// Outcomes read back in this second.
    pub outcomes: u64,
    /// Of the outcomes read back; all 0 when there were none.
    pub mean_ms: f64,
    pub latency_ms: Quantiles,
    /// Means of the stamped parts of the scored records, milliseconds, by [`Part`].
    pub parts_ms: [f64; 3],
}

impl Second {
    fn of(interval: &Interval) -> Second {
        let ms = |us: f64| us.round() / 1_000.0;
        Second {
            second: interval.index,
            due: None,
            outcomes: interval.latency.us.len(),
            mean_ms: ms(interval.latency.mean_us()),
            latency_ms: Quantiles::of(&interval.latency.us, 1_000.0),
            parts_ms: Part::ALL.map(|part| ms(interval.part(part).mean_us())),
        }
    }
}

/// Takes intervals as they come, a log for example.
pub trait IntervalSink {
    /// # Errors
    /// When it cannot keep the interval.
    fn put(&mut self, interval: &Interval) -> io::Result<()>;
}

/// Everything received so far.
#[derive(Debug, Default)]
pub struct Series {
    pub seconds: Vec<Second>,
    /// All intervals together.
    pub total: Interval,
    recent: VecDeque<u64>,
}

impl Series {
    /// Adds an interval, with the empty seconds that lie before it, and passes all of them on to `sink`.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn add(&mut self, interval: &Interval, sink: Option<&mut dyn IntervalSink>) -> io::Result<()> {
        let next = self.seconds.last().map_or(0, |last| last.second + 1);
        // Intervals come in order. A gap longer than any run means a clock that jumped.
        let from = next.max(interval.index.saturating_sub(GAP_SECONDS_MAX));
        let mut missing = Vec::new();
        for index in from..interval.index {
            self.seconds.push(Second { second: index, ..Second::default() });
            self.remember(0);
            missing.push(index);
        }
        let second = Second::of(interval);
        self.remember((second.latency_ms.p99 * 1_000.0) as u64);
        self.seconds.push(second);
        self.total.add(interval);
        let Some(sink) = sink else { return Ok(()) };
        if !missing.is_empty() {
            let mut empty = Interval::default();
            for index in missing {
                empty.index = index;
                sink.put(&empty)?;
            }
        }
        sink.put(interval)
    }

    /// The 99th percentiles of the last seconds, microseconds, oldest first.
    pub fn recent_p99_us(&self) -> impl ExactSizeIterator<Item = u64> {
        self.recent.iter().copied()
    }

    fn remember(&mut self, p99_us: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(p99_us);
    }

    /// Says of each second how many of the `sent` records were due in it, by walking the schedule again.
    pub fn count_due(&mut self, arrival: Arrival, rate: f64, seed: u64, measure_from_ns: u64, sent: u64) {
        if arrival == Arrival::AtOnce {
            return;
        }
        let mut schedule = Schedule::new(arrival, rate, seed);
        let mut counted = 0;
        while schedule.next_sequence() < sent {
            let Some((_, due_ns)) = schedule.take(u64::MAX) else { break };
            let Some(measured_ns) = due_ns.checked_sub(measure_from_ns) else { continue };
            let index = (measured_ns / 1_000_000_000) as usize;
            // Seconds without a due time count none; those after the last one have none to count.
            for second in self.seconds.iter_mut().take(index + 1).skip(counted) {
                second.due = Some(0);
            }
            counted = counted.max(index + 1);
            if let Some(due) = self.seconds.get_mut(index).and_then(|second| second.due.as_mut()) {
                *due += 1;
            }
        }
    }
}
