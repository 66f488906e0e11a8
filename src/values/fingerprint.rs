//! 128 bits over what was scored: Poly1305 (RFC 8439, section 2.5) over a feature row, under a key that is made of the model
//! and the version of the thresholds.
//!
//! A universal hash, and no signature: two rows of n features under one key have the same fingerprint with a probability of
//! at most 8 * ceil(n / 4) / 2^106 (30 features: below 2^-99) as long as nobody made them for it, and whoever knows the key,
//! which is public, can make them.
//!
//! Our own, because 30 features take 0.06 us with it. The crate `poly1305` takes 0.8 us, since each of its AVX2 hashes first
//! makes powers of `r` that pay for kilobytes only, and 0.11 us with its portable code, which is a flag for a whole build.

use std::fmt;

use sha2::{Digest, Sha256};

/// Low 44 bits of a limb, and the 42 of the last one: 130 in all.
const LOW_44: u64 = (1 << 44) - 1;
const LOW_42: u64 = (1 << 42) - 1;

/// Bits of `r` that survive its clamping, least significant half first.
const CLAMP: [u64; 2] = [0x0FFF_FFFC_0FFF_FFFF, 0x0FFF_FFFC_0FFF_FFFC];

/// Features of one block: 16 bytes.
const BLOCK: usize = 4;

/// What was scored: the row, the model's bytes, and the version of the thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    /// 32 hexadecimal digits, in the order of the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Makes the fingerprints of one model's rows under one version of the thresholds.
///
/// A number of 130 bits is three limbs of 44, 44 and 42 bits, whose products fit into 128 bits with room to carry late (the
/// "donna-64" way of Andrew Moon's poly1305-donna).
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinter {
    r: Limbs,
    /// Twenty times the upper two of `r`: what lies above 2^130 comes back five times, and 2^132 is four times that.
    r_over: [u64; 2],
    /// Added at the end.
    s: u128,
}

type Limbs = [u64; 3];

impl Fingerprinter {
    /// `sha256`: of the model's file, 64 lower-case hexadecimal digits.
    pub fn new(sha256: &str, thresholds_version: &str) -> Fingerprinter {
        Fingerprinter::with_key(Sha256::digest(format!("{sha256}\n{thresholds_version}")).into())
    }

    /// The key's first half is `r` before it is clamped, its second half `s`; both little endian.
    fn with_key(key: [u8; 32]) -> Fingerprinter {
        let (halves, _) = key.as_chunks::<16>();
        let [r, s] = [halves[0], halves[1]].map(u128::from_le_bytes);
        let r = limbs(r as u64 & CLAMP[0], (r >> 64) as u64 & CLAMP[1]);
        Fingerprinter { r, r_over: [r[1] * 20, r[2] * 20], s }
    }

    /// Of a row as the model is given it: 32-bit floats, little endian, in the contract's order. Allocates nothing.
    #[inline]
    pub fn of(&self, row: &[f32]) -> Fingerprint {
        let (blocks, rest) = row.as_chunks::<BLOCK>();
        let mut sum = [0; 3];
        for block in blocks {
            let [low, high] = halves(&block.map(f32::to_bits));
            sum = self.absorb(sum, low, high, 1);
        }
        if !rest.is_empty() {
            let mut bits = [0; BLOCK];
            bits.iter_mut().zip(rest).for_each(|(bits, value)| *bits = value.to_bits());
            // The byte 01 behind the message lies within the block.
            bits[rest.len()] = 1;
            let [low, high] = halves(&bits);
            sum = self.absorb(sum, low, high, 0);
        }
        self.finish(sum)
    }

    /// `(sum + block) * r` modulo 2^130 - 5, to a few bits above 130; `above` is bit 128 of the block.
    #[inline(always)]
    fn absorb(&self, sum: Limbs, low: u64, high: u64, above: u64) -> Limbs {
        let times = |one: u64, other: u64| u128::from(one) * u128::from(other);
        let ([r0, r1, r2], [over1, over2]) = (self.r, self.r_over);
        let [b0, b1, b2] = limbs(low, high);
        let (h0, h1, h2) = (sum[0] + b0, sum[1] + b1, sum[2] + b2 + (above << 40));
        let low = times(h0, r0) + times(h1, over2) + times(h2, over1);
        let middle = times(h0, r1) + times(h1, r0) + times(h2, over2) + (low >> 44);
        let high = times(h0, r2) + times(h1, r1) + times(h2, r0) + (middle >> 44);
        let h0 = (low as u64 & LOW_44) + (high >> 42) as u64 * 5;
        [h0 & LOW_44, (middle as u64 & LOW_44) + (h0 >> 44), high as u64 & LOW_42]
    }

