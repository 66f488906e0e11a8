//! The caller's thread during a run: it starts the thread that sends and the one that reads back, and watches both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::Fatal;
use crate::load::report::files::Collector;
use crate::load::report::summary::DrainReport;
use crate::load::run::Span;
use crate::load::run::plan::LoadPlan;
use crate::load::run::probe::PipelineProbe;
use crate::load::run::progress::ProgressLine;
use crate::load::send::clock::RunClock;
use crate::load::send::generator::{Senders, Sent, Shared};
use crate::load::send::threads::{no_thread, panicked};
use crate::load::verify::interval::IntervalSender;
use crate::load::verify::verifier::{Findings, Live, Verifier};
use crate::observe::latency::StepTimes;

/// How often the caller's thread looks.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// What the pipeline told about the measured part.
#[derive(Clone, Default)]
pub(super) struct Observed {
    pub steps: Option<StepTimes>,
    /// CPU time, microseconds.
    pub cpu_us: Option<u64>,
    pub drain: Option<DrainReport>,
}

/// The caller's thread during a run.
pub(super) struct Watch<'a> {
    pub plan: &'a LoadPlan,
    pub pipeline: Option<&'a dyn PipelineProbe>,
    pub stop: &'a AtomicBool,
    pub clock: RunClock,
    /// When the first record is due, of the run's clock.
    pub start_ns: u64,
    pub span: Span,
    /// The pipeline before anything is sent, where there is no warm-up: then the first records count too.
    pub before: Option<Observed>,
}

impl Observed {
    pub fn of(pipeline: Option<&dyn PipelineProbe>) -> Observed {
        let steps = pipeline.and_then(PipelineProbe::step_times);
        Observed { steps, cpu_us: pipeline.and_then(PipelineProbe::cpu_us), drain: None }
    }
}

impl Watch<'_> {
    /// Sends and reads back to the end. Latencies go over `intervals` to `collector`.
    ///
    /// # Errors
    /// The pipeline's own failure, else the sender's, else the verifier's.
    pub fn carry_out(
        &self,
        senders: Senders<'_>,
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
                let sent = senders.send_all(shared);
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
        let mut line = ProgressLine::new(self.plan.progress, self.plan.verify);
        let mut before = self.before.clone();
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
                // The verifier has waited for stragglers meanwhile, so the lanes have nothing left to tell.
                let mut after = self.observe();
                after.cpu_us = cpu_us_after.or(after.cpu_us);
                Ok(between(before.unwrap_or_default(), after))
            }
        }
    }

    fn observe(&self) -> Observed {
        Observed::of(self.pipeline)
    }
}

/// What happened after `before`, until `after`.
fn between(before: Observed, after: Observed) -> Observed {
    let steps = match (before.steps, after.steps) {
        (Some(before), Some(after)) => Some(after.since(&before)),
        (_, after) => after,
    };
    let cpu_us = before.cpu_us.zip(after.cpu_us).map(|(before, after)| after.saturating_sub(before));
    Observed { steps, cpu_us, drain: None }
}
