//! `scorewire dlq show`: one letter, with all that it says.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::args::TopicArgs;
use super::words::{self, NOTHING, or_nothing, place, plain, time};
use crate::cli::{output, table};
use crate::doors::SourceRecord;
use crate::error::{Fatal, exit};
use crate::redrive::letter::Letter;
use crate::redrive::letters::Letters;
use crate::values::record::Position;

pub const EXAMPLES: &str = "\
Examples:
  # The letter at offset 41 of partition 0, as `dlq list` names it
  scorewire dlq show 0:41 -c scorewire.toml
  # With the record's key and value, which may be anybody's card
  scorewire dlq show 0:41 -c scorewire.toml --values";

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The letter, as `dlq list` names it
    #[arg(value_name = "PARTITION:OFFSET", value_parser = position)]
    letter: Position,
    /// Print key and value as well: as text where they are, else in hexadecimal digits
    #[arg(long)]
    values: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    of: TopicArgs,
}

fn position(text: &str) -> Result<Position, String> {
    let parsed = text.split_once(':').and_then(|(partition, offset)| {
        let (partition, offset) = (partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?);
        (partition >= 0 && (0..i64::MAX).contains(&offset)).then_some(Position { partition, offset })
    });
    parsed.ok_or_else(|| "say PARTITION:OFFSET, such as 0:41".to_owned())
}

pub fn execute(args: &ShowArgs) -> Result<u8, Fatal> {
    let config = args.of.load()?;
    let letters = Letters::find(&config.kafka, args.of.topic(&config))?;
    let mut shown = String::new();
    letters.one(args.letter, &mut |letter, record| {
        shown = match args.json {
            true => format!("{}\n", as_json(&letter, record, args.values)),
            false => as_text(&letter, record, letters.topic(), args.values),
        };
    })?;
    output::print(&shown)?;
    Ok(exit::DONE)
}

fn as_text(letter: &Letter, record: &impl SourceRecord, topic: &str, values: bool) -> String {
    let style = letter.style.map_or("no dead letter's", |style| style.name());
    let size = |bytes: Option<&[u8]>| bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{} bytes", bytes.len()));
    let mut text = table::table([
        ("letter", format!("{} of {topic}", place(letter))),
        ("reason", plain(&letter.reason)),
        ("stage", or_nothing(letter.stage.as_deref())),
        ("message", or_nothing(letter.message.as_deref())),
        ("source", words::source(letter.source.as_ref())),
        ("source time", letter.source_ms.map_or_else(|| NOTHING.to_owned(), time)),
        ("time", time(letter.time_ms())),
        ("schema", or_nothing(letter.schema_id.as_deref())),
        ("model", or_nothing(letter.model_version.as_deref())),
        ("attempt", if letter.style.is_some() { letter.attempt.to_string() } else { NOTHING.to_owned() }),
        ("holds", words::holds(letter.holds).to_owned()),
        ("style", format!("{style} headers")),
        ("key", size(record.key())),
        ("value", size(record.value())),
    ]);
    text += "\nheaders\n";
    // Writing to a String cannot fail.
    record.each_header(&mut |name, value| {
        let value = value.map_or_else(|| "null".to_owned(), |value| readable(value).1);
        let _ = writeln!(text, "  {} = {value}", plain(name));
    });
    if values {
        for (name, bytes) in [("key", record.key()), ("value", record.value())] {
            let _ = match bytes.map(readable) {
                None => writeln!(text, "\n{name}: none"),
                Some((form, shown)) => writeln!(text, "\n{name} ({form})\n{shown}"),
            };
        }
    }
    text
}

fn as_json(letter: &Letter, record: &impl SourceRecord, values: bool) -> Value {
    let mut object = words::json(letter);
    object["message"] = letter.message.clone().into();
    for (name, bytes) in [("key", record.key()), ("value", record.value())] {
        object[name] = match bytes {
            None => Value::Null,
            Some(bytes) if values => {
                let (form, shown) = readable(bytes);
                json!({ "bytes": bytes.len(), form: shown })
            }
            Some(bytes) => json!({ "bytes": bytes.len() }),
        };
    }
    let mut headers = Vec::new();
    record.each_header(&mut |name, value| {
        let value = value.map(|value| {
            let (form, shown) = readable(value);
            json!({ form: shown })
        });
        headers.push(json!({ "name": name, "value": value }));
    });
    object["headers"] = headers.into();
    object
}

/// Bytes as text where they are printable text, else as digits; and which of the two.
fn readable(bytes: &[u8]) -> (&'static str, String) {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(|c| c.is_control() && c != '\n'));
    match text {
        Some(text) => ("text", text.to_owned()),
        None => ("hex", bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_as_the_list_names_it() {
        assert_eq!(position("2:41"), Ok(Position { partition: 2, offset: 41 }));
        for text in ["", "2", "2:", ":1", "-1:2", "1:-2", "a:b", "1:9223372036854775807"] {
            assert!(position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_digits() {
        assert_eq!(readable("Zoë\n".as_bytes()), ("text", "Zoë\n".to_owned()));
        assert_eq!(readable(&[0, 0, 17]), ("hex", "000011".to_owned()));
        assert_eq!(readable(b"\x1b[31m").0, "hex", "a terminal would heed it");
        assert_eq!(readable(&[]), ("text", String::new()));
    }
}
