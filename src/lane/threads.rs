//! The lanes' threads: started, pinned, watched and stopped here, and nowhere else.
//!
//! The thread that calls [`Lanes::wait`] is the conductor: it turns signals into a drain, notices the end of a
//! bounded run, and ends the process when a lane hangs. The first fatal error is latched and wins: a lane's thread reports
//! it before it lets go of anything, since a client may block while it is destroyed.
#![expect(
    clippy::disallowed_methods,
    reason = "here the pipeline's threads begin, one report a lane waits at most, and a process that hangs is left"
)]

mod challengers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::doors::{Clock, MarksOfAll, Scorer};
use crate::error::{Fatal, exit};
use crate::lane::drive::{Lane, scoring_thread_gone};
use crate::lane::reject_report::RejectReport;
use crate::lane::reports::{LastWord, Report, Reporter};
use crate::lane::run_end::{EndWatch, LeavingWatch};
use crate::lane::schema_desk::SchemaDesk;
use crate::lane::score::Desk;
use crate::lane::types::LaneTypes;
use crate::observe::doing::Doing;
use crate::observe::stats::LaneStats;
use crate::observe::{log, log_writer};
use crate::values::limits::Limits;
use crate::values::settings::Cores;

pub use self::challengers::ChallengerThreads;

/// How often the conductor looks around.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The thread that serves the lanes' [`SchemaDesk`].
const SCHEMAS: &str = "schemas";

/// Lanes at work.
pub struct Lanes<C> {
    clock: C,
    limits: Limits,
    stop: Arc<AtomicBool>,
    watched: Vec<Watched>,
    reports: Receiver<Report>,
    sender: Sender<Report>,
    /// The first fatal error, once there is one.
    failure: Arc<OnceLock<Fatal>>,
    end: EndWatch,
    leaving: LeavingWatch,
    rejects: RejectReport,
    challengers: ChallengerThreads,
    /// Where the node has a state directory.
    marks: Option<Arc<dyn MarksOfAll>>,
}

/// A lane as the conductor sees it.
struct Watched {
    stats: Arc<LaneStats>,
    /// Its threads have not ended. One that has left its group may still hang while it lets its clients go.
    running: bool,
}

