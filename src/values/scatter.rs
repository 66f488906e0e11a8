//! A hasher for tables that are looked into for each record, and whose keys nobody outside chooses: a tenth of what the standard
//! one takes. Where keys come from payloads the standard one stays, since keys that collide on purpose would make its table slow.

use std::hash::{BuildHasherDefault, Hasher};

/// For a `HashMap`.
pub type Scattered = BuildHasherDefault<Scatter>;

/// One multiplication for each number of a key, which scatters numbers of any stride.
#[derive(Debug, Default)]
pub struct Scatter(u64);

impl Hasher for Scatter {
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        chunks.iter().for_each(|&chunk| self.write_u64(u64::from_le_bytes(chunk)));
        rest.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits. A table looks at the lowest bits of a hash and at the highest: the product's lower half has
        // good ones above and its upper half below.
        let product = u128::from(self.0 ^ number) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_usize(number.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Hashes below it are a share of all, in millionths; `u64::MAX` for a million.
pub fn share_below(per_million: u32) -> u64 {
    let share = u128::from(per_million.min(1_000_000));
    u64::try_from((share << 64) / 1_000_000).unwrap_or(u64::MAX)
}

/// A number with its bits mixed (`fmix64`, the last step of MurmurHash3): neighbours come out independent. Part of the
/// product's promise: a change would sample other records.
pub fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;
    use crate::values::record::SchemaKey;

    /// A table of 2,048 places, of which half are taken: at random about 810 different ones are hit.
    fn assert_scattered<K: Hash>(keys: impl Fn(u32) -> K) {
        let hashes: Vec<u64> = (0..1_024).map(|number| Scattered::default().hash_one(keys(number))).collect();
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 2_047).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 700 && high.len() > 100, "{} and {}", low.len(), high.len());
    }

    #[test]
    fn numbers_of_any_stride_are_scattered() {
        for stride in [1, 2, 3, 64, 1_000, 4_096] {
            assert_scattered(|number| number * stride);
        }
    }

    #[test]
    fn keys_of_schemas_are_scattered_and_kinds_are_told_apart() {
        assert_scattered(SchemaKey::Id);
        assert_scattered(|number| SchemaKey::Fingerprint(u64::from(number) << 32));
        assert_scattered(|number| SchemaKey::Guid(u128::from(number).to_be_bytes()));
        let hash = |key: SchemaKey| Scattered::default().hash_one(key);
        assert_ne!(hash(SchemaKey::Id(7)), hash(SchemaKey::Fingerprint(7)));
    }
}
