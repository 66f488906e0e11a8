//! The population stability index: whether two sets of values are distributed alike, and how sure that is.
//!
//! PSI = sum over bins of (q - p) * ln(q / p), where p and q are a bin's shares before and after (Siddiqi, Credit Risk
//! Scorecards, 2006). Customary alarms at 0.1 and 0.25 say nothing of the number of records: of few records, two samples of one
//! distribution pass them. Where both sides have one distribution, PSI is distributed as (1/N + 1/M) times a chi-square variable
//! with B - 1 degrees of freedom, of N and M records in B bins (Yurdakul, Statistical Properties of Population Stability Index,
//! Western Michigan University, 2018): its 99th percentile is the critical value here. 99 and not 95, since a page of thirty
//! features, or a metric that is read all day, would see one in twenty alarm by chance.

use serde::Serialize;

use crate::compare::scores::ScoreHistogram;

/// Bins of quantiles; missing values have one more.
pub const BINS: usize = 10;
/// Fewer records on the side that is judged allow no statement.
pub const RECORDS_MIN: u64 = 1_000;
/// Fewer records of reference than ten a bin allow none either.
pub const REFERENCE_MIN: u64 = 100;
/// How seldom two samples of one distribution pass the critical value: the level at which [`CHI_SQUARE`] is given.
pub const FALSE_ALARMS: f64 = 0.01;

/// 99th percentiles of the chi-square distribution with 1 to 10 degrees of freedom: `scipy.stats.chi2.ppf(0.99, df)`.
const CHI_SQUARE: [f64; BINS] = [
    6.634_896_601,
    9.210_340_372,
    11.344_866_730,
    13.276_704_136,
    15.086_272_470,
    16.811_893_830,
    18.475_306_907,
    20.090_235_030,
    21.665_994_333,
    23.209_251_159,
];

/// A PSI beside what chance alone would give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Psi {
    pub value: f64,
    /// What two samples of one distribution, of as many records, exceed once in a hundred times.
    pub critical: f64,
    /// Records of the reference, and of what is judged.
    pub before: u64,
    pub after: u64,
    /// Bins in which either side has records.
    pub bins: usize,
}

impl Psi {
    /// More than chance would give. With many records a very small difference is: whether it matters is the value's to say.
    pub fn is_significant(&self) -> bool {
        self.value > self.critical
    }

    /// From counts in the same bins. `None` with fewer records than [`REFERENCE_MIN`] before or [`RECORDS_MIN`] after.
    ///
    /// A bin that is empty on both sides is left out, and is no degree of freedom. One that is empty on one side counts as half a
    /// record there: the logarithm stays finite, and a bin that fills up still tells, the more so the more records there are.
    pub fn of_counts(counts: impl IntoIterator<Item = (u64, u64)>) -> Option<Psi> {
        let filled: Vec<(u64, u64)> = counts.into_iter().filter(|counts| *counts != (0, 0)).collect();
        let before: u64 = filled.iter().map(|(before, _)| before).sum();
        let after: u64 = filled.iter().map(|(_, after)| after).sum();
        if before < REFERENCE_MIN || after < RECORDS_MIN {
            return None;
        }
        let share = |count: u64, of: u64| if count == 0 { 0.5 } else { count as f64 } / of as f64;
        let term = |&(b, a): &(u64, u64)| {
            let (p, q) = (share(b, before), share(a, after));
            (q - p) * (q / p).ln()
        };
        let freedom = filled.len().saturating_sub(1).min(BINS);
        let critical = freedom.checked_sub(1).map_or(0.0, |place| CHI_SQUARE[place]);
        let critical = critical * (1.0 / before as f64 + 1.0 / after as f64);
        Some(Psi { value: filled.iter().map(term).sum(), critical, before, after, bins: filled.len() })
    }
}

/// Cuts between bins of about equal numbers, at most nine, from the smallest up: a value belongs to the bin whose number is how
/// many cuts lie below it (`value > cut`). `quantiles` are the nine deciles in order; one that repeats has a bin of its own, cut
/// off on both sides: so a constant, or one of two values, is told apart from what lies below or above it. `just_below`
/// is the nearest value under another one.
pub(super) fn cuts<T: Copy + PartialOrd>(quantiles: &[T], just_below: impl Fn(T) -> T) -> Vec<T> {
    let mut cuts: Vec<T> = Vec::with_capacity(BINS - 1);
    for equal in quantiles.chunk_by(|a, b| a == b) {
        let lower = (equal.len() > 1).then(|| just_below(equal[0]));
        for cut in lower.into_iter().chain([equal[0]]) {
            if cuts.last().is_none_or(|last| *last < cut) {
                cuts.push(cut);
            }
        }
    }
    cuts
}

/// Of scores, in ten bins by the deciles of `before`, to the exactness of the histogram's cells.
///
/// Two models' scores of the same records are no independent samples: they differ less than the critical value allows for, so it
/// is on the safe side, and a change of distribution that passes it is one.
pub fn psi_of_scores(before: &ScoreHistogram, after: &ScoreHistogram) -> Option<Psi> {
    if before.count() < REFERENCE_MIN {
        return None;
    }
    let cuts = cuts(&deciles(before), |cell| cell - 1);
    let mut bins = [(0, 0); BINS];
    for (cell, (b, a)) in (0i32..).zip(before.counts().iter().zip(after.counts())) {
        let bin = &mut bins[cuts.partition_point(|cut| *cut < cell)];
        *bin = (bin.0 + b, bin.1 + a);
    }
    Psi::of_counts(bins)
}

