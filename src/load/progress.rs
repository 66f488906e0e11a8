//! The live view on a terminal: rates, what is in flight, the last second's latency, and what went wrong. Nothing is drawn
//! elsewhere: logs and pipes stay clean.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::load::series::Series;
use crate::load::summary::{count, rate};
use crate::load::verifier::Live;

/// Steps of the bar; it follows the schedule, not the outcomes.
const STEPS: u64 = 1_000;
/// Over how long rates are taken, seconds.
const RATE_OVER_S: f64 = 1.0;
/// Heights of the history's columns.
const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws on stderr when that is a terminal; without colours where `NO_COLOR` is set.
pub struct ProgressLine {
    bar: ProgressBar,
    view: View,
}

impl ProgressLine {
    pub fn new(wanted: bool) -> ProgressLine {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let template = if plain { "  {bar:40} {msg}" } else { "  {bar:40.cyan/blue} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        ProgressLine { bar, view: View::new(plain) }
    }

    /// `share` of the run is over after `elapsed_s` seconds.
    pub fn show(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live, series: &Series) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.bar.set_message(self.view.text(share, elapsed_s, sent, live, series));
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the view says, apart from drawing it.
#[derive(Debug, Default)]
pub struct View {
    plain: bool,
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
        View { plain, ..View::default() }
    }

    /// The text beside the bar and the lines below it.
    pub fn text(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live, series: &Series) -> String {
        let over_s = elapsed_s - self.at_s;
        if over_s >= RATE_OVER_S {
            self.sent_per_s = sent.saturating_sub(self.sent) as f64 / over_s;
            self.back_per_s = live.accounted.saturating_sub(self.accounted) as f64 / over_s;
            (self.at_s, self.sent, self.accounted) = (elapsed_s, sent, live.accounted);
        }
        let [approve, review, decline] = live.decisions.map(count);
        format!(
            "{:3.0} %  {elapsed_s:.0} s\n  sent       {:>12}  {:>9}/s\n  read back  {:>12}  {:>9}/s   in flight {}\n  \
             {}\n  approve {approve}  review {review}  decline {decline}  dead letters {}  {}",
            share.clamp(0.0, 1.0) * 100.0,
            count(sent),
            rate(self.sent_per_s),
            count(live.accounted),
            rate(self.back_per_s),
            count(sent.saturating_sub(live.accounted)),
            latency(series),
            count(live.dead_lettered),
            self.errors(live.broken),
        )
    }

    fn errors(&self, broken: u64) -> String {
        let text = format!("errors {}", count(broken));
        if broken == 0 || self.plain { text } else { format!("\u{1b}[1;31m{text}\u{1b}[0m") }
    }
}

/// The last second's quantiles, and the 99th percentiles of the seconds before it as columns.
fn latency(series: &Series) -> String {
    let Some(last) = series.seconds.last() else { return "latency    (warming up)".to_owned() };
    let quantiles = &last.latency_ms;
    let highest = series.recent_p99_us().max().unwrap_or(0).max(1);
    let column = |p99_us: u64| COLUMNS[(p99_us * (COLUMNS.len() as u64 - 1)).div_ceil(highest) as usize];
    let history: String = series.recent_p99_us().map(column).collect();
    format!(
        "last second  p50 {:.2}  p99 {:.2}  max {:.2} ms   p99 {history}",
        quantiles.p50, quantiles.p99, quantiles.max
    )
}
