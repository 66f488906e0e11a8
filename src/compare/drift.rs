//! Whether the features of a stream are distributed as those of the reference rows: the PSI of each.

use ndarray::ArrayView2;
use serde::Serialize;

use crate::compare::psi::{BINS, Psi, cuts, rank};

/// The bin of missing values, behind those of the deciles.
const MISSING: usize = BINS;

/// Bins by the deciles of reference rows, and the counts of a stream in them.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDrift {
    features: Vec<Feature>,
}

#[derive(Clone, Debug, PartialEq)]
struct Feature {
    name: String,
    /// Filled up with infinity, which nothing exceeds: all features are compared with as many.
    cuts: [f32; BINS - 1],
    before: [u64; BINS + 1],
    after: [u64; BINS + 1],
}

/// What is told of one feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeaturePsi {
    pub name: String,
    /// `None` where there are too few rows for a statement.
    pub psi: Option<Psi>,
    /// Shares of rows in which the feature is missing; `None` where there are no rows.
    pub missing_before: Option<f64>,
    pub missing_after: Option<f64>,
    /// From the smallest values up, missing ones last.
    pub bins: Vec<Bin>,
}

/// Rows whose feature lies in a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// In words: `up to 3.5`, `3.5 to 9` (the first excluded), `exactly 0`, `above 9`, `missing`.
    pub values: String,
    pub before: u64,
    pub after: u64,
}

impl FeatureDrift {
    /// Bins from reference rows, shape rows x features, NaN where a value is missing.
    ///
    /// # Panics
    /// If there are not as many names as columns: both are the contract's.
    pub fn new(names: &[String], reference: ArrayView2<'_, f32>) -> FeatureDrift {
        assert_eq!(names.len(), reference.ncols(), "names and columns of one contract");
        let features = names.iter().zip(reference.columns()).map(|(name, column)| {
            let mut present: Vec<f32> = column.iter().copied().filter(|value| !value.is_nan()).collect();
            // Plus and minus zero are one value.
            present.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            let mut feature = Feature::with_deciles_of(name, &present);
            column.iter().for_each(|value| feature.before[feature.bin(*value)] += 1);
            feature
        });
        FeatureDrift { features: features.collect() }
    }

    /// Counts rows of the stream, shape rows x features.
    ///
    /// # Panics
    /// If the rows have another number of columns than the reference.
    pub fn add_rows(&mut self, rows: ArrayView2<'_, f32>) {
        assert_eq!(rows.ncols(), self.features.len(), "rows of the reference's contract");
        for (feature, column) in self.features.iter_mut().zip(rows.columns()) {
            for value in column {
                feature.after[feature.bin(*value)] += 1;
            }
        }
    }

    /// Adds the counts of another one with the same reference.
    ///
    /// # Panics
    /// If the other one's reference has other features or deciles.
    pub fn merge(&mut self, other: FeatureDrift) {
        assert_eq!(self.features.len(), other.features.len(), "drift of one reference");
        for (own, others) in self.features.iter_mut().zip(other.features) {
            assert!(own.name == others.name && own.cuts == others.cuts, "drift of one reference");
            own.after.iter_mut().zip(others.after).for_each(|(own, others)| *own += others);
        }
    }

    /// Rows of the stream.
    pub fn rows(&self) -> u64 {
        self.features.first().map_or(0, |feature| feature.after.iter().sum())
    }

    /// In the contract's order.
    pub fn features(&self) -> Vec<FeaturePsi> {
        self.features.iter().map(Feature::told).collect()
    }
}

impl Feature {
    /// `present` is sorted.
    fn with_deciles_of(name: &str, present: &[f32]) -> Feature {
        let decile = |decile: usize| {
            let rank = rank(decile, present.len() as u64) as usize;
            rank.checked_sub(1).and_then(|place| present.get(place)).copied()
        };
        let deciles: Vec<f32> = (1..BINS).filter_map(decile).collect();
        let mut feature = Feature {
            name: name.to_owned(),
            cuts: [f32::INFINITY; BINS - 1],
            before: [0; BINS + 1],
            after: [0; BINS + 1],
        };
        feature.cuts.iter_mut().zip(cuts(&deciles, f32::next_down)).for_each(|(place, cut)| *place = cut);
        feature
    }

