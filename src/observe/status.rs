//! `/status`: the process as one JSON document.

use serde::Serialize;

use super::admin;
use super::admin::AdminState;
use super::dead_letter_share::{Share, WINDOW_SECONDS};
use super::held_up::{StoppedPartition, WaitingPartition};
use super::latency::Step;
use super::metrics::{merged_times, quantile_us};
use super::stats::{LaneStats, ShownPartition, held};
use crate::edge::PartitionLag;
use crate::error::Reject;
use crate::memory;
use crate::record::{Decision, ReviewReason};

/// Records between the position and the end of a partition; `None` while either is unknown.
pub fn lag_records(lag: &PartitionLag) -> Option<u64> {
    let known = lag.position >= 0 && lag.high_watermark >= 0;
    known.then(|| u64::try_from(lag.high_watermark - lag.position).unwrap_or(0))
}

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    version: &'static str,
    /// `unknown` where it was built without git.
    commit: &'static str,
    node: &'a str,
    group: &'a str,
    topics: Topics<'a>,
    uptime_seconds: f64,
    live: bool,
    ready: bool,
    /// Why it is not live or not ready, in words; empty when all is well.
    problems: Vec<String>,
    /// What an operator should look at though records flow, such as failed partitions.
    alarms: Vec<String>,
    model: &'a admin::ModelInfo,
    dead_letter_share: DeadLetterShare,
    lanes: Vec<Lane>,
    latency_us: serde_json::Map<String, serde_json::Value>,
    memory: Memory,
    limits: &'a serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Topics<'a> {
    input: &'a str,
    outputs: &'a str,
    review: &'a str,
    dead_letters: &'a str,
    timeouts: &'a str,
}

