//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Fatal, exit};

/// Set by the first signal.
pub fn watch() -> Result<Arc<AtomicBool>, Fatal> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: at the first signal the flag is not set yet, so only the second one leaves at once.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(exit::DRAIN), Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Fatal::new(exit::SYSTEM, format!("cannot watch for signals: {error}"), "report it"))?;
    }
    Ok(flag)
}
