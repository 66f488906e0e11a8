//! Configuration: what was typed ([`raw`]) becomes a checked plan ([`Config`]), or every problem at once.
//!
//! Order, weakest first: defaults, the TOML file, environment variables `SCOREWIRE__SECTION__KEY`, flags. Every key,
//! its unit and its default stand in [`REFERENCE`], which `scorewire config init` writes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::doors::Clock;
use crate::kafka::settings::{GroupProtocol, KafkaSettings, Membership, WithoutOffsets};
use crate::model::ProbeSettings;
use crate::observe::admin::{AdminState, CONTACT_GRACE, ModelInfo, Phase};
pub use crate::observe::log::{LogConfig, LogFormat};
use crate::observe::stats::LaneStats;
use crate::values::limits::Limits;
use crate::values::model::{Provider, Trees};
use crate::values::schemas::{OnUnknown, WireForms};
use crate::values::settings::{
    Cores, DeadLetterSettings, Deadline, ForwardHeaders, HeaderStyle, Layout, OutOfRange, PayloadPolicy,
    ReviewSettings, Thresholds,
};
use crate::values::topics::Topics;

pub mod cgroup;
pub mod checks;
pub mod descriptors;
pub mod keys;
pub mod machine;
mod plan;
pub mod problem;
pub mod properties;
pub mod raw;
mod read;
pub mod secret;
pub mod security;
pub mod show;
pub mod table;

use machine::Machine;
use problem::{ConfigError, Origin};
use raw::{RawConfig, Sources};

/// The commented reference: every key with its default. `reference.toml` beside this file is its copy, for readers.
pub static REFERENCE: LazyLock<String> = LazyLock::new(table::reference);

/// Where `/metrics` and its neighbours listen unless told otherwise.
pub const ADMIN_LISTEN: &str = "127.0.0.1:9464";

/// One lane: a set of partitions, its own consumer, model session and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LaneConfig {
    pub cores: Cores,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// Directory of the model package.
    pub package: PathBuf,
    /// ONNX Runtime's shared library; `None` looks in the usual places.
    pub onnxruntime: Option<PathBuf>,
    pub provider: Provider,
    pub trees: Trees,
    /// Longest model call that the batch cap is chosen for, microseconds.
    pub batch_slice_us: u64,
    /// Longest model call accepted when no batch size fits the slice, microseconds.
    pub batch_latency_us_max: u64,
    /// A batch cap that overrides the measured one.
    pub batch_rows: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemasConfig {
    /// Directory of `.avsc` files with ids.
    pub directory: Option<PathBuf>,
    pub on_unknown: OnUnknown,
    /// The header comes first, then id, GUID, fingerprint and raw.
    pub wire_forms: WireForms,
    /// The writer's schema of raw payloads.
    pub raw_schema: Option<PathBuf>,
}

/// How outcomes and offsets become durable together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Outcomes first, then their offsets.
    AtLeastOnce,
    /// Both in one transaction per lane and commit interval.
    ExactlyOnce,
}

impl DeliveryMode {
    pub fn words(self) -> &'static str {
        match self {
            DeliveryMode::AtLeastOnce => "at least once",
            DeliveryMode::ExactlyOnce => "exactly once",
        }
    }
}

/// The checked plan of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub delivery: DeliveryMode,
    pub kafka: KafkaSettings,
    /// What happens where the next records of a partition were removed unread.
    pub out_of_range: OutOfRange,
    pub topics: Topics,
    /// Never empty.
    pub lanes: Vec<LaneConfig>,
    pub layout: Layout,
    pub model: ModelConfig,
    pub schemas: SchemasConfig,
    /// Overrides the package's own thresholds.
    pub thresholds: Option<Thresholds>,
    pub review: ReviewSettings,
    pub dead_letters: DeadLetterSettings,
    pub deadline: Option<Deadline>,
    pub forward_headers: ForwardHeaders,
    pub limits: Limits,
    /// `None`: no HTTP at all.
    pub admin_listen: Option<SocketAddr>,
    pub log: LogConfig,
}

