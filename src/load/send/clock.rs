//! One run's time: monotonic, anchored once to the wall clock, so that a step of the wall clock cannot bend latencies.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ANCHOR_TRIES: usize = 16;

/// Copies agree: all threads of a run measure on the same line.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    /// Wall clock at `start`, microseconds since the Unix epoch.
    anchor_us: i64,
}

impl RunClock {
    pub fn start() -> RunClock {
        // On a busy machine a thread may lose its core between the two clocks: the pair read most closely counts.
        let pairs = (0..ANCHOR_TRIES).map(|_| {
            let (start, wall) = (Instant::now(), SystemTime::now());
            (start.elapsed(), start, wall)
        });
        let closest = pairs.min_by_key(|(apart, _, _)| *apart);
        let (_, start, wall) = closest.unwrap_or_else(|| (Duration::ZERO, Instant::now(), SystemTime::now()));
        let anchor = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        RunClock { start, anchor_us: anchor.as_micros() as i64 }
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// The wall clock at `ns` after the start, microseconds since the Unix epoch.
    pub fn wall_us(&self, ns: u64) -> i64 {
        self.anchor_us + (ns / 1_000) as i64
    }
}
