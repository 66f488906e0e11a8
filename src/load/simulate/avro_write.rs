//! Avro's binary primitives, appended to a buffer.

/// A zig-zag varint: ints, longs, enum symbols, union branches, lengths.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

pub fn put_string(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// What stands before the datum and names its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireForm {
    /// `00` and the registry's id, big endian.
    Registry(u32),
    /// `C3 01` and the CRC-64-AVRO fingerprint, little endian.
    SingleObject(u64),
    /// Nothing: the reader knows the schema.
    Raw,
}

impl WireForm {
    pub fn put_prefix(self, out: &mut Vec<u8>) {
        match self {
            WireForm::Registry(id) => {
                out.push(0);
                out.extend_from_slice(&id.to_be_bytes());
            }
            WireForm::SingleObject(fingerprint) => {
                out.extend_from_slice(&[0xC3, 0x01]);
                out.extend_from_slice(&fingerprint.to_le_bytes());
            }
            WireForm::Raw => {}
        }
    }

    pub fn prefix_length(self) -> usize {
        match self {
            WireForm::Registry(_) => 5,
            WireForm::SingleObject(_) => 10,
            WireForm::Raw => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_follow_the_specification() {
        // The examples of the Avro specification, and both ends of the range.
        let cases: [(i64, &[u8]); 8] = [
            (0, &[0x00]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_long(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn prefixes_are_as_long_as_they_say() {
        for form in [WireForm::Registry(0x01020304), WireForm::SingleObject(0x0102030405060708), WireForm::Raw] {
            let mut out = Vec::new();
            form.put_prefix(&mut out);
            assert_eq!(out.len(), form.prefix_length());
        }
        let mut out = Vec::new();
        WireForm::Registry(0x01020304).put_prefix(&mut out);
        assert_eq!(out, [0, 1, 2, 3, 4]);
    }
}
