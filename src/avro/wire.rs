//! How a payload says which schema wrote it.

use crate::error::Reject;
use crate::record::SchemaKey;

/// Header that carries a schema's GUID; the value then has no prefix.
pub const GUID_HEADER: &str = "__value_schema_id";

/// First byte of the GUID header's value.
const GUID_MAGIC: u8 = 0x01;
/// First byte of a value framed with a registry id.
const ID_MAGIC: u8 = 0x00;
/// First two bytes of a value in Avro's single-object encoding.
pub const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];

/// Which wire forms the configuration accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Header `__value_schema_id`: `01` + sixteen bytes.
    pub guid: bool,
    /// `00` + four bytes, big endian.
    pub id: bool,
    /// `C3 01` + eight bytes, little endian.
    pub single_object: bool,
    /// Everything else is a bare datum of the configured schema.
    pub raw: bool,
}

impl Default for Accept {
    /// Every form that names its schema; a bare datum only where the configuration says so.
    fn default() -> Accept {
        Accept { guid: true, id: true, single_object: true, raw: false }
    }
}

/// Names the writer's schema and the length of the prefix before the datum, in bytes.
///
/// The order is fixed: GUID header, `00` + id, `C3 01` + fingerprint, and raw last. Where raw is accepted beside the
/// framed forms, a bare datum that happens to start like one of them is taken for it.
///
/// # Errors
/// [`Reject::UnknownWireForm`] when no accepted form fits; a GUID header that is there and malformed fits none.
#[inline]
pub fn detect(guid_header: Option<&[u8]>, value: &[u8], accept: Accept) -> Result<(SchemaKey, usize), Reject> {
    if let (true, Some(header)) = (accept.guid, guid_header) {
        return guid(header).map(|guid| (SchemaKey::Guid(guid), 0)).ok_or(Reject::UnknownWireForm);
    }
    if accept.id
        && let Some(&[ID_MAGIC, a, b, c, d]) = value.first_chunk()
    {
        return Ok((SchemaKey::Id(u32::from_be_bytes([a, b, c, d])), 5));
    }
    if accept.single_object
        && value.starts_with(&SINGLE_OBJECT_MAGIC)
        && let Some(fingerprint) = value[2..].first_chunk()
    {
        return Ok((SchemaKey::Fingerprint(u64::from_le_bytes(*fingerprint)), 10));
    }
    if accept.raw { Ok((SchemaKey::Raw, 0)) } else { Err(Reject::UnknownWireForm) }
}

fn guid(header: &[u8]) -> Option<[u8; 16]> {
    match header.split_first() {
        Some((&GUID_MAGIC, guid)) => guid.try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Accept = Accept { guid: true, id: true, single_object: true, raw: true };
    const GUID: [u8; 17] = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const ID: &[u8] = &[0, 0, 0, 1, 2, 99];
    const SINGLE: &[u8] = &[0xC3, 1, 8, 7, 6, 5, 4, 3, 2, 1, 99];

    #[test]
    fn each_form_is_found_with_its_prefix() {
        assert_eq!(detect(None, ID, ALL), Ok((SchemaKey::Id(258), 5)));
        assert_eq!(detect(None, SINGLE, ALL), Ok((SchemaKey::Fingerprint(0x0102_0304_0506_0708), 10)));
        assert_eq!(detect(None, b"\x02", ALL), Ok((SchemaKey::Raw, 0)));
        let mut guid = [0; 16];
        guid.copy_from_slice(&GUID[1..]);
        assert_eq!(detect(Some(&GUID), b"\x02", ALL), Ok((SchemaKey::Guid(guid), 0)));
    }

    #[test]
    fn the_header_goes_before_the_prefix() {
        for value in [ID, SINGLE] {
            assert!(matches!(detect(Some(&GUID), value, ALL), Ok((SchemaKey::Guid(_), 0))));
        }
    }

    #[test]
    fn a_form_that_is_not_accepted_is_not_seen() {
        let none = Accept { guid: false, id: false, single_object: false, raw: false };
        for value in [ID, SINGLE, b"", b"\x02"] {
            assert_eq!(detect(Some(&GUID), value, none), Err(Reject::UnknownWireForm));
            assert_eq!(detect(Some(&GUID), value, Accept { raw: true, ..none }), Ok((SchemaKey::Raw, 0)));
        }
        assert_eq!(detect(Some(&GUID), ID, Accept { guid: false, ..ALL }), Ok((SchemaKey::Id(258), 5)));
    }

    #[test]
    fn cut_and_foreign_prefixes_are_no_wire_form() {
        let framed = Accept::default();
        let values: [&[u8]; 8] =
            [b"", b"\0", b"\0\0\0\x01", b"\xC3", b"\xC3\x01", b"\xC3\x01234567", b"\xC3\x02345678901", b"{\"a\":1}"];
        for value in values {
            assert_eq!(detect(None, value, framed), Err(Reject::UnknownWireForm), "{value:02x?}");
        }
    }

    #[test]
    fn a_malformed_guid_header_is_poison_even_where_raw_is_accepted() {
        for header in [&b""[..], &GUID[..16], &[GUID.as_slice(), &[0]].concat(), &[0; 17], b"\0\0\0\0\x01"] {
            assert_eq!(detect(Some(header), ID, ALL), Err(Reject::UnknownWireForm), "{header:02x?}");
        }
    }
}
