//! The lanes of a point: built as a node builds them, checked, and measured.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use scorewire::avro::decoder::Decoder;
use scorewire::avro::planner::{Known, News, Planner, Plans};
use scorewire::avro::schemas::{AvroSchema, SchemaDirectory};
use scorewire::doors::Clock;
use scorewire::lane::LanePackage;
use scorewire::lane::clock::SystemClock;
use scorewire::memory;
use scorewire::model::{Model, ModelSettings, ProbeSettings, prepare};
use scorewire::node;
use scorewire::values::record::SchemaKey;
use scorewire::values::schemas::{OnUnknown, WireForms};

use super::clock::{LaneClock, cpu_ns};
use super::memory::lane::MemoryLane;
use super::package::Made;
use super::point::Point;
use super::pool::{Pool, fill};

const ROUNDS: usize = 7;
/// CPU time of one round, about.
const ROUND_NS: u64 = 100_000_000;

/// By a clock that moves with the records, a commit is due after fewer.
const COMMIT_RECORDS: usize = 20_000;

/// What was found of a point.
#[derive(Debug)]
pub struct Figures {
    /// All lanes together.
    pub records: usize,
    pub record_bytes: usize,
    /// Each round's CPU time a record, the lanes' mean, and time a record, all lanes together.
    pub cpu_ns: Vec<f64>,
    pub wall_ns: Vec<f64>,
    /// What model, plans and lanes hold of the heap.
    pub heap_bytes: u64,
    /// What the process holds without the records, which a node would not have.
    pub resident_bytes: u64,
    /// From the package's folder to a model that may score, and the compiling of the schemas.
    pub open_ms: u64,
    pub plans_ms: u64,
}

impl Figures {
    pub fn json(&self) -> String {
        serde_json::json!({
            "records": self.records, "record_bytes": self.record_bytes, "cpu_ns": self.cpu_ns, "wall_ns": self.wall_ns,
            "heap_bytes": self.heap_bytes, "resident_bytes": self.resident_bytes,
            "open_ms": self.open_ms, "plans_ms": self.plans_ms,
        })
        .to_string()
    }
}

/// All plans are made before the first record: nobody asks.
struct AllMade;

impl Plans for AllMade {
    fn ask(&mut self, key: SchemaKey, _: bool) {
        panic!("the plan of {key} is not there");
    }

    fn news(&mut self) -> Option<News> {
        None
    }

    fn why(&self, _: SchemaKey) -> String {
        String::new()
    }

    fn refresh(&mut self) {}
}

pub fn run(point: &Point, made: &Made, folder: &Path) -> Figures {
    let pool = fill(point, made);
    let used_before = memory::used_bytes();
    let clock = SystemClock::new();
    let started_ns = clock.now_ns();
    let settings = ModelSettings {
        onnxruntime: Some(super::library()),
        probe: ProbeSettings { rows_max: point.rows, ..ProbeSettings::default() },
        ..ModelSettings::default()
    };
    let model = prepare(folder, &settings, &clock).unwrap_or_else(|fatal| panic!("{fatal}"));
    let opened_ns = clock.now_ns();
    let known = compile(&model, made);
    let planned_ns = clock.now_ns();
    if point.pause {
        pause();
    }
    let start = Arc::new(Barrier::new(point.lanes));
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let lane = || run_lane(point, &model, known.clone(), &pool, &start);
        let others: Vec<_> = (1..point.lanes).map(|_| scope.spawn(lane)).collect();
        let mut runs = vec![lane()];
        runs.extend(others.into_iter().map(|other| other.join().unwrap()));
        runs
    });
    let lanes = runs.len() as f64;
    let rounds = runs[0].rounds.len();
    let cpu_ns = (0..rounds).map(|round| runs.iter().map(|run| run.rounds[round].0).sum::<f64>() / lanes).collect();
    let wall_ns =
        (0..rounds).map(|round| 1.0 / runs.iter().map(|run| 1.0 / run.rounds[round].1).sum::<f64>()).collect();
    Figures {
        records: runs.iter().map(|run| run.records).sum(),
        record_bytes: pool.records.bytes() / pool.records.len(),
        cpu_ns,
        wall_ns,
        heap_bytes: runs[0].used_bytes.saturating_sub(used_before),
        resident_bytes: runs[0].resident_bytes.saturating_sub(pool.records.bytes() as u64),
        open_ms: (opened_ns - started_ns) / 1_000_000,
        plans_ms: (planned_ns - opened_ns) / 1_000_000,
    }
}

