//! Prometheus metrics: every name in this one file. Counters partition the input; per lane, whenever it is quiet,
//!
//! `records_received = records_scored + sum(records_rejected) + records_handed_back + records_in_flight`.
//!
//! Nothing is copied on a record's way: a scrape reads the lanes' counters where they stand, so while records move the
//! two sides may differ by what moved in between.

use std::fmt;
use std::sync::Arc;

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::admin::AdminState;
use super::exposition::Out;
use super::latency::{Step, StepTimes};
use super::log_writer;
use super::stats::{Counter, LaneStats, PartitionState, ShownPartition, held};
use crate::edge::Why;
use crate::error::Reject;
use crate::memory;
use crate::record::{Decision, ReviewReason};

/// What the text is: OpenMetrics 1.0, which Prometheus reads since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Quantiles shown for each step; 1 is the maximum.
pub const QUANTILES: [(&str, f64); 5] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999), ("1", 1.0)];

/// Upper bounds of the latency histogram, microseconds.
const BUCKETS_US: [u64; 20] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 60_000_000,
];

/// A number of each lane: name without prefix, help, and where it stands.
type PerLane = (&'static str, &'static str, fn(&LaneStats) -> u64);

/// Counters of each lane; the exposition adds `_total` to their names.
const COUNTERS: &[PerLane] = &[
    ("records_received", "Records taken from the source", |lane| lane.received.get()),
    ("records_scored", "Records whose score the broker acknowledged", |lane| lane.scored.get()),
    ("records_handed_back", "Records given back unfinished, to be received again", |lane| lane.handed_back.get()),
    ("records_late", "Records decided after their deadline", |lane| lane.late.get()),
    ("records_incomplete", "Records whose writer's schema never gives something that the model asks for", |lane| {
        lane.incomplete_records.get()
    }),
    ("batches", "Model calls", |lane| lane.batches.get()),
    ("batch_rows", "Rows of all model calls", |lane| lane.batch_rows.get()),
    ("model_failures", "Batches that failed in the model and were retried row by row", |lane| {
        lane.model_failures.get()
    }),
    ("backpressure_stalls", "Times intake stopped at a limit", |lane| lane.backpressure_stalls.get()),
    ("rebalances", "Rebalances of the group seen", |lane| lane.rebalances.get()),
    ("commits", "Commits that the broker acknowledged", |lane| lane.commits.get()),
    ("commit_failures", "Commits that failed, and transactions that were aborted", |lane| lane.commit_failures.get()),
    ("producers_replaced", "Transactional producers that were in doubt or broken", |lane| {
        lane.producers_replaced.get()
    }),
    ("review_copies_refused", "Copies for review that the broker refuses for good", |lane| lane.copies_refused.get()),
    ("delivery_failures", "Outcomes that the broker did not take", |lane| lane.delivery_failures.get()),
    (
        "records_lost",
        "Offsets removed before they were read: a partition stopped at them, or went on behind them",
        |lane| lane.records_lost.get(),
    ),
];

/// Gauges of each lane.
const GAUGES: &[PerLane] = &[
    ("records_in_flight", "Records received and not finished", |lane| lane.in_flight_records.get()),
    ("in_flight_bytes", "Keys and values of the records in flight", |lane| lane.in_flight_bytes.get()),
    ("batch_rows_max", "Rows of the largest model call so far", |lane| lane.batch_rows_max.get()),
    ("partitions_assigned", "Partitions this lane owns", |lane| lane.assigned_partitions.get()),
    ("partitions_paused", "Partitions paused now", |lane| lane.paused_partitions.get()),
    ("partitions_failed", "Partitions that stopped with an alarm", |lane| lane.failed_partitions.get()),
    ("lane_joined", "1 when the lane has joined its group", |lane| u64::from(super::admin::joined(lane))),
];

/// Times that are long ago, by their marks.
type Since = (&'static str, &'static str, fn(&LaneStats) -> &Counter);

