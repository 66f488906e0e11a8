//! One row at a time, without a look at single splits. By a value's rank in its column, all splits of that column are
//! decided: what they leave of all trees is calculated beforehand for each rank. A row's masks are what all columns leave
//! (QuickScorer's order of splits, with the work done at load).
//!
//! From one rank to the next, few trees lose a leaf. So masks are kept line by line, and a rank has a list of its lines: as
//! many lines as splits at most, and short lists.
#![allow(unsafe_code, reason = "calls of functions compiled for instructions that were found to be there")]

use crate::model::trees::kernel::blocks::{Blocks, LEAVES};
use crate::model::trees::kernel::instructions::{Instructions, Level};
use crate::model::trees::kernel::ranks::{AVX2, BASELINE, Place, Ranks};

/// Words of one line: a cache line, sixteen blocks of trees.
const WORDS: usize = 16;
/// Lines that are taken together, in registers.
const LINES: usize = 4;
/// Lines that a place in a list can tell apart.
const PLACES_MAX: usize = 1 << u16::BITS;
/// Of all lists. More would not stay in a processor's caches, and walking down is cheaper.
const LISTS_BYTES_MAX: usize = 8 << 20;
/// Rows that are scored in turn, so that their sums need not wait for one another.
const ROWS: usize = 4;

type Line = [u32; WORDS];

#[derive(Clone, Debug)]
pub struct Prefix {
    ranks: Ranks,
    /// By column: where its first rank's list begins.
    begins: Vec<u32>,
    /// By column and rank, its lines; each list is as long as [`Prefix::start`].
    lists: Vec<u16>,
    /// The first one loses nothing.
    lines: Vec<Line>,
    /// Before any split. A whole number of [`LINES`].
    start: Vec<Line>,
    leaves: Vec<[f32; LEAVES]>,
    /// Whether a word is its tree's last; `None` where each is.
    lasts: Option<Vec<bool>>,
    instructions: Instructions,
}

/// One call's memory.
#[derive(Clone, Debug, Default)]
pub struct PrefixScratch {
    masks: Vec<Line>,
    /// Of one row: where each column's list begins.
    lists: Vec<u32>,
}

impl Prefix {
    /// `None` where lines and lists would take too much memory.
    pub fn new(blocks: &Blocks, ranks: &Ranks, places: &[Place], instructions: Instructions) -> Option<Prefix> {
        let count = blocks.blocks.len().div_ceil(WORDS).next_multiple_of(LINES);
        let ranks_all: usize = ranks.columns.iter().map(|ranked| ranked.highest + 1).sum();
        if ranks_all * count * size_of::<u16>() > LISTS_BYTES_MAX {
            return None;
        }
        let mut prefix = Prefix {
            begins: Vec::new(),
            lists: Vec::new(),
            lines: vec![[u32::MAX; WORDS]],
            start: vec![[0; WORDS]; count],
            leaves: blocks.leaves.clone(),
            lasts: (!blocks.are_single()).then(|| blocks.blocks.iter().map(|block| block.last).collect()),
            instructions,
            ranks: ranks.clone(),
        };
        let mut by_column: Vec<Vec<Lost>> = prefix.ranks.columns.iter().map(|_| Vec::new()).collect();
        let mut places = places.iter();
        for (word, (block, splits)) in blocks.by_block().enumerate() {
            prefix.start[word / WORDS][word % WORDS] = block.mask;
            for (split, place) in splits.iter().zip(places.by_ref()) {
                by_column[place.column].push(Lost { rank: usize::from(place.rank), word, leaves: !split.kept });
            }
        }
        for (column, lost) in by_column.iter_mut().enumerate() {
            prefix.add(prefix.ranks.columns[column].highest, lost)?;
        }
        Some(prefix)
    }

    /// A column's lists and lines.
    fn add(&mut self, highest: usize, lost: &mut [Lost]) -> Option<()> {
        lost.sort_by_key(|lost| (lost.rank, lost.word));
        self.begins.push(self.lists.len() as u32);
        let mut list = vec![0u16; self.start.len()];
        let mut lost = lost.iter().peekable();
        for rank in 0..=highest {
            let known = self.lines.len();
            // A value of this rank is above all thresholds of lower ones.
            while let Some(lost) = lost.next_if(|lost| lost.rank < rank) {
                let place = &mut list[lost.word / WORDS];
                if usize::from(*place) < known {
                    let line = self.lines[usize::from(*place)];
                    *place = u16::try_from(self.lines.len()).ok().filter(|_| self.lines.len() < PLACES_MAX)?;
                    self.lines.push(line);
                }
                self.lines[usize::from(*place)][lost.word % WORDS] &= !lost.leaves;
            }
            self.lists.extend_from_slice(&list);
        }
        Some(())
    }