#[derive(Debug, Serialize)]
struct Memory {
    resident_bytes: Option<u64>,
    native_heap_bytes: u64,
    model_native_bytes: u64,
    client_native_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Lane {
    lane: usize,
    joined: bool,
    records: Records,
    decisions: serde_json::Map<String, serde_json::Value>,
    reviews: serde_json::Map<String, serde_json::Value>,
    batches: Batches,
    partitions: Partitions,
    in_flight_bytes: u64,
    backpressure_stalls: u64,
    rebalances: u64,
    commits: u64,
    commit_failures: u64,
    producers_replaced: u64,
    /// Offsets that were removed before they were read.
    records_lost: u64,
    delivery_failures: u64,
    review_copies_refused: u64,
    model_failures: u64,
    duty_cycle_us_max: u64,
    sink_stalled_seconds: f64,
    /// `null` before the first time.
    since_group_contact_seconds: Option<f64>,
    since_commit_seconds: Option<f64>,
    since_record_seconds: Option<f64>,
}

/// A partition of the input: `received = scored + rejected + handed_back + in_flight`.
#[derive(Debug, Serialize)]
struct Records {
    received: u64,
    scored: u64,
    rejected: u64,
    /// Only the reasons that occurred.
    rejected_by_reason: serde_json::Map<String, serde_json::Value>,
    handed_back: u64,
    in_flight: u64,
    late: u64,
    /// Of a writer whose schema never gives something that the model asks for; `alarms` names it.
    incomplete: u64,
}

#[derive(Debug, Serialize)]
struct Batches {
    count: u64,
    rows: u64,
    rows_mean: f64,
    rows_max: u64,
}

#[derive(Debug, Serialize)]
struct Partitions {
    assigned: u64,
    paused: u64,
    failed: u64,
    /// Those that failed, and the way out of it.
    stopped: Vec<Stopped>,
    waiting_for_schema: Vec<Waiting>,
    lag: Vec<Lag>,
}

#[derive(Debug, Serialize)]
struct Stopped {
    partition: i32,
    why: &'static str,
    /// The offset that would be read next; `null` where the client does not know it.
    next_offset: Option<i64>,
    /// What the broker keeps, where it said so.
    first_offset_kept: Option<i64>,
    end_offset: Option<i64>,
    records_lost: u64,
    stopped_seconds: f64,
    words: String,
    fix: String,
}

#[derive(Debug, Serialize)]
struct Waiting {
    partition: i32,
    schema: String,
    waiting_seconds: f64,
    why: String,
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

#[derive(Debug, Serialize)]
struct Lag {
    partition: i32,
    /// `lost`: the numbers are the last ones known.
    state: &'static str,
    position: Option<i64>,
    high_watermark: Option<i64>,
    records: Option<u64>,
}

impl<'a> Status<'a> {
    pub fn of(state: &'a AdminState) -> Status<'a> {
        let (liveness, readiness) = (state.liveness(), state.readiness());
        let topics = &state.topics;
        Status {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("SCOREWIRE_COMMIT"),
            node: &state.node,
            group: &state.group,
            topics: Topics {
                input: &topics.input,
                outputs: &topics.outputs,
                review: &topics.review,
                dead_letters: &topics.dead_letters,
                timeouts: &topics.timeouts,
            },
            uptime_seconds: state.uptime().as_secs_f64(),
            live: liveness.is_ready(),
            ready: readiness.is_ready(),
            problems: liveness.problems.iter().chain(&readiness.problems).cloned().collect(),
            alarms: state.alarms(),
            model: &state.model,
            dead_letter_share: dead_letter_share(state),
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

fn lane(state: &AdminState, index: usize, stats: &LaneStats) -> Lane {
    let (batches, rows) = (stats.batches.get(), stats.batch_rows.get());
    let seconds = |mark| state.since(mark).map(|since| since.as_secs_f64());
    Lane {
        lane: index,
        joined: admin::joined(stats),
        records: records(stats),
        decisions: Decision::ALL
            .iter()
            .map(|decision| (decision.name().to_owned(), stats.decisions[decision.index()].get().into()))
            .collect(),
        reviews: ReviewReason::ALL
            .iter()
            .map(|reason| (reason.name().to_owned(), stats.reviews[reason.index()].get().into()))
            .collect(),
        batches: Batches {
            count: batches,
            rows,
            rows_mean: if batches == 0 { 0.0 } else { rows as f64 / batches as f64 },
            rows_max: stats.batch_rows_max.get(),
        },
        partitions: partitions(state, stats),
        in_flight_bytes: stats.in_flight_bytes.get(),
        backpressure_stalls: stats.backpressure_stalls.get(),
        rebalances: stats.rebalances.get(),
        commits: stats.commits.get(),
        commit_failures: stats.commit_failures.get(),
        producers_replaced: stats.producers_replaced.get(),
        records_lost: stats.records_lost.get(),
        delivery_failures: stats.delivery_failures.get(),
        review_copies_refused: stats.copies_refused.get(),
        model_failures: stats.model_failures.get(),
        duty_cycle_us_max: stats.duty_cycle_ns_max.get() / 1_000,
        sink_stalled_seconds: state.sink_stalled(stats).as_secs_f64(),
        since_group_contact_seconds: seconds(&stats.group_contact_ms),
        since_commit_seconds: seconds(&stats.committed_ms),
        since_record_seconds: seconds(&stats.received_ms),
    }
}

fn records(stats: &LaneStats) -> Records {
    let by_reason = Reject::ALL.iter().map(|reject| (reject.reason(), stats.rejected[reject.index()].get()));
    Records {
        received: stats.received.get(),
        scored: stats.scored.get(),
        rejected: stats.rejected_total(),
        rejected_by_reason: by_reason
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.to_owned(), count.into()))
            .collect(),
        handed_back: stats.handed_back.get(),
        in_flight: stats.in_flight_records.get(),
        late: stats.late.get(),
        incomplete: stats.incomplete_records.get(),
    }
}

fn dead_letter_share(state: &AdminState) -> DeadLetterShare {
    let Share { records, dead_letters, .. } = held(&state.dead_letter_share).clone();
    let share = (records > 0).then(|| dead_letters as f64 / records as f64);
    DeadLetterShare { window_seconds: WINDOW_SECONDS, records, dead_letters, share }
}

fn stopped(StoppedPartition { partition, since_ms, stop }: &StoppedPartition, now_ms: i64) -> Stopped {
    Stopped {
        partition: *partition,
        why: stop.why.name(),
        next_offset: known(stop.next),
        first_offset_kept: stop.kept.map(|(first, _)| first),
        end_offset: stop.kept.map(|(_, end)| end),
        records_lost: stop.lost(),
        stopped_seconds: now_ms.saturating_sub(*since_ms).max(0) as f64 / 1_000.0,
        words: stop.words.clone(),
        fix: stop.fix.clone(),
    }
}

fn waiting(of: &WaitingPartition, now_ms: i64) -> Waiting {
    Waiting {
        partition: of.partition,
        schema: of.schema.clone(),
        waiting_seconds: of.lasted(now_ms).as_secs_f64(),
        why: of.why.clone(),
    }
}

fn known(offset: i64) -> Option<i64> {
    (offset >= 0).then_some(offset)
}

fn partitions(state: &AdminState, stats: &LaneStats) -> Partitions {
    let now_ms = state.wall_ms();
    let held_up = held(&stats.held_up);
    let shown = held(&stats.partitions).clone();
    let lag = |ShownPartition { lag, state }: &ShownPartition| Lag {
        partition: lag.partition,
        state: state.name(),
        position: known(lag.position),
        high_watermark: known(lag.high_watermark),
        records: lag_records(lag),
    };
    Partitions {
        assigned: stats.assigned_partitions.get(),
        paused: stats.paused_partitions.get(),
        failed: stats.failed_partitions.get(),
        stopped: held_up.stopped.iter().map(|of| stopped(of, now_ms)).collect(),
        waiting_for_schema: held_up.waiting.iter().map(|of| waiting(of, now_ms)).collect(),
        lag: shown.iter().map(lag).collect(),
    }
}

/// Quantiles of each step over all lanes, microseconds.
fn latency(state: &AdminState) -> serde_json::Map<String, serde_json::Value> {
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
