//! `scorewire retry`: score letters again that a fallback put off.

use clap::Args;

use super::config_args::ConfigArgs;
use super::run;
use crate::error::Fatal;

pub const EXAMPLES: &str = "\
Examples:
  scorewire retry -c scorewire.toml --listen 127.0.0.1:9465
  scorewire retry -c scorewire.toml --listen off --until-end

It reads topics.retry_later as a member of a group of its own (GROUP.retry),
scores each letter when it is due, and writes an output whose field amendment
is set: it takes the place of what the source position had before. A letter
that fails again is written anew until retry_later.attempts_max, or until its
time is over; then its record is a dead letter. The order of a key is given up.
Beside a node on the same machine it needs its own address for /metrics:
--listen.";

#[derive(Args, Debug)]
pub struct RetryArgs {
    /// Stop when the letters that were there at start are scored and committed; a transaction that is open there is waited for
    #[arg(long, env = "SCOREWIRE_UNTIL_END")]
    until_end: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn execute(args: RetryArgs) -> Result<u8, Fatal> {
    run::run(&args.config, args.until_end, |config| config.for_retries())
}
