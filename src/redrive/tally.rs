//! What becomes of letters' records in a replay, by the rules that need no Kafka, and how many there are of each fate.

use serde_json::{Map, Value};

use super::filters::Filters;
use super::letter::{Letter, Source};
use crate::doors::SourceRecord;
use crate::values::letters::{Holds, REDRIVEN};

/// What becomes of a letter's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The filters do not mean it.
    NotMatched,
    /// The record was taken where it stood.
    FromSource,
    /// The record is gone, and the letter's own bytes are the record's.
    FromLetter,
    /// The record is gone, and the letter does not hold it, or does not say so.
    NotWhole,
    /// It has failed too often.
    Guard,
    /// Its headers are none of a dead letter.
    Unknown,
    /// Its record is of another topic, and nobody has said that this one takes it.
    OtherTopic,
}

impl Fate {
    pub const ALL: [Fate; 7] = [
        Fate::FromSource,
        Fate::FromLetter,
        Fate::NotWhole,
        Fate::Guard,
        Fate::Unknown,
        Fate::OtherTopic,
        Fate::NotMatched,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fate::NotMatched => "not_matched",
            Fate::FromSource => "from_source",
            Fate::FromLetter => "from_letter",
            Fate::NotWhole => "not_whole",
            Fate::Guard => "refused_by_guard",
            Fate::Unknown => "unknown",
            Fate::OtherTopic => "other_topic",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Fate::NotMatched => "passed over: the filters do not mean them",
            Fate::FromSource => "brought back as they stand in the source",
            Fate::FromLetter => "brought back from the letter: the source is gone by retention",
            Fate::NotWhole => "not brought back: gone by retention, and the letter does not hold all of the record",
            Fate::Guard => "not brought back: they have failed --attempts-max times",
            Fate::Unknown => "not brought back: their headers are none of a dead letter",
            Fate::OtherTopic => "not brought back: they are of another topic, and --into does not say where they go",
        }
    }

    /// Whether it was meant, and is not brought back.
    pub fn is_failure(self) -> bool {
        matches!(self, Fate::NotWhole | Fate::Guard | Fate::Unknown | Fate::OtherTopic)
    }

    pub fn is_replayed(self) -> bool {
        matches!(self, Fate::FromSource | Fate::FromLetter)
    }
}

/// What may be brought back.
#[derive(Clone, Debug)]
pub struct Rules {
    pub filters: Filters,
    /// Records of this topic alone; of any where there is none.
    pub of_topic: Option<String>,
    pub attempts_max: u32,
}

impl Rules {
    /// The fate of a letter that is not to be brought back.
    pub fn refuse(&self, letter: &Letter) -> Option<Fate> {
        let of = letter.source.as_ref().map(|source| &source.topic);
        if !self.filters.match_headers(letter) {
            Some(Fate::NotMatched)
        } else if letter.style.is_none() {
            Some(Fate::Unknown)
        } else if self.of_topic.is_some() && of.is_some() && of != self.of_topic.as_ref() {
            Some(Fate::OtherTopic)
        } else if letter.attempt >= self.attempts_max {
            Some(Fate::Guard)
        } else {
            None
        }
    }

    /// The fate of a record that is to be brought back. `original`: what stands at its position, if something does. A topic that was
    /// made anew has other records there.
    pub fn bring(&self, letter: &Letter, original: Option<Original>) -> Fate {
        let is_range = letter.source.as_ref().is_some_and(Source::is_range);
        match original {
            Some(original) if letter.source_ms.is_none_or(|said| said == original.timestamp_ms) => {
                let has_failed = letter.attempt_with(Some(original)) >= self.attempts_max;
                if has_failed { Fate::Guard } else { Fate::FromSource }
            }
            // The bytes of a letter are those of one record.
            _ if letter.holds == Some(Holds::Whole) && !is_range => Fate::FromLetter,
            _ => Fate::NotWhole,
        }
    }
}

/// What is known of the record that stands where a letter's did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    pub timestamp_ms: i64,
    /// How often a replay had brought it back.
    pub redriven: u32,
}

impl Original {
    pub fn of(record: &impl SourceRecord) -> Original {
        let said = record.header(REDRIVEN).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        Original { timestamp_ms: record.timestamp_ms(), redriven: said.unwrap_or(0) }
    }
}

impl Letter {
    /// How often the record has failed: a letter of several offsets knows nothing of each, and the record says it itself.
    pub fn attempt_with(&self, original: Option<Original>) -> u32 {
        self.attempt.max(original.map_or(0, |original| original.redriven.saturating_add(1)))
    }
}

/// How many letters were finished, and records by what became of them. Of a letter that is not brought back, one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    letters: u64,
    records: [u64; Fate::ALL.len()],
}

impl Tally {
    pub fn add(&mut self, fate: Fate, records: u64) {
        self.records[fate as usize] += records;
    }

    pub fn finish_letters(&mut self, letters: u64) {
        self.letters += letters;
    }

    pub fn of(&self, fate: Fate) -> u64 {
        self.records[fate as usize]
    }

    pub fn replayed(&self) -> u64 {
        self.of(Fate::FromSource) + self.of(Fate::FromLetter)
    }

    /// Records that stand at their place no more.
    pub fn gone(&self) -> u64 {
        self.of(Fate::FromLetter) + self.of(Fate::NotWhole)
    }

