//! `scorewire run`: score a stream.

use clap::Args;

use super::config_args::ConfigArgs;
use super::signals::Signals;
use crate::config::descriptors;
use crate::error::{Fatal, exit};
use crate::node::Node;
use crate::observe::log;

#[derive(Args, Debug)]
pub struct RunArgs {
    /// Stop when the end offsets seen at start are scored and committed
    #[arg(long, env = "SCOREWIRE_UNTIL_END")]
    until_end: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn execute(args: RunArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load()?;
    log::init(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    descriptors::raise();
    }
    let signals = Signals::watch()?;
    let node = Node::start(&loaded.config, args.until_end)?;
    if node.wait(|| signals.ask_to_stop())? {
        return Ok(exit::DONE);
    }
    Err(Fatal::new(
        exit::DRAIN,
        "stopped before everything taken in was committed: the drain deadline passed, or partitions were lost",
        "what was in flight is scored again by the next owner; raise limits.drain_timeout_ms if the brokers are slow",
    ))
}
