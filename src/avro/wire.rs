//! How a payload says which schema wrote it.

use crate::error::Reject;
use crate::values::record::SchemaKey;
use crate::values::schemas::WireForms;

/// Header that names the value's schema by GUID or id; the value then has no prefix.
pub const SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// First byte before a registry id, in the header and in the value.
const ID_MAGIC: u8 = 0x00;
/// First byte before a schema's GUID, in the header and in the value.
const GUID_MAGIC: u8 = 0x01;
/// First two bytes of a value in Avro's single-object encoding.
pub const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];

/// Names the writer's schema and the length of the prefix before the datum, in bytes.
///
/// The order is fixed: the header, `00` + id, `01` + GUID, `C3 01` + fingerprint, and raw last. Where raw is accepted
/// beside other forms, a bare datum that happens to start like one of them is taken for it. A form that is not accepted
/// is not seen, wherever it stands.
///
/// # Errors
/// [`Reject::UnknownWireForm`] when no accepted form fits; a header that is looked at and malformed fits none.
#[inline]
pub fn detect(header: Option<&[u8]>, value: &[u8], accept: WireForms) -> Result<(SchemaKey, usize), Reject> {
    if let Some(header) = header
        && accept.reads_header()
    {
        match registered(header) {
            Some((key, len)) if len == header.len() => {
                if accept.takes(key) {
                    return Ok((key, 0));
                }
            }
            _ => return Err(Reject::UnknownWireForm),
        }
    }
    if let Some((key, len)) = registered(value)
        && accept.takes(key)
    {
        return Ok((key, len));
    }
    if accept.single_object
        && value.starts_with(&SINGLE_OBJECT_MAGIC)
        && let Some(fingerprint) = value[2..].first_chunk()
    {
        return Ok((SchemaKey::Fingerprint(u64::from_le_bytes(*fingerprint)), 10));
    }
    if accept.raw { Ok((SchemaKey::Raw, 0)) } else { Err(foreign(value)) }
}

/// AWS Glue's serializer writes `03`, `00` or `05` (compressed), and the UUID of a schema's version.
#[cold]
fn foreign(value: &[u8]) -> Reject {
    match value {
        [0x03, 0x00 | 0x05, uuid @ ..] if uuid.len() >= 16 => Reject::GlueWireForm,
        _ => Reject::UnknownWireForm,
    }
}

