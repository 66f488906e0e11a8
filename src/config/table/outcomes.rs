//! `[thresholds]`, `[outputs]`, `[review]`, `[dead_letters]`, `[deadline]`, `[headers]`: what becomes of a scored record.

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{Flag, Integer, OwnKind, Place, Share, Text, Word, Words, any_text};
use crate::config::read::Reader;
use crate::values::record::{Described, described_by};
use crate::values::settings::{
    Deadline, DeadlineFrom, ForwardHeaders, HeaderStyle, PayloadPolicy, Thresholds, WhenLate,
};

const PAYLOAD: Words<PayloadPolicy> = &[("raw", PayloadPolicy::Raw), ("omit", PayloadPolicy::Omit)];
const HEADER_STYLES: Words<HeaderStyle> =
    &[("scorewire", HeaderStyle::Scorewire), ("connect", HeaderStyle::Connect), ("streams", HeaderStyle::Streams)];
const DEADLINE_FROM: Words<DeadlineFrom> =
    &[("source_timestamp", DeadlineFrom::SourceTimestamp), ("receipt", DeadlineFrom::Receipt)];
const WHEN_LATE: Words<WhenLate> = &[("flag", WhenLate::Flag), ("shed", WhenLate::Shed)];

pub const THRESHOLDS: Section = Section {
    head: "

# Overrides the package's thresholds, all three together. Scores at or above decline are declined, at or above review
# reviewed, the rest approved. The version travels on every output.
[thresholds]",
    keys: &[
        Key {
            name: "thresholds.review",
            kind: &Share(Place::Maybe(|draft| &mut draft.review)),
            given: Given::Maybe("0.5"),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "thresholds.decline",
            kind: &Share(Place::Maybe(|draft| &mut draft.decline)),
            given: Given::Maybe("0.9"),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "thresholds.version",
            kind: &Text { place: Place::Maybe(|draft| &mut draft.thresholds_version), check: any_text },
            given: Given::Maybe(r#""risk-2026-01""#),
            reread: Reread::AtStart,
            text: "",
        },
    ],
    finish: |_, draft| {
        let version = draft.thresholds_version.clone();
        draft.config.thresholds = match (draft.review, draft.decline, version) {
            (Some(review), Some(decline), Some(version)) => Some(Thresholds { review, decline, version }),
            _ => None,
        };
    },
};

pub const OUTPUTS: Section = Section {
    head: "\n\n[outputs]",
    keys: &[Key {
        name: "outputs.fingerprint",
        kind: &Flag(Place::Always(|draft| &mut draft.config.outputs.fingerprint)),
        given: Given::Default,
        reread: Reread::AtStart,
        text: "
# Whether outputs and copies for review carry 128 bits over what was scored: the feature row, the model's sha256 and the
# thresholds' version (docs/reading-outputs.md says how to check them). 30 features cost about 0.06 us a record.",
    }],
    finish: apart,
};

pub const REVIEW: Section = Section {
    head: "\n\n[review]",
    keys: &[
        Key {
            name: "review.sample_per_million",
            kind: &Integer {
                range: 0..=1_000_000,
                place: Place::Always(|draft| &mut draft.config.review.sample_per_million),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Share of records copied to the review topic by the hash of their transaction id, in millionths.",
        },
        Key {
            name: "review.payload",
            kind: &Word { words: PAYLOAD, place: Place::Always(|draft| &mut draft.config.review.payload) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Whether the transaction's bytes go along: "raw" or "omit"."#,
        },
    ],
    finish: apart,
};

pub const DEAD_LETTERS: Section = Section {
    head: "\n\n[dead_letters]",
    keys: &[
        Key {
            name: "dead_letters.payload",
            kind: &Word { words: PAYLOAD, place: Place::Always(|draft| &mut draft.config.dead_letters.payload) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Whether the record's key and value go along: "raw" or "omit"."#,
        },
        Key {
            name: "dead_letters.header_style",
            kind: &Word {
                words: HEADER_STYLES,
                place: Place::Always(|draft| &mut draft.config.dead_letters.header_style),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Spelling of the error headers: "scorewire" (__scorewire.errors.*), "connect" (__connect.errors.*) or "streams"
# (__streams.errors.*)."#,
        },
        Key {
            name: "dead_letters.alarm_share_per_million",
            kind: &Integer {
                range: 0..=1_000_000,
                place: Place::Always(|draft| &mut draft.config.dead_letters.alarm_share_per_million),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# An alarm in /status, /readyz and the log while more than this share of the last 60 seconds' records (100 at least, of all
# lanes) are dead letters, in millionths: 50000 is 5 %. The process stays ready. 1000000: never.",
        },
    ],
    finish: apart,
};

pub const DEADLINE: Section = Section {
    head: "

# When a record is late: its time is measured before its batch goes to the model.
[deadline]",
    keys: &[
        Key {
            name: "deadline.limit_ms",
            kind: &Integer { range: 1..=86_400_000, place: Place::Maybe(|draft| &mut draft.deadline_ms) },
            given: Given::Maybe("50"),
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "deadline.from",
            kind: &Word { words: DEADLINE_FROM, place: Place::Maybe(|draft| &mut draft.deadline_from) },
            given: Given::Maybe(r#""source_timestamp""#),
            reread: Reread::AtStart,
            text: r#"

# Where the time starts: "source_timestamp" (the record's own) or "receipt" (when the lane polled the record). Needs
# limit_ms. Default:"#,
        },
        Key {
            name: "deadline.then",
            kind: &Word { words: WHEN_LATE, place: Place::Maybe(|draft| &mut draft.deadline_then) },
            given: Given::Maybe(r#""flag""#),
            reread: Reread::AtStart,
            text: r#"
# What becomes of late records: "flag" (the model decides, and the output says late) or "shed" (the model is left to those
# that are not late yet: [fallback] decides where its `on` has "late", otherwise they go to topics.timeouts). Needs limit_ms.
# Default:"#,
        },
    ],
    finish: |_, draft| {
        let from = draft.deadline_from.unwrap_or(DeadlineFrom::SourceTimestamp);
        let then = draft.deadline_then.unwrap_or_default();
        draft.config.deadline = draft.deadline_ms.map(|limit_ms| Deadline { limit_ms, from, then });
    },
};

pub const HEADERS: Section = Section {
    head: "\n\n[headers]",
    keys: &[Key {
        name: "headers.forward",
        kind: &OwnKind {
            read: forward,
            show: |draft| match &draft.config.forward_headers {
                ForwardHeaders::All => vec!["*"].into(),
                ForwardHeaders::Only(names) => names.clone().into(),
            },
        },
        given: Given::Default,
        reread: Reread::AtStart,
        text: r#"
# Headers of the source record that travel to its outcomes; ["*"]: all of them. Those that describe the source's key or
# value (__value_schema_id, content-type, apicurio.value.* and the like) are not named here: they travel by themselves
# where that key or value does, as in a dead letter with its payload, and never beside one of our own."#,
    }],
    finish: apart,
};

fn forward(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let Some(names) = reader.list(key) else { return };
    let all = names.iter().any(|name| name == "*");
    if all && names.len() > 1 {
        reader.problem(key, "\"*\" beside names", "give [\"*\"] alone, or names alone");
    }
    for (name, part) in names.iter().filter_map(|name| Some((name, described_by(name.as_bytes())?))) {
        let part = match part {
            Described::Key => "key",
            Described::Value => "value",
        };
        let what = format!("{name:?} describes the source's {part}: beside another {part} it would mislead readers");
        let fix = format!("remove it: it travels by itself wherever the source's {part} does, and nowhere else");
        reader.problem(key, what, fix);
    }
    draft.config.forward_headers = if all { ForwardHeaders::All } else { ForwardHeaders::Only(names) };
}
