//! `scorewire load`: send transactions at a steady rate and check what comes back.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::config_args::ConfigArgs;
use super::demo::{not_negative, rate, seconds, share};
use super::wiring;
use crate::config::Connection;
use crate::error::Fatal;
use crate::kafka::settings::{KafkaSettings, Topics};
use crate::observe::log;

/// How records arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arrival {
    /// Evenly spaced.
    Constant,
    /// Exponential gaps.
    Poisson,
}

#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// Transactions per second
    #[arg(long, value_name = "N", default_value_t = 1_000.0, value_parser = rate, env = "SCOREWIRE_LOAD_RATE")]
    rate: f64,
    /// How long to send
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = seconds, env = "SCOREWIRE_LOAD_SECONDS")]
    seconds: f64,
    /// Seconds of sending before anything is measured
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = not_negative, env = "SCOREWIRE_LOAD_WARMUP")]
    warmup: f64,
    /// Seed of transactions, arrival times and poison
    #[arg(long, default_value_t = 1, env = "SCOREWIRE_LOAD_SEED")]
    seed: u64,
    /// Share of records that cannot be decoded
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, env = "SCOREWIRE_LOAD_POISON")]
    poison: f64,
    /// Spacing of the records
    #[arg(long, value_enum, default_value_t = Arrival::Constant, env = "SCOREWIRE_LOAD_ARRIVAL")]
    arrival: Arrival,
    /// Send N records as fast as the broker takes them, check nothing
    #[arg(long, value_name = "N", env = "SCOREWIRE_LOAD_PRELOAD")]
    preload: Option<u64>,
    /// Send the records of an Avro file instead of simulated ones
    #[arg(long, value_name = "FILE.avro", env = "SCOREWIRE_LOAD_FROM")]
    from: Option<PathBuf>,
    /// Field whose value becomes the record's key
    #[arg(long, value_name = "FIELD", requires = "from", env = "SCOREWIRE_LOAD_KEY_FIELD")]
    key_field: Option<String>,
    /// Schema id written before each payload; without one, single-object encoding
    #[arg(long, value_name = "ID", env = "SCOREWIRE_LOAD_SCHEMA_ID")]
    schema_id: Option<u32>,
    /// Stop at the end of the file
    #[arg(long, requires = "from", conflicts_with = "repeat", env = "SCOREWIRE_LOAD_ONCE")]
    once: bool,
    /// Start the file over when it ends (the default)
    #[arg(long = "loop", requires = "from", env = "SCOREWIRE_LOAD_LOOP")]
    repeat: bool,
    /// Write simulated transactions to a .csv or .avro file instead of sending them
    #[arg(long, value_name = "FILE", requires = "count", conflicts_with_all = ["from", "preload"],
        env = "SCOREWIRE_LOAD_EXPORT")]
    export: Option<PathBuf>,
    /// Number of transactions to write
    #[arg(long, value_name = "N", requires = "export", env = "SCOREWIRE_LOAD_COUNT")]
    count: Option<u64>,
    /// Print the result as one JSON object
    #[arg(long, env = "SCOREWIRE_LOAD_JSON")]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where records come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    Simulator,
    File {
        path: PathBuf,
        key_field: Option<String>,
        /// Start over at the end.
        repeat: bool,
    },
}

/// What to send, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRequest {
    pub kafka: KafkaSettings,
    pub topics: Topics,
    pub feed: Feed,
    pub schema_id: Option<u32>,
    /// Records per second.
    pub rate: f64,
    pub seconds: f64,
    pub warmup_seconds: f64,
    pub seed: u64,
    /// Share of records that cannot be decoded, 0..=1.
    pub poison_share: f64,
    pub arrival: Arrival,
    /// Send so many at full speed instead of at the rate, and check nothing.
    pub preload: Option<u64>,
    pub json: bool,
}

/// The simulator's transactions as a file; the extension says the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    pub path: PathBuf,
    pub count: u64,
    pub seed: u64,
}

pub fn execute(args: LoadArgs) -> Result<u8, Fatal> {
    if let (Some(path), Some(count)) = (args.export, args.count) {
        return wiring::export(ExportRequest { path, count, seed: args.seed });
    }
    let Connection { kafka, topics, log } = args.config.load_connection()?;
    log::init(&log)?;
    let feed = match args.from {
        Some(path) => Feed::File { path, key_field: args.key_field, repeat: !args.once },
        None => Feed::Simulator,
    };
    wiring::load(LoadRequest {
        kafka,
        topics,
        feed,
        schema_id: args.schema_id,
        rate: args.rate,
        seconds: args.seconds,
        warmup_seconds: args.warmup,
        seed: args.seed,
        poison_share: args.poison,
        arrival: args.arrival,
        preload: args.preload,
        json: args.json,
    })
}