const SINCE: &[Since] = &[
    (
        "since_group_contact_seconds",
        "How long ago the lane heard from its group's coordinator as a member; up to 2 s when all is well",
        |lane| &lane.group_contact_ms,
    ),
    ("since_commit_seconds", "How long ago a commit was confirmed; without records there is none", |lane| {
        &lane.committed_ms
    }),
    ("since_record_seconds", "How long ago a record was received", |lane| &lane.received_ms),
];

const REJECTED: &str = "records_rejected";
const DECISIONS: &str = "decisions";
const REVIEWS: &str = "reviews";
const LAG: &str = "partition_lag_records";
const STATE: &str = "partition_state";
const STOPPED: &str = "partition_stopped";
const WAITING: &str = "partition_waiting_for_schema_seconds";
const ALARMS: &str = "alarms";
const DUTY_CYCLE: &str = "duty_cycle_max_seconds";
const SINK_STALLED: &str = "sink_stalled_seconds";
const LATENCY: &str = "step_latency_seconds";
const LATENCY_QUANTILE: &str = "step_latency_quantile_seconds";
const MODEL: &str = "model";
const BUILD: &str = "build";
const READY: &str = "ready";
const UPTIME: &str = "uptime_seconds";
const LOG_DROPPED: &str = "log_lines_dropped";
const RESIDENT: &str = "resident_memory_bytes";
const NATIVE_HEAP: &str = "native_heap_bytes";
const MODEL_NATIVE: &str = "model_native_bytes";
const CLIENT_NATIVE: &str = "client_native_bytes";

/// Turns the state of the lanes into text, at each call anew.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub fn new(state: Arc<AdminState>) -> Metrics {
        let mut registry = Registry::with_prefix("scorewire");
        registry.register_collector(Box::new(Lanes { state }));
        Metrics { registry }
    }

    /// The whole exposition, of type [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 << 10);
        // Writing to a String cannot fail, and neither do the values written.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// All lanes' times together.
pub fn merged_times(lanes: &[Arc<LaneStats>]) -> StepTimes {
    let mut merged = StepTimes::default();
    // All are asked before one is waited for.
    lanes.iter().for_each(|lane| lane.times.ask());
    for lane in lanes {
        merged.add(&lane.times.total());
    }
    merged
}

#[derive(Debug)]
struct Lanes {
    state: Arc<AdminState>,
}

impl Collector for Lanes {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out { encoder };
        let lanes = &self.state.lanes;
        for (name, help, read) in COUNTERS {
            out.family(name, help, MetricType::Counter, |family| {
                each_lane(lanes, |lane, stats| family.counter(&[("lane", lane)], read(stats)))
            })?;
        }
        for (name, help, read) in GAUGES {
            out.family(name, help, MetricType::Gauge, |family| {
                each_lane(lanes, |lane, stats| family.gauge(&[("lane", lane)], read(stats) as f64))
            })?;
        }
        labelled(&mut out, lanes)?;
        partitions(&mut out, lanes)?;
        self.held_up(&mut out)?;
        self.silences(&mut out)?;
        self.stalls(&mut out)?;
        latency(&mut out, &merged_times(lanes))?;
        self.process(&mut out)
    }
}

fn each_lane(lanes: &[Arc<LaneStats>], mut visit: impl FnMut(&str, &LaneStats) -> fmt::Result) -> fmt::Result {
    for (index, stats) in lanes.iter().enumerate() {
        visit(&index.to_string(), stats)?;
    }
    Ok(())
}

