//! What a run found, as programs read it: one JSON object. For people see `table` and `verdict`.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::exit;
use crate::load::report::breakdown::Breakdown;
use crate::load::report::figures::{Facts, Named, Quantiles, count, records};
use crate::load::report::series::{Second, Series};
use crate::load::verify::faults::Fault;
use crate::load::verify::interval::Part;
use crate::observe::latency::StepTimes;

/// The result of a run. Counts are of all records, those of the warm-up included; rates, latencies, stages and CPU are
/// of the part after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Records sent per second of the schedule.
    pub offered_per_s: f64,
    /// Outcomes read back per second, from the first due time to the last outcome.
    pub achieved_per_s: f64,
    pub sent: u64,
    pub scored: u64,
    /// Of those: by a step of the fallback, and not by the model.
    pub fallback: u64,
    pub dead_lettered: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    /// From the time a record was due until its outcome was read back; left out where nothing was timed: in a drain all
    /// records are due at once.
    #[serde(skip_serializing_if = "Quantiles::is_none")]
    pub latency_ms: Quantiles,
    /// Inside the pipeline, where it runs in this process or tells by its admin address.
    pub stages_us: Named<Quantiles>,
    pub decisions: Named<u64>,
    /// CPU time of the pipeline's process or threads, microseconds per record; `null` where nobody can tell.
    pub cpu_us_per_record: Option<f64>,

    pub poison_sent: u64,
    pub dead_letters: Named<u64>,
    pub timed_out: u64,
    /// Letters to be scored again later, each the one outcome of its record.
    pub put_off: u64,
    /// Letters of records that were put off before, as far as read back.
    pub put_off_again: u64,
    /// Outputs and dead letters that took a letter's place, as far as read back: `scorewire retry` may go on after the run.
    pub amended: u64,
    pub amended_duplicated: u64,
    /// Records that an operator passed over: their one outcome is a dead letter `skipped`, together or alone.
    pub skipped: u64,
    pub review_samples: u64,
    pub review_duplicated: u64,
    /// Outcomes under another key or in another partition than their record.
    pub misplaced: u64,
    /// Outputs that cannot be read, or name the wrong source, or whose score is no probability.
    pub malformed: u64,
    /// Poison that was scored, or rejected for another reason than its own; in a run of simulated transactions also
    /// sound records that were rejected.
    pub unexpected: u64,
    pub warm_up_sent: u64,
    pub seconds: f64,
    pub rate: f64,
    pub seed: u64,
    /// Scores that were checked with the model package, and those of them that were wrong.
    pub scores_checked: u64,
    pub wrong_scores: u64,
    /// The first few broken promises of each kind, by record.
    pub faults: Vec<Fault>,
    /// Whether outcomes were read back at all.
    pub verified: bool,
    /// How late the generator itself sent, milliseconds.
    pub generator_delay_ms: Quantiles,
    /// Records of the output topics that were not of this run.
    pub foreign: u64,
    /// Numbers of the first lost records.
    pub first_lost: Vec<u64>,
    /// The run was stopped before its end.
    pub interrupted: bool,
    /// Records per second, from the moment the scorer went on to the last outcome; of a drain only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_records_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainReport>,

    /// Mean from due to read back, of all measured outcomes; left out where `latency_ms` is.
    #[serde(skip_serializing_if = "is_zero")]
    pub latency_mean_ms: f64,
    /// The parts of a scored record's way that its stamps tell apart.
    pub parts_ms: Named<Quantiles>,
    /// Where a scored record's time goes on average; `null` where outputs carry no stamps.
    pub breakdown: Option<Breakdown>,
    /// Measured scored records whose stamps contradict each other: clocks of two machines that differ.
    pub clock_skewed: u64,
    /// The measured part second by second; empty of a drain.
    pub series: Vec<Second>,
    /// The run's plan, the pipeline and the machine, in words.
    pub setup: Facts,
    /// Reports that could not be written.
    pub report_problems: Vec<String>,
    /// What else to look at, where nobody answered; part of the verdict.
    #[serde(skip)]
    pub advice: Vec<String>,
}

/// How a drain went, as JSON has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DrainReport {
    /// From the moment the process went on to the last outcome.
    pub seconds: f64,
    /// What ended the time: the broker's time stamp of the last outcome (`append`), or the look that first saw it
    /// (`poll`), which is up to a hundredth later, where the topics keep no such stamps or the clocks disagree.
    pub timed_by: &'static str,
    /// How long the process stood still while the topic was filled.
    pub frozen_seconds: f64,
    /// Records per second without the first quarter.
    pub steady_records_per_s: Option<f64>,
    /// CPU time of the process without the first quarter, microseconds per record.
    pub steady_cpu_us_per_record: Option<f64>,
    pub records_per_s: f64,
    pub cpu_us_per_record: f64,
}

