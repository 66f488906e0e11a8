//! Whether scores have the bits of ONNX Runtime's own nodes, in rows made to find where they do not.

use ndarray::ArrayView2;
use scorewire::doors::Scorer;
use scorewire::model::Session;
use scorewire::values::model::Trees;

use crate::kernels;
use crate::package::Bench;
use crate::pool::Pool;

/// With and without rests of whatever a kernel takes at once.
pub const BATCHES: [usize; 5] = [1, 3, 16, 61, 257];

/// What is compared at once.
pub const CHUNK_ROWS: usize = 16 * 257;

const SPECIAL: [f32; 14] = [
    f32::NAN,
    -f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    0.0,
    -0.0,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    16_777_216.0,
    -1.0,
];

/// What is compared of one engine in one batch size.
#[derive(Clone, Copy, Default)]
struct Compared {
    rows: u64,
    differing: u64,
}

/// A line for each engine and batch size, and for each kernel that cannot score the model; answers how many scores differ in all.
/// Every engine scores all rows. Each chunk of them is scored in one batch size, another one with each chunk, and by ONNX Runtime
/// in each of them in turn: a kernel for many rows takes a hundred times as long where it gets one.
pub fn compare(bench: &Bench, rows: usize, mut tell: impl FnMut(String)) -> u64 {
    let session = |trees| bench.model(trees).session().unwrap_or_else(|fatal| panic!("{fatal}"));
    let mut reference = session(Trees::OnnxRuntime);
    let mut engines = vec![("auto".to_owned(), session(Trees::Auto), [Compared::default(); BATCHES.len()])];
    for name in kernels::names() {
        match kernels::open(bench, &name) {
            Ok(session) => engines.push((name, session, [Compared::default(); BATCHES.len()])),
            Err(why) => tell(format!("without {name}: {why}")),
        }
    }
    let mut source = Source::new(bench);
    let (mut expected, mut scores) = (vec![0.0; CHUNK_ROWS], vec![0.0; CHUNK_ROWS]);
    for (number, begin) in (0..rows).step_by(CHUNK_ROWS).enumerate() {
        let count = CHUNK_ROWS.min(rows - begin);
        let chunk = source.next(count);
        score(&mut reference, chunk, BATCHES[number / BATCHES.len() % BATCHES.len()], &mut expected[..count]);
        for (place, (_, session, compared)) in engines.iter_mut().enumerate() {
            let size = (number + place) % BATCHES.len();
            scores.fill(f64::from_bits(0x7ff8_dead_beef_0000));
            score(session, chunk, BATCHES[size], &mut scores[..count]);
            compared[size].rows += count as u64;
            compared[size].differing += differing(&expected[..count], &scores[..count]);
        }
    }
    for (name, _, compared) in &engines {
        for (batch, Compared { rows, differing }) in BATCHES.into_iter().zip(compared) {
            tell(format!("bits {name} {batch} {rows} {differing}"));
        }
    }
    engines.iter().flat_map(|(_, _, compared)| compared).map(|compared| compared.differing).sum()
}

pub fn differing(one: &[f64], other: &[f64]) -> u64 {
    one.iter().zip(other).filter(|(one, other)| one.to_bits() != other.to_bits()).count() as u64
}

fn score(session: &mut Session, rows: &[f32], batch: usize, scores: &mut [f64]) {
    let width = rows.len() / scores.len();
    for (rows, scores) in rows.chunks(batch * width).zip(scores.chunks_mut(batch)) {
        session.score(ArrayView2::from_shape((scores.len(), width), rows).unwrap(), scores).unwrap();
    }
}

/// Rows of the pool with other values in some columns, or in all: thresholds, their neighbours, and [`SPECIAL`] ones.
struct Source<'a> {
    pool: Pool,
    thresholds: &'a [Vec<f32>],
    random: u64,
    rows: Vec<f32>,
}

impl Source<'_> {
    fn new(bench: &Bench) -> Source<'_> {
        Source { pool: bench.pool(), thresholds: &bench.thresholds, random: 0x9e37_79b9_7f4a_7c15, rows: Vec::new() }
    }

    fn next(&mut self, count: usize) -> &[f32] {
        let width = self.pool.width;
        self.rows.clear();
        self.rows.extend_from_slice(self.pool.next(count));
        for row in 0..count {
            let exchanged = if row % 2 == 0 { width } else { 2 };
            for number in 0..exchanged {
                let column = if exchanged == width { number } else { self.draw(width) };
                if let Some(value) = self.value(column) {
                    self.rows[row * width + column] = value;
                }
            }
        }
        &self.rows
    }

    /// `None`: what is there already.
    fn value(&mut self, column: usize) -> Option<f32> {
        let thresholds = self.thresholds.get(column).filter(|thresholds| !thresholds.is_empty());
        match (self.draw(16), thresholds) {
            (0, _) => Some(SPECIAL[self.draw(SPECIAL.len())]),
            (1..=9, Some(thresholds)) => {
                let threshold = thresholds[self.draw(thresholds.len())];
                Some([threshold, threshold.next_up(), threshold.next_down()][self.draw(3)])
            }
            _ => None,
        }
    }

    /// xorshift64*: below `limit`.
    fn draw(&mut self, limit: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
