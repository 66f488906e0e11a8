//! A lane of its package, what it is told, and its doors. Whoever needs a lane makes it here: a node, a bounded read, tests
//! and benches.

use std::sync::Arc;
use std::time::Duration;

use crate::avro::encode::{OutcomeEncoder, OutcomeForms, OutcomeIdentity};
use crate::doors::{Clock, Group, Scorer, Sink, Source};
use crate::lane::commit::Commit;
use crate::lane::decide::Decide;
use crate::lane::deliver::dead_letter::{DeadLetterHeaders, Place};
use crate::lane::deliver::outcome_header::outcome_headers;
use crate::lane::deliver::retry_letter::RetryHeaders;
use crate::lane::deliver::{Deliver, Emit, EmitSettings, Voice};
use crate::lane::drive::Lane;
use crate::lane::fallback::{Ladder, Smaller};
use crate::lane::ingest::{Ingest, Intake};
use crate::lane::ledger::Ledger;
use crate::lane::package::LanePackage;
use crate::lane::policy::DecisionPolicy;
use crate::lane::score::{Model, Patience, Score};
use crate::lane::scoring::Scoring;
use crate::lane::state::membership::Membership;
use crate::lane::state::shutdown::Shutdown;
use crate::lane::telemetry::Telemetry;
use crate::lane::types::Types;
use crate::observe::stats::LaneStats;
use crate::values::failure::{FailureClass, FailureClasses};
use crate::values::fingerprint::Fingerprinter;
use crate::values::limits::Limits;
use crate::values::settings::{
    DeadLetterSettings, Deadline, FallbackEnd, FallbackSettings, HeaderStyle, Layout, OutOfRange, OutputSettings,
    RetrySettings, ReviewSettings,
};

/// The package that decides, and those of the fallback's steps, in their order.
pub struct LanePackages<M> {
    pub model: LanePackage<M>,
    pub fallback: Vec<LanePackage<M>>,
}

impl<M> From<LanePackage<M>> for LanePackages<M> {
    fn from(model: LanePackage<M>) -> LanePackages<M> {
        LanePackages { model, fallback: Vec::new() }
    }
}

/// How outcomes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSettings {
    /// How they name their schemas.
    pub forms: OutcomeForms,
    pub outputs: OutputSettings,
}

/// What a lane's records are, or are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// The input topic and its partitions: where an output topic has as many, records keep theirs.
    pub topic: String,
    pub partitions: i32,
    /// The source hands out letters about records of the topic, which are to be scored again.
    pub letters: bool,
}

/// What happens to records that the model gives no score, or not in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnFailure {
    pub deadline: Option<Deadline>,
    /// Layout `dedicated`: a batch leaves without an answer after that.
    pub model_timeout: Option<Duration>,
    /// Who decides where the model gives no score. Its package steps are those of [`LanePackages::fallback`].
    pub fallback: FallbackSettings,
    pub retry: RetrySettings,
}