/// Times of a run that measured none are left out of its JSON.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// The promise that a record which does not fit breaks on its own.
const UNEXPECTED: &str = "with an unexpected outcome";

/// A generator that is later than this at the 99th percentile measures itself.
const GENERATOR_DELAY_MS_MAX: f64 = 2.0;

impl Summary {
    /// Fills in what the intervals say, with the generator's delay in microseconds and the lanes' steps.
    pub fn measure(&mut self, series: &Series, generator_us: &Histogram<u64>, steps: Option<&StepTimes>) {
        let total = &series.total;
        let generator_us = if generator_us.is_empty() { 0.0 } else { generator_us.mean() };
        let parts = Part::ALL.into_iter().filter(|_| total.stamped() > 0);
        self.latency_ms = Quantiles::of(&total.latency.us, 1_000.0);
        self.latency_mean_ms = total.latency.mean_us().round() / 1_000.0;
        self.parts_ms =
            Named(parts.map(|part| (part.name().to_owned(), Quantiles::of(&total.part(part).us, 1_000.0))).collect());
        self.breakdown = Breakdown::of(total, generator_us, steps);
        self.clock_skewed = total.skewed;
        self.series.clone_from(&series.seconds);
    }

    /// What may not happen, and how often it did.
    pub fn promises(&self) -> [(&'static str, u64); 7] {
        [
            ("lost", self.lost),
            ("doubled", self.duplicated),
            ("out of order", self.out_of_order),
            ("under the wrong key or in the wrong partition", self.misplaced),
            ("malformed", self.malformed),
            (UNEXPECTED, self.unexpected),
            ("of those checked with a wrong score", self.wrong_scores),
        ]
    }

    pub fn kept_its_promises(&self) -> bool {
        self.promises().iter().all(|(_, count)| *count == 0)
    }

    /// Nothing of what was sent has any outcome.
    pub fn nobody_answered(&self) -> bool {
        self.verified && self.sent > 0 && self.lost == self.sent
    }

    /// All came back, as dead letters, although good records were among them: nobody broke a promise.
    pub fn does_not_fit(&self) -> bool {
        let others = self.promises().into_iter().filter(|(name, _)| *name != UNEXPECTED);
        let kept = others.map(|(_, count)| count).sum::<u64>() == 0;
        let all = self.dead_lettered == self.sent && self.sent > self.poison_sent && self.timed_out == 0;
        self.verified && kept && all
    }

    /// All sound records were put off: nobody broke a promise, and nothing is decided.
    pub fn puts_all_off(&self) -> bool {
        let all = self.put_off > 0 && self.put_off + self.poison_sent >= self.sent;
        self.verified && self.kept_its_promises() && all
    }

    /// Every promise was kept, the input fits, something is decided, and the reports are there.
    pub fn is_good(&self) -> bool {
        self.kept_its_promises() && !self.does_not_fit() && !self.puts_all_off() && self.report_problems.is_empty()
    }

    pub fn exit_code(&self) -> u8 {
        if self.is_good() { exit::DONE } else { exit::FAILED }
    }

    /// One line, no line end: the fields, and the verdict in words.
    pub fn json(&self) -> String {
        let told = serde_json::to_value(self).map(|mut json| {
            json["verdict"] = self.verdict().into();
            json.to_string()
        });
        told.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    /// What the reader should know about the measurement itself.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_measured = self.rate > 0.0 && !self.nobody_answered();
        if self.generator_delay_ms.p99 > GENERATOR_DELAY_MS_MAX && is_measured {
            warnings.push(format!(
                "the load generator itself was late (p99 {:.1} ms): latencies include its delay; lower the rate, send \
                 with more --threads, or free a core",
                self.generator_delay_ms.p99
            ));
        }
        if self.review_duplicated > 0 {
            warnings.push(format!("review copies that were doubled: {}", count(self.review_duplicated)));
        }
        if self.amended_duplicated > 0 {
            warnings.push(format!("outcomes of letters that were doubled: {}", count(self.amended_duplicated)));
        }
        if self.interrupted {
            warnings.push("the run was stopped before its end".to_owned());
        }
        if self.clock_skewed > 0 {
            warnings.push(format!(
                "the stamps of {} contradict each other (received before due, or read before scored): the clocks differ, and \
                 the parts of the way are shifted against each other (their sum is not)",
                records(self.clock_skewed)
            ));
        }
        warnings.extend(self.breakdown.as_ref().and_then(Breakdown::doubt));
        warnings.extend(self.report_problems.iter().cloned());
        warnings
    }
}
