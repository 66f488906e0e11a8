//! Holds another process still while its input is prepared, and lets it go again whatever happens here.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Fatal, exit};

/// How long the kernel may take to stop every thread.
const STOP_WAIT_MAX: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Waits for the end of its input, which is the end of this process or of the suspension, and lets the process go. It sits
/// in its own process group, so that a Ctrl-C meant for us does not end it first.
const RELEASE: &str = "read _; kill -CONT \"$0\"";

/// A process that is stopped (SIGSTOP). It goes on when this is dropped, and also when this process dies in any way, a
/// SIGKILL included: a helper waits for that.
pub struct Suspended {
    pid: Pid,
    held: bool,
    helper: Child,
}

impl Suspended {
    /// Stops all threads of a process, and returns when they stand.
    ///
    /// # Errors
    /// [`exit::USAGE`] when there is no such process or it may not be stopped; [`exit::SYSTEM`] when it does not stop.
    pub fn suspend(pid: u32) -> Result<Suspended, Fatal> {
        let refused = |why: &str| {
            let fix = "give the id of the scoring process, which runs on this machine under the same user";
            Fatal::new(exit::USAGE, format!("cannot stop process {pid}: {why}"), fix)
        };
        // The lowest one is init.
        let known = i32::try_from(pid).ok().filter(|id| *id > 1 && pid != std::process::id()).and_then(Pid::from_raw);
        let known = known.ok_or_else(|| refused("it is not one to be stopped"))?;
        let helper = Command::new("sh")
            .args(["-c", RELEASE, &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| refused(&format!("nothing would let it go if this program died ({error})")))?;
        let mut suspended = Suspended { pid: known, held: true, helper };
        kill_process(known, Signal::STOP).map_err(|error| refused(&error.to_string()))?;
        let since = Instant::now();
        while !stands(pid) {
            if since.elapsed() > STOP_WAIT_MAX {
                suspended.resume();
                let what = format!("process {pid} does not stop");
                return Err(Fatal::new(exit::SYSTEM, what, "look for a thread that hangs in the kernel"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(suspended)
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        if std::mem::take(&mut self.held) {
            // It may have been killed meanwhile: whoever waits for its work will notice.
            let _ = kill_process(self.pid, Signal::CONT);
        }
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        self.resume();
        // The helper sees the end of its input, repeats the signal, which changes nothing, and leaves.
        drop(self.helper.stdin.take());
        let _ = self.helper.wait();
    }
}

/// Whether every thread of the process is stopped.
fn stands(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().all(|task| match fs::read_to_string(task.path().join("stat")) {
        Ok(stat) => state(&stat).is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X')),
        // It has ended.
        Err(_) => true,
    })
}

/// The field behind the name, which may hold anything: count from its last parenthesis.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().expect("sleep is there")
    }

    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn a_process_stands_until_the_guard_is_dropped() {
        let mut child = sleeper();
        let suspended = Suspended::suspend(child.id()).unwrap();
        assert!(stands(child.id()));
        drop(suspended);
        wait_until("it goes on", || !stands(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn it_goes_on_when_the_suspender_is_killed() {
        let mut child = sleeper();
        let mut suspended = Suspended::suspend(child.id()).unwrap();
        // What a kill of this process would do: the helper's input ends, and nothing else happens.
        drop(suspended.helper.stdin.take());
        wait_until("the helper lets it go", || !stands(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_cannot_be_stopped_is_refused() {
        for pid in [0, 1, std::process::id(), u32::MAX] {
            let error = Suspended::suspend(pid).err().expect("refused");
            assert_eq!(error.code, exit::USAGE);
        }
        assert_eq!(state("42 (a) b (c) T 1 42"), Some('T'));
        assert_eq!(state("42 (cut"), None);
    }
}