    pub fn failures(&self) -> u64 {
        Fate::ALL.into_iter().filter(|fate| fate.is_failure()).map(|fate| self.of(fate)).sum()
    }

    pub fn letters(&self) -> u64 {
        self.letters
    }

    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("letters".to_owned(), self.letters().into());
        map.insert("replayed".to_owned(), self.replayed().into());
        map.insert("gone_by_retention".to_owned(), self.gone().into());
        map.extend(Fate::ALL.map(|fate| (fate.name().to_owned(), self.of(fate).into())));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::letter;
    use super::*;

    fn rules() -> Rules {
        Rules { filters: Filters::all(), of_topic: Some("in".into()), attempts_max: 3 }
    }

    fn read(topic: &str, attempt: &str, payload: &str) -> Letter {
        letter(&[
            ("__scorewire.errors.reason", "truncated"),
            ("__scorewire.errors.topic", topic),
            ("__scorewire.errors.partition", "0"),
            ("__scorewire.errors.offset", "7"),
            ("__scorewire.errors.attempt", attempt),
            ("__scorewire.errors.source_timestamp", "500"),
            ("__scorewire.errors.payload", payload),
        ])
    }

    #[test]
    fn the_guard_stops_a_letter_at_its_attempts() {
        let fates = ["1", "2", "3", "4", "4294967295"].map(|attempt| rules().refuse(&read("in", attempt, "whole")));
        assert_eq!(fates, [None, None, Some(Fate::Guard), Some(Fate::Guard), Some(Fate::Guard)]);
        let none = Rules { attempts_max: 1, ..rules() };
        assert_eq!(none.refuse(&read("in", "1", "whole")), Some(Fate::Guard));
    }

    #[test]
    fn what_is_not_meant_or_not_known_is_left_alone() {
        assert_eq!(rules().refuse(&letter(&[("traceparent", "00")])), Some(Fate::Unknown));
        let filters = Filters { reasons: vec!["oversized".into()], ..Filters::all() };
        let asked = Rules { filters, ..rules() };
        assert_eq!(asked.refuse(&read("in", "9", "whole")), Some(Fate::NotMatched), "whatever else is wrong with it");
        assert_eq!(asked.refuse(&letter(&[])), Some(Fate::NotMatched));
        assert_eq!(rules().refuse(&read("other", "1", "whole")), Some(Fate::OtherTopic));
        assert_eq!(Rules { of_topic: None, ..rules() }.refuse(&read("other", "1", "whole")), None);
    }

    #[test]
    fn a_letter_stands_for_its_record_only_where_it_says_that_it_holds_it() {
        for (payload, original_ms, fate) in [
            ("whole", Some(500), Fate::FromSource),
            ("stub", Some(500), Fate::FromSource),
            ("whole", None, Fate::FromLetter),
            ("no_value", None, Fate::NotWhole),
            ("stub", None, Fate::NotWhole),
            ("", None, Fate::NotWhole),
            ("something", None, Fate::NotWhole),
            // The topic was made anew: another record stands there.
            ("whole", Some(501), Fate::FromLetter),
            ("no_value", Some(501), Fate::NotWhole),
        ] {
            let original = original_ms.map(|ms| stands(ms, 0));
            assert_eq!(rules().bring(&read("in", "1", payload), original), fate, "{payload} {original_ms:?}");
        }
        let foreign = letter(&[("__connect.errors.topic", "t")]);
        let fates = [Some(stands(1, 0)), None].map(|original| rules().bring(&foreign, original));
        assert_eq!(fates, [Fate::FromSource, Fate::FromLetter]);
    }

    fn stands(timestamp_ms: i64, redriven: u32) -> Original {
        Original { timestamp_ms, redriven }
    }

    #[test]
    fn a_letter_of_several_records_leaves_the_guard_to_each_and_never_stands_for_one() {
        let range = letter(&[
            ("__scorewire.errors.topic", "in"),
            ("__scorewire.errors.partition", "0"),
            ("__scorewire.errors.offset", "7"),
            ("__scorewire.errors.last_offset", "9"),
            ("__scorewire.errors.attempt", "1"),
            ("__scorewire.errors.payload", "whole"),
        ]);
        assert_eq!(rules().refuse(&range), None);
        for (original, fate) in [
            (Some(stands(5, 0)), Fate::FromSource),
            (Some(stands(5, 1)), Fate::FromSource),
            (Some(stands(5, 2)), Fate::Guard),
            (Some(stands(5, u32::MAX)), Fate::Guard),
            (None, Fate::NotWhole),
        ] {
            assert_eq!(rules().bring(&range, original), fate, "{original:?}");
        }
        assert_eq!([None, Some(stands(5, 0)), Some(stands(5, 4))].map(|of| range.attempt_with(of)), [1, 1, 5]);
    }

    #[test]
    fn every_letter_is_counted_once() {
        let mut tally = Tally::default();
        for (times, fate) in (1..).zip(Fate::ALL) {
            tally.add(fate, times);
            tally.finish_letters(1);
        }
        assert_eq!((tally.letters(), tally.replayed(), tally.gone(), tally.failures()), (7, 3, 5, 18));
        let json = tally.json();
        assert_eq!((&json["letters"], &json["from_source"], &json["not_matched"]), (&7.into(), &1.into(), &7.into()));
    }
}
