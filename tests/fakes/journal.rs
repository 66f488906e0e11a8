//! What happened, in one order across all doors.

use std::sync::{Arc, Mutex};

use scorewire::doors::Destination;
use scorewire::observe::doing::Doing;
use scorewire::observe::stats::LaneStats;
use scorewire::values::record::Position;

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
pub struct Journal(Arc<Mutex<Vec<Entry>>>, Arc<std::sync::atomic::AtomicBool>, Arc<Mutex<Option<Steps>>>);

/// Which step the watchdog would have named, had the door not come back.
#[derive(Debug)]
struct Steps {
    stats: Arc<LaneStats>,
    steps: Vec<(Entry, Doing)>,
}

impl Journal {
    pub fn note(&self, entry: Entry) {
        if !self.1.load(std::sync::atomic::Ordering::Relaxed) {
            if let Some(Steps { stats, steps }) = &mut *self.2.lock().unwrap() {
                steps.push((entry.clone(), stats.doing.get()));
            }
            self.0.lock().unwrap().push(entry);
        }
    }

    /// From now on the lane's step is noted with each entry.
    pub fn watch(&self, stats: &Arc<LaneStats>) {
        *self.2.lock().unwrap() = Some(Steps { stats: Arc::clone(stats), steps: Vec::new() });
    }

    /// Every step that was named at entries that this picks.
    pub fn steps_at(&self, pick: impl Fn(&Entry) -> bool) -> Vec<Doing> {
        let watched = self.2.lock().unwrap();
        let steps = &watched.as_ref().expect("it is watched").steps;
        steps.iter().filter(|(entry, _)| pick(entry)).map(|(_, doing)| *doing).collect()
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
