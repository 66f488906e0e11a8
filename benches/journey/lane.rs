//! The lane's way.

use scorewire::lane::LanePackage;
use scorewire::lane::clock::SystemClock;
use scorewire::model::Model;
use scorewire::node;
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
