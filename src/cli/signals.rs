//! Signals. The first of those that end a process asks for an orderly end, the second ends it at once; no other signal that
//! people send by hand or by habit ends it without a drain.
#![allow(
    unsafe_code,
    reason = "a signal's handler may only do what signal-safety(7) lists; each block says why it holds"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "signals are heard on a thread at start, and a second one leaves at once"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::error::{Fatal, exit};
use crate::observe::{log, log_writer};

/// How soon a signal is heard while the process starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What ends a scoring process.
const ENDING: [(i32, &str); 3] = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGQUIT, "SIGQUIT")];

/// What a scoring process hears and does not end by.
const HEARD: [(i32, &str); 3] = [
    (
        SIGHUP,
        "SIGHUP: nothing is read again while running; a rolling restart brings a new configuration, model or secret",
    ),
    (SIGUSR1, "SIGUSR1 means nothing here"),
    (SIGUSR2, "SIGUSR2 means nothing here"),
];

/// Of a command in somebody's terminal, which ends with it. The flag is set by the first signal.
///
/// # Errors
/// When the system does not let signals be watched.
pub fn watch() -> Result<Arc<AtomicBool>, Fatal> {
    ending(&[SIGTERM, SIGINT, SIGQUIT, SIGHUP])
}

/// Of a scoring process.
pub struct Signals {
    stop: Arc<AtomicBool>,
    /// The place of the last one in [`ENDING`].
    last: Arc<AtomicUsize>,
    heard: Vec<(Arc<AtomicBool>, &'static str)>,
}

impl Signals {
    /// # Errors
    /// When the system does not let signals be watched.
    pub fn watch() -> Result<Signals, Fatal> {
        let heard = HEARD.into_iter().map(|(signal, text)| {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(refused)?;
            Ok((flag, text))
        });
        let heard = heard.collect::<Result<_, Fatal>>()?;
        let last = Arc::new(AtomicUsize::new(0));
        for (place, (signal, _)) in ENDING.into_iter().enumerate() {
            // Before the flag is set that makes somebody ask.
            signal_hook::flag::register_usize(signal, Arc::clone(&last), place).map_err(refused)?;
        }
        Ok(Signals { stop: ending(&ENDING.map(|(signal, _)| signal))?, last, heard })
    }

    /// The signal that asked for an end, if one did. Logs what else was heard since the last call.
    pub fn ask_to_stop(&self) -> Option<&'static str> {
        for (flag, text) in &self.heard {
            if flag.swap(false, Ordering::AcqRel) {
                tracing::warn!("{text}");
            }
        }
        let asked = self.stop.load(Ordering::Acquire);
        asked.then(|| ENDING[self.last.load(Ordering::Acquire) % ENDING.len()].1)
    }
}

impl Signals {
    /// Carries out a start in which nothing is taken yet: told to stop, the process ends at once and in order, whatever is
    /// waited for. Afterwards a stop is a drain.
    ///
    /// # Errors
    /// Those of `start`; [`exit::SYSTEM`] without a thread.
    pub fn while_starting<T>(&self, start: impl FnOnce() -> Result<T, Fatal>) -> Result<T, Fatal> {
        // The start is over, or the process ends before: whoever says so first.
        let decided = AtomicBool::new(false);
        let decide = || !decided.swap(true, Ordering::AcqRel);
        thread::scope(|scope| {
            let watch = || {
                while !decided.load(Ordering::Acquire) {
                    if let Some(why) = self.ask_to_stop()
                        && decide()
                    {
                        tracing::info!(why, "told to stop while starting: nothing was taken yet");
                        log_writer::finish(log::LAST_LINES);
                        signal_hook::low_level::exit(i32::from(exit::DONE));
                    }
                    thread::park_timeout(LOOK_EVERY);
                }
            };
            let watcher =
                thread::Builder::new().name("starting".into()).spawn_scoped(scope, watch).map_err(no_thread)?;
            let started = start();
            if decide() {
                watcher.thread().unpark();
                return started;
            }
            // The watcher ends the process.
            loop {
                thread::park();
            }
        })
    }
}

fn no_thread(error: std::io::Error) -> Fatal {
    Fatal::new(exit::SYSTEM, format!("cannot start a thread: {error}"), "raise the limit of threads")
}

fn ending(signals: &[i32]) -> Result<Arc<AtomicBool>, Fatal> {
    let flag = Arc::new(AtomicBool::new(false));
    for &signal in signals {
        let asked = Arc::clone(&flag);
        // SAFETY: the handler reads atomics, writes to stderr and leaves: all of it is allowed in one.
        let leave = unsafe { signal_hook::low_level::register(signal, move || leave_if(asked.load(Ordering::SeqCst))) };
        // In this order: at the first signal the flag is not set yet, so only the second one leaves at once.
        leave.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag))).map_err(refused)?;
    }
    Ok(flag)
}

const LEFT: &str =
    "scorewire: a second signal: left at once, with code 75; what was in flight is scored again by the next owner\n";
const LEFT_JSON: &str = "{\"level\":\"ERROR\",\"message\":\"a second signal: left at once; what was in flight is scored again by the \
                         next owner\",\"code\":75,\"target\":\"scorewire\"}\n";

/// Whoever signals twice wants no waiting: not for stderr either.
fn leave_if(asked_before: bool) {
    if !asked_before {
        return;
    }
    let text = if log::is_json() { LEFT_JSON } else { LEFT };
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: both calls take memory that lives while they run; a pipe with room takes so little without waiting.
    unsafe {
        if libc::poll(&mut stderr, 1, 0) == 1 && stderr.revents & libc::POLLOUT != 0 {
            libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
        }
    }
    signal_hook::low_level::exit(i32::from(exit::DRAIN));
}

fn refused(error: std::io::Error) -> Fatal {
    Fatal::new(exit::SYSTEM, format!("cannot watch for signals: {error}"), "report it")
}
