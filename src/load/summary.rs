//! What a run says in the end: one JSON object, one table, one verdict.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::exit;
use crate::load::breakdown::{Breakdown, meaning};
use crate::load::drain::DrainReport;
use crate::load::faults::Fault;
use crate::load::interval::Part;
use crate::load::report::facts::Facts;
use crate::load::series::{Second, Series};
use crate::observe::latency::StepTimes;

/// Quantiles of a histogram, in the unit that the field's name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

impl Quantiles {
    /// Of a histogram of microseconds, divided by `unit_us`.
    pub fn of(histogram: &Histogram<u64>, unit_us: f64) -> Quantiles {
        let at = |quantile| {
            // Three digits are what the histogram keeps.
            (histogram.value_at_quantile(quantile) as f64 / unit_us * 1_000.0).round() / 1_000.0
        };
        Quantiles { p50: at(0.5), p95: at(0.95), p99: at(0.99), p99_9: at(0.999), max: at(1.0) }
    }

    /// Nothing was measured.
    pub fn is_none(&self) -> bool {
        *self == Quantiles::default()
    }
}

/// Names and values in their own order, as one JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(Vec::new())
    }
}

impl<T> Named<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

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
}

/// Times of a run that measured none are left out of its JSON.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

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
            ("with an unexpected outcome", self.unexpected),
            ("of those checked with a wrong score", self.wrong_scores),
        ]
    }

    pub fn kept_its_promises(&self) -> bool {
        self.promises().iter().all(|(_, count)| *count == 0)
    }

    pub fn exit_code(&self) -> u8 {
        if self.kept_its_promises() && self.report_problems.is_empty() { exit::DONE } else { exit::FAILED }
    }

    /// One line, no line end.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    /// What the reader should know about the measurement itself.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.generator_delay_ms.p99 > GENERATOR_DELAY_MS_MAX && self.rate > 0.0 {
            warnings.push(format!(
                "the load generator itself was late (p99 {:.1} ms): latencies include its delay; lower the rate, send \
                 with more --threads, or free a core",
                self.generator_delay_ms.p99
            ));
        }
        if self.review_duplicated > 0 {
            warnings.push(format!("{} review copies were doubled", self.review_duplicated));
        }
        if self.interrupted {
            warnings.push("the run was stopped before its end".to_owned());
        }
        if self.clock_skewed > 0 {
            warnings.push(format!(
                "{} records were received before they were due or read before they were scored: the clocks differ, and \
                 the parts of the way are shifted against each other (their sum is not)",
                count(self.clock_skewed)
            ));
        }
        warnings.extend(self.breakdown.as_ref().and_then(Breakdown::doubt));
        warnings.extend(self.report_problems.iter().cloned());
        warnings
    }

    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        if !self.verified {
            return format!("{} records sent; outcomes were not read back.", count(self.sent));
        }
        if self.kept_its_promises() {
            return format!(
                "Nothing lost, nothing doubled, nothing out of order: each of {} records came back exactly once.",
                count(self.sent)
            );
        }
        let broken = self.promises().into_iter().filter(|(_, n)| *n > 0);
        let parts: Vec<String> = broken.map(|(what, n)| format!("{} {what}", count(n))).collect();
        let mut text = format!("PROMISES BROKEN: of {} records, {}.", count(self.sent), parts.join(", "));
        if !self.first_lost.is_empty() {
            let list: Vec<String> = self.first_lost.iter().map(u64::to_string).collect();
            let _ = write!(text, " First lost: {}.", list.join(", "));
        }
        text
    }

    /// The table for people, with a line end.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            let _ = writeln!(out, "  {name:<16}{text}");
        };
        line("sent", self.sent_line());
        if let Some(drain) = &self.drain {
            drain.put_lines(&mut line);
        } else if self.verified {
            let rates = format!("{}/s offered, {}/s achieved", rate(self.offered_per_s), rate(self.achieved_per_s));
            line("throughput", rates);
        } else {
            line("throughput", format!("{}/s", rate(self.offered_per_s)));
        }
        if self.verified {
            line("scored", count(self.scored));
            for (name, n) in &self.decisions.0 {
                line(
                    "",
                    format!(
                        "{name:<22}{:>12}{:>9}",
                        count(*n),
                        if self.scored == 0 { String::new() } else { percent(*n as f64 / self.scored as f64) }
                    ),
                );
            }
            if self.scores_checked > 0 {
                line("", format!("{} of the scores checked with the package", count(self.scores_checked)));
            }
            line("dead letters", count(self.dead_lettered));
            for (name, n) in &self.dead_letters.0 {
                line("", format!("{name:<22}{:>12}", count(*n)));
            }
            line("human review", format!("{} copies", count(self.review_samples)));
        }
        if let Some(cpu) = self.cpu_us_per_record {
            let digits = if self.drain.is_some() { 2 } else { 1 };
            line("CPU", format!("{cpu:.digits$} us per record (the pipeline)"));
        }
        if self.verified && !self.latency_ms.is_none() {
            self.put_latencies(&mut out);
        }
        if let Some(breakdown) = &self.breakdown {
            put_breakdown(breakdown, &mut out);
        }
        for warning in self.warnings() {
            let _ = writeln!(out, "\n  note: {warning}");
        }
        let _ = writeln!(out, "\n  {}", self.verdict());
        for fault in &self.faults {
            let _ = writeln!(out, "    {}", fault.line());
        }
        out
    }

    fn sent_line(&self) -> String {
        let mut parts = Vec::new();
        if self.warm_up_sent > 0 {
            parts.push(format!("{} as warm-up", count(self.warm_up_sent)));
        }
        if self.poison_sent > 0 {
            parts.push(format!("{} poison on purpose", count(self.poison_sent)));
        }
        let detail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        format!("{} transactions{detail}", count(self.sent))
    }

    fn put_latencies(&self, out: &mut String) {
        let _ =
            writeln!(out, "\n  {:<16}{:>10}{:>10}{:>10}{:>10}{:>10}", "latency", "p50", "p95", "p99", "p99.9", "max");
        let mut row = |name: &str, unit: &str, q: &Quantiles| {
            let _ = write!(out, "  {:<16}", name);
            for value in [q.p50, q.p95, q.p99, q.p99_9, q.max] {
                let digits = if unit == "ms" { 2 } else { 0 };
                let _ = write!(out, "{value:>10.digits$}");
            }
            let _ = writeln!(out, " {unit}");
        };
        row("end to end", "ms", &self.latency_ms);
        for (name, quantiles) in &self.parts_ms.0 {
            row(&format!("  {}", name.replace('_', " ")), "ms", quantiles);
        }
        for (name, quantiles) in &self.stages_us.0 {
            row(&format!("  {}", name.replace('_', " ")), "us", quantiles);
        }
    }
}

