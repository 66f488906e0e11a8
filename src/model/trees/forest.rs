//! An ensemble, ready to be asked: by the kernel that is best for as many rows as there are.

use crate::model::trees::ensemble::{Node, Tree};
use crate::model::trees::kernel::{Instructions, Kernel, Kind, Scratch};

/// Numbers of rows that are told apart; more are taken in steps, and cost as many times one.
pub const ROWS_TOLD: usize = 64;

/// Which kernel takes how many rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// By rows less one; the last entry is for more rows too.
    kinds: [Kind; ROWS_TOLD],
}

impl Choice {
    pub fn only(kind: Kind) -> Choice {
        Choice { kinds: [kind; ROWS_TOLD] }
    }

    /// `kind_for` is asked for each number of rows from one to [`ROWS_TOLD`].
    pub fn of(kind_for: impl Fn(usize) -> Kind) -> Choice {
        Choice { kinds: std::array::from_fn(|at| kind_for(at + 1)) }
    }

    /// Each run of numbers of rows that one kernel takes: from which number on.
    pub fn runs(&self) -> Vec<(usize, Kind)> {
        let mut runs: Vec<(usize, Kind)> = Vec::new();
        for (kind, rows) in self.kinds.iter().zip(1..) {
            if runs.last().is_none_or(|(_, before)| before != kind) {
                runs.push((rows, *kind));
            }
        }
        runs
    }
}

/// An ensemble with its kernels. Shared by the sessions that use it.
#[derive(Clone, Debug)]
pub struct Forest {
    kernels: Vec<Kernel>,
    /// As [`Choice`] has it: a kernel's place.
    takes: [u8; ROWS_TOLD],
    features: usize,
    trees: usize,
    instructions: Instructions,
}

impl Forest {
    /// With those of the kernels `kinds` that these instructions and reasonable memory allow, or whatever kernels they allow
    /// where it is none of these; the first of them takes all rows. `None` where there is none.
    pub fn new(trees: &[Tree], instructions: Instructions, kinds: &[Kind]) -> Option<Forest> {
        let some = Kernel::some(trees, instructions, kinds);
        let kernels = if some.is_empty() { Kernel::some(trees, instructions, &Kind::ALL) } else { some };
        let needed = |node: &Node| match node {
            Node::Split { feature, .. } => *feature as usize + 1,
            Node::Leaf(_) => 0,
        };
        let features = trees.iter().flatten().map(needed).max().unwrap_or(0);
        (!kernels.is_empty()).then_some(Forest {
            kernels,
            takes: [0; ROWS_TOLD],
            features,
            trees: trees.len(),
            instructions,
        })
    }

    /// Those of its kernels that `choice` has.
    pub fn chosen(&self, choice: &Choice) -> Forest {
        let wanted = |kernel: &&Kernel| choice.kinds.contains(&kernel.kind());
        let kernels: Vec<Kernel> = self.kernels.iter().filter(wanted).cloned().collect();
        let place = |kind: Kind| kernels.iter().position(|kernel| kernel.kind() == kind).unwrap_or(0) as u8;
        let takes = choice.kinds.map(place);
        match kernels.is_empty() {
            true => self.clone(),
            false => Forest { kernels, takes, ..*self },
        }
    }

    pub fn kinds(&self) -> Vec<Kind> {
        self.kernels.iter().map(Kernel::kind).collect()
    }

    /// Columns that a row must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    pub fn trees(&self) -> usize {
        self.trees
    }

    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Memory that its kernels hold.
    pub fn bytes(&self) -> usize {
        self.kernels.iter().map(Kernel::bytes).sum()
    }

    /// What one of its kernels holds.
    pub fn bytes_of(&self, kind: Kind) -> usize {
        self.kernels.iter().filter(|kernel| kernel.kind() == kind).map(Kernel::bytes).sum()
    }

    /// Each row's sum over all trees, in the trees' order. `rows` is `[sums.len(), width]`, row by row, and `width` at
    /// least [`Forest::features`].
    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut Scratch) {
        let (mut rows, mut sums) = (rows, sums);
        while !sums.is_empty() {
            let kernel = &self.kernels[usize::from(self.takes[sums.len().min(ROWS_TOLD) - 1])];
            // Whole steps; what is left over may be another kernel's.
            let step = kernel.kind().step();
            let count = if sums.len() > step { sums.len() - sums.len() % step } else { sums.len() };
            let (some, rest) = std::mem::take(&mut sums).split_at_mut(count);
            kernel.sums(&rows[..count * width], width, some, scratch);
            (rows, sums) = (&rows[count * width..], rest);
        }
    }
}
