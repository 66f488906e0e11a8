//! One run from plan to summary: what is prepared before it, and what is said after it.

pub mod drain;
pub mod facts;
mod http;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod review;
mod span;
pub mod suspend;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Fatal;
use crate::kafka::load_consumer::LoadConsumer;
use crate::kafka::load_producer::LoadProducer;
use crate::load::report::figures::{Named, Quantiles};
use crate::load::report::files::{Collector, Files};
use crate::load::report::series::Series;
use crate::load::report::summary::Summary;
use crate::load::run::drain::Drain;
use crate::load::run::plan::LoadPlan;
use crate::load::run::probe::PipelineProbe;
use crate::load::run::review::Review;
use crate::load::run::span::Span;
use crate::load::run::watch::{Observed, Watch};
use crate::load::send::clock::RunClock;
use crate::load::send::generator::{Job, Senders, Sent};
use crate::load::send::schedule::Schedule;
use crate::load::simulate::marker::MARKER;
use crate::load::simulate::payloads::{PayloadSource, Pool};
use crate::load::simulate::poison::Corpus;
use crate::load::simulate::random;
use crate::load::verify::inject::{Clean, Injector, Tap};
use crate::load::verify::interval::intervals;
use crate::load::verify::oracle::{Oracle, Sampler};
use crate::load::verify::verifier::{Findings, Verifier, VerifierPlan};
use crate::observe::latency::Step;

/// Between the last preparation and the first due time.
const HEAD_START_NS: u64 = 50_000_000;

/// Symbols of the output schema's decisions, in its order.
const DECISIONS: [&str; 3] = ["APPROVE", "REVIEW", "DECLINE"];

/// Runs the plan and says what came of it. `output_schemas` are the Avro schemas of the outputs' topic, as text, the most
/// likely one first. Setting
/// `stop` ends the sending early; what was sent is still accounted for.
///
/// # Errors
/// Whatever keeps the run from being carried out: the cluster, a topic, the file, a failing pipeline. Broken promises
/// are no error but a [`Summary`] that says so.
pub fn run(
    plan: &LoadPlan,
    output_schemas: &[&str],
    pipeline: Option<&dyn PipelineProbe>,
    stop: &AtomicBool,
) -> Result<Summary, Fatal> {
    run_with(plan, output_schemas, pipeline, None, stop)
}

/// The same with somebody who knows what scores should be.
///
/// # Errors
/// As [`run`], and those of the oracle.
pub fn run_with(
    plan: &LoadPlan,
    output_schemas: &[&str],
    pipeline: Option<&dyn PipelineProbe>,
    mut oracle: Option<&mut dyn Oracle>,
    stop: &AtomicBool,
) -> Result<Summary, Fatal> {
    let mut files = Files::create(&plan.reports)?;
    let clock = RunClock::start();
    let run_id = random::scramble(clock.wall_us(0) as u64 ^ (u64::from(std::process::id()) << 48));
    let mut pool = Pool::load(&plan.source, plan.framing, plan.seed, plan.rows_max())?;
    if let Some(oracle) = oracle.as_deref_mut() {
        // A schema that it cannot read ends the run before a record is sent.
        oracle.prepare(&pool.schema)?;
    }
    let span = Span::of(plan, &pool);
    let expected = span.expected(plan);
    let sampler = oracle.as_ref().map(|_| Sampler::new(plan.seed, plan.check_scores, expected));
    let (verifier, partitions) = readers(plan, output_schemas, run_id, clock, expected, sampler)?;
    let producers = (0..plan.threads.max(1)).map(|_| producer(plan)).collect::<Result<Vec<_>, _>>()?;
    let corpus = Corpus::new(pool.poisons.clone(), plan.poison_per_million, plan.seed);
    let before = (span.measure_from_ns == 0).then(|| Observed::of(pipeline));
    let job = Job {
        run: run_id,
        clock,
        start_ns: clock.now_ns() + if plan.preload.is_some() { 0 } else { HEAD_START_NS },
        schedule: Schedule::new(span.arrival, plan.rate, plan.seed),
        measure_from_ns: span.measure_from_ns,
        until_ns: span.until_ns,
        count_max: span.count_max,
        rows_max: span.rows_max,
        row: 0,
        partitions,
        gather_ns: if plan.preload.is_some() { 0 } else { plan.gather.as_nanos() as u64 },
        pool: &pool,
        corpus: corpus.clone(),
    };
    let watch = Watch { plan, pipeline, stop, clock, start_ns: job.start_ns, span, before };
    let mut measured = carry_out(&watch, Senders::new(&job, producers), verifier, &mut files)?;
    let mut summary = summarise(&watch, &measured);
    if let Some(findings) = &mut measured.findings {
        let review = Review { plan, run: run_id, corpus: &corpus, pool: &mut pool };
        review.carry_out(findings, oracle, &mut summary)?;
    }
    summary.report_problems.extend(measured.problem);
    let problems = files.finish(&summary, &measured.series);
    summary.report_problems.extend(problems);
    Ok(summary)
}

