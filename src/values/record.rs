//! The values that travel. Small, `Copy` where possible, and free of heap data on the record's way.

use std::fmt;

use crate::error::Reject;
use crate::values::fingerprint::Fingerprint;

/// Where a record stands in the input topic. With the topic's name it is the documented idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub partition: i32,
    pub offset: i64,
}

/// When the source handed a record to the lane. Counts as its receipt from then on, however long it waits: in the
/// inbox, or parked behind a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Monotonic clock, nanoseconds.
    pub ns: u64,
    /// Wall clock, microseconds since the epoch.
    pub us: i64,
}

/// Which schema a payload says it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaKey {
    /// `00` + four bytes, big endian: the registry's id. In the header `__value_schema_id` or before the value.
    Id(u32),
    /// `C3 01` + eight bytes, little endian: the CRC-64-AVRO fingerprint of single-object encoding.
    Fingerprint(u64),
    /// `01` + sixteen bytes, in the same places.
    Guid([u8; 16]),
    /// A bare datum; the configuration names its schema.
    Raw,
}

impl fmt::Display for SchemaKey {
    /// A registry id as its number, a fingerprint as sixteen hex digits, a GUID in its usual form, raw as nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaKey::Id(id) => write!(f, "{id}"),
            SchemaKey::Fingerprint(fingerprint) => write!(f, "{fingerprint:016x}"),
            SchemaKey::Guid(bytes) => {
                let hex = u128::from_be_bytes(*bytes);
                let group = |shift: u32, digits: u32| (hex >> shift) & ((1 << (digits * 4)) - 1);
                let (a, b, c, d, e) = (group(96, 8), group(80, 4), group(64, 4), group(48, 4), group(0, 12));
                write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
            }
            SchemaKey::Raw => Ok(()),
        }
    }
}

/// A part of a record that a header may describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Described {
    Key,
    Value,
}

/// Headers by which clients read a key or a value: beside another one they make readers decode that with the wrong schema.
/// Names count without regard to case.
const DESCRIBING: [(&str, Described); 16] = [
    // Confluent's serializers that keep the schema's id out of the bytes.
    ("__value_schema_id", Described::Value),
    ("__key_schema_id", Described::Key),
    // Cloudera's (Hortonworks') registry, with the id in a header.
    ("value.schema.version.id", Described::Value),
    ("key.schema.version.id", Described::Key),
    // Media types and what was done to the bytes: Azure's registry (`avro/binary+ID`), CloudEvents, bridges from HTTP;
    // Spring Cloud Stream's spelling.
    ("content-type", Described::Value),
    ("contentType", Described::Value),
    ("content-encoding", Described::Value),
    // CloudEvents in binary mode: that the value is the data of an event, of which type and by which schema. Its other
    // attributes (`ce_id`, `ce_source`, ...) say where it came from, as they do for an outcome.
    ("ce_specversion", Described::Value),
    ("ce_type", Described::Value),
    ("ce_dataschema", Described::Value),
    ("ce_datacontenttype", Described::Value),
    // Spring Kafka: the class, and the deserializer.
    ("__TypeId__", Described::Value),
    ("__ContentTypeId__", Described::Value),
    ("__KeyTypeId__", Described::Key),
    ("spring.kafka.serialization.selector", Described::Value),
    ("spring.kafka.key.serialization.selector", Described::Key),
];

/// Apicurio's registry with ids in headers: `globalId`, `contentId`, `encoding` and others.
const DESCRIBING_PREFIXES: [(&str, Described); 2] =
    [("apicurio.value.", Described::Value), ("apicurio.key.", Described::Key)];

/// Which part of its record a header of this name describes, if any.
pub fn described_by(name: &[u8]) -> Option<Described> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let begins =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    let exact = DESCRIBING.iter().find(|(known, _)| is(known));
    exact.or_else(|| DESCRIBING_PREFIXES.iter().find(|(prefix, _)| begins(prefix))).map(|(_, part)| *part)
}

