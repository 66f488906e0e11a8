//! What a letter on the topic of retries says besides the headers of a dead letter: when it is to be scored again, and until
//! when that is of use.

use std::ffi::CStr;
use std::io::Write as _;

use super::dead_letter::{DeadLetterHeaders, FIELDS};
use crate::doors::SourceRecord;
use crate::lane::letter::{EXPIRES_AT, NOT_BEFORE, time};
use crate::values::letters::Holds;
use crate::values::settings::RetrySettings;

/// Writes these headers of one letter at a time into reused memory.
pub struct RetryHeaders {
    settings: RetrySettings,
    /// Why, where and how often; in the style `scorewire`, whichever dead letters have.
    pub(super) errors: DeadLetterHeaders,
    not_before: Vec<u8>,
    expires_at: Vec<u8>,
}

impl RetryHeaders {
    pub fn new(settings: RetrySettings, errors: DeadLetterHeaders) -> RetryHeaders {
        RetryHeaders { settings, errors, not_before: Vec::with_capacity(20), expires_at: Vec::with_capacity(20) }
    }

    /// Prepares the times of a record's letter, whose `errors` are filled. Returns whether there is to be one: there are attempts left,
    /// and its next one comes before it expires. A letter that fails again keeps the time at which it expires.
    pub(super) fn fill(&mut self, record: &impl SourceRecord, now_ms: i64) -> bool {
        let RetrySettings { delay, attempts_max, expires_after } = self.settings;
        let millis = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let from_ms = if record.timestamp_ms() >= 0 { record.timestamp_ms() } else { now_ms };
        let expires_at = time(record, EXPIRES_AT).unwrap_or_else(|| from_ms.saturating_add(millis(expires_after)));
        let not_before = now_ms.saturating_add(millis(delay));
        for (text, number) in [(&mut self.not_before, not_before), (&mut self.expires_at, expires_at)] {
            text.clear();
            // Writing to memory cannot fail.
            let _ = write!(text, "{number}");
        }
        self.errors.attempt() <= attempts_max && not_before < expires_at
    }

    /// The headers prepared last.
    pub(super) fn list(&self) -> [(&CStr, &[u8]); FIELDS + 2] {
        let times: [(&CStr, &[u8]); 2] = [(NOT_BEFORE, &self.not_before), (EXPIRES_AT, &self.expires_at)];
        let errors = self.errors.list(Holds::Whole);
        std::array::from_fn(|at| errors.get(at).copied().unwrap_or_else(|| times[at - FIELDS]))
    }
}
