//! The topic of challenges: rows are kept, and acknowledged with the next poll, unless the test says otherwise.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use scorewire::doors::{Challenges, Delivered, SendError};
use scorewire::error::Fatal;

/// A row as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct ChallengesState {
    pub rows: Vec<Row>,
    unheard: u64,
    /// So many sends are refused by a full queue.
    pub full_times: u32,
    /// The producer cannot go on.
    pub fatal: Option<Fatal>,
}

/// Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct FakeChallenges {
    pub partitions: i32,
    state: Arc<Mutex<ChallengesState>>,
}

impl FakeChallenges {
    pub fn new(partitions: i32) -> FakeChallenges {
        FakeChallenges { partitions, state: Arc::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, ChallengesState> {
        self.state.lock().unwrap()
    }
}

impl Challenges for FakeChallenges {
    fn send(&mut self, partition: Option<i32>, key: Option<&[u8]>, value: &[u8], _: i64) -> Result<(), SendError> {
        let mut state = self.state();
        if let Some(fatal) = state.fatal.clone() {
            return Err(SendError::Fatal(fatal));
        }
        if state.full_times > 0 {
            state.full_times -= 1;
            return Err(SendError::Full);
        }
        state.rows.push(Row { partition, key: key.map(<[u8]>::to_vec), value: value.to_vec() });
        state.unheard += 1;
        Ok(())
    }

    fn poll(&mut self, _: Duration) -> Result<Delivered, Fatal> {
        Ok(Delivered { acknowledged: std::mem::take(&mut self.state().unheard), failed: 0 })
    }

    fn in_flight(&self) -> usize {
        self.state().unheard as usize
    }

    fn partitions(&self) -> i32 {
        self.partitions
    }
}
