//! What `/status` tells of a lane: where its fields stand, and how those are worked out that are not a number as it stands.

use serde_json::{Map, Value, json};

use super::cells::{Mark, held};
use super::held_up::{StoppedPartition, WaitingPartition};
use super::state::AdminState;
use super::stats::{LaneStats, ShownPartition};
use crate::error::Reject;
use crate::values::record::{Decision, ReviewReason};

/// A field of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Fields stand by it.
    pub(super) place: u32,
    /// Its name, after that of the object that it is in, if it is in one, and a full stop.
    pub(super) path: &'static str,
    show: fn(&AdminState, &LaneStats) -> Value,
}

impl Field {
    pub(super) const fn new(place: u32, path: &'static str, show: fn(&AdminState, &LaneStats) -> Value) -> Field {
        Field { place, path, show }
    }

    /// The one there is, if any.
    pub(super) const fn first(fields: &[Field]) -> Option<Field> {
        match fields {
            [field, ..] => Some(*field),
            [] => None,
        }
    }

    pub(super) fn write(&self, state: &AdminState, stats: &LaneStats, lane: &mut Map<String, Value>) {
        let value = (self.show)(state, stats);
        let Some((object, name)) = self.path.split_once('.') else {
            lane.insert(self.path.to_owned(), value);
            return;
        };
        if let Value::Object(object) = lane.entry(object).or_insert_with(|| Map::new().into()) {
            object.insert(name.to_owned(), value);
        }
    }
}

/// Fields that are no metric, or more than one.
pub(super) const BESIDE: &[Field] = &[
    Field::new(1, "joined", |_, stats| stats.has_joined().into()),
    Field::new(13, "records.rejected_by_reason", |_, stats| rejected_by_reason(stats)),
    Field::new(32, "batches.rows_mean", |_, stats| rows_mean(stats).into()),
    Field::new(43, "partitions.stopped", stopped_partitions),
    Field::new(44, "partitions.waiting_for_schema", waiting_partitions),
    Field::new(45, "partitions.lag", |_, stats| lags(stats)),
];

pub(super) fn rejected(_: &AdminState, stats: &LaneStats) -> Value {
    stats.rejected_total().into()
}

/// Only the reasons that occurred.
fn rejected_by_reason(stats: &LaneStats) -> Value {
    let counts = Reject::ALL.iter().map(|reject| (reject.reason(), stats.rejected[reject.index()].get()));
    by_name(counts.filter(|(_, count)| *count > 0))
}

pub(super) fn decisions(_: &AdminState, stats: &LaneStats) -> Value {
    by_name(Decision::ALL.iter().map(|of| (of.name(), stats.decisions[of.index()].get())))
}

pub(super) fn reviews(_: &AdminState, stats: &LaneStats) -> Value {
    by_name(ReviewReason::ALL.iter().map(|of| (of.name(), stats.reviews[of.index()].get())))
}

/// By the steps of the configuration; empty without a fallback.
pub(super) fn fallbacks(_: &AdminState, stats: &LaneStats) -> Value {
    by_name(stats.fallbacks_by_step())
}

fn by_name<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Value {
    counts.map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, _>>().into()
}

fn rows_mean(stats: &LaneStats) -> f64 {
    let (batches, rows) = (stats.batches.get(), stats.batch_rows.get());
    if batches == 0 { 0.0 } else { rows as f64 / batches as f64 }
}

pub(super) fn duty_cycle_us(_: &AdminState, stats: &LaneStats) -> Value {
    (stats.duty_cycle_ns_max.get() / 1_000).into()
}

pub(super) fn sink_stalled(state: &AdminState, stats: &LaneStats) -> Value {
    state.lasts(&stats.sink_stalled_since_ms).as_secs_f64().into()
}

pub(super) fn fallback_seconds(state: &AdminState, stats: &LaneStats) -> Value {
    state.lasts(&stats.fallback_since_ms).as_secs_f64().into()
}

pub(super) fn model_paused_seconds(state: &AdminState, stats: &LaneStats) -> Value {
    state.lasts(&stats.model_paused_since_ms).as_secs_f64().into()
}

/// `null` before the first time.
fn since(state: &AdminState, mark: &Mark) -> Value {
    state.since(mark).map(|since| since.as_secs_f64()).into()
}

pub(super) fn since_group_contact(state: &AdminState, stats: &LaneStats) -> Value {
    since(state, &stats.group_contact_ms)
}

pub(super) fn since_commit(state: &AdminState, stats: &LaneStats) -> Value {
    since(state, &stats.committed_ms)
}

pub(super) fn since_record(state: &AdminState, stats: &LaneStats) -> Value {
    since(state, &stats.received_ms)
}

/// Those that failed, and the way out of it.
fn stopped_partitions(state: &AdminState, stats: &LaneStats) -> Value {
    let now_ms = state.wall_ms();
    held(&stats.held_up).stopped.iter().map(|of| stopped(of, now_ms)).collect()
}

fn stopped(StoppedPartition { partition, since_ms, stop }: &StoppedPartition, now_ms: i64) -> Value {
    json!({
        "partition": partition,
        "why": stop.why.name(),
        // The offset that would be read next; `null` where the client does not know it.
        "next_offset": known(stop.next),
        // What the broker keeps, where it said so.
        "first_offset_kept": stop.kept.map(|(first, _)| first),
        "end_offset": stop.kept.map(|(_, end)| end),
        "records_lost": stop.lost(),
        "stopped_seconds": now_ms.saturating_sub(*since_ms).max(0) as f64 / 1_000.0,
        "words": stop.words,
        "fix": stop.fix,
    })
}

fn waiting_partitions(state: &AdminState, stats: &LaneStats) -> Value {
    let now_ms = state.wall_ms();
    held(&stats.held_up).waiting.iter().map(|of| waiting(of, now_ms)).collect()
}

fn waiting(of: &WaitingPartition, now_ms: i64) -> Value {
    json!({
        "partition": of.partition,
        "schema": of.schema,
        "waiting_seconds": of.lasted(now_ms).as_secs_f64(),
        "why": of.why,
    })
}

fn lags(stats: &LaneStats) -> Value {
    held(&stats.partitions).iter().map(lag).collect()
}

/// In the state `lost` the numbers are the last ones known.
fn lag(shown: &ShownPartition) -> Value {
    json!({
        "partition": shown.lag.partition,
        "state": shown.state.name(),
        "position": known(shown.lag.position),
        "high_watermark": known(shown.lag.high_watermark),
        "records": shown.lag_records(),
    })
}

fn known(offset: i64) -> Option<i64> {
    (offset >= 0).then_some(offset)
}