/// Counters with a closed set of labels: every label is there, with 0 as well.
fn labelled(out: &mut Out<'_>, lanes: &[Arc<LaneStats>]) -> fmt::Result {
    out.family(REJECTED, "Records whose dead letter the broker acknowledged", MetricType::Counter, |family| {
        each_lane(lanes, |lane, stats| {
            Reject::ALL.iter().try_for_each(|reject| {
                let labels = [("lane", lane), ("stage", reject.stage().name()), ("reason", reject.reason())];
                family.counter(&labels, stats.rejected[reject.index()].get())
            })
        })
    })?;
    out.family(DECISIONS, "Decisions made", MetricType::Counter, |family| {
        each_lane(lanes, |lane, stats| {
            Decision::ALL.iter().try_for_each(|decision| {
                let labels = [("lane", lane), ("decision", decision.name())];
                family.counter(&labels, stats.decisions[decision.index()].get())
            })
        })
    })?;
    out.family(REVIEWS, "Copies made for review", MetricType::Counter, |family| {
        each_lane(lanes, |lane, stats| {
            ReviewReason::ALL.iter().try_for_each(|reason| {
                let labels = [("lane", lane), ("reason", reason.name())];
                family.counter(&labels, stats.reviews[reason.index()].get())
            })
        })
    })
}

/// The series of a partition stay when contact is lost, as they were; the state says so.
fn partitions(out: &mut Out<'_>, lanes: &[Arc<LaneStats>]) -> fmt::Result {
    out.family(LAG, "Records between the lane's position and the end of the partition", MetricType::Gauge, |family| {
        each_partition(lanes, |lane, partition, shown| match super::status::lag_records(&shown.lag) {
            Some(records) => family.gauge(&[("lane", lane), ("partition", partition)], records as f64),
            None => Ok(()),
        })
    })?;
    out.family(
        STATE,
        "1 for the state that a partition is in; lost: its lag is the last one known",
        MetricType::Gauge,
        |f| {
            each_partition(lanes, |lane, partition, shown| {
                PartitionState::ALL.iter().try_for_each(|state| {
                    let labels = [("lane", lane), ("partition", partition), ("state", state.name())];
                    f.gauge(&labels, u8::from(shown.state == *state).into())
                })
            })
        },
    )
}

fn each_partition(
    lanes: &[Arc<LaneStats>],
    mut visit: impl FnMut(&str, &str, &ShownPartition) -> fmt::Result,
) -> fmt::Result {
    each_lane(lanes, |lane, stats| {
        let shown = held(&stats.partitions).clone();
        shown.iter().try_for_each(|shown| visit(lane, &shown.lag.partition.to_string(), shown))
    })
}

fn latency(out: &mut Out<'_>, times: &StepTimes) -> fmt::Result {
    out.family(
        LATENCY,
        "Time of each step of a record's way: topic ends and intake begins at the poll",
        MetricType::Histogram,
        |family| {
            Step::ALL.iter().try_for_each(|step| {
                let (sum, buckets) = buckets(times.get(*step));
                family.histogram(&[("step", step.name())], sum, times.get(*step).len(), &buckets)
            })
        },
    )?;
    out.family(LATENCY_QUANTILE, "The same times as quantiles since start", MetricType::Gauge, |family| {
        Step::ALL.iter().try_for_each(|step| {
            QUANTILES.iter().try_for_each(|(name, quantile)| {
                let us = quantile_us(times.get(*step), *quantile);
                family.gauge(&[("step", step.name()), ("quantile", name)], us as f64 / 1e6)
            })
        })
    })
}

