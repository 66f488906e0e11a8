//! A bounded piece of the input, scored again beside the recorded outputs: what the next model would have decided, and
//! whether the recorded scores are those of the model that they name.
//!
//! It joins no group and moves no offset. The outputs of the piece are read into an [`index`] first; then threads take pieces
//! of the input, score them by the code of a lane ([`crate::lane::scoring`]) and look each record up by its position.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, bounded};

use super::INSPECT_TIMEOUT;
use super::index::Index;
use super::recorded::{Outputs, Part};
use super::tally::{Rules, Tally};
use super::work::Work;
use super::worker::{self, Found, Job};
use crate::avro::output::OutputReader;
use crate::avro::written::Written;
use crate::compare::{FeatureDrift, LabelledScores, Labels};
use crate::config::{Config, machine};
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::kafka::cluster::starting_offsets;
use crate::lane::clock::SystemClock;
use crate::model::Package;
use crate::node::{OwnSchemas, Prepared, Registry, SecondAnswers};
use crate::piece::places::Place;
use crate::piece::progress::Progress;
use crate::piece::ranges::{self, Range};
use crate::values::topics::Destination;

/// The share of free memory that the index may take.
const MEMORY_SHARE: u64 = 2;

/// How often progress is looked at.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// What a replay is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub from: Place,
    pub to: Place,
    /// The outputs to compare with, where they are not the configured ones.
    pub against: Option<String>,
    /// Where the outputs are read from, where that is not found by time.
    pub outputs_from: Option<Place>,
    pub threads: NonZeroUsize,
    /// An audit: recorded scores of this very model must come out again, bit by bit.
    pub bit_equal: bool,
}

/// Everything that was found.
pub struct Findings {
    pub tally: Tally,
    pub index: Index,
    pub ranges: Vec<Range>,
    pub outputs: Part,
    pub outputs_topic: String,
    pub input_topic: String,
    /// Of the rows that reached the model, beside the package's golden rows.
    pub drift: Option<FeatureDrift>,
    /// Where labels were given.
    pub labelled: Option<LabelledScores>,
    /// What there is to tell of schemas.
    pub notes: Vec<String>,
    pub threads: NonZeroUsize,
    pub elapsed: Duration,
}

/// Reads, scores and compares.
///
/// # Errors
/// What does not hold, with its fix and exit code.
pub fn run(
    config: &Config,
    options: &Options,
    (answers, own): (&SecondAnswers, &OwnSchemas),
    labels: Option<&Labels>,
) -> Result<Findings, Fatal> {
    let clock = SystemClock::new();
    let start_ns = clock.now_ns();
    let input = config.topics.input().as_str();
    let outputs_topic = options.against.clone().unwrap_or_else(|| config.topics[Destination::Outputs].clone());
    let partitions = cluster::partitions(&config.kafka, &[input, &outputs_topic], INSPECT_TIMEOUT)?;
    let kept = |topic: &str, partitions| starting_offsets::kept(&config.kafka, topic, partitions);
    let (kept_input, kept_outputs) = (kept(input, partitions[0])?, kept(&outputs_topic, partitions[1])?);
    let mut at_time = |ms| starting_offsets::at_time(&config.kafka, input, partitions[0], ms);
    let now_ms = clock.wall_us() / 1_000;
    let ranges = ranges::between((&options.from, &options.to), &kept_input, now_ms, &mut at_time)?;
    let bytes_max = room(Index::bytes(&ranges))?;

    let outputs = Outputs { settings: &config.kafka, topic: &outputs_topic, kept: kept_outputs, clock };
    let part = outputs.part(options.outputs_from.as_ref(), (input, &ranges))?;
    let mut index = Index::new(input, &ranges, bytes_max);
    outputs.read_into(&mut index, &part, OutputReader::new(own.ids(Written::Outputs)))?;

    let only_model = options.bit_equal.then(|| answers.package().sha256.as_str());
    let rules = Rules::new(&index, only_model, part.head_is_lost);
    let drift = drift_of(answers.package());
    let found = {
        let job = Job {
            settings: &config.kafka,
            topic: input,
            answers,
            index: &index,
            rules: &rules,
            labels,
            drift: &drift,
            work: Work::new(&ranges),
            done: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            clock,
        };
        score(&job, options.threads, &ranges)?
    };
    let elapsed = Duration::from_nanos(clock.now_ns().saturating_sub(start_ns));
    let Found { tally, drift, labelled, notes } = found;
    Ok(Findings {
        tally,
        index,
        ranges,
        outputs: part,
        outputs_topic,
        input_topic: input.to_owned(),
        drift: Some(drift),
        labelled: labels.map(|_| labelled),
        notes,
        threads: options.threads,
        elapsed,
    })
}

