//! CPU time as the kernel counts it.
#![allow(unsafe_code, reason = "another process's CPU clock is found in C")]

use std::fs;
use std::path::Path;

/// CPU time of this process's threads whose name starts with `prefix`, microseconds; `None` where the kernel does
/// not tell (`/proc/self/task/*/schedstat`).
pub fn threads_us(prefix: &str) -> Option<u64> {
    let mut ns = 0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        // A thread may end between listing and reading: its time is gone, which is all one can say of it.
        let named = fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(prefix));
        ns += if named { on_cpu_ns(&task)? } else { 0 };
    }
    Some(ns / 1_000)
}

/// CPU time of a process on this machine, all its threads, ended ones included, nanoseconds; `None` where there is no
/// such process. The kernel's own sum, which `/proc/PID/task/*/schedstat` is not (a thread that ended is missing there)
/// and `/proc/PID/stat` only in steps of 10 ms. A thread that is running right now is counted up to its last tick.
#[expect(clippy::disallowed_methods, reason = "a process's CPU time is no clock that a record meets")]
pub fn process_ns(pid: u32) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let mut clock: libc::clockid_t = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both calls only write to the variable that they are given, which outlives them.
        let answered = unsafe {
            libc::clock_getcpuclockid(libc::pid_t::try_from(pid).ok()?, &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        answered.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        None
    }
}

fn on_cpu_ns(task: &Path) -> Option<u64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_s_time_grows_with_its_work_and_outlives_its_threads() {
        let before = process_ns(std::process::id()).expect("this process is there");
        let worker = std::thread::spawn(|| {
            let start = process_ns(std::process::id()).expect("this process is there");
            let worked = || process_ns(std::process::id()).is_some_and(|now| now > start + 2_000_000);
            while !worked() {}
        });
        worker.join().expect("it only counts");
        let after = process_ns(std::process::id()).expect("this process is there");
        assert!(after >= before + 2_000_000, "{before} -> {after}");
        assert_eq!(process_ns(u32::MAX), None);
    }
}
