//! The dead letter's headers: why, where and by which model a record was rejected. Codes and positions only, never
//! a value from the payload.

use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::io::Write as _;

use crate::avro::wire::{SCHEMA_ID_HEADER, detect};
use crate::doors::SourceRecord;
use crate::error::Reject;
use crate::lane::letter;
use crate::observe::reject_examples::RejectExample;
use crate::values::letters::{CONNECT_PREFIX, Holds, REDRIVEN, SCOREWIRE_PREFIX, STREAMS_PREFIX};
use crate::values::record::{Decoded, Position};
use crate::values::schemas::WireForms;
use crate::values::settings::HeaderStyle;

pub(super) const FIELDS: usize = 15;

/// Headers whose text is written for each record; behind them stands the one that says what the letter holds.
const WRITTEN: usize = FIELDS - 1;

/// Suffixes in the order they are written. The other styles spell those they have a word for in their own way.
const SUFFIXES: [&str; FIELDS] = [
    "reason",
    "stage",
    "message",
    "topic",
    "partition",
    "offset",
    "schema_id",
    "model_version",
    "attempt",
    "timestamp",
    "node",
    "lane",
    "epoch",
    "source_timestamp",
    "payload",
];
const ATTEMPT: usize = 8;

/// Kafka Connect's names (`DeadLetterQueueReporter`), where it has one.
fn connect(suffix: &str) -> &str {
    match suffix {
        "reason" => "exception.class.name",
        "message" => "exception.message",
        other => other,
    }
}

/// KIP-1034's names, where it has one.
fn streams(suffix: &str) -> &str {
    match suffix {
        "reason" => "exception",
        other => other,
    }
}

/// Who rejects: outputs name the same two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    pub lane: u32,
}

/// Writes the headers of one dead letter at a time into reused memory.
pub struct DeadLetterHeaders {
    names: [CString; FIELDS],
    /// The header that names the last offset, where a dead letter is about several.
    last_offset: CString,
    topic: String,
    model_version: String,
    place: Place,
    features: Vec<String>,
    attempt: u32,
    text: String,
    ends: [usize; WRITTEN],
}

impl DeadLetterHeaders {
    /// `features`: the contract's names in order, so that a reject can say which one it is about.
    pub fn new(
        style: HeaderStyle,
        topic: &str,
        model_version: &str,
        place: Place,
        features: Vec<String>,
    ) -> DeadLetterHeaders {
        let name = |suffix| {
            let name = match style {
                HeaderStyle::Scorewire => format!("{SCOREWIRE_PREFIX}{suffix}"),
                HeaderStyle::Connect => format!("{CONNECT_PREFIX}{}", connect(suffix)),
                HeaderStyle::Streams => format!("{STREAMS_PREFIX}{}", streams(suffix)),
            };
            CString::new(name).expect("constant names hold no NUL")
        };
        DeadLetterHeaders {
            names: SUFFIXES.map(name),
            last_offset: name("last_offset"),
            topic: topic.to_owned(),
            model_version: model_version.to_owned(),
            place,
            features,
            attempt: 0,
            text: String::with_capacity(512),
            ends: [0; WRITTEN],
        }
    }

