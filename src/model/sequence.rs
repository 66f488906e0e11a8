//! Numbers that look random and are the same each time, for rows to try a model with.

/// xorshift64*: any sequence without a short period would do.
pub struct Sequence(u64);

impl Sequence {
    /// `seed` is not 0.
    pub fn new(seed: u64) -> Sequence {
        Sequence(seed)
    }

    /// The next 32 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence::new(0x9e37_79b9_7f4a_7c15)
    }
}
