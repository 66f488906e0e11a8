//! The id or GUID that the name of a schema's file carries, in forms that no name has by accident.

use std::path::Path;

use super::SchemaError;
use crate::values::record::SchemaKey;

/// The registry id of `17.avsc` and `NAME.id-17.avsc`, the GUID of `0af3....avsc` and `NAME-0af3....avsc` (in the usual
/// 8-4-4-4-12 form). Any other name, such as `payments-v2.avsc` or `card-2026-01-15.avsc`, carries none.
///
/// # Errors
/// A number that is no id.
pub(super) fn key_of(file: &Path) -> Result<Option<SchemaKey>, SchemaError> {
    let stem = stem(file);
    if let Some(guid) = trailing_guid(stem) {
        return Ok(Some(SchemaKey::Guid(guid)));
    }
    let marked = stem.rsplit_once(".id-").map(|(_, id)| id);
    let Some(id) = marked.or(Some(stem)).filter(|id| is_number(id)) else { return Ok(None) };
    match id.parse() {
        Ok(id) => Ok(Some(SchemaKey::Id(id))),
        Err(_) => {
            let what = format!("{id} is no schema id: ids have 32 bits");
            Err(SchemaError::new(file.display().to_string(), what, "name the file by its registry id, as 17.avsc"))
        }
    }
}

/// The number at the end of a name that carries no id, as in `transaction-17.avsc`.
pub(super) fn looks_like_id(file: &Path) -> Option<&str> {
    if !matches!(key_of(file), Ok(None)) {
        return None;
    }
    let (_, number) = stem(file).rsplit_once(['-', '_', '.'])?;
    is_number(number).then_some(number)
}

fn stem(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `...xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
fn trailing_guid(stem: &str) -> Option<[u8; 16]> {
    const LEN: usize = 36;
    let text = stem.get(stem.len().checked_sub(LEN)?..)?;
    let mut guid = [0; 16];
    let mut digits = 0;
    for (place, byte) in text.bytes().enumerate() {
        let is_dash_place = matches!(place, 8 | 13 | 18 | 23);
        match (is_dash_place, char::from(byte).to_digit(16)) {
            (true, _) if byte == b'-' => {}
            (false, Some(digit)) => {
                guid[digits / 2] = guid[digits / 2] << 4 | digit as u8;
                digits += 1;
            }
            _ => return None,
        }
    }
    Some(guid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_say_so_carry_an_id() {
        for (name, id) in [("17.avsc", 17), ("transaction.id-17.avsc", 17), ("a.b-c.id-0.avsc", 0)] {
            assert_eq!(key_of(Path::new(name)), Ok(Some(SchemaKey::Id(id))), "{name}");
        }
        let names = [
            "payments-v2",
            "card-2026-01-15",
            "iso8583",
            "t-17-draft",
            "transaction-17",
            "id-17",
            "a.id-",
            "a.id-1x",
            "",
        ];
        for name in names {
            assert_eq!(key_of(Path::new(&format!("{name}.avsc"))), Ok(None), "{name}");
        }
        assert!(key_of(Path::new("a.id-4294967296.avsc")).unwrap_err().what.contains("32 bits"));
    }

    #[test]
    fn a_number_at_the_end_is_pointed_at() {
        for (name, number) in [("transaction-17.avsc", Some("17")), ("a_3.avsc", Some("3")), ("17.avsc", None)] {
            assert_eq!(looks_like_id(Path::new(name)), number, "{name}");
        }
        for name in ["payments-v2.avsc", "iso8583.avsc", "a.id-7.avsc", "transaction.avsc"] {
            assert_eq!(looks_like_id(Path::new(name)), None, "{name}");
        }
    }
}