    /// Prepares the headers of one record, which stands at `origin`; without `record` they are about offsets. `epoch`: the assignment that it came in, as outputs name
    /// theirs.
    pub fn fill(
        &mut self,
        record: Option<&impl SourceRecord>,
        reject: Reject,
        decoded: Option<&Decoded>,
        (origin, epoch): (Position, u32),
        now_ms: i64,
    ) {
        let attempt = record.map_or(0, |record| self.earlier_attempts(record)).saturating_add(1);
        let source_timestamp_ms = record.map_or(-1, SourceRecord::timestamp_ms);
        self.attempt = attempt;
        self.text.clear();
        for (suffix, end) in SUFFIXES.iter().zip(&mut self.ends) {
            let text = &mut self.text;
            // Writing to a string cannot fail.
            let _ = match *suffix {
                "reason" => write!(text, "{}", reject.reason()),
                "stage" => write!(text, "{}", reject.stage().name()),
                "message" => write_message(text, reject, &self.features),
                "topic" => write!(text, "{}", self.topic),
                "partition" => write!(text, "{}", origin.partition),
                "offset" => write!(text, "{}", origin.offset),
                "schema_id" => match decoded {
                    Some(decoded) => write!(text, "{}", decoded.schema),
                    None => record.map_or(Ok(()), |record| write_schema(text, record)),
                },
                "model_version" => write!(text, "{}", self.model_version),
                "attempt" => write!(text, "{attempt}"),
                "timestamp" => write!(text, "{now_ms}"),
                "node" => write!(text, "{}", self.place.node),
                "lane" => write!(text, "{}", self.place.lane),
                "epoch" => write!(text, "{epoch}"),
                // The dead letter's own is another where the broker would not take this one.
                _ if source_timestamp_ms < 0 => Ok(()),
                _ => write!(text, "{source_timestamp_ms}"),
            };
            *end = self.text.len();
        }
    }

    /// Replaces `out` by `topic-partition-offset`: where the record is found.
    pub fn write_position(&self, at: Position, out: &mut Vec<u8>) {
        out.clear();
        // Writing to memory cannot fail.
        let _ = write!(out, "{}-{}-{}", self.topic, at.partition, at.offset);
    }

    /// The record that the headers were prepared for, for people. Once in a while.
    pub fn example(&self) -> RejectExample {
        let place = |suffix: &str| SUFFIXES.iter().position(|known| *known == suffix);
        let text = |suffix| place(suffix).map_or("", |index| self.written(index));
        RejectExample {
            at: format!("{}-{}-{}", text("topic"), text("partition"), text("offset")),
            schema: text("schema_id").to_owned(),
            message: text("message").to_owned(),
        }
    }

    /// How often the record of the headers prepared last has failed, this time included.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// By the header of a letter that somebody sent to the input again, or by that of a redrive: the higher one.
    fn earlier_attempts(&self, record: &impl SourceRecord) -> u32 {
        // A letter about a record says it in its own style, whichever dead letters have.
        let names = [self.names[ATTEMPT].to_str().unwrap_or_default(), REDRIVEN, letter::ATTEMPT];
        let said = names.map(|name| {
            let text = record.header(name).and_then(|value| std::str::from_utf8(value).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        });
        said.into_iter().max().unwrap_or(0)
    }

    /// The headers prepared last, of a letter that holds so much of its record.
    pub fn list(&self, holds: Holds) -> [(&CStr, &[u8]); FIELDS] {
        std::array::from_fn(|index| {
            let value = if index < WRITTEN { self.written(index) } else { holds.word() };
            (self.names[index].as_c_str(), value.as_bytes())
        })
    }

    fn written(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..self.ends[index]).unwrap_or_default()
    }

    /// The same, up to an offset that is written as `last`.
    pub(super) fn list_up_to<'a>(&'a self, last: &'a [u8]) -> [(&'a CStr, &'a [u8]); FIELDS + 1] {
        let headers = self.list(Holds::Stub);
        std::array::from_fn(|at| headers.get(at).copied().unwrap_or((self.last_offset.as_c_str(), last)))
    }
}

fn write_message(text: &mut String, reject: Reject, features: &[String]) -> std::fmt::Result {
    match reject.feature() {
        Some(index) => match features.get(usize::from(index)) {
            Some(name) => write!(text, "{} in feature {name}", reject.reason()),
            None => write!(text, "{} in feature number {index}", reject.reason()),
        },
        None => write!(text, "{} at {}", reject.reason(), reject.stage().name()),
    }
}

/// What the record says of its schema, when decoding did not get further.
fn write_schema(text: &mut String, record: &impl SourceRecord) -> std::fmt::Result {
    let value = record.value().unwrap_or_default();
    match detect(record.header(SCHEMA_ID_HEADER), value, WireForms::default()) {
        Ok((key, _)) => write!(text, "{key}"),
        Err(_) => Ok(()),
    }
}
