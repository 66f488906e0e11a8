//! Vector instructions that this processor was found to have.

/// There is no other way to one than [`Instructions::available`]: whoever has one may run code that was compiled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// With tables of bytes and counts of bits in bytes: Intel since Ice Lake, AMD since Zen 4.
    #[cfg(target_arch = "x86_64")]
    Avx512Bytes,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of this architecture has.
    Baseline,
}

impl Instructions {
    /// Those that this processor runs, the best first.
    pub fn available() -> Vec<Instructions> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::is_x86_feature_detected as has;
            let is_avx2 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt");
            let is_avx512 = is_avx2 && has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512cd");
            let has_bytes = is_avx512 && has!("avx512bw") && has!("avx512vbmi") && has!("avx512bitalg");
            let levels = [(has_bytes, Level::Avx512Bytes), (is_avx512, Level::Avx512), (is_avx2, Level::Avx2)];
            found.extend(levels.into_iter().filter(|(has, _)| *has).map(|(_, level)| Instructions(level)));
        }
        found.push(Instructions(Level::Baseline));
        found
    }

    pub fn best() -> Instructions {
        Instructions::available()[0]
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bytes | Level::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "AVX2",
            Level::Baseline => "baseline",
        }
    }

    pub(super) fn level(self) -> Level {
        self.0
    }
}
