//! What one sees of a run while it goes on. On a terminal a live view: rates, what is in flight, the last second's latency,
//! and what went wrong. Elsewhere nothing is drawn; a line in the log says the same every few seconds.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::load::report::figures::{count, rate};
use crate::load::report::series::Series;
use crate::load::verify::verifier::Live;

/// Steps of the bar; it follows the schedule, not the outcomes.
const STEPS: u64 = 1_000;
/// Over how long rates are taken, seconds.
const RATE_OVER_S: f64 = 1.0;
/// How often a line is logged where nothing is drawn, seconds.
const LINE_EVERY_S: f64 = 10.0;
/// When somebody should have answered, seconds.
const ANSWER_WITHIN_S: f64 = 5.0;
const NO_ANSWER: &str = "no outcome yet: is `scorewire run` running with this configuration?";
/// Seconds that the history shows: what is beside it leaves no more of 80 columns.
const HISTORY: usize = 20;
/// Heights of the history's columns.
const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws on stderr when that is a terminal; without colours where `NO_COLOR` is set. Logs otherwise.
pub struct ProgressLine {
    bar: ProgressBar,
    view: View,
    logs: bool,
    /// When the next line is due.
    line_at_s: f64,
}

impl ProgressLine {
    /// `verified`: outcomes are read back.
    pub fn new(wanted: bool, verified: bool) -> ProgressLine {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let template = if plain { "  {bar:40} {msg}" } else { "  {bar:40.cyan/blue} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let view = View { verified, ..View::new(plain) };
        ProgressLine { bar, view, logs: wanted && !shown, line_at_s: LINE_EVERY_S }
    }

    /// `share` of the run is over after `elapsed_s` seconds.
    pub fn show(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live, series: &Series) {
        if !self.bar.is_hidden() {
            self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
            self.bar.set_message(self.view.text(share, elapsed_s, sent, live, series));
        } else if self.logs {
            if self.view.says_no_answer(elapsed_s, sent, live) {
                tracing::warn!("{NO_ANSWER}");
            }
            if elapsed_s >= self.line_at_s {
                self.line_at_s += LINE_EVERY_S;
                tracing::info!("{}", self.view.line(share, elapsed_s, sent, live, series));
            }
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the view says, apart from drawing it.
#[derive(Debug, Default)]
pub struct View {
    plain: bool,
    verified: bool,
    /// It was said that nobody answers.
    has_asked: bool,
    /// When the rates were taken, and of which counts.
    at_s: f64,
    sent: u64,
    accounted: u64,
    sent_per_s: f64,
    back_per_s: f64,
}

impl View {
    /// `plain`: without colours.
    pub fn new(plain: bool) -> View {
        View { plain, verified: true, ..View::default() }
    }

    fn take_rates(&mut self, elapsed_s: f64, sent: u64, live: &Live) {
        let over_s = elapsed_s - self.at_s;
        if over_s >= RATE_OVER_S {
            self.sent_per_s = sent.saturating_sub(self.sent) as f64 / over_s;
            self.back_per_s = live.accounted.saturating_sub(self.accounted) as f64 / over_s;
            (self.at_s, self.sent, self.accounted) = (elapsed_s, sent, live.accounted);
        }
    }

    fn is_unanswered(&self, elapsed_s: f64, sent: u64, live: &Live) -> bool {
        self.verified && sent > 0 && live.accounted == 0 && elapsed_s >= ANSWER_WITHIN_S
    }

    /// Whether to say now that nobody answers: once.
    pub fn says_no_answer(&mut self, elapsed_s: f64, sent: u64, live: &Live) -> bool {
        !self.has_asked && self.is_unanswered(elapsed_s, sent, live) && {
            self.has_asked = true;
            true
        }
    }

    /// The same in one line, for a log.
    pub fn line(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live, series: &Series) -> String {
        self.take_rates(elapsed_s, sent, live);
        let share = share.clamp(0.0, 1.0) * 100.0;
        let sent_text =
            format!("{share:.0} % after {elapsed_s:.0} s: sent {} ({}/s)", count(sent), rate(self.sent_per_s));
        if !self.verified {
            return sent_text;
        }
        let latency =
            series.seconds.last().map_or(String::new(), |last| format!(", p99 {:.2} ms", last.latency_ms.p99));
        format!(
            "{sent_text}, read back {} ({}/s), in flight {}{latency}, dead letters {}{}, errors {}",
            count(live.accounted),
            rate(self.back_per_s),
            count(sent.saturating_sub(live.accounted)),
            count(live.dead_lettered),
            put_off(", ", live),
            count(live.broken),
        )
    }

    /// The text beside the bar and the lines below it.
    pub fn text(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live, series: &Series) -> String {
        self.take_rates(elapsed_s, sent, live);
        let share = share.clamp(0.0, 1.0) * 100.0;
        let (sent_text, sent_per_s) = (count(sent), rate(self.sent_per_s));
        let head = format!("{share:3.0} %  {elapsed_s:.0} s\n  sent       {sent_text:>12}  {sent_per_s:>9}/s");
        if !self.verified {
            return head;
        }
        let unanswered = self.is_unanswered(elapsed_s, sent, live);
        let last_second = if unanswered { NO_ANSWER.to_owned() } else { latency(series) };
        let [approve, review, decline] = live.decisions.map(count);
        format!(
            "{head}\n  read back  {:>12}  {:>9}/s   in flight {}\n  {last_second}\n  \
             approve {approve}  review {review}  decline {decline}\n  dead letters {}{}  {}",
            count(live.accounted),
            rate(self.back_per_s),
            count(sent.saturating_sub(live.accounted)),
            count(live.dead_lettered),
            put_off("  ", live),
            self.errors(live.broken),
        )
    }

    fn errors(&self, broken: u64) -> String {
        let text = format!("errors {}", count(broken));
        if broken == 0 || self.plain { text } else { format!("\u{1b}[1;31m{text}\u{1b}[0m") }
    }
}

/// Behind the dead letters, where there are any.
fn put_off(between: &str, live: &Live) -> String {
    if live.put_off == 0 { String::new() } else { format!("{between}put off {}", count(live.put_off)) }
}

/// The last second's quantiles, and the 99th percentiles of the seconds before it as columns.
fn latency(series: &Series) -> String {
    let Some(last) = series.seconds.last() else { return "latency    (warming up)".to_owned() };
    let quantiles = &last.latency_ms;
    let highest = series.recent_p99_us().max().unwrap_or(0).max(1);
    let column = |p99_us: u64| COLUMNS[(p99_us * (COLUMNS.len() as u64 - 1)).div_ceil(highest) as usize];
    let recent = series.recent_p99_us();
    let before = recent.len().saturating_sub(HISTORY);
    let history: String = recent.skip(before).map(column).collect();
    format!(
        "last second  p50 {:.2}  p99 {:.2}  max {:.2} ms   p99 {history}",
        quantiles.p50, quantiles.p99, quantiles.max
    )
}