impl Config {
    /// Everything at its default, around the three things that have none.
    pub fn new(bootstrap: &str, group: &str, package: impl Into<PathBuf>) -> Config {
        // `model check` measures with the same.
        let probe = ProbeSettings::default();
        Config {
            delivery: DeliveryMode::AtLeastOnce,
            kafka: KafkaSettings {
                bootstrap: bootstrap.to_owned(),
                group: group.to_owned(),
                node: Machine::current().host,
                start_at: None,
                without_offsets: WithoutOffsets::Refuse,
                group_protocol: GroupProtocol::Classic,
                membership: Membership::Dynamic,
                properties: Default::default(),
                consumer_properties: Default::default(),
                producer_properties: Default::default(),
                password_files: Default::default(),
            },
            out_of_range: OutOfRange::Stop,
            topics: Topics::default(),
            lanes: vec![LaneConfig::default()],
            layout: Layout::default(),
            model: ModelConfig {
                package: package.into(),
                onnxruntime: None,
                provider: Provider::Cpu,
                trees: Trees::Auto,
                batch_slice_us: probe.slice.as_micros() as u64,
                batch_latency_us_max: probe.latency_max.as_micros() as u64,
                batch_rows: None,
            },
            schemas: SchemasConfig {
                directory: None,
                on_unknown: OnUnknown::DeadLetter,
                wire_forms: WireForms::default(),
                raw_schema: None,
            },
            thresholds: None,
            review: ReviewSettings { sample_per_million: 1_000, payload: PayloadPolicy::Raw },
            dead_letters: DeadLetterSettings {
                payload: PayloadPolicy::Raw,
                header_style: HeaderStyle::Scorewire,
                alarm_share_per_million: 50_000,
            },
            deadline: None,
            forward_headers: ForwardHeaders::All,
            limits: Limits::default(),
            admin_listen: ADMIN_LISTEN.parse().ok(),
            log: LogConfig { format: LogFormat::Text, level: "info".to_owned() },
        }
    }

    /// Reads and checks every source.
    ///
    /// # Errors
    /// All problems at once, each with its place and fix.
    pub fn load(sources: &Sources, machine: &Machine) -> Result<Loaded, ConfigError> {
        let mut problems = Vec::new();
        let raw = RawConfig::read(sources, &mut problems);
        let (config, more, warnings) = plan::plan(&raw, machine);
        problems.extend(more);
        if !problems.is_empty() {
            problems.extend(checks::missing_package(&raw, &config));
            return Err(ConfigError { problems, log_format: config.log.format });
        }
        Ok(Loaded { config, warnings, raw })
    }

    /// Reads and checks the connection alone, for commands that score nothing: no group and no package is needed.
    ///
    /// # Errors
    /// All problems of `[kafka]`, `[topics]` and `[log]`, and every unknown key.
    pub fn load_connection(sources: &Sources, machine: &Machine) -> Result<Connection, ConfigError> {
        let mut problems = Vec::new();
        let raw = RawConfig::read(sources, &mut problems);
        let (config, more) = plan::connection(&raw, machine);
        problems.extend(more);
        if !problems.is_empty() {
            return Err(ConfigError { problems, log_format: config.log.format });
        }
        let package = Some(config.model.package).filter(|package| !package.as_os_str().is_empty());
        let (onnxruntime, admin_listen) = (config.model.onnxruntime, config.admin_listen);
        let Config { kafka, topics, log, delivery, .. } = config;
        Ok(Connection { kafka, topics, log, package, onnxruntime, admin_listen, delivery })
    }

    /// What the HTTP endpoints show of a process that runs this plan from now on.
    pub fn admin_state(
        &self,
        lanes: Vec<Arc<LaneStats>>,
        model: ModelInfo,
        phase: Arc<Phase>,
        clock: Arc<dyn Clock + Send + Sync>,
    ) -> AdminState {
        AdminState {
            node: self.kafka.node.clone(),
            group: self.kafka.group.clone(),
            topics: self.topics.clone(),
            lanes,
            model,
            limits: self.limits.clone(),
            contact_timeout: self.kafka.session_timeout() + CONTACT_GRACE,
            limits_shown: show::limits_json(self),
            phase,
            dead_letter_share: Default::default(),
            started_ns: clock.now_ns(),
            clock,
        }
    }

    /// The package's thresholds, unless the configuration has its own.
    pub fn effective_thresholds<'a>(&'a self, package: &'a Thresholds) -> &'a Thresholds {
        self.thresholds.as_ref().unwrap_or(package)
    }
}

/// The part of a configuration that says where Kafka is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub kafka: KafkaSettings,
    pub topics: Topics,
    pub log: LogConfig,
    /// The model package, where one is named; whether it is there has not been looked at.
    pub package: Option<PathBuf>,
    pub onnxruntime: Option<PathBuf>,
    /// Where the node of this configuration would show itself.
    pub admin_listen: Option<SocketAddr>,
    /// How that node would deliver.
    pub delivery: DeliveryMode,
}

/// A checked configuration, and what is worth telling about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<String>,
    raw: RawConfig,
}

impl Loaded {
    /// Where the effective value of `key` was written.
    pub fn origin(&self, key: &str) -> Origin {
        self.raw.origin(key)
    }
}
