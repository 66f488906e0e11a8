//! Open loop: when each record is due depends on seed, rate and its number alone, never on how the system under test
//! is doing. Latency is counted from the due time, so a stall is charged to every record that it delayed.

use std::time::Duration;

use crate::load::simulate::random;

/// How records arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// One every `1 / rate` seconds.
    Constant,
    /// Independent of each other: exponential gaps with that mean, as customers do.
    Poisson,
    /// All at once, as fast as the broker takes them: for filling a topic.
    AtOnce,
}

/// Due times of the records, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrival: Arrival,
    rate_per_s: f64,
    seed: u64,
    next: u64,
    /// Nanoseconds after the start at which `next` is due.
    due_ns: u64,
    /// The same, unrounded: rounding must not add up over millions of gaps.
    exact_ns: f64,
}

/// What random numbers are drawn for.
const GAPS: u64 = 0x6A;

impl Schedule {
    /// `rate_per_s` must be positive and finite; it is ignored by [`Arrival::AtOnce`].
    pub fn new(arrival: Arrival, rate_per_s: f64, seed: u64) -> Schedule {
        assert!(arrival == Arrival::AtOnce || (rate_per_s.is_finite() && rate_per_s > 0.0), "a rate is positive");
        let mut schedule = Schedule { arrival, rate_per_s, seed, next: 0, due_ns: 0, exact_ns: 0.0 };
        schedule.place();
        schedule
    }

    /// Number and due time of the next record, when it is due at `now_ns`; both count from the start.
    pub fn take(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        if self.due_ns > now_ns {
            return None;
        }
        let taken = (self.next, self.due_ns);
        self.next += 1;
        self.place();
        Some(taken)
    }

    /// When the next record is due, nanoseconds after the start.
    pub fn next_due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Number of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// How long to wait at `now_ns` until the next record is due.
    pub fn wait(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(self.due_ns.saturating_sub(now_ns))
    }

    fn place(&mut self) {
        self.exact_ns = match self.arrival {
            Arrival::AtOnce => 0.0,
            Arrival::Constant => self.next as f64 * (1e9 / self.rate_per_s),
            Arrival::Poisson => {
                let uniform = random::unit(random::at(self.seed, GAPS, self.next));
                self.exact_ns - (1.0 - uniform).ln() * (1e9 / self.rate_per_s)
            }
        };
        self.due_ns = self.exact_ns as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::latency::new_histogram;

    const MS: u64 = 1_000_000;

    #[test]
    fn constant_records_are_due_on_the_dot() {
        let mut schedule = Schedule::new(Arrival::Constant, 1_000.0, 1);
        assert_eq!(schedule.take(0), Some((0, 0)));
        assert_eq!(schedule.take(0), None);
        assert_eq!(schedule.wait(0), Duration::from_millis(1));
        assert_eq!(schedule.take(MS - 1), None);
        assert_eq!(schedule.take(3 * MS), Some((1, MS)));
        assert_eq!(schedule.take(3 * MS), Some((2, 2 * MS)));
        assert_eq!(schedule.take(3 * MS), Some((3, 3 * MS)));
        assert_eq!(schedule.take(3 * MS), None);
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let mut schedule = Schedule::new(Arrival::Constant, 30_000.0, 1);
        let last = (0..3_000_000).map(|_| schedule.take(u64::MAX).unwrap().1).last().unwrap();
        assert_eq!(last, (2_999_999.0 * 1e9 / 30_000.0) as u64);
    }

    #[test]
    fn poisson_keeps_the_rate_and_the_seed() {
        let times = |seed| -> Vec<u64> {
            let mut schedule = Schedule::new(Arrival::Poisson, 10_000.0, seed);
            (0..100_000).map(|_| schedule.take(u64::MAX).unwrap().1).collect()
        };
        let mine = times(7);
        assert_eq!(mine, times(7));
        assert_ne!(mine, times(8));
        assert!(mine.windows(2).all(|pair| pair[0] <= pair[1]));
        let seconds = *mine.last().unwrap() as f64 / 1e9;
        assert!((9.9..10.1).contains(&seconds), "{seconds}");
        // Exponential gaps: their deviation is their mean.
        let gaps: Vec<f64> = mine.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((0.98..1.02).contains(&(deviation / mean)), "{mean} {deviation}");
    }

    #[test]
    fn a_stall_is_charged_to_every_record_it_delayed() {
        // The sender stands for 100 ms every 5 s at 1,000 records/s: of each 5,000 records one is late by 99 ms, one by
        // 98 and so on, and all others leave on the dot. In 60 s the latest hundredth are the 600 that were late by 50 ms
        // or more, so the 99th percentile is 49 ms. A clock that starts when a record is sent would say 0.
        let mut schedule = Schedule::new(Arrival::Constant, 1_000.0, 1);
        let (mut latencies, mut histogram) = (Vec::new(), new_histogram());
        let mut now_ms = 0;
        while now_ms < 60_000 {
            while let Some((_, due_ns)) = schedule.take(now_ms * MS) {
                latencies.push(now_ms - due_ns / MS);
                histogram.saturating_record((now_ms * MS - due_ns) / 1_000);
            }
            now_ms += if now_ms % 5_000 == 0 { 100 } else { 1 };
        }
        latencies.sort_unstable();
        assert_eq!(latencies.len(), 60_000);
        assert_eq!(latencies.iter().filter(|late| **late > 0).count(), 12 * 99);
        assert_eq!((latencies[59_400 - 1], latencies[59_400]), (49, 50));
        assert!(histogram.equivalent(histogram.value_at_quantile(0.99), 49_000));
        assert_eq!((histogram.value_at_quantile(0.98), histogram.max() / 1_000), (0, 99));
    }

    #[test]
    fn at_once_everything_is_due_at_the_start() {
        let mut schedule = Schedule::new(Arrival::AtOnce, 0.0, 1);
        assert!((0..10).all(|i| schedule.take(0) == Some((i, 0))));
    }
}