impl<C: Clock + Clone + Send + 'static> Lanes<C> {
    pub fn new(clock: C, limits: Limits) -> Lanes<C> {
        let (sender, reports) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let (end, leaving) = (EndWatch::default(), LeavingWatch::default());
        let (failure, rejects) = (Arc::default(), RejectReport::default());
        let (watched, challengers) = (Vec::new(), ChallengerThreads::default());
        Lanes {
            clock,
            limits,
            stop,
            watched,
            reports,
            sender,
            failure,
            end,
            leaving,
            rejects,
            challengers,
            marks: None,
        }
    }

    /// An end in order leaves no mark of what is in work.
    pub fn clear_at_end(&mut self, marks: Arc<dyn MarksOfAll>) {
        self.marks = Some(marks);
    }

    /// Whoever conducts the lanes tells of records that are rejected.
    pub fn report_rejects(&mut self, report: RejectReport) {
        self.rejects = report;
    }

    /// They end after the lanes, and whoever conducts these waits for them.
    pub fn wait_for(&mut self, challengers: ChallengerThreads) {
        self.challengers = challengers;
    }

    /// Starts a lane on its own thread, and its model on another where the lane is dedicated. `build` runs on the lane's
    /// thread first; the client's threads are born in it and inherit its cores, so pinning comes after.
    pub fn start<T>(
        &mut self,
        name: String,
        cores: Cores,
        stats: Arc<LaneStats>,
        build: impl FnOnce() -> Result<Lane<T>, Fatal> + Send + 'static,
    ) -> Result<(), Fatal>
    where
        T: LaneTypes<Clock = C> + 'static,
        T::Scorer: Send,
    {
        let (stop, drain_timeout) = (Arc::clone(&self.stop), self.limits.drain_timeout);
        let (name, lane, sender) = (Arc::<str>::from(name), self.watched.len(), self.sender.clone());
        let reporter = Reporter { name: Arc::clone(&name), stats: Some(Arc::clone(&stats)), sender };
        let doing = Arc::clone(&stats);
        let body = move || {
            // What is logged here names the lane, at every level.
            let _of = tracing::error_span!("lane", lane).entered();
            // A panic ends the process in release builds; here it must not leave the conductor waiting for ever.
            let mut last_word = LastWord { lane: Some(lane), reporter: reporter.clone(), result: None };
            last_word.result = Some(build().and_then(|mut lane| {
                let model = lane.take_desk().map(|desk| start_model(&reporter.name, cores.model, desk)).transpose();
                let (mut model, mut driven) = match model {
                    Ok(model) => {
                        let pinned = pin(cores.lane);
                        (model, pinned.and_then(|()| lane.run(&stop, drain_timeout)))
                    }
                    Err(fatal) => (None, Err(fatal)),
                };
                if driven == Err(scoring_thread_gone()) {
                    driven = model.take().map_or(Ok(()), end_of_model).and(driven);
                }
                // Now: the clients may block when they are let go, and the reason would be gone with them.
                driven = driven.inspect_err(|fatal| reporter.fails(fatal));
                doing.doing.set(Doing::LettingGo);
                // The model's thread ends with the lane's end of its queue.
                drop(lane);
                model.map_or(Ok(()), end_of_model).and(driven)
            }));
        };
        self.watched.push(Watched { stats, running: true });
        let started = std::thread::Builder::new().name(name.as_ref().to_owned()).spawn(body);
        started.map(drop).map_err(|error| no_thread(&name, &error))
    }

    /// Starts the thread that reads and compiles schemas for the lanes. It ends after the last of them, and nobody waits
    /// for it: whatever it is at, a stop goes on without it.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start_schemas(&self, desk: SchemaDesk) -> Result<(), Fatal> {
        let (sender, refresh_every) = (self.sender.clone(), self.limits.schema_retry);
        let body = move || {
            let reporter = Reporter { name: SCHEMAS.into(), stats: None, sender };
            let mut last_word = LastWord { lane: None, reporter, result: None };
            desk.serve(refresh_every);
            last_word.result = Some(Ok(true));
        };
        let started = std::thread::Builder::new().name(SCHEMAS.into()).spawn(body);
        started.map(drop).map_err(|error| no_thread(SCHEMAS, &error))
    }

    /// Waits until every lane has ended; `interrupted` is asked every few milliseconds. Returns whether everything
    /// ended in order, or the first fatal error.
    pub fn wait(mut self, mut interrupted: impl FnMut() -> bool) -> Result<bool, Fatal> {
        let mut clean = true;
        while self.watched.iter().any(|lane| lane.running) {
            match self.reports.recv_timeout(LOOK_EVERY) {
                Ok(Report::Failed { name, fatal }) => {
                    let (lane, code, text) = (name, fatal.code, fatal.to_string());
                    if self.failure.set(fatal).is_ok() {
                        tracing::error!(lane, exit_code = code, "fatal: {text}");
                    }
                    self.stop.store(true, Ordering::Release);
                }
                Ok(Report::Ended { lane, in_order }) => {
                    if let Some(lane) = lane {
                        self.watched[lane].running = false;
                    }
                    clean &= in_order;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if interrupted() || self.all_at_end() {
                        self.stop.store(true, Ordering::Release);
                    }
                    self.end_process_if_hung();
                    self.end_process_if_late();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.rejects.look(self.clock.now_ns());
        }
        self.rejects.finish(self.clock.now_ns());
        // A thread that panicked may have done so at a record: what it was at stays marked.
        if self.code_or(exit::DONE) != exit::INTERNAL {
            self.clear_marks();
        }
        self.challengers.finish(self.limits.drain_timeout, &self.clock);
        self.failure.get().map_or(Ok(clean), |fatal| Err(fatal.clone()))
    }

    fn all_at_end(&mut self) -> bool {
        let lanes = self.watched.iter().map(|lane| lane.stats.at_end.get());
        let (assigned, at_end) =
            lanes.fold((0, true), |(sum, all), (partitions, at_end)| (sum + partitions, all && at_end));
        self.end.is_over(assigned, at_end, self.clock.now_ns())
    }

    /// A lane that hangs in the client or the model cannot be stopped from outside, and its client's log lines may
    /// never be served: leave at once, so that another member takes over. What was not committed is scored again.
    fn end_process_if_hung(&self) {
        if let Some((lane, what)) = self.hung() {
            tracing::error!(lane, "fatal: a lane {what}; leaving at once");
            self.leave_mark_of(&self.watched[lane..=lane]);
            leave(self.code_or(exit::DELIVERY));
        }
    }

    /// A lane that waits for brokers within the client does not hear that its time is over: a supervisor would kill the
    /// process soon, without a word.
    fn end_process_if_late(&mut self) {
        let is_stopping = self.stop.load(Ordering::Acquire);
        if is_stopping && self.leaving.is_over(self.limits.drain_timeout, self.clock.now_ns()) {
            let limit = self.limits.drain_timeout;
            tracing::error!(
                "the drain deadline (limits.drain_timeout_ms) of {limit:?} passed long ago; leaving at once"
            );
            self.leave_mark_of(&self.watched);
            leave(self.code_or(exit::DRAIN));
        }
    }

    /// Where none of these is at its records themselves, what is in work has nothing to do with the end.
    fn leave_mark_of(&self, lanes: &[Watched]) {
        if !lanes.iter().any(|lane| lane.running && lane.stats.is_at_record()) {
            self.clear_marks();
        }
    }

    fn clear_marks(&self) {
        self.marks.iter().for_each(|marks| marks.clear_all());
    }

    /// The exit code of the first fatal error, or `other` where there was none.
    fn code_or(&self, other: u8) -> u8 {
        self.failure.get().map_or(other, |fatal| fatal.code)
    }

    /// The first lane that hangs, and how.
    fn hung(&self) -> Option<(usize, String)> {
        let now_ms = self.clock.now_ns() / 1_000_000;
        let limit_ms = u64::try_from(self.limits.watchdog_timeout.as_millis()).unwrap_or(u64::MAX);
        let running = self.watched.iter().enumerate().filter(|(_, lane)| lane.running);
        running.filter_map(|(index, lane)| Some((index, lane.stats.hung(now_ms, limit_ms)?))).next()
    }
}

/// [`Lanes::wait`] on a thread of its own.
pub struct Conductor {
    stop: Arc<AtomicBool>,
    failure: Arc<OnceLock<Fatal>>,
    ended: Arc<Mutex<Option<Result<bool, Fatal>>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Conductor {
    /// # Errors
    /// When the thread does not start.
    pub fn start<C: Clock + Clone + Send + 'static>(lanes: Lanes<C>) -> Result<Conductor, Fatal> {
        let (stop, ended) = (Arc::clone(&lanes.stop), Arc::new(Mutex::new(None)));
        let failure = Arc::clone(&lanes.failure);
        let latch = Arc::clone(&ended);
        let body = move || {
            let result = lanes.wait(|| false);
            *latch.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        };
        match std::thread::Builder::new().name("conductor".into()).spawn(body) {
            Ok(thread) => Ok(Conductor { stop, failure, ended, thread }),
            Err(error) => Err(no_thread("conductor", &error)),
        }
    }

    /// Why the lanes end, once one has failed.
    pub fn failure(&self) -> Option<Fatal> {
        self.failure.get().cloned()
    }

    /// Drains and ends the lanes. Returns whether everything ended in order.
    ///
    /// # Errors
    /// The first fatal error of a lane.
    pub fn finish(self) -> Result<bool, Fatal> {
        self.stop.store(true, Ordering::Release);
        let joined = self.thread.join();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (joined, ended) {
            (Ok(()), Some(result)) => result,
            _ => Err(Fatal::new(exit::INTERNAL, "the conductor panicked", "this is a bug: please report it")),
        }
    }
}

fn no_thread(name: &str, error: &std::io::Error) -> Fatal {
    Fatal::new(exit::SYSTEM, format!("thread {name} does not start: {error}"), "raise the limit on threads")
}

/// The model's thread of a dedicated lane.
type ModelThread = std::thread::JoinHandle<Result<(), Fatal>>;

fn start_model<M, C>(lane: &str, core: Option<usize>, desk: Desk<M, C>) -> Result<ModelThread, Fatal>
where
    M: Scorer + Send + 'static,
    C: Clock + Send + 'static,
{
    let name = format!("{lane}-model");
    let body = move || {
        pin(core)?;
        desk.serve();
        Ok(())
    };
    std::thread::Builder::new().name(name.clone()).spawn(body).map_err(|error| no_thread(&name, &error))
}

/// Why a model's thread ended, where that was not its lane's end.
fn end_of_model(thread: ModelThread) -> Result<(), Fatal> {
    let panicked = |_| Err(Fatal::new(exit::INTERNAL, "a model's thread panicked", "this is a bug: please report it"));
    thread.join().unwrap_or_else(panicked)
}

/// Binds the calling thread to one core. The core was checked against the process's cpuset with the configuration.
fn pin(core: Option<usize>) -> Result<(), Fatal> {
    let Some(core) = core else { return Ok(()) };
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| {
        Fatal::new(
            exit::SYSTEM,
            format!("cannot bind a thread of a lane to core {core}: {error}"),
            "name cores of this process's cpuset in lanes.cores, or leave it out",
        )
    })
}

