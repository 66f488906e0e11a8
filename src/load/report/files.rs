//! The files of a run's reports besides its summary: an interval log while it goes on, a percentile distribution and a page after.

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;

use crate::error::{Fatal, exit};
use crate::load::report::series::{IntervalSink, Series};
use crate::load::report::summary::Summary;
use crate::load::report::{hgrm, html};
use crate::load::verify::interval::{Interval, IntervalReceiver, Part};
use crate::observe::latency_log::LogWriter;

/// Where reports go. What is not asked for is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFiles {
    /// HdrHistogram interval log, one interval a second; end to end without a tag, the stamped parts tagged.
    pub hlog: Option<PathBuf>,
    /// HdrHistogram percentile distribution, end to end, milliseconds.
    pub hgrm: Option<PathBuf>,
    /// One page with everything.
    pub html: Option<PathBuf>,
}

/// The files, created before the run: a run of an hour must not end at a missing folder.
pub struct Files {
    pub hlog: Option<LogFile>,
    hgrm: Option<Target>,
    html: Option<Target>,
}

struct Target {
    path: PathBuf,
    file: File,
}

impl Files {
    /// # Errors
    /// [`exit::FAILED`] when a file cannot be created.
    pub fn create(files: &ReportFiles) -> Result<Files, Fatal> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Target::create).transpose();
        let hlog = create(&files.hlog)?;
        Ok(Files { hlog: hlog.map(LogFile::new), hgrm: create(&files.hgrm)?, html: create(&files.html)? })
    }

    /// Writes what is written at the end. Answers what went wrong, in words.
    pub fn finish(self, summary: &Summary, series: &Series) -> Vec<String> {
        let mut problems = Vec::new();
        let mut put = |target: Option<Target>, text: &dyn Fn() -> String| {
            if let Some(mut target) = target
                && let Err(error) = target.file.write_all(text().as_bytes())
            {
                problems.push(cannot_write(&target.path, &error));
            }
        };
        put(self.hgrm, &|| hgrm::text(&series.total.latency.us));
        put(self.html, &|| html::page(summary, series));
        problems
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

impl Target {
    fn create(path: &Path) -> Result<Target, Fatal> {
        let file = File::create(path)
            .map_err(|error| Fatal::new(exit::FAILED, cannot_write(path, &error), "check folder and permissions"))?;
        Ok(Target { path: path.to_owned(), file })
    }
}

/// An interval log that is written line by line: what is there survives an interrupted run.
pub struct LogFile {
    path: PathBuf,
    out: LineWriter<File>,
    serializer: V2DeflateSerializer,
}

impl LogFile {
    fn new(target: Target) -> LogFile {
        LogFile { path: target.path, out: LineWriter::new(target.file), serializer: V2DeflateSerializer::new() }
    }

    /// Writes the head; `start_us` is the wall clock at the start of the measured part.
    ///
    /// # Errors
    /// [`exit::FAILED`] when the file takes nothing.
    pub fn begin(&mut self, start_us: i64) -> Result<RunLog<'_>, Fatal> {
        let comment = "[Microseconds from due to read back; tags are parts of the way of scored records]";
        let path = self.path.clone();
        let log = LogWriter::begin(&mut self.out, &mut self.serializer, start_us, comment)
            .map_err(|error| Fatal::new(exit::FAILED, cannot_write(&path, &error), "check the disk"))?;
        Ok(RunLog { path, log })
    }
}

/// A log under way.
pub struct RunLog<'a> {
    path: PathBuf,
    log: LogWriter<'a, LineWriter<File>>,
}

impl IntervalSink for RunLog<'_> {
    fn put(&mut self, interval: &Interval) -> io::Result<()> {
        let (start, length) = (Duration::from_secs(interval.index), Duration::from_secs(1));
        self.log.write(None, start, length, &interval.latency.us)?;
        for part in Part::ALL.into_iter().filter(|part| !interval.part(*part).us.is_empty()) {
            self.log.write(Some(part.name()), start, length, &interval.part(part).us)?;
        }
        Ok(())
    }
}

/// The reporting thread's end of a run's measurements.
pub struct Collector<'a> {
    intervals: IntervalReceiver,
    pub series: Series,
    log: Option<RunLog<'a>>,
    /// What went wrong with the log; the run goes on without it.
    pub problem: Option<String>,
}

impl<'a> Collector<'a> {
    pub fn new(intervals: IntervalReceiver, log: Option<RunLog<'a>>) -> Collector<'a> {
        Collector { intervals, series: Series::default(), log, problem: None }
    }

    /// Takes in what the verifier has sent since the last call.
    pub fn collect(&mut self) {
        let Collector { intervals, series, log, problem } = self;
        intervals.receive(|interval| {
            let sink = log.as_mut().map(|log| log as &mut dyn IntervalSink);
            if let (Err(error), Some(broken)) = (series.add(interval, sink), log.as_ref()) {
                *problem = Some(cannot_write(&broken.path, &error));
                *log = None;
            }
        });
    }
}
