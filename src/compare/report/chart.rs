//! Drawings as inline SVG. Colours are classes of the page's style sheet, so that they follow light, dark and paper; what they
//! tell apart has another shape or a word too.

use std::fmt::Write;

use crate::compare::labelled::Thresholds;
use crate::compare::psi::Psi;
use crate::compare::report::distribution::{Distribution, Step, place};
use crate::compare::report::markup::escape;
use crate::compare::report::words::{count, score, threshold};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 18.0;
/// Room for two rows of labels at the thresholds.
const TOP: f64 = 50.0;
const BOTTOM: f64 = 44.0;
const PLOT_BOTTOM: f64 = HEIGHT - BOTTOM;

/// Where a count of one lies above zero, in decades: a step with one record shows.
const ONE: f64 = 0.35;

/// Marks of the x axis, where the scale reaches them.
const MARKS: [f64; 13] = [0.0, 0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0];

const MARK_GAP: f64 = 56.0;
/// Room for a row's name, and for a threshold's label.
const ROW_NAME: f64 = 140.0;
const LABEL: f64 = 84.0;

/// Both distributions over one another, with the thresholds of both sides.
pub struct Overlay<'a> {
    pub distribution: &'a Distribution,
    pub names: [&'a str; 2],
    pub thresholds: [Thresholds; 2],
}

/// The part of the score's scale that is drawn, and the height of the tallest step.
struct Frame {
    low: f64,
    high: f64,
    decades: f64,
}

impl Frame {
    fn of(overlay: &Overlay<'_>) -> Frame {
        let steps = &overlay.distribution.steps;
        let ends = steps.first().map(|step| step.from).into_iter().chain(steps.last().map(|step| step.to));
        let thresholds = overlay.thresholds.iter().flat_map(|of| [of.review, of.decline]);
        // A threshold above one is never reached, and has no place.
        let places: Vec<f64> = ends.chain(thresholds.filter(|at| (0.0..=1.0).contains(at))).map(place).collect();
        let low = places.iter().copied().fold(f64::MAX, f64::min);
        let high = places.iter().copied().fold(f64::MIN, f64::max);
        let decades = (overlay.distribution.highest().max(10) as f64).log10();
        if places.is_empty() || high - low < 1.0 {
            return Frame { low: place(0.001), high: place(0.999), decades };
        }
        Frame { low, high, decades }
    }

    fn x(&self, score: f64) -> f64 {
        LEFT + (place(score) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)
    }

    fn holds(&self, score: f64) -> bool {
        (self.low - 1e-9..=self.high + 1e-9).contains(&place(score))
    }

    fn y(&self, count: u64) -> f64 {
        let height = if count == 0 { 0.0 } else { ((count as f64).log10() + ONE) / (self.decades + ONE) };
        PLOT_BOTTOM - height * (PLOT_BOTTOM - TOP)
    }
}

