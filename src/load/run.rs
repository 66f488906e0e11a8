//! One run from plan to summary: a sending thread, a reading thread, and the caller's, which watches both.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Fatal, exit};
use crate::kafka::load_consumer::LoadConsumer;
use crate::kafka::load_producer::LoadProducer;
use crate::load::clock::RunClock;
use crate::load::generator::{Job, Sent, Shared};
use crate::load::interval::{IntervalSender, intervals};
use crate::load::marker::MARKER;
use crate::load::payloads::Pool;
use crate::load::plan::LoadPlan;
use crate::load::poison::Corpus;
use crate::load::probe::PipelineProbe;
use crate::load::progress::ProgressLine;
use crate::load::random;
use crate::load::report::{Collector, Files, facts};
use crate::load::schedule::{Arrival, Schedule};
use crate::load::spoil::{Clean, Spoiler, Tap};
use crate::load::summary::{Named, Quantiles, Summary};
use crate::load::verifier::{Findings, Live, Verifier, VerifierPlan};
use crate::observe::latency::{Step, StepTimes};

/// How often the caller's thread looks.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// Between the last preparation and the first due time.
const HEAD_START_NS: u64 = 50_000_000;

/// Symbols of the output schema's decisions, in its order.
const DECISIONS: [&str; 3] = ["APPROVE", "REVIEW", "DECLINE"];

/// Runs the plan and says what came of it. `output_schema` is the Avro schema of the outputs' topic, as text. Setting
/// `stop` ends the sending early; what was sent is still accounted for.
///
/// # Errors
/// Whatever keeps the run from being carried out: the cluster, a topic, the file, a failing pipeline. Broken promises
/// are no error but a [`Summary`] that says so.
pub fn run(
    plan: &LoadPlan,
    output_schema: &str,
    pipeline: Option<&dyn PipelineProbe>,
    stop: &AtomicBool,
) -> Result<Summary, Fatal> {
    let mut files = Files::create(&plan.reports)?;
    let clock = RunClock::start();
    let run_id = random::scramble(clock.wall_us(0) as u64 ^ (u64::from(std::process::id()) << 48));
    let mut pool = Pool::load(&plan.source, plan.framing, plan.seed)?;
    let span = Span::of(plan, &pool);
    let consumer_properties = plan.merged(&plan.consumer_properties);
    let verifier_plan = VerifierPlan {
        bootstrap: &plan.bootstrap,
        properties: &consumer_properties,
        topics: &plan.topics,
        output_schema,
        run: run_id,
        clock,
        quiet: plan.quiet,
        expected: span.expected(plan),
        keep_scores: plan.scores_to.is_some(),
    };
    let verifier = plan.verify.then(|| Verifier::start(&verifier_plan, tap(plan))).transpose()?;
    let partitions = match &verifier {
        Some(verifier) => verifier.input_partitions(),
        None => {
            LoadConsumer::start(&plan.bootstrap, &consumer_properties, &[], MARKER)?.partitions(&plan.topics.input)?
        }
    };
    let producer = LoadProducer::new(&plan.bootstrap, &plan.merged(&plan.producer_properties), &plan.topics.input)?;
    producer.connect()?;
    let corpus = Corpus::new(pool.poisons.clone(), plan.poison_per_million, plan.seed);
    let job = Job {
        run: run_id,
        clock,
        start_ns: clock.now_ns() + HEAD_START_NS,
        schedule: Schedule::new(span.arrival, plan.rate, plan.seed),
        measure_from_ns: span.measure_from_ns,
        until_ns: span.until_ns,
        count_max: span.count_max,
        rows_max: span.rows_max,
        row: 0,
        partitions,
        pool: &mut pool,
        corpus: corpus.clone(),
    };
    let watch = Watch { plan, pipeline, stop, clock, start_ns: job.start_ns, span };
    let origin_us = clock.wall_us(watch.start_ns + span.measure_from_ns);
    let (intervals, received) = intervals(origin_us);
    let log = files.hlog.as_mut().map(|file| file.begin(origin_us)).transpose()?;
    let mut collector = Collector::new(received, log);
    let (sent, findings, observed) = watch.carry_out(job, &producer, verifier, intervals, &mut collector)?;
    let Collector { mut series, problem, .. } = collector;
    series.count_due(span.arrival, plan.rate, plan.seed, span.measure_from_ns, sent.records);
    if let (Some(path), Some(findings)) = (&plan.scores_to, &findings) {
        write_scores(path, &findings.scores, &corpus)?;
    }
    let interrupted = stop.load(Ordering::Relaxed);
    let start_us = clock.wall_us(watch.start_ns);
    let mut summary = summarise(plan, start_us, &sent, findings.as_ref(), &observed, interrupted);
    summary.measure(&series, &sent.delay_us, observed.steps.as_ref());
    summary.setup = facts::of(plan, pipeline.map(PipelineProbe::facts).unwrap_or_default(), start_us);
    summary.report_problems.extend(problem);
    let problems = files.finish(&summary, &series);
    summary.report_problems.extend(problems);
    Ok(summary)
}

