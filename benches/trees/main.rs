//! Tree ensembles by one engine of several, for `scripts/bench trees`, which runs a process for each and asks them in turn.
//! Alone, as `cargo test` runs it, it checks itself on the example model.
//!
//!     trees --kernels
//!     trees --model DIR --bits ROWS
//!     trees --model DIR --engine auto|onnxruntime|bare
//!     trees --model DIR --engine kernel --kernel NAME
//!     trees --model DIR --engine lleaves --library FILE
//!     trees --model DIR --engine lightgbm --library FILE
//!
//! `DIR` is a package that `scripts/train trees` made. An engine says `ready` and what it is, then answers lines of stdin:
//!
//! | asked | answers |
//! |---|---|
//! | `time ROWS CALLS` | nanoseconds of this thread's CPU time, and the calls that it took them for: at least as many |
//! | `scores ROWS BATCH FILE` | `done`: the first rows' scores are in the file, as little-endian doubles |
//!
//! It uses what the releases before have too, but for [`kernels`], so that it can be built from each.

#[path = "../bare.rs"]
mod bare;
mod bits;
mod engine;
mod kernels;
mod native;
mod package;
mod pool;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use engine::Engine;
use package::Bench;
use pool::Pool;

/// Rows that lie ready before the clock starts, as decoding leaves them: few enough for the caches next to the core.
const STAGE_ROWS: usize = 256;

/// What was asked for on the command line.
#[derive(Debug, Default)]
struct Options {
    model: Option<PathBuf>,
    engine: Option<String>,
    kernel: Option<String>,
    library: Option<PathBuf>,
    bits: Option<usize>,
    kernels: bool,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Options {
        let mut options = Options::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--model" => options.model = Some(value().into()),
                "--engine" => options.engine = Some(value()),
                "--kernel" => options.kernel = Some(value()),
                "--library" => options.library = Some(value().into()),
                "--bits" => options.bits = Some(value().parse().expect("--bits takes a number of rows")),
                "--kernels" => options.kernels = true,
                // What cargo calls every bench with.
                "--bench" => {}
                other => panic!("unknown: {other}"),
            }
        }
        options
    }
}

fn main() {
    let options = Options::read(std::env::args().skip(1));
    if options.kernels {
        kernels::names().iter().for_each(|name| println!("{name}"));
        return;
    }
    let Some(dir) = &options.model else { return check_itself() };
    let bench = Bench::read(dir);
    if let Some(rows) = options.bits {
        let differing = bits::compare(&bench, rows, |line| println!("{line}"));
        std::process::exit(i32::from(differing > 0));
    }
    let name = options.engine.as_deref().expect("--engine names one");
    let mut engine = engine::open(&bench, name, options.kernel.as_deref(), options.library.as_deref());
    println!("ready {}", engine.describe());
    answer(engine.as_mut(), &mut bench.pool());
}

/// Until stdin ends.
fn answer(engine: &mut dyn Engine, pool: &mut Pool) {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap_or_else(|_| panic!("no number in {line:?}"));
        match words[0] {
            "time" => {
                let (ns, calls) = time(engine, pool, number(1), number(2));
                println!("{ns} {calls}");
            }
            "scores" => {
                let scores = score(engine, pool, number(1), number(2));
                let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
                std::fs::write(words[3], bytes).unwrap();
                println!("done");
            }
            _ => panic!("unknown: {line:?}"),
        }
        std::io::stdout().flush().unwrap();
    }
}

/// CPU time of at least `calls` calls of `rows` rows, each of them fresh: the same ones again would teach the branch predictor
/// a tree's way. Only calls are timed, not how the rows come; some before them warm up what another process has cooled.
fn time(engine: &mut dyn Engine, pool: &mut Pool, rows: usize, calls: usize) -> (u64, usize) {
    let stage_calls = (STAGE_ROWS / rows).max(1);
    let mut timed = |count: usize| {
        let mut ns = 0;
        for _ in 0..count {
            engine.stage(pool.next(stage_calls * rows));
            let start = cpu_ns();
            for call in 0..stage_calls {
                engine.call(call * rows..(call + 1) * rows);
            }
            ns += cpu_ns() - start;
        }
        ns
    };
    timed(1);
    let stages = calls.div_ceil(stage_calls).max(1);
    (timed(stages), stages * stage_calls)
}

/// The first `count` rows' scores, `batch` rows a call.
fn score(engine: &mut dyn Engine, pool: &Pool, count: usize, batch: usize) -> Vec<f64> {
    let mut scores = Vec::with_capacity(count);
    for begin in (0..count).step_by(batch) {
        let rows = batch.min(count - begin);
        engine.stage(pool.slice(begin, rows));
        engine.call(0..rows);
        scores.extend_from_slice(&engine.scores()[..rows]);
    }
    scores
}

/// CPU time of this thread so far.
fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// With few rows: that engines answer alike and take time, and that the comparison of bits sees a difference.
fn check_itself() {
    let bench = Bench::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/card-fraud-gbdt"));
    let mut pool = bench.pool();
    let mut expected = Vec::new();
    let mut kernels = kernels::names();
    kernels.retain(|name| kernels::open(&bench, name).is_ok());
    let engines = ["onnxruntime", "bare", "auto"].map(|name| (name, None)).into_iter();
    for (name, kernel) in engines.chain(kernels.iter().map(|name| ("kernel", Some(name.as_str())))) {
        let mut engine = engine::open(&bench, name, kernel, None);
        for batch in [1, 3, 16] {
            let scores = score(engine.as_mut(), &pool, 500, batch);
            if expected.is_empty() {
                expected.clone_from(&scores);
            }
            assert_eq!(bits::differing(&expected, &scores), 0, "{name} {kernel:?} at batch {batch}");
        }
        let (ns, calls) = time(engine.as_mut(), &mut pool, 16, 20);
        assert!(ns > 0 && calls == 32, "{name}: {ns} ns for {calls} calls");
    }
    let mut lines = Vec::new();
    let rows = bits::BATCHES.len() * bits::CHUNK_ROWS;
    assert_eq!(bits::compare(&bench, rows, |line| lines.push(line)), 0, "{lines:?}");
    let compared = lines.iter().filter(|line| line.starts_with("bits ")).count();
    assert_eq!(compared, (1 + kernels.len()) * bits::BATCHES.len(), "{lines:?}");
    expected[7] = expected[7].next_up();
    assert_eq!(bits::differing(&expected, &score(&mut *engine::open(&bench, "auto", None, None), &pool, 500, 16)), 1);
    println!("the example model's scores are the same by {} engines", 3 + kernels.len());
}
