//! How the families of [`super::table`] are read that are more than a lane's number as it stands. Each function has the
//! name of its family.

use std::cell::OnceCell;
use std::fmt;

use hdrhistogram::Histogram;

use super::cells::{Mark, held};
pub(super) use super::challenger_readings::*;
use super::challengers::ShownChallenger;
use super::exposition::Series;
use super::latency::{QUANTILES, Step, StepTimes, quantile_us};
use super::log_writer;
use super::registry::RegistryStatus;
use super::state::AdminState;
use super::stats::{LaneStats, PartitionState, ShownPartition, merged_times};
use crate::compare::Comparison;
use crate::doors::Why;
use crate::error::Reject;
use crate::memory;
use crate::values::record::{Decision, ReviewReason};

/// Upper bounds of the latency histogram, microseconds.
const BUCKETS_US: [u64; 20] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 60_000_000,
];

/// What one call of `/metrics` reads.
pub(super) struct Scrape<'a> {
    state: &'a AdminState,
    /// The lanes are asked for their times once.
    times: OnceCell<StepTimes>,
    /// Of each challenger, put together once.
    comparisons: OnceCell<Vec<Comparison>>,
}

impl Scrape<'_> {
    pub(super) fn of(state: &AdminState) -> Scrape<'_> {
        Scrape { state, times: OnceCell::new(), comparisons: OnceCell::new() }
    }

    fn times(&self) -> &StepTimes {
        self.times.get_or_init(|| merged_times(&self.state.lanes))
    }

    pub(super) fn challengers(&self) -> &[ShownChallenger] {
        &self.state.challengers
    }

    pub(super) fn comparisons(&self) -> &[Comparison] {
        self.comparisons.get_or_init(|| self.challengers().iter().map(ShownChallenger::comparison).collect())
    }
}

pub(super) fn each_lane(scrape: &Scrape<'_>, mut visit: impl FnMut(&str, &LaneStats) -> fmt::Result) -> fmt::Result {
    let mut lanes = scrape.state.lanes.iter().enumerate();
    lanes.try_for_each(|(lane, stats)| visit(&lane.to_string(), stats))
}

pub(super) fn lane_joined(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| series.count(&[lane], stats.has_joined().into()))
}

/// A closed set of labels, as those of the next two: every label is there, with 0 as well.
pub(super) fn records_rejected(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        Reject::ALL.iter().try_for_each(|reject| {
            let count = stats.rejected[reject.index()].get();
            series.count(&[lane, reject.stage().name(), reject.reason()], count)
        })
    })
}

pub(super) fn decisions(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        let mut each = Decision::ALL.iter();
        each.try_for_each(|of| series.count(&[lane, of.name()], stats.decisions[of.index()].get()))
    })
}

pub(super) fn reviews(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        let mut each = ReviewReason::ALL.iter();
        each.try_for_each(|of| series.count(&[lane, of.name()], stats.reviews[of.index()].get()))
    })
}

/// The series of a partition stay when contact is lost, as they were; the state says so.
fn each_partition(
    scrape: &Scrape<'_>,
    mut visit: impl FnMut(&str, &str, &ShownPartition) -> fmt::Result,
) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        let shown = held(&stats.partitions).clone();
        shown.iter().try_for_each(|shown| visit(lane, &shown.lag.partition.to_string(), shown))
    })
}

pub(super) fn partition_lag_records(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_partition(scrape, |lane, partition, shown| match shown.lag_records() {
        Some(records) => series.count(&[lane, partition], records),
        None => Ok(()),
    })
}

pub(super) fn partition_state(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_partition(scrape, |lane, partition, shown| {
        let mut all = PartitionState::ALL.iter();
        all.try_for_each(|state| series.count(&[lane, partition, state.name()], (shown.state == *state).into()))
    })
}

/// No series where nothing is stopped. A partition that is stopped has all reasons, so that an alarm on one that ended does
/// not wait for a series that is gone.
pub(super) fn partition_stopped(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        let stopped = held(&stats.held_up).stopped.clone();
        stopped.iter().try_for_each(|stopped| {
            let partition = stopped.partition.to_string();
            let is = |why: &Why| (stopped.stop.why == *why).into();
            Why::ALL.iter().try_for_each(|why| series.count(&[lane, &partition, why.name()], is(why)))
        })
    })
}

/// No series where nothing waits.
pub(super) fn partition_waiting_for_schema_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    let now_ms = scrape.state.wall_ms();
    each_lane(scrape, |lane, stats| {
        let waiting = held(&stats.held_up).waiting.clone();
        waiting.iter().try_for_each(|waiting| {
            series.gauge(&[lane, &waiting.partition.to_string()], waiting.lasted(now_ms).as_secs_f64())
        })
    })
}

/// No series before the first time.
fn since(scrape: &Scrape<'_>, series: &mut Series<'_>, mark: fn(&LaneStats) -> &Mark) -> fmt::Result {
    each_lane(scrape, |lane, stats| match scrape.state.since(mark(stats)) {
        Some(since) => series.gauge(&[lane], since.as_secs_f64()),
        None => Ok(()),
    })
}

