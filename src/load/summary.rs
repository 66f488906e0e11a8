//! What a run says in the end: one JSON object, one table, one verdict.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::exit;

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
    /// From the time a record was due until its outcome was read back.
    pub latency_ms: Quantiles,
    /// Inside the pipeline, where it runs in this process.
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
}

/// A generator that is later than this at the 99th percentile measures itself.
const GENERATOR_DELAY_MS_MAX: f64 = 2.0;

impl Summary {
    pub fn kept_its_promises(&self) -> bool {
        let broken = [self.lost, self.duplicated, self.out_of_order, self.misplaced, self.malformed, self.unexpected];
        broken.iter().all(|count| *count == 0)
    }

    pub fn exit_code(&self) -> u8 {
        if self.kept_its_promises() { exit::DONE } else { exit::FAILED }
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
                "the load generator itself was late (p99 {:.1} ms): latencies include its delay; lower the rate or free \
                 a core",
                self.generator_delay_ms.p99
            ));
        }
        if self.review_duplicated > 0 {
            warnings.push(format!("{} review copies were doubled", self.review_duplicated));
        }
        if self.interrupted {
            warnings.push("the run was stopped before its end".to_owned());
        }
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
        let named = [
            (self.lost, "lost"),
            (self.duplicated, "doubled"),
            (self.out_of_order, "out of order"),
            (self.misplaced, "under the wrong key or in the wrong partition"),
            (self.malformed, "malformed"),
            (self.unexpected, "with an unexpected outcome"),
        ];
        let parts: Vec<String> =
            named.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
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
        if self.verified {
            let rates = format!("{}/s offered, {}/s achieved", rate(self.offered_per_s), rate(self.achieved_per_s));
            line("throughput", rates);
            line("scored", count(self.scored));
            for (name, n) in &self.decisions.0 {
                line("", format!("{name:<22}{:>12}{:>9}", count(*n), percent(*n, self.scored)));
            }
            line("dead letters", count(self.dead_lettered));
            for (name, n) in &self.dead_letters.0 {
                line("", format!("{name:<22}{:>12}", count(*n)));
            }
            line("human review", format!("{} copies", count(self.review_samples)));
        } else {
            line("throughput", format!("{}/s", rate(self.offered_per_s)));
        }
        if let Some(cpu) = self.cpu_us_per_record {
            line("CPU", format!("{cpu:.1} us per record (the pipeline)"));
        }
        if self.verified {
            self.put_latencies(&mut out);
        }
        for warning in self.warnings() {
            let _ = writeln!(out, "\n  note: {warning}");
        }
        let _ = writeln!(out, "\n  {}", self.verdict());
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
        for (name, quantiles) in &self.stages_us.0 {
            row(&format!("  {}", name.replace('_', " ")), "us", quantiles);
        }
    }
}

/// With a comma at every third digit.
fn count(n: u64) -> String {
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

fn rate(per_s: f64) -> String {
    count(per_s.round().max(0.0) as u64)
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}
