//! Many rows ask every split at once, in bytes: a value is its rank among its column's thresholds, and a tree's mask is
//! four planes of eight leaves (RapidScorer: Ye et al., KDD 2018). A split looks only at the planes that it can take
//! leaves from.
#![allow(unsafe_code, reason = "calls of functions compiled for instructions that were found to be there")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

mod layout;

use crate::model::trees::kernel::blocks::Blocks;
use crate::model::trees::kernel::instructions::{Instructions, Level};
use crate::model::trees::kernel::ranks::{Place, ROWS, Ranks};
use crate::model::trees::kernel::together::SPLITS_MAX;
use layout::Layout;

pub use layout::RowRanks;

#[derive(Clone, Debug)]
pub struct Bytes {
    layout: Layout,
    instructions: Instructions,
}

impl Bytes {
    /// `None` where these instructions have no kernel of this kind, or there are more splits than [`SPLITS_MAX`].
    pub fn new(blocks: &Blocks, ranks: &Ranks, places: &[Place], instructions: Instructions) -> Option<Bytes> {
        let asked: fn(u8) -> u8 = match instructions.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bytes => |rank| rank,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => avx2::asked,
            Level::Baseline => return None,
        };
        let layout = || Layout::new(blocks, ranks, places, asked);
        (blocks.splits.len() <= SPLITS_MAX).then(|| Bytes { layout: layout(), instructions })
    }

    pub fn bytes(&self) -> usize {
        self.layout.bytes()
    }

    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut Vec<RowRanks>) {
        scratch.resize(self.layout.ranks.columns.len(), RowRanks([0; ROWS]));
        for (rows, sums) in rows.chunks(ROWS * width).zip(sums.chunks_mut(ROWS)) {
            let mut group = [0.0; ROWS];
            self.step(rows, width, scratch, &mut group);
            sums.copy_from_slice(&group[..sums.len()]);
        }
    }

    #[inline]
    fn step(&self, rows: &[f32], width: usize, ranks: &mut [RowRanks], sums: &mut [f32; ROWS]) {
        match self.instructions.level() {
            // SAFETY: whoever has these instructions found them.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bytes => unsafe { avx512::step(&self.layout, rows, width, ranks, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => unsafe { avx2::step(&self.layout, rows, width, ranks, sums) },
            // Not made for it.
            Level::Baseline => {}
        }
    }
}
