//! Where text goes: data to stdout, everything else to stderr.

use std::io::{ErrorKind, Write};

use crate::error::{Fatal, exit};
use crate::observe::log_writer;

/// Writes data to stdout.
///
/// # Errors
/// [`exit::FAILED`] when stdout does not take it. A reader that has left (`| head`) has what it wanted.
pub fn print(text: &str) -> Result<(), Fatal> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fatal::new(exit::FAILED, format!("cannot write to stdout: {error}"), "check where it is redirected to"))
        }
        _ => Ok(()),
    }
}

/// Writes a line to stderr: in the log's order, and without waiting, where there is a log.
pub fn note(text: &str) {
    if !log_writer::say(format!("{text}\n").as_bytes()) {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