/// Beside the inputs that the package brings along.
fn drift_of(package: &Package) -> FeatureDrift {
    let names: Vec<String> = package.wanted.features.iter().map(|feature| feature.name.clone()).collect();
    FeatureDrift::new(&names, package.golden.rows.view())
}

/// The package and the ids of the outputs' schemas, as the configuration has them; nothing is written or registered.
///
/// # Errors
/// Those of [`Prepared::of`].
pub fn prepare(config: &Config) -> Result<(SecondAnswers, OwnSchemas, Vec<String>), Fatal> {
    let registry = Registry::open_as_guest(config)?;
    let prepared = Prepared::of(config, &SystemClock::new(), registry.as_ref())?;
    let warnings = prepared.warnings();
    let own = registry.map(|registry| OwnSchemas::of_reader(&registry, &config.topics)).unwrap_or_default();
    Ok((SecondAnswers::new(config, prepared), own, warnings))
}

/// Scores the ranges on so many threads. The first failure ends all of them.
#[expect(clippy::disallowed_methods, reason = "the threads of a replay, which src/lib.rs lists")]
fn score(job: &Job<'_>, threads: NonZeroUsize, ranges: &[Range]) -> Result<Found, Fatal> {
    let total = ranges.iter().map(Range::offsets).sum();
    let mut progress = Progress::start("scoring", total, job.clock.now_ns());
    let (told, results) = bounded(threads.get());
    std::thread::scope(|scope| {
        for number in 0..threads.get() {
            let told = told.clone();
            let thread = std::thread::Builder::new().name(format!("replay-{number}"));
            let started = thread.spawn_scoped(scope, move || {
                // Nobody waits for what comes after a failure.
                let _ = told.send(worker::run(job));
            });
            if let Err(error) = started {
                job.stop.store(true, Ordering::Relaxed);
                let what = format!("cannot start thread replay-{number}: {error}");
                return Err(Fatal::new(exit::SYSTEM, what, "raise the limit of threads, or say --threads"));
            }
        }
        drop(told);
        let mut whole: Result<Found, Fatal> = Ok(Found::nothing(job.drift));
        loop {
            match results.recv_timeout(SHOW_EVERY) {
                Ok(found) => whole = joined(whole, found, job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress.show(job.done.load(Ordering::Relaxed), job.clock.now_ns());
        }
        progress.finish();
        whole
    })
}

fn joined(whole: Result<Found, Fatal>, found: Result<Found, Fatal>, job: &Job<'_>) -> Result<Found, Fatal> {
    if found.is_err() {
        job.stop.store(true, Ordering::Relaxed);
    }
    let (mut whole, found) = (whole?, found?);
    whole.merge(found);
    Ok(whole)
}

/// How much the index may take, where so many bytes fit.
fn room(bytes: u64) -> Result<u64, Fatal> {
    let bytes_max = machine::free_memory_bytes().map_or(u64::MAX, |free| free / MEMORY_SHARE);
    if bytes > bytes_max {
        return Err(too_large(bytes, "of their recorded scores"));
    }
    Ok(bytes_max)
}

pub(super) fn too_large(bytes: u64, of_what: &str) -> Fatal {
    let mib = bytes.div_ceil(1 << 20);
    let free = machine::free_memory_bytes().map_or(0, |free| free >> 20);
    let what = format!("the range takes {mib} MiB {of_what}, and {free} MiB of memory are free, of which half is used");
    Fatal::new(exit::SYSTEM, what, "split the range with --from and --to, or replay where there is more memory")
}
