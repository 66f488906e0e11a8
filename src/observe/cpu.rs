//! CPU time as the kernel counts it.

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

fn on_cpu_ns(task: &Path) -> Option<u64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split_ascii_whitespace().next()?.parse().ok()
}
