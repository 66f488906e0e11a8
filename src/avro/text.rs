//! A schema's text as JSON, read as leniently as Java's parser reads it: with a byte order mark and comments, and also as
//! a registry's answer that was saved whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

/// A larger text is no schema. As JSON it takes up to forty times as much memory while it is read.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Reads a schema's file, and no more of it than a schema has.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn of_file(file: &Path) -> Result<String, (String, &'static str)> {
    let fix = "make the file readable UTF-8 text";
    let cannot = |why: std::io::Error| (why.to_string(), fix);
    // A pipe or a device would be waited for.
    if !std::fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(("is no regular file".into(), "put a file with one schema there"));
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if read.map_err(cannot)? > TEXT_BYTES_MAX {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| ("stream did not contain valid UTF-8".into(), fix))
}

fn too_large() -> (String, &'static str) {
    (format!("is larger than {TEXT_BYTES_MAX} bytes"), "name a file that holds one schema")
}

/// The schema's JSON.
///
/// # Errors
/// What is wrong, with line and column, and what to do.
pub(super) fn json(text: &str) -> Result<Json, (String, &'static str)> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_large());
    }
    let plain = without_comments(text.strip_prefix('\u{feff}').unwrap_or(text));
    let json: Json = serde_json::from_str(&plain)
        .map_err(|why| (format!("is no JSON: {why}"), "correct the schema's text (JSON, as in an .avsc file)"))?;
    match inside_answer(&json) {
        None => Ok(json),
        Some(Ok(schema)) => serde_json::from_str(&without_comments(schema)).map_err(|why| {
            let what = format!("is a registry's answer whose \"schema\" is no JSON: {why}");
            (what, "save the answer again, or the schema alone")
        }),
        Some(Err(kind)) => Err((format!("is a registry's answer with a schema of type {kind}"), "only Avro is read")),
    }
}

/// The schema's text in `{"schema": "...", "schemaType": "AVRO", ...}`, or another type's name.
fn inside_answer(json: &Json) -> Option<Result<&str, &str>> {
    let answer = json.as_object().filter(|answer| !answer.contains_key("type"))?;
    let schema = answer.get("schema")?.as_str()?;
    match answer.get("schemaType").and_then(Json::as_str) {
        None | Some("AVRO") => Some(Ok(schema)),
        Some(other) => Some(Err(other)),
    }
}

/// Comments become spaces, so that lines and columns stay those of the file.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = if rest.starts_with('"') {
            let len = string_len(rest);
            plain.push_str(&rest[..len]);
            len
        } else {
            let len = comment_len(rest);
            match len {
                0 => plain.push('/'),
                _ => plain.extend(rest[..len].chars().map(|char| if char == '\n' { '\n' } else { ' ' })),
            }
            len.max(1)
        };
        rest = &rest[len..];
    }
    plain + rest
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Bytes of the comment that `text` begins with; 0 where it is none.
fn comment_len(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    match text.strip_prefix("/*") {
        Some(inner) => inner.find("*/").map_or(text.len(), |end| end + 4),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_a_byte_order_mark_are_left_out_and_strings_are_not() {
        let text = "\u{feff}/* a \"b\" */ {\"x\": \"http://a/*b*/\\\"//\", // end\n \"y\": 1 /**/} // more";
        assert_eq!(json(text).unwrap(), serde_json::json!({"x": "http://a/*b*/\"//", "y": 1}));
    }

    #[test]
    fn a_mistake_keeps_its_line_and_column() {
        let (what, _) = json("/* one\n two */ {\n \"a\": nothing }").unwrap_err();
        assert!(what.contains("line 3 column"), "{what}");
        for broken in ["", "/* never closed", "\"never closed", "{} /"] {
            assert!(json(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_saved_answer_of_a_registry_is_its_schema() {
        assert_eq!(
            json(r#"{"subject":"a-value","version":3,"id":7,"schema":"\"int\""}"#).unwrap(),
            serde_json::json!("int")
        );
        assert!(json(r#"{"schemaType":"PROTOBUF","schema":"syntax"}"#).unwrap_err().0.contains("PROTOBUF"));
        assert!(json(r#"{"schema":"{"}"#).unwrap_err().0.contains("registry's answer"));
    }
}
