//! Where text goes: data to stdout, everything else to stderr.

use std::io::{ErrorKind, Write};

use crate::error::{Fatal, exit};

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

/// Writes a line to stderr.
pub fn note(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
