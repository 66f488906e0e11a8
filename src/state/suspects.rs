//! The book of crashes: at start it counts what the last process left in work, and it forgets what is finished. A file that is
//! replaced as a whole, for good.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::count::count;
use super::directory::StateDirectory;
use super::marks::{LaneMarks, MarkFile, read};
use super::socket::ControlSocket;
use crate::doors::{MarksOfAll, Progress};
use crate::error::{Fatal, exit};
use crate::observe::cells::held;
use crate::observe::crashes::CrashStatus;
use crate::values::crash::{Standing, Suspect};

const VERSION: u32 = 1;

/// Suspects that the log names one by one.
const NAMED_MAX: usize = 8;

/// The file's document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// Offsets mean nothing in another topic, and progress nothing in another group.
    group: String,
    topic: String,
    /// The last process, counted from 1. Its marks are not counted twice.
    run: u64,
    /// Crashes of processes of this node, ever.
    crashes: u64,
    suspects: Vec<Suspect>,
}

/// Whose offsets the book is about.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub lanes: usize,
    /// `limits.crashes_max`.
    pub crashes_max: u32,
}

/// What this node knows of its crashes.
#[derive(Debug)]
pub struct CrashBook {
    directory: StateDirectory,
    file: MarkFile,
    kept: Mutex<Kept>,
    status: Arc<CrashStatus>,
}

impl CrashBook {
    /// Counts what the last process left, writes that down, and begins the marks of this one.
    ///
    /// # Errors
    /// [`exit::SYSTEM`] where a file cannot be read or written.
    pub fn open(directory: StateDirectory, job: Job<'_>) -> Result<Arc<CrashBook>, Fatal> {
        let failed = |error: io::Error| {
            let what = format!("cannot read or write {}: {error}", directory.path().display());
            Fatal::new(exit::SYSTEM, what, "look at its rights and at the room that is left there")
        };
        let mut kept = load(&directory, job).map_err(failed)?;
        let left = read(&directory.file("marks")).map_err(failed)?;
        let has_crashed = match left.filter(|left| left.run == kept.run && !left.marks.is_empty()) {
            Some(left) => {
                kept.crashes += 1;
                count(&mut kept.suspects, &left.marks, job.crashes_max);
                true
            }
            None => false,
        };
        // Durable before the marks are gone: a crash in between is not counted again, since the run is another one.
        kept.run += 1;
        directory.replace("crashes.json", &document(&kept)).map_err(failed)?;
        let file = MarkFile::create(&directory.file("marks"), kept.run, job.lanes).map_err(failed)?;
        let status = Arc::new(CrashStatus::new(job.crashes_max, kept.crashes, kept.suspects.clone()));
        log(&kept, job, has_crashed);
        Ok(Arc::new(CrashBook { directory, file, kept: Mutex::new(kept), status }))
    }

    /// Where operators reach the node.
    ///
    /// # Errors
    /// What the system says; a path of more than about 100 bytes is too long.
    pub fn listen(&self) -> io::Result<ControlSocket> {
        ControlSocket::bind(&self.directory)
    }

    /// What a lane marks with.
    pub fn lane(self: &Arc<CrashBook>, lane: usize) -> LaneMarks {
        LaneMarks::new(lane, Arc::clone(self))
    }

    /// Ranges of one partition do not overlap, save with records that are condemned.
    pub fn suspects(&self) -> Vec<Suspect> {
        held(&self.kept).suspects.clone()
    }

    pub fn status(&self) -> &Arc<CrashStatus> {
        &self.status
    }

    pub(super) fn file(&self) -> &MarkFile {
        &self.file
    }

    /// Below these offsets everything is finished, whatever those records did.
    pub fn forget(&self, progress: &[Progress]) {
        let mut kept = held(&self.kept);
        let before = kept.suspects.len();
        let is_finished =
            |suspect: &Suspect, to: &Progress| suspect.partition == to.partition && suspect.end <= to.offset;
        kept.suspects.retain(|suspect| !progress.iter().any(|to| is_finished(suspect, to)));
        let (forgotten, left) = (before - kept.suspects.len(), kept.suspects.len());
        if forgotten == 0 {
            return;
        }
        self.status.set(kept.suspects.clone());
        match self.directory.replace("crashes.json", &document(&kept)) {
            Ok(()) => tracing::info!(forgotten, left, "suspected records are finished, and forgotten"),
            Err(error) => tracing::warn!(%error, "finished records cannot be written down as suspected no more"),
        }
    }
}

impl MarksOfAll for CrashBook {
    fn clear_all(&self) {
        self.file.clear_all();
    }
}

/// What earlier processes wrote down of this job; nothing where it was another's.
fn load(directory: &StateDirectory, job: Job<'_>) -> io::Result<Kept> {
    let path = directory.file("crashes.json");
    let kept = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Kept>(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => return Err(error),
    };
    let fresh = |run: u64, crashes: u64| Kept {
        version: VERSION,
        group: job.group.to_owned(),
        topic: job.topic.to_owned(),
        run,
        crashes,
        suspects: Vec::new(),
    };
    match kept {
        Ok(kept) if kept.version == VERSION && kept.group == job.group && kept.topic == job.topic => Ok(kept),
        Ok(kept) => {
            if !kept.suspects.is_empty() {
                tracing::warn!(file = %path.display(), group = kept.group, topic = kept.topic, "suspects of another job are forgotten");
            }
            // The marks are of that job as well: they are no run of this one.
            Ok(fresh(kept.run + 1, kept.crashes))
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), error, "the book of crashes cannot be read, and is begun anew");
            Ok(fresh(1, 0))
        }
    }
}

