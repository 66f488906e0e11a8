//! How large a batch should be: calls of several sizes, measured on this machine, and the choice between them.

use std::cmp::Reverse;
use std::time::Duration;

use ndarray::{Array2, s};

use crate::doors::Clock;
use crate::error::Fatal;
use crate::model::package::Package;
use crate::model::session::Session;
use crate::values::limits::Limits;

/// Bounds of the probe. `run` takes them from the configuration, whose defaults are these.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    /// Rows of one batch at most.
    pub rows_max: usize,
    /// A batch's time in the model that keeps the lane responsive.
    pub slice: Duration,
    /// What a batch may take where that spares much of its rows' time, or where no batch fits the slice.
    pub latency_max: Duration,
}

impl Default for ProbeSettings {
    fn default() -> ProbeSettings {
        ProbeSettings {
            rows_max: Limits::default().batch_rows_max,
            slice: Duration::from_millis(1),
            latency_max: Duration::from_millis(10),
        }
    }
}

/// Time of one call: the lower quartile of those measured, which tells what the machine does when it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurvePoint {
    pub rows: usize,
    pub call_ns: u64,
}

impl CurvePoint {
    pub fn row_ns(self) -> f64 {
        self.call_ns as f64 / self.rows as f64
    }
}

/// How many calls are timed at once: until their time is spent, but so many at least and at most.
pub(super) struct Calls {
    pub min: usize,
    pub max: usize,
    pub budget_ns: u64,
}

/// The sizes are measured in turn, several times over, so that a slow moment of the machine touches them all alike.
const ROUNDS: usize = 4;
/// Of one size in one round.
const CALLS: Calls = Calls { min: 3, max: 30, budget_ns: 4_000_000 };
/// Time to spend on all sizes; a round that has begun is finished.
const CURVE_BUDGET_NS: u64 = 4_000_000_000;
/// Sizes in a row whose calls are all far too long, before larger ones are left out: one alone may be a busy machine's.
const TOO_LONG_IN_A_ROW: usize = 2;
/// Sizes this near the cheapest are as cheap, and the largest of them wins: a batch only grows to it when that many
/// records wait, and then each request to the broker carries more outcomes.
const NEARLY: f64 = 1.05;
/// Among calls beyond the slice the shortest wins whose rows cost about as little as those of the cheapest.
const NEARLY_LONG: f64 = 1.25;
/// A call beyond its bound must spare this share of what its rows cost otherwise: then a lane that cannot keep up with
/// smaller batches can, and records wait less with the longer call than without it.
const SPARED: f64 = 0.5;

/// Sizes to measure: powers of two and one between, up to `rows_max`.
pub fn sizes(rows_max: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = [1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024]
        .into_iter()
        .filter(|size| *size < rows_max)
        .collect();
    sizes.push(rows_max.max(1));
    sizes
}

/// What no call may take, by what the smallest one takes: where that is beyond the bound already, a call of twice its time
/// delays nobody by more than one such call.
fn longest_ns(smallest_call_ns: u64, settings: &ProbeSettings) -> u64 {
    let bound_ns = u64::try_from(settings.latency_max.as_nanos()).unwrap_or(u64::MAX);
    if smallest_call_ns <= bound_ns { bound_ns } else { (smallest_call_ns as f64 / SPARED) as u64 }
}

/// Call times of each size. Stops growing where calls take far longer than will be accepted: larger batches only take
/// longer.
pub fn measure_curve(
    session: &mut Session,
    package: &Package,
    pool: &Array2<f32>,
    settings: &ProbeSettings,
    clock: &dyn Clock,
) -> Result<Vec<CurvePoint>, Fatal> {
    // A fixed batch makes smaller calls cost as much as a full one: there is nothing to choose between.
    let mut sizes = session.rows_fixed().map_or_else(|| sizes(settings.rows_max), |fixed| vec![fixed]);
    let mut times: Vec<Vec<u64>> = sizes.iter().map(|_| Vec::with_capacity(ROUNDS * CALLS.max)).collect();
    let (mut too_long_ns, mut too_long) = (u64::MAX, 0);
    for round in 0..ROUNDS {
        for index in 0..sizes.len() {
            let rows = sizes[index];
            if round == 0 {
                // A size's first call makes its values and faults its memory in.
                session.answer(package, pool.slice(s![..rows, ..]), &mut vec![0.0; rows])?;
            }
            measure(session, package, pool, rows, &CALLS, clock, &mut times[index])?;
            if index == 0 {
                let smallest_ns = times[0].iter().min().copied().unwrap_or(0);
                too_long_ns = longest_ns(smallest_ns, settings).saturating_mul(2);
            }
            let is_too_long = times[index].iter().all(|call_ns| *call_ns > too_long_ns);
            too_long = if is_too_long { too_long + 1 } else { 0 };
            if round == 0 && too_long == TOO_LONG_IN_A_ROW {
                sizes.truncate(index + 1);
                break;
            }
        }
        if times.iter().flatten().sum::<u64>() > CURVE_BUDGET_NS {
            break;
        }
    }
    Ok(sizes.into_iter().zip(times).map(|(rows, times)| CurvePoint { rows, call_ns: quartile(times) }).collect())
}

