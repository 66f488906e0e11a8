//! What a record costs in a lane of a given size: features, trees, payload, partitions, schemas, lanes. One point of a curve
//! a process, so that its memory is its own; `scripts/bench growth` runs the points, draws the curves and judges them.
//!
//!     scripts/onnxruntime && cargo bench --bench growth -- features=100 trees=500
//!
//! Prints one line of JSON. Model, schemas and records are made here from a seed. The lane is a node's own, with its decoder,
//! its model and its ledger, between doors in memory; every score is held against the trees that were drawn before anything is
//! timed. With `count=N` the lane takes N records and nothing is timed: `scripts/bench` counts the instructions then.

use std::path::Path;

#[path = "growth/clock.rs"]
mod clock;
#[path = "growth/contract.rs"]
mod contract;
#[path = "growth/forest.rs"]
mod forest;
#[path = "growth/lanes.rs"]
mod lanes;
#[path = "memory/mod.rs"]
mod memory;
#[path = "../tests/model_support/mod.rs"]
mod model_support;
#[path = "growth/package.rs"]
mod package;
#[path = "growth/point.rs"]
mod point;
#[path = "growth/pool.rs"]
mod pool;

use lanes::Figures;
use point::Point;

/// The product's own: memory is asked of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `cargo test` runs: one small point of each curve, to keep them alive.
const ALIVE: [&str; 7] = [
    "features=12",
    "features=12 trees=20",
    "features=12 trees=20 payload=4096 unread=items",
    "features=12 trees=20 payload=4096 unread=doubles",
    "features=12 trees=20 partitions=9 spread=singles",
    "features=12 trees=20 schemas=5",
    "features=12 trees=20 lanes=2",
];

fn measure(point: &Point) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let made = package::make(point, folder.path());
    lanes::run(point, &made, folder.path())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.is_empty() {
        for text in ALIVE {
            let point = Point::parse(text.split(' ').chain(["count=2000"])).unwrap();
            let figures = measure(&point);
            assert!(figures.records >= 2_000 && figures.heap_bytes > 0, "{text}: {figures:?}");
            println!("{text}: {} records as expected", figures.records);
        }
        return;
    }
    match Point::parse(words.iter().map(String::as_str)) {
        Ok(point) => println!("{}", measure(&point).json()),
        Err(what) => {
            eprintln!("growth: {what}");
            std::process::exit(64);
        }
    }
}

/// ONNX Runtime's library: the one that is named, or else the one that `scripts/onnxruntime` fetched.
fn library() -> std::path::PathBuf {
    std::env::var_os("ORT_DYLIB_PATH").map_or_else(model_support::library, |path| Path::new(&path).to_owned())
}
