//! What a dead letter says of itself, whoever wrote it: scorewire in one of its three styles, a sink of Kafka Connect, or an
//! application of Kafka Streams (KIP-1034). Headers alone are read.

use crate::doors::SourceRecord;
use crate::values::letters::{CONNECT_PREFIX, Holds, REDRIVEN, RETRY_PREFIX, SCOREWIRE_PREFIX, STREAMS_PREFIX};
use crate::values::record::Position;

/// The reason of a record whose headers are none of a dead letter.
pub const UNKNOWN: &str = "unknown";

/// Whose names the headers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Scorewire,
    Connect,
    Streams,
}

impl Style {
    const ALL: [Style; 3] = [Style::Scorewire, Style::Connect, Style::Streams];

    pub fn name(self) -> &'static str {
        match self {
            Style::Scorewire => "scorewire",
            Style::Connect => "connect",
            Style::Streams => "streams",
        }
    }

    pub fn prefix(self) -> &'static str {
        match self {
            Style::Scorewire => SCOREWIRE_PREFIX,
            Style::Connect => CONNECT_PREFIX,
            Style::Streams => STREAMS_PREFIX,
        }
    }

    /// The word that the others have for this end of a name.
    fn suffix(self, name: &str) -> &str {
        match (self, name) {
            (Style::Connect, "exception.class.name") | (Style::Streams, "exception") => "reason",
            (Style::Connect, "exception.message") => "message",
            _ => name,
        }
    }
}

/// Whether a header says why a record is a letter, when it was to be scored again, or how often it was brought back.
pub fn is_of_letters(name: &[u8]) -> bool {
    name == REDRIVEN.as_bytes()
        || name.starts_with(RETRY_PREFIX.as_bytes())
        || Style::ALL.iter().any(|style| name.starts_with(style.prefix().as_bytes()))
}

/// Where the record of a letter stood; or several, where an operator passed over more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub topic: String,
    /// The first of them.
    pub at: Position,
    /// The offset of the last one, which is the first one's for a letter of one record.
    pub last: i64,
}

impl Source {
    pub fn is_range(&self) -> bool {
        self.last > self.at.offset
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// In the topic of letters.
    pub at: Position,
    /// The letter's own timestamp, milliseconds since the epoch; negative without one.
    pub timestamp_ms: i64,
    /// `None` where its headers are none of a dead letter.
    pub style: Option<Style>,
    pub reason: String,
    pub stage: Option<String>,
    pub message: Option<String>,
    pub source: Option<Source>,
    /// The source's timestamp, milliseconds, where the letter says one.
    pub source_ms: Option<i64>,
    /// When it was rejected, milliseconds, where the letter says so.
    pub rejected_ms: Option<i64>,
    pub schema_id: Option<String>,
    pub model_version: Option<String>,
    /// How often the record has failed, this time included; at least 1.
    pub attempt: u32,
    /// `None` where nobody can tell: letters of scorewire before they said so.
    pub holds: Option<Holds>,
}

/// What the headers of a letter say, by the words of [`Style::Scorewire`]: of several with one name the last one, which is the
/// latest.
#[derive(Default)]
struct Said {
    style: Option<Style>,
    /// Style, suffix, value.
    all: Vec<(Style, String, String)>,
    redriven: Option<u32>,
}

impl Said {
    fn of(record: &impl SourceRecord) -> Said {
        let mut said = Said::default();
        record.each_header(&mut |name, value| {
            let value = String::from_utf8_lossy(value.unwrap_or_default());
            if name == REDRIVEN {
                said.redriven = value.parse().ok();
            }
            let of = Style::ALL.iter().find_map(|style| Some((*style, name.strip_prefix(style.prefix())?)));
            if let Some((style, suffix)) = of {
                // Who rejected it last has put its headers behind those that came with the record.
                said.style = Some(style);
                said.all.push((style, style.suffix(suffix).to_owned(), value.into_owned()));
            }
        });
        said
    }

