//! A run's verdict in words, and what to do where it is bad.

use crate::load::report::figures::{count, records};
use crate::load::report::summary::Summary;

/// Reasons that say the record's schema was not found.
const SCHEMA_REASONS: [&str; 2] = ["unknown_schema", "unknown_wire_form"];

impl Summary {
    /// Whether all is well, in one word.
    pub fn mark(&self) -> &'static str {
        match (self.is_good(), self.verified) {
            (false, _) => "FAILED",
            (true, false) => "SENT",
            (true, true) => "OK",
        }
    }

    /// The verdict in a sentence or two.
    pub fn verdict(&self) -> String {
        let sent = records(self.sent);
        if !self.verified {
            return format!("{sent} sent; outcomes were not read back.");
        }
        if self.nobody_answered() {
            return self.no_outcome();
        }
        if self.does_not_fit() {
            return self.no_fit();
        }
        if self.puts_all_off() {
            return self.nothing_decided();
        }
        if self.kept_its_promises() {
            let kept =
                format!("Nothing lost, nothing doubled, nothing out of order: each of {sent} came back exactly once.");
            return if self.report_problems.is_empty() {
                kept
            } else {
                kept + " But a report is missing: see the note."
            };
        }
        let broken = self.promises().into_iter().filter(|(_, n)| *n > 0);
        let parts: Vec<String> = broken.map(|(what, n)| format!("{} {what}", count(n))).collect();
        let mut text = format!("PROMISES BROKEN: of {sent}, {}.", parts.join(", "));
        if !self.first_lost.is_empty() {
            let list: Vec<String> = self.first_lost.iter().map(u64::to_string).collect();
            text += &format!(" First lost: {}.", list.join(", "));
        }
        text
    }

    fn no_outcome(&self) -> String {
        let mut text = format!(
            "NO OUTCOME CAME BACK: of {} written to {}, none was answered. Is `scorewire run` running with this \
             configuration?",
            records(self.sent),
            self.topic("input")
        );
        for advice in &self.advice {
            text += &format!(" For this: {advice}.");
        }
        text
    }

    fn no_fit(&self) -> String {
        let reasons: Vec<String> = self.reasons().map(|(name, n)| format!("{name} {}", count(n))).collect();
        let help = if self.reasons().next().is_some_and(|(name, _)| SCHEMA_REASONS.contains(&name)) {
            "The scorer knows no schema for these records: put the writer's schema where its schemas.directory says, or \
             name the schema's id with --schema-id."
                .to_owned()
        } else {
            format!("The headers of each dead letter in {} say which field, and why.", self.topic("dead letters"))
        };
        let sent = records(self.sent);
        format!("EVERY RECORD BECAME A DEAD LETTER: the input does not fit. Of {sent}: {}. {help}", reasons.join(", "))
    }

    fn nothing_decided(&self) -> String {
        format!(
            "EVERY RECORD WAS PUT OFF: the model scored none. Nothing lost, nothing doubled: of {}, {} are letters in {}. \
             Their headers say why, and `scorewire retry` scores them again.",
            records(self.sent),
            count(self.put_off),
            self.topic("retry later")
        )
    }

    /// Reasons of the dead letters, the commonest first.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut reasons: Vec<(&str, u64)> = self.dead_letters.0.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        reasons.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        reasons.into_iter().filter(|(_, n)| *n > 0)
    }

    fn topic(&self, name: &str) -> &str {
        self.setup.get("topics").and_then(|topics| topics.get(name)).map_or("the input topic", String::as_str)
    }
}
