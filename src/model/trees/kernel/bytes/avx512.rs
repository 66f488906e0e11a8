//! Sixty-four rows in one register.
#![allow(unsafe_code, reason = "loads and stores of registers; each block says why it holds")]

use std::arch::x86_64::*;

use crate::model::trees::kernel::bytes::layout::{Block, Layout, PLANES, Question, RowRanks, Table};
use crate::model::trees::kernel::ranks::{AVX512, ROWS};

#[target_feature(
    enable = "avx512f,avx512vl,avx512dq,avx512cd,avx512bw,avx512vbmi,avx512bitalg,avx2,bmi1,bmi2,lzcnt,popcnt"
)]
pub(super) fn step(layout: &Layout, rows: &[f32], width: usize, ranks: &mut [RowRanks], sums: &mut [f32; ROWS]) {
    // SAFETY: compiled for these.
    unsafe { layout.take::<AVX512>(rows, width, ranks) };
    let zero = _mm512_setzero_si512();
    let (mut added, mut weights, mut begin) = ([_mm512_setzero_ps(); 4], [zero; PLANES], 0);
    for (block, table) in layout.blocks.iter().zip(&layout.tables) {
        let mut planes = [zero; PLANES];
        for (plane, end) in planes.iter_mut().zip(block.ends) {
            let (from, to) = (begin, end as usize);
            begin = to;
            *plane = ask(&layout.questions[from..to], ranks);
        }
        look_up(block, table, planes, &mut weights);
        if block.last {
            add(weights, &mut added);
        }
    }
    for (fours, added) in added.into_iter().enumerate() {
        let mut lanes = [0.0f32; 16];
        // SAFETY: room for sixteen; no alignment is asked for.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), added) };
        // Unpacking goes by runs of sixteen bytes, which are sixteen rows: of each, this has four.
        for (run, four) in lanes.as_chunks::<4>().0.iter().enumerate() {
            sums[16 * run + 4 * fours..][..4].copy_from_slice(four);
        }
    }
}

/// What questions leave of one plane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn ask(questions: &[Question], ranks: &[RowRanks]) -> __m512i {
    let mut plane = _mm512_set1_epi8(-1);
    for question in questions {
        // SAFETY: sixty-four bytes, at an address that is a multiple of 64.
        let rank = unsafe { _mm512_load_si512(ranks[question.column as usize].0.as_ptr().cast()) };
        let asked = _mm512_set1_epi32(question.rank.cast_signed());
        let kept = _mm512_set1_epi32(question.kept.cast_signed());
        let is_left = _mm512_movm_epi8(_mm512_cmple_epu8_mask(rank, asked));
        // plane & (kept | is_left)
        plane = _mm512_ternarylogic_epi32::<0b1110_0000>(plane, kept, is_left);
    }
    plane
}

/// The weights of the leftmost leaves that are left, byte by byte; those of rows that have none stay as they are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512bitalg")]
fn look_up(block: &Block, table: &Table, planes: [__m512i; PLANES], weights: &mut [__m512i; PLANES]) {
    let (mut first, mut place) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (at, (plane, mask)) in planes.into_iter().zip(block.mask).enumerate().rev() {
        let plane = _mm512_and_si512(plane, _mm512_set1_epi8(mask.cast_signed()));
        let is_left = _mm512_test_epi8_mask(plane, plane);
        first = _mm512_mask_mov_epi8(first, is_left, plane);
        place = _mm512_mask_mov_epi8(place, is_left, _mm512_set1_epi8(8 * at as i8));
    }
    // The zeros below the lowest bit.
    let below = _mm512_andnot_si512(first, _mm512_add_epi8(first, _mm512_set1_epi8(-1)));
    let place = _mm512_add_epi8(place, _mm512_popcnt_epi8(below));
    let is_left = _mm512_test_epi8_mask(first, first);
    for (weight, table) in weights.iter_mut().zip(&table.0) {
        // SAFETY: thirty-two bytes, at an address that is a multiple of 32; no place is above 31.
        let table = _mm512_castsi256_si512(unsafe { _mm256_load_si256(table.as_ptr().cast()) });
        *weight = _mm512_mask_permutexvar_epi8(*weight, is_left, place, table);
    }
}

/// Puts the weights' bytes together and adds them up.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(weights: [__m512i; PLANES], added: &mut [__m512; 4]) {
    let [first, second, third, fourth] = weights;
    let low = (_mm512_unpacklo_epi8(first, second), _mm512_unpacklo_epi8(third, fourth));
    let high = (_mm512_unpackhi_epi8(first, second), _mm512_unpackhi_epi8(third, fourth));
    let whole = [
        _mm512_unpacklo_epi16(low.0, low.1),
        _mm512_unpackhi_epi16(low.0, low.1),
        _mm512_unpacklo_epi16(high.0, high.1),
        _mm512_unpackhi_epi16(high.0, high.1),
    ];
    for (added, whole) in added.iter_mut().zip(whole) {
        *added = _mm512_add_ps(*added, _mm512_castsi512_ps(whole));
    }
}
