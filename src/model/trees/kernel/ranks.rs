//! A value's rank: how many thresholds of its column it is above. Kernels that know it need not compare with each of them.
#![allow(unsafe_code, reason = "calls of functions compiled for instructions that were found to be there")]

use crate::model::trees::kernel::blocks::Blocks;
use crate::model::trees::kernel::column::Column;

/// Thresholds of one group.
const GROUP: usize = 16;

/// Thresholds of one column at most, so that a rank is a byte. A column with more stands there several times, each time with
/// some of them.
pub const RANKS_MAX: usize = 255;

/// A column, and where its thresholds stand.
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    pub column: Column,
    /// The last thresholds of all whole groups, where there is one; else all thresholds there are.
    top: u32,
    /// The first of the groups, where there are several.
    groups: Option<u32>,
    /// How many thresholds there are: the highest rank.
    pub highest: usize,
}

/// At most sixteen thresholds in order; what is not there is infinity, which no value is above. The last one of a column's
/// top group is never there.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Group([f32; GROUP]);

/// Where a split's threshold is found.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub column: usize,
    /// A row goes right when its rank is above.
    pub rank: u8,
}

#[derive(Clone, Debug)]
pub struct Ranks {
    pub columns: Vec<Ranked>,
    groups: Vec<Group>,
}

impl Ranks {
    /// The ranks, and each split's place, in the splits' order.
    pub fn of(blocks: &Blocks) -> (Ranks, Vec<Place>) {
        let mut ranks = Ranks { columns: Vec::new(), groups: Vec::new() };
        let mut thresholds: Vec<Vec<f32>> = blocks.columns.list().iter().map(|_| Vec::new()).collect();
        for split in &blocks.splits {
            thresholds[split.column as usize].push(split.threshold);
        }
        let mut firsts = Vec::new();
        for (column, thresholds) in blocks.columns.list().iter().zip(&mut thresholds) {
            thresholds.sort_by(f32::total_cmp);
            // Both zeros are one threshold.
            thresholds.dedup_by(|one, other| one == other);
            firsts.push(ranks.columns.len());
            thresholds.chunks(RANKS_MAX).for_each(|some| ranks.add(*column, some));
        }
        let place = |column: usize, threshold: f32| {
            let at = thresholds[column].partition_point(|other| *other < threshold);
            Place { column: firsts[column] + at / RANKS_MAX, rank: (at % RANKS_MAX) as u8 }
        };
        let places = blocks.splits.iter().map(|split| place(split.column as usize, split.threshold)).collect();
        (ranks, places)
    }

    fn add(&mut self, column: Column, thresholds: &[f32]) {
        let mut add = |thresholds: &mut dyn Iterator<Item = &f32>| {
            let mut group = Group([f32::INFINITY; GROUP]);
            group.0.iter_mut().zip(thresholds).for_each(|(value, threshold)| *value = *threshold);
            self.groups.push(group);
            self.groups.len() as u32 - 1
        };
        let ranked = match thresholds.len() {
            0..GROUP => Ranked { column, top: add(&mut thresholds.iter()), groups: None, highest: thresholds.len() },
            many => {
                let top = add(&mut thresholds.iter().skip(GROUP - 1).step_by(GROUP));
                for some in thresholds.chunks(GROUP) {
                    add(&mut some.iter());
                }
                // A value above all of them is looked for behind the last whole one.
                if many % GROUP == 0 {
                    add(&mut [].iter());
                }
                Ranked { column, top, groups: Some(top + 1), highest: many }
            }
        };
        self.columns.push(ranked);
    }

    pub fn bytes(&self) -> usize {
        self.groups.len() * size_of::<Group>() + self.columns.len() * size_of::<Ranked>()
    }

    /// # Safety
    /// The caller is compiled for the instructions of `COUNTING`.
    #[inline(always)]
    pub unsafe fn rank<const COUNTING: u8>(&self, ranked: &Ranked, given: f32) -> usize {
        let value = ranked.column.value(given);
        // SAFETY: as the caller promises.
        let above = |group: u32| unsafe { above::<COUNTING>(&self.groups[group as usize], value) };
        let top = above(ranked.top);
        match ranked.groups {
            None => top as usize,
            Some(first) => GROUP * top as usize + above(first + top) as usize,
        }
    }

    /// Of [`ROWS`] values at once.
    ///
    /// # Safety
    /// The caller is compiled for the instructions of `COUNTING`.
    #[inline(always)]
    pub unsafe fn rank_rows<const COUNTING: u8>(&self, ranked: &Ranked, values: &[f32; ROWS], ranks: &mut [u8; ROWS]) {
        let mut tops = [0u8; ROWS];
        let top = &self.groups[ranked.top as usize];
        match COUNTING {
            // SAFETY: as the caller promises.
            #[cfg(target_arch = "x86_64")]
            AVX512 => unsafe { tops_avx512(top, values, &mut tops) },
            // SAFETY: as the caller promises.
            #[cfg(target_arch = "x86_64")]
            AVX2 => unsafe { tops_avx2(top, values, &mut tops) },
            // SAFETY: asks for nothing.
            _ => tops
                .iter_mut()
                .zip(values)
                .for_each(|(rank, value)| *rank = unsafe { above::<BASELINE>(top, *value) } as u8),
        }
        let Some(first) = ranked.groups else {
            *ranks = tops;
            return;
        };
        let groups = &self.groups[first as usize..][..ranked.highest / GROUP + 1];
        for ((rank, top), value) in ranks.iter_mut().zip(tops).zip(values) {
            // A top is at most the number of whole groups.
            let group = &groups[usize::from(top).min(groups.len() - 1)];
            // SAFETY: as the caller promises.
            *rank = GROUP as u8 * top + unsafe { above::<COUNTING>(group, *value) } as u8;
        }
    }
}