/// Ends the process at once: only the log's last lines are waited for, and not for long.
fn leave(code: u8) -> ! {
    log_writer::finish(log::LAST_LINES);
    std::process::exit(i32::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct At(u64);

    impl Clock for At {
        fn now_ns(&self) -> u64 {
            self.0 * 1_000_000
        }

        fn wall_us(&self) -> i64 {
            0
        }
    }

    #[test]
    fn a_lane_hangs_in_a_cycle_in_its_model_or_after_it_has_left_its_group() {
        let limits = Limits { watchdog_timeout: Duration::from_secs(60), ..Limits::default() };
        let mut lanes = Lanes::new(At(100_000), limits);
        let stats = [40_000, 0, 39_999].map(|last_ms| {
            let stats = Arc::new(LaneStats::default());
            stats.last_cycle_ms.set(last_ms);
            stats
        });
        lanes.watched = stats.iter().map(|stats| Watched { stats: Arc::clone(stats), running: true }).collect();
        assert_eq!(lanes.hung().map(|(lane, _)| lane), Some(2), "one is in time, one has not begun");
        stats[2].ended.store(true, Ordering::Release);
        stats[2].doing.set(Doing::LettingGo);
        let (lane, what) = lanes.hung().unwrap();
        assert!(lane == 2 && what.ends_with("for 60001 ms: it is letting its clients go"), "{what}");
        lanes.watched[2].running = false;
        assert_eq!(lanes.hung(), None);
        stats[0].last_cycle_ms.set(100_000);
        stats[0].model_busy_since_ms.set(39_000);
        let (lane, what) = lanes.hung().unwrap();
        assert!(lane == 0 && what.contains("at its model for 61000 ms"), "{what}");
        assert_eq!(lanes.code_or(exit::DELIVERY), exit::DELIVERY);
        let cause = Fatal::new(exit::UNAVAILABLE, "denied", "grant it");
        assert_eq!(lanes.failure.set(cause), Ok(()));
        assert_eq!(lanes.code_or(exit::DELIVERY), exit::UNAVAILABLE, "what was told first decides");
    }
}
