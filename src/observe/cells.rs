//! What a lane writes and anyone reads: numbers with one writer, and values behind a lock that nobody poisons.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One writer, so a load and a store do: no locked instruction on the record's way.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub fn raise_to(&self, n: u64) {
        if n > self.0.load(Relaxed) {
            self.set(n);
        }
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Bounded runs: how many partitions a lane has, and whether each of them is at its end. One value, since whoever reads the
/// two one after the other may take the new number for the old answer, and end a run that has just begun.
#[derive(Debug, Default)]
pub struct AtEnd(AtomicU64);

impl AtEnd {
    pub fn set(&self, partitions: u64, at_end: bool) {
        self.0.store(partitions << 1 | u64::from(at_end), Relaxed);
    }

    /// The partitions, and whether they are at their end; a lane without any is.
    pub fn get(&self) -> (u64, bool) {
        let value = self.0.load(Relaxed);
        (value >> 1, value & 1 == 1)
    }
}

/// When something was, in milliseconds of the clock that its place names; 0: never, or not now. It counts nothing, so it
/// may be no metric.
#[derive(Debug, Default)]
pub struct Mark(Counter);

impl Mark {
    pub fn set(&self, at_ms: u64) {
        self.0.set(at_ms);
    }

    pub fn raise_to(&self, at_ms: u64) {
        self.0.raise_to(at_ms);
    }

    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Whoever panicked with it left a whole value behind.
pub fn held<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_their_end_are_read_as_they_were_written() {
        let at_end = AtEnd::default();
        assert_eq!(at_end.get(), (0, false), "a lane that has not begun is not at its end");
        for value in [(0, true), (3, false), (3, true), (0, false)] {
            at_end.set(value.0, value.1);
            assert_eq!(at_end.get(), value);
        }
    }
}
