//! An ensemble laid out so that sixteen rows go through a tree without a branch ([`super::kernel`]).
//!
//! A tree's leaves are numbered from left to right and cut into blocks of 32, one bit each, the leftmost leaf in the
//! highest bit. A split that sends a row right takes the leaves of its left subtree out of the row's mask; after all
//! splits of the tree, in any order, the leftmost leaf that is left is the row's.

use crate::model::trees::ensemble::{Ensemble, Node, Tree};
use crate::model::trees::kernel::{Block, Kernel, LANES, LEAVES, Lanes, Layout, Split};

/// A feature as splits ask for it, free of NaN: a comparison with one would always send a row left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    feature: usize,
    missing: Missing,
}

/// What a missing value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// Below every threshold: left.
    Low,
    /// Above every finite threshold: right.
    High,
    /// Of splits at infinity, where nothing but a missing value goes right: above, and all else below.
    Only,
}

impl Column {
    /// Takes this column out of at most sixteen rows.
    fn gather(self, rows: &[f32], width: usize, lanes: &mut Lanes) {
        let given = lanes.0.iter_mut().zip(rows[self.feature..].iter().step_by(width));
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        match self.missing {
            Missing::Low => given.for_each(|(value, given)| *value = if given.is_nan() { low } else { *given }),
            Missing::High => given.for_each(|(value, given)| *value = if given.is_nan() { high } else { *given }),
            Missing::Only => given.for_each(|(value, given)| *value = if given.is_nan() { high } else { low }),
        }
    }
}

/// An ensemble, ready to be asked. Shared by the sessions that use it.
#[derive(Clone, Debug)]
pub struct Forest {
    columns: Vec<Column>,
    layout: Layout,
    features: usize,
    trees: usize,
    kernel: Kernel,
}

/// One call's memory, reused. Each session has its own.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Vec<Lanes>);

impl Forest {
    /// For the best kernel of this processor.
    pub fn new(ensemble: &Ensemble) -> Forest {
        Forest::for_kernel(ensemble, Kernel::best())
    }

    pub fn for_kernel(ensemble: &Ensemble, kernel: Kernel) -> Forest {
        let mut forest =
            Forest { columns: Vec::new(), layout: Layout::default(), features: 0, trees: ensemble.trees.len(), kernel };
        for tree in &ensemble.trees {
            forest.plant(tree);
        }
        forest.features = forest.columns.iter().map(|column| column.feature + 1).max().unwrap_or(0);
        forest
    }

    /// Columns that a row must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    pub fn trees(&self) -> usize {
        self.trees
    }

    /// The instructions used, as reports name them.
    pub fn instructions(&self) -> &'static str {
        self.kernel.name()
    }

    /// Thresholds by feature, for rows that try them.
    pub fn thresholds(&self) -> impl Iterator<Item = (usize, f32)> {
        self.layout.splits.iter().map(|split| (self.columns[split.column as usize].feature, split.threshold))
    }

    fn column(&mut self, wanted: Column) -> u32 {
        let found = self.columns.iter().position(|column| *column == wanted);
        let at = found.unwrap_or_else(|| {
            self.columns.push(wanted);
            self.columns.len() - 1
        });
        at as u32
    }

    fn plant(&mut self, tree: &Tree) {
        let order = LeafOrder::of(tree);
        let blocks = order.leaves.len().div_ceil(LEAVES);
        for block in (0..blocks).rev() {
            let here = block * LEAVES..((block + 1) * LEAVES).min(order.leaves.len());
            for &(at, left_from, left_to) in &order.splits {
                let (from, to) = (left_from.max(here.start), left_to.min(here.end));
                let Node::Split { feature, threshold, nan_left, .. } = tree[at] else { continue };
                if from < to {
                    let (missing, threshold) = match nan_left {
                        true => (Missing::Low, threshold),
                        false if threshold == f32::INFINITY => (Missing::Only, 0.0),
                        false => (Missing::High, threshold),
                    };
                    let column = self.column(Column { feature: feature as usize, missing });
                    let keep = !bits(from - here.start, to - here.start);
                    self.layout.splits.push(Split { threshold, keep, column });
                }
            }
            let mut leaves = [0.0; LEAVES];
            leaves[..here.len()].copy_from_slice(&order.leaves[here.clone()]);
            self.layout.leaves.push(leaves);
            self.layout.blocks.push(Block {
                splits_end: self.layout.splits.len() as u32,
                mask: bits(0, here.len()),
                last: block == 0,
            });
        }
    }

    /// Each row's sum over all trees, in the trees' order. `rows` is `[sums.len(), width]`, row by row, and `width` at
    /// least [`Forest::features`].
    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut Scratch) {
        scratch.0.resize(self.columns.len(), Lanes([0.0; LANES]));
        for (rows, sums) in rows.chunks(LANES * width).zip(sums.chunks_mut(LANES)) {
            for (lanes, column) in scratch.0.iter_mut().zip(&self.columns) {
                column.gather(rows, width, lanes);
            }
            let group = self.kernel.sixteen(&self.layout, &scratch.0);
            sums.copy_from_slice(&group[..sums.len()]);
        }
    }
}

/// Bits of leaves `from..to` of a block, leaf 0 the highest.
fn bits(from: usize, to: usize) -> u32 {
    let below = |leaf: usize| u32::MAX.checked_shr(leaf as u32).unwrap_or(0);
    below(from) & !below(to)
}

struct LeafOrder {
    leaves: Vec<f32>,
    /// A split's place in the tree, and the leaves of its left subtree.
    splits: Vec<(usize, usize, usize)>,
}

impl LeafOrder {
    /// Without recursion: a degenerate tree is as deep as it has leaves.
    fn of(tree: &Tree) -> LeafOrder {
        enum Step {
            Enter(u32),
            /// The split's left subtree has been walked.
            Between {
                at: u32,
                from: usize,
            },
        }
        let mut order = LeafOrder { leaves: Vec::new(), splits: Vec::new() };
        let mut steps = vec![Step::Enter(0)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Between { at, from } => order.splits.push((at as usize, from, order.leaves.len())),
                Step::Enter(at) => match tree[at as usize] {
                    Node::Leaf(weight) => order.leaves.push(weight),
                    Node::Split { left, right, .. } => steps.extend([
                        Step::Enter(right),
                        Step::Between { at, from: order.leaves.len() },
                        Step::Enter(left),
                    ]),
                },
            }
        }
        order
    }
}
