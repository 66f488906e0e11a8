//! Figures as results and reports have them: quantiles, values with names, numbers for people.

use hdrhistogram::Histogram;
use serde::Serialize;

pub use crate::values::words::count;

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

    /// Nothing was measured.
    pub fn is_none(&self) -> bool {
        *self == Quantiles::default()
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

/// Groups of names and values, in reading order: what a reader of a result must know.
pub type Facts = Named<Named<String>>;

/// `1 record`, `2,000 records`.
pub fn records(n: u64) -> String {
    if n == 1 { "1 record".to_owned() } else { format!("{} records", count(n)) }
}

pub fn rate(per_s: f64) -> String {
    count(per_s.round().max(0.0) as u64)
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{} %", tenths(share * 100.0))
}

/// With one digit after the point and a comma at every third before it; no minus before a zero.
pub fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round();
    let magnitude = tenths.abs() as u64;
    let sign = if tenths < 0.0 { "-" } else { "" };
    format!("{sign}{}.{}", count(magnitude / 10), magnitude % 10)
}
