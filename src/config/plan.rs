//! The checked plan of a process, and its defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Machine;
use crate::kafka::settings::{GroupProtocol, KafkaSettings, Membership, StartAt, WithoutOffsets};
use crate::model::ProbeSettings;
use crate::observe::log::{LogConfig, LogFormat};
use crate::registry::settings::RegistrySettings;
use crate::values::limits::Limits;
use crate::values::model::{Determinism, Provider, Trees};
use crate::values::schemas::{OnUnknown, WireForms};
use crate::values::settings::{
    Cores, DeadLetterSettings, Deadline, FallbackEnd, FallbackSettings, FallbackStep, ForwardHeaders, HeaderStyle,
    Layout, OutOfRange, OutputSettings, PayloadPolicy, RetrySettings, ReviewSettings, Thresholds,
};
use crate::values::topics::{Destination, Needs, TopicRole, Topics};

/// What group and node of the job that scores letters again are called behind the node's own.
pub const RETRY_ENDS: &str = ".retry";

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
    pub determinism: Determinism,
    /// Longest model call that the batch cap is chosen for, microseconds.
    pub batch_slice_us: u64,
    /// Longest model call accepted when no batch size fits the slice, microseconds.
    pub batch_latency_us_max: u64,
    /// A batch cap that overrides the measured one.
    pub batch_rows: Option<usize>,
    /// Layout `dedicated`: a batch that the model does not answer within it goes on without a score.
    pub timeout: Option<Duration>,
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
    pub registry: Option<RegistrySettings>,
}

/// A package that is compared with the one that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengerConfig {
    /// In rows, metrics and logs; no other challenger's.
    pub name: String,
    /// Directory of the model package.
    pub package: PathBuf,
    /// Share of scored records that it is asked about, in millionths.
    pub sample_per_million: u32,
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

/// What a process does with its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Job {
    /// Scores the input.
    #[default]
    Score,
    /// Scores letters again that a fallback put off.
    Retry,
}

/// The checked plan of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub job: Job,
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
    pub challengers: Vec<ChallengerConfig>,
    /// Overrides the package's own thresholds.
    pub thresholds: Option<Thresholds>,
    pub outputs: OutputSettings,
    pub review: ReviewSettings,
    pub dead_letters: DeadLetterSettings,
    pub deadline: Option<Deadline>,
    /// What happens to records that the model gives no score.
    pub fallback: FallbackSettings,
    pub retry: RetrySettings,
    pub forward_headers: ForwardHeaders,
    pub limits: Limits,
    /// Where the node keeps what its next process is to know; `None`: nowhere.
    pub state_directory: Option<PathBuf>,
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
            job: Job::default(),
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
                determinism: Determinism::default(),
                batch_slice_us: probe.slice.as_micros() as u64,
                batch_latency_us_max: probe.latency_max.as_micros() as u64,
                batch_rows: None,
                timeout: None,
            },
            schemas: SchemasConfig {
                directory: None,
                on_unknown: OnUnknown::DeadLetter,
                wire_forms: WireForms::default(),
                raw_schema: None,
                registry: None,
            },
            challengers: Vec::new(),
            thresholds: None,
            outputs: OutputSettings::default(),
            review: ReviewSettings { sample_per_million: 1_000, payload: PayloadPolicy::Raw },
            dead_letters: DeadLetterSettings {
                payload: PayloadPolicy::Raw,
                header_style: HeaderStyle::Scorewire,
                alarm_share_per_million: 50_000,
            },
            deadline: None,
            fallback: FallbackSettings::default(),
            retry: RetrySettings::default(),
            forward_headers: ForwardHeaders::All,
            limits: Limits::default(),
            state_directory: None,
            admin_listen: ADMIN_LISTEN.parse().ok(),
            log: LogConfig { format: LogFormat::Text, level: "info".to_owned() },
        }
    }

    /// The same plan for the job that scores letters again: a group of its own, which begins at the first letter. Neither
    /// deadlines nor challengers have to do with it.
    pub fn for_retries(&self) -> Config {
        let mut job = Config { job: Job::Retry, deadline: None, challengers: Vec::new(), ..self.clone() };
        job.kafka.group.push_str(RETRY_ENDS);
        // It is beside a node of that name, whose files it does not touch.
        job.kafka.node.push_str(RETRY_ENDS);
        (job.kafka.start_at, job.kafka.without_offsets) = (Some(StartAt::Earliest), WithoutOffsets::Begin);
        job.out_of_range = OutOfRange::Stop;
        job
    }

    /// The topic that it reads.
    pub fn source(&self) -> TopicRole {
        match self.job {
            Job::Score => TopicRole::Input,
            Job::Retry => TopicRole::For(Destination::RetryLater),
        }
    }

    /// The packages of the fallback's steps, in their order.
    pub fn fallback_packages(&self) -> impl Iterator<Item = &Path> {
        self.fallback.then.iter().filter_map(|step| match step {
            FallbackStep::Package { dir, .. } => Some(dir.as_path()),
            _ => None,
        })
    }

    /// Which topics it needs that others do not.
    pub fn needs(&self) -> Needs {
        Needs {
            retry_later: self.job == Job::Retry || self.fallback.end() == Some(FallbackEnd::RetryLater),
            challenges: !self.challengers.is_empty(),
        }
    }

    /// The same plan with another package.
    pub fn with_package(&self, package: &Path) -> Config {
        let mut other = self.clone();
        other.model.package = package.to_path_buf();
        other
    }

    /// The package's thresholds, unless the configuration has its own.
    pub fn effective_thresholds<'a>(&'a self, package: &'a Thresholds) -> &'a Thresholds {
        self.thresholds.as_ref().unwrap_or(package)
    }
}
