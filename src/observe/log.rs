//! Structured logs on stderr. They carry codes, positions and names, never a value from a payload.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::log_writer::{self, NeverWaits};
use crate::error::{Fatal, exit};

/// How long the end of the process waits for the log's last lines.
pub const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A level, or directives `target=level` with commas.
    pub level: String,
}

/// What is said beside the log's own events: notes, why the process ends, panics.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// From here on, whatever the process says on stderr has this form. The first word counts.
pub fn speak(format: LogFormat) {
    let _ = FORMAT.set(format);
}

pub fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// A line in the form of the log, with the names of its own events where that is JSON. Text may be several lines, and has no
/// level and no fields.
pub fn line(level: &str, text: &str, fields: &[(&str, Value)]) -> String {
    if !is_json() {
        return format!("{text}\n");
    }
    let mut time = String::new();
    // Only a clock beyond the year 9999 cannot be written.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let mut object = Map::new();
    let known = [("timestamp", Value::from(time)), ("level", level.into()), ("message", text.into())];
    let fields = fields.iter().map(|(name, value)| (*name, value.clone()));
    object.extend(
        known.into_iter().chain(fields).chain([("target", "scorewire".into())]).map(|(n, v)| (n.to_owned(), v)),
    );
    format!("{}\n", Value::Object(object))
}

/// Reads a level (`info`) or directives (`info,scorewire::kafka=debug`).
///
/// # Errors
/// Says which part cannot be understood.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    for part in level.split(',').map(str::trim) {
        let word = part.rsplit_once('=').map_or(part, |(_, word)| word);
        // A bare misspelt level would otherwise read as the name of a target, and everything would fall silent.
        if word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level"));
        }
    }
    EnvFilter::builder().with_regex(false).parse(level).map_err(|error| error.to_string())
}

/// Sends the logs of the whole process to stderr.
///
/// # Errors
/// A level that cannot be understood, or logs that somebody else in the process has set up already.
pub fn init(log: &LogConfig) -> Result<(), Fatal> {
    speak(log.format);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let writer = NeverWaits::start().map_err(|error| {
        Fatal::new(exit::SYSTEM, format!("cannot start the log's thread: {error}"), "raise the limit of threads")
    })?;
    let subscriber = Registry::default().with(layer(log, colour, writer)?);
    // Also listens to libraries that speak through the `log` crate.
    subscriber
        .try_init()
        .map_err(|error| Fatal::new(exit::INTERNAL, format!("cannot set up logs: {error}"), "report it"))?;
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        log_writer::say(line("ERROR", &format!("{panic}\n{backtrace}"), &[]).as_bytes());
        log_writer::finish(LAST_LINES);
    }));
    Ok(())
}

/// The layer that [`init`] installs, writing to `writer`.
///
/// # Errors
/// A level that cannot be understood.
pub fn layer<W>(log: &LogConfig, colour: bool, writer: W) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Fatal>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(&log.level)
        .map_err(|error| Fatal::new(exit::CONFIG, format!("log.level: {error}"), "give a level such as info"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    Ok(match log.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
    })
}
