//! Counts failures in a row that nobody else decides on: a process stops before its stream drains into a side topic.

/// Failures since the last record that was scored.
#[derive(Clone, Copy, Debug)]
pub struct StopGuard {
    in_a_row: u32,
    failures_max: u32,
}

impl StopGuard {
    pub fn new(failures_max: u32) -> StopGuard {
        StopGuard { in_a_row: 0, failures_max }
    }

    /// A record was scored.
    pub fn scored(&mut self) {
        self.in_a_row = 0;
    }

    /// So many more were not. Returns whether they are too many.
    pub fn is_over(&mut self, failures: usize) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(u32::try_from(failures).unwrap_or(u32::MAX));
        self.in_a_row >= self.failures_max
    }
}
