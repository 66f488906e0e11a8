//! The micro-batch: one aligned buffer of rows, and what is known about each record beside its row. Made once,
//! reused for ever.
//!
//! A batch is open for what arrives, then at the model, then leaving. Only its [`RowBatch`] goes to the model; the records
//! and what the lane knows of them never change threads.

use std::collections::VecDeque;

use ndarray::ArrayView2;

use crate::doors::{ScoreError, SourceRecord};
use crate::error::Reject;
use crate::failpoint::Poison;
use crate::values::fingerprint::Fingerprint;
use crate::values::record::{Decision, Decoded, Receipt, ReviewReason, Scored};

/// Bytes to which the first row is aligned: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;
const FLOATS_PER_LINE: usize = ALIGNMENT / size_of::<f32>();

/// `cap` rows of `width` features, row-major and contiguous.
#[derive(Debug, Default)]
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

    pub fn row(&self, row: usize) -> &[f32] {
        let start = self.skip + row * self.width;
        &self.storage[start..start + self.width]
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

/// How far a record is on its way to an outcome.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Decoded into this row; the score follows.
    Row(usize),
    Decided(Decided),
    Rejected(Reject),
}

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// Probability of fraud, 0..=1.
    pub score: f64,
    pub decision: Decision,
    /// Whether people look at it too, and why.
    pub review: Option<ReviewReason>,
    /// Of the row that the model was given, where outputs carry one.
    pub fingerprint: Option<Fingerprint>,
}

/// One record on its way through the batch.
#[derive(Debug)]
pub struct Item<R> {
    pub record: R,
    /// The assignment that it was received in, and which record of it this is.
    pub assignment: u32,
    pub sequence: u64,
    /// When it was polled.
    pub receipt: Receipt,
    pub decoded: Option<Decoded>,
    pub verdict: Verdict,
    /// Its deadline had passed when it went to the model.
    pub late: bool,
}

impl<R: SourceRecord> Item<R> {
    /// What its outcome tells.
    pub fn scored(&self, decided: &Decided, scored_us: i64) -> Scored<'_> {
        Scored {
            payload: self.record.value().unwrap_or_default(),
            position: self.record.position(),
            source_timestamp_ms: self.record.timestamp_ms(),
            decoded: self.decoded.expect("a row comes with what was decoded"),
            score: decided.score,
            decision: decided.decision,
            late: self.late,
            epoch: self.assignment,
            fingerprint: decided.fingerprint,
            received_us: self.receipt.us,
            scored_us,
        }
    }
}

/// What the model sees of a batch: rows go in, scores come out.
#[derive(Debug, Default)]
pub struct RowBatch {
    pub features: Rows,
    /// Rows in use.
    pub filled: usize,
    pub scores: Vec<f64>,
    /// Rows that the model failed on when each was tried alone, in order.
    pub failed: Vec<usize>,
    /// Model calls that failed, and what the last of them said.
    pub calls_failed: u32,
    pub error: Option<ScoreError>,
    /// The model failed too often in a row: nothing of this batch may go out.
    pub broken: bool,
    /// Test builds: a record that ends the process.
    pub poison: Poison,
    /// Monotonic and wall clock before and after scoring.
    pub started_ns: u64,
    pub started_us: i64,
    pub scored_ns: u64,
    pub scored_us: i64,
}

/// Records that were decoded together: between two looks at the source.
#[derive(Clone, Copy, Debug)]
pub struct DecodeSpan {
    /// Monotonic clock before and after.
    pub start_ns: u64,
    pub decoded_ns: u64,
    /// Those that became rows.
    pub rows: u64,
}

/// Records in the order received, with their rows and scores.
#[derive(Debug)]
pub struct Batch<R> {
    pub items: Vec<Item<R>>,
    /// Empty while it is at the model.
    pub rows: RowBatch,
    pub decodes: Vec<DecodeSpan>,
}