/// What a lane is told, whatever package it has.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSettings {
    /// Who it is in outcomes and dead letters.
    pub node: String,
    pub lane: u32,
    pub input: InputSettings,
    pub outcomes: OutcomeSettings,
    pub review: ReviewSettings,
    pub dead_letters: DeadLetterSettings,
    pub on_failure: OnFailure,
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
    pub fn build(packages: impl Into<LanePackages<M>>, settings: LaneSettings, doors: LaneDoors<S, K, D, C>) -> Self {
        let LanePackages { model: package, fallback } = packages.into();
        let LaneDoors { source, sink, commit, clock, stats } = doors;
        let emit = Emit::new(emit_settings(&package, &fallback, &settings));
        stats
            .fallback_steps
            .get_or_init(|| settings.on_failure.fallback.then.iter().map(ToString::to_string).collect());
        let policy = policy(&package, &settings);
        let mut decide = Decide::new(policy, fingerprinter(&package, &settings), settings.limits.model_failures_max);
        if let Some(ladder) = ladder(fallback, &settings) {
            decide.fall_back(ladder);
        }
        let patience = patience(&settings);
        let letters_about = settings.input.letters.then(|| settings.input.topic.clone());
        let LaneSettings { limits, layout, on_failure, out_of_range, until, .. } = settings;
        let rows = package.batch_rows.min(limits.batch_rows_max).max(1);
        let intake = Intake::new(package.decoder, limits.payload_bytes_max, letters_about);
        stats.complaint.get_or_init(|| source.complaint());
        let model = Model::new(package.scorer, patience).with_trouble();
        let score = match layout {
            Layout::Inline => Score::inline(model, rows),
            Layout::Dedicated => {
                let at_desk = (clock.clone(), source.waker(), Arc::clone(&stats));
                Score::dedicated(model, rows, on_failure.model_timeout, at_desk)
            }
        };
        Lane {
            score,
            ingest: Ingest::new(intake, &source, rows, &limits),
            decide,
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

fn policy<M>(package: &LanePackage<M>, settings: &LaneSettings) -> DecisionPolicy {
    DecisionPolicy::new(package.thresholds.clone(), &settings.review, settings.on_failure.deadline)
}

fn fingerprinter<M>(package: &LanePackage<M>, settings: &LaneSettings) -> Option<Fingerprinter> {
    let is_wanted = settings.outcomes.outputs.fingerprint;
    is_wanted.then(|| Fingerprinter::new(&package.sha256, &package.thresholds.version))
}

/// Failures that the fallback takes end nothing.
fn patience(settings: &LaneSettings) -> Patience {
    let FallbackSettings { on, then } = &settings.on_failure.fallback;
    let is_taken = |class: &FailureClass| !then.is_empty() && on.has(*class);
    Patience {
        ends: FailureClass::ALL.into_iter().filter(|class| !is_taken(class)).collect(),
        rests: is_taken(&FailureClass::Failed),
        ..Patience::ends_after(settings.limits.model_failures_max)
    }
}

/// The steps of the fallback, where there is one.
fn ladder<M: Scorer>(packages: Vec<LanePackage<M>>, settings: &LaneSettings) -> Option<Ladder<M>> {
    let end = settings.on_failure.fallback.end()?;
    assert_eq!(packages.len() + 1, settings.on_failure.fallback.then.len(), "a package for each step before the end");
    let limits = &settings.limits;
    let smaller = packages.into_iter().map(|package| {
        let (policy, fingerprinter) = (policy(&package, settings), fingerprinter(&package, settings));
        // Whatever it fails on, the next step takes.
        let patience = Patience {
            ends: FailureClasses::default(),
            rests: true,
            ..Patience::ends_after(limits.model_failures_max)
        };
        Smaller::new(Scoring::new(package, limits.payload_bytes_max, patience), policy, fingerprinter)
    });
    Some(Ladder::new(settings.on_failure.fallback.on, smaller.collect(), end))
}

fn emit_settings<M>(package: &LanePackage<M>, fallback: &[LanePackage<M>], settings: &LaneSettings) -> EmitSettings {
    let mut voices = vec![voice(package, None, settings)];
    let steps = settings.on_failure.fallback.then.iter().zip(fallback.iter().chain([package]));
    voices.extend(steps.map(|(step, package)| voice(package, Some(step.to_string()), settings)));
    let place = Place { node: settings.node.clone(), lane: settings.lane };
    let style = settings.dead_letters.header_style;
    let retries = settings.on_failure.fallback.end() == Some(FallbackEnd::RetryLater);
    let headers = |style, place| {
        DeadLetterHeaders::new(style, &settings.input.topic, &package.version, place, package.features.clone())
    };
    EmitSettings {
        voices,
        headers: headers(style, place.clone()),
        retry: retries.then(|| RetryHeaders::new(settings.on_failure.retry, headers(HeaderStyle::Scorewire, place))),
        input_partitions: settings.input.partitions,
        outcome_bytes_max: settings.limits.outcome_bytes_max,
        review_payload: settings.review.payload,
        dead_letter_payload: settings.dead_letters.payload,
    }
}

/// How outcomes name a package, and the step of the fallback that it decides at.
fn voice<M>(package: &LanePackage<M>, fallback_step: Option<String>, settings: &LaneSettings) -> Voice {
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
        topic: settings.input.topic.clone(),
        fallback_step: fallback_step.clone(),
    });
    Voice {
        encoder: encoder.with_forms(settings.outcomes.forms),
        headers: outcome_headers(&package.version),
        fallback: fallback_step.map(String::into_bytes),
    }
}
