//! Avro's numbers as bytes, gathered on the stack and appended at once: a byte at a time into a growing buffer costs more
//! than what it says.

/// The first branch of a union.
pub(super) const NULL: u8 = 0;
/// Zigzag of 1: the second branch of our schemas' `["null", ...]`.
pub(super) const PRESENT: u8 = 2;

/// Bytes that are being gathered. Whoever gathers knows how many there can be.
pub(super) struct Gathered<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

/// A number takes at most so many.
pub(super) const LONG_BYTES_MAX: usize = 10;

impl<const ROOM: usize> Gathered<ROOM> {
    pub fn new() -> Self {
        Gathered { bytes: [0; ROOM], len: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    pub fn double(&mut self, value: f64) {
        self.fixed(value.to_le_bytes());
    }

    pub fn fixed<const LEN: usize>(&mut self, bytes: [u8; LEN]) {
        self.bytes[self.len..][..LEN].copy_from_slice(&bytes);
        self.len += LEN;
    }

    /// Zigzag, seven bits a byte. Needs room for [`LONG_BYTES_MAX`].
    pub fn long(&mut self, value: i64) {
        let zigzag = ((value << 1) ^ (value >> 63)) as u64;
        if zigzag < 0x80 {
            self.byte(zigzag as u8);
        } else if zigzag < 1 << 56 {
            let (groups, len) = in_groups_of_seven(zigzag);
            self.bytes[self.len..][..8].copy_from_slice(&groups.to_le_bytes());
            self.len += len;
        } else {
            self.long_byte_by_byte(zigzag);
        }
    }

    fn long_byte_by_byte(&mut self, mut rest: u64) {
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    /// `null`, or the second branch of a union and its value.
    pub fn optional_fixed<const LEN: usize>(&mut self, bytes: Option<[u8; LEN]>) {
        match bytes {
            None => self.byte(NULL),
            Some(bytes) => {
                self.byte(PRESENT);
                self.fixed(bytes);
            }
        }
    }

    /// The same of a number.
    pub fn optional_long(&mut self, value: Option<i64>) {
        match value {
            None => self.byte(NULL),
            Some(value) => {
                self.byte(PRESENT);
                self.long(value);
            }
        }
    }
}

/// A number below 2^56 with seven bits in each byte, each but the last marked as followed by another, and how many they are.
/// Halves are moved apart, then quarters, then eighths.
fn in_groups_of_seven(value: u64) -> (u64, usize) {
    let value = (value & 0x0000_0000_0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let value = (value & 0x0000_3fff_0000_3fff) | (value & 0x0fff_c000_0fff_c000) << 2;
    let value = (value & 0x007f_007f_007f_007f) | (value & 0x3f80_3f80_3f80_3f80) << 1;
    let len = 8 - (value | 1).leading_zeros() as usize / 8;
    let followed = 0x8080_8080_8080_8080 & ((1_u64 << (8 * (len - 1))) - 1);
    (value | followed, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the specification tells it.
    fn plain(value: i64) -> Vec<u8> {
        let mut rest = (i128::from(value) * 2).unsigned_abs() - u128::from(value < 0);
        let mut bytes = Vec::new();
        while rest >= 128 {
            bytes.push((rest % 128) as u8 + 128);
            rest /= 128;
        }
        bytes.push(rest as u8);
        bytes
    }

    #[test]
    fn a_number_is_what_the_specification_says_at_every_length_and_beside_every_step() {
        let steps = (0..63).map(|bits| 1_i64 << bits);
        let numbers = steps.flat_map(|step| [step - 1, step, step + 1, -step - 1, -step, 1 - step]);
        for value in numbers.chain([0, i64::MAX, i64::MIN, i64::MIN + 1, 1_700_000_000_123_456]) {
            let mut gathered = Gathered::<{ 2 * LONG_BYTES_MAX }>::new();
            gathered.long(value);
            assert_eq!(gathered.bytes(), plain(value), "{value}");
            gathered.long(7);
            assert_eq!(gathered.bytes().split_last(), Some((&14, &plain(value)[..])));
        }
    }
}
