//! One example for each reason that records are rejected for: where the first of them is found since somebody looked last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cells::held;
use crate::error::Reject;

/// A record that was rejected, without anything of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectExample {
    /// `topic-partition-offset`.
    pub at: String,
    /// Id, GUID or fingerprint of its schema; empty where the record names none.
    pub schema: String,
    /// What the dead letter says: the reason, and the feature it is about.
    pub message: String,
}

/// The examples of one lane. Its thread asks [`RejectExamples::wants`] for each record that it rejects, and writes one
/// once in a report's interval; whoever reports takes it.
#[derive(Debug, Default)]
pub struct RejectExamples {
    /// A bit for each reason, by [`Reject::index`], that has an example.
    kept: AtomicU64,
    examples: Mutex<[Option<RejectExample>; Reject::REASONS]>,
}

const _: () = assert!(Reject::REASONS <= u64::BITS as usize);

impl RejectExamples {
    pub fn wants(&self, reject: Reject) -> bool {
        self.kept.load(Ordering::Relaxed) & (1 << reject.index()) == 0
    }

    pub fn keep(&self, reject: Reject, example: RejectExample) {
        held(&self.examples)[reject.index()] = Some(example);
        self.kept.fetch_or(1 << reject.index(), Ordering::Release);
    }

    /// The example of a reason, by its index. The next record rejected for it is another one.
    pub fn take(&self, index: usize) -> Option<RejectExample> {
        let example = held(&self.examples)[index].take();
        self.kept.fetch_and(!(1 << index), Ordering::AcqRel);
        example
    }
}
