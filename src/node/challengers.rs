//! A node's challengers: verified as the champion is, and started before its lanes.

use std::sync::Arc;

use super::Shared;
use super::decoding;
use super::lane_package::package;
use super::prepared::Prepared;
use super::registry::Registry;
use crate::avro::encode_challenge::{ChallengeEncoder, ChallengeIdentity};
use crate::config::{ChallengerConfig, Config};
use crate::doors::Clock;
use crate::error::Fatal;
use crate::kafka::producer::ChallengeSink;
use crate::lane::challenge::{Challenger, ChallengerPackage, Emptied, Tap, Taps, tap};
use crate::lane::clock::SystemClock;
use crate::lane::score::Patience;
use crate::lane::scoring::Scoring;
use crate::lane::threads::ChallengerThreads;
use crate::model::{Model, Session};
use crate::observe::challengers::{ChallengerInfo, ChallengerStats, ShownChallenger};
use crate::values::challenge::Rival;
use crate::values::topics::{PartitionCounts, TopicRole};

/// A challenger that passed its package's checks.
pub struct PreparedChallenger {
    pub config: ChallengerConfig,
    pub prepared: Prepared,
}

/// A challenger of a node at work.
pub(super) struct NodeChallenger {
    config: ChallengerConfig,
    model: Model,
}

/// Checks each challenger as [`Prepared::of`] checks the champion.
///
/// # Errors
/// What does not hold, and whose it is.
pub fn prepare(
    config: &Config,
    clock: &dyn Clock,
    registry: Option<&Registry>,
) -> Result<Vec<PreparedChallenger>, Fatal> {
    let registry = registry.map(Registry::within_the_call);
    let of = |challenger: &ChallengerConfig| {
        let prepared = Prepared::of(&config.with_package(&challenger.package), clock, registry.as_ref());
        let prepared = prepared
            .map_err(|fatal| Fatal { what: format!("challenger {}: {}", challenger.name, fatal.what), ..fatal })?;
        Ok(PreparedChallenger { config: challenger.clone(), prepared })
    };
    config.challengers.iter().map(of).collect()
}

impl NodeChallenger {
    /// Says in the log what was found.
    pub(super) fn of(challenger: PreparedChallenger) -> NodeChallenger {
        let PreparedChallenger { config, prepared } = challenger;
        let package = &prepared.model.package;
        tracing::info!(
            challenger = %config.name,
            model = %package.name,
            model_version = %package.version,
            model_sha256 = %package.sha256,
            sample_per_million = config.sample_per_million,
            "a challenger is verified; it decides nothing"
        );
        prepared.log();
        NodeChallenger { config, model: prepared.model }
    }

    /// What is shown of it, with a place for each lane.
    pub(super) fn shown(&self, lanes: usize) -> ShownChallenger {
        let (package, report) = (&self.model.package, &self.model.report);
        ShownChallenger {
            package: ChallengerInfo {
                name: self.config.name.clone(),
                model: package.name.clone(),
                version: package.version.clone(),
                sha256: package.sha256.clone(),
                provider: report.placement.provider.name().to_owned(),
                sample_per_million: self.config.sample_per_million,
                native_bytes: self.model.native_bytes(lanes),
            },
            lanes: (0..lanes).map(|_| Arc::default()).collect(),
        }
    }

    fn rival(&self, config: &Config) -> Rival {
        rival(&self.model, config)
    }
}

/// A package by what the configuration decides its scores by.
fn rival(model: &Model, config: &Config) -> Rival {
    let package = &model.package;
    Rival {
        model_name: package.name.clone(),
        model_version: package.version.clone(),
        model_sha256: package.sha256.clone(),
        thresholds: config.effective_thresholds(&package.thresholds).clone(),
    }
}

impl Shared {
    /// Starts the challengers of a lane, and returns the lane's ends of their queues.
    ///
    /// # Errors
    /// What a challenger lacks; nothing has been taken from Kafka then.
    pub(super) fn start_challengers(
        self: &Arc<Self>,
        (lane, counts, clock): (usize, PartitionCounts, SystemClock),
        shown: &[ShownChallenger],
        threads: &mut ChallengerThreads,
    ) -> Result<Taps, Fatal> {
        let needs_header = self.config.schemas.wire_forms.reads_header();
        let mut taps = Vec::new();
        for (at, shown) in shown.iter().enumerate() {
            let stats = Arc::clone(&shown.lanes[lane]);
            let (tap, emptied): (Tap, Emptied) =
                tap(shown.package.sample_per_million, needs_header, Arc::clone(&stats));
            let (shared, told) = (Arc::clone(self), Arc::clone(&stats));
            threads.start((lane, &shown.package.name), stats, move || {
                shared.build_challenger((at, lane), counts, (emptied, told), clock)
            })?;
            taps.push(tap);
        }
        Ok(Taps::new(taps))
    }

    /// On the challenger's own thread, whose priority its client's threads inherit.
    fn build_challenger(
        &self,
        (at, lane): (usize, usize),
        counts: PartitionCounts,
        (emptied, stats): (Emptied, Arc<ChallengerStats>),
        clock: SystemClock,
    ) -> Result<Challenger<Session, ChallengeSink, SystemClock>, Fatal> {
        let (config, challenger) = (&self.config, &self.challengers[at]);
        let theirs = config.with_package(&challenger.config.package);
        let registry = self.registry.as_ref().map(Registry::within_the_call);
        let schemas = decoding::preload(&theirs, &challenger.model.package, registry.as_ref())?;
        let decoder = decoding::offline(&theirs, &challenger.model.package, schemas, None)?.decoder;
        let thresholds = config.effective_thresholds(&challenger.model.package.thresholds);
        let limits = &config.limits;
        // However often it fails: nothing else does then.
        let scoring = Scoring::new(
            package(&challenger.model, decoder, thresholds)?,
            limits.payload_bytes_max,
            Patience::ends_after(u32::MAX),
        );
        let identity = ChallengeIdentity {
            name: challenger.config.name.clone(),
            challenger: challenger.rival(config),
            champion: rival(&self.model, config),
            node: config.kafka.node.clone(),
            lane: u32::try_from(lane).unwrap_or(u32::MAX),
            topic: config.topics.input().clone(),
        };
        let encoder = ChallengeEncoder::new(&identity, self.forms.challenges);
        let topic = &config.topics[TopicRole::Challenges];
        let sink = ChallengeSink::new(&config.kafka, &challenger.config.name, topic, counts[TopicRole::Challenges])?;
        let of = ChallengerPackage { scoring, encoder, input_partitions: counts[TopicRole::Input] };
        Ok(Challenger::new(of, emptied, (sink, clock), stats))
    }
}