fn document(kept: &Kept) -> Vec<u8> {
    // Numbers and texts have a form in JSON.
    serde_json::to_vec_pretty(kept).unwrap_or_default()
}

fn log(kept: &Kept, job: Job<'_>, has_crashed: bool) {
    if has_crashed {
        tracing::warn!(crashes = kept.crashes, "the last process of this node died with records in work");
    }
    for suspect in kept.suspects.iter().take(NAMED_MAX) {
        let &Suspect { partition, first, end, crashes, .. } = suspect;
        let does = match suspect.standing(job.crashes_max) {
            Standing::Watched => "watching them",
            Standing::Alone => "scoring them one by one, with nothing else in work",
            Standing::Killer => "the record becomes a dead letter (crashed_process)",
        };
        tracing::warn!(
            partition,
            first_offset = first,
            last_offset = end - 1,
            crashes,
            crashes_max = job.crashes_max,
            "this node has died {crashes} times at these records: {does}"
        );
    }
    if let Some(more) = kept.suspects.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        tracing::warn!(more, "more records are suspected; /status has all of them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::CrashMarks;
    use crate::values::crash::Mark;

    const JOB: Job<'_> = Job { group: "g", topic: "t", lanes: 2, crashes_max: 3 };

    fn open(folder: &tempfile::TempDir, job: Job<'_>) -> Arc<CrashBook> {
        CrashBook::open(StateDirectory::open(folder.path(), "n").unwrap(), job).unwrap()
    }

    /// A process that dies with this in work.
    fn dies(folder: &tempfile::TempDir, job: Job<'_>, lane: usize, mark: (i64, i64, bool)) {
        let book = open(folder, job);
        let mut marks = book.lane(lane);
        let (first, end, alone) = mark;
        marks.set(5, Mark { partition: 1, first: 0, end: 9, alone: false });
        marks.clear(5);
        marks.set(0, Mark { partition: 4, first, end, alone });
    }

    fn suspect(first: i64, end: i64, crashes: u32, alone: bool) -> Suspect {
        Suspect { partition: 4, first, end, crashes, alone }
    }

    #[test]
    fn crashes_are_counted_by_the_next_process_and_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open(&folder, JOB).suspects(), [], "nobody was there before");
        dies(&folder, JOB, 0, (100, 612, false));
        assert_eq!(open(&folder, JOB).suspects(), [suspect(100, 612, 1, false)]);
        assert_eq!(
            open(&folder, JOB).suspects(),
            [suspect(100, 612, 1, false)],
            "one that ended without marks adds none"
        );
        dies(&folder, JOB, 1, (90, 300, false));
        dies(&folder, JOB, 1, (150, 151, true));
        let book = open(&folder, JOB);
        assert_eq!((book.suspects(), book.status().crashes.get()), (vec![suspect(150, 151, 3, true)], 3));
        book.lane(0).finished(&[Progress { partition: 4, offset: 150 }, Progress { partition: 3, offset: 999 }]);
        assert_eq!(book.suspects().len(), 1, "it is not finished");
        book.lane(0).finished(&[Progress { partition: 4, offset: 151 }]);
        drop(book);
        let book = open(&folder, JOB);
        assert_eq!(
            (book.suspects(), book.status().crashes.get()),
            (vec![], 3),
            "forgotten for good, and counted for ever"
        );
    }

    /// It died after the crash was written down, and before the marks were gone.
    #[test]
    fn a_process_that_dies_while_it_counts_does_not_count_twice() {
        let folder = tempfile::tempdir().unwrap();
        dies(&folder, JOB, 0, (100, 612, false));
        let marks = fs::read(folder.path().join("n.marks")).unwrap();
        drop(open(&folder, JOB));
        fs::write(folder.path().join("n.marks"), marks).unwrap();
        assert_eq!(open(&folder, JOB).suspects(), [suspect(100, 612, 1, false)]);
    }

    #[test]
    fn an_end_in_order_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder, JOB);
        book.lane(1).set(7, Mark { partition: 4, first: 0, end: 9, alone: false });
        book.clear_all();
        drop(book);
        let book = open(&folder, JOB);
        assert_eq!((book.suspects(), book.status().crashes.get()), (vec![], 0));
    }

    #[test]
    fn offsets_of_another_job_are_no_suspects() {
        let folder = tempfile::tempdir().unwrap();
        for other in [Job { topic: "u", ..JOB }, Job { group: "h", ..JOB }] {
            dies(&folder, JOB, 0, (100, 612, false));
            dies(&folder, JOB, 0, (100, 612, false));
            assert_eq!(open(&folder, other).suspects(), [], "neither those nor the marks of the last one");
            drop(open(&folder, JOB));
        }
        // What cannot be read is begun anew; lanes may be more or fewer than last time.
        dies(&folder, JOB, 0, (100, 612, false));
        assert_eq!(open(&folder, Job { lanes: 1, ..JOB }).suspects(), [suspect(100, 612, 1, false)]);
        fs::write(folder.path().join("n.crashes.json"), "{").unwrap();
        assert_eq!(open(&folder, JOB).suspects(), []);
    }
}