/// The business id of a transaction, as the decode plan found it; text stays where it is, in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionId {
    Absent,
    Long(i64),
    /// Bytes `start..start + len` of the record's value (wire prefix included); checked to be UTF-8.
    Text {
        start: u32,
        len: u32,
    },
}

/// What decoding yields beside the feature row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub id: TransactionId,
    /// Milliseconds since the Unix epoch, when the package declares where it is found.
    pub event_time_ms: Option<i64>,
    pub schema: SchemaKey,
}

/// How far outside 0..=1 a model's answer may lie and still be a probability: 32-bit sums round. A forest of ten trees
/// that weigh a tenth each gives 1.0000001 where all of them vote for fraud.
pub const SCORE_SLACK: f64 = 1e-5;

/// The score that a model's answer stands for: the answer, clamped to 0..=1 where it lies at most [`SCORE_SLACK`] outside.
/// Whatever calls a number a score (outcomes, golden rows, checks of scores) takes it from here.
///
/// # Errors
/// [`Reject::NonFiniteScore`] and [`Reject::ScoreOutOfRange`]: the answer is no probability. A NaN would read as "not
/// fraud" further down the road.
pub fn score_of(answer: f64) -> Result<f64, Reject> {
    if !answer.is_finite() {
        return Err(Reject::NonFiniteScore);
    }
    if !(-SCORE_SLACK..=1.0 + SCORE_SLACK).contains(&answer) {
        return Err(Reject::ScoreOutOfRange);
    }
    Ok(answer.clamp(0.0, 1.0))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    Approve,
    Review,
    Decline,
}

impl Decision {
    /// In index order; also the order of the symbols in the output schema.
    pub const ALL: [Decision; 3] = [Decision::Approve, Decision::Review, Decision::Decline];

    pub fn name(self) -> &'static str {
        match self {
            Decision::Approve => "APPROVE",
            Decision::Review => "REVIEW",
            Decision::Decline => "DECLINE",
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }
}

/// Why a scored record also goes to `human-review`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReviewReason {
    Sample,
    Band,
}

impl ReviewReason {
    pub const ALL: [ReviewReason; 2] = [ReviewReason::Sample, ReviewReason::Band];

    pub fn name(self) -> &'static str {
        match self {
            ReviewReason::Sample => "SAMPLE",
            ReviewReason::Band => "BAND",
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }
}

/// That a score takes the place of an earlier outcome of the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amends<'a> {
    /// 1 for the first time that the record was scored again.
    pub attempt: i32,
    /// Why the earlier outcome was no score of the model.
    pub cause: &'a str,
}

/// Everything about one scored record that the output record tells and that differs from record to record.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The record's whole value: a text id points into it.
    pub payload: &'a [u8],
    pub position: Position,
    /// The source record's own timestamp, milliseconds since the epoch; negative when it has none.
    pub source_timestamp_ms: i64,
    pub decoded: Decoded,
    /// Probability of fraud, 0..=1, from [`score_of`]. An `f32` model's answer within that is carried exactly.
    pub score: f64,
    pub decision: Decision,
    pub late: bool,
    /// Which of the lane's assignments of the partition scored it: its number in the tag.
    pub epoch: u32,
    /// Of its row; `None` where outputs carry none.
    pub fingerprint: Option<Fingerprint>,
    pub amends: Option<Amends<'a>>,
    /// Wall clock, microseconds since the epoch; received is when it was polled.
    pub received_us: i64,
    pub scored_us: i64,
}

/// Names an outcome on its way through the producer and back: which assignment of which partition, and
/// which record of it in the order received (sequence), and whether it is its copy for review. Packed into the client's
/// message opaque, so that no box is needed per message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u64);

impl Tag {
    const SEQUENCE_BITS: u32 = 43;
    const COPY: u64 = 1 << Self::SEQUENCE_BITS;
    const ASSIGNMENT_SHIFT: u32 = Self::SEQUENCE_BITS + 1;
    pub const ASSIGNMENT_MAX: u32 = (1 << (64 - Self::ASSIGNMENT_SHIFT)) - 1;

