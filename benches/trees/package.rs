//! A model package, and what the bench finds beside it.

use std::path::{Path, PathBuf};

use scorewire::doors::Clock;
use scorewire::model::{Model, ModelSettings, prepare, varied_rows};
use scorewire::values::model::Trees;

use crate::pool::Pool;

/// Where no rows lie beside the package.
const VARIED_ROWS: usize = 120_000;

pub struct Bench {
    pub dir: PathBuf,
    /// Of each feature's splits; empty where nobody wrote them down.
    pub thresholds: Vec<Vec<f32>>,
    /// From `bench.json`; null where there is none.
    about: serde_json::Value,
}

impl Bench {
    pub fn read(dir: &Path) -> Bench {
        let read = |name| std::fs::read_to_string(dir.join(name)).ok();
        let numbers = |line: &str| line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        Bench {
            dir: dir.to_owned(),
            thresholds: read("thresholds.txt").map_or_else(Vec::new, |text| text.lines().map(numbers).collect()),
            about: read("bench.json").map_or(serde_json::Value::Null, |text| serde_json::from_str(&text).unwrap()),
        }
    }

    pub fn model(&self, trees: Trees) -> Model {
        let settings = ModelSettings { trees, ..ModelSettings::default() };
        prepare(&self.dir, &settings, &MonotonicClock).unwrap_or_else(|fatal| panic!("{fatal}"))
    }

    /// A file beside the package, where there is one of this kind.
    pub fn file(&self, kind: &str) -> Option<PathBuf> {
        self.about[kind].as_str().map(|name| self.dir.join(name))
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.about["features"].as_u64().map_or_else(|| self.pool().width, |width| width as usize)
    }

    pub fn pool(&self) -> Pool {
        match self.file("rows") {
            Some(file) => {
                let width = self.about["features"].as_u64().expect("bench.json says how many features a row has");
                Pool::read(&file, width as usize)
            }
            None => {
                let rows = varied_rows(&self.model(Trees::OnnxRuntime).package.golden.rows, VARIED_ROWS);
                Pool::new(rows.iter().copied().collect(), rows.ncols())
            }
        }
    }
}

pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now_ns(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    fn wall_us(&self) -> i64 {
        0
    }
}