/// The lower quartile: what the machine does when it is left alone.
pub(super) fn quartile(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[times.len() / 4]
}

/// Times calls of so many rows of the pool. Returns the time that they took.
pub(super) fn measure(
    session: &mut Session,
    package: &Package,
    pool: &Array2<f32>,
    rows: usize,
    calls: &Calls,
    clock: &dyn Clock,
    times: &mut Vec<u64>,
) -> Result<u64, Fatal> {
    let mut scores = vec![0.0; rows];
    // Each round goes on where the last one ended: rows seen before would be guessed right.
    let mut at = times.len() * rows % (pool.nrows() - rows + 1);
    let mut spent = 0;
    for call in 0..calls.max {
        if call >= calls.min && spent >= calls.budget_ns {
            break;
        }
        if at + rows > pool.nrows() {
            at = 0;
        }
        let batch = pool.slice(s![at..at + rows, ..]);
        let start = clock.now_ns();
        session.answer(package, batch, &mut scores)?;
        let call_ns = clock.now_ns().saturating_sub(start);
        times.push(call_ns);
        spent += call_ns;
        at += rows;
    }
    Ok(spent)
}

/// The batch size for a curve, and a warning when that batch takes longer than the slice.
///
/// The cheapest size within the slice, unless one within the latency limit spares half of what its rows cost; a model
/// whose smallest call is beyond that limit too gets batches that take no more than twice that call, if they spare as much.
pub fn choose_cap(curve: &[CurvePoint], settings: &ProbeSettings) -> (usize, Option<String>) {
    let Some(smallest) = curve.first().copied() else { return (1, None) };
    let nearly_cheapest = |limit_ns: u64, nearly: f64| {
        let fits: Vec<CurvePoint> = curve.iter().copied().filter(|point| point.call_ns <= limit_ns).collect();
        let cheapest = fits.iter().map(|point| point.row_ns()).fold(f64::INFINITY, f64::min);
        fits.into_iter().filter(move |point| point.row_ns() <= cheapest * nearly)
    };
    let (slice, latency_max) = (settings.slice, settings.latency_max);
    let longest_ns = longest_ns(smallest.call_ns, settings);
    let is_over = u128::from(smallest.call_ns) > latency_max.as_nanos();
    let brief = nearly_cheapest(u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX), NEARLY).next_back();
    let shortest = |point: &CurvePoint| (point.call_ns, Reverse(point.rows));
    let long = nearly_cheapest(longest_ns, NEARLY_LONG).min_by_key(shortest).unwrap_or(smallest);
    let us = |point: CurvePoint| point.row_ns() / 1e3;
    match brief {
        Some(brief) if long.row_ns() > brief.row_ns() * SPARED => (brief.rows, None),
        Some(brief) => {
            let warning = format!(
                "batches of {} rows, which take {:.1} ms, cost {:.1} us a row; those that take no more than {slice:?} cost \
                 {:.1}. They are within {latency_max:?} (model.batch_latency_us_max), and chosen",
                long.rows,
                long.call_ns as f64 / 1e6,
                us(long),
                us(brief)
            );
            (long.rows, Some(warning))
        }
        None if !is_over => {
            let warning = format!(
                "no batch of this model takes less than {slice:?}; batches of {} rows stay within {latency_max:?} instead",
                long.rows
            );
            (long.rows, Some(warning))
        }
        None => {
            let chosen = if long.row_ns() <= smallest.row_ns() * SPARED { long } else { smallest };
            let how = match chosen.rows {
                1 => "rows are scored one by one".to_owned(),
                rows => format!(
                    "batches of {rows} rows take {:.0} ms, the smallest call {:.0}",
                    chosen.call_ns as f64 / 1e6,
                    smallest.call_ns as f64 / 1e6
                ),
            };
            let warning = format!("no batch of this model takes less than {slice:?}, nor than {latency_max:?}: {how}");
            (chosen.rows, Some(warning))
        }
    }
}
