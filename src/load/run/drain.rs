//! A drain: how fast a scorer that is running, assigned and warm works off a full topic.
//!
//! ```text
//! suspend the scorer -> preload N -> CPU time -> let it go -> watch the ends of its outputs -> CPU time -> read back
//! ```
//!
//! Starting a scorer at a full topic would count its start and its first rebalance. Reading the outputs meanwhile would
//! take CPU from what is measured, so only their ends are asked for; everything is read back and verified afterwards.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Fatal, exit};
use crate::load::report::summary::DrainReport;
use crate::load::run::suspend::Suspended;
use crate::load::send::clock::RunClock;
use crate::load::send::generator::{Senders, Sent, Shared};
use crate::load::send::threads;
use crate::load::verify::interval::intervals;
use crate::load::verify::verifier::{Findings, Live, Verifier};
use crate::observe::cpu;

/// Longest time the scorer may stand: a session lasts 10 s, and one that ended would put a rebalance into the drain.
const SUSPENDED_MAX: Duration = Duration::from_secs(8);
/// How often the ends are asked for: one percent of a drain of a second and a half.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// How often the preload is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(5);
/// How far the broker's clock may be from this machine's for its time stamps to be used.
const SKEW_MAX_US: i64 = 50_000;
/// The share of a drain that its steady part leaves out: the scorer wakes up and its fetches grow.
const RAMP: f64 = 0.25;

/// What a drain is told.
pub struct Drain<'a> {
    /// The process under test.
    pub pid: u32,
    pub clock: RunClock,
    pub stop: &'a AtomicBool,
    /// Give up when the outputs have not grown for this long.
    pub quiet: Duration,
}

/// One look at the outputs.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Of the run's clock.
    pub at_ns: u64,
    /// Records that the output topics have grown by.
    pub outcomes: u64,
    /// CPU time of the process since its start.
    pub cpu_ns: u64,
}

impl Drain<'_> {
    /// Suspends, fills, lets go, watches, reads back.
    ///
    /// # Errors
    /// Those of [`Suspended::suspend`], of producer and verifier; [`exit::FAILED`] when filling took too long or the process
    /// ended.
    pub fn carry_out(
        &self,
        mut senders: Senders<'_>,
        verifier: Verifier,
    ) -> Result<(Sent, Findings, Option<DrainReport>), Fatal> {
        let shared = Shared::default();
        let mut suspended = Suspended::suspend(self.pid)?;
        let suspended_at_ns = self.clock.now_ns();
        senders.start_at(suspended_at_ns);
        let sent = self.preload(senders, &shared, &mut suspended)?;
        // Nothing moves now: what arrived late before the suspension is not counted as this drain's.
        let before = verifier.outcomes_at_ends()?;
        let start = self.look(0)?;
        suspended.resume();
        let samples = self.watch(&verifier, before, sent.records, start)?;
        drop(suspended);
        // Nobody receives the latencies: all records were due at once, and their outcomes are read when it is over.
        let (unheard, _) = intervals(self.clock.wall_us(suspended_at_ns));
        let findings = verifier.read_back(&shared, &Mutex::new(Live::default()), unheard)?;
        let last_us = findings.last_appended_ms.map(|ms| ms * 1_000 + 500);
        let suspended_s = (start.at_ns - suspended_at_ns) as f64 / 1e9;
        let report = report(&samples, sent.records, suspended_s, last_us.map(|us| us - self.clock.wall_us(0)));
        Ok((sent, findings, report))
    }

    fn preload(&self, senders: Senders<'_>, shared: &Shared, suspended: &mut Suspended) -> Result<Sent, Fatal> {
        let since_ns = self.clock.now_ns();
        let mut late = false;
        let sent = thread::scope(|scope| {
            let send = thread::Builder::new()
                .name("load-send".into())
                .spawn_scoped(scope, || senders.send_all(shared))
                .map_err(threads::no_thread)?;
            while !send.is_finished() {
                thread::sleep(WATCH_EVERY);
                if self.stop.load(Ordering::Relaxed) {
                    shared.stop.store(true, Ordering::Relaxed);
                }
                late = self.clock.now_ns() - since_ns > SUSPENDED_MAX.as_nanos() as u64;
                if late {
                    suspended.resume();
                    shared.stop.store(true, Ordering::Relaxed);
                    shared.abandon.store(true, Ordering::Relaxed);
                }
            }
            send.join().map_err(|_| threads::panicked("load-send"))?
        });
        if late {
            let what =
                format!("filling the topic took longer than the {} s a scorer may stand", SUSPENDED_MAX.as_secs());
            return Err(Fatal::new(exit::FAILED, what, "preload fewer records"));
        }
        shared.sending_done.store(true, Ordering::Release);
        sent
    }

    fn look(&self, outcomes: u64) -> Result<Sample, Fatal> {
        let cpu_ns = cpu::process_ns(self.pid).ok_or_else(|| {
            Fatal::new(exit::FAILED, format!("process {} ended during the drain", self.pid), "see its own log")
        })?;
        Ok(Sample { at_ns: self.clock.now_ns(), outcomes, cpu_ns })
    }

    /// Looks until `records` outcomes are there, nothing comes any more, or the run is stopped.
    fn watch(&self, verifier: &Verifier, before: u64, records: u64, start: Sample) -> Result<Vec<Sample>, Fatal> {
        let mut samples = vec![start];
        let mut grew_at_ns = start.at_ns;
        loop {
            thread::sleep(LOOK_EVERY);
            let sample = self.look(verifier.outcomes_at_ends()?.saturating_sub(before))?;
            let last = samples.last().map_or(0, |last| last.outcomes);
            samples.push(sample);
            if sample.outcomes > last {
                grew_at_ns = sample.at_ns;
            }
            let quiet = sample.at_ns - grew_at_ns > self.quiet.as_nanos() as u64;
            if sample.outcomes >= records || quiet || self.stop.load(Ordering::Relaxed) {
                return Ok(samples);
            }
        }
    }
}

