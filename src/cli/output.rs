//! Where text goes: data to stdout, everything else to stderr.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::error::{Fatal, exit};
use crate::load::Summary;
use crate::observe::{log, log_writer, terminal};

/// Writes data to stdout.
///
/// # Errors
/// [`exit::FAILED`] when stdout does not take it. A reader that has left (`| head`) has what it wanted.
pub fn print(text: &str) -> Result<(), Fatal> {
    is_read(text).map(drop)
}

/// As [`print`], for a part of a long text. Returns whether somebody still reads.
///
/// # Errors
/// Those of [`print`].
pub fn is_read(text: &str) -> Result<bool, Fatal> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Fatal::new(exit::FAILED, format!("cannot write to stdout: {error}"), "check where it is redirected to"))
        }
        Ok(()) => Ok(true),
    }
}

/// Writes what a run found to stdout: one JSON object, or a table, in colour on a terminal unless `NO_COLOR` is set.
///
/// # Errors
/// Those of [`print`].
pub fn summary(summary: &Summary, json: bool) -> Result<(), Fatal> {
    if json {
        return print(&format!("{}\n", summary.json()));
    }
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    print(&summary.table_in(std::io::stdout().is_terminal() && !no_colour))
}

/// Says something beside the log, in its form.
pub fn note(text: &str) {
    match log::is_json() {
        true => say(&log::line("INFO", text, &[])),
        false => say(&for_people("", text)),
    }
}

/// Says what works and should still be known.
pub fn warn(text: &str) {
    match log::is_json() {
        true => say(&log::line("WARN", text, &[])),
        false => say(&for_people("warning: ", text)),
    }
}

/// Says why the process ends: the last word.
pub fn fatal(fatal: &Fatal) {
    match log::is_json() {
        true => {
            say(&log::line("ERROR", &fatal.what, &[("code", fatal.code.into()), ("fix", fatal.fix.as_str().into())]))
        }
        false => say(&for_people("scorewire: ", &fatal.to_string())),
    }
}

/// On a terminal, broken between words; a file and a pipe get the lines whole, for whoever searches them.
fn for_people(start: &str, text: &str) -> String {
    match std::io::stderr().is_terminal() {
        true => terminal::wrapped(start, text, 2),
        false => format!("{start}{text}\n"),
    }
}

/// Writes to stderr: in the log's order, and without waiting, where there is a log.
fn say(text: &str) {
    if !log_writer::say(text.as_bytes()) {
        // A closed stderr leaves nobody to tell.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
