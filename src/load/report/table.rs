//! The summary for people: a table that fits a terminal of 80 columns and 24 rows, its verdict last.

use std::fmt::Write;

use crate::load::report::breakdown::Breakdown;
use crate::load::report::figures::{Quantiles, count, percent, rate};
use crate::load::report::summary::DrainReport;
use crate::load::report::summary::Summary;
use crate::observe::terminal::{COLUMNS, wrapped};

/// Where details begin: behind names and numbers.
const DETAIL: usize = 30;
/// Stages side by side.
const CELLS: usize = 4;
/// A mean of a tenth of a second and more is told in milliseconds.
const IN_MS_FROM_US: f64 = 100_000.0;

const GREEN: &str = "\u{1b}[1;32m";
const RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

impl Summary {
    /// The table without colours, with a line end.
    pub fn table(&self) -> String {
        self.table_in(false)
    }

    /// `colour`: the verdict's mark in green or red.
    pub fn table_in(&self, colour: bool) -> String {
        let mut out = String::new();
        self.put_counts(&mut out);
        if self.verified && !self.latency_ms.is_none() {
            self.put_latencies(&mut out);
        }
        if let Some(breakdown) = &self.breakdown {
            put_breakdown(breakdown, &mut out);
        }
        out.push('\n');
        if !self.nobody_answered() {
            for fault in &self.faults {
                put_wrapped("  ", &fault.line(), &mut out);
            }
        }
        for warning in self.warnings() {
            put_wrapped("  note: ", &warning, &mut out);
        }
        let mark = self.mark();
        let mut verdict = String::new();
        put_wrapped(&format!("  {mark}  "), &self.verdict(), &mut verdict);
        if colour {
            let shade = if self.is_good() { GREEN } else { RED };
            verdict = verdict.replacen(mark, &format!("{shade}{mark}{PLAIN}"), 1);
        }
        out + &verdict
    }

    fn put_counts(&self, out: &mut String) {
        let mut line = |name: &str, number: &str, detail: &str| put_line(name, number, detail, out);
        line("sent", &count(self.sent), &self.sent_detail());
        if self.nobody_answered() {
            return;
        }
        let cpu = self.cpu_us_per_record.map_or(String::new(), |us| format!("{us:.1} us CPU per record"));
        if let Some(drain) = &self.drain {
            put_drain(drain, &mut line);
        } else if self.verified {
            let offered = format!("of {}/s offered", rate(self.offered_per_s));
            let detail = if cpu.is_empty() { offered } else { format!("{offered}; {cpu}") };
            line("throughput", &format!("{}/s", rate(self.achieved_per_s)), &detail);
        } else {
            line("throughput", &format!("{}/s", rate(self.offered_per_s)), &cpu);
        }
        if !self.verified {
            return;
        }
        line("scored", &count(self.scored), &self.scored_detail());
        for (name, n) in &self.decisions.0 {
            let share = if self.scored == 0 { String::new() } else { percent(*n as f64 / self.scored as f64) };
            line(&format!("  {name}"), &count(*n), &format!("{share:>7}"));
        }
        line("dead letters", &count(self.dead_lettered), &self.reasons_detail());
        if self.put_off + self.amended + self.put_off_again > 0 {
            line("put off", &count(self.put_off), &self.put_off_detail());
        }
        if self.skipped > 0 {
            line("skipped", &count(self.skipped), "by an operator");
        }
        line("human review", &count(self.review_samples), "copies");
    }

    fn sent_detail(&self) -> String {
        let mut parts = Vec::new();
        if self.warm_up_sent > 0 {
            parts.push(format!("{} as warm-up", count(self.warm_up_sent)));
        }
        if self.poison_sent > 0 {
            parts.push(format!("{} poison on purpose", count(self.poison_sent)));
        }
        parts.join(", ")
    }

    fn scored_detail(&self) -> String {
        match (self.fallback, self.scores_checked) {
            (0, 0) => String::new(),
            (0, n) => format!("{} of the scores checked with the package", count(n)),
            (fallback, 0) => format!("{} by the fallback", count(fallback)),
            (fallback, n) => format!("{} by the fallback; {} others checked", count(fallback), count(n)),
        }
    }

