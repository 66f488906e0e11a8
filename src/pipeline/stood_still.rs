//! A process that stood still, stopped or starved, for longer than its session lasts has lost its partitions, and wakes up
//! with records in its client that another member has scored by then. The client hands those out before it knows: it hears
//! that its session is over from its clock or with its next heartbeat. So a lane that finds time gone looks at nothing new
//! for as long as that takes, its partitions paused, and asks its source then.

use crate::pipeline::limits::{HEARD_OF_LOSS, STOOD_STILL, nanoseconds};

/// Since when the lane has been moving again after it stood still, and when it was seen last.
#[derive(Default)]
pub(super) struct Alive {
    seen_ns: u64,
    doubt_since_ns: Option<u64>,
}

impl Alive {
    /// Notes that the lane moves, and answers whether its partitions may have been lost unawares.
    pub(super) fn is_in_doubt(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.seen_ns) >= nanoseconds(STOOD_STILL) && self.seen_ns > 0 {
            tracing::warn!("the lane stood still for {} ms", now_ns.saturating_sub(self.seen_ns) / 1_000_000);
            self.doubt_since_ns = Some(now_ns);
        }
        self.seen_ns = now_ns;
        self.doubt_since_ns.is_some()
    }

    /// The same, with every cycle; `still_owns` is asked where there is doubt, and may end it. If it does not, the loss of the
    /// lane's partitions comes with one of the next polls.
    pub(super) fn stays_in_doubt(&mut self, now_ns: u64, still_owns: impl FnOnce() -> bool) -> bool {
        if !self.is_in_doubt(now_ns) {
            return false;
        }
        let heard = self.doubt_since_ns.is_some_and(|since| now_ns.saturating_sub(since) >= nanoseconds(HEARD_OF_LOSS));
        if heard && still_owns() {
            self.doubt_since_ns = None;
        }
        self.doubt_since_ns.is_some()
    }
}
