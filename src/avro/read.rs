//! Avro's primitive encodings, read from the front of a slice. Every read is bounds-checked and takes what it read
//! off the slice; nothing is allocated, and no length from the payload is trusted.

use crate::error::Reject;

/// Bytes of the longest legal variable-length integer.
const VARINT_BYTES_MAX: usize = 10;

#[inline(always)]
pub(super) fn skip(rest: &mut &[u8], len: usize) -> Result<(), Reject> {
    *rest = rest.get(len..).ok_or(Reject::Truncated)?;
    Ok(())
}

#[inline(always)]
pub(super) fn chunk<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Reject> {
    let (chunk, tail) = rest.split_first_chunk().ok_or(Reject::Truncated)?;
    *rest = tail;
    Ok(*chunk)
}

#[inline(always)]
pub(super) fn double(rest: &mut &[u8]) -> Result<f64, Reject> {
    chunk(rest).map(f64::from_le_bytes)
}

#[inline(always)]
pub(super) fn float(rest: &mut &[u8]) -> Result<f32, Reject> {
    chunk(rest).map(f32::from_le_bytes)
}

#[inline(always)]
pub(super) fn boolean(rest: &mut &[u8]) -> Result<bool, Reject> {
    // One comparison: which of the two it is must not be a branch.
    match chunk(rest)? {
        [byte] if byte <= 1 => Ok(byte == 1),
        _ => Err(Reject::BadBoolean),
    }
}

#[inline(always)]
pub(super) fn long(rest: &mut &[u8]) -> Result<i64, Reject> {
    let raw = varint(rest)?;
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

#[inline(always)]
pub(super) fn int(rest: &mut &[u8]) -> Result<i32, Reject> {
    i32::try_from(long(rest)?).map_err(|_| Reject::BadVarint)
}

/// The bytes of a string or of bytes, without a look inside.
#[inline(always)]
pub(super) fn bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Reject> {
    let len = length(rest)?;
    let (bytes, tail) = rest.split_at_checked(len).ok_or(Reject::Truncated)?;
    *rest = tail;
    Ok(bytes)
}

/// The bytes of a string that is used: they are UTF-8. Most are short and ASCII, which takes a few wide loads.
#[inline(always)]
pub(super) fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Reject> {
    let text = bytes(rest)?;
    if text.is_ascii() || std::str::from_utf8(text).is_ok() { Ok(text) } else { Err(Reject::BadUtf8) }
}

/// A length that must not be negative; whether that many bytes are there is the caller's check.
#[inline(always)]
pub(super) fn length(rest: &mut &[u8]) -> Result<usize, Reject> {
    usize::try_from(long(rest)?).map_err(|_| Reject::BadLength)
}

/// An index below `count`, for unions and enums.
#[inline(always)]
pub(super) fn index(rest: &mut &[u8], count: u32, otherwise: Reject) -> Result<u32, Reject> {
    match u32::try_from(long(rest)?) {
        Ok(index) if index < count => Ok(index),
        _ => Err(otherwise),
    }
}

/// Whether a union of null and one other type, whose null is the branch encoded as `null` (0 or 2), is null here.
#[inline(always)]
pub(super) fn is_null(rest: &mut &[u8], null: u8) -> Result<bool, Reject> {
    match rest.split_first() {
        Some((&byte, tail)) if byte & !2 == 0 => {
            *rest = tail;
            Ok(byte == null)
        }
        _ => {
            let (is_null, tail) = is_null_spelt_out(rest, null)?;
            *rest = tail;
            Ok(is_null)
        }
    }
}

/// Nobody writes the index of a branch in more bytes than it needs, but everybody reads it.
#[cold]
#[inline(never)]
fn is_null_spelt_out(mut rest: &[u8], null: u8) -> Result<(bool, &[u8]), Reject> {
    let branch = index(&mut rest, 2, Reject::BadUnionBranch)?;
    Ok((branch == u32::from(null / 2), rest))
}

#[inline(always)]
fn varint(rest: &mut &[u8]) -> Result<u64, Reject> {
    match rest.split_first() {
        Some((&byte, tail)) if byte < 0x80 => {
            *rest = tail;
            Ok(u64::from(byte))
        }
        _ => varint_long(rest),
    }
}

/// Two bytes and more. The lengths of real numbers are as random as the numbers, so up to eight bytes are read
/// without a branch on the length: find the first byte without a continuation bit, then close the gaps.
#[inline(always)]
fn varint_long(rest: &mut &[u8]) -> Result<u64, Reject> {
    const CONTINUES: u64 = 0x8080_8080_8080_8080;
    if let Some(chunk) = rest.first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let stops = !word & CONTINUES;
        if stops != 0 {
            let len = stops.trailing_zeros() as usize / 8 + 1;
            let word = word & (stops ^ (stops - 1));
            *rest = &rest[len..];
            return Ok(close_gaps(word));
        }
    }
    // By value: a pointer to the caller's slice would keep that out of registers everywhere.
    let (value, tail) = varint_bytewise(rest)?;
    *rest = tail;
    Ok(value)
}

