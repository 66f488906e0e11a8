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

/// The instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
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
                found.push(Kernel::Avx512);
            }
            if std::is_x86_feature_detected!("avx2") {
                found.push(Kernel::Avx2);
            }
        }
        found.push(Kernel::Baseline);
        found
    }

    pub fn best() -> Kernel {
        Kernel::available()[0]
    }

    /// How many splits it asks, for one row among many, in the time that ONNX Runtime takes to visit one. Measured with
    /// 64, 256 and 1,024 leaves, and put lower than that, because single rows profit less.
    pub fn splits_per_visit(self) -> f64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 | Kernel::Avx2 => 16.0,
            Kernel::Baseline => 8.0,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => "AVX2",
            Kernel::Baseline => "baseline",
        }
    }

    /// Each row's sum over all trees, in the trees' order. A kernel other than those of [`Kernel::available`] must not
    /// be asked.
    #[inline]
    pub fn sixteen(self, layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
        match self {
            // SAFETY: the processor has these instructions: `available` looked before it named this kernel.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { avx512(layout, columns) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2(layout, columns) },
            Kernel::Baseline => walk(layout, columns),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512cd")]
fn avx512(layout: &Layout, columns: &[Lanes]) -> [f32; LANES] {
    walk(layout, columns)
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
