//! How a node stands with the schema registry: what its threads publish, and the words for people.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::cells::{Counter, held};
use super::held_up::{lasted, one_line};

/// Written by the registry's client while it holds its own lock: one writer at a time.
#[derive(Debug, Default)]
pub struct RegistryStatus {
    /// Answers, a "not found" as well; and requests that brought none.
    pub answers: Counter,
    pub failures: Counter,
    /// Schemas fetched since start.
    pub fetched: Counter,
    /// Schemas that are there, in memory and on disk.
    pub schemas: Counter,
    /// Ids and GUIDs that are being asked for.
    pub pending: Counter,
    contact: Mutex<Contact>,
    /// How outputs and copies for review name their schema.
    outcomes: OnceLock<[String; 2]>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contact {
    /// Wall clock, milliseconds, since when there has been no answer.
    away_since_ms: Option<i64>,
    error: Option<String>,
}

impl RegistryStatus {
    /// Returns how long it was away, where it was.
    pub fn set_answered(&self, now_ms: i64) -> Option<String> {
        self.answers.add(1);
        let mut contact = held(&self.contact);
        let away = contact.away_since_ms.take();
        away.map(|since_ms| lasted(since_ms, now_ms))
    }

    /// Returns whether it answered before.
    pub fn set_away(&self, now_ms: i64, error: &str) -> bool {
        self.failures.add(1);
        let mut contact = held(&self.contact);
        contact.error = Some(one_line(error));
        let was_there = contact.away_since_ms.is_none();
        contact.away_since_ms.get_or_insert(now_ms);
        was_there
    }

    /// Said once, before lanes start.
    pub fn set_outcomes(&self, outputs_and_review: [String; 2]) {
        // Whoever says it again says the same.
        let _ = self.outcomes.set(outputs_and_review);
    }

    pub fn is_away(&self) -> bool {
        held(&self.contact).away_since_ms.is_some()
    }

    pub(super) fn away_for(&self, now_ms: i64) -> Duration {
        let since_ms = held(&self.contact).away_since_ms;
        let ms = since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    pub(super) fn alarm(&self, now_ms: i64) -> Option<String> {
        let contact = held(&self.contact).clone();
        let since_ms = contact.away_since_ms?;
        let error = contact.error.unwrap_or_default();
        let waits = match self.pending.get() {
            0 => "nothing waits for it".to_owned(),
            keys => format!("{keys} schemas are waited for"),
        };
        Some(format!(
            "the schema registry has given no answer for {}, and {waits}: {error}. Schemas that are known are used on",
            lasted(since_ms, now_ms)
        ))
    }

    pub(super) fn shown(&self, now_ms: i64) -> Value {
        let contact = held(&self.contact).clone();
        let [outputs, review] =
            self.outcomes.get().map_or([None, None], |[outputs, review]| [Some(outputs), Some(review)]);
        json!({
            "reachable": contact.away_since_ms.is_none(),
            "away_seconds": self.away_for(now_ms).as_secs_f64(),
            "last_error": contact.error,
            "answers": self.answers.get(),
            "failures": self.failures.get(),
            "schemas": self.schemas.get(),
            "schemas_fetched": self.fetched.get(),
            "schemas_pending": self.pending.get(),
            "outputs": outputs,
            "review": review,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_failure_to_the_next_answer() {
        let status = RegistryStatus::default();
        assert_eq!((status.set_answered(1_000), status.alarm(1_000)), (None, None));
        assert!(status.set_away(2_000, "r: refused\n  fix: look"));
        assert!(!status.set_away(9_000, "r: time-out"), "told once");
        status.pending.set(2);
        let alarm = status.alarm(62_000).unwrap();
        assert!(alarm.contains("1 min 0 s") && alarm.contains("2 schemas") && alarm.contains("r: time-out"), "{alarm}");
        assert_eq!(status.shown(62_000)["away_seconds"], 60.0);
        assert_eq!(status.set_answered(122_000).as_deref(), Some("2 min 0 s"));
        assert_eq!(status.shown(122_000)["last_error"], "r: time-out", "it stays to be read");
        assert_eq!(status.shown(122_000)["outputs"], Value::Null);
        status.set_outcomes(["id 41".to_owned(), "id 42".to_owned()]);
        assert_eq!((&status.shown(0)["outputs"], &status.shown(0)["review"]), (&"id 41".into(), &"id 42".into()));
    }
}