/// Packs the low seven bits of each byte into one number.
#[inline(always)]
fn close_gaps(word: u64) -> u64 {
    let pairs = (word & 0x007F_007F_007F_007F) | ((word & 0x7F00_7F00_7F00_7F00) >> 1);
    let quads = (pairs & 0x0000_3FFF_0000_3FFF) | ((pairs & 0x3FFF_0000_3FFF_0000) >> 2);
    (quads & 0x0000_0000_0FFF_FFFF) | ((quads & 0x0FFF_FFFF_0000_0000) >> 4)
}

/// The last bytes of a payload, and numbers of nine and ten bytes.
#[cold]
#[inline(never)]
fn varint_bytewise(rest: &[u8]) -> Result<(u64, &[u8]), Reject> {
    let mut value = 0u64;
    for (place, &byte) in rest.iter().take(VARINT_BYTES_MAX).enumerate() {
        let is_last_place = place == VARINT_BYTES_MAX - 1;
        if is_last_place && byte > 1 {
            return Err(Reject::BadVarint);
        }
        value |= u64::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            return Ok((value, &rest[place + 1..]));
        }
    }
    Err(Reject::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zigzag(value: i64) -> Vec<u8> {
        let mut raw = ((value << 1) ^ (value >> 63)) as u64;
        let mut bytes = Vec::new();
        while raw >= 0x80 {
            bytes.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        bytes.push(raw as u8);
        bytes
    }

    #[test]
    fn longs_of_every_length_are_read_with_and_without_bytes_behind_them() {
        for bits in 0..64 {
            let power = 1i64 << bits;
            for value in [power, power.wrapping_sub(1), power.wrapping_neg(), i64::MAX >> bits, i64::MIN >> bits] {
                let encoded = zigzag(value);
                for tail in [0, 1, 20] {
                    let mut bytes = encoded.clone();
                    bytes.resize(encoded.len() + tail, 0xFF);
                    let mut rest = bytes.as_slice();
                    assert_eq!(long(&mut rest), Ok(value));
                    assert_eq!(rest.len(), tail);
                }
                for cut in 0..encoded.len() {
                    assert_eq!(long(&mut &encoded[..cut]), Err(Reject::Truncated), "{value} cut to {cut}");
                }
            }
        }
    }

    #[test]
    fn a_varint_beyond_sixty_four_bits_is_bad() {
        let ten = |last: u8| [&[0xFF; 9][..], &[last]].concat();
        assert_eq!(long(&mut ten(0x01).as_slice()), Ok(i64::MIN));
        for last in [0x02, 0x7F, 0x80, 0x81, 0xFF] {
            assert_eq!(long(&mut ten(last).as_slice()), Err(Reject::BadVarint), "{last:02x}");
        }
        assert_eq!(long(&mut [0x80; 30].as_slice()), Err(Reject::BadVarint));
        assert_eq!(long(&mut [0x80; 9].as_slice()), Err(Reject::Truncated));
    }

    #[test]
    fn an_int_outside_32_bits_is_bad() {
        for value in [i64::from(i32::MIN), i64::from(i32::MAX), 0, -1] {
            assert_eq!(int(&mut zigzag(value).as_slice()).map(i64::from), Ok(value));
        }
        for value in [i64::from(i32::MIN) - 1, i64::from(i32::MAX) + 1, i64::MIN, i64::MAX] {
            assert_eq!(int(&mut zigzag(value).as_slice()), Err(Reject::BadVarint));
        }
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        assert_eq!(bytes(&mut [4, 7, 8, 9].as_slice()), Ok(&[7, 8][..]));
        assert_eq!(bytes(&mut [6, 7, 8].as_slice()), Err(Reject::Truncated));
        assert_eq!(bytes(&mut zigzag(i64::MAX).as_slice()), Err(Reject::Truncated));
        assert_eq!(bytes(&mut zigzag(-1).as_slice()), Err(Reject::BadLength));
        assert_eq!(bytes(&mut zigzag(i64::MIN).as_slice()), Err(Reject::BadLength));
    }
}
