//! How far the reading of a piece is: a bar on a terminal, a line in the log now and then elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is logged where nothing is drawn.
const LINE_EVERY_NS: u64 = 10_000_000_000;

/// Of one of the two phases. It counts offsets, which are known before records are.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    total: u64,
    start_ns: u64,
    line_at_ns: u64,
}

impl Progress {
    pub fn start(what: &'static str, total: u64, now_ns: u64) -> Progress {
        let shown = std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = if plain { "" } else { ".cyan/blue" };
        let template = format!(
            "  {{msg}} {{bar:30{colour}}} {{percent:>3}} %  {{human_pos}} of {{human_len}}  {{prefix}}/s  {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar.set_prefix("0");
        Progress { bar, what, total, start_ns: now_ns, line_at_ns: now_ns.saturating_add(LINE_EVERY_NS) }
    }

    /// `done` offsets are behind us.
    pub fn show(&mut self, done: u64, now_ns: u64) {
        if !self.bar.is_hidden() {
            self.bar.set_position(done);
            // The bar's own rate has four decimals.
            self.bar.set_prefix(format!("{:.0}", rate(done, now_ns.saturating_sub(self.start_ns))));
        } else if now_ns >= self.line_at_ns {
            self.line_at_ns = now_ns.saturating_add(LINE_EVERY_NS);
            tracing::info!("{}", line(self.what, done, self.total, now_ns.saturating_sub(self.start_ns)));
        }
    }

    /// Prints without the bar in between.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Offsets in a second.
fn rate(done: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns > 0 { done as f64 / (elapsed_ns as f64 / 1e9) } else { 0.0 }
}

fn line(what: &str, done: u64, total: u64, elapsed_ns: u64) -> String {
    let per_s = rate(done, elapsed_ns);
    let left_s = if per_s > 0.0 { total.saturating_sub(done) as f64 / per_s } else { 0.0 };
    let share = if total > 0 { done as f64 / total as f64 * 100.0 } else { 100.0 };
    format!("{what}: {done} of {total} offsets ({share:.0} %), {per_s:.0}/s, {left_s:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let text = line("scoring", 250, 1_000, 500_000_000);
        assert_eq!(text, "scoring: 250 of 1000 offsets (25 %), 500/s, 2 s left");
        assert_eq!(line("scoring", 0, 0, 0), "scoring: 0 of 0 offsets (100 %), 0/s, 0 s left");
    }
}
