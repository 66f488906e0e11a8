//! A small reader of the protobuf wire format: enough to look into an ONNX file before ONNX Runtime does. Every
//! length is checked against what is left, and nothing is allocated from a length prefix.

use std::ops::Range;

/// The bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A field's value, as far as the wire tells its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    /// A string, bytes, a packed list or a message.
    Bytes(&'a [u8]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
    /// Tag and value within the message.
    pub range: Range<usize>,
}

impl<'a> Field<'a> {
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    pub fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub fn varint(&self) -> Result<u64, Malformed> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(Malformed),
        }
    }
}

/// Walks the fields of one message, in order.
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { message, at: 0 }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            // The tenth byte holds bit 63 alone.
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let end = self.at.checked_add(len).ok_or(Malformed)?;
        let bytes = self.message.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.take(8).and_then(eight)?),
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(self.take(4).and_then(little_endian)?),
            // Groups ended with protobuf 2; ONNX never had them.
            _ => return Err(Malformed),
        };
        if number == 0 {
            return Err(Malformed);
        }
        Ok(Field { number, value, range: start..self.at })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

fn little_endian(bytes: &[u8]) -> Result<u32, Malformed> {
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Malformed)
}

fn eight(bytes: &[u8]) -> Result<u64, Malformed> {
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| Malformed)
}

impl Field<'_> {
    /// Appends the elements that this field brings to a `repeated float`: one, or a packed list.
    pub fn floats(&self, out: &mut Vec<f32>) -> Result<(), Malformed> {
        match self.value {
            Value::Fixed32(bits) => out.push(f32::from_bits(bits)),
            Value::Bytes(packed) => {
                for bytes in packed.chunks(4) {
                    out.push(f32::from_bits(little_endian(bytes)?));
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// As [`Field::floats`], for a `repeated double`.
    pub fn doubles(&self, out: &mut Vec<f64>) -> Result<(), Malformed> {
        match self.value {
            Value::Fixed64(bits) => out.push(f64::from_bits(bits)),
            Value::Bytes(packed) => {
                for bytes in packed.chunks(8) {
                    out.push(f64::from_bits(eight(bytes)?));
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// As [`Field::floats`], for a `repeated int64`.
    pub fn ints(&self, out: &mut Vec<i64>) -> Result<(), Malformed> {
        match self.value {
            Value::Varint(value) => out.push(value as i64),
            Value::Bytes(packed) => {
                let mut list = Fields::new(packed);
                while list.at < packed.len() {
                    out.push(list.varint()? as i64);
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// A message's text field, the last one where there are several; empty where there is none.
pub fn text_of(message: &[u8], number: u32) -> Result<String, Malformed> {
    let mut text = String::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            text = field.text()?.to_owned();
        }
    }
    Ok(text)
}

/// Characters of a text that is told.
const PLAIN_CHARS_MAX: usize = 1 << 20;

/// Text from a file that may hold anything, for a screen.
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(PLAIN_CHARS_MAX).map(|char| if char.is_control() && char != '\n' { ' ' } else { char }).collect()
}

/// Appends a field that is a number.
pub fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// Appends a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
        Fields::new(message).collect()
    }

    #[test]
    fn what_is_put_is_read_back_with_its_place() {
        let mut message = vec![0x08, 0x96, 0x01];
        put_bytes(&mut message, 7, &[b'x'; 300]);
        let read = fields(&message).unwrap();
        assert_eq!(read[0], Field { number: 1, value: Value::Varint(150), range: 0..3 });
        assert_eq!(read[1].bytes(), Ok(&[b'x'; 300][..]));
        assert_eq!((read[1].number, read[1].range.clone()), (7, 3..message.len()));
    }

    #[test]
    fn no_truncation_or_length_leads_out_of_the_message() {
        let mut message = vec![0x08, 0x96, 0x01, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0];
        put_bytes(&mut message, 2, b"abc");
        let whole = [3, 12, 17];
        for end in (1..message.len()).filter(|end| !whole.contains(end)) {
            assert_eq!(fields(&message[..end]), Err(Malformed), "cut at {end}");
        }
        // A length of nearly 2^64, an eleven-byte varint, a varint above 64 bits, a group, field number 0.
        for bad in [
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[0x0b],
            &[0x02, 0x00],
        ] {
            assert_eq!(fields(bad), Err(Malformed), "{bad:x?}");
        }
    }
}
