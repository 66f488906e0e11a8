//! Kernels that score a tree ensemble, each best for some trees, some numbers of rows and some processors. All of them
//! give the same bits: the weights of the leaves that a row comes to, added up in the trees' order.

mod blocks;
mod bytes;
mod column;
mod instructions;
mod prefix;
mod ranks;
mod together;
mod walk;

use std::sync::Arc;

use crate::model::trees::ensemble::Tree;
use blocks::Blocks;
use bytes::{Bytes, RowRanks};
use prefix::{Prefix, PrefixScratch};
use ranks::Ranks;
use together::{Lanes, Together};
use walk::{Walk, WalkScratch};

pub use instructions::Instructions;

/// How a kernel goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Sixteen rows ask every split at once.
    Together,
    /// Sixty-four rows ask every split at once, in bytes.
    Bytes,
    /// Row by row, from masks calculated beforehand.
    Prefix,
    /// Row by row, down sixteen trees in step.
    WalkTrees,
    /// Sixteen rows in step, down tree by tree.
    WalkRows,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Together, Kind::Bytes, Kind::Prefix, Kind::WalkTrees, Kind::WalkRows];

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Together => "together",
            Kind::Bytes => "bytes",
            Kind::Prefix => "prefix",
            Kind::WalkTrees => "walk-trees",
            Kind::WalkRows => "walk-rows",
        }
    }

    /// Rows that cost as much as one.
    pub fn step(self) -> usize {
        match self {
            Kind::Together => together::LANES,
            Kind::Bytes => ranks::ROWS,
            Kind::Prefix | Kind::WalkTrees => 1,
            Kind::WalkRows => walk::TOGETHER,
        }
    }
}

/// One of them, laid out for an ensemble. A copy shares what was laid out.
#[derive(Clone, Debug)]
pub enum Kernel {
    Together(Arc<Together>),
    Bytes(Arc<Bytes>),
    Prefix(Arc<Prefix>),
    WalkTrees(Arc<Walk>),
    WalkRows(Arc<Walk>),
}

/// One call's memory, for whatever kernel is called. Grows to the largest.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    lanes: Vec<Lanes>,
    ranks: Vec<RowRanks>,
    prefix: PrefixScratch,
    walk: WalkScratch,
}

impl Kernel {
    /// Those of `kinds` that these instructions and reasonable memory allow, in the order of [`Kind::ALL`].
    pub fn some(trees: &[Tree], instructions: Instructions, kinds: &[Kind]) -> Vec<Kernel> {
        let blocks = Blocks::of(trees);
        let (ranks, places) = Ranks::of(&blocks);
        let walk = Walk::new(trees).map(Arc::new);
        let kernel = |kind: Kind| match kind {
            Kind::Together => Together::new(&blocks, instructions).map(|kernel| Kernel::Together(kernel.into())),
            Kind::Bytes => {
                Bytes::new(&blocks, &ranks, &places, instructions).map(|kernel| Kernel::Bytes(kernel.into()))
            }
            Kind::Prefix => {
                Prefix::new(&blocks, &ranks, &places, instructions).map(|kernel| Kernel::Prefix(kernel.into()))
            }
            Kind::WalkTrees => walk.clone().map(Kernel::WalkTrees),
            Kind::WalkRows => walk.clone().map(Kernel::WalkRows),
        };
        Kind::ALL.into_iter().filter(|kind| kinds.contains(kind)).filter_map(kernel).collect()
    }

    pub fn kind(&self) -> Kind {
        match self {
            Kernel::Together(_) => Kind::Together,
            Kernel::Bytes(_) => Kind::Bytes,
            Kernel::Prefix(_) => Kind::Prefix,
            Kernel::WalkTrees(_) => Kind::WalkTrees,
            Kernel::WalkRows(_) => Kind::WalkRows,
        }
    }

    /// Memory that it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Kernel::Together(kernel) => kernel.bytes(),
            Kernel::Bytes(kernel) => kernel.bytes(),
            Kernel::Prefix(kernel) => kernel.bytes(),
            Kernel::WalkTrees(kernel) | Kernel::WalkRows(kernel) => kernel.bytes(),
        }
    }

    /// Each row's sum over all trees, in the trees' order. `rows` is `[sums.len(), width]`, row by row, and as wide as the
    /// trees ask for.
    #[inline]
    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut Scratch) {
        match self {
            Kernel::Together(kernel) => kernel.sums(rows, width, sums, &mut scratch.lanes),
            Kernel::Bytes(kernel) => kernel.sums(rows, width, sums, &mut scratch.ranks),
            Kernel::Prefix(kernel) => kernel.sums(rows, width, sums, &mut scratch.prefix),
            Kernel::WalkTrees(kernel) => kernel.sums_by_trees(rows, width, sums, &mut scratch.walk),
            Kernel::WalkRows(kernel) => kernel.sums_by_rows(rows, width, sums, &mut scratch.walk),
        }
    }
}