/// What a registry's client writes: `00` + id or `01` + GUID. With the bytes it takes.
#[inline]
fn registered(bytes: &[u8]) -> Option<(SchemaKey, usize)> {
    match bytes.split_first()? {
        (&ID_MAGIC, rest) => rest.first_chunk().map(|id| (SchemaKey::Id(u32::from_be_bytes(*id)), 5)),
        (&GUID_MAGIC, rest) => rest.first_chunk().map(|guid| (SchemaKey::Guid(*guid), 17)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: WireForms = WireForms { guid: true, id: true, single_object: true, raw: true };
    const NONE: WireForms = WireForms { guid: false, id: false, single_object: false, raw: false };
    const GUID: [u8; 17] = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const ID: &[u8] = &[0, 0, 0, 1, 2];
    const ID_VALUE: &[u8] = &[0, 0, 0, 1, 2, 99];
    const GUID_VALUE: &[u8] = &[1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99];
    const SINGLE: &[u8] = &[0xC3, 1, 8, 7, 6, 5, 4, 3, 2, 1, 99];

    fn guid() -> SchemaKey {
        SchemaKey::Guid(*GUID[1..].first_chunk().unwrap())
    }

    #[test]
    fn each_form_is_found_with_its_prefix() {
        assert_eq!(detect(None, ID_VALUE, ALL), Ok((SchemaKey::Id(258), 5)));
        assert_eq!(detect(None, GUID_VALUE, ALL), Ok((guid(), 17)));
        assert_eq!(detect(None, SINGLE, ALL), Ok((SchemaKey::Fingerprint(0x0102_0304_0506_0708), 10)));
        assert_eq!(detect(None, b"\x02", ALL), Ok((SchemaKey::Raw, 0)));
        assert_eq!(detect(Some(&GUID), b"\x02", ALL), Ok((guid(), 0)));
        assert_eq!(detect(Some(ID), b"\x02", ALL), Ok((SchemaKey::Id(258), 0)));
    }

    #[test]
    fn the_header_goes_before_the_prefix() {
        for value in [ID_VALUE, GUID_VALUE, SINGLE, b""] {
            assert_eq!(detect(Some(&GUID), value, ALL), Ok((guid(), 0)));
            assert_eq!(detect(Some(ID), value, ALL), Ok((SchemaKey::Id(258), 0)));
        }
    }

    #[test]
    fn a_form_that_is_not_accepted_is_not_seen_in_the_header_nor_before_the_value() {
        for value in [ID_VALUE, GUID_VALUE, SINGLE, b"", b"\x02"] {
            for header in [Some(GUID.as_slice()), Some(ID), Some(b"foreign"), None] {
                assert_eq!(detect(header, value, NONE), Err(Reject::UnknownWireForm));
                assert_eq!(detect(header, value, WireForms { raw: true, ..NONE }), Ok((SchemaKey::Raw, 0)));
            }
        }
        let ids = WireForms { id: true, ..NONE };
        assert_eq!(detect(Some(&GUID), ID_VALUE, ids), Ok((SchemaKey::Id(258), 5)));
        assert_eq!(detect(None, GUID_VALUE, ids), Err(Reject::UnknownWireForm));
        let guids = WireForms { guid: true, ..NONE };
        assert_eq!(detect(Some(ID), GUID_VALUE, guids), Ok((guid(), 17)));
        assert_eq!(detect(None, ID_VALUE, guids), Err(Reject::UnknownWireForm));
    }

    #[test]
    fn a_bare_datum_that_starts_like_an_accepted_form_is_taken_for_it() {
        assert_eq!(detect(None, GUID_VALUE, WireForms { raw: true, ..NONE }), Ok((SchemaKey::Raw, 0)));
        assert_eq!(detect(None, GUID_VALUE, WireForms { guid: false, ..ALL }), Ok((SchemaKey::Raw, 0)));
        assert_eq!(detect(None, GUID_VALUE, ALL), Ok((guid(), 17)));
    }

    #[test]
    fn cut_and_foreign_prefixes_are_no_wire_form() {
        let framed = WireForms::default();
        let values: [&[u8]; 10] = [
            b"",
            b"\0",
            b"\0\0\0\x01",
            b"\x01",
            &GUID[..16],
            b"\xC3",
            b"\xC3\x01",
            b"\xC3\x01234567",
            b"\xC3\x02345678901",
            b"{\"a\":1}",
        ];
        for value in values {
            assert_eq!(detect(None, value, framed), Err(Reject::UnknownWireForm), "{value:02x?}");
        }
    }

    #[test]
    fn the_form_of_another_registry_is_named() {
        for compression in [0, 5] {
            let value = [&[3, compression][..], &[7; 16], b"datum"].concat();
            assert_eq!(detect(None, &value, WireForms::default()), Err(Reject::GlueWireForm));
            assert_eq!(detect(None, &value, ALL), Ok((SchemaKey::Raw, 0)));
            assert_eq!(detect(None, &value[..17], WireForms::default()), Err(Reject::UnknownWireForm));
        }
        assert_eq!(detect(None, &[3; 40], WireForms::default()), Err(Reject::UnknownWireForm));
    }

    #[test]
    fn a_malformed_header_is_poison_even_where_raw_is_accepted() {
        let headers: [&[u8]; 6] =
            [b"", &GUID[..16], &[GUID.as_slice(), &[0]].concat(), &[2; 17], &ID[..4], &[ID, &[0]].concat()];
        for header in headers {
            assert_eq!(detect(Some(header), ID_VALUE, ALL), Err(Reject::UnknownWireForm), "{header:02x?}");
        }
    }
}
