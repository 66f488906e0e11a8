//! Sixteen rows ask every split of a tree at once (QuickScorer: Lucchese et al., SIGIR 2015; Ye et al., KDD 2018): no
//! branch, and one row or sixteen cost the same.
#![allow(unsafe_code, reason = "calls of functions compiled for instructions that were found to be there")]

use crate::model::trees::kernel::blocks::{Blocks, LEAVES};
use crate::model::trees::kernel::instructions::{Instructions, Level};

/// Rows of one step.
pub const LANES: usize = 16;

/// Beyond, walking down is cheaper whatever the trees are; a split that spans several blocks counts in each.
pub const SPLITS_MAX: usize = 1 << 20;

/// Sixteen rows' values of one column.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Lanes(pub [f32; LANES]);

#[derive(Clone, Debug)]
pub struct Together {
    blocks: Blocks,
    /// By block: its leaves, in the order that these instructions look them up in.
    tables: Vec<[f32; LEAVES]>,
    instructions: Instructions,
}

impl Together {
    /// `None` where there are more splits than [`SPLITS_MAX`].
    pub fn new(blocks: &Blocks, instructions: Instructions) -> Option<Together> {
        if blocks.splits.len() > SPLITS_MAX {
            return None;
        }
        let mut tables = blocks.leaves.clone();
        for table in &mut tables {
            match instructions.level() {
                // Looked up by the zeros above a leaf's bit.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512Bytes | Level::Avx512 => table.reverse(),
                // By the exponent of a leaf's bit as a number, which is 127 for the first leaf: 31 in five bits.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => table.rotate_left(1),
                Level::Baseline => {}
            }
        }
        Some(Together { blocks: blocks.clone(), tables, instructions })
    }

    pub fn bytes(&self) -> usize {
        let Blocks { splits, blocks, leaves, .. } = &self.blocks;
        size_of_val(&splits[..]) + size_of_val(&blocks[..]) + size_of_val(&leaves[..]) + size_of_val(&self.tables[..])
    }

    pub fn sums(&self, rows: &[f32], width: usize, sums: &mut [f32], scratch: &mut Vec<Lanes>) {
        let columns = self.blocks.columns.list();
        scratch.resize(columns.len(), Lanes([0.0; LANES]));
        for (rows, sums) in rows.chunks(LANES * width).zip(sums.chunks_mut(LANES)) {
            for (lanes, column) in scratch.iter_mut().zip(columns) {
                column.gather(rows, width, &mut lanes.0);
            }
            let group = self.sixteen(scratch);
            sums.copy_from_slice(&group[..sums.len()]);
        }
    }

    #[inline]
    fn sixteen(&self, columns: &[Lanes]) -> [f32; LANES] {
        match self.instructions.level() {
            // SAFETY: whoever has these instructions found them.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bytes | Level::Avx512 => unsafe { avx512(&self.blocks, &self.tables, columns) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(&self.blocks, &self.tables, columns) },
            Level::Baseline => baseline(&self.blocks, columns),
        }
    }
}

