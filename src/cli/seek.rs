//! `scorewire seek`: let a partition go on at another offset.

use clap::Args;

use super::order::{self, OrderArgs};
use crate::error::Fatal;
use crate::values::order::Ask;

pub const EXAMPLES: &str = "\
Examples:
  scorewire seek enriched-context:0:5000 -c scorewire.toml
  scorewire seek enriched-context:0:4000 -c scorewire.toml --repeat
  scorewire seek enriched-context:0:5000 -c scorewire.toml --force

The next record that is read is the one at the offset. Forwards: the offsets
that are passed over become one dead letter, reason skipped, which names the
first and the last of them. Where the partition stands: what stopped it is
tried again. Backwards (--repeat): records get outcomes a second time, and
consumers see both. The node that has the partition does it, and answers when
its group has the new offset: run the command on its machine, with its
configuration, as its user. The node needs a state directory
(node.state_directory).

Exit codes: 0 done, 1 not done and why, 64 usage, 69 no such node listens, or
Kafka does not answer, 78 bad configuration, or no state directory.";

#[derive(Args, Debug)]
pub struct SeekArgs {
    #[command(flatten)]
    order: OrderArgs,
    /// Move a partition that is not stopped, too
    #[arg(long)]
    force: bool,
    /// Go backwards: records from there on get outcomes a second time
    #[arg(long)]
    repeat: bool,
}

pub fn execute(args: &SeekArgs) -> Result<u8, Fatal> {
    order::execute(&args.order, Ask::Seek { forced: args.force, repeats: args.repeat })
}
