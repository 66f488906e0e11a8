//! The percentile distribution as HdrHistogram's `outputPercentileDistribution` prints it, which its plotters read.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Lines per halving of the distance to 100 %, as in the original's default.
const TICKS_PER_HALF: u32 = 5;
/// Of a histogram that keeps three digits: the power of two above 2 * 10^3.
const SUB_BUCKETS: u32 = 2_048;
const US_PER_MS: f64 = 1_000.0;

/// The distribution of a histogram of microseconds, in milliseconds.
pub fn text(us: &Histogram<u64>) -> String {
    let mut out = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    // Writing to a String cannot fail.
    for step in us.iter_quantiles(TICKS_PER_HALF) {
        let (value, quantile) = (step.value_iterated_to() as f64 / US_PER_MS, step.quantile_iterated_to());
        count += step.count_since_last_iteration();
        let _ = if quantile < 1.0 {
            writeln!(out, "{value:12.3} {quantile:2.12} {count:10} {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out, "{value:12.3} {quantile:2.12} {count:10}")
        };
    }
    let (mean, deviation) = if us.is_empty() { (0.0, 0.0) } else { (us.mean(), us.stdev()) };
    let _ = writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]",
        mean / US_PER_MS,
        deviation / US_PER_MS,
        us.max() as f64 / US_PER_MS,
        us.len(),
        us.buckets(),
        SUB_BUCKETS,
    );
    out
}