    /// The sum reduced, plus `s` modulo 2^128.
    #[inline(always)]
    fn finish(&self, [mut h0, mut h1, mut h2]: Limbs) -> Fingerprint {
        // The second time for what the first one carries around.
        for _ in 0..2 {
            h2 += h1 >> 44;
            h0 += (h2 >> 42) * 5;
            h1 = (h1 & LOW_44) + (h0 >> 44);
            (h0, h2) = (h0 & LOW_44, h2 & LOW_42);
        }
        // From 2^130 - 5 on, five more carry into bit 130.
        let g0 = h0 + 5;
        let g1 = h1 + (g0 >> 44);
        let g2 = h2 + (g1 >> 44);
        if g2 >> 42 != 0 {
            (h0, h1, h2) = (g0 & LOW_44, g1 & LOW_44, g2 & LOW_42);
        }
        let sum = u128::from(h0) | u128::from(h1) << 44 | u128::from(h2) << 88;
        Fingerprint(sum.wrapping_add(self.s).to_le_bytes())
    }
}

/// 128 bits as limbs.
#[inline(always)]
fn limbs(low: u64, high: u64) -> Limbs {
    [low & LOW_44, (low >> 44 | high << 20) & LOW_44, high >> 24]
}

/// Four words of 32 bits as two of 64.
#[inline(always)]
fn halves(words: &[u32; BLOCK]) -> [u64; 2] {
    let word = |place: usize| u64::from(words[place]);
    [word(0) | word(1) << 32, word(2) | word(3) << 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a message of any length under a key, both in hexadecimal.
    fn tag(key: &str, message: &[u8]) -> String {
        let maker = Fingerprinter::with_key(bytes(key).try_into().unwrap());
        let sum = message.chunks(16).fold([0; 3], |sum, part| {
            let mut block = [0; 17];
            block[..part.len()].copy_from_slice(part);
            block[part.len()] = 1;
            let word = |place: usize| u64::from_le_bytes(block[place..place + 8].try_into().unwrap());
            maker.absorb(sum, word(0), word(8), u64::from(block[16]))
        });
        maker.finish(sum).to_string()
    }

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits = hexadecimal.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    const ZERO: &str = "00000000000000000000000000000000";
    const ONES: &str = "ffffffffffffffffffffffffffffffff";
    const ONE: &str = "01000000000000000000000000000000";
    const TWO: &str = "02000000000000000000000000000000";

    const IETF: &str = "Any submission to the IETF intended by the Contributor for publication as all or part of an IETF \
                        Internet-Draft or RFC and any statement made within the context of an IETF activity is considered \
                        an \"IETF Contribution\". Such statements include oral statements in IETF sessions, as well as \
                        written and electronic communications made at any time or place, which are addressed to";

    const JABBERWOCKY: &str = "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the \
                               borogoves,\nAnd the mome raths outgrabe.";

    /// RFC 8439, 2.5.2 and A.3, one to six.
    #[test]
    fn the_texts_of_the_rfc_have_its_tags() {
        let half = "36e5f6b5c5e06070f0efca96227a863e";
        for (key, message, expected) in [
            (
                "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
                "Cryptographic Forum Research Group",
                "a8061dc1305136c6c22b8baf0c0127a9",
            ),
            (&[ZERO, ZERO].concat(), &"\0".repeat(64), ZERO),
            (&[ZERO, half].concat(), IETF, half),
            (&[half, ZERO].concat(), IETF, "f3477e7cd95417af89a6b8794c310cf0"),
            (
                "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
                JABBERWOCKY,
                "4541669a7eaaee61e708dc7cbcc5eb62",
            ),
        ] {
            assert_eq!(tag(key, message.as_bytes()), expected, "{message}");
        }
    }

    /// RFC 8439, A.3, five to eleven: sums beside the modulus, and carries that many ways of doing it lose.
    #[test]
    fn sums_beside_the_modulus_are_reduced() {
        let r_of_ten = "01000000000000000400000000000000";
        let of_eleven = "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000";
        for (r, s, message, expected) in [
            (TWO, ZERO, ONES.to_owned(), "03000000000000000000000000000000"),
            (TWO, ONES, TWO.to_owned(), "03000000000000000000000000000000"),
            (
                ONE,
                ZERO,
                [ONES, "f0ffffffffffffffffffffffffffffff", "11000000000000000000000000000000"].concat(),
                "05000000000000000000000000000000",
            ),
            (ONE, ZERO, [ONES, "fbfefefefefefefefefefefefefefefe", "01010101010101010101010101010101"].concat(), ZERO),
            (TWO, ZERO, "fdffffffffffffffffffffffffffffff".to_owned(), "faffffffffffffffffffffffffffffff"),
            (r_of_ten, ZERO, [of_eleven, ZERO, ONE].concat(), "14000000000000005500000000000000"),
            (r_of_ten, ZERO, [of_eleven, ZERO].concat(), "13000000000000000000000000000000"),
        ] {
            assert_eq!(tag(&[r, s].concat(), &bytes(&message)), expected, "{r} {s} {message}");
        }
    }

    const SHA256: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// By the Python of docs/reading-outputs.md, every length of a last block among them.
    #[test]
    fn rows_have_the_fingerprints_that_whole_numbers_in_python_give() {
        let numbers = [f32::NAN, -0.0, 0.0, 1e-45, -1.175_494_2e-38, f32::MAX, f32::MIN, 1.0, 0.1];
        let maker = Fingerprinter::new(SHA256, "risk-2026-01 møde");
        for (count, expected) in [
            "44646d2ef3b181fa165fb88ebc2cd4a2",
            "91f16dda62f7119a98f3af33d9fac87b",
            "4baf0b63eb1489a2415299286ddbc986",
            "0f4ee46812a82aa6ca0ee52d5bb72d7b",
            "e014326afc9bfbb5f063dd375a798481",
            "68005a2e8e7c1b0694f98c83af424037",
            "f7ff1bb13f69845232a9cea7f6f1405e",
            "0655c5296393425ae3f662f74f240883",
            "c0f294a6a786075129a3fdbdf765e64e",
            "f4f846002ad5350a71ebacc7edd3009e",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(maker.of(&numbers[..count]).to_string(), expected, "{count} features");
        }
        let row: Vec<f32> = (0..38).map(|place| place as f32 * 0.25 - 3.0).collect();
        let maker = Fingerprinter::new(SHA256, "1");
        assert_eq!(maker.of(&row[..30]).to_string(), "5aee2b4340b3d8505d22a89c08e7c8b6");
        assert_eq!(maker.of(&row).to_string(), "3a38fca7fb3ea1415b441fb9b81939aa");
    }

    #[test]
    fn a_row_is_the_same_message_as_its_bytes() {
        let key = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
        let maker = Fingerprinter::with_key(bytes(key).try_into().unwrap());
        // Bits of every kind: a step that is odd and large (Knuth's, for 32 bits).
        let row: Vec<f32> = (1..=100_u32).map(|n| f32::from_bits(n.wrapping_mul(2_654_435_769))).collect();
        for count in 0..=row.len() {
            let message: Vec<u8> = row[..count].iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
            assert_eq!(maker.of(&row[..count]).to_string(), tag(key, &message), "{count} features");
        }
    }

    #[test]
    fn model_thresholds_and_every_bit_of_the_row_count() {
        let row = [0.25, f32::NAN, -0.0, 4.0, 5.0];
        let of = |sha256: &str, version: &str, row: &[f32]| Fingerprinter::new(sha256, version).of(row);
        let one = of(SHA256, "1", &row);
        let other_sha256 = SHA256.replacen('0', "1", 1);
        assert!(one != of(&other_sha256, "1", &row) && one != of(SHA256, "2", &row));
        for place in 0..row.len() {
            for bit in 0..32 {
                let mut other = row;
                other[place] = f32::from_bits(other[place].to_bits() ^ 1 << bit);
                assert_ne!(one, of(SHA256, "1", &other), "bit {bit} of feature {place}");
            }
        }
        let [shorter, longer] = [&row[..4], &[&row[..], &[0.0]].concat()];
        assert!(one != of(SHA256, "1", shorter) && one != of(SHA256, "1", longer));
    }
}
