//! Sixteen rows through all trees, in whatever vector instructions the processor has.
#![allow(unsafe_code, reason = "calls of functions compiled for instructions that were found to be there")]

/// Rows of one step; one row costs as much.
pub const LANES: usize = 16;

/// Leaves of one block, a bit each.
pub const LEAVES: usize = 32;

/// Sixteen rows' values of one column.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Lanes(pub [f32; LANES]);

#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// Rows above go right.
    pub threshold: f32,
    /// The leaves that a row keeps when it goes right.
    pub keep: u32,
    /// Which of the columns is asked.
    pub column: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where its splits end in the list of all; they begin where the ones before end.
    pub splits_end: u32,
    /// Leaves that are there, the leftmost in the highest bit.
    pub mask: u32,
    /// No more blocks of this tree. A tree's blocks stand from right to left: a leaf further left wins.
    pub last: bool,
}

/// Trees one after the other, each a run of blocks.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub splits: Vec<Split>,
    pub blocks: Vec<Block>,
    /// By block; what is not there is 0.
    pub leaves: Vec<[f32; LEAVES]>,
}

/// Instructions that this processor was found to have: there is no other way to one than [`Kernel::available`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Instructions);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of this architecture has.
    Baseline,
}

impl Kernel {
    /// Those that this processor runs, the best first.
    pub fn available() -> Vec<Kernel> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let is_avx512 = std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512vl")
                && std::is_x86_feature_detected!("avx512dq")
                && std::is_x86_feature_detected!("avx512cd");
            if is_avx512 {
                found.push(Kernel(Instructions::Avx512));
            }
            if std::is_x86_feature_detected!("avx2") {
                found.push(Kernel(Instructions::Avx2));
            }
        }
        found.push(Kernel(Instructions::Baseline));
        found
    }

    pub fn best() -> Kernel {
        Kernel::available()[0]
    }

    /// How many splits it asks, for one row among many, in the time that ONNX Runtime takes to visit one. Measured with
    /// 64, 256 and 1,024 leaves, and put lower than that, because single rows profit less.
    pub fn splits_per_visit(self) -> f64 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 | Instructions::Avx2 => 16.0,
            Instructions::Baseline => 8.0,
        }
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "AVX2",
            Instructions::Baseline => "baseline",
        }
    }

    /// Each row's sum over all trees, in the trees' order.
    #[inline]
    pub fn sixteen(self, layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
        match self.0 {
            // SAFETY: the processor has these instructions: `available` looked before it made this value.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512(layout, columns) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { avx2(layout, columns) },
            Instructions::Baseline => walk(layout, columns),
        }
    }
}

/// [`walk`], instruction by instruction: what a compiler makes of that is now four instructions a split and now six, and
/// never finds that the leaves of a block are a table of two registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512cd")]
fn avx512(layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
    use std::arch::x86_64::*;
    let mut sums = _mm512_setzero_ps();
    let mut weights = _mm512_setzero_ps();
    let mut begin = 0;
    for (block, leaves) in layout.blocks.iter().zip(&layout.leaves) {
        let end = block.splits_end as usize;
        let mut masks = _mm512_set1_epi32(block.mask.cast_signed());
        for split in &layout.splits[begin..end] {
            // SAFETY: sixteen values, at an address that is a multiple of 64.
            let column = unsafe { _mm512_load_ps(columns[split.column as usize].0.as_ptr()) };
            let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(column, _mm512_set1_ps(split.threshold));
            masks = _mm512_mask_and_epi32(masks, right, masks, _mm512_set1_epi32(split.keep.cast_signed()));
        }
        begin = end;
        let (low, high) = leaves.split_at(LANES);
        // SAFETY: both halves of the 32 leaves hold sixteen; no alignment is asked for.
        let (low, high) = unsafe { (_mm512_loadu_ps(low.as_ptr()), _mm512_loadu_ps(high.as_ptr())) };
        // Of a place, the table looks at the five lowest bits.
        let leaf = _mm512_permutex2var_ps(low, _mm512_lzcnt_epi32(masks), high);
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
    walk(layout, columns)
}

/// Every inner loop runs over lanes and has no branch: the compiler makes vector instructions of each, for whatever
/// its caller allows.
#[inline(always)]
fn walk(layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    let mut weights = [0.0; LANES];
    let mut begin = 0;
    for (block, leaves) in layout.blocks.iter().zip(&layout.leaves) {
        let end = block.splits_end as usize;
        let mut masks = [block.mask; LANES];
        for split in &layout.splits[begin..end] {
            let column = &columns[split.column as usize].0;
            // All ones unless the row goes right; spelled as arithmetic, which every instruction set has.
            let kept = |lane: usize| split.keep | u32::from(column[lane] > split.threshold).wrapping_sub(1);
            masks = std::array::from_fn(|lane| masks[lane] & kept(lane));
        }
        begin = end;
        weights = std::array::from_fn(|lane| {
            let leaf = leaves[masks[lane].leading_zeros() as usize % LEAVES];
            if masks[lane] == 0 { weights[lane] } else { leaf }
        });
        if block.last {
            sums = std::array::from_fn(|lane| sums[lane] + weights[lane]);
        }
    }
    sums
}