    /// Empty means nothing.
    fn text(&self, suffix: &str) -> Option<&str> {
        let of = |(style, name, _): &&(Style, String, String)| Some(*style) == self.style && name == suffix;
        self.all.iter().rev().find(of).map(|(.., value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, suffix: &str) -> Option<T> {
        self.text(suffix)?.parse().ok()
    }

    fn owned(&self, suffix: &str) -> Option<String> {
        self.text(suffix).map(str::to_owned)
    }

    fn source(&self) -> Option<Source> {
        let at = Position { partition: self.number("partition")?, offset: self.number("offset")? };
        let topic = self.owned("topic")?;
        let last = self.number("last_offset").filter(|last| *last > at.offset && *last < i64::MAX);
        (at.partition >= 0 && at.offset >= 0).then_some(Source { topic, at, last: last.unwrap_or(at.offset) })
    }

    /// Kafka Connect and Kafka Streams write the record as it came. Ours say what they hold; those that do not are of before, and
    /// may hold anything.
    fn holds(&self) -> Option<Holds> {
        if let Some(word) = self.text("payload") {
            return Holds::ALL.into_iter().find(|holds| holds.word() == word);
        }
        let is_ours = self.style? == Style::Scorewire || self.text("epoch").is_some() || self.text("attempt").is_some();
        (!is_ours).then_some(Holds::Whole)
    }

    /// Foreign letters have no count of their own, and what a redrive has put on their record came with it.
    fn attempt(&self) -> u32 {
        let own = self.number("attempt").unwrap_or(1);
        own.max(self.redriven.unwrap_or(0).saturating_add(1))
    }
}

impl Letter {
    pub fn read(record: &impl SourceRecord) -> Letter {
        let said = Said::of(record);
        Letter {
            at: record.position(),
            timestamp_ms: record.timestamp_ms(),
            style: said.style,
            reason: match said.style {
                Some(_) => said.owned("reason").unwrap_or_else(|| UNKNOWN.to_owned()),
                None => UNKNOWN.to_owned(),
            },
            stage: said.owned("stage"),
            message: said.owned("message"),
            source: said.source(),
            source_ms: said.number("source_timestamp"),
            rejected_ms: said.number("timestamp"),
            schema_id: said.owned("schema_id"),
            model_version: said.owned("model_version"),
            attempt: said.attempt(),
            holds: said.holds(),
        }
    }

    /// When it was rejected; by the record's own timestamp where it does not say so. Milliseconds since the epoch.
    pub fn time_ms(&self) -> i64 {
        self.rejected_ms.unwrap_or(self.timestamp_ms)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A record of headers alone.
    pub struct Headers(pub Vec<(String, Option<Vec<u8>>)>);

    impl SourceRecord for Headers {
        fn position(&self) -> Position {
            Position { partition: 2, offset: 17 }
        }

        fn timestamp_ms(&self) -> i64 {
            1_000
        }

        fn key(&self) -> Option<&[u8]> {
            None
        }

        fn value(&self) -> Option<&[u8]> {
            None
        }

        fn header(&self, name: &str) -> Option<&[u8]> {
            self.0.iter().rfind(|(known, _)| known == name)?.1.as_deref()
        }

        fn each_header(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
            self.0.iter().for_each(|(name, value)| visit(name, value.as_deref()));
        }
    }

    /// The letter with these headers.
    pub fn letter(headers: &[(&str, &str)]) -> Letter {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), Some(value.as_bytes().to_vec()));
        Letter::read(&Headers(headers.iter().map(of).collect()))
    }

    fn source(topic: &str, partition: i32, offset: i64) -> Option<Source> {
        Some(Source { topic: topic.to_owned(), at: Position { partition, offset }, last: offset })
    }

    /// As `DeadLetterHeaders` writes them, in this style's words.
    fn ours(style: Style) -> Vec<(String, Option<Vec<u8>>)> {
        let words = match style {
            Style::Scorewire => ["reason", "message"],
            Style::Connect => ["exception.class.name", "exception.message"],
            Style::Streams => ["exception", "message"],
        };
        let pairs = [
            (words[0], "missing_feature"),
            ("stage", "decode"),
            (words[1], "missing_feature in feature amount"),
            ("topic", "in"),
            ("partition", "1"),
            ("offset", "41"),
            ("schema_id", "17"),
            ("model_version", "1.4.0"),
            ("attempt", "2"),
            ("timestamp", "5000"),
            ("node", "n"),
            ("lane", "0"),
            ("epoch", "1"),
            ("source_timestamp", "4000"),
            ("payload", "no_value"),
        ];
        let of = |(name, value): (&str, &str)| (format!("{}{name}", style.prefix()), Some(value.as_bytes().to_vec()));
        pairs.map(of).to_vec()
    }

    #[test]
    fn scorewire_s_letters_are_read_in_each_of_its_styles() {
        for style in Style::ALL {
            let read = Letter::read(&Headers(ours(style)));
            assert_eq!((read.style, read.reason.as_str()), (Some(style), "missing_feature"));
            assert_eq!((read.stage.as_deref(), read.time_ms(), read.source_ms), (Some("decode"), 5_000, Some(4_000)));
            assert_eq!(read.message.as_deref(), Some("missing_feature in feature amount"));
            assert_eq!((&read.source, read.attempt), (&source("in", 1, 41), 2));
            assert_eq!((read.schema_id.as_deref(), read.model_version.as_deref()), (Some("17"), Some("1.4.0")));
            assert_eq!(read.holds, Some(Holds::NoValue));
            // Written before letters said what they hold.
            let older: Vec<_> = ours(style).into_iter().filter(|(name, _)| !name.ends_with("payload")).collect();
            assert_eq!(Letter::read(&Headers(older)).holds, None);
        }
    }

    #[test]
    fn kafka_connect_s_own_letters_are_whole() {
        let read = letter(&[
            ("__connect.errors.topic", "payments"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "99"),
            ("__connect.errors.connector.name", "sink"),
            ("__connect.errors.task.id", "0"),
            ("__connect.errors.stage", "VALUE_CONVERTER"),
            ("__connect.errors.class.name", "io.confluent.connect.avro.AvroConverter"),
            ("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
            ("__connect.errors.exception.message", "Failed to deserialize"),
            ("__connect.errors.exception.stacktrace", "at ..."),
        ]);
        assert_eq!(read.reason, "org.apache.kafka.connect.errors.DataException");
        assert_eq!(
            (read.stage.as_deref(), read.message.as_deref()),
            (Some("VALUE_CONVERTER"), Some("Failed to deserialize"))
        );
        assert_eq!((read.source, read.holds, read.attempt), (source("payments", 3, 99), Some(Holds::Whole), 1));
        assert_eq!((read.source_ms, read.rejected_ms), (None, None));
    }

    #[test]
    fn kafka_streams_own_letters_are_whole() {
        let read = letter(&[
            ("__streams.errors.exception", "java.lang.ArithmeticException"),
            ("__streams.errors.message", "by zero"),
            ("__streams.errors.stacktrace", "at ..."),
            ("__streams.errors.topic", "orders"),
            ("__streams.errors.partition", "0"),
            ("__streams.errors.offset", "7"),
        ]);
        assert_eq!((read.reason.as_str(), read.message.as_deref()), ("java.lang.ArithmeticException", Some("by zero")));
        assert_eq!((read.source, read.holds, read.attempt), (source("orders", 0, 7), Some(Holds::Whole), 1));
    }

    #[test]
    fn the_headers_that_came_last_count() {
        // What Connect gave up was read from its topic and rejected here, with its headers on it.
        let mut both = vec![("__connect.errors.topic".to_owned(), Some(b"first".to_vec()))];
        both.extend(ours(Style::Scorewire));
        assert_eq!(Letter::read(&Headers(both)).source, source("in", 1, 41));
        let mut twice = ours(Style::Connect);
        twice.push(("__connect.errors.offset".to_owned(), Some(b"42".to_vec())));
        assert_eq!(Letter::read(&Headers(twice)).source, source("in", 1, 42));
    }

    #[test]
    fn a_letter_of_several_offsets_says_the_last_one() {
        let last = |text: &str| {
            let mut headers = ours(Style::Streams);
            headers.push(("__streams.errors.last_offset".to_owned(), Some(text.as_bytes().to_vec())));
            let source = Letter::read(&Headers(headers)).source.expect("it says where");
            (source.last, source.is_range())
        };
        assert_eq!([last("50"), last("41"), last("40"), last("")], [(50, true), (41, false), (41, false), (41, false)]);
    }

    #[test]
    fn a_record_that_was_brought_back_before_counts_on_in_foreign_letters_too() {
        let of = |redriven: &str| letter(&[(REDRIVEN, redriven), ("__connect.errors.topic", "t")]).attempt;
        assert_eq!((of("1"), of("4294967295"), of("x"), of("")), (2, u32::MAX, 1, 1));
        let own = letter(&[(REDRIVEN, "1"), ("__scorewire.errors.attempt", "5")]);
        assert_eq!(own.attempt, 5);
    }

    #[test]
    fn what_is_no_letter_is_unknown_and_has_no_source() {
        for headers in [&[][..], &[("traceparent", "00-ab")], &[(REDRIVEN, "2")]] {
            let read = letter(headers);
            assert_eq!((read.style, read.reason.as_str(), &read.source, read.holds), (None, UNKNOWN, &None, None));
            assert_eq!(read.time_ms(), 1_000);
        }
        let broken = letter(&[("__scorewire.errors.topic", "t"), ("__scorewire.errors.offset", "-1")]);
        assert_eq!((broken.reason.as_str(), broken.source), (UNKNOWN, None));
    }

    #[test]
    fn headers_of_letters_are_told_from_the_source_s() {
        for name in [
            "__scorewire.errors.reason",
            "__connect.errors.x",
            "__streams.errors.topic",
            "__scorewire.retry.not_before",
            REDRIVEN,
        ] {
            assert!(is_of_letters(name.as_bytes()), "{name}");
        }
        for name in ["traceparent", "__scorewire.outcome", "errors.reason"] {
            assert!(!is_of_letters(name.as_bytes()), "{name}");
        }
    }
}