fn tap(plan: &LoadPlan) -> Box<dyn Tap> {
    if plan.spoil.is_empty() { Box::new(Clean) } else { Box::new(Spoiler::new(&plan.spoil)) }
}

/// When sending starts to count and when it ends.
#[derive(Clone, Copy)]
struct Span {
    arrival: Arrival,
    measure_from_ns: u64,
    until_ns: u64,
    count_max: u64,
    rows_max: u64,
}

impl Span {
    fn of(plan: &LoadPlan, pool: &Pool) -> Span {
        let rows_max = if pool.repeat { u64::MAX } else { pool.len() as u64 };
        match plan.preload {
            Some(count) => {
                Span { arrival: Arrival::AtOnce, measure_from_ns: 0, until_ns: u64::MAX, count_max: count, rows_max }
            }
            None => Span {
                arrival: plan.arrival,
                measure_from_ns: plan.warm_up.as_nanos() as u64,
                until_ns: (plan.warm_up + plan.duration).as_nanos() as u64,
                count_max: u64::MAX,
                rows_max,
            },
        }
    }

    /// About how many records, for sizing tables.
    fn expected(&self, plan: &LoadPlan) -> u64 {
        let by_time = self.until_ns as f64 / 1e9 * plan.rate * 1.05;
        (by_time as u64).min(self.count_max).min(self.rows_max.saturating_add(self.rows_max / 8)).min(1 << 32)
    }

    /// How much of it is over.
    fn share(&self, elapsed_ns: u64, sent: u64) -> f64 {
        let by_count = sent as f64 / self.count_max.min(self.rows_max) as f64;
        if self.until_ns == u64::MAX { by_count } else { by_count.max(elapsed_ns as f64 / self.until_ns as f64) }
    }
}

/// What the pipeline told about the measured part.
#[derive(Default)]
struct Observed {
    steps: Option<StepTimes>,
    cpu_us: Option<u64>,
}

/// The caller's thread during a run.
struct Watch<'a> {
    plan: &'a LoadPlan,
    pipeline: Option<&'a dyn PipelineProbe>,
    stop: &'a AtomicBool,
    clock: RunClock,
    start_ns: u64,
    span: Span,
}