/// A run that is over, before anybody has thought about it.
struct Measured {
    sent: Sent,
    findings: Option<Findings>,
    observed: Observed,
    /// Empty after a drain: all its records are due at once and read back when it is over.
    series: Series,
    /// What went wrong with the interval log.
    problem: Option<String>,
}

fn carry_out(
    watch: &Watch<'_>,
    senders: Senders<'_>,
    verifier: Option<Verifier>,
    files: &mut Files,
) -> Result<Measured, Fatal> {
    let Watch { plan, stop, clock, start_ns, span, .. } = *watch;
    let origin_us = clock.wall_us(start_ns + span.measure_from_ns);
    let (intervals, received) = intervals(origin_us);
    let log = files.hlog.as_mut().map(|file| file.begin(origin_us)).transpose()?;
    let mut collector = Collector::new(received, log);
    let (sent, findings, observed) = match (plan.drain, verifier) {
        (Some(pid), Some(verifier)) => {
            let drain = Drain { pid, clock, stop, quiet: plan.quiet };
            let (sent, findings, drain) = drain.carry_out(senders, verifier)?;
            (sent, Some(findings), Observed { drain, ..Observed::default() })
        }
        (_, verifier) => watch.carry_out(senders, verifier, intervals, &mut collector)?,
    };
    let Collector { mut series, problem, .. } = collector;
    series.count_due(span.arrival, plan.rate, plan.seed, span.measure_from_ns, sent.records);
    Ok(Measured { sent, findings, observed, series, problem })
}

