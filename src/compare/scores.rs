//! How scores are distributed: a histogram whose cells never move, so that any two can be added and set side by side.

/// Cells of an octave. Sixteen octaves of these, and a cell below them, make a half of the histogram.
const CELLS_PER_OCTAVE_BITS: u32 = 5;
const OCTAVES: usize = 16;
const MANTISSA_BITS: u32 = 52;
const SHIFT: u32 = MANTISSA_BITS - CELLS_PER_OCTAVE_BITS;
/// The bits of 2^-17, without those that a cell does not look at: where the octaves begin. They end at one half.
const LOWEST: u64 = (1_023 - 17) << CELLS_PER_OCTAVE_BITS;
/// Cells below one half.
const HALF: usize = 1 + (OCTAVES << CELLS_PER_OCTAVE_BITS);

/// Counts of scores over 0..=1 in 1,026 fixed cells (8 KiB).
///
/// The cells are fine towards both ends, like log-odds and without a logarithm: below one half each octave down to 2^-17
/// (0.0000076) has 32 cells, the last cell reaches from there to zero, and above one half they are mirrored. Fraud scores
/// live near zero, where a linear scale of this size (0.001 a cell) would hold nine in ten of them in one cell; scores that
/// decline live near one. A cell is at most 1/32 of its distance from the nearer end wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreHistogram {
    counts: Box<[u64]>,
    count: u64,
}

impl Default for ScoreHistogram {
    fn default() -> ScoreHistogram {
        ScoreHistogram::new()
    }
}

impl ScoreHistogram {
    pub const CELLS: usize = 2 * HALF;

    pub fn new() -> ScoreHistogram {
        ScoreHistogram { counts: vec![0; Self::CELLS].into_boxed_slice(), count: 0 }
    }

    /// From counts by cell, as somebody else keeps them (atomic ones, of a thread that others watch). Missing ones are
    /// zero, and those past [`Self::CELLS`] are no cells.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> ScoreHistogram {
        let mut histogram = ScoreHistogram::new();
        for (cell, count) in histogram.counts.iter_mut().zip(counts) {
            *cell = count;
            histogram.count += count;
        }
        histogram
    }

    /// The cell of a score: 0 for the lowest. Scores outside of 0..=1 lie at the ends, and NaN at the lower one.
    #[inline]
    pub fn cell_of(score: f64) -> usize {
        if score >= 0.5 {
            // One minus a double of at least one half is exact. Cells include their lower edge, mirrored ones the upper.
            let rest = 1.0 - score;
            Self::CELLS - 1 - if rest > 0.0 { lower_cell(rest.next_down()) } else { 0 }
        } else {
            lower_cell(score.max(0.0))
        }
    }

    /// Where a cell begins; [`Self::CELLS`] gives the end of the last one.
    pub fn edge(cell: usize) -> f64 {
        if cell <= HALF { lower_edge(cell) } else { 1.0 - lower_edge(Self::CELLS.saturating_sub(cell)) }
    }

    #[inline]
    pub fn add(&mut self, score: f64) {
        self.counts[Self::cell_of(score)] += 1;
        self.count += 1;
    }

    pub fn merge(&mut self, other: &ScoreHistogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, others)| *own += others);
        self.count += other.count;
    }

    /// Scores added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// By cell, [`Self::CELLS`] of them.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many scores lie between two edges. Edges between those of cells are taken as their cells'.
    pub fn count_between(&self, from: f64, to: f64) -> u64 {
        let cells = Self::cell_of(from)..if to > 1.0 { Self::CELLS } else { Self::cell_of(to) };
        self.counts.get(cells).map_or(0, |counts| counts.iter().sum())
    }
}

/// The cell of a number in 0..0.5.
#[inline]
fn lower_cell(score: f64) -> usize {
    let place = score.to_bits() >> SHIFT;
    if place < LOWEST { 0 } else { (place - LOWEST) as usize + 1 }
}

fn lower_edge(cell: usize) -> f64 {
    match cell {
        0 => 0.0,
        cell => f64::from_bits((LOWEST + cell as u64 - 1) << SHIFT),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CELLS: usize = ScoreHistogram::CELLS;

    #[test]
    fn cells_cover_zero_to_one_without_a_gap() {
        let edges: Vec<f64> = (0..=CELLS).map(ScoreHistogram::edge).collect();
        assert_eq!((edges[0], edges[1], edges[HALF], edges[CELLS]), (0.0, 0.5f64.powi(17), 0.5, 1.0));
        for (cell, pair) in edges.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{cell}");
            let last = if cell == CELLS - 1 { 1.0 } else { pair[1].next_down() };
            assert_eq!([pair[0], last].map(ScoreHistogram::cell_of), [cell; 2]);
        }
        // One cell of a linear scale of as many: 0.0008 is cell 20 of its octave, and 0.001 cell 0 of the next.
        assert_eq!(ScoreHistogram::cell_of(0.001) - ScoreHistogram::cell_of(0.0008), 12);
    }

    #[test]
    fn what_is_no_probability_lies_at_an_end() {
        let cells = [-1.0, -0.0, f64::NAN, f64::NEG_INFINITY].map(ScoreHistogram::cell_of);
        assert_eq!(cells, [0; 4]);
        assert_eq!([1.0, 1.5, f64::INFINITY].map(ScoreHistogram::cell_of), [CELLS - 1; 3]);
    }

    #[test]
    fn counts_of_others_make_the_same_histogram() {
        let mut histogram = ScoreHistogram::new();
        [0.0, 0.25, 0.25, 1.0].iter().for_each(|score| histogram.add(*score));
        assert_eq!(ScoreHistogram::from_counts(histogram.counts().iter().copied()), histogram);
        assert_eq!(
            (histogram.count(), histogram.count_between(0.1, 0.5), histogram.count_between(0.25, 1.1)),
            (4, 2, 3)
        );
    }

    proptest! {
        #[test]
        fn a_score_lies_between_its_cells_edges(score in 0.0..=1.0f64) {
            let cell = ScoreHistogram::cell_of(score);
            let (from, to) = (ScoreHistogram::edge(cell), ScoreHistogram::edge(cell + 1));
            prop_assert!(from <= score && (score < to || (to == 1.0 && score == 1.0)), "{from} {score} {to}");
            let nearer_end = score.min(1.0 - score).max(0.5f64.powi(17));
            prop_assert!(to - from <= nearer_end / 31.0, "{from} {score} {to}");
        }
    }
}
