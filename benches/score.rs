//! What a score costs beside ONNX Runtime itself: `Session::score` with tree ensembles by our own kernel and by ONNX
//! Runtime's nodes, and the same model and batches through the `ort` crate's own calls. CPU time of the thread, not wall time, because machines are shared. Fresh rows each call:
//! the same ones again would teach the branch predictor a tree's way and look more than twice as fast.
//!
//!     scripts/onnxruntime && cargo bench --bench score
//!
//! `SCOREWIRE_BENCH_PACKAGE=DIR` takes another model package. At the end all are run in turn, pair by pair: the
//! median ratio of those pairs is the figure to quote.

#[path = "bare.rs"]
mod bare;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bare::BareSession;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use ndarray::{Array2, ArrayView2, s};
use scorewire::doors::{Clock, Scorer};
use scorewire::model::{MANIFEST, Model, ModelSettings, Session, prepare, varied_rows};
use scorewire::values::model::Trees;

const BATCHES: [usize; 5] = [1, 8, 64, 128, 512];
const POOL_ROWS: usize = 120_000;
const PAIRS: usize = 15;
/// In the order of [`Setup`]'s sessions.
const NAMES: [&str; 2] = ["scorewire", "scorewire, trees by ort"];

struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now_ns(&self) -> u64 {
        nanoseconds(rustix::time::ClockId::Monotonic)
    }

    fn wall_us(&self) -> i64 {
        0
    }
}

fn nanoseconds(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// CPU time of this thread so far.
fn cpu_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::ThreadCPUTime)
}

/// The model of the repository where it is there, else the tests' small trees.
fn model(trees: Trees) -> Model {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chosen = std::env::var_os("SCOREWIRE_BENCH_PACKAGE").map(PathBuf::from);
    let dir = chosen.unwrap_or_else(|| root.join("models/card-fraud-gbdt"));
    let dir = if dir.is_dir() { dir } else { small_package(root) };
    let settings = ModelSettings { trees, ..ModelSettings::default() };
    prepare(&dir, &settings, &MonotonicClock).unwrap_or_else(|fatal| panic!("{fatal}"))
}

fn small_package(root: &Path) -> PathBuf {
    use sha2::{Digest, Sha256};
    let dir = root.join("target/bench-package");
    let data = root.join("tests/data");
    std::fs::create_dir_all(&dir).unwrap();
    let model = std::fs::read(data.join("trees.onnx")).unwrap();
    let sha256: String = Sha256::digest(&model).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(dir.join("model.onnx"), model).unwrap();
    std::fs::copy(data.join("trees.csv"), dir.join("golden.csv")).unwrap();
    std::fs::write(dir.join("transaction.avsc"), "{}").unwrap();
    let features = ["a", "b", "c", "d"].map(|name| format!("[[features]]\nname = \"{name}\"\npath = \"{name}\"\n"));
    let manifest = format!(
        "format = 1\n[model]\nname = \"trees\"\nversion = \"1\"\nfile = \"model.onnx\"\nsha256 = \"{sha256}\"\n\
         [output]\ntensor = \"probabilities\"\ncolumn = 1\n[transaction]\nschema = \"transaction.avsc\"\n\
         [thresholds]\nversion = \"1\"\nreview = 0.2\ndecline = 0.8\n\
         [golden]\nfile = \"golden.csv\"\ntolerance = 1e-6\n{}",
        features.concat()
    );
    std::fs::write(dir.join(MANIFEST), manifest).unwrap();
    dir
}

/// Walks the pool batch by batch, each copied into one reused buffer, as decoding leaves it.
struct Batches {
    pool: Array2<f32>,
    buffer: Array2<f32>,
    at: usize,
}

impl Batches {
    fn next(&mut self, rows: usize) -> ArrayView2<'_, f32> {
        if self.at + rows > self.pool.nrows() {
            self.at = 0;
        }
        let mut batch = self.buffer.slice_mut(s![..rows, ..]);
        batch.assign(&self.pool.slice(s![self.at..self.at + rows, ..]));
        self.at += rows;
        self.buffer.slice(s![..rows, ..])
    }
}

