//! The lane's way.

use std::path::Path;

use scorewire::lane::clock::SystemClock;
use scorewire::lane::{LanePackage, Marking};
use scorewire::model::Model;
use scorewire::node;
use scorewire::state::{CrashBook, Job, StateDirectory};
use scorewire::values::settings::OutputSettings;

use super::memory::doors::Spread;
use super::memory::lane::MemoryLane;
use super::memory::records::Records;
use super::ways::{BATCH_MAX, Way, decoder};

const PARTITIONS: i32 = 4;

/// One duty cycle per batch.
pub struct LaneWay {
    lane: MemoryLane<SystemClock>,
}

impl LaneWay {
    pub fn new(model: &Model, records: &'static Records, outputs: OutputSettings) -> LaneWay {
        let package = node::package(model, decoder(model), &model.package.thresholds);
        let package = package.unwrap_or_else(|fatal| panic!("{fatal}"));
        let package = LanePackage { batch_rows: BATCH_MAX, ..package };
        // The real clock: reading it is part of what the lane costs.
        let (spread, clock) = ((PARTITIONS, Spread::Runs), SystemClock::new());
        LaneWay { lane: MemoryLane::with_outputs(package, records, spread, clock, outputs) }
    }

    /// Marks what is in work in a file of this directory, as `node.state_directory` has it.
    pub fn marked(mut self, directory: &Path) -> LaneWay {
        let job = Job { group: "bench", topic: "bench", lanes: 1, crashes_max: 3 };
        let book = StateDirectory::open(directory, "bench").and_then(|directory| CrashBook::open(directory, job));
        let book = book.unwrap_or_else(|fatal| panic!("{fatal}"));
        let door = Box::new(book.lane(0));
        self.lane.mark(Marking { door, suspects: book.suspects(), crashes_max: job.crashes_max, turn: None });
        self
    }

    pub fn assert_finished(&self) {
        self.lane.assert_finished();
    }

    pub fn review_share(&self) -> f64 {
        self.lane.review_share()
    }
}

impl Way for LaneWay {
    fn batch(&mut self, rows: usize) {
        self.lane.cycle(rows);
    }

    fn ready(&mut self) {
        self.lane.wake();
    }

    fn scores(&self) -> Vec<f64> {
        self.answers().into_iter().map(|(_, score)| score).collect()
    }

    fn answers(&self) -> Vec<(String, f64)> {
        self.lane.answers()
    }
}
