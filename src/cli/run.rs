//! `scorewire run`: score a stream.

use clap::Args;

use super::config_args::ConfigArgs;
use super::wiring;
use crate::error::Fatal;
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
    }
    wiring::run(loaded.config, args.until_end)
}
