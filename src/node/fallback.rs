//! The packages of a node's fallback: verified as the one that decides.

use std::sync::Arc;

use super::decoding::{self, Plans, Preloaded};
use super::lane_package::package;
use super::prepared::Prepared;
use super::registry::Registry;
use crate::config::Config;
use crate::doors::Clock;
use crate::error::Fatal;
use crate::lane::LanePackage;
use crate::lane::clock::SystemClock;
use crate::lane::threads::Lanes;
use crate::model::{Model, Session};
use crate::observe::stats::LaneStats;

/// Checks the package of each step as [`Prepared::of`] checks the one that decides.
///
/// # Errors
/// What does not hold, and whose it is.
pub fn prepare(config: &Config, clock: &dyn Clock, registry: Option<&Registry>) -> Result<Vec<Prepared>, Fatal> {
    let registry = registry.map(Registry::within_the_call);
    let of = |dir: &std::path::Path| {
        let prepared = Prepared::of(&config.with_package(dir), clock, registry.as_ref());
        prepared.map_err(|fatal| Fatal { what: format!("fallback.then: {}", fatal.what), ..fatal })
    };
    config.fallback_packages().map(of).collect()
}

/// The models of the steps, and the plans of their schemas.
pub(super) fn apart(prepared: Vec<Prepared>) -> (Vec<Model>, Vec<Preloaded>) {
    prepared.iter().for_each(Prepared::log);
    prepared.into_iter().map(|Prepared { model, schemas }| (model, schemas)).unzip()
}

/// Starts a thread for each package that reads and compiles its schemas. Returns what each lane makes its decoders of.
///
/// # Errors
/// When a thread does not start.
pub(super) fn start_schemas(
    lanes: &Lanes<SystemClock>,
    schemas: Vec<Preloaded>,
    stats: &[Arc<LaneStats>],
) -> Result<Vec<Vec<Plans>>, Fatal> {
    let mut by_lane: Vec<Vec<Plans>> = stats.iter().map(|_| Vec::new()).collect();
    for schemas in schemas {
        let (desk, plans) = schemas.desk(stats);
        lanes.start_schemas(desk)?;
        by_lane.iter_mut().zip(plans).for_each(|(of_lane, plans)| of_lane.push(plans));
    }
    Ok(by_lane)
}

/// What a lane falls back on, in the order of the steps.
///
/// # Errors
/// When ONNX Runtime opens no further session.
pub(super) fn packages(
    config: &Config,
    models: &[Model],
    plans: Vec<Plans>,
) -> Result<Vec<LanePackage<Session>>, Fatal> {
    let of = |(model, plans): (&Model, Plans)| {
        let thresholds = config.effective_thresholds(&model.package.thresholds);
        package(model, decoding::decoder(config, plans), thresholds)
    };
    models.iter().zip(plans).map(of).collect()
}