/// Values whose ranks are counted at once.
pub const ROWS: usize = 64;

pub const AVX512: u8 = 2;
pub const AVX2: u8 = 1;
pub const BASELINE: u8 = 0;

/// How many thresholds of a group a value is above.
///
/// # Safety
/// The caller is compiled for the instructions of `COUNTING`.
#[inline(always)]
unsafe fn above<const COUNTING: u8>(group: &Group, value: f32) -> u32 {
    match COUNTING {
        // SAFETY: as the caller promises.
        #[cfg(target_arch = "x86_64")]
        AVX512 => unsafe { above_avx512(group, value) },
        // SAFETY: as the caller promises.
        #[cfg(target_arch = "x86_64")]
        AVX2 => unsafe { above_avx2(group, value) },
        _ => group.0.iter().map(|threshold| u32::from(value > *threshold)).sum(),
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn above_avx512(group: &Group, value: f32) -> u32 {
    use std::arch::x86_64::*;
    // SAFETY: sixteen values, at an address that is a multiple of 64.
    let thresholds = unsafe { _mm512_load_ps(group.0.as_ptr()) };
    _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_set1_ps(value), thresholds).count_ones()
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn above_avx2(group: &Group, value: f32) -> u32 {
    use std::arch::x86_64::*;
    let value = _mm256_set1_ps(value);
    let above = |eight: usize| {
        // SAFETY: twice eight values, at an address that is a multiple of 64.
        let thresholds = unsafe { _mm256_load_ps(group.0.as_ptr().add(8 * eight)) };
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(value, thresholds)) as u32
    };
    (above(0) | above(1) << 8).count_ones()
}

/// How many of a top group's thresholds each value is above, by halving: the group stays in one register.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn tops_avx512(group: &Group, values: &[f32; ROWS], tops: &mut [u8; ROWS]) {
    use std::arch::x86_64::*;
    // SAFETY: sixteen values, at an address that is a multiple of 64.
    let thresholds = unsafe { _mm512_load_ps(group.0.as_ptr()) };
    for (values, tops) in values.as_chunks::<GROUP>().0.iter().zip(tops.as_chunks_mut::<GROUP>().0) {
        // SAFETY: sixteen values; no alignment is asked for.
        let values = unsafe { _mm512_loadu_ps(values.as_ptr()) };
        let mut top = _mm512_setzero_si512();
        for half in [8, 4, 2, 1] {
            let looked_at = _mm512_permutexvar_ps(_mm512_add_epi32(top, _mm512_set1_epi32(half - 1)), thresholds);
            let is_above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, looked_at);
            top = _mm512_mask_add_epi32(top, is_above, top, _mm512_set1_epi32(half));
        }
        // SAFETY: room for sixteen bytes; no alignment is asked for.
        unsafe { _mm_storeu_si128(tops.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(top)) };
    }
}

/// As [`tops_avx512`], in two registers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn tops_avx2(group: &Group, values: &[f32; ROWS], tops: &mut [u8; ROWS]) {
    use std::arch::x86_64::*;
    // SAFETY: twice eight values, at an address that is a multiple of 64.
    let [lower, upper] = [0, 8].map(|at| unsafe { _mm256_load_ps(group.0.as_ptr().add(at)) });
    let middle = _mm256_set1_ps(group.0[7]);
    for (values, tops) in values.as_chunks::<8>().0.iter().zip(tops.as_chunks_mut::<8>().0) {
        // SAFETY: eight values; no alignment is asked for.
        let values = unsafe { _mm256_loadu_ps(values.as_ptr()) };
        let is_upper = _mm256_cmp_ps::<_CMP_GT_OQ>(values, middle);
        let mut top = _mm256_and_si256(_mm256_castps_si256(is_upper), _mm256_set1_epi32(8));
        for half in [4, 2, 1] {
            // A permutation looks at the three lowest bits of a place.
            let place = _mm256_add_epi32(top, _mm256_set1_epi32(half - 1));
            let (low, high) = (_mm256_permutevar8x32_ps(lower, place), _mm256_permutevar8x32_ps(upper, place));
            let looked_at = _mm256_blendv_ps(low, high, is_upper);
            let is_above = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(values, looked_at));
            top = _mm256_add_epi32(top, _mm256_and_si256(is_above, _mm256_set1_epi32(half)));
        }
        let packed = _mm_packus_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256::<1>(top));
        let packed = _mm_packus_epi16(packed, packed);
        *tops = _mm_cvtsi128_si64(packed).to_le_bytes();
    }
}