/// A quantile in microseconds; 0 while nothing was recorded.
pub fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> u64 {
    if histogram.is_empty() { 0 } else { histogram.value_at_quantile(quantile).min(histogram.max()) }
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

impl Lanes {
    /// No series before the first time.
    fn silences(&self, out: &mut Out<'_>) -> fmt::Result {
        for (name, help, mark) in SINCE {
            out.family(name, help, MetricType::Gauge, |family| {
                each_lane(&self.state.lanes, |lane, stats| match self.state.since(mark(stats)) {
                    Some(since) => family.gauge(&[("lane", lane)], since.as_secs_f64()),
                    None => Ok(()),
                })
            })?;
        }
        Ok(())
    }

    /// No series where nothing is held up. A partition that is stopped has all reasons, so that an alarm on one that ended does
    /// not wait for a series that is gone.
    fn held_up(&self, out: &mut Out<'_>) -> fmt::Result {
        let lanes = &self.state.lanes;
        out.family(STOPPED, "1 for the reason why a partition is not read on", MetricType::Gauge, |family| {
            each_lane(lanes, |lane, stats| {
                let stopped = held(&stats.held_up).stopped.clone();
                stopped.iter().try_for_each(|stopped| {
                    let partition = stopped.partition.to_string();
                    Why::ALL.iter().try_for_each(|why| {
                        let labels = [("lane", lane), ("partition", &partition), ("why", why.name())];
                        family.gauge(&labels, u8::from(stopped.stop.why == *why).into())
                    })
                })
            })
        })?;
        let now_ms = self.state.wall_ms();
        out.family(WAITING, "How long a partition has been waiting for a schema", MetricType::Gauge, |family| {
            each_lane(lanes, |lane, stats| {
                let waiting = held(&stats.held_up).waiting.clone();
                waiting.iter().try_for_each(|waiting| {
                    let labels = [("lane", lane), ("partition", &waiting.partition.to_string())];
                    family.gauge(&labels, waiting.lasted(now_ms).as_secs_f64())
                })
            })
        })
    }

    fn stalls(&self, out: &mut Out<'_>) -> fmt::Result {
        let lanes = &self.state.lanes;
        out.family(DUTY_CYCLE, "Longest duty cycle since start", MetricType::Gauge, |family| {
            each_lane(lanes, |lane, stats| family.gauge(&[("lane", lane)], stats.duty_cycle_ns_max.get() as f64 / 1e9))
        })?;
        out.family(
            SINK_STALLED,
            "How long no outcome has been acknowledged, 0 when all is well",
            MetricType::Gauge,
            |f| {
                each_lane(lanes, |lane, stats| f.gauge(&[("lane", lane)], self.state.sink_stalled(stats).as_secs_f64()))
            },
        )
    }

    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        let state = &self.state;
        let model = &state.model;
        out.family(MODEL, "The model that scores", MetricType::Info, |family| {
            family.info(&[
                ("name", model.name.as_str()),
                ("version", &model.version),
                ("sha256", &model.sha256),
                ("provider", &model.provider),
            ])
        })?;
        out.family(BUILD, "This program", MetricType::Info, |family| {
            family.info(&[("version", env!("CARGO_PKG_VERSION")), ("commit", env!("SCOREWIRE_COMMIT"))])
        })?;
        let ready = u8::from(state.readiness().is_ready());
        let alarms = state.alarms().len() as f64;
        let bytes = |count: u64| count as f64;
        let numbers = [
            (READY, "1 when /readyz says yes", Some(ready.into())),
            (ALARMS, "Alarms that /status tells: an operator should look, though records flow", Some(alarms)),
            (UPTIME, "Time since start", Some(state.uptime().as_secs_f64())),
            (RESIDENT, "Physical memory of the process", memory::resident_bytes().map(bytes)),
            (
                NATIVE_HEAP,
                "What the allocator holds for all code of the process: librdkafka, ONNX Runtime, scorewire",
                Some(bytes(memory::heap_bytes())),
            ),
            (MODEL_NATIVE, "Memory that loading the model sessions took", Some(bytes(model.native_bytes))),
            (
                CLIENT_NATIVE,
                "The rest of the heap: the Kafka clients', but for a few megabytes",
                Some(bytes(state.client_native_bytes())),
            ),
        ];
        for (name, help, number) in numbers {
            let Some(number) = number else { continue };
            out.family(name, help, MetricType::Gauge, |family| family.gauge(&[], number))?;
        }
        out.family(LOG_DROPPED, "Lines of the log that stderr did not take in time", MetricType::Counter, |family| {
            family.counter(&[], log_writer::dropped())
        })
    }
}
