//! `scorewire config`: check, show, init.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::{connect_check, output, table, verify};
use crate::config::{Config, LaneConfig, REFERENCE, show};
use crate::error::{Fatal, exit};
use crate::lane::clock::SystemClock;
use crate::node::{self, Prepared, PreparedChallenger};
use crate::observe::terminal;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Verify all that `run` verifies before it asks Kafka: keys, package, library, schemas; every problem with its fix
    Check(CheckArgs),
    /// Print the effective configuration, each value with its origin; secrets are masked
    Show(ShowArgs),
    /// Write a commented file with every key
    Init(InitArgs),
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Dial every broker as well, and look at topics, their settings and what this client may do; ask the schema registry
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
    // Everything that `run` verifies on this machine; then, where it is asked for, Kafka, so that both are told at once.
    let verified = verify::verify(&loaded.config).and_then(|verified| {
        let challengers = node::prepare_challengers(&loaded.config, &SystemClock::new(), None)?;
        let fallback = node::prepare_fallback(&loaded.config, &SystemClock::new(), None)?;
        let state = node::state_directory(&loaded.config)?;
        output::print(&describe(&loaded.config, (&verified.0, &fallback), &challengers, state))?;
        Ok(verified)
    });
    let package = verified.as_ref().ok().map(|(prepared, _)| &*prepared.model.package);
    let timeout = Duration::from_secs(args.timeout);
    let connected = if args.connect { connect_check::execute(&loaded.config, package, timeout) } else { Ok(()) };
    let (prepared, of_node) = match (verified, connected) {
        (Ok(verified), Ok(())) => verified,
        (Err(fatal), Ok(())) | (Ok(_), Err(fatal)) => return Err(fatal),
        (Err(of_node), Err(of_kafka)) => {
            output::fatal(&of_node);
            return Err(of_kafka);
        }
    };
    let verdict = verify::verdict(&prepared.model, loaded.warnings.len() + of_node);
    let kafka = if args.connect { "Kafka answers" } else { "Kafka was not asked: --connect does" };
    output::print(&terminal::wrapped("\nthe configuration holds: ", &format!("{verdict}. {kafka}"), 2))?;
    Ok(exit::DONE)
}

/// What was verified.
fn describe(
    config: &Config,
    (prepared, fallback): (&Prepared, &[Prepared]),
    challengers: &[PreparedChallenger],
    state: String,
) -> String {
    let mut lines = verify::of_model(&prepared.model);
    let package = &prepared.model.package;
    let thresholds = config.effective_thresholds(&package.thresholds);
    let whose = if config.thresholds.is_some() { "of this configuration" } else { "of the package" };
    let (review, decline, version) = (thresholds.review, thresholds.decline, &thresholds.version);
    lines.extend([
        ("package", package.dir.display().to_string()),
        ("library", prepared.model.runtime.path().display().to_string()),
        ("schemas", schemas(config, prepared)),
        ("thresholds", format!("review {review}, decline {decline}, version {version}: {whose}")),
        ("lanes", lanes(config)),
        ("batch", format!("up to {} rows", prepared.model.report.batch_rows_cap)),
        ("state", state),
    ]);
    lines.extend(challengers.iter().map(|of| ("challenger", challenger(of))));
    lines.push(("fallback", node::fallback_in_words(config, thresholds)));
    lines.extend(
        fallback.iter().map(|of| ("its package", format!("{} {}", of.model.package.name, of.model.package.version))),
    );
    table::table(lines)
}

fn challenger(of: &PreparedChallenger) -> String {
    let (package, percent) = (&of.prepared.model.package, f64::from(of.config.sample_per_million) / 10_000.0);
    format!("{}: {} {}, asked about {percent} % of the scored records", of.config.name, package.name, package.version)
}

fn schemas(config: &Config, prepared: &Prepared) -> String {
    let here = verify::schemas(prepared);
    match config.schemas.registry {
        Some(_) => format!("{here}, and the registry's as records name them"),
        None => here,
    }
}

fn lanes(config: &Config) -> String {
    let layout = show::layout(config);
    let pinned = |lane: &LaneConfig| [lane.cores.lane, lane.cores.model].into_iter().flatten().collect::<Vec<_>>();
    let cores: Vec<String> = config.lanes.iter().flat_map(pinned).map(|core| core.to_string()).collect();
    let cores = if cores.is_empty() { "not pinned".to_owned() } else { format!("on cores {}", cores.join(", ")) };
    format!("{}, {layout}, {cores}", config.lanes.len())
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
        output::print(&REFERENCE)?;
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
