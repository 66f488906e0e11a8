//! A lane of its package, what it is told, and its doors. Whoever needs a lane makes it here: a node, a bounded read, tests
//! and benches.

use std::sync::Arc;

use crate::avro::decoder::Decoder;
use crate::avro::encode::{OutcomeEncoder, OutcomeForms, OutcomeIdentity};
use crate::doors::{Clock, Group, Scorer, Sink, Source};
use crate::lane::commit::Commit;
use crate::lane::decide::{Decide, DecisionPolicy};
use crate::lane::deliver::dead_letter::{DeadLetterHeaders, Place};
use crate::lane::deliver::outcome_header::outcome_headers;
use crate::lane::deliver::{Deliver, Emit, EmitSettings};
use crate::lane::drive::Lane;
use crate::lane::ingest::{Ingest, Intake};
use crate::lane::ledger::Ledger;
use crate::lane::score::Score;
use crate::lane::state::membership::Membership;
use crate::lane::state::shutdown::Shutdown;
use crate::lane::telemetry::Telemetry;
use crate::lane::types::Types;
use crate::observe::stats::LaneStats;
use crate::values::fingerprint::Fingerprinter;
use crate::values::limits::Limits;
use crate::values::model::Provider;
use crate::values::settings::{
    DeadLetterSettings, Deadline, Layout, OutOfRange, OutputSettings, ReviewSettings, Thresholds,
};

/// A model that scores, and all that a lane needs of it. A process may hold several.
pub struct LanePackage<M> {
    pub name: String,
    pub version: String,
    /// Of the model's file, lower-case hexadecimal.
    pub sha256: String,
    /// Where the scorer runs.
    pub provider: Provider,
    pub thresholds: Thresholds,
    /// The features' names, in the order of a row.
    pub features: Vec<String>,
    /// From a record's bytes to a row.
    pub decoder: Decoder,
    /// From rows to scores, by the package's output role.
    pub scorer: M,
    /// Rows of one batch at most.
    pub batch_rows: usize,
}

/// How outcomes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSettings {
    /// How they name their schemas.
    pub forms: OutcomeForms,
    pub outputs: OutputSettings,
}

/// What a lane is told, whatever package it has.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSettings {
    /// Who it is in outcomes and dead letters.
    pub node: String,
    pub lane: u32,
    /// The input topic and its partitions: where an output topic has as many, records keep theirs.
    pub topic: String,
    pub input_partitions: i32,
    pub outcomes: OutcomeSettings,
    pub review: ReviewSettings,
    pub dead_letters: DeadLetterSettings,
    pub deadline: Option<Deadline>,
    pub limits: Limits,
    pub layout: Layout,
    pub out_of_range: OutOfRange,
    /// End offset per partition where the run is bounded: reached, finished and committed, the lane is at its end.
    pub until: Option<Vec<i64>>,
}

/// How a lane meets the world.
pub struct LaneDoors<S, K, D, C> {
    pub source: S,
    pub sink: K,
    pub commit: D,
    pub clock: C,
    pub stats: Arc<LaneStats>,
}

impl<S, M, K, D, C> Lane<Types<S, M, K, D, C>>
where
    S: Source + Group,
    M: Scorer,
    K: Sink<S::Record>,
    D: Commit<S, K>,
    C: Clock + Clone,
{
    /// In layout `dedicated` nothing is scored unless somebody serves [`Lane::take_desk`].
    pub fn build(package: LanePackage<M>, settings: LaneSettings, doors: LaneDoors<S, K, D, C>) -> Self {
        let emit = Emit::new(emit_settings(&package, &settings));
        let fingerprinter = (settings.outcomes.outputs.fingerprint)
            .then(|| Fingerprinter::new(&package.sha256, &package.thresholds.version));
        let policy = DecisionPolicy::new(package.thresholds, &settings.review, settings.deadline);
        let LaneDoors { source, sink, commit, clock, stats } = doors;
        let LaneSettings { limits, layout, out_of_range, until, .. } = settings;
        let rows = package.batch_rows.min(limits.batch_rows_max).max(1);
        let intake = Intake::new(package.decoder, limits.payload_bytes_max);
        stats.complaint.get_or_init(|| source.complaint());
        let score = match layout {
            Layout::Inline => Score::inline(package.scorer, rows, limits.model_failures_max),
            Layout::Dedicated => {
                let at_desk = (clock.clone(), source.waker(), Arc::clone(&stats));
                Score::dedicated(package.scorer, rows, limits.model_failures_max, at_desk)
            }
        };
        Lane {
            score,
            ingest: Ingest::new(intake, &source, rows, &limits),
            decide: Decide::new(policy, fingerprinter),
            deliver: Deliver::new(emit, sink),
            source,
            commit,
            ledger: Ledger::default(),
            group: Membership::new(out_of_range),
            shutdown: Shutdown::new(until),
            telemetry: Telemetry::new(stats),
            limits,
            clock,
        }
    }
}

fn emit_settings<M>(package: &LanePackage<M>, settings: &LaneSettings) -> EmitSettings {
    let encoder = OutcomeEncoder::new(&OutcomeIdentity {
        review_threshold: package.thresholds.review,
        decline_threshold: package.thresholds.decline,
        thresholds_version: package.thresholds.version.clone(),
        node: settings.node.clone(),
        lane: settings.lane,
        model_name: package.name.clone(),
        model_version: package.version.clone(),
        model_sha256: package.sha256.clone(),
        provider: package.provider,
        topic: settings.topic.clone(),
        fallback: false,
    })
    .with_forms(settings.outcomes.forms);
    let place = Place { node: settings.node.clone(), lane: settings.lane };
    let style = settings.dead_letters.header_style;
    EmitSettings {
        encoder,
        headers: DeadLetterHeaders::new(style, &settings.topic, &package.version, place, package.features.clone()),
        outcome_headers: outcome_headers(&package.version),
        input_partitions: settings.input_partitions,
        outcome_bytes_max: settings.limits.outcome_bytes_max,
        review_payload: settings.review.payload,
        dead_letter_payload: settings.dead_letters.payload,
    }
}
