//! The header that names a record of a load run on its whole way. The verifier knows records by it alone: business ids
//! repeat, and the pipeline's own words are what is being verified.

/// Name of the header.
pub const MARKER: &str = "scorewire-load";
/// Bytes of its value.
pub const MARKER_BYTES: usize = 32;

/// Big endian, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    /// Tells this run's records from those of others in the same topics.
    pub run: u64,
    /// Number of the record, from 0 without holes.
    pub sequence: u64,
    /// When it was due, wall clock, microseconds since the epoch.
    pub due_us: i64,
    /// [`murmur2`] of its key; 0 without a key.
    pub key_hash: u32,
    /// The partition of the input topic it was sent to.
    pub partition: u16,
    /// 0 for a sound record, otherwise 1 + its number in the poison table.
    pub poison: u8,
    /// 0 during the warm-up, 1 when it counts for the latency.
    pub measured: u8,
}

impl Marker {
    pub fn to_bytes(self) -> [u8; MARKER_BYTES] {
        let mut bytes = [0; MARKER_BYTES];
        bytes[..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.due_us.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.key_hash.to_be_bytes());
        bytes[28..30].copy_from_slice(&self.partition.to_be_bytes());
        bytes[30] = self.poison;
        bytes[31] = self.measured;
        bytes
    }

    /// `None` when the value is no marker.
    pub fn from_bytes(bytes: &[u8]) -> Option<Marker> {
        let (run, rest) = bytes.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (due, rest) = rest.split_first_chunk()?;
        let (key_hash, rest) = rest.split_first_chunk()?;
        let (partition, rest) = rest.split_first_chunk()?;
        let &[poison, measured] = rest else { return None };
        Some(Marker {
            run: u64::from_be_bytes(*run),
            sequence: u64::from_be_bytes(*sequence),
            due_us: i64::from_be_bytes(*due),
            key_hash: u32::from_be_bytes(*key_hash),
            partition: u16::from_be_bytes(*partition),
            poison,
            measured,
        })
    }
}

/// The hash by which Java's producer chooses a key's partition (MurmurHash2, Austin Appleby, with Kafka's seed).
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition that Java's producer gives this hash.
pub fn partition_of(key_hash: u32, partitions: i32) -> i32 {
    (key_hash & 0x7fff_ffff) as i32 % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_from_its_bytes() {
        let marker = Marker { run: 1, sequence: 2, due_us: -3, key_hash: 4, partition: 5, poison: 6, measured: 1 };
        assert_eq!(Marker::from_bytes(&marker.to_bytes()), Some(marker));
        assert_eq!(Marker::from_bytes(&marker.to_bytes()[1..]), None);
        assert_eq!(Marker::from_bytes(&[0; MARKER_BYTES + 1]), None);
    }

    #[test]
    fn murmur2_agrees_with_kafka() {
        // Kafka's own test, UtilsTest.testMurmur2.
        let cases: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key) as i32, hash);
        }
    }
}
