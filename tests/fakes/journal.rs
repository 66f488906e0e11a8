//! What happened, in one order across all doors.

use std::sync::{Arc, Mutex};

use scorewire::edge::Destination;
use scorewire::record::Position;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Handed out by the source.
    Polled(Position),
    /// Taken by the sink.
    Sent(Position, Destination),
    Assigned(i32),
    Released(i32),
    Paused(i32),
    Resumed(i32),
    /// Partition and offset.
    Sought(i32, i64),
    CommitStarted(i32, i64),
    Purged,
}

/// Shared by the fakes of one lane. A test that counts allocations switches it off.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Entry>>>, Arc<std::sync::atomic::AtomicBool>);

impl Journal {
    pub fn note(&self, entry: Entry) {
        if !self.1.load(std::sync::atomic::Ordering::Relaxed) {
            self.0.lock().unwrap().push(entry);
        }
    }

    pub fn switch_off(&self) {
        self.1.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub fn all(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    /// Entries noted since the first `from`.
    pub fn since(&self, from: usize) -> Vec<Entry> {
        self.0.lock().unwrap()[from..].to_vec()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn count(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| wanted(entry)).count()
    }

    pub fn contains(&self, entry: &Entry) -> bool {
        self.0.lock().unwrap().contains(entry)
    }
}
