//! Sliding windows over 1, 7 and 30 days: a count and a sum per window, kept exactly (integers) and incrementally.

use std::collections::VecDeque;

pub const DAY_MS: i64 = 86_400_000;
/// Lengths of the windows.
pub const WINDOWS_MS: [i64; 3] = [DAY_MS, 7 * DAY_MS, 30 * DAY_MS];

/// Events of one customer or terminal. A window of length `w` at time `t` holds the events of
/// `t - delay - w < time <= t - delay`.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    events: VecDeque<(i64, i64)>,
    /// Index in `events` of the first one too young for every window.
    entered: usize,
    /// Index in `events` of each window's first one.
    left: [usize; 3],
    sums: [i64; 3],
}

impl Windows {
    /// Adds an event; times must not go back.
    pub fn push(&mut self, time_ms: i64, value: i64) {
        debug_assert!(self.events.back().is_none_or(|(last, _)| *last <= time_ms), "events come in time order");
        self.events.push_back((time_ms, value));
    }

    /// Moves the windows to the time `now_ms`, which must not go back.
    pub fn advance(&mut self, now_ms: i64, delay_ms: i64) {
        let end = now_ms - delay_ms;
        while let Some((_, value)) = self.events.get(self.entered).filter(|(time, _)| *time <= end) {
            self.sums.iter_mut().for_each(|sum| *sum += value);
            self.entered += 1;
        }
        for (window, length) in WINDOWS_MS.into_iter().enumerate() {
            while self.left[window] < self.entered && self.events[self.left[window]].0 <= end - length {
                self.sums[window] -= self.events[self.left[window]].1;
                self.left[window] += 1;
            }
        }
        // The longest window leaves an event last; what it has left is of no more use.
        let done = self.left[2];
        self.events.drain(..done);
        self.entered -= done;
        self.left.iter_mut().for_each(|left| *left -= done);
    }

    pub fn count(&self, window: usize) -> u32 {
        (self.entered - self.left[window]) as u32
    }

    /// The mean of the window's values, `None` when it is empty.
    pub fn mean(&self, window: usize) -> Option<f64> {
        let count = self.count(window);
        (count > 0).then(|| self.sums[window] as f64 / f64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::simulate::random::Random;

    #[test]
    fn incremental_windows_agree_with_a_scan_of_all_events() {
        for delay in [0, 7 * DAY_MS] {
            let mut random = Random::new(11);
            let mut windows = Windows::default();
            let mut all: Vec<(i64, i64)> = Vec::new();
            let mut now = 0;
            for _ in 0..2_000 {
                now += random.below(DAY_MS as usize / 4) as i64;
                windows.advance(now, delay);
                let end = now - delay;
                for (window, length) in WINDOWS_MS.into_iter().enumerate() {
                    let inside = all.iter().filter(|(time, _)| *time <= end && *time > end - length);
                    let (count, sum) = inside.fold((0u32, 0i64), |(n, sum), (_, value)| (n + 1, sum + value));
                    assert_eq!(windows.count(window), count);
                    assert_eq!(windows.mean(window), (count > 0).then(|| sum as f64 / f64::from(count)));
                }
                let value = random.below(10_000) as i64;
                windows.push(now, value);
                all.push((now, value));
            }
            assert!(windows.events.len() < 600, "old events are let go: {}", windows.events.len());
        }
    }
}
