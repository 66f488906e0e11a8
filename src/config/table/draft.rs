//! A plan in the making.

use super::registry_draft::RegistryDraft;
use crate::config::plan::Config;
use crate::values::settings::{DeadlineFrom, WhenLate};

/// A plan, and values of keys that only make one together.
#[derive(Clone, Debug)]
pub struct Draft {
    pub config: Config,
    pub lanes: Option<usize>,
    pub cores: Vec<usize>,
    pub review: Option<f64>,
    pub decline: Option<f64>,
    pub thresholds_version: Option<String>,
    pub deadline_ms: Option<u64>,
    pub deadline_from: Option<DeadlineFrom>,
    pub deadline_then: Option<WhenLate>,
    pub registry: RegistryDraft,
}

impl Draft {
    /// Before anything is read.
    pub fn new(config: Config) -> Draft {
        Draft {
            config,
            lanes: None,
            cores: Vec::new(),
            review: None,
            decline: None,
            thresholds_version: None,
            deadline_ms: None,
            deadline_from: None,
            deadline_then: None,
            registry: RegistryDraft::default(),
        }
    }

    /// What makes this plan.
    pub fn of(config: &Config) -> Draft {
        let thresholds = config.thresholds.as_ref();
        Draft {
            config: config.clone(),
            lanes: Some(config.lanes.len()),
            cores: config.lanes.iter().flat_map(|lane| [lane.cores.lane, lane.cores.model]).flatten().collect(),
            review: thresholds.map(|given| given.review),
            decline: thresholds.map(|given| given.decline),
            thresholds_version: thresholds.map(|given| given.version.clone()),
            deadline_ms: config.deadline.map(|deadline| deadline.limit_ms),
            // Without a deadline the others mean nothing, and stating them would not read back.
            deadline_from: config.deadline.map(|deadline| deadline.from),
            deadline_then: config.deadline.map(|deadline| deadline.then),
            registry: config.schemas.registry.as_ref().map_or_else(RegistryDraft::default, RegistryDraft::of),
        }
    }
}