pub(super) fn since_group_contact_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    since(scrape, series, |lane| &lane.group_contact_ms)
}

pub(super) fn since_commit_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    since(scrape, series, |lane| &lane.committed_ms)
}

pub(super) fn since_record_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    since(scrape, series, |lane| &lane.received_ms)
}

pub(super) fn duty_cycle_max_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| series.gauge(&[lane], stats.duty_cycle_ns_max.get() as f64 / 1e9))
}

pub(super) fn sink_stalled_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        series.gauge(&[lane], scrape.state.lasts(&stats.sink_stalled_since_ms).as_secs_f64())
    })
}

/// No series without a fallback.
pub(super) fn fallbacks(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        stats.fallbacks_by_step().try_for_each(|(step, decisions)| series.count(&[lane, step], decisions))
    })
}

pub(super) fn fallback_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| series.gauge(&[lane], scrape.state.lasts(&stats.fallback_since_ms).as_secs_f64()))
}

pub(super) fn model_paused_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_lane(scrape, |lane, stats| {
        series.gauge(&[lane], scrape.state.lasts(&stats.model_paused_since_ms).as_secs_f64())
    })
}

pub(super) fn step_latency_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    Step::ALL.iter().try_for_each(|step| {
        let times = scrape.times().get(*step);
        let (sum, buckets) = buckets(times);
        series.histogram(&[step.name()], sum, times.len(), &buckets)
    })
}

pub(super) fn step_latency_quantile_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    Step::ALL.iter().try_for_each(|step| {
        QUANTILES.iter().try_for_each(|(name, quantile)| {
            let us = quantile_us(scrape.times().get(*step), *quantile);
            series.gauge(&[step.name(), name], us as f64 / 1e6)
        })
    })
}

/// Sum in seconds, and the count of each bucket (not cumulative) by its bound in seconds.
fn buckets(histogram: &Histogram<u64>) -> (f64, Vec<(f64, u64)>) {
    let mut counts = vec![0_u64; BUCKETS_US.len() + 1];
    let mut sum_us = 0.0;
    for value in histogram.iter_recorded() {
        let count = value.count_since_last_iteration();
        sum_us += histogram.median_equivalent(value.value_iterated_to()) as f64 * count as f64;
        // The lowest value of its class: a class that straddles a bound counts as below, as what is on it does.
        let lowest = histogram.lowest_equivalent(value.value_iterated_to());
        counts[BUCKETS_US.partition_point(|bound| *bound < lowest)] += count;
    }
    let bounds = BUCKETS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
    (sum_us / 1e6, bounds.zip(counts).collect())
}

/// No series without a registry, as of the next ones.
pub(super) fn registry_reachable(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], (!registry.is_away()).into()))
}

pub(super) fn registry_away_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    let now_ms = scrape.state.wall_ms();
    of_registry(scrape, |registry| series.gauge(&[], registry.away_for(now_ms).as_secs_f64()))
}

pub(super) fn registry_answers(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], registry.answers.get()))
}

pub(super) fn registry_failures(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], registry.failures.get()))
}

pub(super) fn registry_schemas(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], registry.schemas.get()))
}

pub(super) fn registry_schemas_fetched(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], registry.fetched.get()))
}

pub(super) fn registry_schemas_pending(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    of_registry(scrape, |registry| series.count(&[], registry.pending.get()))
}

fn of_registry(scrape: &Scrape<'_>, visit: impl FnOnce(&RegistryStatus) -> fmt::Result) -> fmt::Result {
    scrape.state.registry.as_deref().map_or(Ok(()), visit)
}

/// No series without a state directory, as of the next one.
pub(super) fn crashes(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    scrape.state.crashes.as_ref().map_or(Ok(()), |crashes| series.count(&[], crashes.crashes.get()))
}

pub(super) fn suspects(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    scrape.state.crashes.as_ref().map_or(Ok(()), |crashes| series.count(&[], crashes.count()))
}

pub(super) fn model(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    let model = &scrape.state.model;
    series.info(&[&model.name, &model.version, &model.sha256, &model.provider])
}

pub(super) fn build(_: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.info(&[env!("CARGO_PKG_VERSION"), env!("SCOREWIRE_COMMIT")])
}

pub(super) fn ready(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], scrape.state.readiness().is_ready().into())
}

pub(super) fn alarms(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], scrape.state.alarms().len() as u64)
}

pub(super) fn uptime_seconds(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.gauge(&[], scrape.state.uptime().as_secs_f64())
}

/// No series where the system does not tell.
pub(super) fn resident_memory_bytes(_: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    memory::resident_bytes().map_or(Ok(()), |bytes| series.count(&[], bytes))
}

pub(super) fn native_heap_bytes(_: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], memory::heap_bytes())
}

pub(super) fn model_native_bytes(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], scrape.state.model.native_bytes)
}

pub(super) fn client_native_bytes(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], scrape.state.client_native_bytes())
}

pub(super) fn log_lines_dropped(_: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    series.count(&[], log_writer::dropped())
}