struct Setup {
    /// With our kernel, and with ONNX Runtime's nodes: the same where there are no trees.
    ours: [Session; 2],
    bare: BareSession,
    batches: Batches,
    scores: Vec<f64>,
}

impl Setup {
    fn new() -> Setup {
        let models = [Trees::Auto, Trees::OnnxRuntime].map(model);
        for model in &models {
            println!("{} {}: {:?}\n{:?}", model.package.name, model.package.version, model.graph.nodes, model.report);
        }
        let model = &models[0];
        let pool = varied_rows(&model.package.golden.rows, POOL_ROWS);
        let buffer = Array2::zeros((BATCHES[BATCHES.len() - 1], pool.ncols()));
        let bare = BareSession::new(model);
        let ours = models.map(|model| model.session().unwrap_or_else(|fatal| panic!("{fatal}")));
        let scores = vec![0.0; buffer.nrows()];
        Setup { ours, bare, batches: Batches { pool, buffer, at: 0 }, scores }
    }

    fn ours(&mut self, way: usize, rows: usize, calls: u64) -> u64 {
        let start = cpu_ns();
        for _ in 0..calls {
            self.ours[way].score(self.batches.next(rows), &mut self.scores).unwrap();
        }
        cpu_ns() - start
    }

    fn bare(&mut self, rows: usize, calls: u64) -> u64 {
        let start = cpu_ns();
        for _ in 0..calls {
            self.bare.score(self.batches.next(rows), &mut self.scores);
        }
        cpu_ns() - start
    }
}

fn score(criterion: &mut Criterion) {
    let mut setup = Setup::new();
    let mut group = criterion.benchmark_group("score");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    for rows in BATCHES {
        group.throughput(Throughput::Elements(rows as u64));
        for (way, name) in NAMES.into_iter().enumerate() {
            group.bench_with_input(BenchmarkId::new(name, rows), &rows, |bencher, &rows| {
                bencher.iter_custom(|calls| Duration::from_nanos(setup.ours(way, rows, calls)));
            });
        }
        group.bench_with_input(BenchmarkId::new("bare_ort", rows), &rows, |bencher, &rows| {
            bencher.iter_custom(|calls| Duration::from_nanos(setup.bare(rows, calls)));
        });
    }
    group.finish();
}

/// Both in turn, so that a slow moment of the machine hits both.
fn print_ratios() {
    let mut setup = Setup::new();
    println!("{:>6} {:<24} {:>13} {:>14} {:>24}", "batch", "", "", "bare ort", "ratio of CPU time");
    for (rows, way) in BATCHES.into_iter().flat_map(|rows| [(rows, 0), (rows, 1)]) {
        let calls = (40_000 / rows).clamp(200, 20_000) as u64;
        let mut pairs = Vec::with_capacity(PAIRS);
        for _ in 0..PAIRS {
            let (ours, bare) = (setup.ours(way, rows, calls), setup.bare(rows, calls));
            pairs.push((ours as f64 / bare as f64, ours, bare));
        }
        pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (ratio, ours, bare) = pairs[PAIRS / 2];
        let per_row = |ns: u64| ns as f64 / (calls as f64 * rows as f64);
        let range = format!("{ratio:.3} ({:.3}..{:.3})", pairs[0].0, pairs[PAIRS - 1].0);
        let name = NAMES[way];
        println!("{rows:>6} {name:<24} {:>6.0} ns/row {:>7.0} ns/row {range:>24}", per_row(ours), per_row(bare));
    }
}

criterion_group!(benches, score);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test` runs each bench once, to keep it alive; figures are for `cargo bench`.
    if std::env::args().any(|argument| argument == "--bench") {
        print_ratios();
    }
}
