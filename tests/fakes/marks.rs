//! The marks of a lane in memory, and when each was written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use scorewire::doors::{CrashMarks, Progress};
use scorewire::values::crash::Mark;

/// What was done to a place, and how many calls of the model there had been before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Set(Mark, usize),
    Cleared(usize),
}

#[derive(Debug, Default)]
pub struct MarksState {
    /// What the next process would read.
    pub standing: BTreeMap<usize, Mark>,
    pub written: Vec<Written>,
    /// Partition and offset, as the lane said that they are finished.
    pub finished: Vec<(i32, i64)>,
}

/// Clones share their places.
#[derive(Clone, Debug)]
pub struct FakeMarks {
    state: Arc<Mutex<MarksState>>,
    calls: Arc<AtomicUsize>,
    places: usize,
}

impl FakeMarks {
    /// `calls`: the model's.
    pub fn new(places: usize, calls: Arc<AtomicUsize>) -> FakeMarks {
        FakeMarks { state: Arc::default(), calls, places }
    }

    pub fn state(&self) -> MutexGuard<'_, MarksState> {
        self.state.lock().unwrap()
    }

    /// Partition, first offset and the one behind the last, of what stands.
    pub fn standing(&self) -> Vec<(i32, i64, i64)> {
        let mut standing: Vec<_> =
            self.state().standing.values().map(|mark| (mark.partition, mark.first, mark.end)).collect();
        standing.sort_unstable();
        standing
    }
}

impl CrashMarks for FakeMarks {
    fn places(&self) -> usize {
        self.places
    }

    fn set(&mut self, place: usize, mark: Mark) {
        assert!(place < self.places && mark.first < mark.end, "{place}: {mark:?}");
        let calls = self.calls.load(Ordering::SeqCst);
        let mut state = self.state();
        state.standing.insert(place, mark);
        state.written.push(Written::Set(mark, calls));
    }

    fn clear(&mut self, place: usize) {
        let calls = self.calls.load(Ordering::SeqCst);
        let mut state = self.state();
        assert!(state.standing.remove(&place).is_some(), "nothing stands at {place}");
        state.written.push(Written::Cleared(calls));
    }

    fn finished(&mut self, progress: &[Progress]) {
        self.state().finished.extend(progress.iter().map(|to| (to.partition, to.offset)));
    }
}