impl Watch<'_> {
    fn carry_out(
        &self,
        job: Job<'_>,
        producer: &LoadProducer,
        verifier: Option<Verifier>,
        intervals: IntervalSender,
        collector: &mut Collector<'_>,
    ) -> Result<(Sent, Option<Findings>, Observed), Fatal> {
        let shared = Shared::default();
        let live = Mutex::new(Live::default());
        thread::scope(|scope| {
            let (shared, live) = (&shared, &live);
            let abandon_on_failure = |failed: bool| {
                if failed {
                    shared.abandon.store(true, Ordering::Relaxed);
                    shared.stop.store(true, Ordering::Relaxed);
                }
            };
            let send = move || {
                let sent = job.send_all(producer, shared);
                abandon_on_failure(sent.is_err());
                shared.sending_done.store(true, Ordering::Release);
                sent
            };
            let sender =
                thread::Builder::new().name("load-send".into()).spawn_scoped(scope, send).map_err(no_thread)?;
            let reader = verifier
                .map(|verifier| {
                    let read = move || {
                        let findings = verifier.read_back(shared, live, intervals);
                        abandon_on_failure(findings.is_err());
                        findings
                    };
                    thread::Builder::new().name("load-verify".into()).spawn_scoped(scope, read)
                })
                .transpose()
                .map_err(|error| {
                    abandon_on_failure(true);
                    no_thread(error)
                })?;
            let running = || !sender.is_finished() || reader.as_ref().is_some_and(|reader| !reader.is_finished());
            let observed = self.look_on(shared, live, &running, collector);
            let sent = sender.join().map_err(|_| panicked("load-send"))?;
            let findings = reader.map(|reader| reader.join().map_err(|_| panicked("load-verify"))).transpose()?;
            // The pipeline's own failure explains what the others ran into.
            let observed = observed?;
            collector.collect();
            Ok((sent?, findings.transpose()?, observed))
        })
    }

    /// Draws, passes a stop on, and takes the pipeline's figures at both ends of the measured part.
    fn look_on(
        &self,
        shared: &Shared,
        live: &Mutex<Live>,
        running: &dyn Fn() -> bool,
        collector: &mut Collector<'_>,
    ) -> Result<Observed, Fatal> {
        let mut line = ProgressLine::new(self.plan.progress);
        // Without a warm-up everything counts, the first records too.
        let mut before = (self.span.measure_from_ns == 0).then(|| self.observe());
        let mut cpu_us_after = None;
        let mut failure = None;
        while running() {
            thread::sleep(WATCH_EVERY);
            let elapsed_ns = self.clock.now_ns().saturating_sub(self.start_ns);
            let sent = shared.sent.load(Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) {
                shared.stop.store(true, Ordering::Relaxed);
            }
            if failure.is_none() {
                failure = self.pipeline.and_then(PipelineProbe::failure);
                if failure.is_some() {
                    shared.stop.store(true, Ordering::Relaxed);
                    shared.abandon.store(true, Ordering::Relaxed);
                }
            }
            if elapsed_ns >= self.span.measure_from_ns {
                before.get_or_insert_with(|| self.observe());
            }
            let now = live.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            collector.collect();
            line.show(self.span.share(elapsed_ns, sent), elapsed_ns as f64 / 1e9, sent, &now, &collector.series);
            if shared.sending_done.load(Ordering::Acquire) && now.accounted >= sent {
                cpu_us_after = cpu_us_after.or_else(|| self.pipeline.and_then(PipelineProbe::cpu_us));
            }
        }
        line.clear();
        match failure {
            Some(failure) => Err(failure),
            None => {
                // Lanes publish their steps a while later; the verifier has waited for stragglers meanwhile.
                let mut after = self.observe();
                after.cpu_us = cpu_us_after.or(after.cpu_us);
                Ok(between(before.unwrap_or_default(), after))
            }
        }
    }

    fn observe(&self) -> Observed {
        let step_times = self.pipeline.and_then(PipelineProbe::step_times);
        Observed { steps: step_times, cpu_us: self.pipeline.and_then(PipelineProbe::cpu_us) }
    }
}

/// What happened after `before`, until `after`.
fn between(before: Observed, after: Observed) -> Observed {
    let steps = match (before.steps, after.steps) {
        (Some(before), Some(after)) => Some(after.since(&before)),
        (_, after) => after,
    };
    let cpu_us = before.cpu_us.zip(after.cpu_us).map(|(before, after)| after.saturating_sub(before));
    Observed { steps, cpu_us }
}

