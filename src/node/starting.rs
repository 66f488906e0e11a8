//! Where the group begins: at its committed offsets; a new one where the configuration says, fixed before any lane is
//! there; one that has lost its offsets after its last outcomes, or nowhere until somebody says so.

use std::fmt::Write as _;

use super::last_outcomes::{self, LastOutcomes};
use super::own_schemas::OwnSchemas;
use crate::config::Config;
use crate::error::{Fatal, exit};
use crate::kafka::cluster::starting_offsets::{self, GroupOffsets, Held, Kept};
use crate::kafka::settings::{StartAt, WithoutOffsets};
use crate::values::topics::{Destination, PartitionCounts};

/// The ends of the input now. Where a transaction is open before one of them, the run waits until it has ended: a killed producer's
/// ends by its time-out, and what others wrote behind it is there.
pub(super) fn end_offsets(config: &Config, counts: PartitionCounts) -> Result<Vec<i64>, Fatal> {
    let source = config.source();
    starting_offsets::ends(&config.kafka, &config.topics[source], counts[source])
}

/// Makes sure that the group holds offsets, says them and returns them, by partition.
///
/// # Errors
/// [`exit::CONFIG`] where somebody has to say where to begin; [`exit::UNAVAILABLE`] when the cluster does not answer.
pub(super) fn fix(config: &Config, counts: PartitionCounts, own: &OwnSchemas) -> Result<Held, Fatal> {
    let (kafka, source) = (&config.kafka, config.source());
    let group = GroupOffsets::of(kafka, &config.topics[source], counts[source], config.limits.offsets_timeout())?;
    let held = group.held()?;
    if held.iter().any(Option::is_some) {
        tracing::info!(group = %kafka.group, offsets = text(&held), "the group goes on at its committed offsets");
        return Ok(held);
    }
    let outcomes = match kafka.without_offsets {
        WithoutOffsets::Begin => LastOutcomes::default(),
        WithoutOffsets::Refuse | WithoutOffsets::Resume => last_outcomes::find(config, counts, own)?,
    };
    let held = if outcomes.next.is_empty() {
        let start_at = kafka.start_at.ok_or_else(|| nowhere(config, counts[source]))?;
        group.fix(|kept| Ok(begin(kept, start_at)))?
    } else {
        if kafka.without_offsets == WithoutOffsets::Refuse {
            return Err(forgotten(config, &outcomes));
        }
        group.fix(|kept| resume(config, kept, &outcomes))?
    };
    tracing::info!(group = %kafka.group, offsets = text(&held), "the group had no offsets: it begins at these");
    Ok(held)
}

fn begin(kept: &[Kept], start_at: StartAt) -> Vec<i64> {
    kept.iter()
        .map(|kept| match start_at {
            StartAt::Earliest => kept.first,
            StartAt::Latest => kept.end,
        })
        .collect()
}

/// After the last outcome; where there is none, at the first record: nothing of it is known to be scored.
fn resume(config: &Config, kept: &[Kept], outcomes: &LastOutcomes) -> Result<Vec<i64>, Fatal> {
    let is_beyond = |(&partition, &next): (&i32, &i64)| {
        usize::try_from(partition).ok().and_then(|partition| kept.get(partition)).is_none_or(|kept| next > kept.end)
    };
    if let Some((partition, next)) = outcomes.next.iter().find(|&pair| is_beyond(pair)) {
        return Err(Fatal::new(
            exit::CONFIG,
            format!(
                "partition {partition} of {} ends before {next}, where it would go on after its last outcome in {}",
                config.topics.input(),
                config.topics[Destination::Outputs]
            ),
            "the topic was made anew: say kafka.without_offsets = \"begin\" for this start",
        ));
    }
    let start = |(partition, kept): (i32, &Kept)| {
        let next = outcomes.next.get(&partition).copied().unwrap_or(kept.first);
        if next < kept.first {
            let gone = kept.first - next;
            tracing::warn!(
                partition,
                next,
                first = kept.first,
                gone,
                "records without an outcome are not kept any more"
            );
        }
        next.max(kept.first)
    };
    Ok((0..).zip(kept).map(start).collect())
}

fn nowhere(config: &Config, partitions: i32) -> Fatal {
    Fatal::new(
        exit::CONFIG,
        format!(
            "group {} has no committed offset for any of the {partitions} partitions of {}, and kafka.start_at is not set",
            config.kafka.group,
            config.topics.input()
        ),
        "set kafka.start_at = \"earliest\" (score everything kept) or \"latest\" (only what is new)",
    )
}

fn forgotten(config: &Config, outcomes: &LastOutcomes) -> Fatal {
    let topics = &config.topics;
    Fatal::new(
        exit::CONFIG,
        format!(
            "group {} has no committed offsets, and {} holds outcomes of {} all the same; after the last of them it would \
             go on at (partition: offset) {}",
            config.kafka.group,
            topics[Destination::Outputs],
            topics.input(),
            pairs(outcomes.next.iter().map(|(&partition, &next)| (partition, next)))
        ),
        "the offsets expired (offsets.retention.minutes of a group that stood still), were deleted, or another \
         kafka.group scored before. To score what came since: kafka.without_offsets = \"resume\". To begin anew, by \
         kafka.start_at: \"begin\". For one start: --set kafka.without_offsets=resume",
    )
}

fn text(held: &Held) -> String {
    pairs((0..).zip(held).filter_map(|(partition, offset)| Some((partition, (*offset)?))))
}

/// Offsets of partitions: `0: 30, 1: 10`.
pub(super) fn pairs(pairs: impl Iterator<Item = (i32, i64)>) -> String {
    let mut text = String::new();
    for (partition, offset) in pairs {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{partition}: {offset}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resumed(kept: &[(i64, i64)], next: &[(i32, i64)]) -> Result<Vec<i64>, Fatal> {
        let kept: Vec<Kept> = kept.iter().map(|&(first, end)| Kept { first, end }).collect();
        let next = BTreeMap::from_iter(next.iter().copied());
        resume(&Config::new("localhost:1", "g", "package"), &kept, &LastOutcomes { next })
    }

    #[test]
    fn a_resume_goes_on_after_the_last_outcome_and_begins_where_there_is_none() {
        assert_eq!(resumed(&[(0, 9), (3, 9), (5, 9), (0, 7)], &[(0, 4), (2, 2), (3, 7)]).unwrap(), [4, 3, 5, 7]);
    }

    #[test]
    fn outcomes_of_a_topic_that_was_made_anew_are_no_place_to_go_on() {
        for (kept, next) in [(&[(0, 9)][..], (0, 10)), (&[(0, 9)], (1, 4)), (&[(0, 9), (0, 0)], (1, 1))] {
            let fatal = resumed(kept, &[next]).unwrap_err();
            assert_eq!(fatal.code, exit::CONFIG);
            assert!(fatal.what.contains(&format!("partition {}", next.0)) && fatal.fix.contains("begin"), "{fatal}");
        }
    }
}