    pub fn new(assignment: u32, sequence: u64) -> Tag {
        debug_assert!(assignment <= Self::ASSIGNMENT_MAX && sequence < 1 << Self::SEQUENCE_BITS);
        Tag((u64::from(assignment) << Self::ASSIGNMENT_SHIFT) | sequence)
    }

    /// The same record's copy for review.
    pub fn copy(self) -> Tag {
        Tag(self.0 | Self::COPY)
    }

    pub fn is_copy(self) -> bool {
        self.0 & Self::COPY != 0
    }

    pub fn assignment(self) -> u32 {
        (self.0 >> Self::ASSIGNMENT_SHIFT) as u32
    }

    pub fn sequence(self) -> u64 {
        self.0 & ((1 << Self::SEQUENCE_BITS) - 1)
    }

    pub fn to_bits(self) -> u64 {
        self.0
    }

    pub fn from_bits(bits: u64) -> Tag {
        Tag(bits)
    }
}

/// Why an outcome is not (known to be) in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    pub hope: Hope,
    /// The client's error code, its name and the client's words for it.
    pub code: i32,
    pub name: &'static str,
    pub text: &'static str,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, code {})", self.text, self.name, self.code)
    }
}

/// Whether an outcome that was not taken may be taken another time. In the order of what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hope {
    /// At once: it is whole, and went down with another one.
    Beside,
    /// When what is wrong with brokers, topics or rights has passed.
    Later,
    /// Never, or another one of the same request will not: the broker refuses requests as a whole, and does not always say
    /// for which outcome.
    Never,
}

/// The broker's word on one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub tag: Tag,
    pub result: Result<(), Undelivered>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hair_outside_is_rounding_and_more_is_no_score() {
        // Ten tenths in 32-bit floats.
        let forest = f64::from((0..10).fold(0.0f32, |sum, _| sum + 0.1));
        assert!(forest > 1.0);
        for (answer, score) in [(0.25, 0.25), (forest, 1.0), (1.0 + 1e-5, 1.0), (-1e-5, 0.0), (0.0, 0.0), (1.0, 1.0)] {
            assert_eq!(score_of(answer), Ok(score), "{answer}");
        }
        for answer in [1.000_011, -0.000_011, 2.0, -0.25] {
            assert_eq!(score_of(answer), Err(Reject::ScoreOutOfRange), "{answer}");
        }
        for answer in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(score_of(answer), Err(Reject::NonFiniteScore), "{answer}");
        }
    }

    #[test]
    fn a_schema_key_is_written_as_its_owners_write_it() {
        let guid = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128.to_be_bytes();
        assert_eq!(SchemaKey::Guid(guid).to_string(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(SchemaKey::Id(17).to_string(), "17");
        assert_eq!(SchemaKey::Fingerprint(0xab).to_string(), "00000000000000ab");
    }

    #[test]
    fn a_header_that_describes_a_part_is_known_by_its_name() {
        for name in ["__value_schema_id", "Content-Type", "contenttype", "ce_type", "__TypeId__", "apicurio.value.x"] {
            assert_eq!(described_by(name.as_bytes()), Some(Described::Value), "{name}");
        }
        for name in ["__key_schema_id", "__keytypeid__", "Apicurio.Key.globalId", "key.schema.version.id"] {
            assert_eq!(described_by(name.as_bytes()), Some(Described::Key), "{name}");
        }
        for name in ["", "traceparent", "ce_id", "apicurio", "content-type2", "__value_schema_i", "\u{e5}"] {
            assert_eq!(described_by(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_tag_keeps_slot_and_sequence_apart() {
        let last = Tag::new(Tag::ASSIGNMENT_MAX, (1 << 43) - 1);
        for tag in [last, last.copy()] {
            assert_eq!((tag.assignment(), tag.sequence()), (Tag::ASSIGNMENT_MAX, (1 << 43) - 1));
        }
        let tag = Tag::from_bits(Tag::new(7, 42).copy().to_bits());
        assert_eq!((tag.assignment(), tag.sequence(), tag.is_copy()), (7, 42, true));
        assert!(!Tag::new(7, 42).is_copy() && !last.is_copy());
    }
}
