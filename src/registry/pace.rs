//! How often the registry is asked: a bucket of requests, and rest after each failure. Times are those of whoever asks,
//! since a start of its own.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// So many at once, and so many a second.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    size: f64,
    per_second: f64,
    filled: Duration,
}

impl Bucket {
    pub fn new(size: f64, per_second: f64) -> Bucket {
        Bucket { tokens: size, size, per_second, filled: Duration::ZERO }
    }

    /// # Errors
    /// When there will be one.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let since = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.size);
        self.filled = now;
        if self.tokens < 1.0 {
            return Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.per_second));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

const REST_MIN: Duration = Duration::from_millis(200);
const REST_MAX: Duration = Duration::from_secs(10);

/// How long to rest after so many failures in a row: twice as long each time, with a cap, and never the same for two nodes.
pub(super) fn rest(failures: u32) -> Duration {
    let longest = REST_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(REST_MAX);
    // The standard library's seeds are random, and no number here is worth a library.
    let share = RandomState::new().hash_one(failures) as f64 / u64::MAX as f64;
    longest.mul_f64(0.5 + share / 2.0)
}

/// Whether the registry may be asked. While it gives no answers one request at a time goes out, with rests between.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: u32,
    until: Duration,
}

impl Gate {
    /// # Errors
    /// When to ask again; `None`: when what is under way has ended.
    pub fn ask(&self, now: Duration, under_way: usize, under_way_max: usize) -> Result<(), Option<Duration>> {
        let max = if self.failures == 0 { under_way_max } else { 1 };
        if under_way >= max {
            return Err(None);
        }
        if now < self.until {
            return Err(Some(self.until));
        }
        Ok(())
    }

    pub fn answered(&mut self) {
        *self = Gate::default();
    }

    pub fn failed(&mut self, now: Duration, asked_for: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        self.until = self.until.max(now + rest(self.failures).max(asked_for.unwrap_or_default()));
    }

    pub fn is_away(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_its_rate() {
        let mut bucket = Bucket::new(3.0, 10.0);
        let at = Duration::from_secs(1);
        assert!((0..3).all(|_| bucket.take(at).is_ok()));
        assert_eq!(bucket.take(at), Err(at + Duration::from_millis(100)));
        assert!(bucket.take(at + Duration::from_millis(101)).is_ok());
        assert!(bucket.take(at + Duration::from_millis(102)).is_err());
        let later = Duration::from_secs(99);
        assert_eq!((0..9).filter(|_| bucket.take(later).is_ok()).count(), 3, "no more than its size is saved up");
    }

    #[test]
    fn rests_grow_to_a_cap_and_differ() {
        for (failures, longest) in [(1, 200), (2, 400), (4, 1_600), (7, 10_000), (4_000_000_000, 10_000)] {
            let longest = Duration::from_millis(longest);
            let rests: Vec<Duration> = (0..20).map(|_| rest(failures)).collect();
            assert!(rests.iter().all(|rest| *rest <= longest && *rest >= longest / 2), "{rests:?}");
            assert!(rests.iter().any(|rest| *rest != rests[0]));
        }
    }

    #[test]
    fn one_request_at_a_time_finds_out_that_the_registry_is_back() {
        let mut gate = Gate::default();
        let now = Duration::from_secs(5);
        assert_eq!((gate.ask(now, 1, 2), gate.ask(now, 2, 2)), (Ok(()), Err(None)));
        gate.failed(now, None);
        assert!(matches!(gate.ask(now, 0, 2), Err(Some(until)) if until > now));
        let later = now + Duration::from_secs(1);
        assert_eq!((gate.ask(later, 0, 2), gate.ask(later, 1, 2)), (Ok(()), Err(None)));
        gate.failed(later, Some(Duration::from_secs(30)));
        assert_eq!(gate.ask(later, 0, 2), Err(Some(later + Duration::from_secs(30))));
        gate.answered();
        assert_eq!(gate.ask(later, 1, 2), Ok(()));
    }
}