/// Widest bar of the breakdown.
const BAR: f64 = 10.0;

fn put_breakdown(breakdown: &Breakdown, out: &mut String) {
    let of = format!("mean of {} scored records", count(breakdown.records));
    let _ = writeln!(out, "\n  {:<16}{:>12}{:>9}  {of}", "where time goes", "us", "share");
    let mut row = |name: &str, us: f64, share: f64, note: &str| {
        let _ = writeln!(out, "{}", format!("  {name:<16}{:>12}{:>9}  {note}", tenths(us), percent(share)).trim_end());
    };
    for (name, us, share) in breakdown.rows() {
        let bar = "#".repeat((share.clamp(0.0, 1.0) * BAR).round() as usize);
        row(&format!("  {}", name.replace('_', " ")), us, share, &format!("{bar:<12}{}", meaning(name)));
    }
    let share = breakdown.sum_us / breakdown.end_to_end_us.max(f64::MIN_POSITIVE);
    row("sum of stages", breakdown.sum_us, share, "");
    row("end to end", breakdown.end_to_end_us, 1.0, "");
}

/// With a comma at every third digit.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn rate(per_s: f64) -> String {
    count(per_s.round().max(0.0) as u64)
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", tenths(share * 100.0))
}

/// With one digit after the point and a comma at every third before it; no minus before a zero.
pub(super) fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round();
    let magnitude = tenths.abs() as u64;
    let sign = if tenths < 0.0 { "-" } else { "" };
    format!("{sign}{}.{}", count(magnitude / 10), magnitude % 10)
}
