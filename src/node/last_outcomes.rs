//! How far an input was scored, by the outcomes themselves: each names its source.

use std::collections::{BTreeMap, HashMap};

use super::own_schemas::OwnSchemas;
use crate::avro::outcome::{Origin, OriginReader};
use crate::avro::written::Written;
use crate::config::{Config, DeliveryMode, RETRY_ENDS};
use crate::error::{Fatal, exit};
use crate::kafka::cluster::last_records::{ReadRecord, Stretch, TopicReader};
use crate::kafka::cluster::starting_offsets::{self, Kept};
use crate::lane::deliver::outcome_header::{AMENDMENT_HEADER, DECISION_HEADER_BEFORE, OUTCOME_HEADER, decision_of};
use crate::lane::policy::{DecisionPolicy, sample_hash};
use crate::values::record::Position;
use crate::values::settings::Thresholds;
use crate::values::topics::{Destination, PartitionCounts};

/// Offsets of each outcome partition that are looked at.
const OUTCOMES_MAX: i64 = 10_000;

/// Where each partition of the input goes on. Nothing where no outcome of it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LastOutcomes {
    pub next: BTreeMap<i32, i64>,
}

/// The outcomes that were found of one partition of the input.
#[derive(Debug, Default)]
struct Found {
    offsets: Vec<i64>,
    /// First and last of offsets that were passed over together.
    skipped: Vec<(i64, i64)>,
    /// Below it, outcomes may lie before what was read.
    complete_from: i64,
}

/// Outputs that have a copy for review, by partition of the input: the hash of the copy's key, and the offset.
type Due = BTreeMap<i32, Vec<(u64, i64)>>;

/// Looks at the last outcomes. Dead letters, time-outs and letters count too, where there are outputs.
///
/// Outcomes of different topics and partitions are written side by side, so that a process that was killed may have left a
/// record without one below others that have theirs. Where offsets are missing among the outcomes, the input says whether
/// they are records: the first one that is, is where the partition goes on. At-least-once, the same holds for an output
/// whose copy for review is missing: copies leave later than outputs.
///
/// # Errors
/// Those of [`TopicReader::read`].
pub(super) fn find(config: &Config, counts: PartitionCounts, own: &OwnSchemas) -> Result<LastOutcomes, Fatal> {
    let topics = &config.topics;
    let input = topics.input().as_str();
    let (reader, judge) = (reader(Written::Outputs, input, own)?, sampling(config));
    let (mut found, mut due, mut unknown) = (BTreeMap::new(), Due::new(), 0_u64);
    collect(config, counts, Destination::Outputs, &mut found, |record| {
        // What amends says nothing of how far the input is: it comes whenever its letter was due.
        if record.header(AMENDMENT_HEADER).is_some() {
            return None;
        }
        let value = record.value().unwrap_or_default();
        match reader.origin(value) {
            Origin::Record { partition, offset } => {
                let at = Position { partition, offset };
                if let Some(key) = copy_key(record, &judge, reader.id(value), (input, at)) {
                    due.entry(partition).or_default().push((key, offset));
                }
                Some((at, offset))
            }
            Origin::OtherTopic => None,
            Origin::Unknown => {
                unknown += 1;
                None
            }
        }
    })?;
    if unknown > 0 {
        let outputs = &topics[Destination::Outputs];
        tracing::warn!(topic = %outputs, records = unknown, "not outputs of any version that is known here: they say nothing");
    }
    if found.is_empty() {
        return Ok(LastOutcomes::default());
    }
    for refused in [Destination::DeadLetters, Destination::Timeouts, Destination::RetryLater] {
        if counts[refused] == 0 {
            continue;
        }
        collect(config, counts, refused, &mut found, |record| rejected(record, input))?;
    }
    let mut outcomes = go_on(config, &mut found)?;
    if config.delivery == DeliveryMode::AtLeastOnce && !due.is_empty() {
        go_back_for_copies(config, counts, (&due, own), &mut outcomes)?;
    }
    Ok(outcomes)
}

fn reader(of: Written, input: &str, own: &OwnSchemas) -> Result<OriginReader, Fatal> {
    OriginReader::new(of, input)
        .map(|reader| reader.with_ids(own.ids(of)))
        .map_err(|error| Fatal::new(exit::MODEL, error.to_string(), "report this: the schemas of outcomes are ours"))
}

