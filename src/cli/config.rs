//! `scorewire config`: check, show, init.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::output;
use crate::config::{REFERENCE, show};
use crate::error::{Fatal, exit};
use crate::kafka::cluster;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// List every problem at once, each with its place and fix
    Check(CheckArgs),
    /// Print the effective configuration, each value with its origin; secrets are masked
    Show(ShowArgs),
    /// Write a commented file with every key
    Init(InitArgs),
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Dial Kafka as well, and look for the topics
    #[arg(long, env = "SCOREWIRE_CHECK_CONNECT")]
    connect: bool,
    /// How long to wait for each answer of Kafka
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600),
        env = "SCOREWIRE_CHECK_TIMEOUT")]
    timeout: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Print JSON instead of TOML
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub struct InitArgs {
    /// File to write instead of stdout; an existing one is left alone
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same as FILE
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    output: Option<PathBuf>,
}

pub fn execute(command: ConfigCommand) -> Result<u8, Fatal> {
    match command {
        ConfigCommand::Check(args) => check(&args),
        ConfigCommand::Show(args) => show(&args),
        ConfigCommand::Init(args) => init(&args),
    }
}

fn check(args: &CheckArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load()?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    if loaded.config.kafka.start_at.is_none() {
        output::note("note: kafka.start_at is not given; a group without committed offsets will not start");
    }
    output::print("the configuration holds\n")?;
    if args.connect {
        let config = &loaded.config;
        let counts = cluster::inspect(&config.kafka, &config.topics, Duration::from_secs(args.timeout))?.partitions;
        output::print(&format!("Kafka answers at {}; partitions:\n", config.kafka.bootstrap))?;
        let topics = &config.topics;
        for (topic, partitions) in [
            (&topics.input, counts.input),
            (&topics.outputs, counts.outputs),
            (&topics.review, counts.review),
            (&topics.dead_letters, counts.dead_letters),
            (&topics.timeouts, counts.timeouts),
        ] {
            output::print(&format!("  {topic}: {partitions}\n"))?;
        }
    }
    Ok(exit::DONE)
}

fn show(args: &ShowArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load()?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    let text = if args.json { format!("{:#}\n", show::json(&loaded.config)) } else { show::toml(&loaded) };
    output::print(&text)?;
    Ok(exit::DONE)
}

fn init(args: &InitArgs) -> Result<u8, Fatal> {
    let Some(path) = args.file.as_ref().or(args.output.as_ref()) else {
        output::print(REFERENCE)?;
        return Ok(exit::DONE);
    };
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    written.and_then(|mut file| file.write_all(REFERENCE.as_bytes())).map_err(|error| {
        let fix = match error.kind() {
            ErrorKind::AlreadyExists => "name another file, or remove this one first",
            _ => "name a file that can be written",
        };
        Fatal::new(exit::FAILED, format!("cannot write {}: {error}", path.display()), fix)
    })?;
    output::note(&format!("wrote {}; next: scorewire config check --config {0}", path.display()));
    Ok(exit::DONE)
}
