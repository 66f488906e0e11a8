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
