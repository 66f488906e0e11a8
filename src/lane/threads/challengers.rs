//! The threads of challengers: of the lowest priority, started before the lanes and ended after them.
#![expect(
    clippy::disallowed_methods,
    reason = "here challengers' threads begin, and whoever ends the process waits for their last rows"
)]

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::doors::{Challenges, Clock, Scorer};
use crate::error::{Fatal, exit};
use crate::lane::challenge::Challenger;
use crate::observe::cells::held;
use crate::observe::challengers::ChallengerStats;
use crate::values::limits::{CHALLENGER_LEAVE, nanoseconds};

/// A thread gets a sixtieth of what one of the usual priority gets where both want to run, and is stopped at once where such a
/// one wakes up. Threads that it starts, as those of its Kafka client, inherit that.
const LOWEST_PRIORITY: i32 = 19;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Challengers at work.
#[derive(Default)]
pub struct ChallengerThreads(Vec<Running>);

struct Running {
    name: String,
    lane: usize,
    stats: Arc<ChallengerStats>,
    thread: JoinHandle<()>,
}

impl ChallengerThreads {
    /// Starts a challenger of a lane. `build` runs on its thread, and is waited for.
    ///
    /// # Errors
    /// Those of `build`, and when the thread does not start.
    pub fn start<M, K, C>(
        &mut self,
        (lane, name): (usize, &str),
        stats: Arc<ChallengerStats>,
        build: impl FnOnce() -> Result<Challenger<M, K, C>, Fatal> + Send + 'static,
    ) -> Result<(), Fatal>
    where
        M: Scorer + 'static,
        K: Challenges + 'static,
        C: Clock + 'static,
    {
        let (built, is_built) = sync_channel(1);
        let (of, number) = (name.to_owned(), self.0.iter().filter(|other| other.lane == lane).count());
        let (name, told) = (name.to_owned(), Arc::clone(&stats));
        let body = move || {
            let _of = tracing::error_span!("challenger", name = %of, lane).entered();
            if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
                tracing::warn!(%error, "the challenger's thread keeps the usual priority");
            }
            let built_here = match build() {
                Ok(challenger) => {
                    let _ = built.send(Ok(()));
                    challenger.serve()
                }
                Err(fatal) => {
                    let _ = built.send(Err(fatal.clone()));
                    Err(fatal)
                }
            };
            if let Err(fatal) = built_here {
                tracing::error!("the challenger ends, and the champion goes on: {fatal}");
                *held(&told.failure) = Some(fatal.what);
                told.busy_since_ms.set(0);
            }
        };
        // Fifteen bytes are shown of a thread's name.
        let thread = std::thread::Builder::new().name(format!("lane-{lane}-chal-{number}"));
        let thread = thread.spawn(body).map_err(|error| {
            let what = format!("the thread of challenger {name} does not start: {error}");
            Fatal::new(exit::SYSTEM, what, "raise the limit on threads")
        })?;
        let gone = |_| Fatal::new(exit::INTERNAL, "a challenger's thread panicked", "this is a bug: please report it");
        is_built.recv().map_err(gone)??;
        self.0.push(Running { name, lane, stats, thread });
        Ok(())
    }

    /// Waits until they have delivered their rows, as long as they get on; one that does not is left.
    pub fn finish(self, longest: Duration, clock: &impl Clock) {
        let done = |of: &Running| of.stats.blocks.get() + of.stats.written.get() + of.stats.lost.get();
        let began_ns = clock.now_ns();
        for of in self.0 {
            let (mut before, mut since_ns) = (done(&of), clock.now_ns());
            while !of.thread.is_finished() {
                let (now, now_ns) = (done(&of), clock.now_ns());
                if now != before {
                    (before, since_ns) = (now, now_ns);
                }
                let is_late = now_ns.saturating_sub(began_ns) > nanoseconds(longest);
                if is_late || now_ns.saturating_sub(since_ns) > nanoseconds(CHALLENGER_LEAVE) {
                    let (challenger, lane) = (&of.name, of.lane);
                    tracing::warn!(
                        challenger,
                        lane,
                        "the challenger does not get on, and is left; its last rows are lost"
                    );
                    break;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}
