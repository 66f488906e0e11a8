//! How a run learns what only the pipeline's process knows: its step times and its CPU time.

use crate::error::Fatal;
use crate::observe::latency::StepTimes;

/// A view into the pipeline, where there is one. Called from the thread that called [`crate::load::run`], a few times
/// a run, except [`PipelineProbe::failure`], which is asked several times a second.
pub trait PipelineProbe {
    /// Step times since the pipeline's start.
    fn step_times(&self) -> Option<StepTimes>;

    /// CPU time that the pipeline's threads or process have used, microseconds.
    fn cpu_us(&self) -> Option<u64>;

    /// Why the pipeline ended, if it did: the run is then given up at once.
    fn failure(&self) -> Option<Fatal>;
}

/// CPU time of a process on this machine, seen from outside (`/proc/PID/stat`, in steps of 10 ms).
pub struct ProcessProbe {
    pid: u32,
}

/// `_SC_CLK_TCK` is 100 on every Linux that this runs on; the kernel fixes it for user space (`USER_HZ`).
const TICK_US: u64 = 10_000;

impl ProcessProbe {
    pub fn new(pid: u32) -> ProcessProbe {
        ProcessProbe { pid }
    }
}

impl PipelineProbe for ProcessProbe {
    fn step_times(&self) -> Option<StepTimes> {
        None
    }

    fn cpu_us(&self) -> Option<u64> {
        ticks(&std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?).map(|ticks| ticks * TICK_US)
    }

    fn failure(&self) -> Option<Fatal> {
        None
    }
}

/// `utime + stime`, fields 14 and 15; the name before them may hold anything, so count from its last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(utime + stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_strange_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 9 0 100 1000 10";
        assert_eq!(ticks(stat), Some(168));
        assert_eq!(ticks("42 (cut"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_cpu_time() {
        assert!(ProcessProbe::new(std::process::id()).cpu_us().is_some());
        assert_eq!(ProcessProbe::new(u32::MAX).cpu_us(), None);
    }
}
