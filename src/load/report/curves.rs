//! The charts of a run: what is drawn of its histograms and seconds.

use hdrhistogram::Histogram;

use crate::load::report::chart::{Axis, Chart, Hint, Row, Shape};
use crate::load::report::figures::{Quantiles, count};
use crate::load::report::scale::{Scale, label};
use crate::load::report::series::{Second, Series};
use crate::load::verify::interval::Part;

/// Points per halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 8;
/// Points that a chart over time has at most; longer runs show the worst second of several.
const POINTS_MAX: usize = 600;

pub const TIME_NOTE: &str = "Of the outcomes read back in each second; runs of more than ten minutes show the worst second of several. \
                             The latency axis is logarithmic.";

/// Latency against the share of records that are quicker, towards 100 % on a logarithmic axis.
pub fn percentiles(series: &Series) -> Chart {
    let total = &series.total;
    let whole = [("end to end", "all", &total.latency.us)];
    let parts = Part::ALL.map(|part| (part.words(), part.name(), &total.part(part).us));
    let histograms: Vec<(&'static str, &'static str, &Histogram<u64>)> =
        parts.into_iter().chain(whole).filter(|(_, _, us)| !us.is_empty()).collect();
    let nines = (total.latency.us.len() as f64).log10().max(2.0);
    let lowest = histograms.iter().map(|(_, _, us)| us.value_at_quantile(0.01)).min().unwrap_or(1).max(1);
    let y = Scale::logarithmic(lowest as f64 / 1e3, total.latency.us.max() as f64 / 1e3);
    let x_of = |quantile: f64| ((1.0 / (1.0 - quantile).max(1e-12)).log10() / nines).min(1.0);
    let row = |&(name, colour, us): &(&'static str, &'static str, &Histogram<u64>)| {
        let points = curve(us).into_iter().map(|(quantile, ms)| Some((x_of(quantile), y.place(ms)))).collect();
        Row { name, colour, shape: Shape::Line, points, base: Vec::new() }
    };
    let ticks = [0.0_f64, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999];
    let shown = ticks.into_iter().filter(|quantile| (1.0 / (1.0 - quantile)).log10() <= nines + 1e-9);
    Chart {
        label: "Latency by percentile".to_owned(),
        x: Axis { ticks: shown.map(|q| (x_of(q), percent(q))).collect(), title: "percentile" },
        y: Axis::of(&y, "milliseconds"),
        rows: histograms.iter().map(row).collect(),
        hints: curve_hints(&total.latency.us, &x_of),
    }
}

/// Quantiles and values in milliseconds, without the last one, which lies at infinity.
fn curve(us: &Histogram<u64>) -> Vec<(f64, f64)> {
    let all = us.iter_quantiles(TICKS_PER_HALF);
    let mut points: Vec<(f64, f64)> = all
        .map(|step| (step.quantile_iterated_to(), step.value_iterated_to() as f64 / 1e3))
        .take_while(|(quantile, _)| *quantile < 1.0)
        .collect();
    points.push((1.0 - 1.0 / us.len() as f64, us.max() as f64 / 1e3));
    points
}

fn curve_hints(us: &Histogram<u64>, x_of: &dyn Fn(f64) -> f64) -> Vec<Hint> {
    let points = curve(us);
    let hint = |pair: &[(f64, f64)]| {
        let [(from, _), (to, ms)] = pair else { return None };
        Some(Hint { from: x_of(*from), to: x_of(*to), text: format!("{}: {ms:.3} ms", percent(*to)) })
    };
    points.windows(2).filter_map(hint).filter(|hint| hint.to > hint.from).collect()
}

/// A quantile in percent, with as many nines as it has.
fn percent(quantile: f64) -> String {
    format!("{} %", label((quantile * 1e9).round() / 1e7))
}

/// Seconds, thinned to what a chart can show, and the axis below them.
struct Timeline {
    seconds: Vec<Second>,
    axis: Axis,
    last: f64,
}

impl Timeline {
    fn of(series: &Series) -> Timeline {
        let step = series.seconds.len().div_ceil(POINTS_MAX).max(1);
        let worst =
            |chunk: &[Second]| chunk.iter().max_by(|a, b| a.latency_ms.max.total_cmp(&b.latency_ms.max)).cloned();
        let seconds: Vec<Second> = series.seconds.chunks(step).filter_map(worst).collect();
        let last = series.seconds.last().map_or(1.0, |second| second.second as f64).max(1.0);
        let Scale::Linear { step, .. } = Scale::from_zero(last) else { unreachable!("a linear scale was asked for") };
        let step = step.max(1.0);
        let ticks = (0..=(last / step) as u64).map(|n| n as f64 * step).map(|at| (at / last, label(at))).collect();
        Timeline { seconds, axis: Axis { ticks, title: "seconds" }, last }
    }