    /// What became of the letters, as far as it was read back: on one line.
    fn put_off_detail(&self) -> String {
        let became = [(self.amended, "amended"), (self.put_off_again, "again")];
        let parts = became.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(n)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            "letters, to be scored later".to_owned()
        } else {
            format!("letters; {}", parts.join(", "))
        }
    }

    /// As many reasons as one line takes, the commonest first.
    fn reasons_detail(&self) -> String {
        let reasons: Vec<String> = self.reasons().map(|(name, n)| format!("{name} {}", count(n))).collect();
        let told = |named: usize| match reasons.len() - named {
            0 => reasons.join(", "),
            more => format!("{}, {more} more", reasons[..named].join(", ")),
        };
        (1..=reasons.len()).rev().map(told).find(|text| text.len() <= COLUMNS - DETAIL).unwrap_or_default()
    }

    fn put_latencies(&self, out: &mut String) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(out, "\n  {:<15}", "latency, ms");
        for name in ["p50", "p95", "p99", "p99.9", "max"] {
            let _ = write!(out, "{name:>11}");
        }
        out.push('\n');
        let mut row = |name: &str, q: &Quantiles| {
            let _ = write!(out, "  {name:<15}");
            for value in [q.p50, q.p95, q.p99, q.p99_9, q.max] {
                let _ = write!(out, "{value:>11.2}");
            }
            out.push('\n');
        };
        row("end to end", &self.latency_ms);
        for (name, quantiles) in &self.parts_ms.0 {
            row(&format!("  {}", name.replace('_', " ")), quantiles);
        }
    }
}

fn put_line(name: &str, number: &str, detail: &str, out: &mut String) {
    put_wrapped(&format!("  {name:<15}{number:>11}  "), detail, out);
}

fn put_drain(drain: &DrainReport, line: &mut dyn FnMut(&str, &str, &str)) {
    let per_s = |value: f64| format!("{}/s", rate(value));
    let cpu = |us: f64| format!("{us:.2} us CPU per record");
    let whole = format!("{:.2} s from go to the last outcome; {}", drain.seconds, cpu(drain.cpu_us_per_record));
    line("drained", &per_s(drain.records_per_s), &whole);
    if let Some((steady, us)) = drain.steady_records_per_s.zip(drain.steady_cpu_us_per_record) {
        line("  steady", &per_s(steady), &format!("without the first quarter; {}", cpu(us)));
    }
    line("frozen", &format!("{:.2} s", drain.frozen_seconds), "to fill the topic");
}

fn put_breakdown(breakdown: &Breakdown, out: &mut String) {
    let in_ms = breakdown.end_to_end_us >= IN_MS_FROM_US;
    let (unit, of, digits) = if in_ms { ("ms", 1_000.0, 2) } else { ("us", 1.0, 1) };
    let records = count(breakdown.records);
    let _ = writeln!(out, "  where time goes: means in {unit} of {records} scored records (more: --html FILE)");
    // The reader often has an outcome before the lane has its acknowledgement: apart, one of the two would be negative.
    let (mut rows, mut to_reader) = (Vec::new(), None);
    for (name, us, _) in breakdown.rows() {
        match name {
            "ack" | "back" => to_reader = Some(to_reader.unwrap_or(0.0) + us),
            name => rows.push((name.replace('_', " "), us)),
        }
    }
    let after_emit = rows.iter().position(|(name, _)| name == "emit").map_or(rows.len(), |at| at + 1);
    to_reader.into_iter().for_each(|us| rows.insert(after_emit, ("to reader".to_owned(), us)));
    let cells: Vec<String> = rows
        .into_iter()
        .chain([("end to end".to_owned(), breakdown.end_to_end_us)])
        .map(|(name, us)| format!("{name:<11}{:>7}", without_minus_zero(us / of, digits)))
        .collect();
    for row in cells.chunks(CELLS) {
        let _ = writeln!(out, "  {}", row.join("  "));
    }
}

fn without_minus_zero(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'.' | b'0'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// A text with something before its first line, broken between words; what comes below stands under it.
fn put_wrapped(before: &str, text: &str, out: &mut String) {
    if before.chars().count() + text.chars().count() <= COLUMNS {
        // As it is: what stands in columns stays there.
        let _ = writeln!(out, "{}", format!("{before}{text}").trim_end());
        return;
    }
    let indent = before.chars().count().min(DETAIL);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    out.push_str(&wrapped(before, &words.join(" "), indent));
}