/// Says what has a copy for review. It decides nothing by scores: outputs say what was decided.
fn sampling(config: &Config) -> DecisionPolicy {
    let none = Thresholds { review: 0.0, decline: 0.0, version: String::new() };
    DecisionPolicy::new(none, &config.review, None)
}

/// The hash of the key of an output's copy, if it has one: as `OutcomeEncoder::write_id_text` makes it.
fn copy_key(
    record: &ReadRecord<'_>,
    judge: &DecisionPolicy,
    id: Option<&[u8]>,
    (input, at): (&str, Position),
) -> Option<u64> {
    let said = record.header(OUTCOME_HEADER).or_else(|| record.header(DECISION_HEADER_BEFORE))?;
    let decision = decision_of(said)?;
    let place;
    let id = match id {
        Some(id) if !id.is_empty() => id,
        _ => {
            place = format!("{input}-{}-{}", at.partition, at.offset);
            place.as_bytes()
        }
    };
    judge.review(decision, id).map(|_| sample_hash(id))
}

/// The first output whose copy for review is missing is where its partition goes on. The topic of copies may be compacted: a
/// later copy of the same key stands for an earlier one.
fn go_back_for_copies(
    config: &Config,
    counts: PartitionCounts,
    (due, own): (&Due, &OwnSchemas),
    outcomes: &mut LastOutcomes,
) -> Result<(), Fatal> {
    let reader = reader(Written::Review, config.topics.input(), own)?;
    let (mut found, mut last) = (BTreeMap::new(), HashMap::new());
    collect(config, counts, Destination::Review, &mut found, |record| {
        let Origin::Record { partition, offset } = reader.origin(record.value()?) else { return None };
        let seen = last.entry((partition, sample_hash(record.key()?))).or_insert(offset);
        *seen = offset.max(*seen);
        Some((Position { partition, offset }, offset))
    })?;
    for (&partition, due) in due {
        let complete_from = found.get(&partition).map_or(0, |found: &Found| found.complete_from);
        let is_missing = |&&(key, offset): &&(u64, i64)| {
            offset >= complete_from && last.get(&(partition, key)).is_none_or(|&last| last < offset)
        };
        let missing: Vec<i64> = due.iter().filter(is_missing).map(|&(_, offset)| offset).collect();
        let (Some(&first), Some(next)) = (missing.iter().min(), outcomes.next.get_mut(&partition)) else { continue };
        *next = first.min(*next);
        let records = missing.len();
        tracing::warn!(partition, records, next, "records below the last outcome have no copy for review");
    }
    Ok(())
}

/// The source that a dead letter's headers name, in any of their styles, and the last offset that it is about.
fn rejected(record: &ReadRecord<'_>, input: &str) -> Option<(Position, i64)> {
    let text = |suffix| std::str::from_utf8(record.header_ending(suffix)?).ok();
    // The job that scores letters again writes whenever a letter was due: that says nothing of how far the input is.
    let is_again = text(".errors.node").is_some_and(|node| node.ends_with(RETRY_ENDS));
    if text(".errors.topic")? != input || is_again {
        return None;
    }
    let (partition, offset) = (text(".errors.partition")?.parse().ok()?, text(".errors.offset")?.parse().ok()?);
    let last = text(".errors.last_offset").and_then(|last| last.parse().ok()).unwrap_or(offset);
    Some((Position { partition, offset }, last))
}

