//! The lines that tell a node's life in its log: how it starts, that it is asked to stop, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use super::fallback_words::in_words;
use super::starting::pairs;
use crate::config::{Config, show};
use crate::doors::Progress;
use crate::error::Fatal;
use crate::kafka;
use crate::model::Model;
use crate::observe::dead_letter_share::Totals;
use crate::observe::stats::{LaneStats, held};
use crate::values::topics::{Destination, PartitionCounts};

/// One line with all that identifies the process, when everything is checked and the lanes are about to start.
pub(super) fn start(config: &Config, model: &Model, counts: PartitionCounts, admin: Option<std::net::SocketAddr>) {
    let (kafka, topics, package) = (&config.kafka, &config.topics, &model.package);
    let (lanes, source) = (config.lanes.len(), config.source());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("SCOREWIRE_COMMIT"),
        node = %kafka.node,
        group = %kafka.group,
        bootstrap = %kafka.bootstrap,
        input = %topics[source],
        partitions = counts[source],
        outputs = %topics[Destination::Outputs],
        review = %topics[Destination::Review],
        dead_letters = %topics[Destination::DeadLetters],
        timeouts = %topics[Destination::Timeouts],
        delivery = show::delivery(config),
        lanes,
        layout = show::layout(config),
        model = %package.name,
        model_version = %package.version,
        model_sha256 = %package.sha256,
        provider = model.report.placement.provider.name(),
        onnxruntime = model.runtime.version(),
        librdkafka = %kafka::client_version(),
        admin = %admin.map_or_else(|| "off".to_owned(), |address| format!("http://{address}/")),
        "scorewire starts: starting lanes"
    );
    tracing::info!("{}", in_words(config, config.effective_thresholds(&package.thresholds)));
    if lanes > usize::try_from(counts[source]).unwrap_or(0) {
        tracing::warn!(
            lanes,
            partitions = counts[source],
            "more lanes than partitions: some will stay idle. Lower lanes.count, or add partitions"
        );
    }
}

/// Why a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// This signal.
    Asked(&'static str),
    /// A bounded run: every partition is at its end, or stopped before it.
    EndReached,
    Fatal,
    /// The lanes ended by themselves, which they do not.
    Unknown,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Why::Asked(signal) => signal,
            Why::EndReached => "end reached",
            Why::Fatal => "fatal error",
            Why::Unknown => "lanes ended",
        }
    }
}

pub(super) fn stopping(why: &'static str, lanes: &[Arc<LaneStats>], limit: Duration) {
    let in_flight: u64 = lanes.iter().map(|lane| lane.in_flight_records.get()).sum();
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        why,
        records_in_flight = in_flight,
        drain_timeout_ms = limit_ms,
        "stopping: nothing more is taken in, and what is in flight is finished and committed"
    );
}

/// One line with why, how long the drain took, and what was done since start.
pub(super) fn stopped(why: Why, ended: &Result<bool, Fatal>, drained: Option<Duration>, lanes: &[Arc<LaneStats>]) {
    let totals = Totals::of(lanes);
    let sum = |read: fn(&LaneStats) -> u64| lanes.iter().map(|lane| read(lane)).sum::<u64>();
    let (received, handed_back) = (sum(|lane| lane.received.get()), sum(|lane| lane.handed_back.get()));
    let (commits, lost) = (sum(|lane| lane.commits.get()), sum(|lane| lane.records_lost.get()));
    let drained_ms = drained.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let words = match (ended, why) {
        (Ok(true), Why::EndReached) => "stopped: the end offsets seen at start are reached and committed",
        (Ok(true), _) => "stopped: everything taken in is finished and committed",
        (Ok(false), _) => "stopped before everything taken in was committed: the next owner scores the rest again",
        (Err(_), _) => "stopped by a fatal error: what was not committed is scored again after the next start",
    };
    tracing::info!(
        why = why.words(),
        drained_ms,
        received,
        scored = totals.scored,
        dead_letters = totals.dead_letters(),
        reasons = totals.reasons(),
        handed_back,
        records_lost = lost,
        commits,
        committed = committed(lanes),
        "{words}"
    );
}

/// The group's offsets of the partitions that the node had: `0: 30, 1: 10`.
fn committed(lanes: &[Arc<LaneStats>]) -> String {
    let mut all: Vec<Progress> = lanes.iter().flat_map(|lane| held(&lane.left_at).clone()).collect();
    all.sort_unstable_by_key(|at| at.partition);
    pairs(all.into_iter().map(|at| (at.partition, at.offset)))
}
