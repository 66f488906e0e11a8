//! One JSON object for each record.

use std::fmt::Write as _;

use super::input::{Position, Within};
use crate::avro::feature::Feature;
use crate::error::Reject;
use crate::node::{Fate, Outcome};
use crate::values::fingerprint::Fingerprinter;
use crate::values::record::{Decoded, TransactionId};

/// Writes lines whose features have these names.
pub struct Lines {
    names: Vec<String>,
    /// The same as JSON has them.
    keys: Vec<String>,
    /// Where outputs carry fingerprints.
    fingerprinter: Option<Fingerprinter>,
}

impl Lines {
    pub fn new(features: &[Feature], fingerprinter: Option<Fingerprinter>) -> Lines {
        let names: Vec<String> = features.iter().map(|feature| feature.name.clone()).collect();
        Lines { keys: names.iter().map(|name| quoted(name)).collect(), names, fingerprinter }
    }

    /// Appends the line of a record of these bytes, whose features are `row` where it is scored.
    pub fn write(&self, out: &mut String, position: Position, (outcome, value): (&Outcome, &[u8]), row: &[f32]) {
        let (name, place) = match position.within {
            Within::Block(byte) => ("block_byte", byte),
            Within::Line(line) => ("line", line),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{{\"record\":{},\"{name}\":{place}", position.record);
        if let Some(decoded) = &outcome.decoded {
            about(out, decoded, value);
        }
        match &outcome.fate {
            Fate::Scored { score, decision, .. } => {
                out.push_str(",\"features\":{");
                for (index, (key, number)) in self.keys.iter().zip(row).enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{key}:");
                    // What is missing is NaN to the model; JSON has no such number.
                    if number.is_finite() {
                        let _ = write!(out, "{number:?}");
                    } else {
                        out.push_str("null");
                    }
                }
                let _ = write!(out, "}},\"score\":{score:?},\"decision\":\"{}\"", decision.name());
                if let Some(maker) = &self.fingerprinter {
                    let _ = write!(out, ",\"fingerprint\":\"{}\"", maker.of(row));
                }
            }
            Fate::Rejected { reject, place } => {
                let _ = write!(out, ",\"reject\":{{\"reason\":\"{}\"", reject.reason());
                if let Some(feature) = self.feature(*reject) {
                    let _ = write!(out, ",\"feature\":{}", quoted(feature));
                }
                if let Some(place) = place {
                    if let Some(field) = &place.field {
                        let _ = write!(out, ",\"field\":{}", quoted(field));
                    }
                    let _ = write!(out, ",\"byte\":{}", place.byte);
                }
                let _ = write!(out, ",\"meaning\":{}}}", quoted(meaning(*reject)));
            }
            Fate::Waits(why) => {
                let (why, fix) = why.split_once("\n  fix: ").map_or((&**why, None), |(why, fix)| (why, Some(fix)));
                let _ = write!(out, ",\"waits\":{}", quoted(why));
                if let Some(fix) = fix {
                    let _ = write!(out, ",\"fix\":{}", quoted(fix));
                }
            }
        }
        out.push_str("}\n");
    }

    fn feature(&self, reject: Reject) -> Option<&str> {
        self.names.get(usize::from(reject.feature()?)).map(String::as_str)
    }
}

/// As the log has it, but for what it says of places that a process without Kafka does not have.
fn meaning(reject: Reject) -> &'static str {
    match reject {
        Reject::IncompatibleSchema => "this schema does not fit the model's: the warning about it on stderr says why",
        other => other.meaning(),
    }
}

/// Who the transaction is and when it was.
fn about(out: &mut String, decoded: &Decoded, value: &[u8]) {
    match decoded.id {
        TransactionId::Absent => {}
        TransactionId::Long(id) => {
            let _ = write!(out, ",\"id\":{id}");
        }
        TransactionId::Text { start, len } => {
            let (start, len) = (start as usize, len as usize);
            let text = value.get(start..start + len).unwrap_or_default();
            let _ = write!(out, ",\"id\":{}", quoted(&String::from_utf8_lossy(text)));
        }
    }
    if let Some(ms) = decoded.event_time_ms {
        let _ = write!(out, ",\"event_time_ms\":{ms}");
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
