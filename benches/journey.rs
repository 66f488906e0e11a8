//! A record's whole journey in the process, without Kafka: received bytes, decode, batch, score, judge, encode, handed
//! over, acknowledged, watermark. In the same run, on the same records and batches: ONNX Runtime alone on rows already
//! in place, the lane's stages as far as the score (with tree ensembles by ONNX Runtime, and by our own kernel), and what programs without scorewire would do. All are held to the
//! same scores before they are timed.
//!
//!     scripts/onnxruntime && cargo bench --bench journey
//!
//! Every package of `models/` is measured; `SCOREWIRE_BENCH_PACKAGE=DIR` takes another instead, on the same contract
//! (`scripts/train bench` makes some).
//!
//! CPU time of the thread, not wall time, because machines are shared. Fresh rows (131,072 distinct records): the same
//! ones again would teach the branch predictor a tree's way. At the end the ways are run in turn, round by round: the
//! median ratio to ONNX Runtime alone is the figure to quote.

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use scorewire::lane::clock::SystemClock;
use scorewire::load::simulate::payloads::POOL_ROWS;
use scorewire::load::simulate::population::World;
use scorewire::model::{ModelSettings, ProbeSettings, prepare};
use scorewire::values::model::Trees;
use scorewire::values::settings::OutputSettings;

#[path = "bare.rs"]
mod bare;
#[path = "journey/generic.rs"]
mod generic;
#[path = "journey/lane.rs"]
mod lane;
#[path = "memory/mod.rs"]
mod memory;
#[path = "journey/records.rs"]
mod records;
#[path = "journey/transaction.rs"]
mod transaction;
#[path = "journey/ways.rs"]
mod ways;

use generic::Generic;
use lane::LaneWay;
use memory::records::{Cursor, Outcomes, PREFIX, Records};
use ways::{BATCH_MAX, Bare, Stages, Typed, Way};

/// The product's own: the ways that allocate would pay more with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [usize; 5] = [1, 8, 64, 128, BATCH_MAX];
const ROUNDS: usize = 15;
/// Records of one round, roughly.
const ROUND_RECORDS: usize = 40_000;

/// In the order in which [`Setup`] holds them; the first is what the others are divided by.
const NAMES: [&str; 9] = [
    "bare ort",
    "decode+batch+score",
    "the same, own trees",
    "lane",
    "lane, own trees",
    "with fingerprints",
    "with crash marks",
    "serde_avro_fast",
    "apache-avro",
];
const LANE: usize = 3;

/// CPU time of this thread so far.
fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// `cargo test` runs everything once, to keep it alive; figures are for `cargo bench`.
fn measures() -> bool {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    has("--bench") && !has("--test")
}

/// The folders of the packages to measure.
fn packages() -> Vec<PathBuf> {
    if let Some(chosen) = std::env::var_os("SCOREWIRE_BENCH_PACKAGE") {
        return vec![PathBuf::from(chosen)];
    }
    let models = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap();
    let mut folders: Vec<PathBuf> = models.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn simulated() -> &'static Records {
    if measures() {
        records::simulated(POOL_ROWS, &World::default())
    } else {
        records::simulated(4 * BATCH_MAX, &World { customers: 100, terminals: 100, warm_up_days: 3 })
    }
}

struct Setup {
    package: String,
    records: &'static Records,
    bare: Bare,
    stages: Stages,
    stages_own_trees: Stages,
    lane: LaneWay,
    lane_own_trees: LaneWay,
    lane_fingerprints: LaneWay,
    lane_marks: LaneWay,
    typed: Typed,
    generic: Generic,
}

impl Setup {
    fn new(dir: &Path, records: &'static Records) -> Setup {
        let probe = ProbeSettings { rows_max: BATCH_MAX, ..ProbeSettings::default() };
        let prepared = |trees| {
            let settings = ModelSettings { probe: probe.clone(), trees, ..ModelSettings::default() };
            prepare(dir, &settings, &SystemClock::new()).unwrap_or_else(|fatal| panic!("{fatal}"))
        };
        // Where there are no trees, both are the same.
        let (model, own_trees) = (prepared(Trees::OnnxRuntime), prepared(Trees::Auto));
        let plain = OutputSettings::default();
        // The file of marks stays mapped when its folder is gone.
        let state = tempfile::tempdir().unwrap();
        Setup {
            package: model.package.name.clone(),
            records,
            bare: Bare::new(&model, records),
            stages: Stages::new(&model, records),
            stages_own_trees: Stages::new(&own_trees, records),
            lane: LaneWay::new(&model, records, plain),
            lane_own_trees: LaneWay::new(&own_trees, records, plain),
            lane_fingerprints: LaneWay::new(&own_trees, records, OutputSettings { fingerprint: true }),
            lane_marks: LaneWay::new(&own_trees, records, plain).marked(state.path()),
            typed: Typed::new(&model, records),
            generic: Generic::new(&model, records),
        }
    }

