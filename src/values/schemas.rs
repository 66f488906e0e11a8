//! How payloads may say which schema wrote them, and what happens where nobody knows it.

use crate::values::record::SchemaKey;

/// Which wire forms the configuration accepts. An id and a GUID count in both places: in the header `__value_schema_id` and
/// before the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireForms {
    /// `01` + sixteen bytes.
    pub guid: bool,
    /// `00` + four bytes, big endian.
    pub id: bool,
    /// `C3 01` + eight bytes, little endian.
    pub single_object: bool,
    /// Everything else is a bare datum of the configured schema.
    pub raw: bool,
}

impl Default for WireForms {
    /// Every form that names its schema; a bare datum only where the configuration says so.
    fn default() -> WireForms {
        WireForms { guid: true, id: true, single_object: true, raw: false }
    }
}

impl WireForms {
    /// Whether the header is looked at.
    pub fn reads_header(self) -> bool {
        self.guid || self.id
    }

    /// Whether a payload may name its schema so.
    pub fn takes(self, key: SchemaKey) -> bool {
        match key {
            SchemaKey::Guid(_) => self.guid,
            SchemaKey::Id(_) => self.id,
            SchemaKey::Fingerprint(_) => self.single_object,
            SchemaKey::Raw => self.raw,
        }
    }
}

/// What happens to a record whose schema nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is a dead letter.
    DeadLetter,
    /// Its partition waits until the schema is there.
    Wait,
}
