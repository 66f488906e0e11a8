//! The micro-batch: one aligned buffer of rows, and what is known about each record beside its row. Made once,
//! reused for ever.

use ndarray::ArrayView2;

use crate::error::Reject;
use crate::record::{Decoded, ReviewReason};

/// Bytes to which the first row is aligned: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;
const FLOATS_PER_LINE: usize = ALIGNMENT / size_of::<f32>();

/// `cap` rows of `width` features, row-major and contiguous.
#[derive(Debug)]
pub struct Rows {
    storage: Vec<f32>,
    /// Floats to skip so that the first row is aligned.
    skip: usize,
    width: usize,
    cap: usize,
}

impl Rows {
    pub fn new(width: usize, cap: usize) -> Rows {
        assert!(width > 0 && cap > 0, "a batch has rows and features");
        let storage = vec![0.0; width * cap + FLOATS_PER_LINE];
        let past = storage.as_ptr() as usize % ALIGNMENT;
        let skip = (ALIGNMENT - past) % ALIGNMENT / size_of::<f32>();
        Rows { storage, skip, width, cap }
    }

    pub fn cap(&self) -> usize {
        self.cap
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let start = self.skip + row * self.width;
        &mut self.storage[start..start + self.width]
    }

    /// Rows `from..to`.
    pub fn view(&self, from: usize, to: usize) -> ArrayView2<'_, f32> {
        let slice = &self.storage[self.skip + from * self.width..self.skip + to * self.width];
        ArrayView2::from_shape((to - from, self.width), slice).expect("the slice has exactly these rows")
    }
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Decoded into this row; the score follows.
    Row(usize),
    Rejected(Reject),
}

/// One record on its way through the batch.
#[derive(Debug)]
pub struct Item<R> {
    pub record: R,
    pub slot: u32,
    pub sequence: u64,
    /// Monotonic and wall clock at receipt.
    pub received_ns: u64,
    pub received_us: i64,
    pub decoded: Option<Decoded>,
    pub verdict: Verdict,
    /// Set by judge.
    pub late: bool,
    pub review: Option<ReviewReason>,
}

/// The records of one duty cycle, in the order received, with their rows and scores.
#[derive(Debug)]
pub struct Batch<R> {
    pub items: Vec<Item<R>>,
    pub rows: Rows,
    /// Rows in use.
    pub filled: usize,
    pub scores: Vec<f64>,
    /// Monotonic clock at each stage boundary.
    pub decode_start_ns: u64,
    pub decoded_ns: u64,
    pub scored_ns: u64,
    /// Wall clock, microseconds.
    pub scored_us: i64,
}

impl<R> Batch<R> {
    pub fn new(width: usize, cap: usize) -> Batch<R> {
        Batch {
            items: Vec::with_capacity(cap),
            rows: Rows::new(width, cap),
            filled: 0,
            scores: vec![0.0; cap],
            decode_start_ns: 0,
            decoded_ns: 0,
            scored_ns: 0,
            scored_us: 0,
        }
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_keep_apart() {
        for width in [1, 15, 16, 33] {
            let mut rows = Rows::new(width, 8);
            assert_eq!(rows.row_mut(0).as_ptr() as usize % ALIGNMENT, 0);
            for row in 0..8 {
                rows.row_mut(row).fill(row as f32);
            }
            let view = rows.view(2, 5);
            assert_eq!(view.shape(), [3, width]);
            assert!(view.rows().into_iter().zip(2..).all(|(row, n)| row.iter().all(|&value| value == n as f32)));
            assert!(view.is_standard_layout());
        }
    }
}