    fn ways(&mut self) -> [&mut dyn Way; NAMES.len()] {
        [
            &mut self.bare,
            &mut self.stages,
            &mut self.stages_own_trees,
            &mut self.lane,
            &mut self.lane_own_trees,
            &mut self.lane_fingerprints,
            &mut self.lane_marks,
            &mut self.typed,
            &mut self.generic,
        ]
    }

    /// All ways give the same scores, bit by bit, over the whole pool and in every batch size, and their outcomes name
    /// the same transactions: the figures compare equal work.
    fn check(&mut self) {
        let everything = self.records.len() / BATCH_MAX;
        for (rows, batches) in BATCHES.map(|rows| (rows, 1)).into_iter().chain([(BATCH_MAX, everything)]) {
            for batch in 0..batches {
                let mut ways = self.ways();
                ways.iter_mut().for_each(|way| way.batch(rows));
                let expected: Vec<u64> = ways[0].scores().into_iter().map(f64::to_bits).collect();
                assert_eq!(expected.len(), rows);
                let named = ways[LANE].answers();
                assert_eq!(named.len(), rows);
                for (way, name) in ways.iter().zip(NAMES) {
                    let scores: Vec<u64> = way.scores().into_iter().map(f64::to_bits).collect();
                    assert!(scores == expected, "{name}: other scores in batch {batch} of {rows}");
                    let answers = way.answers();
                    assert!(
                        answers.is_empty() || answers == named,
                        "{name}: other outcomes in batch {batch} of {rows}"
                    );
                }
            }
        }
        self.assert_finished();
    }

    fn assert_finished(&mut self) {
        self.lane.assert_finished();
        self.lane_own_trees.assert_finished();
        self.lane_fingerprints.assert_finished();
        self.lane_marks.assert_finished();
    }
}

/// Not inlined: scripts/instructions counts what happens in here.
#[inline(never)]
fn measure(way: &mut dyn Way, rows: usize, calls: u64) -> u64 {
    if !measures() {
        // As many records for each size; and valgrind, under which scripts/instructions runs this, ends at the clock below.
        (0..BATCH_MAX / rows).for_each(|_| way.batch(rows));
        return 1;
    }
    way.ready();
    let start = cpu_ns();
    for _ in 0..calls {
        way.batch(rows);
    }
    cpu_ns() - start
}

fn journey(criterion: &mut Criterion) {
    let records = simulated();
    for dir in packages() {
        journey_of(criterion, &mut Setup::new(&dir, records));
    }
}

fn journey_of(criterion: &mut Criterion, setup: &mut Setup) {
    setup.check();
    let mut group = criterion.benchmark_group(format!("journey/{}", setup.package));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(10);
    for rows in BATCHES {
        group.throughput(Throughput::Elements(rows as u64));
        for (way, name) in setup.ways().into_iter().zip(NAMES) {
            group.bench_with_input(BenchmarkId::new(name, rows), &rows, |bencher, &rows| {
                bencher.iter_custom(|calls| Duration::from_nanos(measure(way, rows, calls)));
            });
        }
    }
    group.finish();
    setup.assert_finished();
    if measures() {
        print_ratios(setup);
    }
}

/// All in turn, so that a slow moment of the machine hits all.
fn print_ratios(setup: &mut Setup) {
    let (count, bytes) = (setup.records.len(), setup.records.bytes());
    println!("{}: {count} records of {} bytes on average", setup.package, bytes / count);
    println!("{:>6} {:<20} {:>16} {:>28}", "batch", "way", "CPU per record", "over bare ort (range)");
    for rows in BATCHES {
        let calls = (ROUND_RECORDS / rows) as u64;
        let per_record = |ns: u64| ns as f64 / (calls as f64 * rows as f64);
        let mut rounds: Vec<[f64; NAMES.len()]> = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            rounds.push(setup.ways().map(|way| per_record(measure(way, rows, calls))));
        }
        for (way, name) in NAMES.into_iter().enumerate() {
            let (ns, _, _) = spread(rounds.iter().map(|round| round[way]));
            let (ratio, least, most) = spread(rounds.iter().map(|round| round[way] / round[0]));
            let range = format!("{ratio:.3} ({least:.3}..{most:.3})");
            println!("{rows:>6} {name:<20} {ns:>13.0} ns {range:>28}");
        }
        let (copy, _, _) = spread((0..ROUNDS).map(|_| {
            let start = cpu_ns();
            (0..calls).for_each(|_| setup.bare.copy(rows));
            per_record(cpu_ns() - start)
        }));
        println!("{rows:>6} {:<20} {copy:>13.0} ns", "(copying the rows)");
    }
    setup.assert_finished();
    println!("{:.1} % of the lane's records had a review copy as well", setup.lane.review_share() * 100.0);
}

/// Median, least and most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

criterion_group!(benches, journey);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
