//! Models proven before they decide and after: [`replay`] scores a bounded piece of the input again beside the recorded outputs,
//! [`challenges`] reads back what challengers answered. Both join no group and move no offset.

pub mod challenges;
pub mod index;
mod recorded;
pub mod replay;
pub mod report;
pub mod tally;
mod work;
mod worker;

use std::time::Duration;

/// How long the cluster may take to say what topics there are.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(10);
