//! Trees as bit masks, for the kernels that ask every split (QuickScorer).
//!
//! A tree's leaves are numbered from left to right and cut into blocks of 32, one bit each, the leftmost leaf in the
//! lowest bit. A split that sends a row right takes the leaves of its left subtree out of the row's mask; after all
//! splits of the tree, in any order, the leftmost leaf that is left is the row's.

use crate::model::trees::ensemble::{Node, Tree};
use crate::model::trees::kernel::column::{Column, Columns};

/// Leaves of one block, a bit each.
pub const LEAVES: usize = 32;

#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// Rows above go right.
    pub threshold: f32,
    /// The leaves that a row keeps when it goes right.
    pub kept: u32,
    /// Which of the columns is asked.
    pub column: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where its splits end in the list of all; they begin where the ones before end.
    pub splits_end: u32,
    /// Leaves that are there, the leftmost in the lowest bit.
    pub mask: u32,
    /// No more blocks of this tree. A tree's blocks stand from right to left: a leaf further left wins.
    pub last: bool,
}

/// Trees one after the other, each a run of blocks.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    pub columns: Columns,
    pub splits: Vec<Split>,
    pub blocks: Vec<Block>,
    /// By block; what is not there is 0.
    pub leaves: Vec<[f32; LEAVES]>,
}

impl Blocks {
    pub fn of(trees: &[Tree]) -> Blocks {
        let mut blocks = Blocks::default();
        trees.iter().for_each(|tree| blocks.plant(tree));
        blocks
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
                    let (column, threshold) = Column::of(feature, threshold, nan_left);
                    let column = self.columns.place(column);
                    self.splits.push(Split { threshold, kept: !bits(from - here.start, to - here.start), column });
                }
            }
            let mut leaves = [0.0; LEAVES];
            leaves[..here.len()].copy_from_slice(&order.leaves[here.clone()]);
            self.leaves.push(leaves);
            self.blocks.push(Block {
                splits_end: self.splits.len() as u32,
                mask: bits(0, here.len()),
                last: block == 0,
            });
        }
    }

    /// Each block's splits.
    pub fn by_block(&self) -> impl Iterator<Item = (&Block, &[Split])> {
        let begins = std::iter::once(0).chain(self.blocks.iter().map(|block| block.splits_end as usize));
        self.blocks.iter().zip(begins).map(|(block, begin)| (block, &self.splits[begin..block.splits_end as usize]))
    }

    /// Every tree has one block: then no mask ever becomes empty.
    pub fn are_single(&self) -> bool {
        self.blocks.iter().all(|block| block.last)
    }
}

/// Bits of leaves `from..to` of a block, leaf 0 the lowest.
fn bits(from: usize, to: usize) -> u32 {
    let below = |leaf: usize| u32::MAX.checked_shl(leaf as u32).map_or(u32::MAX, |above| !above);
    below(to) & !below(from)
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