fn no_thread(error: std::io::Error) -> Fatal {
    Fatal::new(exit::SYSTEM, format!("cannot start a thread: {error}"), "check the limits on processes and memory")
}

fn panicked(thread: &str) -> Fatal {
    Fatal::new(exit::INTERNAL, format!("the thread {thread} panicked"), "report this")
}

fn summarise(
    plan: &LoadPlan,
    start_us: i64,
    sent: &Sent,
    findings: Option<&Findings>,
    observed: &Observed,
    interrupted: bool,
) -> Summary {
    let measured_sent = sent.records - sent.warm_up;
    let seconds = sent.measured_ns as f64 / 1e9;
    let mut summary = Summary {
        offered_per_s: ratio(measured_sent as f64, seconds),
        sent: sent.records,
        poison_sent: sent.poison,
        warm_up_sent: sent.warm_up,
        seconds,
        rate: if plan.preload.is_some() { 0.0 } else { plan.rate },
        seed: plan.seed,
        generator_delay_ms: Quantiles::of(&sent.delay_us, 1_000.0),
        interrupted,
        cpu_us_per_record: observed.cpu_us.map(|cpu_us| ratio(cpu_us as f64, measured_sent as f64)),
        ..Summary::default()
    };
    if let Some(steps) = &observed.steps {
        let stages = Step::ALL.into_iter().filter(|step| !steps.get(*step).is_empty());
        let named = stages.map(|step| (step.name().to_owned(), Quantiles::of(steps.get(step), 1.0)));
        summary.stages_us = Named(named.collect());
    }
    let Some(findings) = findings else { return summary };
    let tally = &findings.accounting.tally;
    let (lost, first_lost) = findings.accounting.lost(sent.records);
    let first_due_us = start_us + if plan.preload.is_some() { 0 } else { plan.warm_up.as_micros() as i64 };
    let read_for_s = (findings.accounting.last_measured_us - first_due_us) as f64 / 1e6;
    let simulated = matches!(plan.source, crate::load::payloads::PayloadSource::Simulator { .. });
    let sound_rejected = if simulated { tally.sound_rejected } else { 0 };
    Summary {
        verified: true,
        achieved_per_s: ratio(tally.measured as f64, read_for_s),
        scored: tally.scored,
        dead_lettered: tally.dead_lettered,
        lost,
        first_lost,
        duplicated: tally.duplicated,
        out_of_order: tally.out_of_order,
        decisions: Named(DECISIONS.iter().map(|name| (*name).to_owned()).zip(tally.decisions).collect()),
        dead_letters: Named(findings.reasons.iter().cloned().zip(tally.reasons.iter().copied()).collect()),
        timed_out: tally.timed_out,
        review_samples: tally.review,
        review_duplicated: tally.review_duplicated,
        misplaced: tally.misplaced,
        malformed: tally.malformed,
        unexpected: tally.poison_scored + tally.wrong_reason + sound_rejected,
        foreign: findings.foreign,
        ..summary
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole * 100.0).round() / 100.0 } else { 0.0 }
}

/// The score of each row of the source: records less the poison between them.
fn write_scores(path: &std::path::Path, scores: &[f64], corpus: &Corpus) -> Result<(), Fatal> {
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        writeln!(file, "row,score")?;
        let sound = scores.iter().zip(0..).filter(|(_, sequence)| corpus.at(*sequence).is_none());
        for (row, (score, _)) in sound.enumerate().filter(|(_, (score, _))| !score.is_nan()) {
            writeln!(file, "{row},{score}")?;
        }
        file.flush()
    };
    write().map_err(|error| {
        Fatal::new(exit::FAILED, format!("cannot write {}: {error}", path.display()), "check the folder")
    })
}
