//! An ensemble in bytes.
#![allow(unsafe_code, reason = "ranks are counted by functions compiled for instructions that were found to be there")]

use crate::model::trees::kernel::blocks::{Blocks, LEAVES};
use crate::model::trees::kernel::ranks::{Place, ROWS, Ranks};

/// Bytes of a mask, and of a weight.
pub const PLANES: usize = 4;

/// One column's ranks.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct RowRanks(pub [u8; ROWS]);

/// What a split does to one plane; a byte stands four times, to be loaded as a number is.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub column: u32,
    /// Rows of a rank above go right; as the instructions compare with it.
    pub rank: u32,
    /// What is left then.
    pub kept: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where each plane's questions end.
    pub ends: [u32; PLANES],
    /// The leaves that are there.
    pub mask: [u8; PLANES],
    /// No more blocks of this tree.
    pub last: bool,
}

/// A block's leaves, byte by byte of their weights.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Table(pub [[u8; LEAVES]; PLANES]);

#[derive(Clone, Debug)]
pub struct Layout {
    pub ranks: Ranks,
    pub questions: Vec<Question>,
    pub blocks: Vec<Block>,
    pub tables: Vec<Table>,
}

impl Layout {
    /// `asked`: a rank, as the instructions compare with it.
    pub fn new(blocks: &Blocks, ranks: &Ranks, places: &[Place], asked: fn(u8) -> u8) -> Layout {
        let ranks = ranks.clone();
        let mut layout = Layout { ranks, questions: Vec::new(), blocks: Vec::new(), tables: Vec::new() };
        let mut begin = 0;
        for ((block, splits), leaves) in blocks.by_block().zip(&blocks.leaves) {
            let places = &places[begin..begin + splits.len()];
            begin += splits.len();
            let mut ends = [0; PLANES];
            for (plane, end) in ends.iter_mut().enumerate() {
                let here = splits.iter().zip(places).map(|(split, place)| (split.kept.to_le_bytes()[plane], place));
                layout.questions.extend(here.filter(|(kept, _)| *kept != u8::MAX).map(|(kept, place)| Question {
                    column: place.column as u32,
                    rank: u32::from_ne_bytes([asked(place.rank); 4]),
                    kept: u32::from_ne_bytes([kept; 4]),
                }));
                *end = layout.questions.len() as u32;
            }
            layout.blocks.push(Block { ends, mask: block.mask.to_le_bytes(), last: block.last });
            let weights = leaves.map(f32::to_le_bytes);
            layout.tables.push(Table(std::array::from_fn(|plane| weights.map(|weight| weight[plane]))));
        }
        layout
    }

    pub fn bytes(&self) -> usize {
        let questions = size_of_val(&self.questions[..]) + size_of_val(&self.blocks[..]);
        self.ranks.bytes() + questions + size_of_val(&self.tables[..])
    }

    /// The rows' ranks, column by column.
    ///
    /// # Safety
    /// The caller is compiled for the instructions of `COUNTING`.
    #[inline(always)]
    pub unsafe fn take<const COUNTING: u8>(&self, rows: &[f32], width: usize, ranks: &mut [RowRanks]) {
        let mut values = [0.0; ROWS];
        for (ranks, ranked) in ranks.iter_mut().zip(&self.ranks.columns) {
            ranked.column.gather(rows, width, &mut values);
            // SAFETY: as the caller promises.
            unsafe { self.ranks.rank_rows::<COUNTING>(ranked, &values, &mut ranks.0) };
        }
    }
}
