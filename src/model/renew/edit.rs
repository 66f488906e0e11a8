//! Changes in a manifest that somebody wrote: a value is exchanged where it stands, and every other byte stays.

use toml::de::{DeTable, DeValue};

/// Sets `[section] key` to a text. `None` where the manifest has no such section in brackets of its own.
pub fn set(manifest: &str, section: &str, key: &str, value: &str) -> Option<String> {
    let quoted = toml::Value::String(value.to_owned()).to_string();
    let edited = match span(manifest, section, key)? {
        Some(span) => format!("{}{quoted}{}", &manifest[..span.start], &manifest[span.end..]),
        None => {
            let at = behind_header(manifest, section)?;
            format!("{}{key} = {quoted}\n{}", &manifest[..at], &manifest[at..])
        }
    };
    // Whatever form the manifest has: what was to be said is what it says now.
    let table: toml::Table = edited.parse().ok()?;
    (table.get(section)?.get(key)?.as_str() == Some(value)).then_some(edited)
}

/// Where a value stands, if there is one; `None` without the section.
fn span(manifest: &str, section: &str, key: &str) -> Option<Option<std::ops::Range<usize>>> {
    let table = DeTable::parse(manifest).ok()?;
    match table.get_ref().get(section)?.get_ref() {
        DeValue::Table(inner) => Some(inner.get(key).map(|value| value.span())),
        _ => None,
    }
}

/// Where the line behind `[section]` begins.
fn behind_header(manifest: &str, section: &str) -> Option<usize> {
    let header = format!("[{section}]");
    let mut at = 0;
    for line in manifest.split_inclusive('\n') {
        at += line.len();
        let code = line.split('#').next().unwrap_or_default().trim();
        if code == header && line.ends_with('\n') {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_exchanged_and_everything_else_stays() {
        let manifest = "# mine\n[model]\nname = \"a\"   # the name\nsha256 = 'old' # of the file\n\n[golden]   # rows\nfile = \"g\"\n";
        let edited = set(manifest, "model", "sha256", "new").unwrap();
        assert_eq!(edited, manifest.replace("'old'", "\"new\""));
        let edited = set(manifest, "golden", "rows_made_by", "us \"all\"").unwrap();
        assert!(edited.contains("[golden]   # rows\nrows_made_by = "), "{edited}");
        let table: toml::Table = edited.parse().unwrap();
        assert_eq!(table["golden"]["rows_made_by"].as_str(), Some("us \"all\""));
        assert_eq!(set("golden = { file = \"g\" }\n", "golden", "file", "h").unwrap(), "golden = { file = \"h\" }\n");
        assert_eq!(set("golden = { file = \"g\" }\n", "golden", "made_by", "h"), None);
        assert_eq!(set(manifest, "nothing", "file", "h"), None);
    }
}
