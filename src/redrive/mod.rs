//! Dead letters brought back: listed, shown, sent to the input again, dropped. What is listed, shown or dropped joins no group and
//! moves no offset; a replay has a group of its own, by which it goes on after a crash. `docs/dead-letters.md`

mod chunk;
pub mod drop;
pub mod filters;
pub mod group;
pub mod letter;
pub mod letters;
mod originals;
pub mod replay;
pub mod tally;
mod turn;

use std::time::Duration;

/// How long the cluster may take to say what topics there are.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Letters taken at once.
const ROOM: usize = 256;
