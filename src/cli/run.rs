//! `scorewire run`: score a stream.

use clap::Args;

use super::config_args::ConfigArgs;
use super::signals::Signals;
use crate::config::{Config, descriptors};
use crate::error::{Fatal, exit};
use crate::node::Checked;
use crate::observe::log;

#[derive(Args, Debug)]
pub struct RunArgs {
    /// Stop when the end offsets seen at start are scored and committed; a transaction that is open there is waited for
    #[arg(long, env = "SCOREWIRE_UNTIL_END")]
    until_end: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn execute(args: RunArgs) -> Result<u8, Fatal> {
    run(&args.config, args.until_end, Clone::clone)
}

/// Runs a node with what `job` makes of the configuration.
pub(super) fn run(args: &ConfigArgs, until_end: bool, job: fn(&Config) -> Config) -> Result<u8, Fatal> {
    // First of all: one that comes while a file is read or a broker waited for is heard as well.
    let signals = Signals::watch()?;
    let loaded = args.load_to_run()?;
    log::init(&loaded.config.log)?;
    descriptors::raise();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let config = job(&loaded.config);
    let checked = signals.while_starting(|| Checked::of(&config, until_end))?;
    let node = checked.start()?;
    if node.wait(|| signals.ask_to_stop())? {
        return Ok(exit::DONE);
    }
    Err(Fatal::new(
        exit::DRAIN,
        "stopped before everything taken in was committed: the drain deadline passed, or partitions were lost",
        "what was in flight is scored again by the next owner; raise limits.drain_timeout_ms if the brokers are slow",
    ))
}
