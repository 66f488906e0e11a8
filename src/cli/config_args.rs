//! Arguments that say where configuration comes from, shared by the commands that need one.

use std::path::PathBuf;

use clap::Args;

use crate::config::machine::Machine;
use crate::config::problem::ConfigError;
use crate::config::sources::{FlagValue, Sources};
use crate::config::{Config, Connection, Loaded, RegistryConnection};
use crate::error::Fatal;
use crate::observe::log;

/// Weakest first: defaults, the file, environment variables SCOREWIRE__SECTION__KEY, these flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigArgs {
    /// Configuration file; `scorewire config init` writes one
    #[arg(short, long, value_name = "FILE", env = "SCOREWIRE_CONFIG")]
    config: Option<PathBuf>,
    /// Set any key; may be repeated. Its twin in the environment is SCOREWIRE__SECTION__KEY
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Brokers to ask first [key: kafka.bootstrap] [env: SCOREWIRE__KAFKA__BOOTSTRAP]
    #[arg(long, value_name = "HOST:PORT,...")]
    bootstrap: Option<String>,
    /// Consumer group [key: kafka.group] [env: SCOREWIRE__KAFKA__GROUP]
    #[arg(long)]
    group: Option<String>,
    /// Where a new group starts: earliest or latest [key: kafka.start_at] [env: SCOREWIRE__KAFKA__START_AT]
    #[arg(long, value_name = "WHERE")]
    start_at: Option<String>,
    /// Model package [key: model.package] [env: SCOREWIRE__MODEL__PACKAGE]
    #[arg(long, value_name = "DIR")]
    package: Option<String>,
    /// ONNX Runtime's shared library [key: model.onnxruntime] [env: SCOREWIRE__MODEL__ONNXRUNTIME]
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<String>,
    /// Number of lanes [key: lanes.count] [env: SCOREWIRE__LANES__COUNT]
    #[arg(long, value_name = "N")]
    lanes: Option<String>,
    /// Address of /metrics and its neighbours, or off [key: admin.listen] [env: SCOREWIRE__ADMIN__LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Log level or directives [key: log.level] [env: SCOREWIRE__LOG__LEVEL]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ConfigArgs {
    /// Everything that configures this process, as typed.
    pub fn sources(&self) -> Sources {
        let set = self.set.iter().map(|(key, value)| FlagValue {
            flag: "--set".to_owned(),
            key: key.clone(),
            value: value.clone(),
        });
        let named = [
            ("--bootstrap", "kafka.bootstrap", &self.bootstrap),
            ("--group", "kafka.group", &self.group),
            ("--start-at", "kafka.start_at", &self.start_at),
            ("--package", "model.package", &self.package),
            ("--onnxruntime", "model.onnxruntime", &self.onnxruntime),
            ("--lanes", "lanes.count", &self.lanes),
            ("--listen", "admin.listen", &self.listen),
            ("--log-level", "log.level", &self.log_level),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| {
            let value = value.clone()?;
            Some(FlagValue { flag: flag.to_owned(), key: key.to_owned(), value })
        });
        Sources {
            file: self.config.clone(),
            env: std::env::vars_os().collect(),
            // A flag that names its key says it more plainly than --set, and wins.
            flags: set.chain(named).collect(),
        }
    }

    /// The checked configuration of this process.
    ///
    /// # Errors
    /// [`crate::error::exit::CONFIG`] with all problems.
    pub fn load(&self) -> Result<Loaded, Fatal> {
        Ok(Config::load(&self.sources(), &Machine::current())?)
    }

    /// The same for a process that logs: problems are told in the log's form.
    ///
    /// # Errors
    /// Those of [`ConfigArgs::load`].
    pub fn load_to_run(&self) -> Result<Loaded, Fatal> {
        Ok(Config::load(&self.sources(), &Machine::current()).inspect_err(in_form)?)
    }

    /// What it takes to register schemas.
    ///
    /// # Errors
    /// [`crate::error::exit::CONFIG`] with all problems.
    pub fn load_registry(&self) -> Result<RegistryConnection, Fatal> {
        Ok(Config::load_registry(&self.sources(), &Machine::current())?)
    }

    /// The connection alone, of a process that logs.
    ///
    /// # Errors
    /// [`crate::error::exit::CONFIG`] with all problems.
    pub fn load_connection(&self) -> Result<Connection, Fatal> {
        Ok(Config::load_connection(&self.sources(), &Machine::current()).inspect_err(in_form)?)
    }
}

fn in_form(error: &ConfigError) {
    log::speak(error.log_format);
}

/// Splits `key=value`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as section.key=value".to_owned()),
    }
}
