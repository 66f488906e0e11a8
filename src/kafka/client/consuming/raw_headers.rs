//! The headers of a received record, read where they lie in the fetched bytes.

/// One header, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The client's own limit.
const COUNT_MAX: i64 = 100_000;

/// Headers in order, as many as the record says it has.
#[derive(Clone, Copy, Debug)]
pub struct RawHeaders<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> RawHeaders<'a> {
    /// Of a record without any.
    pub const NONE: RawHeaders<'static> = RawHeaders { rest: &[], left: 0 };

    /// Of a record's own bytes; none where these are no headers, which is how the client takes it.
    pub fn of(bytes: &'a [u8]) -> RawHeaders<'a> {
        let mut rest = bytes;
        let Some(count @ 1..=COUNT_MAX) = long(&mut rest) else { return RawHeaders::NONE };
        let headers = RawHeaders { rest, left: count as usize };
        if headers.count() == headers.left { headers } else { RawHeaders::NONE }
    }

    /// No more are left.
    pub fn count_max(&self) -> usize {
        self.left
    }

    /// Their names and values have no more bytes.
    pub fn bytes_max(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for RawHeaders<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        let len = long(&mut self.rest)?;
        let name = take(&mut self.rest, len)?;
        let value = match long(&mut self.rest)? {
            -1 => None,
            len => Some(take(&mut self.rest, len)?),
        };
        Some(Header { name, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

fn take<'a>(rest: &mut &'a [u8], len: i64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(taken)
}

/// A zig-zag number of variable length.
fn long(rest: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(&[u8], Option<&[u8]>)> {
        RawHeaders::of(bytes).map(|header| (header.name, header.value)).collect()
    }

    #[test]
    fn names_and_values_lie_behind_their_lengths() {
        let bytes = [6, 4, b'a', b'b', 2, b'x', 0, 1, 2, b'c', 0];
        let expected: [(&[u8], Option<&[u8]>); 3] = [(b"ab", Some(b"x")), (b"", None), (b"c", Some(b""))];
        assert_eq!(read(&bytes), expected);
        let long_value = [&[2, 2, b'n', 0x80, 0x02][..], &[7; 128]].concat();
        assert_eq!(read(&long_value), [(&b"n"[..], Some(&[7; 128][..]))]);
    }

    #[test]
    fn bytes_that_are_no_headers_have_none() {
        for bytes in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[2, 2, b'a'],
            &[2, 4, b'a', 0],
            &[4, 2, b'a', 0],
            &[2, 3, b'a', 0],
            &[2, 2, b'a', 3],
            &[0x80; 11],
            &[0xff, 0xff, 0xff, 0x7f, 0, 0],
        ] {
            assert_eq!(read(bytes), [], "{bytes:?}");
        }
    }
}