impl<R> Batch<R> {
    pub fn new(width: usize, cap: usize) -> Batch<R> {
        let rows = RowBatch {
            features: Rows::new(width, cap),
            scores: vec![0.0; cap],
            failed: Vec::with_capacity(cap),
            ..RowBatch::default()
        };
        Batch { items: Vec::with_capacity(cap), rows, decodes: Vec::with_capacity(cap) }
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.decodes.clear();
        self.rows.filled = 0;
        self.rows.poison = Poison::default();
    }

    /// Records that still fit.
    pub fn room(&self) -> usize {
        self.rows.features.cap() - self.items.len()
    }
}

/// All batches of a lane. There are always as many as there were at first.
#[derive(Debug)]
pub struct Batches<R> {
    /// Takes what arrives.
    pub open: Batch<R>,
    /// Scored, and being handed over; empty when that is done.
    pub leaving: Batch<R>,
    /// In the order they went; each without its rows.
    at_model: VecDeque<Batch<R>>,
    free: Vec<Batch<R>>,
}

impl<R> Batches<R> {
    /// `at_model_max`: how many may be at the model apart from the open one and the one that leaves.
    pub fn new(width: usize, cap: usize, at_model_max: usize) -> Batches<R> {
        Batches {
            open: Batch::new(width, cap),
            leaving: Batch::new(width, cap),
            at_model: VecDeque::with_capacity(at_model_max),
            free: (0..at_model_max).map(|_| Batch::new(width, cap)).collect(),
        }
    }

    /// The open batch was scored where it is, and leaves.
    pub fn leave_at_once(&mut self) {
        debug_assert!(self.leaving.items.is_empty(), "one batch leaves at a time");
        std::mem::swap(&mut self.open, &mut self.leaving);
    }

    /// The open batch goes to the model; what arrives next has another one.
    pub fn send(&mut self) -> RowBatch {
        let next = self.free.pop().expect("fewer are at the model than were made for it");
        let mut sent = std::mem::replace(&mut self.open, next);
        let rows = std::mem::take(&mut sent.rows);
        self.at_model.push_back(sent);
        rows
    }

    /// The first batch that went to the model is back, and leaves.
    pub fn receive(&mut self, rows: RowBatch) {
        debug_assert!(self.leaving.items.is_empty(), "one batch leaves at a time");
        let mut back = self.at_model.pop_front().expect("the model gives back what it was given");
        back.rows = rows;
        self.free.push(std::mem::replace(&mut self.leaving, back));
    }

    /// The leaving batch was handed over. Its buffers, warm as they are, are the next to be filled.
    pub fn left(&mut self) {
        self.leaving.clear();
        if self.open.items.is_empty() {
            std::mem::swap(&mut self.open, &mut self.leaving);
        }
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
            assert_eq!(rows.row(6), vec![6.0; width]);
            let view = rows.view(2, 5);
            assert_eq!(view.shape(), [3, width]);
            assert!(view.rows().into_iter().zip(2..).all(|(row, n)| row.iter().all(|&value| value == n as f32)));
            assert!(view.is_standard_layout());
        }
    }

    #[test]
    fn batches_come_back_in_order_and_none_is_lost_or_made() {
        let mut batches: Batches<u8> = Batches::new(2, 4, 2);
        let sent = |batches: &mut Batches<u8>, mark: f64| {
            batches.open.rows.scores[0] = mark;
            batches.send()
        };
        for round in 0..5 {
            let first = sent(&mut batches, f64::from(round));
            let second = sent(&mut batches, f64::from(round) + 0.5);
            assert_eq!((batches.at_model.len(), batches.free.len()), (2, 0));
            assert!(batches.at_model.iter().all(|batch| batch.room() == 0), "nothing is written beside its rows");
            for (rows, mark) in [(first, f64::from(round)), (second, f64::from(round) + 0.5)] {
                batches.receive(rows);
                assert_eq!((batches.leaving.rows.scores[0], batches.leaving.room()), (mark, 4));
                batches.left();
            }
            assert_eq!((batches.at_model.len(), batches.free.len(), batches.open.room()), (0, 2, 4));
        }
    }
}
