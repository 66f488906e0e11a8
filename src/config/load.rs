//! From what was typed to a checked [`Config`]: key by key by the table, then the values against each other in
//! [`super::checks`].

use std::net::SocketAddr;
use std::path::PathBuf;

use super::machine::Machine;
use super::plan::{Config, DeliveryMode};
use super::problem::{ConfigError, Origin, Problem};
use super::raw::RawConfig;
use super::read::Reader;
use super::sources::Sources;
use super::table::{self, Draft, KEYS, Reading};
use super::{checks, security};
use crate::kafka::settings::KafkaSettings;
use crate::observe::log::LogConfig;
use crate::registry::settings::RegistrySettings;
use crate::values::topics::Topics;

impl Config {
    /// Reads and checks every source.
    ///
    /// # Errors
    /// All problems at once, each with its place and fix.
    pub fn load(sources: &Sources, machine: &Machine) -> Result<Loaded, ConfigError> {
        let mut problems = Vec::new();
        let raw = RawConfig::read(sources, &mut problems);
        let (config, more, warnings) = checked(&raw, machine);
        problems.extend(more);
        if !problems.is_empty() {
            problems.extend(checks::missing_package(&raw, &config));
            return Err(ConfigError { problems, log_format: config.log.format });
        }
        Ok(Loaded { config, warnings, raw })
    }

    /// Reads and checks what it takes to register schemas: neither group nor package is needed.
    ///
    /// # Errors
    /// All problems of `[schemas.registry]` and of what [`Config::load_connection`] reads, and no registry.
    pub fn load_registry(sources: &Sources, machine: &Machine) -> Result<RegistryConnection, ConfigError> {
        let mut problems = Vec::new();
        let raw = RawConfig::read(sources, &mut problems);
        let (mut reader, config) = read(&raw, machine, Reading::Registry);
        if config.schemas.registry.is_none() && reader.raw.get("schemas.registry.urls").is_none() {
            let fix = "name the registry: [schemas.registry] urls = [\"https://...\"]";
            reader.problem("schemas.registry.urls", "required here, and not given", fix);
        }
        problems.extend(reader.problems);
        match config.schemas.registry {
            Some(registry) if problems.is_empty() => {
                let challengers = !config.challengers.is_empty();
                Ok(RegistryConnection { registry, topics: config.topics, challengers, log: config.log })
            }
            _ => Err(ConfigError { problems, log_format: config.log.format }),
        }
    }

    /// Reads and checks the connection alone, for commands that score nothing: no group and no package is needed.
    ///
    /// # Errors
    /// All problems of `delivery`, `[kafka]`, `[topics]`, `[admin]` and `[log]`, and every unknown key.
    pub fn load_connection(sources: &Sources, machine: &Machine) -> Result<Connection, ConfigError> {
        let mut problems = Vec::new();
        let raw = RawConfig::read(sources, &mut problems);
        let (config, more) = connection(&raw, machine);
        problems.extend(more);
        if !problems.is_empty() {
            return Err(ConfigError { problems, log_format: config.log.format });
        }
        let retry_later = config.needs().retry_later;
        let package = Some(config.model.package).filter(|package| !package.as_os_str().is_empty());
        let (onnxruntime, admin_listen) = (config.model.onnxruntime, config.admin_listen);
        let Config { kafka, topics, log, delivery, .. } = config;
        Ok(Connection { kafka, topics, log, package, onnxruntime, admin_listen, delivery, retry_later })
    }
}

/// The registry, and the topics whose values have schemas of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConnection {
    pub registry: RegistrySettings,
    pub topics: Topics,
    /// Whether a node of this configuration has challengers, and so writes their topic.
    pub challengers: bool,
    pub log: LogConfig,
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
    /// Whether its fallback puts records off.
    pub retry_later: bool,
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

/// Builds the plan. With problems the returned configuration is not to be used.
fn checked(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>, Vec<String>) {
    let (mut reader, config) = read(raw, machine, Reading::Whole);
    checks::check(&mut reader, &config);
    (config, reader.problems, reader.warnings)
}

/// Builds the connection alone.
fn connection(raw: &RawConfig, machine: &Machine) -> (Config, Vec<Problem>) {
    let (mut reader, config) = read(raw, machine, Reading::Connection);
    security::check(&mut reader, &config);
    (config, reader.problems)
}

fn read<'a>(raw: &'a RawConfig, machine: &'a Machine, wanted: Reading) -> (Reader<'a>, Config) {
    let mut reader = Reader { raw, machine, keys: KEYS, problems: Vec::new(), warnings: Vec::new() };
    let mut draft = Draft::new(Config::new("", "", ""));
    draft.config.kafka.node = machine.host.clone();
    draft.config.state_directory = machine.state_directory.clone();
    table::read(&mut reader, &mut draft, wanted);
    (reader, draft.config)
}