    #[inline]
    fn bin(&self, value: f32) -> usize {
        // All cuts are looked at: nine comparisons at once are quicker than a search that guesses.
        let above = self.cuts.iter().map(|cut| usize::from(value > *cut)).sum();
        if value.is_nan() { MISSING } else { above }
    }

    fn told(&self) -> FeaturePsi {
        let counts = || self.before.into_iter().zip(self.after);
        let share = |counts: &[u64; BINS + 1]| {
            let rows: u64 = counts.iter().sum();
            (rows > 0).then(|| counts[MISSING] as f64 / rows as f64)
        };
        let bins = (0..).zip(counts()).filter(|(bin, counts)| self.is_there(*bin) || *counts != (0, 0));
        let bins = bins.map(|(bin, (before, after))| Bin { values: self.values(bin), before, after });
        FeaturePsi {
            name: self.name.clone(),
            psi: Psi::of_counts(counts()),
            missing_before: share(&self.before),
            missing_after: share(&self.after),
            bins: bins.collect(),
        }
    }

    /// Cuts below infinity.
    fn cuts(&self) -> &[f32] {
        &self.cuts[..self.cuts.partition_point(|cut| cut.is_finite())]
    }

    fn is_there(&self, bin: usize) -> bool {
        bin <= self.cuts().len()
    }

    fn values(&self, bin: usize) -> String {
        if bin == MISSING {
            return "missing".to_owned();
        }
        let cut = |place: usize| self.cuts().get(place).copied();
        let low = bin.checked_sub(1).and_then(cut);
        // A cut just under the next one ends a bin below a value that has its own.
        let below = |place: usize| cut(place).zip(cut(place + 1)).filter(|(cut, next)| cut.next_up() == *next);
        match (low, cut(bin)) {
            (Some(low), Some(high)) if low.next_up() == high => format!("exactly {high}"),
            (None, Some(high)) => {
                below(bin).map_or_else(|| format!("up to {}", short(high)), |(_, next)| format!("below {next}"))
            }
            (Some(low), Some(high)) => below(bin).map_or_else(
                || format!("{} to {}", short(low), short(high)),
                |(_, next)| format!("{} to below {next}", short(low)),
            ),
            (Some(low), None) => format!("above {}", short(low)),
            (None, None) => "any".to_owned(),
        }
    }
}

