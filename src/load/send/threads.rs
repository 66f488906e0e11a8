//! What is said where a thread of a run does not start, or panics.

use crate::error::{Fatal, exit};

pub(in crate::load) fn no_thread(error: std::io::Error) -> Fatal {
    Fatal::new(exit::SYSTEM, format!("cannot start a thread: {error}"), "check the limits on processes and memory")
}

pub(in crate::load) fn panicked(thread: &str) -> Fatal {
    Fatal::new(exit::INTERNAL, format!("the thread {thread} panicked"), "report this")
}
