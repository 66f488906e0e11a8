//! How often processes of this node died with records in work, and which records are suspected: what `/status` and `/metrics`
//! tell of it, and the words for people.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::cells::{Counter, held};
use crate::values::crash::Suspect;

/// Suspects that an alarm names.
const NAMED_MAX: usize = 3;

/// Written at start, and when suspects are forgotten, by one writer at a time.
#[derive(Debug)]
pub struct CrashStatus {
    crashes_max: u32,
    /// Ever, over all processes of the node.
    pub crashes: Counter,
    suspects: Mutex<Vec<Suspect>>,
}

impl CrashStatus {
    pub fn new(crashes_max: u32, crashes: u64, suspects: Vec<Suspect>) -> CrashStatus {
        let counter = Counter::default();
        counter.set(crashes);
        CrashStatus { crashes_max, crashes: counter, suspects: Mutex::new(suspects) }
    }

    pub fn set(&self, suspects: Vec<Suspect>) {
        *held(&self.suspects) = suspects;
    }

    /// Ranges that are suspected.
    pub(super) fn count(&self) -> u64 {
        held(&self.suspects).len() as u64
    }

    /// Of partitions that this node `has`: what another one has is for that one to pass.
    pub(super) fn alarm(&self, topic: &str, has: impl Fn(i32) -> bool) -> Option<String> {
        let mut suspects = held(&self.suspects).clone();
        suspects.retain(|suspect| has(suspect.partition));
        let worst = suspects.first()?;
        let names: Vec<String> = suspects.iter().take(NAMED_MAX).map(|of| name(topic, of)).collect();
        let more = suspects.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!(
            "this node has died up to {} times at records that are suspected: {}{more}. At {} crashes \
             (limits.crashes_max) a record becomes a dead letter",
            worst.crashes,
            names.join(", "),
            self.crashes_max
        ))
    }

    pub(super) fn shown(&self) -> Value {
        let suspects = held(&self.suspects).clone();
        let suspect = |of: &Suspect| {
            json!({
                "partition": of.partition,
                "first_offset": of.first,
                "last_offset": of.end - 1,
                "crashes": of.crashes,
                "treated": of.standing(self.crashes_max).name(),
            })
        };
        json!({ "counted": self.crashes.get(), "suspects": suspects.iter().map(suspect).collect::<Vec<_>>() })
    }
}

fn name(topic: &str, of: &Suspect) -> String {
    let last = of.end - 1;
    if of.first == last {
        format!("{topic}-{} at {last}", of.partition)
    } else {
        format!("{topic}-{} at {} to {last}", of.partition, of.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_are_told_with_what_is_done_about_them() {
        let suspect = |partition, first, end, crashes, alone| Suspect { partition, first, end, crashes, alone };
        let status = CrashStatus::new(3, 5, Vec::new());
        assert_eq!((status.alarm("t", |_| true), status.count()), (None, 0));
        status.set(vec![suspect(0, 7, 8, 3, true), suspect(1, 4, 9, 2, false), suspect(2, 0, 9, 1, false)]);
        assert_eq!(status.alarm("t", |_| false), None, "they are another node's by now");
        let alarm = status.alarm("t", |_| true).unwrap();
        assert!(
            alarm.contains("up to 3 times") && alarm.contains("t-0 at 7, t-1 at 4 to 8, t-2 at 0 to 8."),
            "{alarm}"
        );
        let shown = status.shown();
        assert_eq!(shown["counted"], 5);
        assert_eq!(
            (&shown["suspects"][0]["treated"], &shown["suspects"][1]["treated"]),
            (&"dead_letter".into(), &"scored_alone".into())
        );
        assert_eq!(
            (&shown["suspects"][2]["last_offset"], &shown["suspects"][2]["treated"]),
            (&8.into(), &"watched".into())
        );
    }
}
