//! Decimals: two's-complement big-endian integers with a scale from the schema, as the nearest `f64`.

/// The power of ten up to which an `f64` is exact.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The unscaled integer; `None` when it needs more than 128 bits (38 digits always fit) or there is no byte at all.
#[inline]
pub(super) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let (&first, _) = bytes.split_first()?;
    if bytes.len() <= 8 {
        // As nearly all are: no copy through memory.
        let sign = if first & 0x80 == 0 { 0_i64 } else { -1 };
        return Some(i128::from(bytes.iter().fold(sign, |number, &byte| number << 8 | i64::from(byte))));
    }
    let sign = if first & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; 16];
    let significant = match bytes.len().checked_sub(wide.len()) {
        None | Some(0) => bytes,
        // A writer may pad with sign bytes; anything else does not fit.
        Some(extra) => {
            let (padding, significant) = bytes.split_at(extra);
            if padding.iter().any(|&byte| byte != sign) || (significant[0] ^ sign) & 0x80 != 0 {
                return None;
            }
            significant
        }
    };
    wide[16 - significant.len()..].copy_from_slice(significant);
    Some(i128::from_be_bytes(wide))
}

/// `unscaled / 10^scale`, correctly rounded.
///
/// Both operands are exact up to 2^53 and 10^22, so that one division rounds once. Beyond that the digits go
/// through the standard library's parser, which rounds correctly too, from a buffer on the stack.
#[inline]
pub(super) fn scaled(unscaled: i128, scale: i32) -> f64 {
    const EXACT_INTEGER_MAX: u128 = 1 << 53;
    match usize::try_from(scale).ok().and_then(|scale| EXACT_POWERS.get(scale)) {
        // It fits an `i64` too, whose conversion is one instruction.
        Some(power) if unscaled.unsigned_abs() <= EXACT_INTEGER_MAX => unscaled as i64 as f64 / power,
        _ => scaled_by_digits(unscaled, scale),
    }
}

#[cold]
fn scaled_by_digits(unscaled: i128, scale: i32) -> f64 {
    // Sign, 39 digits, `e` and the exponent: the negated scale, which a payload may have chosen.
    let mut text = Text { bytes: [0; 64], len: 0 };
    let written = std::fmt::Write::write_fmt(&mut text, format_args!("{unscaled}e{}", -i64::from(scale)));
    let parsed = written.ok().and_then(|()| std::str::from_utf8(&text.bytes[..text.len]).ok()?.parse().ok());
    debug_assert!(parsed.is_some());
    parsed.unwrap_or(f64::NAN)
}

/// Formatting without the heap.
struct Text {
    bytes: [u8; 64],
    len: usize,
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let end = self.len + part.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_padding_are_understood() {
        let cases: [(&[u8], i128); 12] = [
            (&[0x00], 0),
            (&[0x7F], 127),
            (&[0x80], -128),
            (&[0xFF], -1),
            (&[0x00, 0xFF], 255),
            (&[0xFF, 0x00], -256),
            (&[0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], i64::MAX as i128),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], i64::MIN as i128),
            (&[0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], i64::MIN as i128 - 1),
            (&[0x00, 0x80, 0, 0, 0, 0, 0, 0, 0], i64::MAX as i128 + 1),
            (&[0x00; 40], 0),
            (&[0xFF; 40], -1),
        ];
        for (bytes, value) in cases {
            assert_eq!(unscaled(bytes), Some(value), "{bytes:02x?}");
        }
        assert_eq!(unscaled(&i128::MIN.to_be_bytes()), Some(i128::MIN));
        assert_eq!(unscaled(&i128::MAX.to_be_bytes()), Some(i128::MAX));
    }

    #[test]
    fn more_than_128_bits_and_no_bits_are_refused() {
        assert_eq!(unscaled(&[]), None);
        assert_eq!(unscaled(&[&[1][..], &[0; 16]].concat()), None);
        assert_eq!(unscaled(&[&[0][..], &[0x80], &[0; 15]].concat()), None);
        assert_eq!(unscaled(&[&[0xFF][..], &[0x7F], &[0; 15]].concat()), None);
    }

    #[test]
    fn scaling_rounds_once() {
        assert_eq!(scaled(12_345, 2), 123.45);
        assert_eq!(scaled(-1, 1), -0.1);
        assert_eq!(scaled(3, 0), 3.0);
        for (value, scale) in [(1i128, 30), (i128::MAX, 38), (i128::MIN, 4), ((1 << 53) + 1, 3), (7, 400), (12, -3)] {
            let expected: f64 = format!("{value}e{}", -scale).parse().unwrap();
            assert_eq!(scaled(value, scale), expected, "{value}e-{scale}");
        }
        assert_eq!(scaled(i128::MIN, i32::MAX), 0.0);
        assert_eq!(scaled(1, i32::MIN), f64::INFINITY);
    }
}
