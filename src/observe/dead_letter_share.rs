//! The share of dead letters over the last minute, of all lanes together, and the alarm above a level.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::cells::held;
use super::stats::LaneStats;
use crate::error::Reject;

/// What the share is taken over.
pub const WINDOW_SECONDS: u64 = 60;

/// Fewer records than that within the window say nothing.
pub const RECORDS_MIN: u64 = 100;

/// What readers see of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Records that were finished within the window, and those of them that became dead letters.
    pub records: u64,
    pub dead_letters: u64,
    /// Set as long as the share is above its level.
    pub alarm: Option<String>,
}

/// Where whoever counts leaves the share for readers.
pub type SharedShare = Arc<Mutex<Share>>;

/// Counts of all lanes since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub scored: u64,
    pub rejected: [u64; Reject::REASONS],
}

impl Totals {
    pub fn of(lanes: &[Arc<LaneStats>]) -> Totals {
        let mut totals = Totals::default();
        for lane in lanes {
            totals.scored += lane.scored.get();
            totals.rejected.iter_mut().zip(&lane.rejected).for_each(|(total, count)| *total += count.get());
        }
        totals
    }

    pub fn dead_letters(&self) -> u64 {
        self.rejected.iter().sum()
    }

    fn since(&self, before: &Totals) -> Totals {
        let mut grown = Totals { scored: self.scored.saturating_sub(before.scored), ..*self };
        grown.rejected.iter_mut().zip(before.rejected).for_each(|(now, before)| *now = now.saturating_sub(before));
        grown
    }

    /// The reasons that occurred, most frequent first: `unknown_schema 300, truncated 12`.
    pub fn reasons(&self) -> String {
        let mut counts: Vec<(u64, &str)> =
            Reject::ALL.iter().map(|reject| (self.rejected[reject.index()], reject.reason())).collect();
        counts.retain(|(count, _)| *count > 0);
        counts.sort_by(|a, b| b.cmp(a));
        let mut text = String::new();
        for (count, reason) in counts {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{reason} {count}", if text.is_empty() { "" } else { ", " });
        }
        text
    }
}

/// Keeps the window, a look a second.
#[derive(Debug)]
pub struct ShareWatch {
    /// Above that the alarm is on, in millionths; a million or more: never.
    level_per_million: u64,
    looks: VecDeque<Totals>,
    shown: SharedShare,
}

/// What the log is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Began(String),
    Ended(String),
}

impl ShareWatch {
    pub fn new(level_per_million: u64, shown: SharedShare) -> ShareWatch {
        // Nothing was finished before the start.
        ShareWatch { level_per_million, looks: VecDeque::from([Totals::default()]), shown }
    }

    /// Called about once a second. Says so when the alarm begins or ends.
    pub fn look(&mut self, now: Totals) -> Option<Change> {
        while self.looks.len() as u64 > WINDOW_SECONDS {
            self.looks.pop_front();
        }
        let within = now.since(self.looks.front().unwrap_or(&Totals::default()));
        self.looks.push_back(now);
        let dead_letters = within.dead_letters();
        let records = within.scored + dead_letters;
        let is_above = records >= RECORDS_MIN
            && u128::from(dead_letters) * 1_000_000 > u128::from(records) * u128::from(self.level_per_million);
        let percent = if records == 0 { 0.0 } else { dead_letters as f64 * 100.0 / records as f64 };
        let level = self.level_per_million;
        let limit = level as f64 / 10_000.0;
        let words = format!(
            "{percent:.1} % of the last {WINDOW_SECONDS} s' records are dead letters ({dead_letters} of {records}; \
             dead_letters.alarm_share_per_million = {level} is {limit} %)"
        );
        let mut shown = held(&self.shown);
        let was_above = shown.alarm.is_some();
        let alarm = is_above.then(|| format!("{words}: {}", within.reasons()));
        *shown = Share { records, dead_letters, alarm: alarm.clone() };
        match (was_above, alarm) {
            (false, Some(alarm)) => Some(Change::Began(alarm)),
            (true, None) => Some(Change::Ended(words)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(scored: u64, unknown: u64, truncated: u64) -> Totals {
        let mut totals = Totals { scored, ..Totals::default() };
        totals.rejected[Reject::UnknownSchema.index()] = unknown;
        totals.rejected[Reject::Truncated.index()] = truncated;
        totals
    }

    #[test]
    fn an_alarm_begins_above_the_level_and_ends_when_the_window_has_passed() {
        let shown = SharedShare::default();
        let mut watch = ShareWatch::new(50_000, Arc::clone(&shown));
        assert_eq!(watch.look(totals(0, 99, 0)), None, "too few to say anything");
        assert_eq!(watch.look(totals(1_900, 100, 0)), None, "five percent are not above five percent");
        let Some(Change::Began(alarm)) = watch.look(totals(1_900, 101, 3)) else { panic!("an alarm") };
        assert!(alarm.contains("5.2 %") && alarm.contains("104 of 2004") && alarm.contains("is 5 %"), "{alarm}");
        assert!(alarm.ends_with("unknown_schema 101, truncated 3"), "{alarm}");
        assert_eq!(held(&shown).alarm.as_deref(), Some(alarm.as_str()));
        assert_eq!(watch.look(totals(1_900, 102, 3)), None, "told once");
        assert!(held(&shown).alarm.is_some());
        let ended: Vec<u64> = (1..=WINDOW_SECONDS)
            .filter(|second| matches!(watch.look(totals(1_900 + 100 * second, 102, 3)), Some(Change::Ended(_))))
            .collect();
        assert_eq!(ended.len(), 1, "once, and not begun again: {ended:?}");
        assert_eq!(held(&shown).alarm, None);
        (0..WINDOW_SECONDS).for_each(|_| drop(watch.look(totals(7_900, 102, 3))));
        let all = Share { records: 0, dead_letters: 0, alarm: None };
        assert_eq!(*held(&shown), all, "nothing came for as long as the window is");
    }

    #[test]
    fn a_level_of_all_is_never_exceeded() {
        let mut watch = ShareWatch::new(1_000_000, SharedShare::default());
        assert_eq!(watch.look(totals(0, 10_000, 0)), None);
    }
}
