//! `[limits]`. They are held against each other in [`super::super::checks`].

use std::time::Duration;

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{Integer, Place};

pub const LIMITS: Section = Section {
    head: "

# Bounds of each lane. They are checked against each other.
[limits]",
    keys: &[
        Key {
            name: "limits.batch_rows_max",
            kind: &size(65_536, |draft| &mut draft.config.limits.batch_rows_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Rows of one model call at most; the measured cap may be lower.",
        },
        Key {
            name: "limits.in_flight_records_max",
            kind: &size(1 << 30, |draft| &mut draft.config.limits.in_flight_records_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# Records received whose outcomes are not all acknowledged, and the bytes of their keys and values (64 more for each; headers
# do not count). Beyond, the lane stops taking records in.",
        },
        Key {
            name: "limits.in_flight_bytes_max",
            kind: &size(1 << 40, |draft| &mut draft.config.limits.in_flight_bytes_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "limits.payload_bytes_max",
            kind: &size(1 << 30, |draft| &mut draft.config.limits.payload_bytes_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# A larger value is a dead letter.",
        },
        Key {
            name: "limits.outcome_bytes_max",
            kind: &size(1 << 30, |draft| &mut draft.config.limits.outcome_bytes_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# An outcome whose key and value (of a dead letter: headers too) are larger is not handed to the producer: what goes out
# instead is a dead letter without payload.",
        },
        Key {
            name: "limits.commit_interval_ms",
            kind: &millis(|draft| &mut draft.config.limits.commit_interval),
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# How often progress is committed, and how long a commit may take before the process ends. With delivery =
# "exactly_once" this is a transaction's interval (100, or 20 for readers in a hurry), and the time-out by which the
# broker aborts the transaction of a process that is gone: readers at read_committed wait for it that long."#,
        },
        Key {
            name: "limits.commit_timeout_ms",
            kind: &millis(|draft| &mut draft.config.limits.commit_timeout),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "",
        },
        Key {
            name: "limits.revoke_timeout_ms",
            kind: &millis(|draft| &mut draft.config.limits.revoke_timeout),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How long partitions that the group wants back may drain.",
        },
        Key {
            name: "limits.drain_timeout_ms",
            kind: &millis(|draft| &mut draft.config.limits.drain_timeout),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How long a stop may drain before the process exits with code 75; four seconds later at most, whatever hangs.",
        },
        Key {
            name: "limits.pause_after_ms",
            kind: &millis(|draft| &mut draft.config.limits.pause_after),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How long intake may be blocked before partitions are paused, so that the group membership stays alive.",
        },
        Key {
            name: "limits.idle_wait_ms",
            kind: &millis(|draft| &mut draft.config.limits.idle_wait),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# Longest wait for input when there is nothing else to do.",
        },
        Key {
            name: "limits.model_failures_max",
            kind: &failures(|draft| &mut draft.config.limits.model_failures_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# So many model calls that fail in a row end the process.",
        },
        Key {
            name: "limits.crashes_max",
            kind: &Integer {
                range: 2..=1_000,
                place: Place::Always(|draft: &mut Draft| &mut draft.config.limits.crashes_max),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# With node.state_directory: a record at which the process died so often is a dead letter (crashed_process). After one crash
# less, the records that were in work are scored one by one, so that the last crash names one of them.",
        },
        Key {
            name: "limits.delivery_failures_max",
            kind: &failures(|draft| &mut draft.config.limits.delivery_failures_max),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# Deliveries of one partition that may fail in a row, without progress between: one more ends the process. What a topic never
# takes does not count: it becomes a dead letter, or is left out (copies for review).",
        },
        Key {
            name: "limits.schema_retry_ms",
            kind: &millis(|draft| &mut draft.config.limits.schema_retry),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How often a partition that waits for a schema asks again; 10 at least.",
        },
        Key {
            name: "limits.watchdog_timeout_ms",
            kind: &millis(|draft| &mut draft.config.limits.watchdog_timeout),
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# A lane that finishes no duty cycle for so long hangs: /livez fails and the process ends, and both name the step. With
# delivery = "exactly_once" at least 20000 more than commit_timeout_ms."#,
        },
        Key {
            name: "limits.sink_stall_unready_ms",
            kind: &millis(|draft| &mut draft.config.limits.sink_stall_unready),
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# How long outcomes may wait for acknowledgement before /readyz says no.",
        },
    ],
    finish: apart,
};

const fn size(max: u64, place: fn(&mut Draft) -> &mut usize) -> Integer<usize> {
    Integer { range: 1..=max, place: Place::Always(place) }
}

/// Up to a day.
const fn millis(place: fn(&mut Draft) -> &mut Duration) -> Integer<Duration> {
    Integer { range: 1..=86_400_000, place: Place::Always(place) }
}

const fn failures(place: fn(&mut Draft) -> &mut u32) -> Integer<u32> {
    Integer { range: 1..=1_000_000, place: Place::Always(place) }
}