/// The figures of a drain of `records`; `None` when it did not come to its end. `last_us` is the broker's time stamp of
/// the last outcome, microseconds of the run's clock.
fn report(samples: &[Sample], records: u64, suspended_s: f64, last_us: Option<i64>) -> Option<DrainReport> {
    let (start, end) = (samples.first()?, samples.last()?);
    if records == 0 || end.outcomes < records {
        return None;
    }
    // The stamp is used when the looks agree with it: it came after the last look that missed it, and before the next.
    let unfinished_us = (samples[samples.len().saturating_sub(2)].at_ns / 1_000) as i64;
    let seen_us = (end.at_ns / 1_000) as i64;
    let stamped = last_us.filter(|us| (unfinished_us - SKEW_MAX_US..=seen_us + SKEW_MAX_US).contains(us));
    let end_s = stamped.map_or(end.at_ns as f64 / 1e9, |us| us as f64 / 1e6);
    let seconds = end_s - start.at_ns as f64 / 1e9;
    let ramp = (records as f64 * RAMP).ceil() as u64;
    let steady = samples.iter().find(|sample| (ramp.max(1)..records).contains(&sample.outcomes));
    Some(DrainReport {
        seconds: round3(seconds),
        timed_by: if stamped.is_some() { "append" } else { "poll" },
        frozen_seconds: round3(suspended_s),
        records_per_s: round3(records as f64 / seconds),
        cpu_us_per_record: cpu_us(start, end, records),
        steady_records_per_s: steady
            .map(|from| round3((end.outcomes - from.outcomes) as f64 / ((end.at_ns - from.at_ns) as f64 / 1e9))),
        steady_cpu_us_per_record: steady.map(|from| cpu_us(from, end, end.outcomes - from.outcomes)),
    })
}

fn cpu_us(from: &Sample, to: &Sample, records: u64) -> f64 {
    round3(to.cpu_ns.saturating_sub(from.cpu_ns) as f64 / 1e3 / records as f64)
}

fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A start at 1 s, then 100,000 records in the first half second and 300,000 in the next; looks every 100 ms.
    fn looks() -> Vec<Sample> {
        let ends = [0, 20_000, 40_000, 60_000, 80_000, 100_000, 160_000, 220_000, 280_000, 340_000, 400_000];
        (0..)
            .zip(ends)
            .map(|(i, outcomes)| Sample { at_ns: (1_000 + 100 * i) * MS, outcomes, cpu_ns: i * 90 * MS })
            .collect()
    }

    #[test]
    fn a_drain_is_timed_to_the_broker_s_stamp_and_its_ramp_is_told_apart() {
        let report = report(&looks(), 400_000, 0.5, Some(1_950_000)).unwrap();
        assert_eq!((report.timed_by, report.frozen_seconds), ("append", 0.5));
        assert!((report.seconds - 0.95).abs() < 1e-9, "{report:?}");
        assert!((report.records_per_s - 400_000.0 / 0.95).abs() < 1e-2, "{report:?}");
        assert!((report.cpu_us_per_record - 900_000.0 / 400_000.0).abs() < 1e-9, "{report:?}");
        assert_eq!(report.steady_records_per_s, Some(600_000.0));
        assert_eq!(report.steady_cpu_us_per_record, Some(1.5));
    }

    #[test]
    fn a_stamp_of_a_clock_that_disagrees_is_not_used() {
        for stamp in [None, Some(1_800_000), Some(2_100_000), Some(-5)] {
            let report = report(&looks(), 400_000, 0.5, stamp).unwrap();
            assert_eq!((report.timed_by, report.seconds), ("poll", 1.0), "{stamp:?}");
        }
    }

    #[test]
    fn a_drain_that_did_not_end_has_no_figures() {
        assert_eq!(report(&looks(), 400_001, 0.5, None), None);
        assert_eq!(report(&[], 1, 0.5, None), None);
        // Over at the first look: no steady part, but a time.
        let report = report(&looks()[..2], 20_000, 0.5, None).unwrap();
        assert_eq!((report.steady_records_per_s, report.seconds), (None, 0.1));
    }
}