/// Says that the model is open, and waits for a line: whoever counts need not count what came before.
fn pause() {
    eprintln!("growth: ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A plan for every writer's schema, as a node makes them from a folder.
fn compile(model: &Model, made: &Made) -> Known {
    let mut directory = SchemaDirectory::without_folder(OnUnknown::DeadLetter);
    for text in &made.schemas {
        directory.add(Arc::new(AvroSchema::parse(text, "a writer's schema").unwrap()));
    }
    let package = &model.package;
    let mut planner = Planner::new(Arc::clone(&package.reader), package.wanted.clone(), Box::new(directory)).unwrap();
    assert_eq!(planner.preload().usable.len(), made.schemas.len() - 1, "every schema gives what is asked for");
    planner.known()
}

/// What was found of one lane.
struct Run {
    records: usize,
    /// CPU time and time a record.
    rounds: Vec<(f64, f64)>,
    used_bytes: u64,
    resident_bytes: u64,
}

fn run_lane(point: &Point, model: &Model, known: Known, pool: &Pool, start: &Barrier) -> Run {
    let decoder = Decoder::with(known, Box::new(AllMade), WireForms::default());
    let package = node::package(model, decoder, &model.package.thresholds).unwrap_or_else(|fatal| panic!("{fatal}"));
    let package = LanePackage { batch_rows: point.rows, ..package };
    let clock = if point.count > 0 { LaneClock::stepped() } else { LaneClock::Machine(SystemClock::new()) };
    let mut lane = MemoryLane::new(package, pool.records, (point.partitions, point.spread), clock.clone());
    check(&mut lane, &clock, point.rows, pool);
    start.wait();
    let (records, rounds) = match point.count / point.lanes {
        0 => timed(&mut lane, point.rows),
        records => (counted(&mut lane, &clock, point.rows, records), Vec::new()),
    };
    // What all lanes hold, while all are there.
    start.wait();
    let used_bytes = memory::used_bytes();
    // The page's size is not to be had under valgrind.
    let resident_bytes = if point.count > 0 { 0 } else { memory::resident_bytes().unwrap_or(0) };
    start.wait();
    // One commit at least, and its answer.
    for _ in 0..2 {
        clock.pass(COMMIT_RECORDS);
        lane.cycle(point.rows);
    }
    lane.assert_finished();
    Run { records, rounds, used_bytes, resident_bytes }
}

/// The first records get the scores that their trees say.
fn check(lane: &mut MemoryLane<LaneClock>, clock: &LaneClock, rows: usize, pool: &Pool) {
    for scores in pool.scores.chunks_exact(rows) {
        lane.cycle(rows);
        clock.pass(rows);
        let answers = lane.answers();
        assert!(answers.len() == rows, "{} outputs for {rows} records", answers.len());
        for ((id, found), expected) in answers.iter().zip(scores) {
            assert!(found == expected, "record {id} is scored {found}; its trees say {expected}");
        }
    }
}

/// What valgrind counts: nothing but the lane.
#[inline(never)]
fn counted(lane: &mut MemoryLane<LaneClock>, clock: &LaneClock, rows: usize, records: usize) -> usize {
    let cycles = records.div_ceil(rows);
    for _ in 0..cycles {
        lane.cycle(rows);
        clock.pass(rows);
    }
    cycles * rows
}

/// Rounds of about equal time, after one that tells how many records that is.
fn timed(lane: &mut MemoryLane<LaneClock>, rows: usize) -> (usize, Vec<(f64, f64)>) {
    const WARM: usize = 200;
    lane.wake();
    let mut cycle = |cycles: usize| {
        let (cpu, wall) = (cpu_ns(), Instant::now());
        (0..cycles).for_each(|_| lane.cycle(rows));
        let records = (cycles * rows) as f64;
        ((cpu_ns() - cpu) as f64 / records, wall.elapsed().as_nanos() as f64 / records)
    };
    let (warm_ns, _) = cycle(WARM);
    let cycles = ((ROUND_NS as f64 / (warm_ns * rows as f64)) as usize).max(WARM);
    let rounds = (0..ROUNDS).map(|_| cycle(cycles)).collect();
    ((WARM + ROUNDS * cycles) * rows, rounds)
}