/// An edge for people: five digits that count, where it has more.
fn short(value: f32) -> String {
    let exact = value.to_string();
    let digits = exact.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0').count();
    let magnitude = value.abs().log10().floor();
    if digits <= 6 || !(-30.0..30.0).contains(&magnitude) {
        return exact;
    }
    let decimals = (4.0 - magnitude).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, s};
    use proptest::prelude::*;

    use super::*;

    fn column(values: impl IntoIterator<Item = f32>) -> Array2<f32> {
        let values: Vec<f32> = values.into_iter().collect();
        Array2::from_shape_vec((values.len(), 1), values).unwrap()
    }

    fn drift(reference: &Array2<f32>, rows: &Array2<f32>) -> FeaturePsi {
        let mut drift = FeatureDrift::new(&["amount".to_owned()], reference.view());
        drift.add_rows(rows.view());
        assert_eq!(drift.rows(), rows.nrows() as u64);
        drift.features().remove(0)
    }

    fn counts(told: &FeaturePsi) -> Vec<(&str, u64, u64)> {
        told.bins.iter().map(|bin| (bin.values.as_str(), bin.before, bin.after)).collect()
    }

    #[test]
    fn deciles_of_the_reference_are_the_bins_and_missing_ones_have_their_own() {
        let missing = [f32::NAN; 10];
        let reference = column((1..=90).map(|n| n as f32).chain(missing));
        let rows = column((0..1_000u16).map(|n| f32::from(n / 100 * 9 + n % 9 + 1)).chain([f32::NAN; 500]));
        let told = drift(&reference, &rows);
        assert_eq!(told.bins.len(), 11);
        assert_eq!(counts(&told)[0], ("up to 9", 9, 100));
        assert_eq!(counts(&told)[1], ("9 to 18", 9, 100));
        assert_eq!(counts(&told)[9], ("above 81", 9, 100));
        assert_eq!(counts(&told)[10], ("missing", 10, 500));
        assert_eq!((told.missing_before, told.missing_after), (Some(0.1), Some(1.0 / 3.0)));
        // By numpy: ten times (1/15 - 0.09) ln((1/15)/0.09), and (1/3 - 0.1) ln((1/3)/0.1).
        let psi = told.psi.unwrap();
        assert!((psi.value - 0.350_951_392_581_130_5).abs() < 1e-12, "{psi:?}");
        assert!((psi.critical - 23.209_251_159 * (1.0 / 100.0 + 1.0 / 1_500.0)).abs() < 1e-12, "{psi:?}");
    }

    #[test]
    fn a_feature_of_two_values_has_two_bins_and_a_third_value_is_seen() {
        let reference = column((0..1_000).map(|n| if n % 10 == 0 { 1.0 } else { 0.0 }));
        let told = drift(&reference, &reference);
        assert_eq!(counts(&told), [("below 0", 0, 0), ("exactly 0", 900, 900), ("above 0", 100, 100)]);
        assert_eq!(told.psi.map(|psi| (psi.value, psi.bins)), Some((0.0, 2)));
        let told = drift(&reference, &column((0..1_000).map(|n| if n % 10 == 0 { -1.0 } else { -0.0 })));
        assert_eq!(counts(&told), [("below 0", 0, 100), ("exactly 0", 900, 900), ("above 0", 100, 0)]);
        assert!(told.psi.is_some_and(|psi| psi.is_significant() && psi.value.is_finite()));
    }

    #[test]
    fn constants_and_columns_without_a_value_have_bins() {
        let told = drift(&column([3.5; 200]), &column([3.5; 1_000]));
        assert_eq!(counts(&told), [("below 3.5", 0, 0), ("exactly 3.5", 200, 1_000), ("above 3.5", 0, 0)]);
        assert_eq!(told.psi.map(|psi| psi.is_significant()), Some(false));
        let told = drift(&column([f32::NAN; 200]), &column((0..1_000).map(|n| if n < 10 { 1.0 } else { f32::NAN })));
        assert_eq!(counts(&told), [("any", 0, 10), ("missing", 200, 990)]);
        assert!(told.psi.is_some());
    }

    #[test]
    fn edges_keep_five_digits() {
        let words = [0.276_356_67f32, 1_234_567.0, 12.345_678, -0.000_123_456_79, 3.5, f32::INFINITY].map(short);
        assert_eq!(words, ["0.27636", "1234567", "12.346", "-0.00012346", "3.5", "inf"]);
    }

    #[test]
    fn infinities_of_a_reference_are_values() {
        let told = drift(&column([f32::INFINITY, f32::NEG_INFINITY].repeat(100)), &column([0.0; 1_000]));
        assert_eq!(told.bins.iter().map(|bin| bin.after).sum::<u64>(), 1_000);
        assert!(told.psi.is_some_and(|psi| psi.value.is_finite()));
    }

    #[test]
    fn few_rows_allow_no_statement() {
        assert_eq!(drift(&column([1.0; 99]), &column([1.0; 5_000])).psi, None);
        assert_eq!(drift(&column([1.0; 100]), &column([1.0; 999])).psi, None);
        let none = drift(&column([1.0; 100]), &column([]));
        assert_eq!((none.psi, none.missing_after), (None, None));
    }

    proptest! {
        #[test]
        fn parts_merge_in_any_order(
            values in prop::collection::vec(prop_oneof![(-3..3i8).prop_map(f32::from), any::<f32>()], 2..200),
            cut in 0..100usize,
        ) {
            let rows = Array2::from_shape_vec((values.len() / 2, 2), values[..values.len() / 2 * 2].to_vec()).unwrap();
            let names = ["a".to_owned(), "b".to_owned()];
            let of = |part: ArrayView2<'_, f32>| {
                let mut drift = FeatureDrift::new(&names, rows.view());
                drift.add_rows(part);
                drift
            };
            let cut = cut.min(rows.len_of(Axis(0)));
            let mut merged = of(rows.slice(s![cut.., ..]));
            merged.merge(of(rows.slice(s![..cut, ..])));
            prop_assert_eq!(merged.features(), of(rows.view()).features());
            // The reference itself never drifts.
            for feature in merged.features() {
                prop_assert!(feature.bins.iter().all(|bin| bin.before == bin.after));
            }
        }
    }
}