fn collect(
    config: &Config,
    counts: PartitionCounts,
    of: Destination,
    found: &mut BTreeMap<i32, Found>,
    mut source: impl FnMut(&ReadRecord<'_>) -> Option<(Position, i64)>,
) -> Result<(), Fatal> {
    let topic = &config.topics[of];
    let kept = starting_offsets::kept(&config.kafka, topic, counts[of])?;
    let stretches: BTreeMap<i32, Stretch> =
        (0..).zip(&kept).filter_map(|(partition, kept)| Some((partition, last_stretch(kept)?))).collect();
    if stretches.is_empty() {
        return Ok(());
    }
    // The first outcome of each input partition in each outcome partition of which not all was read.
    let mut cut: BTreeMap<(i32, i32), i64> = BTreeMap::new();
    TopicReader::of(&config.kafka, topic)?.read(&stretches, &mut |record| {
        let Some((Position { partition, offset }, last)) = source(record) else { return };
        found.entry(partition).or_default().note(offset, last);
        let of = record.position().partition;
        if stretches.get(&of).is_some_and(|stretch| stretch.is_cut) {
            let first = cut.entry((of, partition)).or_insert(offset);
            *first = offset.min(*first);
        }
    })?;
    for ((_, partition), first) in cut {
        let found = found.entry(partition).or_default();
        found.complete_from = found.complete_from.max(first);
    }
    Ok(())
}

/// Markers and aborted records take offsets too.
fn last_stretch(kept: &Kept) -> Option<Stretch> {
    let from = kept.first.max(kept.end - OUTCOMES_MAX);
    (kept.end > from).then_some(Stretch { from, until: kept.end, is_cut: from > 0 })
}

/// Where each partition goes on: after the last outcome, or at the first record before it that has none.
fn go_on(config: &Config, found: &mut BTreeMap<i32, Found>) -> Result<LastOutcomes, Fatal> {
    let (mut next, mut unsure) = (BTreeMap::new(), BTreeMap::new());
    for (&partition, found) in found.iter_mut() {
        found.offsets.sort_unstable();
        found.offsets.dedup();
        let Some(&last) = found.offsets.last() else { continue };
        next.insert(partition, last + 1);
        if let Some(from) = found.first_missing() {
            unsure.insert(partition, Stretch { from, until: last, is_cut: true });
        }
    }
    if unsure.is_empty() {
        return Ok(LastOutcomes { next });
    }
    let reader = TopicReader::of(&config.kafka, config.topics.input())?;
    let mut unfinished: BTreeMap<i32, u64> = BTreeMap::new();
    reader.read(&unsure, &mut |record| {
        let Position { partition, offset } = record.position();
        let is_finished = found.get(&partition).is_some_and(|found| found.is_finished(offset));
        if !is_finished {
            *unfinished.entry(partition).or_default() += 1;
            next.entry(partition).and_modify(|next| *next = offset.min(*next));
        }
    })?;
    for (partition, records) in unfinished {
        tracing::warn!(partition, records, next = next[&partition], "records below the last outcome have none");
    }
    Ok(LastOutcomes { next })
}

impl Found {
    /// An outcome of these offsets.
    fn note(&mut self, first: i64, last: i64) {
        self.offsets.push(first);
        if last > first {
            self.offsets.push(last);
            self.skipped.push((first, last));
        }
    }

    /// Whether an offset has an outcome. They are sorted.
    fn is_finished(&self, offset: i64) -> bool {
        let is_skipped = |&(first, last): &(i64, i64)| (first..=last).contains(&offset);
        self.offsets.binary_search(&offset).is_ok() || self.skipped.iter().any(is_skipped)
    }

    /// The first offset that is missing among the sorted ones, where all outcomes were read.
    fn first_missing(&self) -> Option<i64> {
        let complete = &self.offsets[self.offsets.partition_point(|&offset| offset < self.complete_from)..];
        complete.windows(2).find(|pair| pair[1] > pair[0] + 1).map(|pair| pair[0] + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Found;

    #[test]
    fn what_is_missing_counts_where_all_outcomes_were_read() {
        let missing = |offsets: &[i64], complete_from| {
            Found { offsets: offsets.to_vec(), complete_from, ..Found::default() }.first_missing()
        };
        assert_eq!(missing(&[3, 4, 5], 0), None);
        assert_eq!(missing(&[7], 0), None);
        assert_eq!(missing(&[3, 5, 8, 9], 0), Some(4));
        assert_eq!(missing(&[3, 5, 8, 9], 5), Some(6));
        assert_eq!(missing(&[3, 5, 8, 9], 8), None);
    }

    #[test]
    fn what_an_operator_passed_over_is_finished() {
        let mut found = Found::default();
        [(3, 3), (4, 9), (11, 11)].into_iter().for_each(|(first, last)| found.note(first, last));
        let finished: Vec<i64> = (0..14).filter(|&offset| found.is_finished(offset)).collect();
        assert_eq!(finished, [3, 4, 5, 6, 7, 8, 9, 11]);
        assert_eq!(found.offsets.last(), Some(&11));
    }
}
