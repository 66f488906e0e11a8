//! Everything that a node verifies before it talks to Kafka, in one function: `run`, `config check` and `model check` call
//! this one, so that none of them says what another does not.

use std::time::Duration;

use super::decoding::{self, Preloaded};
use super::registry::Registry;
use crate::config::Config;
use crate::doors::Clock;
use crate::error::Fatal;
use crate::model::{self, Model, ModelSettings, ProbeSettings, TreeKernels};

/// A model that passed its package's checks, and the plans of the schemas that are there.
pub struct Prepared {
    pub model: Model,
    pub schemas: Preloaded,
}

impl Prepared {
    /// Checks the package's files, hash, contract and reader schema; ONNX Runtime; golden rows and golden records; then the
    /// writers' schemas, those of `registry` as well where it may be asked.
    ///
    /// # Errors
    /// What does not hold, with its fix and exit code.
    pub fn of(config: &Config, clock: &dyn Clock, registry: Option<&Registry>) -> Result<Prepared, Fatal> {
        let model = model::prepare(&config.model.package, &model_settings(config), clock)?;
        let schemas = decoding::preload(config, &model.package, registry)?;
        Ok(Prepared { model, schemas })
    }

    /// What `model` and schemas are worth telling, for whoever keeps no log; each sentence once.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.model.report.warnings.clone();
        warnings.extend(self.schemas.warnings());
        warnings
    }

    /// Says in the log what was found.
    pub(super) fn log(&self) {
        let (package, report) = (&self.model.package, &self.model.report);
        tracing::info!(
            name = %package.name,
            version = %package.version,
            provider = report.placement.provider.name(),
            batch_rows = report.batch_rows_cap,
            batch_invariant = report.batch_invariant,
            golden_records = package.golden_records_checked(),
            golden_difference_max = report.golden_difference_max,
            "model verified"
        );
        self.schemas.log();
    }
}

fn model_settings(config: &Config) -> ModelSettings {
    ModelSettings {
        onnxruntime: config.model.onnxruntime.clone(),
        provider: config.model.provider,
        trees: config.model.trees,
        tree_kernels: TreeKernels::default(),
        probe: ProbeSettings {
            rows_max: config.limits.batch_rows_max,
            slice: Duration::from_micros(config.model.batch_slice_us),
            latency_max: Duration::from_micros(config.model.batch_latency_us_max),
        },
        batch_rows: config.model.batch_rows,
        pad_rows: None,
        determinism: config.model.determinism,
    }
}