impl Overlay<'_> {
    /// Legend and drawing.
    pub fn html(&self) -> String {
        let [before, after] = self.names.map(escape);
        let frame = Frame::of(self);
        let mut out = format!(
            "<div class=\"legend\"><span><i class=\"before fill\"></i>{before}: filled</span>\
             <span><i class=\"after outline\"></i>{after}: outline</span></div>\n\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"scores-title scores-desc\">\n\
             <title id=\"scores-title\">Score distributions, {before} and {after}</title>\n\
             <desc id=\"scores-desc\">{}</desc>\n",
            self.description()
        );
        self.put_axes(&frame, &mut out);
        let steps = &self.distribution.steps;
        let _ = writeln!(out, "<path class=\"area before\" d=\"{}\"/>", outline(&frame, steps, |step| step.before));
        let _ = writeln!(out, "<path class=\"line after\" d=\"{}\"/>", outline(&frame, steps, |step| step.after));
        self.put_thresholds(&frame, &mut out);
        for step in steps {
            let (from, to) = (frame.x(step.from), frame.x(step.to));
            let _ = writeln!(
                out,
                "<rect class=\"hint\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\">\
                 <title>{} to {}: {} {before}, {} {after}</title></rect>",
                (to - from).max(0.1),
                PLOT_BOTTOM - TOP,
                score(step.from),
                score(step.to),
                count(step.before),
                count(step.after)
            );
        }
        out + "</svg>\n"
    }

    fn description(&self) -> String {
        let steps = &self.distribution.steps;
        let peak = |pick: fn(&Step) -> u64| {
            let highest = steps.iter().max_by_key(|step| pick(step));
            highest.map_or_else(String::new, |step| format!("{} to {}", score(step.from), score(step.to)))
        };
        let [before, after] = self.names;
        escape(&format!(
            "Records by score on a log-odds scale. Most {before} scores lie at {}, most {after} ones at {}.",
            peak(|step| step.before),
            peak(|step| step.after)
        ))
    }

    fn put_axes(&self, frame: &Frame, out: &mut String) {
        let right = WIDTH - RIGHT;
        // Writing to a String cannot fail, here and below.
        let counts = (0..).map(|power| 10u64.pow(power)).take_while(|n| (*n as f64).log10() <= frame.decades + 1e-9);
        for n in [0].into_iter().chain(counts) {
            let y = frame.y(n);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" class=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                count(n)
            );
        }
        let mut last = f64::MIN;
        for mark in MARKS.into_iter().filter(|mark| frame.holds(*mark)) {
            let x = frame.x(mark);
            // Labels are at most seven digits wide.
            if x - last < MARK_GAP {
                continue;
            }
            last = x;
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{PLOT_BOTTOM}\"/><text x=\"{x:.1}\" y=\"{:.1}\" class=\"mid\">{mark}</text>",
                PLOT_BOTTOM + 17.0
            );
        }
        let (middle, up) = ((LEFT + right) / 2.0, (TOP + PLOT_BOTTOM) / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" class=\"mid\">score</text>\
             <text transform=\"translate(13 {up:.1}) rotate(-90)\" class=\"mid\">records</text>",
            HEIGHT - 6.0
        );
    }

    /// Each side's thresholds have a row of labels: its name, reviews to the left of their line, declines to the right.
    fn put_thresholds(&self, frame: &Frame, out: &mut String) {
        for (side, (name, of)) in self.names.iter().zip(self.thresholds).enumerate() {
            let (class, label_y) = (["before", "after"][side], 14.0 + 18.0 * side as f64);
            let row = format!("{name} thresholds:");
            let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{label_y:.1}\">{}</text>", escape(&row));
            for (what, at, is_left) in [("review", of.review, true), ("decline", of.decline, false)] {
                if !frame.holds(at) || !(0.0..=1.0).contains(&at) {
                    continue;
                }
                let x = frame.x(at);
                // A label that would leave the drawing, or cover the row's name, stands on the other side of its line.
                let is_left = (is_left && x > LEFT + ROW_NAME + LABEL) || x > WIDTH - RIGHT - LABEL;
                let (anchor, gap) = if is_left { ("end", -5.0) } else { ("", 5.0) };
                let _ = writeln!(
                    out,
                    "<path class=\"threshold {class}\" d=\"M{x:.1} {:.1}V{PLOT_BOTTOM}\"/>\
                     <text x=\"{:.1}\" y=\"{label_y:.1}\" class=\"label {anchor}\">{what} {}</text>",
                    label_y - 9.0,
                    x + gap,
                    threshold(at)
                );
            }
        }
    }
}

/// From the axis up, along the steps, and down again.
fn outline(frame: &Frame, steps: &[Step], pick: impl Fn(&Step) -> u64) -> String {
    let Some((first, last)) = steps.first().zip(steps.last()) else { return String::new() };
    let mut path = format!("M{:.1} {PLOT_BOTTOM}", frame.x(first.from));
    for step in steps {
        let _ = write!(path, "V{:.1}H{:.1}", frame.y(pick(step)), frame.x(step.to));
    }
    let _ = write!(path, "V{PLOT_BOTTOM}H{:.1}", frame.x(last.to));
    path
}

const BAR_WIDTH: f64 = 240.0;
const BAR_HEIGHT: f64 = 20.0;
/// Bars begin at a tenth of the critical value.
const BAR_LOW: f64 = 0.1;

/// How many times its critical value a PSI is.
pub fn ratio(psi: &Psi) -> f64 {
    if psi.critical > 0.0 { psi.value / psi.critical } else { 0.0 }
}

/// A PSI as a multiple of its critical value, on a logarithmic scale up to `highest` such multiples; the critical value is a line at
/// the same place in every bar.
pub fn bar(psi: &Psi, highest: f64) -> String {
    let place = |ratio: f64| {
        let decades = (highest.max(10.0) / BAR_LOW).log10();
        ((ratio.max(BAR_LOW) / BAR_LOW).log10() / decades).clamp(0.0, 1.0) * (BAR_WIDTH - 2.0) + 1.0
    };
    let (length, critical) = (place(ratio(psi)), place(1.0));
    let class = if psi.is_significant() { "over" } else { "under" };
    format!(
        "<svg class=\"psi\" viewBox=\"0 0 {BAR_WIDTH} {BAR_HEIGHT}\" role=\"img\"><title>{:.2} times the critical value</title>\
         <path class=\"track\" d=\"M1 10H{:.1}\"/><rect class=\"{class}\" x=\"1\" y=\"3.5\" width=\"{:.1}\" height=\"13\" rx=\"1.5\"/>\
         <path class=\"critical\" d=\"M{critical:.1} 0V{BAR_HEIGHT}\"/></svg>",
        ratio(psi),
        BAR_WIDTH - 1.0,
        (length - 1.0).max(0.5)
    )
}
