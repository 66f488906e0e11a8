//! Walks from the roots down to leaves, sixteen at a time and in step: each waits for its own loads, not for another's, and
//! nobody guesses a branch. For trees so deep, or features so many, that asking every split costs more.
#![allow(unsafe_code, reason = "nodes and values whose places were checked when the trees were laid out")]

use std::collections::VecDeque;

use crate::model::trees::ensemble::{Node, Tree};
use crate::model::trees::kernel::column::{Column, Columns};

/// Walks in step.
pub const TOGETHER: usize = 16;
/// Bits of a child's place, within its tree.
const PLACE_BITS: u32 = 20;
/// Columns that the other bits can name.
const COLUMNS_MAX: usize = 1 << (u32::BITS - PLACE_BITS);

/// A split, or a leaf, which leads to itself.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Rows above go right.
    threshold: f32,
    /// The column, and the place of the left child, behind which the right one stands.
    packed: u32,
}

impl Step {
    fn to(column: u32, place: usize, threshold: f32) -> Step {
        Step { threshold, packed: column << PLACE_BITS | place as u32 }
    }

    #[inline(always)]
    fn column(self) -> usize {
        (self.packed >> PLACE_BITS) as usize
    }

    #[inline(always)]
    fn left(self) -> usize {
        (self.packed & ((1 << PLACE_BITS) - 1)) as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Planted {
    /// Its first step.
    root: usize,
    depth: usize,
    /// Its place in the ensemble.
    tree: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Walk {
    columns: Columns,
    steps: Vec<Step>,
    /// By step, 0 for splits.
    weights: Vec<f32>,
    /// As the ensemble has them.
    in_order: Vec<Planted>,
    /// The flattest first: walks of one length go together.
    by_depth: Vec<Planted>,
}

/// One call's memory.
#[derive(Clone, Debug, Default)]
pub struct WalkScratch {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Walk {
    /// `None` where a tree or the columns are too many for the places' bits.
    pub fn new(trees: &[Tree]) -> Option<Walk> {
        let mut walk = Walk::default();
        for tree in trees {
            if tree.len() > 1 << PLACE_BITS {
                return None;
            }
            walk.plant(tree);
        }
        walk.by_depth = walk.in_order.clone();
        walk.by_depth.sort_by_key(|planted| planted.depth);
        (walk.columns.list().len() <= COLUMNS_MAX).then_some(walk)
    }

    /// Level by level, so that both children stand together.
    fn plant(&mut self, tree: &Tree) {
        let root = self.steps.len();
        let (mut depth, mut next) = (0, 1);
        let mut open = VecDeque::from([(0u32, 0usize)]);
        self.steps.resize(root + tree.len(), Step { threshold: f32::INFINITY, packed: 0 });
        self.weights.resize(root + tree.len(), 0.0);
        let mut place = 0;
        while let Some((at, level)) = open.pop_front() {
            depth = depth.max(level);
            self.steps[root + place] = match tree[at as usize] {
                Node::Leaf(weight) => {
                    self.weights[root + place] = weight;
                    Step::to(0, place, f32::INFINITY)
                }
                Node::Split { feature, threshold, nan_left, left, right } => {
                    let (column, threshold) = Column::of(feature, threshold, nan_left);
                    open.extend([(left, level + 1), (right, level + 1)]);
                    next += 2;
                    Step::to(self.columns.place(column), next - 2, threshold)
                }
            };
            place += 1;
        }
        self.in_order.push(Planted { root, depth, tree: self.in_order.len() });
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.steps[..]) + size_of_val(&self.weights[..])
    }

    /// Sixteen trees of one row in step.
    pub fn sums_by_trees(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut WalkScratch) {
        let columns = self.columns.list();
        // Leaves look at a column too, where there is one.
        scratch.values.resize(columns.len().max(1), 0.0);
        scratch.weights.resize(self.in_order.len(), 0.0);
        let WalkScratch { values, weights } = scratch;
        for (row, sum) in rows.chunks_exact(width).zip(sums) {
            values.iter_mut().zip(columns).for_each(|(value, column)| *value = column.value(row[column.feature]));
            let (groups, remainder) = self.by_depth.as_chunks::<TOGETHER>();
            for group in groups {
                let depth = group[TOGETHER - 1].depth;
                let places = self.down(group.map(|planted| planted.root), depth, |column, _| {
                    // SAFETY: a step's column is one of the columns.
                    unsafe { *values.get_unchecked(column) }
                });
                for (planted, place) in group.iter().zip(places) {
                    weights[planted.tree] = self.weights[planted.root + place];
                }
            }
            for planted in remainder {
                let [place] = self.down([planted.root], planted.depth, |column, _| {
                    // SAFETY: as above.
                    unsafe { *values.get_unchecked(column) }
                });
                weights[planted.tree] = self.weights[planted.root + place];
            }
            *sum = weights.iter().fold(0.0, |sum, weight| sum + weight);
        }
    }

    /// Sixteen rows in one tree in step.
    pub fn sums_by_rows(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut WalkScratch) {
        let columns = self.columns.list();
        scratch.values.resize(columns.len().max(1) * TOGETHER, 0.0);
        let values = &mut scratch.values;
        for (rows, sums) in rows.chunks(TOGETHER * width).zip(sums.chunks_mut(TOGETHER)) {
            for (values, column) in values.as_chunks_mut::<TOGETHER>().0.iter_mut().zip(columns) {
                column.gather(rows, width, values);
            }
            let mut added = [0.0; TOGETHER];
            for planted in &self.in_order {
                let places = self.down([planted.root; TOGETHER], planted.depth, |column, row| {
                    // SAFETY: a step's column is one of the columns, each of which has sixteen rows.
                    unsafe { *values.get_unchecked(column * TOGETHER + row) }
                });
                added = std::array::from_fn(|row| added[row] + self.weights[planted.root + places[row]]);
            }
            sums.copy_from_slice(&added[..sums.len()]);
        }
    }

    /// Where walks end that go `depth` steps down from `roots`.
    #[inline(always)]
    fn down<const N: usize>(&self, roots: [usize; N], depth: usize, value: impl Fn(usize, usize) -> f32) -> [usize; N] {
        let mut places = [0; N];
        for _ in 0..depth {
            places = std::array::from_fn(|walk| {
                // SAFETY: a child stands within its tree, and its tree within the steps.
                let step = unsafe { *self.steps.get_unchecked(roots[walk] + places[walk]) };
                step.left() + usize::from(value(step.column(), walk) > step.threshold)
            });
        }
        places
    }
}
