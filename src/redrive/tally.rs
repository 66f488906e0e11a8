//! What becomes of letters in a replay, by the rules that need no Kafka, and how many there are of each fate.

use serde_json::{Map, Value};

use super::filters::Filters;
use super::letter::Letter;
use crate::values::letters::Holds;

/// What becomes of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// The fate of one that is to be. `original_ms`: the timestamp of the record that stands at its source's position, if one does. A
/// topic that was made anew has other records there.
pub fn bring(letter: &Letter, original_ms: Option<i64>) -> Fate {
    match original_ms {
        Some(ms) if letter.source_ms.is_none_or(|said| said == ms) => Fate::FromSource,
        _ if letter.holds == Some(Holds::Whole) => Fate::FromLetter,
        _ => Fate::NotWhole,
    }
}

/// Letters by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Fate::ALL.len()]);

impl Tally {
    pub fn add(&mut self, fate: Fate) {
        self.0[fate as usize] += 1;
    }

    pub fn of(&self, fate: Fate) -> u64 {
        self.0[fate as usize]
    }

    pub fn replayed(&self) -> u64 {
        self.of(Fate::FromSource) + self.of(Fate::FromLetter)
    }

    /// Letters whose record stands at its place no more.
    pub fn gone(&self) -> u64 {
        self.of(Fate::FromLetter) + self.of(Fate::NotWhole)
    }

    pub fn failures(&self) -> u64 {
        Fate::ALL.into_iter().filter(|fate| fate.is_failure()).map(|fate| self.of(fate)).sum()
    }

    pub fn letters(&self) -> u64 {
        self.0.iter().sum()
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
            assert_eq!(bring(&read("in", "1", payload), original_ms), fate, "{payload} {original_ms:?}");
        }
        let foreign = letter(&[("__connect.errors.topic", "t")]);
        assert_eq!((bring(&foreign, Some(1)), bring(&foreign, None)), (Fate::FromSource, Fate::FromLetter));
    }

    #[test]
    fn every_letter_is_counted_once() {
        let mut tally = Tally::default();
        for (times, fate) in (1..).zip(Fate::ALL) {
            (0..times).for_each(|_| tally.add(fate));
        }
        assert_eq!((tally.letters(), tally.replayed(), tally.gone(), tally.failures()), (28, 3, 5, 18));
        let json = tally.json();
        assert_eq!((&json["letters"], &json["from_source"], &json["not_matched"]), (&28.into(), &1.into(), &7.into()));
    }
}