    fn x(&self, second: &Second) -> f64 {
        second.second as f64 / self.last
    }

    fn row(&self, name: &'static str, colour: &'static str, shape: Shape, y: &dyn Fn(&Second) -> Option<f64>) -> Row {
        let points = self.seconds.iter().map(|second| y(second).map(|y| (self.x(second), y))).collect();
        Row { name, colour, shape, points, base: Vec::new() }
    }

    fn hints(&self, text: &dyn Fn(&Second) -> String) -> Vec<Hint> {
        let half = 0.5 * self.seconds.get(1).map_or(1.0, |second| self.x(second));
        let hint = |second: &Second| {
            let at = self.x(second);
            let text = format!("second {}: {}", count(second.second), text(second));
            Hint { from: (at - half).max(0.0), to: (at + half).min(1.0), text }
        };
        self.seconds.iter().map(hint).collect()
    }
}

/// Median, 99th percentile and maximum of each second.
pub fn latency(series: &Series) -> Chart {
    let time = Timeline::of(series);
    let with = |second: &&Second| second.outcomes > 0;
    let lowest = time.seconds.iter().filter(with).map(|second| second.latency_ms.p50).fold(f64::MAX, f64::min);
    let highest = time.seconds.iter().map(|second| second.latency_ms.max).fold(0.0, f64::max);
    let y = Scale::logarithmic(lowest, highest);
    let row = |name, colour, pick: fn(&Quantiles) -> f64| {
        let place = |second: &Second| (second.outcomes > 0).then(|| y.place(pick(&second.latency_ms)));
        time.row(name, colour, Shape::Line, &place)
    };
    let rows = vec![row("maximum", "max", |q| q.max), row("p99", "p99", |q| q.p99), row("p50", "p50", |q| q.p50)];
    let text = |second: &Second| {
        let q = &second.latency_ms;
        format!("p50 {:.3}, p99 {:.3}, maximum {:.3} ms", q.p50, q.p99, q.max)
    };
    let hints = time.hints(&text);
    Chart { label: "Latency over time".to_owned(), x: time.axis, y: Axis::of(&y, "milliseconds"), rows, hints }
}

/// Records due and outcomes read back in each second. The last second is cut short.
pub fn throughput(series: &Series) -> Chart {
    let time = Timeline::of(series);
    let highest = time.seconds.iter().map(|second| second.outcomes.max(second.due.unwrap_or(0))).max().unwrap_or(0);
    let y = Scale::from_zero(highest as f64);
    let mut rows =
        vec![time.row("outcomes read back", "achieved", Shape::Area, &|second| Some(y.place(second.outcomes as f64)))];
    if time.seconds.iter().any(|second| second.due.is_some()) {
        let due = |second: &Second| second.due.map(|due| y.place(due as f64));
        rows.push(time.row("records due", "offered", Shape::Line, &due));
    }
    let text = |second: &Second| {
        let due = second.due.map_or(String::new(), |due| format!("{} due, ", count(due)));
        format!("{due}{} read back", count(second.outcomes))
    };
    let hints = time.hints(&text);
    Chart { label: "Throughput over time".to_owned(), x: time.axis, y: Axis::of(&y, "records/s"), rows, hints }
}

/// The mean way of each second's scored records, part upon part.
pub fn parts(series: &Series) -> Chart {
    let time = Timeline::of(series);
    let highest = time.seconds.iter().map(|second| second.parts_ms.iter().sum()).fold(0.0, f64::max);
    let y = Scale::from_zero(highest);
    let up_to = |second: &Second, parts: usize| y.place(second.parts_ms[..parts].iter().sum());
    let row = |(index, part): (usize, Part)| {
        let top = |second: &Second| (second.outcomes > 0).then(|| up_to(second, index + 1));
        let mut row = time.row(part.words(), part.name(), Shape::Area, &top);
        row.base = time.seconds.iter().map(|second| up_to(second, index)).collect();
        row
    };
    let rows = Part::ALL.into_iter().enumerate().map(row).collect();
    let text = |second: &Second| {
        let [in_topic, inside, out] = second.parts_ms;
        format!("{in_topic:.3} ms to received, {inside:.3} ms to scored, {out:.3} ms to read back")
    };
    let hints = time.hints(&text);
    let label = "Parts of a record's way over time".to_owned();
    Chart { label, x: time.axis, y: Axis::of(&y, "milliseconds"), rows, hints }
}
