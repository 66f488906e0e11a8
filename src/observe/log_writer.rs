//! The log's way to stderr. Whoever logs hands its line over and goes on: a pipe that nobody empties must not stop a lane,
//! the conductor or a shutdown. One thread writes; what it cannot take in time is dropped, counted, and said.
#![expect(clippy::disallowed_methods, reason = "the log has a thread of its own, and its end a deadline")]

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use tracing_subscriber::fmt::MakeWriter;

use super::log;

/// Lines that wait for the writer at most.
const LINES_MAX: usize = 1_024;
/// How often [`finish`] looks whether all is written.
const LOOK_EVERY: Duration = Duration::from_millis(1);

struct Lines {
    to: Sender<Vec<u8>>,
    /// Handed over and not written yet.
    waiting: AtomicU64,
    dropped: AtomicU64,
}

static LINES: OnceLock<Lines> = OnceLock::new();

/// Lines dropped since the start.
pub fn dropped() -> u64 {
    LINES.get().map_or(0, |lines| lines.dropped.load(Relaxed))
}

/// Hands a line over; `false` where nobody has set up logs.
pub fn say(line: &[u8]) -> bool {
    let Some(lines) = LINES.get() else { return false };
    lines.waiting.fetch_add(1, SeqCst);
    if lines.to.try_send(line.to_vec()).is_err() {
        lines.waiting.fetch_sub(1, SeqCst);
        lines.dropped.fetch_add(1, Relaxed);
    }
    true
}

/// Waits until all lines are written, for so long at most: the last thing before the process ends.
pub fn finish(longest: Duration) {
    let Some(lines) = LINES.get() else { return };
    let start = Instant::now();
    while lines.waiting.load(SeqCst) > 0 && start.elapsed() < longest {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Gives each event a writer that never waits.
#[derive(Clone, Copy, Debug)]
pub struct NeverWaits(());

impl NeverWaits {
    /// Starts the thread that writes; a second call shares the first one's.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start() -> io::Result<NeverWaits> {
        let (to, from) = bounded(LINES_MAX);
        if LINES.set(Lines { to, waiting: AtomicU64::new(0), dropped: AtomicU64::new(0) }).is_ok() {
            std::thread::Builder::new().name("log".into()).spawn(move || write(&from))?;
        }
        Ok(NeverWaits(()))
    }
}

/// One event's line.
pub struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for NeverWaits {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

fn write(from: &Receiver<Vec<u8>>) {
    let mut told = 0;
    for line in from {
        to_stderr(&line);
        let dropped = dropped();
        if dropped > told {
            let text = format!("{} lines of the log were dropped: stderr did not take them in time", dropped - told);
            to_stderr(log::line("WARN", &text, &[]).as_bytes());
            told = dropped;
        }
        if let Some(lines) = LINES.get() {
            lines.waiting.fetch_sub(1, SeqCst);
        }
    }
}

/// Not by way of the standard library's handle, whose lock others would wait for.
fn to_stderr(mut line: &[u8]) {
    while !line.is_empty() {
        match rustix::io::write(io::stderr(), line) {
            Ok(written) => line = &line[written.min(line.len())..],
            Err(rustix::io::Errno::INTR) => {}
            // A stderr that is closed leaves nobody to tell.
            Err(_) => return,
        }
    }
}
