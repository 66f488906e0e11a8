//! `scorewire replay`: a piece of the input, scored again beside the recorded outputs.

use std::num::NonZeroUsize;

use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use crate::config::descriptors;
use crate::config::machine::Machine;
use crate::error::{Fatal, exit};
use crate::observe::log;
use crate::replay::places::Place;
use crate::replay::verdict::{Rule, Verdict};
use crate::replay::{self, Options};

pub const EXAMPLES: &str = "\
Examples:
  # What would the next model have decided on the last two days?
  scorewire replay -c scorewire.toml --package models/next --from 2d \\
      --html replay.html
  # The same as a gate: more than one flip in a thousand fails the job
  scorewire replay -c scorewire.toml --package models/next --from 2d \\
      --max-flips 0.001 --json > replay.json
  # With what turned out to be fraud: AUC, precision and recall of both
  scorewire replay -c scorewire.toml --package models/next --from 30d \\
      --to 7d --labels chargebacks.csv
  # Audit: do the recorded scores come out again, bit by bit?
  scorewire replay -c scorewire.toml --from 2026-11-01T00:00:00Z \\
      --to 2026-11-02T00:00:00Z --bit-equal
  # One partition, from one offset to before another one
  scorewire replay -c scorewire.toml --from 3:120000 --to 3:130000";

#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Where the piece begins: earliest, a time (RFC 3339), how long ago (90m, 2h, 3d) or offsets (P:OFFSET,...), which
    /// leave other partitions out
    #[arg(long, value_name = "WHERE", default_value = "earliest", allow_hyphen_values = true)]
    from: Place,
    /// Where it ends, exclusive: latest, or as for --from; partitions that offsets do not name end where they end now
    #[arg(long, value_name = "WHERE", default_value = "latest", allow_hyphen_values = true)]
    to: Place,
    /// Topic of the recorded outputs, where it is not topics.outputs
    #[arg(long, value_name = "TOPIC")]
    against: Option<String>,
    /// Where the outputs are read from; by default an hour before the time of the piece's first records
    #[arg(long, value_name = "WHERE")]
    outputs_from: Option<Place>,
    /// Fail (exit 1) when a larger share of the decisions is another one, such as 0.001
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "bit_equal")]
    max_flips: Option<f64>,
    /// Audit: fail (exit 1) unless each recorded score of this very model comes out again with the same bits, and none is
    /// missing
    #[arg(long)]
    bit_equal: bool,
    /// Threads that score; by default one for each core
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A live job on this machine goes first.
const NICE: i32 = 10;

pub fn execute(args: &ReplayArgs) -> Result<u8, Fatal> {
    let loaded = args.config.load_to_run()?;
    log::init(&loaded.config.log)?;
    descriptors::raise();
    loaded.warnings.iter().for_each(|warning| output::warn(warning));
    // Threads that start from here on inherit it, those of clients too. Where it is refused, nothing is lost.
    let _ = rustix::process::nice(NICE);
    let (answers, own, warnings) = replay::prepare(&loaded.config)?;
    warnings.iter().for_each(|warning| output::warn(warning));
    let options = Options {
        from: args.from.clone(),
        to: args.to.clone(),
        against: args.against.clone(),
        outputs_from: args.outputs_from.clone(),
        threads: args.threads.unwrap_or_else(cores),
        bit_equal: args.bit_equal,
    };
    let findings = replay::run(&loaded.config, &options, &answers, &own)?;
    findings.notes.iter().for_each(|note| output::warn(note));
    let rule = if args.bit_equal { Rule::BitEqual } else { Rule::Flips(args.max_flips) };
    let verdict = Verdict::of(&findings, rule);
    output::print(&format!("{verdict:#?}\n{:#?}\n{:#?}\n", findings.tally.counts, findings.index.counts()))?;
    Ok(if verdict.passed { exit::DONE } else { exit::FAILED })
}

fn cores() -> NonZeroUsize {
    NonZeroUsize::new(Machine::current().cores.len()).unwrap_or(NonZeroUsize::MIN)
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "say a share from 0 to 1".to_owned())
}