/// The cells in which the deciles lie.
fn deciles(histogram: &ScoreHistogram) -> Vec<i32> {
    let mut deciles = Vec::with_capacity(BINS - 1);
    let mut up_to = 0;
    for (cell, count) in (0i32..).zip(histogram.counts()) {
        up_to += count;
        while deciles.len() < BINS - 1 && up_to >= rank(deciles.len() + 1, histogram.count()) {
            deciles.push(cell);
        }
    }
    deciles
}

/// Which of `count` sorted values, from 1, is this decile.
pub(super) fn rank(decile: usize, count: u64) -> u64 {
    (u128::from(count) * decile as u128).div_ceil(BINS as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(all: impl IntoIterator<Item = f64>) -> ScoreHistogram {
        let mut histogram = ScoreHistogram::new();
        all.into_iter().for_each(|score| histogram.add(score));
        histogram
    }

    /// Values and critical values by numpy and scipy, of the formulas at the top of this file.
    #[test]
    fn values_are_those_of_numpy_and_scipy() {
        let after = [150, 120, 80, 90, 110, 95, 105, 100, 70, 80];
        let psi = Psi::of_counts(after.map(|count| (100, count))).unwrap();
        assert!((psi.value - 0.046_052_801_159_424_08).abs() < 1e-14, "{psi:?}");
        assert!((psi.critical - 0.043_331_988_666_923_85).abs() < 1e-11, "{psi:?}");
        assert!(psi.is_significant());
        // The customary alarm at 0.1 would say nothing, nor is there anything to say here.
        let psi = Psi::of_counts([(900, 880), (100, 120)]).unwrap();
        assert!((psi.value - 0.004_095_888_252_920_263).abs() < 1e-15, "{psi:?}");
        assert!((psi.critical - 0.013_269_793_202_042_43).abs() < 1e-11, "{psi:?}");
        assert!(!psi.is_significant());
    }

    #[test]
    fn an_empty_bin_is_half_a_record_and_one_of_neither_side_is_none() {
        let psi = Psi::of_counts([(500, 600), (0, 0), (500, 300), (0, 100)]).unwrap();
        assert!((psi.value - 0.647_579_858_404_123_2).abs() < 1e-14, "{psi:?}");
        assert!((psi.critical - 0.018_420_680_743_952_36).abs() < 1e-11, "{psi:?}");
        assert_eq!((psi.bins, psi.before, psi.after), (3, 1_000, 1_000));
    }

    #[test]
    fn few_records_allow_no_statement() {
        let of = |before: u64, after: u64| Psi::of_counts([(before / 2, after / 2), (before / 2, after / 2)]);
        assert_eq!((of(98, 10_000), of(10_000, 998)), (None, None));
        assert_eq!(of(100, 1_000).map(|psi| psi.value), Some(0.0));
    }

    #[test]
    fn a_decile_that_repeats_has_a_bin_of_its_own() {
        let below = |value: i32| value - 1;
        assert_eq!(cuts(&[1, 2, 3, 4, 5, 6, 7, 8, 9], below), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(cuts(&[7; 9], below), [6, 7]);
        // The value just below the repeated one is a cut already.
        assert_eq!(cuts(&[0, 0, 0, 4, 5, 5, 5, 8, 9], below), [-1, 0, 4, 5, 8, 9]);
    }

    #[test]
    fn a_constant_score_is_told_from_what_lies_below_and_above() {
        let constant = scores([0.25; 2_000]);
        let psi = psi_of_scores(&constant, &constant).unwrap();
        assert_eq!((psi.value, psi.critical, psi.bins, psi.is_significant()), (0.0, 0.0, 1, false));
        for other in [0.2, 0.3] {
            let shifted = scores((0..2_000).map(|n| if n % 4 == 0 { other } else { 0.25 }));
            let psi = psi_of_scores(&constant, &shifted).unwrap();
            // p = 1, 0.5/2000 and q = 0.75, 0.25, by numpy: -0.25 * ln 0.75 + 0.24975 * ln 1000.
            assert!((psi.value - 1.797_132_399_038_733_8).abs() < 1e-12, "{psi:?}");
            assert!(psi.is_significant());
        }
    }

    #[test]
    fn deciles_share_out_what_is_spread() {
        let spread = scores((0..10_000).map(|n| f64::from(n) / 10_000.0));
        let psi = psi_of_scores(&spread, &spread).unwrap();
        assert_eq!((psi.value, psi.bins), (0.0, 10));
        let upper = scores((0..5_000).map(|n| f64::from(n) / 5_000.0 * 0.5 + 0.5));
        let psi = psi_of_scores(&spread, &upper).unwrap();
        // Five deciles empty, five doubled: about 0.5 * ln 2 + 5 * (0.1 - 0.0001) * ln 1000, to the width of a cell.
        assert!((psi.value - 3.797).abs() < 0.15, "{psi:?}");
    }
}
