//! Sixty-four rows in two registers.
#![allow(unsafe_code, reason = "loads and stores of registers; each block says why it holds")]

use std::arch::x86_64::*;

use crate::model::trees::kernel::bytes::layout::{Layout, PLANES, Question, RowRanks, Table};
use crate::model::trees::kernel::ranks::{AVX2, ROWS};

/// Rows of one register.
const HALF: usize = ROWS / 2;
/// Turns the order of bytes into that of signed ones.
const SIGN: u8 = 0x80;

/// The lowest rank that goes right, as [`ask`] compares with it.
pub(super) fn asked(rank: u8) -> u8 {
    (rank + 1) ^ SIGN
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn step(layout: &Layout, rows: &[f32], width: usize, ranks: &mut [RowRanks], sums: &mut [f32; ROWS]) {
    // SAFETY: compiled for these.
    unsafe { layout.take::<AVX2>(rows, width, ranks) };
    for ranks in ranks.iter_mut() {
        for rank in &mut ranks.0 {
            *rank ^= SIGN;
        }
    }
    let zero = _mm256_setzero_si256();
    let (mut added, mut weights, mut begin) = ([[_mm256_setzero_ps(); 4]; 2], [[zero; PLANES]; 2], 0);
    for (block, table) in layout.blocks.iter().zip(&layout.tables) {
        let mut planes = [[zero; PLANES]; 2];
        for (plane, (end, mask)) in block.ends.into_iter().zip(block.mask).enumerate() {
            let (from, to) = (begin, end as usize);
            begin = to;
            [planes[0][plane], planes[1][plane]] = ask(&layout.questions[from..to], mask, ranks);
        }
        for ((planes, weights), added) in planes.into_iter().zip(&mut weights).zip(&mut added) {
            look_up(table, planes, weights);
            if block.last {
                add(*weights, added);
            }
        }
    }
    for (half, added) in added.into_iter().enumerate() {
        for (fours, added) in added.into_iter().enumerate() {
            let mut lanes = [0.0f32; 8];
            // SAFETY: room for eight; no alignment is asked for.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), added) };
            // Unpacking goes by runs of sixteen bytes, which are sixteen rows: of each, this has four.
            for (run, four) in lanes.as_chunks::<4>().0.iter().enumerate() {
                sums[HALF * half + 16 * run + 4 * fours..][..4].copy_from_slice(four);
            }
        }
    }
}

/// What questions leave of one plane, of which `mask` is there.
#[inline]
#[target_feature(enable = "avx2")]
fn ask(questions: &[Question], mask: u8, ranks: &[RowRanks]) -> [__m256i; 2] {
    let mut plane = [_mm256_set1_epi8(mask.cast_signed()); 2];
    for question in questions {
        let asked = _mm256_set1_epi32(question.rank.cast_signed());
        let kept = _mm256_set1_epi32(question.kept.cast_signed());
        let column = ranks[question.column as usize].0.as_ptr();
        for (half, plane) in plane.iter_mut().enumerate() {
            // SAFETY: twice thirty-two bytes, at an address that is a multiple of 64.
            let rank = unsafe { _mm256_load_si256(column.add(HALF * half).cast()) };
            // At most as high as asked: there is a comparison of signed bytes alone.
            let is_left = _mm256_cmpgt_epi8(asked, rank);
            *plane = _mm256_and_si256(*plane, _mm256_or_si256(is_left, kept));
        }
    }
    plane
}

/// The weights of the leftmost leaves that are left, byte by byte; those of rows that have none stay as they are.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up(table: &Table, planes: [__m256i; PLANES], weights: &mut [__m256i; PLANES]) {
    // The zeros below the lowest bit of four bits, and of four above; 8: there is none.
    let low = _mm256_broadcastsi128_si256(_mm_setr_epi8(8, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0));
    let high = _mm256_broadcastsi128_si256(_mm_setr_epi8(8, 4, 5, 4, 6, 4, 5, 4, 7, 4, 5, 4, 6, 4, 5, 4));
    let (nibble, zero) = (_mm256_set1_epi8(15), _mm256_setzero_si256());
    let (mut first, mut place) = (planes[3], _mm256_set1_epi8(24));
    for (at, plane) in planes.into_iter().enumerate().rev().skip(1) {
        let is_empty = _mm256_cmpeq_epi8(plane, zero);
        first = _mm256_blendv_epi8(plane, first, is_empty);
        place = _mm256_blendv_epi8(_mm256_set1_epi8(8 * at as i8), place, is_empty);
    }
    let low = _mm256_shuffle_epi8(low, _mm256_and_si256(first, nibble));
    let high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16::<4>(first), nibble));
    let place = _mm256_add_epi8(place, _mm256_min_epu8(low, high));
    let is_upper = _mm256_slli_epi16::<3>(place);
    let is_empty = _mm256_cmpeq_epi8(first, zero);
    for (weight, table) in weights.iter_mut().zip(&table.0) {
        // SAFETY: twice sixteen bytes of thirty-two.
        let half = |at: usize| unsafe { _mm_load_si128(table.as_ptr().add(16 * at).cast()) };
        // A shuffle looks at the four lowest bits of a place, a blend at the highest of a byte.
        let lower = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half(0)), place);
        let upper = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half(1)), place);
        let leaf = _mm256_blendv_epi8(lower, upper, is_upper);
        *weight = _mm256_blendv_epi8(leaf, *weight, is_empty);
    }
}

/// Puts the weights' bytes together and adds them up.
#[inline]
#[target_feature(enable = "avx2")]
fn add(weights: [__m256i; PLANES], added: &mut [__m256; 4]) {
    let [first, second, third, fourth] = weights;
    let low = (_mm256_unpacklo_epi8(first, second), _mm256_unpacklo_epi8(third, fourth));
    let high = (_mm256_unpackhi_epi8(first, second), _mm256_unpackhi_epi8(third, fourth));
    let whole = [
        _mm256_unpacklo_epi16(low.0, low.1),
        _mm256_unpackhi_epi16(low.0, low.1),
        _mm256_unpacklo_epi16(high.0, high.1),
        _mm256_unpackhi_epi16(high.0, high.1),
    ];
    for (added, whole) in added.iter_mut().zip(whole) {
        *added = _mm256_add_ps(*added, _mm256_castsi256_ps(whole));
    }
}
