//! `/status`: the process as one JSON document.

use serde::Serialize;
use serde_json::{Map, Value};

use super::cells::held;
use super::dead_letter_share::{Share, WINDOW_SECONDS};
use super::lane_status::{BESIDE, Field};
use super::latency::{Step, quantile_us};
use super::metrics::METRICS;
use super::state::{AdminState, ModelInfo};
use super::stats::{LaneStats, merged_times};
use crate::memory;
use crate::values::topics::Topics;

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    version: &'static str,
    /// `unknown` where it was built without git.
    commit: &'static str,
    node: &'a str,
    group: &'a str,
    #[serde(serialize_with = "by_name")]
    topics: &'a Topics,
    uptime_seconds: f64,
    live: bool,
    ready: bool,
    /// Why it is not live or not ready, in words; empty when all is well.
    problems: Vec<String>,
    /// What an operator should look at though records flow, such as failed partitions.
    alarms: Vec<String>,
    model: &'a ModelInfo,
    challengers: Vec<Value>,
    dead_letter_share: DeadLetterShare,
    /// `null` without one.
    schema_registry: Option<Value>,
    /// `null` without a state directory.
    crashes: Option<Value>,
    lanes: Vec<Map<String, Value>>,
    latency_us: Map<String, Value>,
    memory: Memory,
    limits: &'a Value,
}

fn by_name<S: serde::Serializer>(topics: &Topics, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(topics.iter().map(|(topic, name)| (topic.name(), name)))
}

#[derive(Debug, Serialize)]
struct Memory {
    resident_bytes: Option<u64>,
    native_heap_bytes: u64,
    model_native_bytes: u64,
    client_native_bytes: u64,
}

/// Over the last minute, of all lanes.
#[derive(Debug, Serialize)]
struct DeadLetterShare {
    window_seconds: u64,
    records: u64,
    dead_letters: u64,
    /// `null` without records.
    share: Option<f64>,
}

impl<'a> Status<'a> {
    pub fn of(state: &'a AdminState) -> Status<'a> {
        let (liveness, readiness) = (state.liveness(), state.readiness());
        Status {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("SCOREWIRE_COMMIT"),
            node: &state.node,
            group: &state.group,
            topics: &state.topics,
            uptime_seconds: state.uptime().as_secs_f64(),
            live: liveness.is_ready(),
            ready: readiness.is_ready(),
            problems: liveness.problems.iter().chain(&readiness.problems).cloned().collect(),
            alarms: state.alarms(),
            model: &state.model,
            challengers: state.challengers.iter().map(|of| of.shown(state.now_ms())).collect(),
            dead_letter_share: dead_letter_share(state),
            schema_registry: state.registry.as_ref().map(|registry| registry.shown(state.wall_ms())),
            crashes: state.crashes.as_ref().map(|crashes| crashes.shown()),
            lanes: state.lanes.iter().enumerate().map(|(index, stats)| lane(state, index, stats)).collect(),
            latency_us: latency(state),
            memory: Memory {
                resident_bytes: memory::resident_bytes(),
                native_heap_bytes: memory::heap_bytes(),
                model_native_bytes: state.model.native_bytes,
                client_native_bytes: state.client_native_bytes(),
            },
            limits: &state.limits_shown,
        }
    }
}

/// A lane's metrics and what belongs to them, each in its place.
fn lane(state: &AdminState, lane: usize, stats: &LaneStats) -> Map<String, Value> {
    let mut fields: Vec<&Field> = METRICS.iter().filter_map(|metric| metric.field.as_ref()).chain(BESIDE).collect();
    fields.sort_by_key(|field| field.place);
    let mut document = Map::from_iter([("lane".to_owned(), lane.into())]);
    fields.iter().for_each(|field| field.write(state, stats, &mut document));
    document
}

fn dead_letter_share(state: &AdminState) -> DeadLetterShare {
    let Share { records, dead_letters, .. } = held(&state.dead_letter_share).clone();
    let share = (records > 0).then(|| dead_letters as f64 / records as f64);
    DeadLetterShare { window_seconds: WINDOW_SECONDS, records, dead_letters, share }
}

/// Quantiles of each step over all lanes, microseconds.
fn latency(state: &AdminState) -> Map<String, Value> {
    let times = merged_times(&state.lanes);
    let of = |step: &Step| {
        let histogram = times.get(*step);
        let us = |quantile: f64| quantile_us(histogram, quantile);
        serde_json::json!({
            "count": histogram.len(),
            "p50": us(0.5),
            "p95": us(0.95),
            "p99": us(0.99),
            "p99_9": us(0.999),
            "max": us(1.0),
        })
    };
    Step::ALL.iter().map(|step| (step.name().to_owned(), of(step))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_of_a_lane_has_a_place_and_a_path_of_its_own() {
        let fields = || METRICS.iter().filter_map(|metric| metric.field.as_ref()).chain(BESIDE);
        let (mut places, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for field in fields() {
            assert!(places.insert(field.place) && paths.insert(field.path), "{field:?}");
        }
    }
}
