//! The live line on a terminal. Nothing is drawn elsewhere: logs and pipes stay clean.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::load::verifier::Live;

/// Steps of the bar; it follows the schedule, not the outcomes.
const STEPS: u64 = 1_000;

/// Draws on stderr when that is a terminal; without colours where `NO_COLOR` is set.
pub struct ProgressLine {
    bar: ProgressBar,
    accounted: u64,
    at_s: f64,
    per_s: f64,
}

impl ProgressLine {
    pub fn new(wanted: bool) -> ProgressLine {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let template = if plain { "  {bar:24} {msg}" } else { "  {bar:24.cyan/blue} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        ProgressLine { bar, accounted: 0, at_s: 0.0, per_s: 0.0 }
    }

    /// `share` of the run is over after `elapsed_s` seconds.
    pub fn show(&mut self, share: f64, elapsed_s: f64, sent: u64, live: &Live) {
        if self.bar.is_hidden() {
            return;
        }
        if elapsed_s - self.at_s >= 0.5 {
            self.per_s = (live.accounted.saturating_sub(self.accounted)) as f64 / (elapsed_s - self.at_s);
            (self.accounted, self.at_s) = (live.accounted, elapsed_s);
        }
        let [approve, review, decline] = live.decisions;
        self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.bar.set_message(format!(
            "{elapsed_s:4.0} s  {:6.0}/s  p50 {:.1} p99 {:.1} ms  approve {approve} review {review} decline {decline}  dead \
             letters {}  open {}",
            self.per_s,
            live.p50_us as f64 / 1_000.0,
            live.p99_us as f64 / 1_000.0,
            live.dead_lettered,
            sent.saturating_sub(live.accounted),
        ));
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
