//! Differences of scores: sums that do not depend on the order, and quantiles with at most 1 % error.

use serde::Serialize;

/// Cells of an octave: half a cell is 1/128 of its value.
const CELLS_PER_OCTAVE_BITS: u32 = 6;
const SHIFT: u32 = 52 - CELLS_PER_OCTAVE_BITS;
/// Differences below 2^-64 count as such: half a unit in the last place of a score of 0.0004 as double.
const OCTAVES: u64 = 64;
const LOWEST: u64 = (1_023 - OCTAVES) << CELLS_PER_OCTAVE_BITS;
/// One alone has the last cell.
const CELLS: usize = ((OCTAVES as usize) << CELLS_PER_OCTAVE_BITS) + 1;

/// Sums are kept in units of 2^-64: a difference of double scores of the usual sizes is a whole number of them, and a sum of
/// whole numbers is the same in any order.
const UNIT: f64 = 18_446_744_073_709_551_616.0;

/// Quantiles of the absolute difference: each at most 1 % off, and the largest exact. Zeros are counted among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// Adds up differences between -1 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    count: u64,
    zero: u64,
    sum: i128,
    sum_absolute: i128,
    largest: f64,
    counts: Box<[u64]>,
}

impl Default for Differences {
    fn default() -> Differences {
        let counts = vec![0; CELLS].into_boxed_slice();
        Differences { count: 0, zero: 0, sum: 0, sum_absolute: 0, largest: 0.0, counts }
    }
}

impl Differences {
    #[inline]
    pub fn add(&mut self, difference: f64) {
        debug_assert!((-1.0..=1.0).contains(&difference));
        self.count += 1;
        let absolute = difference.abs();
        if absolute == 0.0 {
            self.zero += 1;
            return;
        }
        self.sum += (difference * UNIT) as i128;
        self.sum_absolute += (absolute * UNIT) as i128;
        self.largest = self.largest.max(absolute);
        let place = absolute.to_bits() >> SHIFT;
        self.counts[(place.saturating_sub(LOWEST) as usize).min(CELLS - 1)] += 1;
    }

    pub fn merge(&mut self, other: &Differences) {
        self.count += other.count;
        self.zero += other.zero;
        self.sum += other.sum;
        self.sum_absolute += other.sum_absolute;
        self.largest = self.largest.max(other.largest);
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, others)| *own += others);
    }

    /// How many of the differences are zero.
    pub fn zero(&self) -> u64 {
        self.zero
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / UNIT / self.count as f64)
    }

    pub fn mean_absolute(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_absolute as f64 / UNIT / self.count as f64)
    }

    pub fn quantiles(&self) -> Option<Quantiles> {
        (self.count > 0).then(|| Quantiles {
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            p99_9: self.quantile(0.999),
            max: self.largest,
        })
    }

    /// The smallest absolute difference that this share of all does not exceed: the middle of its cell.
    fn quantile(&self, share: f64) -> f64 {
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut below = self.zero;
        if rank <= below {
            return 0.0;
        }
        for (cell, count) in self.counts.iter().enumerate() {
            below += count;
            if rank <= below {
                let edge = |cell: u64| f64::from_bits((LOWEST + cell) << SHIFT);
                return (0.5 * (edge(cell as u64) + edge(cell as u64 + 1))).min(self.largest);
            }
        }
        self.largest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(all: &[f64]) -> Differences {
        let mut differences = Differences::default();
        all.iter().for_each(|difference| differences.add(*difference));
        differences
    }

    #[test]
    fn means_are_exact_and_zeros_count() {
        let differences = of(&[0.0, 0.25, -0.75, 0.0]);
        assert_eq!((differences.mean(), differences.mean_absolute()), (Some(-0.125), Some(0.25)));
        let quantiles = differences.quantiles().unwrap();
        assert_eq!((differences.zero(), quantiles.p50, quantiles.max), (2, 0.0, 0.75));
        assert!((quantiles.p90 / 0.75 - 1.0).abs() <= 0.01);
    }

    #[test]
    fn nothing_has_no_mean_and_the_whole_range_has_a_cell() {
        assert_eq!((of(&[]).mean(), of(&[]).mean_absolute(), of(&[]).quantiles()), (None, None, None));
        assert_eq!(of(&[1.0, -1.0]).quantiles().map(|q| (q.p50, q.max)), Some((1.0, 1.0)));
        assert_eq!(of(&[1e-300]).quantiles().map(|q| q.max), Some(1e-300));
    }

    proptest! {
        #[test]
        fn quantiles_are_at_most_one_percent_off(mut all in prop::collection::vec((-60.0..0.0f64, any::<bool>()), 1..400)) {
            all.push((-3.0, false));
            let all: Vec<f64> = all.iter().map(|(power, less)| power.exp2() * if *less { -1.0 } else { 1.0 }).collect();
            let mut sorted: Vec<f64> = all.iter().map(|difference| difference.abs()).collect();
            sorted.sort_by(f64::total_cmp);
            let told = of(&all).quantiles().unwrap();
            for (share, told) in [(0.5, told.p50), (0.9, told.p90), (0.99, told.p99), (0.999, told.p99_9)] {
                let rank = (share * sorted.len() as f64).ceil() as usize;
                prop_assert!((told / sorted[rank - 1] - 1.0).abs() <= 0.01, "{} {}", told, sorted[rank - 1]);
            }
        }

        #[test]
        fn the_order_does_not_matter(all in prop::collection::vec(-1.0..=1.0f64, 0..200), cut in 0..200usize) {
            let (head, tail) = all.split_at(cut.min(all.len()));
            let mut merged = of(tail);
            merged.merge(&of(head));
            prop_assert_eq!(merged, of(&all));
        }
    }
}
