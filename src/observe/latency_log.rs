//! Histograms as an HdrHistogram interval log (V2, compressed), the text that the tools around HdrHistogram read:
//! `/latency.hlog` shows the steps' totals in it, `scorewire load --hlog` writes a run second by second.
//!
//! Values are microseconds, the column of maxima milliseconds.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriter, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::latency::{Step, StepTimes, new_histogram};

/// Where a process shows its steps' totals.
pub const PATH: &str = "/latency.hlog";

/// One histogram of a log.
#[derive(Clone, Debug)]
pub struct Interval {
    pub tag: Option<String>,
    /// Since the log's start.
    pub start: Duration,
    pub length: Duration,
    pub values_us: Histogram<u64>,
}

/// Writes a log line by line.
pub struct LogWriter<'a, W: Write>(IntervalLogWriter<'a, 'a, W, V2DeflateSerializer>);

impl<'a, W: Write> LogWriter<'a, W> {
    /// Writes the head. `start_us` is the wall clock at the log's start, microseconds since the epoch.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(
        out: &'a mut W,
        serializer: &'a mut V2DeflateSerializer,
        start_us: i64,
        comment: &str,
    ) -> io::Result<LogWriter<'a, W>> {
        let start = UNIX_EPOCH + Duration::from_micros(u64::try_from(start_us).unwrap_or(0));
        // What readers of the original implementation expect before the first interval.
        writeln!(out, "#[Logged with scorewire {}]", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment(comment).with_start_time(start).with_base_time(start).with_max_value_divisor(1_000.0);
        builder.begin_log_with(out, serializer).map(LogWriter)
    }

    /// Writes one interval; `start` counts from the log's start.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(
        &mut self,
        tag: Option<&str>,
        start: Duration,
        length: Duration,
        values_us: &Histogram<u64>,
    ) -> io::Result<()> {
        let tag = tag.and_then(Tag::new);
        self.0.write_histogram(values_us, start, length, tag).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The totals of all steps, one line each, tagged with the step's name. `started_us` is the wall clock at the process's
/// start.
///
/// # Errors
/// Says why a histogram could not be written.
pub fn write(times: &StepTimes, started_us: i64, uptime: Duration) -> Result<String, String> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut put = || -> io::Result<()> {
        let comment = "[Microseconds of each step since the start of the process, over all lanes]";
        let mut log = LogWriter::begin(&mut text, &mut serializer, started_us, comment)?;
        Step::ALL.iter().try_for_each(|step| log.write(Some(step.name()), Duration::ZERO, uptime, times.get(*step)))
    };
    put().map_err(|error| error.to_string())?;
    String::from_utf8(text).map_err(|error| error.to_string())
}

/// Everything a log holds.
///
/// # Errors
/// Says what is wrong with it.
pub fn read(text: &str) -> Result<Vec<Interval>, String> {
    let mut intervals = Vec::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let LogEntry::Interval(entry) = entry.map_err(|error| format!("no interval log: {error:?}"))? else { continue };
        let bytes = STANDARD.decode(entry.encoded_histogram()).map_err(|error| format!("no base64: {error}"))?;
        let histogram: Histogram<u64> =
            deserializer.deserialize(&mut bytes.as_slice()).map_err(|error| format!("no histogram: {error}"))?;
        // The same bounds as everywhere, whatever the log's were.
        let mut values_us = new_histogram();
        values_us.add(&histogram).map_err(|error| format!("values out of range: {error}"))?;
        intervals.push(Interval {
            tag: entry.tag().map(|tag| tag.as_str().to_owned()),
            start: entry.start_timestamp(),
            length: entry.duration(),
            values_us,
        });
    }
    Ok(intervals)
}

/// The steps' totals out of a log that [`write`] made; steps that this version does not know are left out.
///
/// # Errors
/// Those of [`read`].
pub fn read_steps(text: &str) -> Result<StepTimes, String> {
    let mut times = StepTimes::default();
    for interval in read(text)? {
        let step = Step::ALL.into_iter().find(|step| interval.tag.as_deref() == Some(step.name()));
        if let Some(step) = step {
            times.add_step(step, &interval.values_us);
        }
    }
    Ok(times)
}