/// The verifier, where there is to be one, and the number of the input's partitions.
fn readers(
    plan: &LoadPlan,
    output_schemas: &[&str],
    run: u64,
    clock: RunClock,
    expected: u64,
    sampler: Option<Sampler>,
) -> Result<(Option<Verifier>, i32), Fatal> {
    let mut properties = plan.merged(&plan.consumer_properties);
    if !plan.gather.is_zero() {
        // The verifier spares the broker as well, and as scorewire's own consumer does: the next request for outcomes waits
        // a millisecond where more than one came with the last.
        for (name, value) in [("queued.min.messages", "2"), ("fetch.queue.backoff.ms", "1")] {
            properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    if !plan.verify {
        let consumer = LoadConsumer::start(&plan.bootstrap, &properties, &[], MARKER)?;
        return Ok((None, consumer.partitions(plan.topics.input())?));
    }
    let told = VerifierPlan {
        bootstrap: &plan.bootstrap,
        properties: &properties,
        topics: &plan.topics,
        retry_later: plan.retry_later,
        output_schemas,
        run,
        clock,
        quiet: plan.quiet,
        expected,
        keep_scores: plan.scores_to.is_some(),
        check: plan.check,
        sampler,
    };
    let mut verifier = Verifier::start(&told, tap(plan))?;
    if plan.drain.is_none() {
        verifier.begin()?;
    }
    let partitions = verifier.input_partitions();
    Ok((Some(verifier), partitions))
}

fn producer(plan: &LoadPlan) -> Result<LoadProducer, Fatal> {
    let mut properties = plan.merged(&plan.producer_properties);
    properties.entry("linger.ms".to_owned()).or_insert_with(|| plan.linger_ms().to_string());
    if !plan.gather.is_zero() {
        // Requests are few then, and need not wait for each other.
        properties.entry("max.in.flight.requests.per.connection".to_owned()).or_insert_with(|| "5".to_owned());
    }
    let producer = LoadProducer::new(&plan.bootstrap, &properties, plan.topics.input())?;
    producer.connect()?;
    Ok(producer)
}

fn tap(plan: &LoadPlan) -> Box<dyn Tap> {
    if plan.inject.is_empty() { Box::new(Clean) } else { Box::new(Injector::new(&plan.inject)) }
}

fn summarise(watch: &Watch<'_>, measured: &Measured) -> Summary {
    let (plan, Measured { sent, findings, observed, series, .. }) = (watch.plan, measured);
    let start_us = watch.clock.wall_us(watch.start_ns);
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
        interrupted: watch.stop.load(Ordering::Relaxed),
        setup: facts::of(plan, watch.pipeline.map(PipelineProbe::facts).unwrap_or_default(), start_us),
        drain_records_per_s: observed.drain.map(|drain| drain.records_per_s),
        drain: observed.drain,
        cpu_us_per_record: match observed.drain {
            Some(drain) => Some(drain.cpu_us_per_record),
            None => observed.cpu_us.map(|cpu_us| ratio(cpu_us as f64, measured_sent as f64)),
        },
        ..Summary::default()
    };
    if plan.drain.is_none() {
        summary.measure(series, &sent.delay_us, observed.steps.as_ref());
    }
    if let Some(steps) = &observed.steps {
        let stages = Step::ALL.into_iter().filter(|step| !steps.get(*step).is_empty());
        let named = stages.map(|step| (step.name().to_owned(), Quantiles::of(steps.get(step), 1.0)));
        summary.stages_us = Named(named.collect());
    }
    match findings {
        Some(findings) => account(plan, start_us, findings, summary),
        None => summary,
    }
}

/// Adds what was read back.
fn account(plan: &LoadPlan, start_us: i64, findings: &Findings, summary: Summary) -> Summary {
    let sent = summary.sent;
    let tally = &findings.accounting.tally;
    let (lost, first_lost) = findings.accounting.lost(sent);
    let first_due_us = start_us + if plan.preload.is_some() { 0 } else { plan.warm_up.as_micros() as i64 };
    let read_for_s = (findings.accounting.last_measured_us - first_due_us) as f64 / 1e6;
    let simulated = matches!(plan.source, PayloadSource::Simulator { .. });
    let sound_rejected = if simulated { tally.sound_rejected } else { 0 };
    Summary {
        verified: true,
        // The outcomes of a drain are read back after it.
        achieved_per_s: match plan.drain {
            Some(_) => summary.drain_records_per_s.unwrap_or_default(),
            None => ratio(tally.measured as f64, read_for_s),
        },
        scored: tally.scored,
        dead_lettered: tally.dead_lettered,
        lost,
        first_lost,
        duplicated: tally.duplicated,
        out_of_order: tally.out_of_order,
        decisions: Named(DECISIONS.iter().map(|name| (*name).to_owned()).zip(tally.decisions).collect()),
        dead_letters: Named(findings.reasons.iter().cloned().zip(tally.reasons.iter().copied()).collect()),
        timed_out: tally.timed_out,
        fallback: tally.fallback,
        put_off: tally.put_off,
        put_off_again: tally.put_off_again,
        amended: tally.amended,
        amended_duplicated: tally.amended_duplicated,
        skipped: tally.skipped,
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
