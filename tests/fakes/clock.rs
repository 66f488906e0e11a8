//! Time as the test tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scorewire::doors::Clock;

/// Where the wall clock stands when the monotonic one stands at 0: 2026-01-01, microseconds.
pub const WALL_START_US: i64 = 1_767_225_600_000_000;

/// Stands still until [`ManualClock::advance`]; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
    }

    /// Wall clock, milliseconds since the epoch.
    pub fn wall_ms(&self) -> i64 {
        self.wall_us() / 1_000
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn wall_us(&self) -> i64 {
        WALL_START_US + i64::try_from(self.now_ns() / 1_000).unwrap()
    }
}
