//! Letters as lines for people and as JSON. Never a key or a value of a record.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::redrive::letter::{Letter, Source};
use crate::values::letters::Holds;

/// What stands where there is nothing to say.
pub const NOTHING: &str = "-";

/// Without control characters: a header may hold anything, and a terminal heeds it.
pub fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// A time in milliseconds since the epoch, as RFC 3339 has it.
pub fn time(ms: i64) -> String {
    let time = (ms >= 0).then(|| Timestamp::from_millisecond(ms).ok()).flatten();
    time.map_or_else(|| NOTHING.to_owned(), |time| format!("{time:.3}"))
}

/// `0:41`
pub fn place(letter: &Letter) -> String {
    format!("{}:{}", letter.at.partition, letter.at.offset)
}

/// `topic-partition-offset`, or `topic-partition-first..last`
pub fn source(source: Option<&Source>) -> String {
    let of = |source: &Source| {
        let first = format!("{}-{}-{}", plain(&source.topic), source.at.partition, source.at.offset);
        if source.is_range() { format!("{first}..{}", source.last) } else { first }
    };
    source.map_or_else(|| NOTHING.to_owned(), of)
}

pub fn or_nothing(text: Option<&str>) -> String {
    text.map_or_else(|| NOTHING.to_owned(), plain)
}

pub fn holds(holds: Option<Holds>) -> &'static str {
    match holds {
        Some(Holds::Whole) => "the whole record: key and value, byte for byte",
        Some(Holds::NoValue) => "the key, and no value",
        Some(Holds::Stub) => "a stub: neither key nor value, only why and where",
        None => "nobody can tell: it does not say, and may be a stub",
    }
}

/// Columns as wide as their widest cell, two blanks between them.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| wide(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

pub fn json(letter: &Letter) -> Value {
    let source = letter.source.as_ref().map(|source| {
        let Source { topic, at, last } = source;
        json!({ "topic": topic, "partition": at.partition, "offset": at.offset, "last_offset": last })
    });
    let of_time = |ms: i64| (ms >= 0).then(|| time(ms));
    json!({
        "partition": letter.at.partition,
        "offset": letter.at.offset,
        "time": of_time(letter.time_ms()),
        "reason": letter.reason,
        "stage": letter.stage,
        "source": source,
        "source_time": letter.source_ms.and_then(of_time),
        "schema_id": letter.schema_id,
        "model_version": letter.model_version,
        "attempt": letter.attempt,
        "payload": letter.holds.map(Holds::word),
        "style": letter.style.map(|style| style.name()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_s_text_does_nothing_to_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }

    #[test]
    fn times_have_milliseconds_and_none_is_said_so() {
        assert_eq!((time(1_750_000_000_123).as_str(), time(-1).as_str()), ("2025-06-15T15:06:40.123Z", "-"));
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        assert_eq!(columns(&[row(&["a", "bbb", "c"]), row(&["aaa", "b", ""])]), "a    bbb  c\naaa  b\n");
    }
}