    pub fn bytes(&self) -> usize {
        let masks = size_of_val(&self.lists[..]) + size_of_val(&self.lines[..]) + size_of_val(&self.start[..]);
        self.ranks.bytes() + masks + size_of_val(&self.leaves[..])
    }

    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut PrefixScratch) {
        scratch.masks.resize(ROWS * self.start.len(), [0; WORDS]);
        scratch.lists.resize(self.ranks.columns.len(), 0);
        match self.instructions.level() {
            // AVX-512 would add little: what takes time are loads.
            // SAFETY: whoever has these instructions found them.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bytes | Level::Avx512 | Level::Avx2 => unsafe { avx2(self, rows, width, sums, scratch) },
            // SAFETY: asks for nothing.
            Level::Baseline => unsafe { all::<BASELINE>(self, rows, width, sums, scratch) },
        }
    }

    /// Each row's sum, of the leaves that its masks have left.
    #[inline(always)]
    fn add_up<const N: usize>(&self, masks: &[Line], sums: &mut [f32]) {
        let count = self.start.len();
        let masks: [&[Line]; N] = std::array::from_fn(|row| &masks[row * count..(row + 1) * count]);
        let (mut added, mut weights) = ([0.0; N], [0.0; N]);
        for (line, leaves) in self.leaves.chunks(WORDS).enumerate() {
            let masks: [&Line; N] = std::array::from_fn(|row| &masks[row][line]);
            for (word, leaves) in leaves.iter().enumerate() {
                let leaf = |mask: u32| leaves[mask.trailing_zeros() as usize % LEAVES];
                let mask = |row: usize| masks[row][word % WORDS];
                match &self.lasts {
                    None => added = std::array::from_fn(|row| added[row] + leaf(mask(row))),
                    Some(lasts) => {
                        weights = std::array::from_fn(|row| match mask(row) {
                            0 => weights[row],
                            mask => leaf(mask),
                        });
                        if lasts[line * WORDS + word] {
                            added = std::array::from_fn(|row| added[row] + weights[row]);
                        }
                    }
                }
            }
        }
        sums.copy_from_slice(&added);
    }
}

/// A split, as its column sees it.
struct Lost {
    /// Rows of a rank above lose the leaves.
    rank: usize,
    word: usize,
    leaves: u32,
}

/// # Safety
/// The caller is compiled for the instructions of `COUNTING`.
#[inline(always)]
unsafe fn all<const COUNTING: u8>(
    prefix: &Prefix,
    rows: &[f32],
    width: usize,
    sums: &mut [f32],
    scratch: &mut PrefixScratch,
) {
    let PrefixScratch { masks, lists } = scratch;
    let count = prefix.start.len();
    for (rows, sums) in rows.chunks(ROWS * width).zip(sums.chunks_mut(ROWS)) {
        for (row, masks) in rows.chunks_exact(width).zip(masks.chunks_exact_mut(count)) {
            for ((ranked, begin), list) in prefix.ranks.columns.iter().zip(&prefix.begins).zip(&mut *lists) {
                // SAFETY: as the caller promises.
                let rank = unsafe { prefix.ranks.rank::<COUNTING>(ranked, row[ranked.column.feature]) };
                *list = begin + (rank * count) as u32;
                prefetch(&prefix.lists[*list as usize..]);
            }
            // SAFETY: as the caller promises; the lists are this row's.
            unsafe { left::<COUNTING>(prefix, lists, masks) };
        }
        match sums.len() {
            1 => prefix.add_up::<1>(masks, sums),
            2 => prefix.add_up::<2>(masks, sums),
            3 => prefix.add_up::<3>(masks, sums),
            _ => prefix.add_up::<ROWS>(masks, sums),
        }
    }
}

/// Has the beginning of a list brought near: it will be read when all of a row's are known.
#[inline(always)]
fn prefetch(list: &[u16]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads nothing, and SSE is everywhere.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(list.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = list;
}

/// What all lists of a row leave.
///
/// # Safety
/// The caller is compiled for the instructions of `COUNTING`, and each list is one of `prefix`.
#[inline(always)]
unsafe fn left<const COUNTING: u8>(prefix: &Prefix, lists: &[u32], masks: &mut [Line]) {
    let lines = masks.as_chunks_mut::<LINES>().0.iter_mut().zip(prefix.start.as_chunks::<LINES>().0);
    for (four, (masks, start)) in lines.enumerate() {
        match COUNTING {
            // SAFETY: as the caller promises.
            #[cfg(target_arch = "x86_64")]
            AVX2 => unsafe { left_avx2(prefix, lists, four, start, masks) },
            _ => {
                *masks = *start;
                for list in lists {
                    for (mask, place) in masks.iter_mut().zip(&prefix.lists[*list as usize + four * LINES..]) {
                        let line = &prefix.lines[usize::from(*place)];
                        mask.iter_mut().zip(line).for_each(|(mask, line)| *mask &= line);
                    }
                }
            }
        }
    }
}

/// # Safety
/// Each list is one of `prefix`.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn left_avx2(prefix: &Prefix, lists: &[u32], four: usize, start: &[Line; LINES], masks: &mut [Line; LINES]) {
    use std::arch::x86_64::*;
    // SAFETY: eight words of sixteen; no alignment is asked for.
    let half = |line: *const u32, at: usize| unsafe { _mm256_loadu_si256(line.add(8 * at).cast()) };
    let mut left: [[__m256i; 2]; LINES] =
        std::array::from_fn(|line| std::array::from_fn(|at| half(start[line].as_ptr(), at)));
    for list in lists {
        // SAFETY: a list has as many places as `start` has lines, and each is the place of a line.
        unsafe {
            let places = prefix.lists.as_ptr().add(*list as usize + four * LINES);
            for (line, left) in left.iter_mut().enumerate() {
                let line = prefix.lines.as_ptr().add(usize::from(*places.add(line))).cast::<u32>();
                *left = [_mm256_and_si256(left[0], half(line, 0)), _mm256_and_si256(left[1], half(line, 1))];
            }
        }
    }
    for (mask, left) in masks.iter_mut().zip(left) {
        for (eight, left) in mask.as_chunks_mut::<8>().0.iter_mut().zip(left) {
            // SAFETY: room for eight words; no alignment is asked for.
            unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), left) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn avx2(prefix: &Prefix, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut PrefixScratch) {
    // SAFETY: compiled for these.
    unsafe { all::<AVX2>(prefix, rows, width, sums, scratch) }
}