/// Every inner loop runs over lanes and has no branch: the compiler makes vector instructions of each. What it makes of
/// this for AVX2 and AVX-512 is its luck, up to 1.45 times more: those are written by hand.
fn baseline(blocks: &Blocks, columns: &[Lanes]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    let mut weights = [0.0; LANES];
    let mut begin = 0;
    for (block, leaves) in blocks.blocks.iter().zip(&blocks.leaves) {
        let end = block.splits_end as usize;
        let mut masks = [block.mask; LANES];
        for split in &blocks.splits[begin..end] {
            let column = &columns[split.column as usize].0;
            // All ones unless the row goes right; spelled as arithmetic, which every instruction set has.
            let kept = |lane: usize| split.kept | u32::from(column[lane] > split.threshold).wrapping_sub(1);
            masks = std::array::from_fn(|lane| masks[lane] & kept(lane));
        }
        begin = end;
        weights = std::array::from_fn(|lane| {
            let leaf = leaves[masks[lane].trailing_zeros() as usize % LEAVES];
            if masks[lane] == 0 { weights[lane] } else { leaf }
        });
        if block.last {
            sums = std::array::from_fn(|lane| sums[lane] + weights[lane]);
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512cd")]
fn avx512(blocks: &Blocks, tables: &[[f32; LEAVES]], columns: &[Lanes]) -> [f32; LANES] {
    use std::arch::x86_64::*;
    let mut sums = _mm512_setzero_ps();
    let mut weights = _mm512_setzero_ps();
    let mut begin = 0;
    for (block, leaves) in blocks.blocks.iter().zip(tables) {
        let end = block.splits_end as usize;
        let mut masks = _mm512_set1_epi32(block.mask.cast_signed());
        for split in &blocks.splits[begin..end] {
            // SAFETY: sixteen values, at an address that is a multiple of 64.
            let column = unsafe { _mm512_load_ps(columns[split.column as usize].0.as_ptr()) };
            let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(column, _mm512_set1_ps(split.threshold));
            masks = _mm512_mask_and_epi32(masks, right, masks, _mm512_set1_epi32(split.kept.cast_signed()));
        }
        begin = end;
        let (low, high) = leaves.split_at(LANES);
        // SAFETY: both halves of the 32 leaves hold sixteen; no alignment is asked for.
        let (low, high) = unsafe { (_mm512_loadu_ps(low.as_ptr()), _mm512_loadu_ps(high.as_ptr())) };
        let lowest = _mm512_and_epi32(masks, _mm512_sub_epi32(_mm512_setzero_si512(), masks));
        // Of a place, the table looks at the five lowest bits.
        let leaf = _mm512_permutex2var_ps(low, _mm512_lzcnt_epi32(lowest), high);
        weights = _mm512_mask_mov_ps(weights, _mm512_test_epi32_mask(masks, masks), leaf);
        if block.last {
            sums = _mm512_add_ps(sums, weights);
        }
    }
    let mut lanes = Lanes([0.0; LANES]);
    // SAFETY: room for sixteen, at an address that is a multiple of 64.
    unsafe { _mm512_store_ps(lanes.0.as_mut_ptr(), sums) };
    lanes.0
}

/// Two registers of eight rows each.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(blocks: &Blocks, tables: &[[f32; LEAVES]], columns: &[Lanes]) -> [f32; LANES] {
    use std::arch::x86_64::*;
    let mut sums = [_mm256_setzero_ps(); 2];
    let mut weights = [_mm256_setzero_ps(); 2];
    let mut begin = 0;
    for (block, leaves) in blocks.blocks.iter().zip(tables) {
        let end = block.splits_end as usize;
        let mut masks = [_mm256_set1_epi32(block.mask.cast_signed()); 2];
        for split in &blocks.splits[begin..end] {
            let threshold = _mm256_set1_ps(split.threshold);
            let kept = _mm256_set1_epi32(split.kept.cast_signed());
            let column = columns[split.column as usize].0.as_ptr();
            for (half, masks) in masks.iter_mut().enumerate() {
                // SAFETY: twice eight values, at an address that is a multiple of 64.
                let column = unsafe { _mm256_load_ps(column.add(8 * half)) };
                let is_left = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LE_OQ>(column, threshold));
                *masks = _mm256_and_si256(*masks, _mm256_or_si256(is_left, kept));
            }
        }
        begin = end;
        // SAFETY: four times eight of 32 leaves; no alignment is asked for.
        let table: [__m256; 4] =
            std::array::from_fn(|eight| unsafe { _mm256_loadu_ps(leaves.as_ptr().add(8 * eight)) });
        for (masks, weights) in masks.iter().zip(&mut weights) {
            let lowest = _mm256_and_si256(*masks, _mm256_sub_epi32(_mm256_setzero_si256(), *masks));
            // A power of two is exact as a number; its exponent stands in bits 23 to 30. The bit of leaf 31 makes a
            // negative number with the right exponent.
            let exponent = _mm256_castps_si256(_mm256_cvtepi32_ps(lowest));
            let place = _mm256_srli_epi32::<23>(exponent);
            let is_second = _mm256_castsi256_ps(_mm256_slli_epi32::<5>(exponent));
            let is_upper = _mm256_castsi256_ps(_mm256_slli_epi32::<4>(exponent));
            // A permutation looks at the three lowest bits of a place, a blend at the highest of its own.
            let [first, second, third, fourth] = table.map(|eight| _mm256_permutevar8x32_ps(eight, place));
            let low = _mm256_blendv_ps(first, second, is_second);
            let high = _mm256_blendv_ps(third, fourth, is_second);
            let leaf = _mm256_blendv_ps(low, high, is_upper);
            let is_empty = _mm256_castsi256_ps(_mm256_cmpeq_epi32(*masks, _mm256_setzero_si256()));
            *weights = _mm256_blendv_ps(leaf, *weights, is_empty);
        }
        if block.last {
            for (sums, weights) in sums.iter_mut().zip(&weights) {
                *sums = _mm256_add_ps(*sums, *weights);
            }
        }
    }
    let mut lanes = Lanes([0.0; LANES]);
    for (half, sums) in sums.into_iter().enumerate() {
        // SAFETY: room for twice eight, at an address that is a multiple of 64.
        unsafe { _mm256_store_ps(lanes.0.as_mut_ptr().add(8 * half), sums) };
    }
    lanes.0
}
