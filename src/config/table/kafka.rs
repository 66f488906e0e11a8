//! What stands before the sections, and `[kafka]`.

use super::key::{Given, Key, Reading, Reread, Section, apart};
use super::kinds::{Place, Text, Word, Words, any_text};
use super::properties;
use crate::config::plan::DeliveryMode;
use crate::config::read::Reader;
use crate::kafka::settings::{GroupProtocol, Membership, StartAt, WithoutOffsets};
use crate::values::settings::OutOfRange;

pub const DELIVERY: Words<DeliveryMode> =
    &[("at_least_once", DeliveryMode::AtLeastOnce), ("exactly_once", DeliveryMode::ExactlyOnce)];
const START_AT: Words<StartAt> = &[("earliest", StartAt::Earliest), ("latest", StartAt::Latest)];
const WITHOUT_OFFSETS: Words<WithoutOffsets> =
    &[("refuse", WithoutOffsets::Refuse), ("resume", WithoutOffsets::Resume), ("begin", WithoutOffsets::Begin)];
const OUT_OF_RANGE: Words<OutOfRange> = &[("stop", OutOfRange::Stop), ("earliest", OutOfRange::Earliest)];
const GROUP_PROTOCOLS: Words<GroupProtocol> =
    &[("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)];
const MEMBERSHIPS: Words<Membership> = &[("dynamic", Membership::Dynamic), ("static", Membership::Static)];

pub const TOP: Section = Section {
    head:
        "# scorewire's configuration: every key, with its default. Lines that start with a bare # and no space are keys
# without a default, or examples. Written by `scorewire config init`; check it with `scorewire config check`.
#
# Each key can also be given as an environment variable, SCOREWIRE__SECTION__KEY (SCOREWIRE__LANES__COUNT=2), or as
# a flag (--set lanes.count=2). Order: defaults < this file < environment < flags. Lists are then text with commas.
# Relative paths in this file start at the file's own directory. Every name carries its unit.",
    keys: &[Key {
        name: "delivery",
        kind: &Word { words: DELIVERY, place: Place::Always(|draft| &mut draft.config.delivery) },
        given: Given::Default,
        reread: Reread::AtStart,
        text: r#"

# "at_least_once": each record has an outcome; after a crash what was in flight may be scored again.
# "exactly_once": outcomes and offsets go in one transaction per lane and limits.commit_interval_ms. Readers at
# isolation.level = read_committed see each outcome once, and wait for the commit: about 60 ms more at the median with
# 100 ms, about 15 ms with 20 ms, below which it only costs CPU. Needs kafka.node: a name that a restarted process keeps
# and that no other process of the group has. The lanes' transactional.ids are GROUP/NODE/0, GROUP/NODE/1, ...;
# where the cluster has access rules they need Write and Describe on TransactionalId, prefixed GROUP/."#,
    }],
    finish: apart,
};

pub const KAFKA: Section = Section {
    head: "\n\n[kafka]",
    keys: &[
        Key {
            name: "kafka.bootstrap",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.kafka.bootstrap), check: addresses },
            given: Given::Required {
                example: r#""127.0.0.1:9092""#,
                by: Reading::Connection,
                fix: "give HOST:PORT of one or more brokers, with commas",
            },
            reread: Reread::AtStart,
            text: "\n# Required. Brokers to ask first: HOST:PORT, several with commas.",
        },
        Key {
            name: "kafka.group",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.kafka.group), check: any_text },
            given: Given::Required {
                example: r#""scorewire""#,
                by: Reading::Whole,
                fix: "name the consumer group; its committed offsets are this job's progress",
            },
            reread: Reread::AtStart,
            text: "\n\n# Required. The consumer group; its committed offsets are this job's progress.",
        },
        Key {
            name: "kafka.node",
            kind: &Text { place: Place::Always(|draft| &mut draft.config.kafka.node), check: node },
            given: Given::Maybe(r#""scoring-1""#),
            reread: Reread::AtStart,
            text: "\n\n# Names this process in broker logs and outputs: letters, digits, '.', '_', '-'. Default: the host's name.",
        },
        Key {
            name: "kafka.start_at",
            kind: &Word { words: START_AT, place: Place::Maybe(|draft| &mut draft.config.kafka.start_at) },
            given: Given::Maybe(r#""earliest""#),
            reread: Reread::AtStart,
            text: r#"

# Where a new group begins: "earliest" (at the first records kept) or "latest" (at the end: only what comes from then on).
# There is no default, because both answers are wrong for somebody; a new group does not start without it. It is applied
# once: the first process that starts commits these offsets for all partitions of the topic before anything is scored, and
# says them. A partition that is added later begins at its first record, whatever is said here."#,
        },
        Key {
            name: "kafka.without_offsets",
            kind: &Word {
                words: WITHOUT_OFFSETS,
                place: Place::Always(|draft| &mut draft.config.kafka.without_offsets),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# A group that has no committed offset at all, where the last records of topics.outputs (10,000 of each partition are read)
# are outcomes of this input: its offsets expired (offsets.retention.minutes of a group that stood still), were deleted, or
# another kafka.group scored before. "refuse": the process does not start, and names the offsets after the last outcomes.
# "resume": the group goes on there, or at the first record before that was left without its outcome or its copy for review
# (a process that was killed leaves some; what follows is scored again then, at-least-once). Partitions without any begin at
# their first record, and how many records are not kept any more is said. "begin": it begins anew by start_at, and what came
# meanwhile is skipped or scored again. Give the last two for one start (--set kafka.without_offsets=resume), not for good.
# Where the cluster has access rules, "refuse" and "resume" need Read on the topics of outcomes."#,
        },
        Key {
            name: "kafka.on_offset_out_of_range",
            kind: &Word { words: OUT_OF_RANGE, place: Place::Always(|draft| &mut draft.config.out_of_range) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# What happens to a partition whose next records were removed before they were read (retention, DeleteRecords). "stop": it
# stops with an alarm that says how many are lost and the way out, and the others go on. "earliest": it goes on at the first
# record kept; each such jump is an error in the log and counted (scorewire_records_lost_total). A log that ends before the
# next offset (an unclean leader election, a topic made again) always stops its partition: somebody has to say what is meant."#,
        },
        Key {
            name: "kafka.group_protocol",
            kind: &Word {
                words: GROUP_PROTOCOLS,
                place: Place::Always(|draft| &mut draft.config.kafka.group_protocol),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"

# How the group divides its partitions. "classic": its members do, cooperative-sticky, so that partitions that stay flow on.
# "consumer": the brokers do (KIP-848, Apache Kafka 4.0 and later); session.timeout.ms and heartbeat.interval.ms are then the
# group's own (kafka-configs.sh --entity-type groups: consumer.session.timeout.ms, 45 s by default)."#,
        },
        Key {
            name: "kafka.membership",
            kind: &Word { words: MEMBERSHIPS, place: Place::Always(|draft| &mut draft.config.kafka.membership) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# "dynamic": a process that ends leaves its group, and others take its partitions over at once. "static": it keeps them
# until its session is over, and finds them again when it is back by then, crashed or not; nobody scores them meanwhile.
# Needs kafka.node, as delivery = "exactly_once" does; the members are NODE-0, NODE-1, ... benches/STALLS.md has the
# figures of both."#,
        },
    ],
    finish: properties::read,
};

fn addresses(reader: &mut Reader<'_>, key: &'static str, bootstrap: &str) -> bool {
    for address in bootstrap.split(',').map(str::trim) {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().map_or(true, |port| port == 0)) {
            reader.problem(key, format!("{address:?} is not HOST:PORT"), "give HOST:PORT, with commas");
        }
    }
    // The right ones among them still say whether something would go over the network in the clear.
    true
}

fn node(reader: &mut Reader<'_>, key: &'static str, node: &str) -> bool {
    let is_name = node.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if !is_name {
        reader.problem(key, "holds more than letters, digits, '.', '_' and '-'", "rename the node");
    }
    is_name
}
