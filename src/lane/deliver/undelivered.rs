//! Outcomes that were not delivered, as of one look at the acknowledgements.

use std::fmt;

use super::refusals::{Refused, What};
use crate::error::{Fatal, exit};
use crate::lane::ledger::{Assignment, Fate};
use crate::values::record::{Hope, Tag, Undelivered};

/// What to do where the brokers do not take outcomes.
const FIX: &str = "check the output, review, dead-letter and time-out topics: that they are there, the right WRITE on them, and \
                   max.message.bytes against limits.outcome_bytes_max";

/// An outcome that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken {
    pub(in crate::lane) what: What,
    pub(in crate::lane) why: Undelivered,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not taken: {}", self.what, self.why)
    }
}

impl NotTaken {
    /// The last of so many in a row. Where the client gave outcomes back that nobody refused, its `complaint` says why.
    pub(in crate::lane) fn fatal(&self, partition: i32, times: u32, complaint: Option<String>) -> Fatal {
        let NotTaken { what, why } = self;
        let mut what = format!("partition {partition}: {what} was not taken {times} times in a row: {why}");
        if let Some(complaint) = complaint.filter(|_| why.hope == Hope::Beside) {
            what = format!("{what}: {complaint}");
        }
        Fatal::new(exit::DELIVERY, what, FIX)
    }
}

/// A partition of which outcomes were not taken, and the failure that tells most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    pub partition: i32,
    pub failure: NotTaken,
}

/// What the broker did not take, as of one look.
#[derive(Debug, Default)]
pub(in crate::lane) struct Failures {
    pub(in crate::lane) failed: Vec<Failed>,
    pub(in crate::lane) refused: Vec<(Refused, Undelivered)>,
}

impl Failures {
    pub(super) fn note(&mut self, of: &Assignment, tag: Tag, why: Undelivered) {
        let Some((at, fate)) = of.announced(tag.sequence()) else { return };
        let what = match fate {
            _ if tag.is_copy() => What::Copy,
            Fate::Scored => What::Output,
            Fate::Deferred => What::Letter,
            Fate::Rejected(_) => What::DeadLetter,
        };
        let (partition, failure) = (at.partition, NotTaken { what, why });
        match self.failed.iter_mut().find(|known| known.partition == partition) {
            Some(known) if known.failure.why.hope < why.hope => known.failure = failure,
            Some(_) => {}
            None => self.failed.push(Failed { partition, failure }),
        }
        if why.hope == Hope::Never {
            self.refused.push((Refused { at, what }, why));
        }
    }
}
