//! Headers of our own: those that come again and again are made once, and every list points to them.
#![allow(unsafe_code, reason = "librdkafka's headers are made in C's memory; each block says why it holds")]

use std::ffi::CStr;
use std::ptr::NonNull;

use super::entries::{ENTRY_SLACK, allocate, write_entry};
use crate::kafka::client::consuming::raw_headers::Header;
use crate::kafka::client::inside::HeaderEntry;

/// Headers of our own.
#[derive(Clone, Copy)]
pub enum Own<'a> {
    /// Are copied.
    Fresh(&'a [(&'a CStr, &'a [u8])]),
    /// Are there already, and are only pointed at.
    Standing(&'a [StandingEntry]),
}

impl Own<'_> {
    /// How many they are, and how many bytes names and values take that are copied.
    pub(super) fn room(&self) -> (usize, usize) {
        match self {
            Own::Fresh(own) => (own.len(), own.iter().map(|(name, value)| name.count_bytes() + value.len()).sum()),
            Own::Standing(own) => (own.len(), 0),
        }
    }

    pub(super) fn copied(&self) -> usize {
        match self {
            Own::Fresh(own) => own.len(),
            Own::Standing(_) => 0,
        }
    }
}

/// A header that many lists have. Never changed and never freed: nobody tells when the last message with it is gone.
#[derive(Clone, Copy)]
pub struct StandingEntry(pub(super) NonNull<HeaderEntry>);

// SAFETY: what it points to is never changed and never freed.
unsafe impl Send for StandingEntry {}

impl StandingEntry {
    fn new(name: &CStr, value: &[u8]) -> StandingEntry {
        let name = name.to_bytes();
        let entry = allocate(size_of::<HeaderEntry>() + name.len() + value.len() + ENTRY_SLACK).cast();
        // SAFETY: the block has room for it, and is aligned for whatever C knows.
        unsafe { write_entry(entry, Header { name, value: Some(value) }) };
        StandingEntry(entry)
    }

    fn is(self, name: &CStr, value: &[u8]) -> bool {
        // SAFETY: made by `new`: the name lies behind it, the value where it says.
        let (known_name, known_value) = unsafe {
            let (entry, name_at) = (self.0.as_ref(), self.0.add(1).cast::<u8>());
            let bytes = |at: *const u8, len| std::slice::from_raw_parts(at, len);
            (bytes(name_at.as_ptr(), entry.name_len), bytes(entry.value.cast(), entry.value_len))
        };
        known_value == value && known_name == name.to_bytes()
    }
}

/// Headers of our own that have few values and come with every outcome.
#[derive(Default)]
pub struct Standing {
    pub(super) known: Vec<StandingEntry>,
    found: Vec<StandingEntry>,
}

impl Standing {
    /// Others are copied with each outcome.
    pub(super) const MAX: usize = 32;

    pub fn of<'a>(&'a mut self, headers: &'a [(&'a CStr, &'a [u8])]) -> Own<'a> {
        self.found.clear();
        for (name, value) in headers {
            let known = self.known.iter().find(|entry| entry.is(name, value)).copied();
            let entry = match known {
                Some(entry) => entry,
                None if self.known.len() == Standing::MAX => return Own::Fresh(headers),
                None => {
                    self.known.push(StandingEntry::new(name, value));
                    self.known[self.known.len() - 1]
                }
            };
            self.found.push(entry);
        }
        Own::Standing(&self.found)
    }
}
