//! What a source's client complains of, as others see it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a source's client has no connection, in its own words: written by its threads, and read by whoever wants to know, since
/// the lane may be waiting within the client just then.
#[derive(Debug, Default)]
pub struct Complaint(Mutex<Option<Words>>);

#[derive(Debug)]
struct Words {
    text: String,
    /// Something was heard from the group since, if only just before.
    is_old: bool,
}

impl Complaint {
    pub fn say(&self, text: String) {
        *self.lock() = Some(Words { text, is_old: false });
    }

    /// Something was heard from the group within the last seconds. Once more, and the complaint is over.
    pub fn hear(&self) {
        let mut words = self.lock();
        if words.take_if(|words| words.is_old).is_none()
            && let Some(words) = &mut *words
        {
            words.is_old = true;
        }
    }

    pub fn text(&self) -> Option<String> {
        self.lock().as_ref().map(|words| words.text.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Words>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
