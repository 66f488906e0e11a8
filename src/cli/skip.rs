//! `scorewire skip`: pass over one record that holds its partition.

use clap::Args;

use super::order::{self, OrderArgs};
use crate::error::Fatal;
use crate::values::order::Ask;

pub const EXAMPLES: &str = "\
Examples:
  scorewire skip enriched-context:0:4211 -c scorewire.toml
  scorewire skip enriched-context:0:4211 -c scorewire.toml --without-letter

For a partition that stopped before a record of which the brokers take nothing
(outcome_refused), and for a lane that stands still since its model gives the
record no score (fallback.then ends in \"pause\"). The record becomes one dead
letter, reason skipped, and the partition goes on behind it. The node that has
the partition does it, and answers when its group has the new offset: run the
command on its machine, with its configuration, as its user. The node needs a
state directory (node.state_directory).

Exit codes: 0 done, 1 not done and why, 64 usage, 69 no such node listens,
78 bad configuration, or no state directory.";

#[derive(Args, Debug)]
pub struct SkipArgs {
    #[command(flatten)]
    order: OrderArgs,
}

pub fn execute(args: &SkipArgs) -> Result<u8, Fatal> {
    order::execute(&args.order, Ask::Skip)
}
